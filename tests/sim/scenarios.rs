//! Single faults, each as it was found.

use std::collections::BTreeSet;

use fleet::supervise::clock::Millis;
use fleet::supervise::decision::{Act, EffectId, Rule};
use fleet::supervise::event::{
    AgentEvent, Caller, Delivered, EffectResult, End, Event, Probe, Report, ReportKind, Request, Run, Shows, Wanted,
};
use fleet::supervise::policy::AgentPolicy;
use fleet::supervise::standing::{Class, State};

use crate::bench::{Bench, HOUR, MINUTE, SECOND, agent, fleet, message, name, reading};

/// One agent, running and idle.
pub fn running(policy: AgentPolicy) -> (Bench, Run) {
    let mut bench = Bench::new(fleet(vec![policy]));
    let run = bench.next_run();
    bench.tell("a", AgentEvent::Running { run: run.clone() });
    bench.give(Event::Relisted);
    bench.wait(5 * SECOND);
    bench.tell("a", AgentEvent::Screen { reading: reading("prompt", Shows::Idle) });
    bench.wait(6 * SECOND);
    answer_probes(&mut bench, Some("prompt"), &Shows::Idle, 0);
    bench.acts();
    (bench, run)
}

pub fn answer_probes(bench: &mut Bench, digest: Option<&str>, shows: &Shows, cpu: u64) {
    for effect in bench.acts() {
        if let Act::Probe { .. } = effect.act {
            let probe = Probe {
                cpu_ms: Some(cpu),
                descendants: Some(BTreeSet::new()),
                reading: digest.map(|digest| reading(digest, shows.clone())),
                bytes: Some(digest.map_or(0, |digest| digest.len() as u64)),
            };
            bench.give(Event::Effect { id: effect.id, result: EffectResult::Probed { probe } });
        }
    }
}

/// Lets time pass; every look finds the same.
pub fn frozen(bench: &mut Bench, digest: &str, shows: &Shows, span: Millis) {
    let end = bench.now.awake + span;
    while let Some(at) = bench.machine.next_deadline().filter(|at| *at <= end) {
        bench.until(at);
        answer_probes(bench, Some(digest), shows, 0);
    }
    bench.until(end);
}

pub fn works(bench: &mut Bench) {
    bench.tell("a", AgentEvent::Activity { bytes: 1 });
    bench.tell("a", AgentEvent::Screen { reading: reading("turn", Shows::Busy) });
}

pub fn end(run: &Run, now: Millis, code: i32) -> End {
    End {
        code: Some(code),
        signal: None,
        stop_requested: false,
        out_of_memory: false,
        step: "itself".to_owned(),
        started: run.started,
        ended: now,
        screen: vec![],
        shows: Shows::Nothing,
    }
}

pub fn dies(bench: &mut Bench, run: &Run) {
    let end = end(run, bench.now.wall, 1);
    bench.tell("a", AgentEvent::Ended { end });
}

pub fn count(bench: &Bench, what: impl Fn(&Act) -> bool) -> usize {
    let acts = bench.decisions.iter().flat_map(|decision| &decision.effects);
    acts.filter(|effect| what(&effect.act)).count()
}

/// Stops that were decided; another try to stop is none.
pub fn stops(bench: &Bench) -> usize {
    let decided = bench.decisions.iter().filter(|decision| decision.rule != Rule::State);
    decided.flat_map(|decision| &decision.effects).filter(|effect| matches!(effect.act, Act::Stop { .. })).count()
}

/// Waits until it is started again, and starts it. `None`: it is not.
pub fn comes_back(bench: &mut Bench) -> Option<Run> {
    let end = bench.now.awake + 26 * HOUR;
    while bench.state("a") != State::Starting {
        let at = bench.machine.next_deadline().filter(|at| *at <= end)?;
        bench.until(at);
    }
    let run = bench.next_run();
    bench.tell("a", AgentEvent::Running { run: run.clone() });
    Some(run)
}

pub fn starts(bench: &Bench) -> usize {
    count(bench, |act| matches!(act, Act::Start { .. }))
}

