//! A tmux server of this process's own, known by its socket.

use std::path::PathBuf;
use std::process::{Command, Output};

pub struct Tmux {
    /// Everything of it, the canary included. Its name is plain.
    pub folder: PathBuf,
}

impl Tmux {
    /// # Panics
    /// When there is no tmux: the target would have no oracle.
    #[must_use]
    pub fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("fz").tempdir_in("/tmp").expect("a folder in /tmp").keep();
        let this = Self { folder };
        // A session that stays, so that the server does. Its only program waits for this process to end, in whatever way,
        // and takes everything along.
        let wait = "while kill -0 \"$0\" 2>/dev/null; do sleep 1; done; rm -rf \"$1\"; tmux -S \"$2\" kill-server";
        let (socket, folder) = (this.path("socket").display().to_string(), this.folder.display().to_string());
        let program = ["sh", "-c", wait, &std::process::id().to_string(), &folder, &socket].map(str::to_owned);
        let session = ["new-session", "-d", "-s", "keep", "-x", "200", "-y", "50"].map(str::to_owned);
        let words = [&session[..], &program[..]].concat();
        let output = this.command(&words.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(output.status.success(), "{output:?}");
        this
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Whether a command of some text has run.
    #[must_use]
    pub fn canary(&self) -> bool {
        self.path("canary").exists()
    }

    #[must_use]
    pub fn command(&self, words: &[&str]) -> Output {
        let mut command = Command::new("tmux");
        command.args(["-u", "-f", "/dev/null", "-S"]).arg(self.path("socket")).args(words);
        // The panes' programs say here what they were called with.
        command.env_clear().env("PATH", "/usr/bin:/bin").env("LANG", "C.UTF-8").env("SEEN", self.path("seen"));
        command.output().expect("the program tmux")
    }

    /// What tmux answers, whole.
    pub fn ask(&self, words: &[&str]) -> String {
        let output = self.command(words);
        assert!(output.status.success(), "{words:?}: {output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}
