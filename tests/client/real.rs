//! The client, the real shim and the canary together.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use fleet::ids::FleetId;
use fleet::script::{Script, Step};
use fleet::shim::client;
use fleet::shim::protocol::{Event, Outcome, SendAnswer, SendRequest, State, Status};
use serde_json::json;

use super::attach::command;
use super::fake::PATIENCE;
use super::manifest::manifest;
use super::pty::Pty;

/// A canary under a shim. Both end with it, by the shim's pid.
pub struct Agent {
    shim: Child,
    folder: tempfile::TempDir,
}

impl Agent {
    pub fn start(steps: Vec<Step>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let script = at("script.json");
        std::fs::write(&script, serde_json::to_string(&Script::new(steps)).unwrap()).unwrap();
        let argv = [env!("CARGO_BIN_EXE_fleet"), "canary", script.to_str().unwrap()];
        let fleet = FleetId::new("shop").unwrap();
        let mut manifest = manifest(&fleet, "lead", folder.path(), &at("r/lead.sock"), &argv);
        let pattern = |kind: &str, last: u16, expr: &str| json!({"kind": kind, "region": {"last": last}, "expr": expr, "class": null});
        manifest["launch"]["terminal"]["columns"] = json!(100);
        manifest["launch"]["terminal"]["rows"] = json!(30);
        manifest["policy"]["patterns"] = json!([
            pattern("ready", 1, "^>( |$)"),
            pattern("idle", 1, "^>( |$)"),
            pattern("input", 1, "^>(?: (.*))?$"),
            pattern("busy", 2, r"^\* working"),
            pattern("dialog", 1, r"^\? .*\[y/N\]"),
            pattern("fatal", 2, "^fatal: "),
            pattern("limit", 2, "^limit reached"),
        ]);
        manifest["policy"]["delivery"] =
            json!({"busy_input": "steer", "settle_ms": 150, "quit": "/quit", "interrupt": "\u{3}"});
        std::fs::write(at("manifest.json"), manifest.to_string()).unwrap();
        let mut shim = Command::new(env!("CARGO_BIN_EXE_fleet-shim"));
        shim.arg(at("manifest.json")).stdin(Stdio::null()).stdout(Stdio::null()).env_remove("NOTIFY_SOCKET");
        let agent = Self { shim: shim.spawn().unwrap(), folder };
        agent.is("up", |_| true);
        agent
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("r/lead.sock")
    }

    /// Where its log is.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Asks until the status is as it should be.
    pub fn is(&self, what: &str, met: impl Fn(&Status) -> bool) -> Status {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let last = client::status(&self.socket(), PATIENCE);
            match last {
                Ok(status) if met(&status) => return status,
                Err(error) if !error.has_ended() => panic!("{error}"),
                _ => {}
            }
            assert!(Instant::now() < deadline, "never {what}: {last:?}");
            nix::poll::poll(&mut [], 5_u16).unwrap();
        }
    }

    pub fn send(&self, text: &str) -> SendAnswer {
        let message = SendRequest { text: text.to_owned(), from: None };
        client::send(&self.socket(), &message, client::SEND_TIMEOUT).unwrap()
    }

    fn lines(&self) -> Vec<String> {
        let mut lines = client::screen(&self.socket(), PATIENCE).unwrap().lines;
        lines.retain(|line| !line.is_empty());
        lines
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = client::signal(&self.socket(), "KILL", PATIENCE);
        if let Ok(None) = self.shim.try_wait() {
            let _ = self.shim.kill();
        }
        let _ = self.shim.wait();
    }
}

fn state(wanted: State) -> impl Fn(&Status) -> bool {
    move |status| status.state == wanted
}

/// Says hello and waits for words.
pub fn talker() -> Vec<Step> {
    vec![Step::Print { text: "hello".to_owned() }, Step::Wait, Step::Busy { ms: 600_000 }]
}

