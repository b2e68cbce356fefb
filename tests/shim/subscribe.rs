//! `subscribe`: what is pushed, and when.

use nix::sys::signal::Signal;
use serde_json::json;

use crate::support::{Place, eventually};

#[test]
fn what_happens_is_told() {
    let place = Place::shell("read a; printf '\\033]2;new title\\007\\007hello'; read b; exit 3");
    let shim = place.up();
    let mut events = shim.frames("subscribe", &json!({}));
    let mut viewer = shim.attach("rw", 80, 24);
    assert_eq!(events.event("viewer")["viewers"], 1);
    viewer.send(b'I', b"x\r");
    let typing = events.event("viewer");
    assert_eq!((&typing["viewers"], &typing["typing"]), (&json!(1), &json!(true)));
    assert_eq!(events.event("title")["title"], "new title");
    events.event("bell");
    let settled = events.event("settled");
    assert_eq!(settled["lines"][1], "hello");
    assert_eq!(settled["hash"], shim.status()["hash"]);
    drop(viewer);
    eventually("the viewer is gone", || (shim.status()["viewers"] == 0).then_some(()));
    let mut viewer = shim.attach("rw", 80, 24);
    viewer.send(b'I', b"x\r");
    let ended = events.event("exit");
    assert_eq!((&ended["code"], &ended["signal"]), (&json!(3), &json!(null)));
}

#[test]
fn activity_is_told_once_a_second_at_most() {
    let place =
        Place::shell("for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do echo $i; sleep 0.1; done; exec sleep 1000");
    let shim = place.up();
    let mut events = shim.frames("subscribe", &json!({}));
    let mut count = 0;
    let bytes = loop {
        let frame = events.next().unwrap();
        let event: serde_json::Value = serde_json::from_slice(&frame.payload).unwrap();
        match event["event"].as_str().unwrap() {
            "activity" => count += 1,
            "settled" => break shim.status()["bytes"].clone(),
            _ => {}
        }
    };
    assert!((2..=4).contains(&count), "{count} activity events in about 1.5 s of output");
    assert_eq!(bytes, place.read("log").len());
}

#[test]
fn who_comes_to_a_quiet_agent_is_shown_it_at_once() {
    let place = Place::shell("echo waiting; exec sleep 1000");
    let shim = place.up();
    eventually("it is quiet", || (shim.status()["quiet_ms"].as_u64() >= Some(2600)).then_some(()));
    let settled = shim.frames("subscribe", &json!({})).event("settled");
    assert_eq!(settled["lines"][0], "waiting");
}

#[test]
fn a_subscriber_that_does_not_read_is_dropped_and_the_agent_goes_on() {
    // A title for each chunk makes events faster than once a second.
    let place = Place::shell(
        "trap 'exit 0' TERM; i=0; t=$(head -c 240 /dev/zero | tr '\\0' t); \
         while :; do i=$((i+1)); printf '\\033]2;%s%s\\007' $i $t; [ $((i % 50)) = 0 ] && sleep 0.001; done",
    );
    let shim = place.up();
    let deaf = shim.frames("subscribe", &json!({}));
    let children = format!("/proc/{}/fd", shim.pid());
    let sockets = || {
        std::fs::read_dir(&children)
            .unwrap()
            .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
            .filter(|target| target.to_string_lossy().starts_with("socket:"))
            .count()
    };
    eventually("it was let in", || (sockets() >= 2).then_some(()));
    eventually("it was dropped", || (sockets() == 1).then_some(()));
    drop(deaf);
    let before = shim.status()["bytes"].as_u64();
    eventually("the agent writes on", || (shim.status()["bytes"].as_u64() > before).then_some(()));
    shim.signal(Signal::SIGTERM);
    shim.wait();
}
