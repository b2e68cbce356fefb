//! A folder, a home, and nothing else.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use assert_cmd::Command;

/// Where one test plays.
pub struct Bench {
    /// The folder the commands run in.
    pub work: PathBuf,
    /// The only folder on the commands' PATH.
    pub bin: PathBuf,
    root: tempfile::TempDir,
}

/// What a command said and how it ended.
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Bench {
    pub fn new() -> Self {
        let root = tempfile::Builder::new().prefix("fc").tempdir_in("/tmp").unwrap();
        let (work, bin) = (root.path().join("shop"), root.path().join("bin"));
        for folder in [&work, &bin, &root.path().join("home")] {
            fs::create_dir(folder).unwrap();
        }
        Self { work, bin, root }
    }

    /// A bench with this roster in its folder.
    pub fn with(roster: &str) -> Self {
        let bench = Self::new();
        bench.roster(roster);
        bench
    }

    pub fn roster(&self, text: &str) {
        fs::write(self.work.join("fleet.kdl"), text).unwrap();
    }

    pub fn state(&self) -> PathBuf {
        self.root.path().join("home/.local/state/fleet")
    }

    /// A program that `fleet` can find.
    pub fn program(&self, name: &str) -> PathBuf {
        let path = self.bin.join(name);
        fs::write(&path, "#!/bin/sh\nexec sleep 1000\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fleet"));
        command.args(arguments).current_dir(&self.work).env_clear();
        command.env("HOME", self.root.path().join("home")).env("PATH", &self.bin);
        command.env("LANG", "C.UTF-8").env("COLUMNS", "100");
        // No user manager and no runtime folder: results are the same on every machine.
        command.env("XDG_RUNTIME_DIR", self.root.path().join("none"));
        command.timeout(std::time::Duration::from_mins(1));
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Said {
        self.finish(&mut self.command(arguments))
    }

    pub fn finish(&self, command: &mut Command) -> Said {
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| self.plain(&String::from_utf8_lossy(bytes));
        Said { code: output.status.code().unwrap_or(-1), out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// What differs from run to run, by name.
    pub fn plain(&self, text: &str) -> String {
        text.replace(&self.root.path().canonicalize().unwrap().display().to_string(), "[ROOT]")
            .replace(&self.root.path().display().to_string(), "[ROOT]")
            .replace(&format!("/run/user/{}", nix::unistd::getuid()), "[RUNTIME]")
    }

    /// Every path below the bench, so that a test can say that nothing was written.
    pub fn tree(&self) -> Vec<PathBuf> {
        fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
            for entry in fs::read_dir(folder).unwrap().flatten() {
                found.push(entry.path());
                if entry.file_type().unwrap().is_dir() {
                    walk(&entry.path(), found);
                }
            }
        }
        let mut found = Vec::new();
        walk(self.root.path(), &mut found);
        found.sort();
        found
    }
}

impl Said {
    /// Everything, for a snapshot.
    pub fn all(&self) -> String {
        let part =
            |name: &str, text: &str| if text.is_empty() { String::new() } else { format!("---- {name}\n{text}") };
        format!("exit {}\n{}{}", self.code, part("out", &self.out), part("err", &self.err))
    }
}
