//! A shim that is older or newer than the fleet that talks to it.

use fleet::manifest::{ExitRecord, Manifest, RunRecord};
use serde_json::{Value, json};

use crate::support::{Place, code};

/// Adds a key that nobody knows to every object in a value.
fn with_later_keys(value: &Value) -> Value {
    match value {
        // A word that says which variant it is, or a list by name: a key more would say something else.
        Value::Object(object) if object.len() <= 1 => value.clone(),
        Value::Object(object) => {
            let known = object.iter().map(|(key, value)| (key.clone(), with_later_keys(value)));
            known.chain([("of-a-later-version".to_owned(), json!({"any": ["thing", 1, null]}))]).collect()
        }
        Value::Array(list) => list.iter().map(with_later_keys).collect(),
        other => other.clone(),
    }
}

/// An agent with all that a manifest can have, so that keys are added everywhere.
fn full() -> Place {
    let mut place = Place::shell("echo $KEY > key; echo ready; read line; exit 4");
    place.environment = vec![("SOURCE".to_owned(), "canary-of-versions".to_owned())];
    place.manifest["launch"]["secrets"] =
        json!([{"name": "KEY", "from": {"env": "SOURCE"}, "as": "env", "version": null}]);
    place.pattern("busy", json!("screen"), "^ready");
    place
}

#[test]
fn keys_of_a_later_version_are_ignored() {
    let mut place = full();
    let plain = place.manifest.clone();
    place.manifest = with_later_keys(&plain);
    for part in
        ["/launch", "/launch/secrets/0", "/launch/terminal", "/policy/log", "/policy/patterns/0", "/policy/delivery"]
    {
        assert!(place.manifest.pointer(part).unwrap().get("of-a-later-version").is_some(), "{part}");
    }
    let shim = place.up();
    shim.shows("ready");
    assert_eq!(std::fs::read_to_string(place.root.path().join("key")).unwrap(), "canary-of-versions\n");
    assert_eq!(place.json("run.json")["launch"], plain["launch"], "it was started from what it knows");
    assert_eq!(shim.ask("reload", &json!({"later": 1})), json!({"ok": true}));
    assert!(shim.status()["reason"].as_str().unwrap().starts_with("busy pattern"), "the patterns are read");
    for (verb, request) in [
        ("status", json!({})),
        ("screen", json!({})),
        ("scrollback", json!({"lines": 1})),
        ("signal", json!({"signal": "CONT"})),
    ] {
        let plain = shim.ask(verb, &request);
        let mut more = request.clone();
        more["of-a-later-version"] = json!([1]);
        let keys = |answer: &Value| answer.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(keys(&shim.ask(verb, &more)), keys(&plain), "{verb}");
    }
    // What a later shim writes is read by this fleet.
    let run: RunRecord = serde_json::from_value(with_later_keys(&place.json("run.json"))).unwrap();
    assert_eq!(i32::try_from(run.shim.pid), Ok(shim.pid().as_raw()));
    let manifest: Manifest = serde_json::from_value(with_later_keys(&place.manifest)).unwrap();
    assert_eq!(manifest.launch, run.launch);
    shim.attach("rw", 80, 24).send(b'I', b"\r");
    assert_eq!(code(shim.wait().0), Some(4));
    let exit: ExitRecord = serde_json::from_value(with_later_keys(&place.exit_record())).unwrap();
    assert_eq!(exit.code, Some(4));
}

/// A newer fleet has written the manifest while the agent ran: the shim says so and goes by what it has.
#[test]
fn a_manifest_of_a_later_format_is_refused_in_words_and_changes_nothing() {
    let mut place = full();
    let shim = place.up();
    shim.shows("ready");
    place.manifest["format"] = json!(2);
    place.manifest["policy"] = json!("of a shape nobody knows yet");
    place.write_manifest();
    let answer = shim.ask("reload", &json!({}));
    assert_eq!(answer["error"], "bad-request");
    let message = answer["message"].as_str().unwrap();
    assert!(message.contains("its format is 2 and this fleet-shim knows 1: a newer fleet wrote it"), "{message}");
    assert!(shim.status()["reason"].as_str().unwrap().starts_with("busy pattern"), "its policy is as it was");
    shim.attach("rw", 80, 24).send(b'I', b"\r");
    assert_eq!(code(shim.wait().0), Some(4), "and it keeps looking after its agent");
}

/// Whatever a later fleet asks for, the answer is one line that says so, and the shim is as it was.
#[test]
fn verbs_of_a_later_version_are_unsupported() {
    let place = full();
    let shim = place.up();
    shim.shows("ready");
    for request in ["{}", "", "{\"text\":\"typed by nobody\"}", "not json", &"x".repeat(3 << 20)] {
        for verb in ["dance", "Status", "status2", "attach-raw", "ü"] {
            let answer = shim.raw(&format!("fleet-shim 1 {verb}\n{request}\n"));
            let line = answer.strip_suffix('\n').unwrap();
            assert!(!line.contains('\n'), "{answer:?}");
            let answer: Value = serde_json::from_str(line).unwrap();
            assert_eq!(answer["error"], "unsupported", "{verb}: {answer}");
            assert!(answer["message"].as_str().unwrap().contains("newer"), "{answer}");
        }
    }
    assert_eq!(shim.status()["viewers"], 0);
    assert_eq!(shim.lines()[..2], ["ready", ""]);
}
