//! The whole shim with a terminal model that fails: the agent lives, and draws anew.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{self, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, Signal};
use serde_json::json;

use super::ending::Ending;
use super::protocol::{Frame, HANDSHAKE, to_shim};
use super::terminal::{Model, Size};
use super::{client, start};

const PATIENCE: Duration = Duration::from_secs(20);

fn manifest(folder: &Path, script: &str) -> serde_json::Value {
    json!({
        "format": 1, "fleet": "shop", "agent": "lead", "kind": "agent", "role": null,
        "unit": "fleet-shop-lead.service", "roster": folder.join("fleet.kdl"), "folder": folder,
        "socket": folder.join("r/lead.sock"),
        "launch": {
            "runtime": "test", "model": null, "effort": null, "argv": ["sh", "-c", script], "prompt_argv": [],
            "dir": folder, "env_keys": [], "env_digest": "0".repeat(64), "unset": [], "secrets": [],
            "role_digest": null, "files": {},
            "terminal": {"columns": 80, "rows": 24, "term": "xterm-256color", "scrollback": 0},
        },
        "policy": {
            "description": null, "prompt": null, "autostart": true,
            "restart": {"when": "never", "delay_ms": 0, "max_delay_ms": 0, "burst": 1, "within_ms": 1, "healthy_ms": 1},
            "limits": {"memory": null, "memory_high": null, "tasks": null, "cpu_percent": null},
            "stop_timeout_ms": 10_000, "log": {"size": 1_000_000, "keep": 1, "off": false}, "patterns": [],
            "delivery": {"busy_input": "refuse", "settle_ms": 150, "quit": null, "interrupt": null},
        },
    })
}

/// Names the manifest for [`a_shim_with_a_failing_model`].
const MANIFEST: &str = "FLEET_TEST_FAILING_MODEL";

/// What the shim waits for. Blocked in every thread of its process, or one that does not read them would take them.
fn awaited() -> SigSet {
    [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGCHLD].into_iter().collect()
}

/// Starts this test program once more, for [`a_shim_with_a_failing_model`] alone: a shim takes signals and reaps children, so
/// it needs a process of its own.
fn run_with_a_failing_model(manifest: &Path, stderr: File) -> Child {
    let name = "shim::contained::a_shim_with_a_failing_model";
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", name, "--nocapture", "--test-threads=1"]).env(MANIFEST, manifest);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr);
    // SAFETY: the closure only changes the mask of signals, which is safe between fork and exec.
    unsafe { command.pre_exec(|| awaited().thread_block().map_err(std::io::Error::from)) };
    Child(command.spawn().unwrap())
}

/// Runs the shim as `main` does, but for the model: one column, which no request can bring about, makes it panic on
/// every wide character. Nothing by itself.
#[test]
#[expect(clippy::exit, reason = "the process is the shim's, and ends as it does")]
fn a_shim_with_a_failing_model() {
    let Some(manifest) = std::env::var_os(MANIFEST) else { return };
    super::name_the_first_panic();
    let Ok(mut shim) = start::start(Path::new(&manifest)) else { std::process::exit(99) };
    shim.model = Model::new(Size { columns: 1, rows: 2 }, 0);
    std::process::exit(match shim.run() {
        Ending::Status(status) => i32::from(status),
        Ending::Signal(_) | Ending::Afresh => 98,
    })
}

/// Ends the shim by its pid when the test fails.
struct Child(process::Child);

impl Child {
    fn wait(mut self) -> i32 {
        let limit = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status.code().unwrap();
            }
            assert!(Instant::now() < limit, "the shim does not end");
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn eventually(what: &str, mut look: impl FnMut() -> bool) {
    let limit = Instant::now() + PATIENCE;
    while !look() {
        assert!(Instant::now() < limit, "never happened: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_failing_model_costs_a_redraw_and_never_the_agent() {
    let folder = tempfile::Builder::new().prefix("fs").tempdir_in("/tmp").unwrap();
    let script = "trap 'echo drawn anew >> winch' WINCH; stty -echo; \
                  for n in 1 2 3; do printf '漢字漢字'; while [ \"$(wc -l < winch)\" -lt $n ]; do sleep 0.01; done; done; \
                  while read line; do clear; printf 'got %s' \"$line\"; test \"$line\" != bye || exit 7; done";
    fs::write(folder.path().join("winch"), "").unwrap();
    let path = folder.path().join("manifest.json");
    fs::write(&path, manifest(folder.path(), script).to_string()).unwrap();
    let stderr = File::create(folder.path().join("stderr")).unwrap();
    let shim = run_with_a_failing_model(&path, stderr);
    let told = || fs::read_to_string(folder.path().join("winch")).unwrap();
    eventually("the agent was told to draw anew three times", || told().lines().count() >= 3);

    let socket = folder.path().join("r/lead.sock");
    let status = client::status(&socket, PATIENCE).unwrap();
    assert!(status.bytes > 0 && !status.stopping, "{status:?}");
    let mut viewer = UnixStream::connect(&socket).unwrap();
    writeln!(viewer, "{HANDSHAKE} attach\n{}", json!({"mode": "rw", "columns": 80, "rows": 24})).unwrap();
    Frame::write(&mut viewer, to_shim::INPUT, "漢字\r".as_bytes()).unwrap();
    eventually("the model shows what is drawn now", || {
        client::screen(&socket, PATIENCE).unwrap().lines[0].ends_with("got 漢字")
    });
    Frame::write(&mut viewer, to_shim::INPUT, b"bye\r").unwrap();
    assert_eq!(shim.wait(), 7, "the shim ends like its agent");
    let log = fs::read_to_string(folder.path().join("log")).unwrap();
    assert_eq!(log.matches("漢字漢字").count(), 3, "{log:?}");
    assert!(log.ends_with("got bye"), "{log:?}");
    let said = fs::read_to_string(folder.path().join("stderr")).unwrap();
    assert_eq!(said.matches("the terminal model failed").count(), 1, "{said}");
    assert_eq!(said.matches("an internal failure at ").count(), 1, "{said}");
    assert_eq!(said.lines().count(), 2, "three failures fill no log: {said}");
}