pub fn delivery(bench: &mut Bench) -> Option<(EffectId, String)> {
    bench.acts().into_iter().find_map(|effect| match effect.act {
        Act::Deliver { message, .. } => Some((effect.id, message.id)),
        _ => None,
    })
}

pub fn send(bench: &mut Bench, id: &str) {
    let message = message(id, "a", Caller::Operator, bench.now);
    bench.ask(Request::Send { message });
}

pub fn delivered(bench: &mut Bench, id: EffectId, outcome: Delivered) {
    bench.give(Event::Effect { id, result: EffectResult::Delivered { outcome, why: None } });
}

#[test]
fn a_frozen_turn_is_warned_of_and_restarted() {
    let (mut bench, _) = running(agent("a"));
    works(&mut bench);
    frozen(&mut bench, "turn", &Shows::Busy, 19 * MINUTE);
    assert_eq!((bench.state("a"), stops(&bench)), (State::Stalled, 0));
    frozen(&mut bench, "turn", &Shows::Busy, 12 * MINUTE);
    assert_eq!((bench.state("a"), stops(&bench)), (State::Stopping, 1));
}

#[test]
fn looks_that_never_come_back_hold_nothing_up_and_end_nothing() {
    let (mut bench, _) = running(agent("a"));
    works(&mut bench);
    bench.wait(3 * HOUR);
    assert_eq!((bench.state("a"), stops(&bench)), (State::Stalled, 0));
    let warned = bench.decisions.iter().filter(|decision| decision.reason.contains("not restarted")).count();
    assert_eq!(warned, 1, "said once");
    frozen(&mut bench, "turn", &Shows::Busy, 50 * MINUTE);
    assert_eq!(stops(&bench), 1, "when looks come back, it goes on");
}

#[test]
fn a_look_before_a_rung_is_taken_once() {
    let (mut bench, _) = running(agent("a"));
    works(&mut bench);
    frozen(&mut bench, "turn", &Shows::Busy, 25 * MINUTE);
    assert!(count(&bench, |act| matches!(act, Act::Probe { .. })) <= 7);
}

#[test]
fn an_agent_that_never_speaks_is_warned_of() {
    let mut bench = Bench::new(fleet(vec![agent("a")]));
    let run = bench.next_run();
    bench.tell("a", AgentEvent::Running { run });
    bench.give(Event::Relisted);
    frozen(&mut bench, "", &Shows::Nothing, 2 * HOUR);
    assert_eq!((bench.state("a"), stops(&bench)), (State::Stalled, 0));
    assert!(bench.decisions.iter().any(|decision| decision.reason.contains("not restarted: fewer than two")));
}

#[test]
fn the_age_of_an_event_report_is_no_signal() {
    let (mut bench, _) = running(agent("a"));
    let report = Report { kind: ReportKind::Tool, progress: None, note: None, call: None, at: bench.now.wall };
    bench.tell("a", AgentEvent::Report { report });
    works(&mut bench);
    let end = bench.now.awake + 2 * HOUR;
    while let Some(at) = bench.machine.next_deadline().filter(|at| *at <= end) {
        bench.until(at);
        for effect in bench.acts() {
            let probe = Probe { reading: Some(reading("turn", Shows::Busy)), ..Probe::default() };
            bench.give(Event::Effect { id: effect.id, result: EffectResult::Probed { probe } });
        }
    }
    assert_eq!(stops(&bench), 0, "the screen alone is one signal");
}

#[test]
fn a_beat_keeps_what_was_said() {
    let (mut bench, _) = running(agent("a"));
    for kind in [ReportKind::Waiting, ReportKind::Beat] {
        let report = Report { kind, progress: None, note: None, call: None, at: bench.now.wall };
        bench.tell("a", AgentEvent::Report { report });
    }
    assert_eq!(bench.state("a"), State::WaitingForHuman);
}

#[test]
fn a_suspend_between_look_and_answer_ends_nobody() {
    let (mut bench, _) = running(agent("a"));
    works(&mut bench);
    frozen(&mut bench, "turn", &Shows::Busy, 29 * MINUTE + 59 * SECOND);
    bench.wait(2 * SECOND);
    bench.now.boot += 8 * HOUR;
    bench.now.wall += 8 * HOUR;
    answer_probes(&mut bench, Some("turn"), &Shows::Busy, 0);
    assert_eq!(stops(&bench), 0);
    frozen(&mut bench, "turn", &Shows::Busy, 2 * MINUTE);
    assert_eq!(stops(&bench), 1, "after the grace it is");
}

