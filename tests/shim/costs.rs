//! What a shim costs, in counts.

use serde_json::json;

use crate::support::{Place, Shim, eventually};

/// Counts wake-ups over at least three seconds.
fn wakes_in_three_seconds(shim: &Shim) -> u64 {
    let mut before = shim.switches();
    let mut since = std::time::Instant::now();
    eventually("it has gone to sleep", || {
        let now = shim.switches();
        if now != before {
            (before, since) = (now, std::time::Instant::now());
        }
        (since.elapsed().as_millis() > 200).then_some(())
    });
    let until = std::time::Instant::now() + std::time::Duration::from_secs(3);
    eventually("three seconds have passed", || (std::time::Instant::now() >= until).then_some(()));
    shim.switches() - before
}

#[test]
fn a_quiet_agent_costs_no_wake_up() {
    let mut place = Place::shell("echo ready; exec sleep 1000");
    place.pattern("ready", json!("screen"), "^ready");
    let shim = place.up();
    shim.shows("ready");
    eventually("the screen has been looked at", || (shim.status()["state"] != "starting").then_some(()));
    eventually("it is quiet", || (shim.status()["quiet_ms"].as_u64() > Some(200)).then_some(()));
    assert_eq!(wakes_in_three_seconds(&shim), 0);
}

#[test]
fn nor_after_it_has_reported() {
    let fleet = env!("CARGO_BIN_EXE_fleet");
    let place = Place::shell(&format!("{fleet} report blocked --note stuck; exec sleep 1000"));
    let shim = place.up();
    let mut events = shim.frames("subscribe", &json!({}));
    events.event("settled");
    assert!(place.folder().join("heartbeat").exists());
    assert_eq!(wakes_in_three_seconds(&shim), 0);
}

/// Not even for those who look on, once everything has been shown and told.
#[test]
fn nor_with_a_viewer_and_a_subscriber() {
    let place = Place::shell("echo ready; exec sleep 1000");
    let shim = place.up();
    let mut events = shim.frames("subscribe", &json!({}));
    let _viewer = shim.attach("ro", 80, 24);
    events.event("settled");
    assert_eq!(wakes_in_three_seconds(&shim), 0);
}
