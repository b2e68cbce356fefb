//! Small faults, each as it was found.

use fleet::supervise::clock::Millis;
use fleet::supervise::decision::{Act, Effect};
use fleet::supervise::event::{AgentEvent, EffectResult, Event, Shows, Wanted};
use fleet::supervise::policy::Stall;
use fleet::supervise::standing::State;

use crate::bench::{Bench, HOUR, MINUTE, SECOND, agent, fleet, name, reading};
use crate::scenarios::{answer_probes, comes_back, count, dies, end, running, starts};

/// Lets it die until it is quarantined.
fn quarantined() -> Bench {
    let (mut bench, mut run) = running(agent("a"));
    loop {
        bench.wait(31 * SECOND);
        dies(&mut bench, &run);
        let Some(next) = comes_back(&mut bench) else { break };
        run = next;
    }
    assert_eq!(bench.state("a"), State::Quarantined);
    bench
}

#[test]
fn one_that_died_while_nobody_looked_is_not_said_to_stay_down_and_then_started() {
    let (mut bench, run) = running(agent("a"));
    let last = end(&run, bench.now.wall, 1);
    bench.crash();
    bench.decisions.clear();
    bench.tell("a", AgentEvent::Ended { end: last });
    bench.give(Event::Relisted);
    bench.wait(HOUR);
    assert!(starts(&bench) > 0);
    let says = |reason: &str| reason.contains("not to be started again");
    let standings = bench.decisions.iter().filter_map(|decision| decision.standing.as_ref());
    let said: Vec<_> = standings.filter(|standing| says(&standing.reason)).collect();
    assert!(said.is_empty(), "{said:?}");
}

#[test]
fn a_start_by_hand_that_is_seen_by_its_end_only_ends_a_quarantine() {
    let mut bench = quarantined();
    let before = starts(&bench);
    // `fleet start` has started it, and it was gone before anybody looked.
    bench.wait(MINUTE);
    let run = bench.next_run();
    bench.wait(20 * SECOND);
    dies(&mut bench, &run);
    assert!(matches!(bench.state("a"), State::BackingOff { .. }), "{:?}", bench.state("a"));
    assert_eq!(bench.machine.agent(&name("a")).unwrap().memory.restarts.len(), 1, "its budget begins anew");
    bench.wait(HOUR);
    assert!(starts(&bench) > before);
}

#[test]
fn a_start_that_a_command_withholds_is_no_death_and_no_quarantine() {
    let (mut bench, mut run) = running(agent("a"));
    for _ in 0..4 {
        bench.wait(31 * SECOND);
        dies(&mut bench, &run);
        run = comes_back(&mut bench).unwrap();
    }
    bench.wait(31 * SECOND);
    dies(&mut bench, &run);
    // The last restart of its budget has left, and `fleet stop`, `fleet start` come in between.
    let end = bench.now.awake + HOUR;
    while bench.state("a") != State::Starting {
        let at = bench.machine.next_deadline().filter(|at| *at <= end).unwrap();
        bench.until(at);
    }
    let start =
        |acts: Vec<Effect>| acts.into_iter().find(|effect| matches!(effect.act, Act::Start { .. })).map(|e| e.id);
    let id = start(bench.acts()).unwrap();
    let why = "it is to be held by now".to_owned();
    bench.give(Event::Effect { id, result: EffectResult::Withheld { why } });
    assert_eq!(bench.state("a"), State::Starting, "it is wanted again");
    let run = bench.next_run();
    bench.tell("a", AgentEvent::Running { run });
    let memory = &bench.machine.agent(&name("a")).unwrap().memory;
    assert_eq!((memory.quarantine.clone(), memory.restarts.len()), (None, 5), "nothing has died");
    // Held for good, it stays so.
    let mut bench = Bench::new(fleet(vec![agent("a")]));
    bench.give(Event::Relisted);
    let id = start(bench.acts()).unwrap();
    bench.tell("a", AgentEvent::Wanted { wanted: Wanted::Held });
    bench.give(Event::Effect { id, result: EffectResult::Withheld { why: "held".to_owned() } });
    bench.wait(HOUR);
    assert_eq!((bench.state("a"), starts(&bench)), (State::Stopped, 1));
}

#[test]
fn the_record_of_the_death_that_led_to_a_quarantine_does_not_end_it() {
    let (mut bench, mut run) = running(agent("a"));
    loop {
        bench.wait(31 * SECOND);
        // It is gone, and its record comes later.
        bench.tell("a", AgentEvent::Absent { lost: Some(run.clone()) });
        let record = end(&run, bench.now.wall, 1);
        bench.tell("a", AgentEvent::Ended { end: record.clone() });
        let Some(next) = comes_back(&mut bench) else {
            bench.tell("a", AgentEvent::Ended { end: record });
            break;
        };
        run = next;
    }
    bench.wait(HOUR);
    assert_eq!(bench.state("a"), State::Quarantined);
}

/// A question that is drawn without a pause for `span`.
fn asked_for(after_ms: Millis, span: Millis) -> usize {
    let mut policy = agent("a");
    policy.stall = Stall { after_ms, nudge: true };
    let (mut bench, _) = running(policy);
    let dialog = Shows::Dialog { text: "Trust this folder?".to_owned() };
    bench.tell("a", AgentEvent::Activity { bytes: 1 });
    bench.tell("a", AgentEvent::Screen { reading: reading("dialog", dialog.clone()) });
    let before = count(&bench, |act| matches!(act, Act::Probe { .. }));
    let end = bench.now.awake + span;
    let mut bytes = 1;
    while bench.now.awake < end {
        bytes += 1;
        bench.tell("a", AgentEvent::Activity { bytes });
        let next = bench.now.awake + SECOND;
        while let Some(at) = bench.machine.next_deadline().filter(|at| *at <= next) {
            bench.until(at);
            answer_probes(&mut bench, Some("dialog"), &dialog, 0);
        }
        bench.until(next);
    }
    count(&bench, |act| matches!(act, Act::Probe { .. })) - before
}

#[test]
fn a_question_is_looked_at_as_seldom_with_a_short_stall_after() {
    let usual = asked_for(10 * MINUTE, HOUR);
    let short = asked_for(SECOND, HOUR);
    assert!(short <= usual, "{short} looks in an hour, {usual} with the default");
}
