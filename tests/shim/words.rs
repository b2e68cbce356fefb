//! `report`: the agent's own word, who may say it, and who is told.

use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output};

use fleet::heartbeat::file::{self, Expected};
use fleet::heartbeat::spool;
use fleet::manifest::RunRecord;
use fleet::supervise::event::ReportKind;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::support::{Place, Shim, eventually};

/// An agent that runs each line it is sent as a command, with `fleet` on its PATH.
fn agent() -> Place {
    let fleet = std::path::Path::new(env!("CARGO_BIN_EXE_fleet")).parent().unwrap().display().to_string();
    let script = format!("PATH={fleet}:$PATH; stty -echo; while read -r line; do eval \"$line\"; echo \"=$?\"; done");
    Place::shell(&script)
}

/// Has the agent run a command, and gives what stands on its screen then.
fn run(shim: &Shim, line: &str) -> String {
    let ends = || shim.lines().iter().filter(|line| line.starts_with('=')).count();
    let before = ends();
    let mut viewer = shim.attach("rw", 80, 24);
    viewer.send(b'I', format!("{line}\r").as_bytes());
    eventually(&format!("`{line}` has run"), || (ends() > before).then(|| shim.lines().join("\n")))
}

/// `fleet` as somebody who has the agent's variables and is none of its processes.
fn outside(place: &Place, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_fleet"))
        .args(words)
        .env("FLEET_AGENT_DIR", place.folder())
        .env("FLEET_SOCKET", place.socket())
        .env("FLEET_AGENT", "lead")
        .env("FLEET_RUN_NONCE", place.json("run.json")["nonce"].as_str().unwrap())
        .output()
        .unwrap()
}

fn spooled(place: &Place) -> Vec<Value> {
    let mut files: Vec<_> = std::fs::read_dir(place.folder().join("reports"))
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    files.sort();
    files.iter().map(|path| serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()).collect()
}

#[test]
fn the_agents_word_is_told_and_written() {
    let place = agent();
    let shim = place.up();
    let mut events = shim.frames("subscribe", &json!({}));
    run(&shim, "fleet heartbeat --state tool --event PreToolUse </dev/null");
    let event = events.event("report");
    let word = &event["report"];
    assert_eq!(
        (&word["state"], &word["event"], &word["progress"]),
        (&json!("tool"), &json!("PreToolUse"), &json!(1))
    );
    assert_eq!(event.get("past"), None);
    assert_eq!(word["nonce"], place.json("run.json")["nonce"]);
    assert_eq!(&place.json("heartbeat"), word);
    assert_eq!(place.folder().join("heartbeat").metadata().unwrap().permissions().mode() & 0o7777, 0o600);
    assert!(spooled(&place).is_empty(), "a beat is not kept");

    run(&shim, "fleet heartbeat --progress 70 </dev/null");
    assert_eq!(events.event("report")["report"]["progress"], 70);
    run(&shim, "fleet heartbeat --state tool </dev/null");
    assert_eq!(events.event("report")["report"]["progress"], 71);
}

#[test]
fn what_is_reported_outlives_the_next_beats_and_the_supervisors_absence() {
    let place = agent();
    let shim = place.up();
    let said = run(&shim, "fleet report done --note 'all green'");
    assert!(said.contains("reported: done"), "{said}");
    run(&shim, "fleet report blocked");
    run(&shim, "fleet report working");
    run(&shim, "fleet heartbeat --state idle </dev/null");
    let run: RunRecord = serde_json::from_value(place.json("run.json")).unwrap();
    let expected = Expected::of(&run, nix::unistd::geteuid().as_raw());
    let told = file::read(&place.folder(), &expected).unwrap().unwrap();
    assert_eq!((told.kind, told.progress), (ReportKind::Idle, Some(2)));
    let waiting = spool::waiting(&place.folder(), &expected);
    assert!(waiting.len() == 2 && waiting.iter().all(|waiting| waiting.this_run), "{waiting:?}");
    let kept: Vec<_> = spooled(&place).iter().map(|word| (word["state"].clone(), word["note"].clone())).collect();
    assert_eq!(kept, [(json!("done"), json!("all green")), (json!("blocked"), json!(null))]);
    assert_eq!(place.json("heartbeat")["state"], "idle");
    // Who comes late is told the last one.
    let event = shim.frames("subscribe", &json!({})).event("report");
    assert_eq!((&event["report"]["state"], &event["past"]), (&json!("idle"), &json!(true)));
}

#[test]
fn an_orphan_of_the_agents_is_still_the_agents() {
    let place = agent();
    let shim = place.up();
    let mut events = shim.frames("subscribe", &json!({}));
    // Its parents are gone and it is in a session of its own.
    run(&shim, "(setsid sh -c 'fleet heartbeat --state tool' </dev/null >/dev/null 2>&1 &)");
    assert_eq!(events.event("report")["report"]["state"], "tool");
}

