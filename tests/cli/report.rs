//! `heartbeat` and `report`, where no shim is: they fail nobody and write into the agent's own folder.

use std::io::Write as _;
use std::process::Stdio;

use serde_json::Value;

use super::bench::{Bench, Said};

/// A command inside an agent whose shim takes no words.
fn inside(bench: &Bench, words: &[&str], input: &str) -> Said {
    let mut command = bench.command(words);
    command.env("FLEET_AGENT_DIR", &bench.work).env("FLEET_AGENT", "lead").env("FLEET_RUN_NONCE", "n-1");
    bench.finish(command.write_stdin(input))
}

fn word(bench: &Bench) -> Value {
    serde_json::from_slice(&std::fs::read(bench.work.join("heartbeat")).unwrap()).unwrap()
}

#[test]
fn no_heartbeat_fails_its_caller() {
    let bench = Bench::new();
    for words in [
        &["heartbeat"][..],
        &["heartbeat", "--state", "asleep"],
        &["heartbeat", "--nonsense"],
        &["heartbeat", "--progress", "-1"],
        &["heartbeat", "--from-hook", "a", "b"],
    ] {
        let said = bench.run(words);
        assert_eq!((said.code, said.out.as_str()), (0, ""), "{words:?}: {}", said.err);
        assert!(!said.err.is_empty(), "{words:?} says nothing to anyone");
    }
    let mut nowhere = bench.command(&["heartbeat"]);
    let said = bench.finish(nowhere.env("FLEET_AGENT_DIR", bench.work.join("gone")));
    assert_eq!((said.code, said.out.as_str()), (0, ""));
    assert!(said.err.contains("not noted"), "{}", said.err);
    assert_eq!(bench.run(&["heartbeat", "--help"]).code, 0);
}

#[test]
fn a_hook_says_which_event_it_is() {
    let bench = Bench::new();
    let call = r#"{"session_id":"s-1","hook_event_name":"UserPromptSubmit","prompt":"hello"}"#;
    let said = inside(&bench, &["heartbeat", "--state", "prompt-submitted", "--from-hook"], call);
    assert_eq!(said.all(), "exit 0\n");
    let word = word(&bench);
    assert_eq!(word["state"], "prompt-submitted");
    assert_eq!((&word["event"], &word["session"]), (&"UserPromptSubmit".into(), &"s-1".into()));
    assert_eq!((&word["format"], &word["nonce"], &word["progress"]), (&1.into(), &"n-1".into(), &1.into()));
    assert!(!word.to_string().contains("hello"), "what people say is none of its business");
}

#[test]
fn an_error_that_ended_a_turn_is_named_and_kept() {
    let bench = Bench::new();
    let call = r#"{"hook_event_name":"StopFailure","error":"rate_limit","message":"slow down"}"#;
    inside(&bench, &["heartbeat", "--state", "blocked", "--from-hook"], call);
    inside(&bench, &["heartbeat", "--state", "idle"], "");
    assert_eq!(word(&bench)["state"], "idle");
    let kept: Vec<_> = std::fs::read_dir(bench.work.join("reports")).unwrap().flatten().collect();
    let kept: Value = serde_json::from_slice(&std::fs::read(kept[0].path()).unwrap()).unwrap();
    assert_eq!((&kept["state"], &kept["note"]), (&"blocked".into(), &"rate_limit: slow down".into()));
}

#[test]
fn a_runtime_may_append_its_call_as_a_word() {
    let bench = Bench::new();
    let call = r#"{"type":"agent-turn-complete","thread-id":"t-1"}"#;
    inside(&bench, &["heartbeat", "--state", "idle", call], "");
    assert_eq!((&word(&bench)["event"], &word(&bench)["session"]), (&"agent-turn-complete".into(), &"t-1".into()));
}

#[test]
fn input_that_never_ends_holds_nobody_up() {
    let bench = Bench::new();
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_fleet"))
        .args(["heartbeat", "--state", "tool", "--from-hook"])
        .env_clear()
        .env("FLEET_AGENT_DIR", &bench.work)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(br#"{"hook_event_name":"PreToolUse","tool_input":""#).unwrap();
    // The other end stays open until it has ended.
    assert!(child.wait().unwrap().success());
    drop(input);
    assert_eq!(word(&bench)["event"], "PreToolUse");
}

#[test]
fn a_report_says_what_happened() {
    let bench = Bench::new();
    let said = inside(&bench, &["report", "done", "--note", "-all green"], "");
    assert_eq!(said.all(), "exit 0\n---- out\nreported: done\n");
    assert_eq!(word(&bench)["note"], "-all green");
    let said = inside(&bench, &["report", "waiting", "--json"], "");
    let json: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(json, serde_json::json!({"format": 1, "agent": "lead", "state": "waiting", "by": "file"}));

    let long = "x".repeat(2001);
    let said = inside(&bench, &["report", "done", "--note", &long], "");
    assert_eq!(said.code, 64, "{}", said.all());
    let said = bench.run(&["report", "done"]);
    assert_eq!((said.code, said.out.as_str()), (6, ""));
    assert!(said.err.contains("FLEET_AGENT_DIR"), "{}", said.err);
    assert_eq!(bench.run(&["report", "sleeping"]).code, 64);
    assert_eq!(bench.run(&["report"]).code, 64);
}
