//! The socket's control verbs.

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::support::{Place, code, eventually};

#[test]
fn status_tells_what_is_known() {
    let place = Place::shell("printf '\\033]2;the title\\007\\033[?2004h\\033[3;5Hhere'; exec sleep 1000");
    let shim = place.up();
    shim.shows("here");
    let status = shim.status();
    assert_eq!(status["pid"], shim.pid().as_raw());
    assert_eq!((&status["columns"], &status["rows"]), (&json!(80), &json!(24)));
    assert_eq!(status["title"], "the title");
    assert_eq!(status["cursor"], json!({"row": 2, "column": 8, "visible": true}));
    assert_eq!(status["modes"], json!(["bracketed-paste"]));
    assert_eq!(status["bytes"], place.read("log").len());
    assert_eq!(status["state"], "working");
    assert_eq!(status["stopping"], false);
    assert_eq!(status["manifest"], fleet::ids::Digest::of(place.read("manifest.json").as_bytes()).as_str());
    eventually("quiet is not idle where no pattern says so", || {
        let status = shim.status();
        (status["state"] == "unknown" && status["quiet_ms"].as_u64() >= Some(2500)).then_some(())
    });
    let screen = shim.ask("screen", &json!({}));
    assert_eq!(screen["hash"], status["hash"]);
    assert_eq!(screen["lines"].as_array().unwrap().len(), 24);
    assert_eq!(screen["lines"][2], "    here");
}

#[test]
fn patterns_make_states() {
    let mut place = Place::shell("while read line; do clear; echo \"$line\"; done");
    place.pattern("idle", json!("screen"), "^waiting");
    place.pattern("dialog", json!("screen"), "^proceed\\?");
    place.pattern("busy", json!("screen"), "^busy");
    place.pattern("busy", json!("screen"), "(a bad one");
    place.manifest["policy"]["patterns"].as_array_mut().unwrap().extend([
        json!({"kind": "fatal", "region": "screen", "expr": "invalid key", "class": "auth"}),
        json!({"kind": "limit", "region": "screen", "expr": "too many", "class": "rate"}),
    ]);
    let shim = place.up();
    let mut viewer = shim.attach("rw", 80, 24);
    for (said, state, reason) in [
        ("proceed? y/n", "waiting-for-human", "dialog pattern matched: \"proceed? y/n\""),
        ("invalid key", "fatal", "fatal pattern (auth) matched: \"invalid key\""),
        ("too many requests", "rate-limited", "limit pattern (rate) matched: \"too many requests\""),
        ("busy now", "working", "busy pattern matched: \"busy now\""),
        ("waiting", "idle", "idle pattern matched: \"waiting\""),
    ] {
        viewer.send(b'I', format!("{said}\r").as_bytes());
        eventually(&format!("{said} is {state}"), || {
            let status = shim.status();
            (status["state"] == state && status["reason"].as_str().unwrap().ends_with(reason)).then_some(())
        });
    }
    viewer.send(b'I', b"\x04");
    let (_, stderr) = shim.wait();
    assert!(stderr.contains("(a bad one") && stderr.contains("is ignored"), "{stderr}");
}

#[test]
fn scrollback_is_what_scrolled_off() {
    let mut place = Place::shell("seq 1 100; exec sleep 1000");
    place.manifest["launch"]["terminal"]["scrollback"] = json!(50);
    let shim = place.up();
    shim.shows("100");
    let answer = shim.ask("scrollback", &json!({"lines": 3}));
    assert_eq!(answer, json!({"lines": ["75", "76", "77"]}));
    assert_eq!(shim.ask("scrollback", &json!({"lines": 1000}))["lines"].as_array().unwrap().len(), 50);
}

#[test]
fn signals_reach_the_whole_group() {
    let place = Place::shell(
        "trap 'exit 9' USR1; (trap 'echo child; exit' USR1; echo up; while :; do sleep 1000 & wait; done)",
    );
    let shim = place.up();
    shim.shows("up");
    assert_eq!(shim.ask("signal", &json!({"signal": "USR1"})), json!({"ok": true}));
    let (status, _) = shim.wait();
    assert_eq!(code(status), Some(9));
    assert!(place.read("log").contains("child"));
    assert_eq!(place.exit_record()["stop_requested"], false);
}

#[test]
fn mistakes_are_answered_in_words() {
    let place = Place::shell("echo up; exec sleep 1000");
    let shim = place.up();
    let error = |text: &str| -> Value { serde_json::from_str(&shim.raw(text)).unwrap() };
    assert_eq!(error("fleet-shim 2 status\n")["error"], "version");
    assert_eq!(error("fleet-shim 2 status\n")["speaks"], 1);
    assert_eq!(error("fleet-shim 1 dance\n")["error"], "unsupported");
    assert_eq!(error("GET / HTTP/1.1\n")["error"], "bad-request");
    assert_eq!(error("\n")["error"], "bad-request");
    assert_eq!(error("fleet-shim 1 signal\n{\"signal\":\"SIGINT\"}\n")["error"], "bad-request");
    assert_eq!(error("fleet-shim 1 signal\nnot json\n")["error"], "bad-request");
    assert_eq!(error("fleet-shim 1 scrollback\n{}\n")["error"], "bad-request");
    assert_eq!(error("fleet-shim 1 attach\n{\"mode\":\"rx\",\"columns\":1,\"rows\":1}\n")["error"], "bad-request");
    assert_eq!(error(&format!("fleet-shim 1 send\n{}\n", "x".repeat(2 << 20)))["error"], "too-long");
    // Keys of a later version are no mistake.
    assert_eq!(shim.ask("signal", &json!({"signal": "CONT", "later": [1]})), json!({"ok": true}));
}

#[test]
fn the_policy_can_change_under_a_running_agent() {
    let mut place = Place::shell("echo ready; exec sleep 1000");
    let shim = place.up();
    shim.shows("ready");
    place.pattern("busy", json!("screen"), "^ready");
    place.write_manifest();
    assert_eq!(shim.ask("reload", &json!({})), json!({"ok": true}));
    assert!(shim.status()["reason"].as_str().unwrap().starts_with("busy pattern"));
    std::fs::write(place.folder().join("manifest.json"), "{").unwrap();
    assert_eq!(shim.ask("reload", &json!({}))["error"], "bad-request");
    assert!(shim.status()["reason"].as_str().unwrap().starts_with("busy pattern"));
    shim.signal(Signal::SIGTERM);
    shim.wait();
}
