//! Writers that are killed at any moment, many times over one journal.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use fleet::journal::rows::TrailRow;
use fleet::journal::{Journal, inbox};
use fleet::supervise::event::{EffectResult, Event, Request};

use crate::support::{NOW, decision, event, folder, notify, reader, set_aside, sound, with_effects};

/// The folder in which a child writes.
const WRITE: &str = "FLEET_TEST_WRITE";
const KILLS: usize = 100;
/// How many openers are killed, each at another moment.
const OPENERS: u32 = 40;

/// A child that runs `test` of this program, with its output.
fn child(test: &str, folder: &Path) -> std::process::Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(WRITE, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap()
}

/// Reads `lines` acknowledgements of a child, kills it while it goes on, and returns all that it gave.
fn kill_after(lines: usize, mut child: std::process::Child) -> Vec<String> {
    let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut said = Vec::new();
    while said.len() < lines {
        let line = output.next().expect("the writer ended by itself").unwrap();
        said.extend(line.strip_prefix("ack ").map(str::to_owned));
    }
    child.kill().unwrap();
    // A last line may be cut.
    said.extend(output.filter_map(|line| Some(line.ok()?.strip_prefix("ack ")?.strip_suffix('.')?.to_owned())));
    child.wait().unwrap();
    said.iter().map(|line| line.trim_end_matches('.').to_owned()).collect()
}

/// Numbers without a pattern, the same at each run.
fn scatter(seed: usize, below: usize) -> usize {
    (seed.wrapping_mul(2_654_435_761) >> 7) % below
}

#[test]
fn what_a_killed_writer_acknowledged_is_there_once() {
    if let Some(folder) = std::env::var_os(WRITE) {
        let opened = Journal::open(Path::new(&folder)).unwrap();
        assert_eq!(opened.lost, None);
        let mut journal = opened.journal;
        journal.append(NOW, &opened.recovered.answers(), &[]).unwrap();
        let first = opened.recovered.next_effect;
        println!();
        for effect in first.. {
            let decided = with_effects(decision("coder", &format!("number {effect}")), &[(effect, notify("x"))]);
            journal.append(NOW, &[event("coder", effect)], &[decided]).unwrap();
            println!("ack {effect}.");
            if effect % 3 == 0 {
                journal.append(NOW, &[Event::Effect { id: effect, result: EffectResult::Done }], &[]).unwrap();
            }
            if effect % 50 == 0 {
                journal.prune_to(NOW, 1_000_000).unwrap();
            }
        }
        return;
    }
    let folder = folder();
    let mut acknowledged = BTreeSet::new();
    for kill in 0..KILLS {
        let child = child("kills::what_a_killed_writer_acknowledged_is_there_once", folder.path());
        for effect in kill_after(scatter(kill, 40), child) {
            assert!(acknowledged.insert(effect.parse::<u64>().unwrap()), "{effect} was given twice");
        }
        // Whoever reads finds it before any writer has looked at what is left.
        if let Some(acknowledged) = acknowledged.last() {
            let last = reader(folder.path()).decisions(0, None, 1).unwrap()[0].effects[0].id;
            assert!(last >= *acknowledged, "kill {kill}: {last} after {acknowledged}");
        }
    }
    assert!(acknowledged.len() > KILLS);
    let opened = sound(folder.path());
    drop(opened.journal);
    let decisions = reader(folder.path()).decisions(0, None, 1_000_000).unwrap();
    let written: Vec<u64> = decisions.iter().flat_map(|row| &row.effects).map(|effect| effect.id).collect();
    let distinct: BTreeSet<u64> = written.iter().copied().collect();
    assert_eq!(distinct.len(), written.len(), "one is there twice");
    assert!(acknowledged.is_subset(&distinct), "lost: {:?}", acknowledged.difference(&distinct).collect::<Vec<_>>());
    // No half of a transaction: each decision has its event before it, and its one effect.
    let trail = reader(folder.path()).trail(Some("coder"), 1_000_000).unwrap();
    for (at, row) in trail.iter().enumerate() {
        if let TrailRow::Decision(decision) = row {
            assert_eq!(decision.effects.len(), 1);
            assert!(matches!(&trail[at - 1], TrailRow::Event(event) if event.kind == "running"), "{row:?}");
        }
    }
}

