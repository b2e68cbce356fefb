//! A shim played by the test.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use fleet::shim::protocol::{Cursor, Frame, State, Status};
use serde::Serialize;
use serde_json::Value;

/// Nothing that a test waits for takes longer.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A socket somebody listens at.
pub struct Shim {
    listener: UnixListener,
    path: PathBuf,
    _folder: Option<tempfile::TempDir>,
}

impl Shim {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let shim = Self::at(&folder.path().join("agent.sock"));
        Self { _folder: Some(folder), ..shim }
    }

    pub fn at(path: &Path) -> Self {
        Self { listener: UnixListener::bind(path).unwrap(), path: path.to_path_buf(), _folder: None }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The next client, with what it asks.
    pub fn accept(&self) -> Client {
        let mut fds =
            [nix::poll::PollFd::new(std::os::fd::AsFd::as_fd(&self.listener), nix::poll::PollFlags::POLLIN)];
        let timeout = nix::poll::PollTimeout::try_from(PATIENCE).unwrap();
        assert_eq!(nix::poll::poll(&mut fds, timeout), Ok(1), "nobody connects");
        let (stream, _) = self.listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut reader = BufReader::new(stream);
        let mut line = || {
            let mut text = String::new();
            reader.read_line(&mut text).unwrap();
            text.strip_suffix('\n').unwrap_or_else(|| panic!("half a line: {text:?}")).to_owned()
        };
        let (first, request) = (line(), line());
        let verb = first.strip_prefix("fleet-shim 1 ").unwrap_or_else(|| panic!("handshake {first:?}")).to_owned();
        Client { verb, request: serde_json::from_str(&request).unwrap(), reader }
    }

    /// Answers one question with `answer` and gives what was asked.
    pub fn answer(&self, answer: &str) -> (String, Value) {
        let mut client = self.accept();
        client.say(answer.as_bytes());
        (client.verb, client.request)
    }
}

/// A connection to the played shim.
pub struct Client {
    pub verb: String,
    pub request: Value,
    reader: BufReader<UnixStream>,
}

impl Client {
    pub fn say(&mut self, bytes: &[u8]) {
        self.reader.get_mut().write_all(bytes).unwrap();
    }

    pub fn frame(&mut self, kind: u8, payload: impl AsRef<[u8]>) {
        self.say(&Frame::encode(kind, payload.as_ref()));
    }

    pub fn json<T: Serialize>(&mut self, kind: u8, value: &T) {
        self.frame(kind, serde_json::to_vec(value).unwrap());
    }

    /// What the client says next. `None` once it is gone.
    pub fn hear(&mut self) -> Option<(char, Vec<u8>)> {
        let frame = Frame::read(&mut self.reader).expect("a frame, or the end");
        frame.map(|frame| (char::from(frame.kind), frame.payload))
    }
}

/// Some status, told from others by its title.
pub fn status(title: &str) -> Status {
    Status {
        pid: 1,
        agent_pid: 2,
        state: State::Idle,
        reason: "quiet for 3.1 s, idle pattern matched".to_owned(),
        started: "2026-01-02T03:04:05Z".to_owned(),
        bytes: 10,
        quiet_ms: 3100,
        title: title.to_owned(),
        columns: 200,
        rows: 50,
        cursor: Cursor { row: 1, column: 2, visible: true },
        modes: vec!["bracketed-paste".to_owned()],
        viewers: 0,
        hash: "h".to_owned(),
        manifest: "m".to_owned(),
        stopping: false,
    }
}

/// The line that answers `status`.
pub fn status_line(title: &str) -> String {
    format!("{}\n", serde_json::to_string(&status(title)).unwrap())
}
