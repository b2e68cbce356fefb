//! What a shim pushes.

use std::thread;

use fleet::shim::client::{ClientError, subscribe};
use fleet::shim::protocol::{Event, Frame, from_shim};
use serde_json::json;

use super::fake::Shim;

#[test]
fn events_come_in_order_and_end_with_the_agent() {
    let shim = Shim::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut client = shim.accept();
            assert_eq!((client.verb.as_str(), &client.request), ("subscribe", &json!({})));
            client.json(from_shim::EVENT, &Event::Activity { bytes: 12 });
            client.json(from_shim::EVENT, &json!({"event": "of a later version", "x": 1}));
            client.frame(b'Z', b"of a later version too");
            client.json(
                from_shim::EVENT,
                &Event::Settled { hash: "h".to_owned(), lines: vec!["a".repeat(100_000)], title: None, ready: false },
            );
            // In one write: the client may be gone before another.
            let mut end = Frame::encode(from_shim::EXIT, br#"{"code":null,"signal":9}"#);
            end.extend(Frame::encode(from_shim::EVENT, br#"{"event":"bell"}"#));
            client.say(&end);
        });
        let mut events = subscribe(shim.path()).unwrap();
        assert_eq!(events.next().unwrap().unwrap(), Event::Activity { bytes: 12 });
        assert!(matches!(events.next().unwrap().unwrap(), Event::Settled { lines, .. } if lines[0].len() == 100_000));
        assert_eq!(events.next().unwrap().unwrap(), Event::Exit { code: None, signal: Some(9), record: None });
        assert!(events.next().is_none(), "nothing follows the end");
    });
}

#[test]
fn a_broken_connection_is_an_end_without_exit() {
    let shim = Shim::new();
    thread::scope(|scope| {
        scope.spawn(|| shim.accept().json(from_shim::EVENT, &Event::Bell));
        let events: Vec<_> = subscribe(shim.path()).unwrap().map(Result::unwrap).collect();
        assert_eq!(events, [Event::Bell]);
    });
}

#[test]
fn a_refusal_and_nonsense_are_errors_and_the_last_items() {
    for (answer, expected) in [
        (&b"{\"error\":\"unsupported\"}\n"[..], "too old"),
        (b"{\"error\":\"version\",\"speaks\":9}\n", "speaks protocol 9"),
        (b"{ nonsense\n", "no shim"),
        (b"E\xff\xff\xff\xff", "a frame of 4294967295 bytes"),
    ] {
        let shim = Shim::new();
        thread::scope(|scope| {
            scope.spawn(|| shim.accept().say(answer));
            let mut events = subscribe(shim.path()).unwrap();
            let error = events.next().unwrap().unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
            assert!(events.next().is_none());
        });
    }
}

#[test]
fn without_an_agent_there_is_no_subscription() {
    let folder = tempfile::tempdir().unwrap();
    let error = subscribe(&folder.path().join("none")).unwrap_err();
    assert!(matches!(error, ClientError::NotRunning { .. }), "{error:?}");
}
