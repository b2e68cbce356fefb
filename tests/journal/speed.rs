//! Figures, as ratios to SQLite itself where there is such a thing. Run by hand, without debug assertions:
//! `cargo nextest run --release --test journal speed --run-ignored only --no-capture`.

use std::path::Path;
use std::time::{Duration, Instant};

use fleet::supervise::event::{EffectResult, Event};
use rusqlite::Connection;

use crate::support::{NOW, agent, db, decision, event, folder, notify, reader, sound, with_effects};

/// Runs each of two turn about and returns their times, sorted.
fn race(rounds: u64, mut first: impl FnMut(u64), mut second: impl FnMut(u64)) -> [Vec<Duration>; 2] {
    let mut times = [Vec::new(), Vec::new()];
    for round in 0..rounds {
        let begin = Instant::now();
        first(round);
        times[0].push(begin.elapsed());
        let begin = Instant::now();
        second(round);
        times[1].push(begin.elapsed());
    }
    times.each_mut().map(|times| {
        times.sort();
        std::mem::take(times)
    })
}

/// What this thread has spent on a processor: what a machine with other work does not blur (proc(5), schedstat).
fn spent() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split_ascii_whitespace().next().unwrap().parse().unwrap())
}

/// Times on the clock and on a processor, each sorted.
#[derive(Default)]
struct Times {
    clock: Vec<Duration>,
    processor: Vec<Duration>,
}

impl Times {
    fn take<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let (begin, before) = (Instant::now(), spent());
        let made = work();
        self.processor.push(spent().checked_sub(before).unwrap());
        self.clock.push(begin.elapsed());
        self.clock.sort();
        self.processor.sort();
        made
    }
}

impl std::fmt::Display for Times {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (clock, processor) = (&self.clock, &self.processor);
        write!(f, "p50 {:.0} µs, p99 {:.0} µs, most {:.0} µs", at(clock, 50), at(clock, 99), at(clock, 100))?;
        write!(f, " (of a processor {:.0}, {:.0}, {:.0})", at(processor, 50), at(processor, 99), at(processor, 100))
    }
}

fn at(times: &[Duration], percent: usize) -> f64 {
    times[(times.len() - 1) * percent / 100].as_secs_f64() * 1e6
}

/// The same tables in another file, written by prepared statements alone.
fn bare(folder: &Path) -> Connection {
    drop(sound(folder));
    let connection = Connection::open(db(folder)).unwrap();
    connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL").unwrap();
    connection
}

#[test]
#[ignore = "a measurement"]
fn an_append_costs_hardly_more_than_its_commit() {
    let (ours, theirs) = (folder(), folder());
    let mut journal = sound(ours.path()).journal;
    let mut other = bare(theirs.path());
    let reason = "no progress for 10 minutes: the screen has not changed, no tool runs";
    let append = |round| {
        journal.append(NOW, &[event("coder", round)], &[decision("coder", reason)]).unwrap();
    };
    let insert = |round: u64| {
        let json = serde_json::to_string(&event("coder", round)).unwrap();
        let change = other.transaction().unwrap();
        let seq = i64::try_from(round * 2).unwrap();
        change
            .prepare_cached("INSERT INTO events(seq, at, agent, kind, json) VALUES (?1, ?2, ?3, ?4, ?5)")
            .unwrap()
            .execute((seq + 1, 1, "coder", "running", json))
            .unwrap();
        change
            .prepare_cached("INSERT INTO decisions(seq, at, agent, rule, reason) VALUES (?1, ?2, ?3, ?4, ?5)")
            .unwrap()
            .execute((seq + 2, 1, "coder", "state", reason))
            .unwrap();
        change.commit().unwrap();
    };
    let [ours, theirs] = race(5000, append, insert);
    println!(
        "append, on the disk: p50 {:.0} µs, p99 {:.0} µs; SQLite alone p50 {:.0} µs, p99 {:.0} µs; {:.2}x at p50",
        at(&ours, 50),
        at(&ours, 99),
        at(&theirs, 50),
        at(&theirs, 99),
        at(&ours, 50) / at(&theirs, 50),
    );
    assert!(at(&ours, 50) < 1.25 * at(&theirs, 50));
}

#[test]
#[ignore = "a measurement"]
fn a_large_journal_answers_opens_and_shrinks_without_a_stall() {
    const ROWS: u64 = 1_000_000;
    let folder = folder();
    let mut journal = sound(folder.path()).journal;
    let names: Vec<String> = (0..1000).map(|number| format!("agent-{number}")).collect();
    let begin = Instant::now();
    for (chunk, number) in (0..ROWS / 2).step_by(5000).zip(0..) {
        let rows = chunk..chunk + 5000;
        let name = |row: u64| &names[usize::try_from(row % 1000).unwrap()];
        let events: Vec<_> = rows.clone().map(|row| event(name(row), row)).collect();
        let decisions: Vec<_> = rows
            .map(|row| match row % 5 {
                0 => with_effects(decision(name(row), "restarted"), &[(row + 1, notify("died"))]),
                _ => decision(name(row), "the screen shows that it works, and did not before"),
            })
            .collect();
        journal.append(NOW + number, &events, &decisions).unwrap();
        let answers: Vec<_> = (chunk..chunk + 5000)
            .step_by(5)
            .map(|row| Event::Effect { id: row + 1, result: EffectResult::Done })
            .collect();
        journal.append(NOW + number, &answers, &[]).unwrap();
    }
    println!("filled with {} rows in {:.1?}", journal.append(NOW, &[], &[]).unwrap().seq, begin.elapsed());

    let reader = reader(folder.path());
    let mut times = Times::default();
    for number in 0..200_usize {
        let trail = times.take(|| reader.trail(Some(agent(&names[number * 5]).as_str()), 100).unwrap());
        assert_eq!(trail.len(), 100);
    }
    println!("the last 100 rows of one agent: {times}");
    assert!(at(&times.processor, 50) < 2000.0);
    let mut times = Times::default();
    for number in 0..200 {
        assert_eq!(times.take(|| reader.tail(ROWS - number * 1000, None, 100).unwrap()).len(), 100);
    }
    println!("the next 100 rows of all: {times}");
    drop(reader);

    let mut times = Times::default();
    while times.take(|| journal.prune(NOW).unwrap()) {}
    println!("{} batches of pruning: {times}", times.clock.len());
    assert!(at(&times.processor, 99) < 20_000.0);
    drop(journal);
    let size = std::fs::metadata(db(folder.path())).unwrap().len() >> 20;
    let mut times = Times::default();
    for _ in 0..10 {
        drop(times.take(|| sound(folder.path())));
    }
    println!("opened with what is kept, {size} MB: {times}");
}