#[test]
fn dying_supervisors_put_a_restart_off_by_one_rung_at_most() {
    let (mut bench, run) = running(agent("a"));
    works(&mut bench);
    let mut passed = 0;
    while stops(&bench) == 0 {
        frozen(&mut bench, "turn", &Shows::Busy, 3 * MINUTE);
        passed += 3;
        assert!(passed <= 45, "reset for ever");
        if stops(&bench) == 0 {
            bench.crash();
            bench.tell("a", AgentEvent::Running { run: run.clone() });
            bench.give(Event::Relisted);
            bench.tell("a", AgentEvent::Screen { reading: reading("turn", Shows::Busy) });
        }
    }
    assert!(passed >= 30, "shortened: {passed}");
}

#[test]
fn a_supervisor_that_dies_in_the_middle_of_a_restart_is_followed_by_one_that_goes_on() {
    let (mut bench, run) = running(agent("a"));
    works(&mut bench);
    frozen(&mut bench, "turn", &Shows::Busy, 31 * MINUTE);
    assert_eq!(bench.state("a"), State::Stopping);
    bench.crash();
    bench.tell("a", AgentEvent::Running { run: run.clone() });
    bench.give(Event::Relisted);
    let end = End { stop_requested: true, step: "term".to_owned(), ..end(&run, bench.now.wall, 143) };
    bench.tell("a", AgentEvent::Ended { end });
    bench.wait(MINUTE);
    assert_eq!(starts(&bench), 1);
}

#[test]
fn a_crash_loop_is_quarantined_once_and_stays_so() {
    let (mut bench, mut run) = running(agent("a"));
    let mut deaths = 0;
    loop {
        deaths += 1;
        bench.wait(31 * SECOND);
        dies(&mut bench, &run);
        let Some(next) = comes_back(&mut bench) else { break };
        run = next;
    }
    assert_eq!((deaths, bench.state("a")), (6, State::Quarantined));
    let last = end(&run, bench.now.wall, 1);
    for _ in 0..3 {
        bench.crash();
        bench.tell("a", AgentEvent::Ended { end: last.clone() });
        bench.give(Event::Relisted);
        bench.wait(HOUR);
        assert_eq!(bench.state("a"), State::Quarantined);
    }
    bench.ask(Request::Clear { agents: BTreeSet::new(), caller: Caller::Operator });
    assert_eq!(bench.state("a"), State::Starting);
}

#[test]
fn a_clock_that_is_set_makes_no_early_death_a_late_one() {
    for by in [365 * 24 * HOUR, 20 * SECOND] {
        for later in [true, false] {
            let (mut bench, run) = running(agent("a"));
            bench.now.wall = if later { bench.now.wall + by } else { bench.now.wall - by };
            bench.wait(SECOND);
            dies(&mut bench, &run);
            let said = bench.decisions.iter().map(|decision| decision.reason.as_str());
            let said: Vec<_> = said.filter(|reason| reason.starts_with("it ended")).collect();
            assert!(said.iter().any(|reason| reason.contains("12.0 s after its start")), "{said:?}");
        }
    }
}

#[test]
fn merely_being_there_is_no_health() {
    let (mut bench, run) = running(agent("a"));
    bench.wait(MINUTE);
    dies(&mut bench, &run);
    comes_back(&mut bench).unwrap();
    frozen(&mut bench, "", &Shows::Nothing, 2 * HOUR);
    assert_eq!(bench.machine.agent(&name("a")).unwrap().memory.attempt, 1);
    bench.tell("a", AgentEvent::Screen { reading: reading("prompt", Shows::Idle) });
    frozen(&mut bench, "prompt", &Shows::Idle, 2 * HOUR);
    assert_eq!(bench.machine.agent(&name("a")).unwrap().memory.attempt, 0);
}

