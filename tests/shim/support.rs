//! A shim in a temporary folder, and a raw client of its socket.

use std::io::{BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use fleet::ids::FleetId;
use fleet::shim::protocol::Frame;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::manifest::manifest;

/// How long any condition may take to come true on a loaded machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until `look` gives something.
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let limit = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < limit, "never happened: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A manifest to be changed by a test, and the folder it lives in.
pub struct Place {
    pub root: TempDir,
    pub manifest: Value,
    pub environment: Vec<(String, String)>,
}

impl Place {
    /// For an agent that runs this shell script.
    pub fn shell(script: &str) -> Self {
        Self::new(&["sh", "-c", script])
    }

    pub fn new(argv: &[&str]) -> Self {
        let root = tempfile::Builder::new().prefix("fs").tempdir_in("/tmp").unwrap();
        let folder = root.path().join("a");
        std::fs::create_dir(&folder).unwrap();
        let mut manifest =
            manifest(&FleetId::new("shop").unwrap(), "lead", &folder, &root.path().join("r/lead.sock"), argv);
        manifest["launch"]["dir"] = json!(root.path());
        Self { root, manifest, environment: Vec::new() }
    }

    pub fn folder(&self) -> PathBuf {
        self.root.path().join("a")
    }

    pub fn socket(&self) -> PathBuf {
        self.manifest["socket"].as_str().unwrap().into()
    }

    pub fn read(&self, name: &str) -> String {
        let path = self.folder().join(name);
        let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        String::from_utf8_lossy(&bytes).into_owned()
    }

    pub fn json(&self, name: &str) -> Value {
        serde_json::from_str(&self.read(name)).unwrap()
    }

    pub fn exit_record(&self) -> Value {
        self.json("exit.json")
    }

    pub fn pattern(&mut self, kind: &str, region: impl Into<Value>, expr: &str) {
        let pattern = json!({"kind": kind, "region": region.into(), "expr": expr, "class": null});
        self.manifest["policy"]["patterns"].as_array_mut().unwrap().push(pattern);
    }

    pub fn write_manifest(&self) -> PathBuf {
        let path = self.folder().join("manifest.json");
        std::fs::write(&path, self.manifest.to_string()).unwrap();
        path
    }

    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fleet-shim"));
        command.arg(self.write_manifest()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        command.env_remove("NOTIFY_SOCKET").envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    pub fn start(&self) -> Shim {
        Shim { child: self.command().spawn().unwrap(), socket: self.socket() }
    }

    /// Starts the shim and waits until it listens.
    pub fn up(&self) -> Shim {
        let mut shim = self.start();
        eventually("run.json appears", || {
            if let Some(status) = shim.child.try_wait().unwrap() {
                panic!("the shim ended: {status}: {}", shim.stderr());
            }
            self.folder().join("run.json").exists().then_some(())
        });
        shim
    }

    /// Runs the shim to its end.
    pub fn run(&self) -> (ExitStatus, String) {
        self.start().wait()
    }
}

/// A running shim. Ended by its pid when the test is over.
pub struct Shim {
    pub child: Child,
    pub socket: PathBuf,
}

impl Shim {
    pub fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap())
    }

    /// A number of `/proc/<pid>/status`, by the name of its line.
    fn number(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with(&format!("{name}:"))).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// The most memory it ever had, in kB.
    pub fn peak_kb(&self) -> u64 {
        self.number("VmHWM")
    }

    pub fn threads(&self) -> u64 {
        self.number("Threads")
    }

    /// How often it went to sleep.
    pub fn switches(&self) -> u64 {
        self.number("voluntary_ctxt_switches")
    }

    /// Processor time so far, in milliseconds.
    pub fn cpu_ms(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        ticks * 1000
            / u64::try_from(nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK).unwrap().unwrap()).unwrap()
    }

    pub fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }

    pub fn stderr(&mut self) -> String {
        let mut text = String::new();
        if let Some(mut stderr) = self.child.stderr.take() {
            stderr.read_to_string(&mut text).unwrap();
        }
        text
    }

    /// Waits for the end, with what was said on stderr.
    pub fn wait(mut self) -> (ExitStatus, String) {
        let status = eventually("the shim ends", || self.child.try_wait().unwrap());
        (status, self.stderr())
    }

    pub fn connect(&self) -> UnixStream {
        let stream = eventually("the socket is there", || UnixStream::connect(&self.socket).ok());
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// One control verb, as text.
    pub fn raw(&self, text: &str) -> String {
        let mut stream = self.connect();
        stream.write_all(text.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// One control verb.
    pub fn ask(&self, verb: &str, request: &Value) -> Value {
        let answer = self.raw(&format!("fleet-shim 1 {verb}\n{request}\n"));
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{verb}: {error}: {answer:?}"))
    }

    pub fn status(&self) -> Value {
        self.ask("status", &json!({}))
    }

    pub fn lines(&self) -> Vec<String> {
        let screen = self.ask("screen", &json!({}));
        screen["lines"].as_array().unwrap().iter().map(|line| line.as_str().unwrap().to_owned()).collect()
    }

    /// Waits until the screen has this text.
    pub fn shows(&self, text: &str) {
        eventually(&format!("the screen shows {text:?}"), || {
            self.lines().iter().any(|line| line.contains(text)).then_some(())
        });
    }

    pub fn frames(&self, verb: &str, request: &Value) -> Frames {
        let mut stream = self.connect();
        stream.write_all(format!("fleet-shim 1 {verb}\n{request}\n").as_bytes()).unwrap();
        Frames { stream: BufReader::new(stream) }
    }

    pub fn attach(&self, mode: &str, columns: u16, rows: u16) -> Frames {
        self.frames("attach", &json!({"mode": mode, "columns": columns, "rows": rows}))
    }
}

impl Drop for Shim {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// A connection that speaks frames.
pub struct Frames {
    pub stream: BufReader<UnixStream>,
}

impl Frames {
    pub fn next(&mut self) -> Option<Frame> {
        Frame::read(&mut self.stream).unwrap()
    }

    pub fn send(&mut self, kind: u8, payload: &[u8]) {
        Frame::write(self.stream.get_mut(), kind, payload).unwrap();
    }

    pub fn resize(&mut self, columns: u16, rows: u16) {
        let payload = [columns.to_le_bytes(), rows.to_le_bytes()].concat();
        self.send(b'R', &payload);
    }

    /// The next event of this name.
    pub fn event(&mut self, name: &str) -> Value {
        loop {
            let frame = self.next().unwrap_or_else(|| panic!("the shim closed before event {name}"));
            let event: Value = serde_json::from_slice(&frame.payload).unwrap();
            if event["event"] == name {
                return event;
            }
        }
    }
}

pub fn code(status: ExitStatus) -> Option<i32> {
    status.code()
}

pub fn signal(status: ExitStatus) -> Option<i32> {
    status.signal()
}

/// Whether a process is there and not merely a zombie.
pub fn lives(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat[stat.rfind(')').unwrap()..].starts_with(") Z"))
}

/// A number that an agent wrote to a file.
pub fn pid_in(path: &Path) -> i32 {
    eventually(&format!("{} holds a pid", path.display()), || {
        std::fs::read_to_string(path).ok().and_then(|text| text.ends_with('\n').then(|| text.trim().parse().unwrap()))
    })
}
