//! Values for tests.

use serde_json::json;

use super::entry::Entry;
use super::keys::Key;
use super::look::{Look, Weight};
use super::model::{Action, Input, Model, News};
use crate::driver::words::{Row, Status};
use crate::ids::{AgentName, FleetId};

/// The moment of every test: an hour after the epoch.
pub const NOW: u64 = 3_600_000;

/// An agent in `state` since the second `since`.
pub fn row(name: &str, state: &str, since: u64) -> Row {
    let healthy =
        !["waiting-for-human", "blocked", "stalled", "unknown", "backing-off", "quarantined"].contains(&state);
    let mut value = json!({
        "name": name, "kind": "agent", "role": "coder", "runtime": "canary", "model": null,
        "state": state, "reason": reason(state), "since": since * 1_000, "healthy": healthy,
        "pid": 4_711, "started": 0, "manifest": null, "viewers": 0, "queued": 0, "restarts": 0,
        "last_line": "Running 12 tests in tests/cli", "looked": null, "restart_pending": false,
    });
    match state {
        "rate-limited" => value["class"] = json!("rate"),
        "blocked" => value["class"] = json!("auth"),
        _ => {}
    }
    if ["rate-limited", "backing-off"].contains(&state) {
        value["until"] = json!(NOW + 725_000);
    }
    serde_json::from_value(value).unwrap()
}

fn reason(state: &str) -> &'static str {
    match state {
        "working" => "its screen changes",
        "idle" => "its prompt is on the screen and nothing moves",
        "waiting-for-human" => "a question to a person is on its screen: may I run `rm -rf target`?",
        "stalled" => "no progress for 30m: its screen, its output and its processor time stand still",
        "quarantined" => "it died 5 times within 1h, the last time with exit 101",
        "blocked" => "its screen says that the login has expired",
        "backing-off" => "it ended with exit 1, restart 2 of 5 within 1h",
        "rate-limited" => "its screen says `usage limit reached`",
        "stopped" => "held: a person stopped it",
        _ => "nothing has been seen of it yet",
    }
}

/// A decision, `seq` seconds after the hour.
pub fn entry(seq: u64, agent: &str, word: &str, weight: Weight, reason: &str) -> Entry {
    Entry {
        seq,
        clock: format!("10:{:02}:{:02}", seq / 60, seq % 60),
        agent: Some(agent.to_owned()),
        word: word.to_owned(),
        weight,
        reason: reason.to_owned(),
        acts: Vec::new(),
    }
}

pub fn status(agents: Vec<Row>) -> Status {
    Status {
        format: 1,
        fleet: "payments".to_owned(),
        pid: 1,
        since: 0,
        at: NOW,
        journal_lost: None,
        problems: Vec::new(),
        agents,
    }
}

pub fn news(agents: Vec<Row>, feed: Vec<Entry>) -> News {
    News { at: NOW, status: Ok(Box::new(status(agents))), feed, anew: false, unread: None }
}

/// A model without colour that has heard of `agents`.
pub fn model(agents: Vec<Row>, feed: Vec<Entry>, size: (u16, u16)) -> Model {
    let look = Look { colour: false, unicode: true };
    let mut model = Model::new(FleetId::new("payments").unwrap(), look, size);
    model.update(Input::News(news(agents, feed)));
    model
}

/// A small fleet with every kind of news.
pub fn crowd() -> Vec<Row> {
    let mut rows = vec![
        row("lead", "idle", 3_000),
        row("coder-1", "working", 3_540),
        row("coder-2", "quarantined", 3_420),
        row("coder-3", "stalled", 1_800),
        row("mender", "stopped", 100),
        row("research-1", "rate-limited", 3_300),
        row("research-2", "backing-off", 3_590),
        row("review-1", "waiting-for-human", 2_880),
        row("review-2", "blocked", 2_000),
        row("writer", "starting", 3_598),
    ];
    rows[2].restarts = 5;
    rows[0].queued = 2;
    rows[0].viewers = 1;
    rows[0].model = Some("opus".to_owned());
    rows[6].restarts = 2;
    rows[2].last_line = Some("thread 'main' panicked at src/ledger.rs:88:14".to_owned());
    rows
}

pub fn decisions() -> Vec<Entry> {
    vec![
        entry(1, "lead", "idle", Weight::Idle, "its prompt is on the screen and nothing moves"),
        entry(2, "review-2", "blocked", Weight::Broken, "its screen says that the login has expired"),
        entry(3, "coder-1", "message", Weight::Idle, "a message of lead is given to its shim"),
        entry(9, "coder-2", "quarantined", Weight::Broken, "it died 5 times within 1h, the last time with exit 101"),
    ]
}

/// Types `text`, and gives what the last key asked for.
pub fn type_in(model: &mut Model, text: &str) -> Option<Action> {
    text.chars().map(|c| model.update(Input::Key(Key::Char(c)))).last().flatten()
}

pub fn name(text: &str) -> AgentName {
    AgentName::new(text).unwrap()
}
