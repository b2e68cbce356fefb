//! One question, one answer, or the reason why not.

use std::os::unix::net::UnixListener;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use fleet::shim::client::{self, ClientError};
use fleet::shim::protocol::{Outcome, SendRequest, State};
use serde_json::json;

use super::fake::{PATIENCE, Shim, status, status_line};

/// Asks for the status while the shim answers `answer`.
fn error_for(answer: &str) -> ClientError {
    let shim = Shim::new();
    thread::scope(|scope| {
        scope.spawn(|| shim.answer(answer));
        client::status(shim.path(), PATIENCE).unwrap_err()
    })
}

#[test]
fn each_verb_says_and_hears_what_the_protocol_fixes() {
    let shim = Shim::new();
    let path = shim.path();
    thread::scope(|scope| {
        let asked = scope.spawn(|| {
            [
                status_line("t"),
                r#"{"columns":3,"rows":1,"cursor":{"row":0,"column":0,"visible":true},"title":"","lines":["abc"],"hash":"x","later":1}"#.to_owned() + "\n",
                "{\"lines\":[\"old\",\"new\"]}\n".to_owned(),
                "{\"outcome\":\"submitted\",\"enters\":1,\"ms\":210}\n".to_owned(),
                "{\"ok\":true}\n".to_owned(),
                "{\"ok\":true}\n".to_owned(),
            ]
            .map(|answer| shim.answer(&answer))
        });
        assert_eq!(client::status(path, PATIENCE).unwrap(), status("t"));
        assert_eq!(client::screen(path, PATIENCE).unwrap().lines, ["abc"]);
        assert_eq!(client::scrollback(path, 7, PATIENCE).unwrap().lines, ["old", "new"]);
        let message = SendRequest { text: "hi\nyou".to_owned(), from: None };
        let sent = client::send(path, &message, client::SEND_TIMEOUT).unwrap();
        assert_eq!((sent.outcome, sent.enters, sent.ms), (Outcome::Submitted, 1, 210));
        client::signal(path, "INT", PATIENCE).unwrap();
        client::reload(path, PATIENCE).unwrap();
        let expected = [
            ("status", json!({})),
            ("screen", json!({})),
            ("scrollback", json!({"lines": 7})),
            ("send", json!({"text": "hi\nyou"})),
            ("signal", json!({"signal": "INT"})),
            ("reload", json!({})),
        ];
        let asked = asked.join().unwrap();
        for ((verb, request), (expected_verb, expected_request)) in asked.iter().zip(&expected) {
            assert_eq!((verb.as_str(), request), (*expected_verb, expected_request));
        }
    });
}

/// A shim that was started by another version of fleet runs on: what it says more is left, what it leaves out is none.
#[test]
fn shims_of_other_versions_are_understood() {
    let shim = Shim::new();
    let path = shim.path();
    let mut later: serde_json::Value = serde_json::from_str(&status_line("t")).unwrap();
    later["cursor"]["shape"] = json!("beam");
    later["cost"] = json!({"tokens": 12});
    let mut unheard_of = later.clone();
    unheard_of["state"] = json!("dreaming");
    unheard_of["modes"] = json!(["a-mode-of-later"]);
    thread::scope(|scope| {
        scope.spawn(|| {
            for answer in [
                later.to_string(),
                unheard_of.to_string(),
                json!({"outcome": "refused", "why": "no", "enters": 0, "ms": 1, "cost": 3}).to_string(),
                json!({"outcome": "postponed", "enters": 0, "ms": 1}).to_string(),
                json!({"error": "tired", "message": "ask later", "until": 12}).to_string(),
                json!({"error": "tired"}).to_string(),
                json!({"ok": true, "reloaded": ["policy"]}).to_string(),
            ] {
                shim.answer(&format!("{answer}\n"));
            }
        });
        assert_eq!(client::status(path, PATIENCE).unwrap(), status("t"));
        let unknown = client::status(path, PATIENCE).unwrap();
        assert_eq!((unknown.state, unknown.modes), (State::Unknown, vec!["a-mode-of-later".to_owned()]));
        let message = SendRequest { text: "hi".to_owned(), from: None };
        assert_eq!(client::send(path, &message, PATIENCE).unwrap().why.as_deref(), Some("no"));
        let answer = client::send(path, &message, PATIENCE).unwrap();
        assert_eq!((answer.outcome, answer.why), (Outcome::Unknown, None), "no proof, so never sent again");
        assert!(client::status(path, PATIENCE).unwrap_err().to_string().ends_with("ask later"));
        assert!(client::status(path, PATIENCE).unwrap_err().to_string().contains("tired"));
        client::reload(path, PATIENCE).unwrap();
    });
}

