//! How it ends, its heartbeat, its child and its appetite.

use std::time::{Duration, Instant};

use alacritty_terminal::term::TermMode;
use fleet::script::Step;
use nix::sys::signal::Signal;

use super::{Canary, print};

fn ignore(signal: &str) -> Step {
    Step::Ignore { signal: signal.to_owned() }
}

#[test]
fn it_exits_with_the_scripts_code_and_leaves_a_clean_terminal() {
    let repeat = Step::Repeat { times: 2, steps: vec![print("again")] };
    let mut canary = Canary::start(vec![repeat, Step::Busy { ms: 100 }, Step::Exit { code: 3 }]);
    assert_eq!(canary.pty.code(), 3);
    let screen = canary.pty.screen();
    assert_eq!(screen.lines, ["again", "again"]);
    assert!(!screen.modes.contains(TermMode::BRACKETED_PASTE));
    assert!(!canary.pty.is_raw());
}

#[test]
fn quit_ends_it_with_success_even_while_busy() {
    let mut canary = Canary::start(vec![Step::Busy { ms: 600_000 }]);
    canary.pty.wait("busy", |screen| screen.lines.len() == 2);
    canary.pty.type_in("/quit\r");
    assert_eq!(canary.pty.code(), 0);
}

#[test]
fn sigterm_ends_it_with_143_also_while_it_hangs() {
    for steps in [vec![Step::Wait], vec![Step::Hang], vec![Step::Child { ms: 600_000 }]] {
        let mut canary = Canary::start(steps);
        canary.pty.wait("its input line", |screen| screen.lines.last().is_some_and(|line| line == ">"));
        canary.pty.signal(Signal::SIGTERM);
        assert_eq!(canary.pty.code(), 143);
    }
}

#[test]
fn it_ignores_the_signals_it_is_told_to() {
    let mut canary = Canary::start(vec![ignore("TERM"), ignore("HUP"), ignore("QUIT"), Step::Wait]);
    canary.shows(&[">"]);
    for signal in [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT] {
        canary.pty.signal(signal);
    }
    canary.pty.type_in("alive\r");
    canary.shows(&["got: alive", ">"]);
    canary.pty.signal(Signal::SIGKILL);
    assert_eq!(canary.pty.code(), 1009);
}

#[test]
fn it_hangs_with_a_frozen_busy_line_and_takes_no_input() {
    let mut canary = Canary::start(vec![Step::Hang]);
    canary.shows(&["* working", ">"]);
    canary.pty.type_in("hello\r/quit\r\x03");
    canary.pty.signal(Signal::SIGINT);
    canary.pty.resize(60, 10);
    assert_eq!(canary.pty.settle(Duration::from_millis(700)), 0, "it reacted");
    canary.shows(&["* working", ">"]);
}

#[test]
fn it_dies_by_the_signal_the_script_names() {
    for (name, number) in [("SEGV", 11), ("TERM", 15), ("KILL", 9), ("HUP", 1)] {
        let mut canary = Canary::start(vec![print("bye"), Step::Die { signal: name.to_owned() }]);
        assert_eq!(canary.pty.code(), 1000 + number, "{name}");
        assert!(canary.pty.screen().lines.starts_with(&["bye".to_owned()]), "{name}: the last words are out");
    }
}

#[test]
fn it_ends_when_its_terminal_is_closed() {
    let mut canary = Canary::start(vec![Step::Wait]);
    canary.shows(&[">"]);
    assert_eq!(canary.pty.hang_up(), 1001);
    let mut deaf = Canary::start(vec![ignore("HUP"), Step::Busy { ms: 300 }, Step::Exit { code: 7 }]);
    deaf.pty.wait("busy", |screen| screen.lines.len() == 2);
    assert_eq!(deaf.pty.hang_up(), 7, "an agent that ignores the hang-up goes on without a terminal");
}

#[test]
fn the_heartbeat_beats_only_where_the_script_says_so() {
    let beat = Step::Beat { every_ms: 20, for_ms: 600_000 };
    let mut canary = Canary::start(vec![print("before"), Step::Wait, beat, print("after"), Step::Wait]);
    canary.shows(&["before", ">"]);
    assert!(!canary.heartbeat().exists());
    canary.pty.type_in("go\r");
    canary.shows(&["got: go", "* working", ">"]);
    let deadline = Instant::now() + Duration::from_secs(20);
    let read = |canary: &Canary| -> serde_json::Value {
        std::fs::read(canary.heartbeat())
            .ok()
            .map_or(serde_json::Value::Null, |bytes| serde_json::from_slice(&bytes).expect("never half a heartbeat"))
    };
    let first = loop {
        let beat = read(&canary);
        if beat["progress"].as_u64() >= Some(3) {
            break beat;
        }
        assert!(Instant::now() < deadline, "no third beat: {beat}");
    };
    assert_eq!(first["format"], 1);
    assert_eq!(first["pid"], canary.pty.pid());
    assert_eq!(first["state"], "working");
    assert_eq!(first["nonce"].as_str().unwrap().len(), 36);
    assert!(first["ts"].as_u64().unwrap() > 1_600_000_000_000);
    canary.pty.type_in("\x03");
    canary.shows(&["interrupted", "after", ">"]);
    let last = read(&canary);
    canary.pty.settle(Duration::from_millis(200));
    assert_eq!(read(&canary), last);
}

#[test]
fn a_child_is_a_process_of_its_own_and_ends_with_the_step() {
    let children = |pid: i32| std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    let mut canary = Canary::start(vec![Step::Child { ms: 600_000 }, Step::Child { ms: 30 }, print("both done")]);
    canary.pty.wait("busy", |screen| screen.lines.len() == 2);
    assert_eq!(children(canary.pty.pid()).split_whitespace().count(), 1);
    canary.pty.type_in("\x03");
    canary.shows(&["interrupted", "both done", ">"]);
    assert_eq!(children(canary.pty.pid()), "");
}

#[test]
fn spin_spends_processor_time_and_still_listens() {
    let ticks = |pid: i32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        stat.rsplit(')').next().unwrap().split_whitespace().nth(11).unwrap().parse::<u64>().unwrap()
    };
    let mut canary = Canary::start(vec![Step::Spin { ms: 600_000 }]);
    let pid = canary.pty.pid();
    canary.pty.wait("a fifth of a second of processor time", |_| ticks(pid) >= 20);
    canary.pty.type_in("hi\r");
    canary.pty.wait("its echo", |screen| screen.lines.iter().any(|line| line == "got: hi"));
    canary.pty.type_in("\x03");
    canary.shows(&["got: hi", "interrupted", ">"]);
}

#[test]
fn what_cannot_start_says_why() {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_fleet"));
    let output = command.args(["canary", "/nowhere/script.json"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let words = String::from_utf8(output.stderr).unwrap();
    assert!(words.contains("/nowhere/script.json") && words.contains("fleet apply"), "{words}");

    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("script.json");
    std::fs::write(&script, r#"{"format":1,"steps":[]}"#).unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_fleet"));
    let output = command.arg("canary").arg(&script).stdin(std::process::Stdio::null()).output().unwrap();
    let words = String::from_utf8(output.stderr).unwrap();
    assert!(words.contains("terminal") && words.contains("run it in a terminal"), "{words}");
}