/// Kills openers all along the time that opening takes, in a folder that `prepare` has made, and looks at what is left.
fn kill_openers(prepare: fn(&Path), look: fn(&Path, u32)) {
    let test = "kills::an_opener_that_is_killed_leaves_a_beginning";
    let prepared = || {
        let folder = folder();
        prepare(folder.path());
        folder
    };
    let whole = prepared();
    let begin = Instant::now();
    let mut first = child(test, whole.path());
    assert!(first.wait().unwrap().success());
    let span = begin.elapsed();
    for step in 0..OPENERS {
        let folder = prepared();
        let begin = Instant::now();
        let mut child = child(test, folder.path());
        // The second half: the first is the program's own start.
        let moment = span / 2 + span * step / (2 * OPENERS);
        while begin.elapsed() < moment && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        let _ = child.kill();
        child.wait().unwrap();
        look(folder.path(), step);
    }
}

#[test]
fn an_opener_that_is_killed_leaves_a_beginning() {
    if let Some(folder) = std::env::var_os(WRITE) {
        drop(Journal::open(Path::new(&folder)).unwrap());
        return;
    }
    kill_openers(
        |_| {},
        |folder, step| {
            let opened = Journal::open(folder).unwrap();
            assert_eq!((opened.lost, opened.recovered.paused), (None, None), "step {step}");
        },
    );
    // One that finds a damaged journal.
    kill_openers(
        |folder| std::fs::write(folder.join("journal.db"), "x".repeat(9000)).unwrap(),
        |folder, step| {
            let opened = Journal::open(folder).unwrap();
            assert!(opened.recovered.paused.is_some(), "step {step}: nobody knows that it was lost");
            assert_eq!(set_aside(folder).len(), 1, "step {step}");
        },
    );
}

#[test]
fn a_request_is_taken_once_whenever_its_taker_is_killed() {
    if let Some(folder) = std::env::var_os(WRITE) {
        let folder = Path::new(&folder);
        let mut journal = Journal::open(folder).unwrap().journal;
        println!("\nack open.");
        loop {
            for waiting in inbox::read(folder, NOW).unwrap().requests {
                if !journal.has_taken(&waiting.id).unwrap() {
                    let events = [Event::Request { request: waiting.request.clone() }];
                    let taken = journal.append_inbox(&waiting.id, NOW, &events, &[decision("coder", &waiting.id)]);
                    taken.unwrap().unwrap();
                    println!("ack {}.", waiting.id);
                }
                inbox::remove(&waiting).unwrap();
            }
        }
    }
    let folder = folder();
    let mut put = Vec::new();
    for kill in 0..KILLS / 2 {
        for number in 0..8 {
            let request = Request::Recall { id: format!("m-{kill}-{number}") };
            put.push(inbox::put(folder.path(), NOW, &request).unwrap());
        }
        let child = child("kills::a_request_is_taken_once_whenever_its_taker_is_killed", folder.path());
        kill_after(1 + scatter(kill, 7), child);
    }
    // The last one is let finish.
    let mut journal = sound(folder.path()).journal;
    for waiting in inbox::read(folder.path(), NOW).unwrap().requests {
        journal.append_inbox(&waiting.id, NOW, &[], &[decision("coder", &waiting.id)]).unwrap();
        inbox::remove(&waiting).unwrap();
    }
    let taken = reader(folder.path()).decisions(0, None, 10_000).unwrap();
    let mut taken: Vec<String> = taken.into_iter().map(|row| row.reason).collect();
    taken.sort();
    put.sort();
    assert_eq!(taken, put);
}