#[test]
fn an_agent_that_does_not_run_is_told_from_one_whose_shim_died() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.sock");
    let error = client::status(&path, PATIENCE).unwrap_err();
    assert!(matches!(error, ClientError::NotRunning { .. }), "{error:?}");
    assert!(error.is_not_running() && error.to_string().contains("fleet start"), "{error}");

    drop(UnixListener::bind(&path).unwrap());
    let error = client::status(&path, PATIENCE).unwrap_err();
    assert!(matches!(error, ClientError::Dead { .. }), "{error:?}");
    assert!(error.is_not_running() && error.to_string().contains("fleet restart"), "{error}");

    let long = Path::new("/tmp").join("x".repeat(108));
    let error = client::status(&long, PATIENCE).unwrap_err();
    assert!(matches!(error, ClientError::Io { .. }), "{error:?}");
}

#[test]
fn a_shim_that_is_silent_costs_the_time_out_and_no_more() {
    let shim = Shim::new();
    let started = Instant::now();
    let error = client::status(shim.path(), Duration::from_millis(100)).unwrap_err();
    assert!(started.elapsed() >= Duration::from_millis(100));
    assert!(started.elapsed() < PATIENCE);
    assert!(matches!(error, ClientError::TimedOut { .. }), "{error:?}");
    assert!(!error.is_not_running() && !error.has_ended());
    assert!(error.to_string().contains("within 100 ms") && error.to_string().contains("fleet restart"), "{error}");
}

#[test]
fn refusals_are_told_apart_and_say_what_next() {
    let error = error_for("{\"error\":\"version\",\"speaks\":2}\n");
    assert!(matches!(error, ClientError::Version { speaks: Some(2), .. }), "{error:?}");
    assert!(
        error.to_string().contains("speaks protocol 2") && error.to_string().contains("fleet restart"),
        "{error}"
    );

    let error = error_for("{\"error\":\"unsupported\"}\n");
    assert!(matches!(&error, ClientError::Refused { answer, .. } if answer.error == "unsupported"), "{error:?}");
    assert!(error.to_string().contains("fleet restart"), "{error}");

    // What a real shim says: it cannot know that it is the old one.
    let error = error_for(
        "{\"error\":\"unsupported\",\"message\":\"this shim has no verb \\\"dance\\\": use a newer one\"}\n",
    );
    assert!(error.to_string().contains("too old") && error.to_string().contains("fleet restart"), "{error}");

    let error = error_for("{\"error\":\"denied\",\"message\":\"ask the owner\"}\n");
    assert!(error.to_string().ends_with("ask the owner"), "{error}");

    let error = error_for("{\"error\":\"gone\",\"message\":\"the agent has ended\"}\n");
    assert!(error.has_ended() && !error.is_not_running(), "it may have taken the request: {error:?}");

    let error = error_for("{\"pid\":1}\n");
    assert!(matches!(error, ClientError::Protocol { .. }), "{error:?}");
    let error = error_for("HTTP/1.1 400 Bad Request\r\n");
    assert!(matches!(error, ClientError::Protocol { .. }) && error.to_string().contains("no shim"), "{error}");

    let error = error_for("");
    assert!(matches!(error, ClientError::Closed { .. }), "{error:?}");
    assert!(error.has_ended() && !error.is_not_running(), "it may have taken the request: {error:?}");
    let error = error_for("{\"pid\":");
    assert!(matches!(error, ClientError::Closed { .. }), "half a line is no answer: {error:?}");
}

#[test]
fn a_refusal_is_heard_although_the_request_was_never_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.sock");
    let listener = UnixListener::bind(&path).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| {
            let (mut stream, _) = listener.accept().unwrap();
            std::io::Write::write_all(&mut stream, b"{\"error\":\"too-long\",\"message\":\"shorter\"}\n").unwrap();
        });
        let message = SendRequest { text: "x".repeat(900_000), from: None };
        let error = client::send(&path, &message, PATIENCE).unwrap_err();
        assert!(matches!(&error, ClientError::Refused { answer, .. } if answer.error == "too-long"), "{error:?}");
    });
}

#[test]
fn long_requests_and_long_answers_arrive_whole() {
    let shim = Shim::new();
    let text = "é".repeat(400_000);
    thread::scope(|scope| {
        let asked = scope.spawn(|| {
            let mut client = shim.accept();
            let length = client.request["text"].as_str().unwrap().len();
            let answer =
                format!("{{\"outcome\":\"refused\",\"why\":\"{}\",\"enters\":0,\"ms\":0}}\n", "w".repeat(900_000));
            client.say(answer.as_bytes());
            length
        });
        let answer = client::send(shim.path(), &SendRequest { text: text.clone(), from: None }, PATIENCE).unwrap();
        assert_eq!(answer.why.unwrap().len(), 900_000);
        assert_eq!(asked.join().unwrap(), text.len());
    });
    let error =
        client::send(shim.path(), &SendRequest { text: "x".repeat(1 << 20), from: None }, PATIENCE).unwrap_err();
    assert!(matches!(error, ClientError::TooLong { .. }) && error.to_string().contains("shorter"), "{error}");
}

#[test]
fn an_answer_without_end_is_not_held() {
    let shim = Shim::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut client = shim.accept();
            client.say(&vec![b'x'; (1 << 20) + 1]);
            while client.hear().is_some() {}
        });
        let error = client::status(shim.path(), PATIENCE).unwrap_err();
        assert!(matches!(error, ClientError::Protocol { .. }), "{error:?}");
    });
}
