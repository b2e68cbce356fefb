//! The same call of a tool, or the same words, again and again.

use fleet::supervise::clock::Millis;
use fleet::supervise::decision::Rule;
use fleet::supervise::event::{AgentEvent, Report, ReportKind, Shows};
use fleet::supervise::standing::State;

use crate::bench::{Bench, MINUTE, SECOND, agent, reading};
use crate::scenarios::{answer_probes, running, stops, works};

fn say(bench: &mut Bench, kind: ReportKind, call: Option<&str>, note: Option<&str>, progress: u64) {
    let own = |text: &str| text.to_owned();
    let report =
        Report { kind, progress: Some(progress), note: note.map(own), call: call.map(own), at: bench.now.wall };
    bench.tell("a", AgentEvent::Report { report });
}

/// A call begins and ends; the screen shows each of them. A probe finds nothing that runs.
fn call(bench: &mut Bench, call: &str, number: u64) {
    say(bench, ReportKind::Tool, Some(call), None, 2 * number);
    bench.wait(2 * SECOND);
    say(bench, ReportKind::Tool, None, None, 2 * number + 1);
    bench.tell("a", AgentEvent::Activity { bytes: number });
    bench.tell("a", AgentEvent::Screen { reading: reading(&format!("turn {number}"), Shows::Busy) });
    answer_probes(bench, Some(&format!("turn {number}")), &Shows::Busy, 0);
}

fn rounds(bench: &mut Bench, what: &str, from: u64, span: Millis) -> u64 {
    let end = bench.now.awake + span;
    let mut number = from;
    while bench.now.awake < end {
        call(bench, what, number);
        bench.wait(28 * SECOND);
        answer_probes(bench, Some(&format!("turn {number}")), &Shows::Busy, 0);
        number += 1;
    }
    number
}

fn said(bench: &Bench) -> Vec<&str> {
    let decided = bench.decisions.iter().filter(|decision| decision.rule == Rule::Repetition);
    decided.map(|decision| decision.reason.as_str()).collect()
}

#[test]
fn the_same_call_again_and_again_is_a_stall_with_its_evidence_and_no_death() {
    let (mut bench, _) = running(agent("a"));
    works(&mut bench);
    let number = rounds(&mut bench, "Bash 00ff", 1, 4 * MINUTE);
    assert_eq!((bench.state("a"), said(&bench)), (State::Working, vec![]), "half of its time is not over");
    let number = rounds(&mut bench, "Bash 00ff", number, 2 * MINUTE);
    assert_eq!(said(&bench), ["the same call of Bash 11 times in a row, for 5 min"]);
    assert_eq!(bench.state("a"), State::Stalled);
    // It is warned of like every other, and lives: it is not dead but in a circle.
    let number = rounds(&mut bench, "Bash 00ff", number, 60 * MINUTE);
    assert_eq!((bench.state("a"), stops(&bench), said(&bench).len()), (State::Stalled, 0, 1));
    // Another call is progress.
    call(&mut bench, "Read 1234", number);
    assert_eq!(bench.state("a"), State::Working);
}

#[test]
fn another_call_between_breaks_the_circle() {
    let (mut bench, _) = running(agent("a"));
    works(&mut bench);
    let mut number = 1;
    for _ in 0..30 {
        number = rounds(&mut bench, "Bash 00ff", number, MINUTE);
        number = rounds(&mut bench, "Edit 1234", number, MINUTE / 2);
    }
    assert_eq!((bench.state("a"), said(&bench)), (State::Working, vec![]));
}

#[test]
fn words_that_repeat_are_a_circle_and_new_ones_are_not() {
    let (mut bench, _) = running(agent("a"));
    works(&mut bench);
    for number in 0..12 {
        say(&mut bench, ReportKind::Working, None, Some("still at it"), number);
        bench.wait(MINUTE);
        answer_probes(&mut bench, Some("turn"), &Shows::Busy, 0);
    }
    assert_eq!(said(&bench).len(), 1, "{:?}", said(&bench));
    assert!(said(&bench)[0].starts_with("the same words ") && said(&bench)[0].ends_with(": still at it"));
    say(&mut bench, ReportKind::Working, None, Some("the second part"), 13);
    assert_eq!(bench.state("a"), State::Working);
    let (mut bench, _) = running(agent("a"));
    works(&mut bench);
    for number in 0..40 {
        say(&mut bench, ReportKind::Working, None, Some(&format!("part {number}")), number);
        bench.wait(MINUTE);
        answer_probes(&mut bench, Some("turn"), &Shows::Busy, 0);
    }
    assert_eq!((bench.state("a"), said(&bench)), (State::Working, vec![]));
}

#[test]
fn a_turn_that_ends_or_a_beat_makes_no_circle() {
    let (mut bench, _) = running(agent("a"));
    works(&mut bench);
    for number in 0..30 {
        say(&mut bench, ReportKind::Tool, Some("Bash 00ff"), None, number);
        say(&mut bench, ReportKind::Idle, None, None, number);
        bench.wait(MINUTE);
        answer_probes(&mut bench, Some("turn"), &Shows::Busy, 0);
    }
    assert_eq!(said(&bench), Vec::<&str>::new(), "each is a turn of its own");
    let (mut bench, _) = running(agent("a"));
    works(&mut bench);
    for number in 0..30 {
        say(&mut bench, ReportKind::Beat, None, None, number);
        bench.wait(MINUTE);
        answer_probes(&mut bench, Some("turn"), &Shows::Busy, 0);
    }
    assert_eq!(said(&bench), Vec::<&str>::new());
}
