//! `send`: what is typed, what is refused, and what is known afterwards.

use std::io::{Read as _, Write as _};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Place, Shim, eventually};

/// The scripted agent, with the patterns of its runtime.
fn agent(faults: &[&str]) -> Place {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/shim/agent.py");
    let argv: Vec<&str> = ["python3", script].into_iter().chain(faults.iter().copied()).collect();
    let mut place = Place::new(&argv);
    place.pattern("busy", json!("screen"), "^\\* working");
    place.pattern("idle", json!({"last": 2}), "^ready$");
    place.pattern("dialog", json!({"last": 2}), "^\\? ");
    place.pattern("input", json!({"last": 1}), "^> ?(.*)$");
    place.pattern("placeholder", json!("screen"), "^Ask me anything$");
    place.manifest["policy"]["delivery"]["busy_input"] = json!("queue");
    place
}

fn up(place: &Place) -> Shim {
    let shim = place.up();
    shim.shows("> ");
    shim
}

fn send(shim: &Shim, text: &str) -> Value {
    shim.ask("send", &json!({"text": text}))
}

/// What the agent took as messages.
fn got(place: &Place) -> Vec<String> {
    let text = std::fs::read_to_string(place.root.path().join("got")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_draft_that_was_seen_and_left_is_submitted() {
    let place = agent(&[]);
    let shim = up(&place);
    let answer = send(&shim, "hello agent");
    assert_eq!(answer["outcome"], "submitted", "{answer}");
    assert_eq!(answer["enters"], 1);
    assert!(answer["ms"].as_u64().unwrap() >= 150, "{answer}");
    assert_eq!(got(&place), ["hello agent"]);
}

#[test]
fn a_prompt_hook_confirms() {
    let place = agent(&["hook"]);
    let shim = up(&place);
    let answer = send(&shim, "hello");
    assert_eq!(answer["outcome"], "confirmed", "{answer}");
    assert_eq!(send(&shim, "again")["outcome"], "confirmed");
    assert_eq!(got(&place), ["hello", "again"]);
}

#[test]
fn a_prompt_hook_that_tells_the_shim_confirms_though_another_follows() {
    let say = format!("say={}", env!("CARGO_BIN_EXE_fleet"));
    let place = agent(&[&say]);
    let shim = up(&place);
    for text in ["hello", "again"] {
        assert_eq!(send(&shim, text)["outcome"], "confirmed");
    }
    assert_eq!(got(&place), ["hello", "again"]);
    eventually("the other one was taken as well", || (place.json("heartbeat")["state"] == "tool").then_some(()));
}

#[test]
fn a_word_that_does_not_carry_this_runs_mark_confirms_nothing() {
    let place = agent(&["hook", "stranger"]);
    let shim = up(&place);
    assert_eq!(send(&shim, "hello")["outcome"], "submitted");
}

/// Nobody knows whose prompt it was.
#[test]
fn a_prompt_hook_of_an_agent_that_queues_does_not_confirm_what_was_sent_into_a_turn() {
    let place = agent(&["startbusy=30", "busy=30", "other"]);
    let shim = place.up();
    shim.shows("* working");
    let answer = send(&shim, "hello");
    assert_eq!(answer["outcome"], "queued", "{answer}");
    assert_eq!(place.json("heartbeat")["state"], "prompt-submitted");
}

#[test]
fn a_swallowed_enter_is_pressed_once_more() {
    let place = agent(&["swallow=1"]);
    let shim = up(&place);
    let answer = send(&shim, "hello");
    assert_eq!((&answer["outcome"], &answer["enters"]), (&json!("submitted"), &json!(2)), "{answer}");
    assert_eq!(got(&place), ["hello"]);
}

#[test]
fn what_stays_in_the_input_line_is_not_called_delivered() {
    let place = agent(&["deaf"]);
    let shim = up(&place);
    let answer = send(&shim, "hello");
    assert_eq!((&answer["outcome"], &answer["enters"]), (&json!("refused"), &json!(2)), "{answer}");
    assert!(answer["why"].as_str().unwrap().contains("still in the input line"), "{answer}");
    // And nothing is typed after it.
    let next = send(&shim, "more");
    assert_eq!((&next["outcome"], &next["enters"]), (&json!("refused"), &json!(0)), "{next}");
    assert!(next["why"].as_str().unwrap().contains("unsent draft"), "{next}");
}

#[test]
fn a_long_paste_that_is_shown_as_a_placeholder_is_submitted_whole() {
    let place = agent(&["placeholder"]);
    let shim = up(&place);
    let text = format!("one\n\ttwo {}\nthree", "x".repeat(3000));
    assert_eq!(send(&shim, &text)["outcome"], "submitted");
    assert_eq!(got(&place), [text]);
}

#[test]
fn without_bracketed_paste_a_message_is_one_line() {
    let place = agent(&["plain"]);
    let shim = up(&place);
    assert_eq!(send(&shim, "one\n\ttwo\n")["outcome"], "submitted");
    assert_eq!(got(&place), ["one  two"]);
}

#[test]
fn text_cannot_leave_the_paste() {
    let place = agent(&[]);
    let shim = up(&place);
    let answer = send(&shim, "a\u{1b}[201~\r\u{3}b\u{9b}c\u{202e}d");
    assert_eq!(answer["outcome"], "submitted", "{answer}");
    assert_eq!(got(&place), ["a[201~\nbcd"]);
}

#[test]
fn nothing_is_typed_into_a_question() {
    let place = agent(&["ask"]);
    let shim = place.up();
    shim.shows("? Trust");
    let answer = send(&shim, "y");
    assert_eq!((&answer["outcome"], &answer["enters"]), (&json!("refused"), &json!(0)), "{answer}");
    assert!(answer["why"].as_str().unwrap().contains("Trust this folder?"), "{answer}");
    assert!(!shim.lines().iter().any(|line| line == "> y"));
}

#[test]
fn enter_is_not_pressed_into_a_question_that_comes_up() {
    let place = agent(&["dialog"]);
    let shim = up(&place);
    let answer = send(&shim, "hello");
    assert_eq!((&answer["outcome"], &answer["enters"]), (&json!("refused"), &json!(0)), "{answer}");
    assert!(got(&place).is_empty());
}

#[test]
fn without_an_input_pattern_the_outcome_is_unknown() {
    let mut place = agent(&[]);
    let patterns = place.manifest["policy"]["patterns"].as_array_mut().unwrap();
    patterns.retain(|pattern| pattern["kind"] != "input");
    let shim = up(&place);
    let answer = send(&shim, "hello");
    assert_eq!((&answer["outcome"], &answer["enters"]), (&json!("unknown"), &json!(1)), "{answer}");
    assert_eq!(got(&place), ["hello"]);
}

#[test]
fn a_busy_agent_queues_or_is_left_alone() {
    let mut place = agent(&["startbusy=30"]);
    let shim = place.up();
    shim.shows("* working");
    let answer = send(&shim, "later");
    assert_eq!(answer["outcome"], "queued", "{answer}");
    place.manifest["policy"]["delivery"]["busy_input"] = json!("refuse");
    place.write_manifest();
    assert_eq!(shim.ask("reload", &json!({}))["ok"], true);
    let answer = send(&shim, "now");
    assert_eq!((&answer["outcome"], &answer["enters"]), (&json!("refused"), &json!(0)), "{answer}");
    assert!(answer["why"].as_str().unwrap().contains("a turn is running"), "{answer}");
}

#[test]
fn empty_and_oversized_texts_are_refused() {
    let place = agent(&[]);
    let shim = up(&place);
    for text in ["", " \n\t ", "\u{1b}\u{7}"] {
        assert_eq!(send(&shim, text)["outcome"], "refused", "{text:?}");
    }
    let answer = send(&shim, &"x".repeat((64 << 10) + 1));
    assert_eq!(answer["outcome"], "refused");
    assert!(answer["why"].as_str().unwrap().contains("65537 bytes"), "{answer}");
    assert_eq!(send(&shim, "short")["outcome"], "submitted");
    assert_eq!(got(&place), ["short"]);
}

#[test]
fn an_agent_that_was_never_ready_gets_nothing() {
    let mut place = agent(&["late=3"]);
    place.pattern("ready", json!("screen"), "^READY");
    let shim = place.up();
    let answer = send(&shim, "hello");
    assert_eq!((&answer["outcome"], &answer["enters"]), (&json!("refused"), &json!(0)), "{answer}");
    assert!(answer["why"].as_str().unwrap().contains("not ready yet"), "{answer}");
    assert_eq!(shim.status()["state"], "starting");
    eventually("it gets ready", || (shim.status()["state"] != "starting").then_some(()));
    assert_eq!(send(&shim, "hello")["outcome"], "submitted");
}

#[test]
fn the_first_message_waits_until_the_agent_is_ready() {
    let mut place = agent(&["late=0.5"]);
    place.pattern("ready", json!("screen"), "^READY");
    place.manifest["policy"]["prompt"] = json!("read your role and begin");
    let _shim = place.up();
    eventually("the first message arrived", || (!got(&place).is_empty()).then_some(()));
    assert_eq!(got(&place), ["read your role and begin"]);
}

/// Two senders at once: neither text ends up in the other's message.
#[test]
fn messages_are_typed_one_after_the_other() {
    let place = agent(&[]);
    let shim = up(&place);
    let mut streams: Vec<_> = (0..4)
        .map(|n| {
            let mut stream = shim.connect();
            stream
                .write_all(format!("fleet-shim 1 send\n{}\n", json!({"text": format!("message {n}")})).as_bytes())
                .unwrap();
            stream
        })
        .collect();
    for stream in &mut streams {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.contains("submitted"), "{answer}");
    }
    let mut messages = got(&place);
    messages.sort();
    assert_eq!(messages, ["message 0", "message 1", "message 2", "message 3"]);
}

#[test]
fn too_many_senders_are_told_so() {
    let place = agent(&["startbusy=60"]);
    let shim = place.up();
    shim.shows("* working");
    let streams: Vec<_> = (0..30)
        .map(|n| {
            let mut stream = shim.connect();
            stream
                .write_all(format!("fleet-shim 1 send\n{}\n", json!({"text": format!("m{n}")})).as_bytes())
                .unwrap();
            stream
        })
        .collect();
    let busy = streams
        .into_iter()
        .filter(|stream| {
            let mut stream = stream.try_clone().unwrap();
            stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
            let mut answer = String::new();
            let _ = stream.read_to_string(&mut answer);
            answer.contains("\"busy\"")
        })
        .count();
    assert!((12..=14).contains(&busy), "{busy} were told busy");
}

/// A person's half-written line is neither sent nor mixed with a message.
#[test]
fn a_persons_draft_is_not_sent_along() {
    let place = agent(&[]);
    let shim = up(&place);
    let mut viewer = shim.attach("rw", 80, 24);
    viewer.send(b'I', b"half a thou");
    shim.shows("half a thou");
    let answer = send(&shim, "message");
    assert_eq!((&answer["outcome"], &answer["enters"]), (&json!("refused"), &json!(0)), "{answer}");
    viewer.send(b'I', b"ght\r");
    shim.shows("got: half a thought");
    let answer = send(&shim, "message");
    assert_eq!(answer["outcome"], "submitted", "{answer}");
    assert_eq!(got(&place), ["half a thought", "message"]);
}

#[test]
fn the_quit_words_end_an_idle_agent() {
    let mut place = agent(&[]);
    place.manifest["policy"]["delivery"]["quit"] = json!("/quit");
    let shim = up(&place);
    shim.signal(nix::sys::signal::Signal::SIGTERM);
    let (status, _) = shim.wait();
    assert_eq!(status.code(), Some(0));
    assert_eq!(place.exit_record()["step"], "quit");
    assert!(place.read("last-screen").starts_with("bye\n"));
}

#[test]
fn a_sender_that_leaves_before_its_turn_sends_nothing() {
    let place = agent(&["deaf"]);
    let shim = up(&place);
    // The first is under way for two seconds; the second hangs up while it waits.
    let first = std::thread::scope(|scope| {
        let first = scope.spawn(|| send(&shim, "first"));
        shim.shows("> first");
        let mut second = shim.connect();
        second.write_all(b"fleet-shim 1 send\n{\"text\":\"second\"}\n").unwrap();
        drop(second);
        first.join().unwrap()
    });
    assert_eq!(first["enters"], 2, "{first}");
    assert!(!shim.lines().iter().any(|line| line.contains("second")));
}

#[test]
fn who_waits_for_an_outcome_is_told_when_the_agent_ends() {
    let place = agent(&["deaf"]);
    let shim = up(&place);
    let (under_way, waiting) = std::thread::scope(|scope| {
        let under_way = scope.spawn(|| send(&shim, "first"));
        shim.shows("> first");
        let mut second = shim.connect();
        second.write_all(b"fleet-shim 1 send\n{\"text\":\"second\"}\n").unwrap();
        shim.ask("signal", &json!({"signal": "KILL"}));
        let mut waiting = String::new();
        second.read_to_string(&mut waiting).unwrap();
        (under_way.join().unwrap(), serde_json::from_str::<Value>(&waiting).unwrap())
    });
    assert_eq!((&under_way["outcome"], &under_way["why"]), (&json!("unknown"), &json!("the agent has ended")));
    assert_eq!((&waiting["outcome"], &waiting["enters"]), (&json!("refused"), &json!(0)), "{waiting}");
}

#[test]
fn a_steering_agent_is_written_to_while_it_works() {
    let mut place = agent(&["startbusy=30"]);
    place.manifest["policy"]["delivery"]["busy_input"] = json!("steer");
    let shim = place.up();
    shim.shows("* working");
    assert_eq!(send(&shim, "turn left")["outcome"], "submitted");
}

/// The kernel keeps 4095 bytes of a line for a program that reads lines; the rest would be lost without a word.
#[test]
fn a_line_that_the_kernel_would_cut_is_refused() {
    let place = Place::shell("echo up; cat > taken");
    let shim = place.up();
    shim.shows("up");
    let answer = send(&shim, &"x".repeat(5000));
    assert_eq!((&answer["outcome"], &answer["enters"]), (&json!("refused"), &json!(0)), "{answer}");
    assert!(answer["why"].as_str().unwrap().contains("4095"), "{answer}");
    let answer = send(&shim, &"x".repeat(4000));
    assert_eq!(answer["outcome"], "unknown", "{answer}");
    eventually("all of it has arrived", || {
        (std::fs::read(place.root.path().join("taken")).unwrap().len() == 4001).then_some(())
    });
}