#[test]
fn nobody_else_speaks_for_the_agent() {
    let place = agent();
    let shim = place.up();
    let mut events = shim.frames("subscribe", &json!({}));
    let refused = outside(&place, &["report", "done", "--note", "merge it"]);
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(6), "{words}");
    assert!(words.contains("is not one of the agent's"), "{words}");
    assert!(events.event("refused")["why"].as_str().unwrap().contains("is not one of the agent's"));

    assert!(!place.folder().join("heartbeat").exists() && spooled(&place).is_empty());

    let beat = outside(&place, &["heartbeat", "--state", "idle"]);
    assert_eq!((beat.status.code(), beat.stdout.as_slice()), (Some(0), &b""[..]));
}

#[test]
fn a_request_that_is_none_is_refused() {
    let place = agent();
    let shim = place.up();
    for wrong in ["{}", "[]", r#"{"state":"asleep"}"#, r#"{"state":7}"#] {
        assert_eq!(shim.ask("report", &serde_json::from_str(wrong).unwrap())["error"], "bad-request", "{wrong}");
    }
    let other = shim.ask("report", &json!({"state": "done", "id": "../../../../../../../../../../etc/pass"}));
    assert_eq!(other["error"], "denied");
}

#[test]
fn a_folder_that_takes_nothing_does_not_stop_the_agent_nor_a_beat() {
    let place = agent();
    let shim = place.up();
    std::os::unix::fs::symlink("elsewhere", place.folder().join("heartbeat")).unwrap();
    std::fs::write(place.folder().join("reports"), "in the way").unwrap();
    let mut events = shim.frames("subscribe", &json!({}));
    run(&shim, "fleet heartbeat --state tool </dev/null");
    assert_eq!(events.event("report")["report"]["state"], "tool");
    let said = run(&shim, "fleet report done");
    assert!(said.contains("reports") && !said.contains("reported: done"), "{said}");
    assert!(!place.folder().join("elsewhere").exists());
}

#[test]
fn without_a_shim_that_listens_the_word_waits_in_the_folder() {
    let place = agent();
    let shim = place.up();
    run(&shim, "FLEET_SOCKET=/nowhere/lead.sock fleet report done --note later 2>&1");
    run(&shim, "FLEET_SOCKET= fleet heartbeat --state tool </dev/null");
    let kept = spooled(&place);
    assert_eq!((kept.len(), &kept[0]["note"]), (1, &json!("later")));
    let word = place.json("heartbeat");
    assert_eq!((&word["state"], &word["progress"]), (&json!("tool"), &json!(2)));
    assert_eq!(word["nonce"], place.json("run.json")["nonce"]);
}

#[test]
fn another_run_has_another_mark() {
    let place = Place::shell("echo $FLEET_RUN_NONCE $FLEET_SOCKET > said; cp $FLEET_AGENT_DIR/run.json kept");
    let mark = || {
        place.run();
        let said = std::fs::read_to_string(place.root.path().join("said")).unwrap();
        assert_eq!(said.split_whitespace().nth(1), place.socket().to_str());
        said.split_whitespace().next().unwrap().to_owned()
    };
    let (first, second) = (mark(), mark());
    assert!(first.len() == 36 && second.len() == 36 && first != second, "{first} {second}");
}

#[test]
fn a_secret_in_a_note_is_masked() {
    let mut place = agent();
    let source = place.root.path().join("token");
    std::fs::write(&source, "s3cret-value\n").unwrap();
    place.manifest["launch"]["secrets"] =
        json!([{"name": "TOKEN", "from": {"file": source}, "as": "env", "version": null}]);
    let shim = place.up();
    run(&shim, "fleet report blocked --note \"the token $TOKEN is refused\"");
    assert_eq!(spooled(&place)[0]["note"], "the token *** is refused");
    assert_eq!(place.json("heartbeat")["note"], "the token *** is refused");
}

/// A shim that has no time is no reason to call its own agent a forger.
#[test]
fn a_word_whose_speaker_did_not_wait_is_found_in_the_folder() {
    let fleet = env!("CARGO_BIN_EXE_fleet");
    let place = Place::shell(&format!(
        "until [ -e go ]; do sleep 0.01; done; {fleet} heartbeat --state blocked </dev/null; touch ran; exec sleep 1000"
    ));
    let shim = place.up();
    let mut events = shim.frames("subscribe", &json!({}));
    events.event("settled");
    shim.signal(Signal::SIGSTOP);
    std::fs::write(place.root.path().join("go"), "").unwrap();
    eventually("the hook has given up", || place.root.path().join("ran").exists().then_some(()));
    shim.signal(Signal::SIGCONT);
    let event = loop {
        let frame = events.next().unwrap();
        let event: Value = serde_json::from_slice(&frame.payload).unwrap();
        assert_ne!(event["event"], "refused", "{event}");
        if event["event"] == "report" {
            break event;
        }
    };
    assert_eq!((&event["report"]["state"], &event["unproven"]), (&json!("blocked"), &json!(true)));
    assert_eq!(spooled(&place).len(), 1);
    let again = shim.frames("subscribe", &json!({})).event("report");
    assert_eq!(again["report"], event["report"]);
}
