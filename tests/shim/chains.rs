//! With which model of its chain an agent is started.

use serde_json::{Value, json};

use crate::support::{Place, code};

/// An agent that writes down how it was started. Behind `test/first` stands `other/second`.
fn place() -> Place {
    let script = "echo \"$0 A=$A B=$B C=$C\" > told";
    let mut place = Place::new(&["sh", "-c", script, "first"]);
    place.manifest["launch"]["model"] = json!("first");
    place.manifest["launch"]["env_keys"] = json!(["A", "B"]);
    place.manifest["fallbacks"] = json!([{
        "runtime": "other", "model": "second", "effort": null, "argv": ["sh", "-c", script, "second"],
        "prompt_argv": [], "env": {"A": "of the second", "C": "its own"}, "without": ["B"],
        "env_digest": "1".repeat(64), "files": {}, "patterns": [],
        "delivery": {"busy_input": "steer", "settle_ms": 200, "quit": "/bye", "interrupt": null},
        "resume": {"session": ["--new={session}"], "resume": ["--resume={session}"]},
    }]);
    // As the manager has read them from the first one's env file.
    place.environment =
        vec![("A".to_owned(), "of the first".to_owned()), ("B".to_owned(), "of the first".to_owned())];
    place
}

fn note(place: &Place, text: &str) {
    std::fs::write(place.folder().join("model.json"), text).unwrap();
}

fn to(runtime: &str, model: &str) -> Value {
    let from = json!({"runtime": "test", "model": "first"});
    json!({"format": 1, "to": {"runtime": runtime, "model": model}, "from": from, "why": "overloaded"})
}

/// What the agent was started with, and the shim's own words.
fn started(place: &Place) -> (String, String) {
    let (status, words) = place.run();
    assert_eq!(code(status), Some(0), "{words}");
    let told = place.root.path().join("told");
    let text = std::fs::read_to_string(&told).unwrap();
    std::fs::remove_file(told).unwrap();
    (text.trim().to_owned(), words)
}

const FIRST: &str = "first A=of the first B=of the first C=";
const SECOND: &str = "second A=of the second B= C=its own";

#[test]
fn the_noted_model_is_started_with_all_that_is_its_own() {
    let place = place();
    assert_eq!(started(&place), (FIRST.to_owned(), String::new()));
    assert_eq!(place.exit_record()["with"], Value::Null);
    note(&place, &to("other", "second").to_string());
    assert_eq!(started(&place), (SECOND.to_owned(), String::new()));
    assert_eq!(place.exit_record()["with"], json!({"runtime": "other", "model": "second"}));
    let talk = place.json("conversation.json");
    assert_eq!((&talk["runtime"], &talk["resumed"]), (&json!("other"), &json!(false)));
    // Back to the first, whose CLI knows no conversation by name.
    note(&place, &to("test", "first").to_string());
    assert_eq!(started(&place), (FIRST.to_owned(), String::new()));
    assert!(!place.folder().join("conversation.json").exists());
}

#[test]
fn a_conversation_goes_on_with_the_same_cli_alone() {
    let mut place = place();
    let script = "echo \"$*\" > told";
    let resume = json!({"session": ["--new"], "resume": ["--resume", "{session}"]});
    place.manifest["policy"]["resume"] = resume.clone();
    place.manifest["launch"]["argv"] = json!(["sh", "-c", script, "sh", "first"]);
    place.manifest["fallbacks"][0]["argv"] = json!(["sh", "-c", script, "sh", "second"]);
    place.manifest["fallbacks"][0]["resume"] = resume;
    let record = json!({"format": 1, "id": "an-id", "words": [], "runtime": "test", "dir": place.root.path(),
        "begun": true, "resumed": false});
    for (runtime, words) in [("test", "second --resume an-id"), ("other", "second --new")] {
        place.manifest["fallbacks"][0]["runtime"] = json!(runtime);
        std::fs::write(place.folder().join("conversation.json"), record.to_string()).unwrap();
        note(&place, &to(runtime, "second").to_string());
        assert_eq!(started(&place).0, words);
    }
}

