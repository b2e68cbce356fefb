//! Sequences of events from files: one line of JSON each, with the moment at which it came. Before each, all deadlines up to
//! that moment come.
//!
//! `recorded/` holds sequences worth reading, with what is decided as snapshots beside them; `found/` holds what the property
//! test has found, shrunk: of those only the invariants are asked.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use fleet::supervise::clock::Moment;
use fleet::supervise::event::Event;
use serde::{Deserialize, Serialize};

use crate::bench::Bench;

#[derive(Serialize, Deserialize)]
struct Line {
    now: Moment,
    /// `None`: the supervisor died, and another took over.
    event: Option<Event>,
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sim").join(name)
}

/// As a file has it.
pub fn write(log: &[(Moment, Option<Event>)]) -> String {
    let mut text = String::new();
    for (now, event) in log {
        let line = Line { now: *now, event: event.clone() };
        let _ = writeln!(text, "{}", serde_json::to_string(&line).unwrap());
    }
    text
}

/// Keeps what was found, to be replayed from now on.
pub fn keep(log: &[(Moment, Option<Event>)]) {
    let text = write(log);
    let sum = text.bytes().fold(0xcbf2_9ce4_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    std::fs::create_dir_all(folder("found")).unwrap();
    std::fs::write(folder("found").join(format!("{sum:08x}.ndjson")), text).unwrap();
}

fn replay(text: &str) -> Bench {
    let lines: Vec<Line> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let Some(Event::Policy { policy }) = &lines[0].event else { panic!("a sequence begins with a policy") };
    let mut bench = Bench::bare((**policy).clone(), lines[0].now);
    for line in lines {
        bench.until(line.now.awake);
        bench.now = line.now;
        match line.event {
            Some(event) => bench.give(event),
            None => bench.crash(),
        }
    }
    bench
}

fn told(bench: &Bench) -> String {
    let mut text = String::new();
    for decision in &bench.decisions {
        let agent = decision.agent.as_ref().map_or("-", |agent| agent.as_str());
        let _ = writeln!(text, "{agent} {}: {}", decision.rule.word(), decision.reason);
        if let Some(standing) = &decision.standing {
            let _ = writeln!(text, "    is {}", standing.state.word());
        }
        for effect in &decision.effects {
            let act = serde_json::to_value(&effect.act).unwrap();
            let _ = writeln!(text, "    {} {}", effect.id, act["act"].as_str().unwrap());
        }
    }
    text
}

fn files(name: &str) -> Vec<PathBuf> {
    let Ok(found) = std::fs::read_dir(folder(name)) else { return vec![] };
    let mut paths: Vec<PathBuf> = found.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "ndjson"));
    paths.sort();
    paths
}

#[test]
fn recorded_sequences_are_decided_as_they_were() {
    let paths = files("recorded");
    assert!(paths.len() >= 3, "the recorded sequences are gone");
    for path in paths {
        let bench = replay(&std::fs::read_to_string(&path).unwrap());
        insta::with_settings!({ snapshot_path => "recorded", prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!(path.file_stem().unwrap().to_str().unwrap(), told(&bench));
        });
    }
}

#[test]
fn what_was_found_once_stays_mended() {
    for path in files("found") {
        replay(&std::fs::read_to_string(&path).unwrap());
    }
}

/// Writes the recorded sequences anew: `cargo test --test sim -- --ignored record`.
#[test]
#[ignore = "writes the recorded sequences"]
fn record() {
    for (name, log) in crate::scenarios::sequences() {
        std::fs::write(folder("recorded").join(format!("{name}.ndjson")), write(&log)).unwrap();
    }
}