#[test]
fn every_state_of_the_canary_is_told() {
    let agent = Agent::start(vec![
        Step::Wait,
        Step::Busy { ms: 600_000 },
        Step::Ask { text: "Go on?".to_owned() },
        Step::Limit { reset_ms: 600_000 },
        Step::Fatal { text: "no credit".to_owned() },
    ]);
    let status = agent.is("idle", state(State::Idle));
    assert_eq!((status.title.as_str(), status.columns, status.rows), ("canary: idle", 100, 30));
    let mut pty = Pty::spawn(command(&agent.socket(), &[]), 100, 30);
    pty.wait("the input line", |screen| screen.lines == [">"]);
    pty.type_in("start\r");
    agent.is("working", |status| status.state == State::Working && status.reason.contains("busy"));
    client::signal(&agent.socket(), "INT", PATIENCE).unwrap();
    agent.is("waiting for a human", state(State::WaitingForHuman));
    pty.wait("the dialog", |screen| screen.lines.last().is_some_and(|line| line == "? Go on? [y/N]"));
    pty.type_in("y");
    agent.is("rate limited", state(State::RateLimited));
    pty.type_in("\x03");
    agent.is("fatal", state(State::Fatal));
    pty.type_in("\x1c");
    assert_eq!(pty.code(), 0);
    assert_eq!(
        agent.lines()[1..],
        [
            "interrupted",
            "answered yes: Go on?",
            "limit reached, resets in 10m",
            "interrupted",
            "fatal: no credit",
            ">"
        ]
    );
}

#[test]
fn messages_are_delivered_with_proof_also_long_ones_and_while_busy() {
    let ask = Step::Ask { text: "Go on?".to_owned() };
    let agent = Agent::start(vec![Step::Wait, Step::Busy { ms: 600_000 }, ask]);
    agent.is("idle", state(State::Idle));
    let long = format!("first line\nsecond line\n{}", "long ".repeat(300));
    let sent = agent.send(&long);
    assert_eq!((sent.outcome, sent.enters), (Outcome::Submitted, 1), "{sent:?}");
    assert!(agent.lines().iter().any(|line| line.starts_with("got: first line⏎second line⏎long long")));
    agent.is("busy", |status| status.reason.contains("busy"));
    let sent = agent.send("while busy");
    assert_eq!((sent.outcome, sent.enters), (Outcome::Submitted, 1), "{sent:?}");
    assert!(agent.lines().iter().any(|line| line == "got: while busy"));
    client::signal(&agent.socket(), "INT", PATIENCE).unwrap();
    agent.is("waiting for a human", state(State::WaitingForHuman));
    let refused = agent.send("not into a dialog");
    assert_eq!((refused.outcome, refused.enters), (Outcome::Refused, 0), "{refused:?}");
}

#[test]
fn attach_shows_types_resizes_and_reports_the_end() {
    let mut agent =
        Agent::start(vec![Step::Print { text: "hello 漢字".to_owned() }, Step::Wait, Step::Exit { code: 3 }]);
    agent.is("idle", state(State::Idle));
    let events = client::subscribe(&agent.socket()).unwrap();
    let mut pty = Pty::spawn(command(&agent.socket(), &[]), 90, 20);
    pty.wait("the canary", |screen| screen.lines == ["hello 漢字", ">"] && screen.title == "canary: idle");
    let status = agent.is("90 by 20", |status| (status.columns, status.rows) == (90, 20));
    assert_eq!(status.viewers, 1);
    pty.resize(70, 15);
    agent.is("70 by 15", |status| (status.columns, status.rows) == (70, 15));
    pty.type_in("bye");
    pty.wait("the draft", |screen| screen.lines == ["hello 漢字", "> bye"]);
    pty.type_in("\r");
    assert_eq!(pty.code(), 10);
    assert!(pty.screen().lines.iter().any(|line| line == "coder ended (exit 3)"), "{:?}", pty.screen().lines);
    let events: Vec<Event> = events.map(Result::unwrap).collect();
    assert!(events.iter().any(|event| matches!(event, Event::Viewer { viewers: 1, .. })), "{events:?}");
    let Some(Event::Exit { code: Some(3), signal: None, record: Some(record) }) = events.last() else {
        panic!("{events:?}")
    };
    assert_eq!((record.code, record.stop_requested), (Some(3), false));
    assert_eq!(agent.shim.wait().unwrap().code(), Some(3));
}

#[test]
fn reload_and_scrollback_are_answered() {
    let agent = Agent::start(vec![Step::Wait]);
    agent.is("idle", state(State::Idle));
    client::reload(&agent.socket(), PATIENCE).unwrap();
    assert!(client::scrollback(&agent.socket(), 10, PATIENCE).unwrap().lines.is_empty());
    let error = client::signal(&agent.socket(), "NONSENSE", PATIENCE).unwrap_err();
    assert!(error.to_string().contains("refused"), "{error}");
}