#[test]
fn what_cannot_be_followed_leads_to_the_first_and_is_told() {
    let place = place();
    let huge = format!("{{\"format\":1,\"to\":\"{}\"}}", "x".repeat(100_000));
    let later = to("other", "second").to_string().replace("\"format\":1", "\"format\":2");
    let hostile = to("other", "\u{1b}[2Jthird").to_string();
    for (text, words) in [
        ("", "model.json"),
        ("{", "no note of fleet's"),
        ("{\"format\":1,\"to\":{\"runtime\":7}}", "no note of fleet's"),
        (huge.as_str(), "larger than"),
        (later.as_str(), "its format is 2"),
        (hostile.as_str(), "is not in its chain"),
        (&to("test", "second").to_string(), "is not in its chain"),
    ] {
        note(&place, text);
        let (told, said) = started(&place);
        assert_eq!(told, FIRST, "{text}");
        assert!(said.contains(words) && said.contains("it is started with test/first"), "{text}: {said}");
        assert!(!said.contains('\u{1b}'), "{said:?}");
    }
    std::fs::remove_file(place.folder().join("model.json")).unwrap();
    nix::unistd::mkfifo(&place.folder().join("model.json"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let (told, said) = started(&place);
    assert!(told == FIRST && said.contains("it is started with test/first"), "{said}");
}

/// A file by hand is read after fleet's, whichever model is used.
#[test]
fn what_a_person_sets_goes_before() {
    let mut place = place();
    std::fs::write(place.folder().join("local.env"), "A=by hand\nB=by hand\n").unwrap();
    for (_, value) in &mut place.environment {
        "by hand".clone_into(value);
    }
    note(&place, &to("other", "second").to_string());
    assert_eq!(started(&place).0, "second A=by hand B=by hand C=its own");
}

/// Patterns and the delivery rule are those of the model in use, also after a reload.
#[test]
fn a_reload_keeps_to_the_model_in_use() {
    let mut place = place();
    let pattern = |expr: &str| json!([{"kind": "dialog", "region": "screen", "expr": expr, "class": null}]);
    place.manifest["policy"]["patterns"] = pattern("first asks");
    place.manifest["fallbacks"][0]["patterns"] = pattern("second asks");
    place.manifest["fallbacks"][0]["argv"] =
        json!(["sh", "-c", "echo first asks; echo second asks; exec sleep 1000"]);
    note(&place, &to("other", "second").to_string());
    let shim = place.up();
    assert_eq!(place.json("run.json")["launch"]["runtime"], "other");
    shim.shows("second asks");
    let reason = || shim.status()["reason"].as_str().unwrap().to_owned();
    assert!(reason().contains("second asks"), "{}", reason());
    place.manifest["fallbacks"][0]["patterns"] = pattern("first asks");
    place.manifest["policy"]["patterns"] = pattern("nobody asks");
    place.write_manifest();
    shim.ask("reload", &json!({}));
    assert!(reason().contains("first asks"), "{}", reason());
}

/// Its provider has trouble, not its conversation: that is there for the next start, with whichever model.
#[test]
fn a_resumed_agent_that_names_its_trouble_keeps_its_conversation() {
    let record = json!({"format": 1, "id": "an-id", "words": [], "runtime": "test", "begun": true, "resumed": false});
    for (class, starts) in [(json!("overloaded"), "resumed an-id\n"), (Value::Null, "resumed an-id\nfresh\n")] {
        let script = "echo \"$*\" >> told; if [ \"$1\" = resumed ]; then echo 529 overloaded; exit 1; fi";
        let mut place = Place::new(&["sh", "-c", script, "sh"]);
        place.manifest["policy"]["resume"] = json!({"session": ["fresh"], "resume": ["resumed", "{session}"]});
        place.manifest["policy"]["patterns"] =
            json!([{"kind": "fatal", "region": "screen", "expr": "529 overloaded", "class": class}]);
        let mut record = record.clone();
        record["dir"] = json!(place.root.path());
        std::fs::write(place.folder().join("conversation.json"), record.to_string()).unwrap();
        place.run();
        assert_eq!(std::fs::read_to_string(place.root.path().join("told")).unwrap(), starts, "{class}");
    }
}