#[test]
fn a_shim_that_does_not_answer_is_told_of_within_a_minute() {
    let (mut bench, _) = running(agent("a"));
    works(&mut bench);
    bench.tell("a", AgentEvent::Reachable { reachable: false, why: "time-out".to_owned() });
    bench.wait(61 * SECOND);
    let told = bench.decisions.iter().filter(|decision| decision.reason.contains("does not answer")).count();
    assert!(told >= 1 && bench.state("a") == State::Unknown);
    bench.wait(5 * HOUR);
    assert_eq!(stops(&bench), 0);
}

#[test]
fn a_start_that_fails_and_leaves_a_record_counts_once() {
    let mut bench = Bench::new(fleet(vec![agent("a")]));
    bench.give(Event::Relisted);
    let id = bench.acts()[0].id;
    bench.give(Event::Effect { id, result: EffectResult::Failed { why: "no such program".to_owned() } });
    let run = bench.next_run();
    dies(&mut bench, &run);
    assert_eq!(bench.machine.agent(&name("a")).unwrap().memory.restarts.len(), 1);
}

#[test]
fn held_while_a_start_fails_stays_held() {
    let mut bench = Bench::new(fleet(vec![agent("a")]));
    bench.give(Event::Relisted);
    bench.tell("a", AgentEvent::Wanted { wanted: Wanted::Held });
    bench.wait(HOUR);
    assert_eq!((bench.state("a"), starts(&bench)), (State::Stopped, 1));
}

#[test]
fn what_a_command_announced_is_no_failure() {
    let (mut bench, run) = running(agent("a"));
    bench.ask(Request::Announce { agent: name("a"), verb: "restart".to_owned() });
    bench.tell("a", AgentEvent::Absent { lost: Some(run) });
    assert_eq!(bench.state("a"), State::Stopped);
    bench.wait(MINUTE);
    assert_eq!(starts(&bench), 0, "the command starts it");
    bench.wait(MINUTE);
    assert_eq!(starts(&bench), 1, "or died meanwhile");
}

#[test]
fn a_pending_restart_comes_also_to_one_that_is_idle_already() {
    let (mut bench, run) = running(agent("a"));
    bench.tell("a", AgentEvent::RestartPending { pending: true });
    assert_eq!(stops(&bench), 1);
    let end = End { stop_requested: true, ..end(&run, bench.now.wall, 0) };
    bench.tell("a", AgentEvent::Ended { end });
    assert_eq!(starts(&bench), 1);
    assert!(bench.machine.agent(&name("a")).unwrap().memory.restarts.is_empty(), "no budget");
}

/// The sequences that are recorded: by name.
pub fn sequences() -> Vec<(&'static str, crate::bench::Log)> {
    let (mut stall, run) = running(agent("a"));
    works(&mut stall);
    frozen(&mut stall, "turn", &Shows::Busy, 31 * MINUTE);
    let ended = End { stop_requested: true, step: "term".to_owned(), ..end(&run, stall.now.wall, 143) };
    stall.tell("a", AgentEvent::Ended { end: ended });
    comes_back(&mut stall);

    let (mut loops, mut run) = running(agent("a"));
    loop {
        loops.wait(20 * SECOND);
        dies(&mut loops, &run);
        let Some(next) = comes_back(&mut loops) else { break };
        run = next;
    }
    loops.ask(Request::Clear { agents: BTreeSet::from([name("a")]), caller: Caller::Operator });

    let (mut talk, run) = running(agent("a"));
    send(&mut talk, "m-0000000000000001");
    send(&mut talk, "m-0000000000000002");
    let (id, _) = delivery(&mut talk).unwrap();
    delivered(&mut talk, id, Delivered::Submitted);
    talk.crash();
    talk.tell("a", AgentEvent::Running { run });
    talk.give(Event::Relisted);
    let until = Some(talk.now.wall + 20 * MINUTE);
    let limit = Shows::Limit { class: Class::Rate, until, text: "Usage limit reached".to_owned() };
    talk.tell("a", AgentEvent::Screen { reading: reading("limit", limit) });
    talk.wait(21 * MINUTE);
    vec![("stalled", stall.log), ("crash-loop", loops.log), ("messages-and-a-limit", talk.log)]
}
