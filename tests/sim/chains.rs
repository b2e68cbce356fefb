//! Chains of models: who falls back to what, and when the first one is used again.

use fleet::manifest::{BusyInput, ModelName};
use fleet::supervise::decision::{Act, Rule};
use fleet::supervise::event::{AgentEvent, Caller, End, Event, Request, Run, Shows, Wanted};
use fleet::supervise::policy::{AgentPolicy, Heartbeat, HeartbeatKind, Link};
use fleet::supervise::standing::Class;

use crate::bench::{Bench, SECOND, agent, fleet, name, reading};
use crate::scenarios::{count, end};

fn model(text: &str) -> ModelName {
    let (runtime, model) = text.split_once('/').unwrap();
    ModelName { runtime: runtime.to_owned(), model: Some(model.to_owned()) }
}

/// An agent that may be started with each of `models`.
fn chained(models: &[&str]) -> AgentPolicy {
    let mut policy = agent("a");
    policy.fallbacks = u32::try_from(models.len()).unwrap() - 1;
    policy.chain = models
        .iter()
        .map(|text| Link {
            name: model(text),
            heartbeat: Heartbeat { kind: HeartbeatKind::Events, every_ms: 15 * SECOND },
            busy_input: BusyInput::Queue,
            shows_idle: true,
            resumes: true,
        })
        .collect();
    policy
}

fn started(bench: &mut Bench, with: &str) -> Run {
    let run = Run { with: Some(model(with)), ..bench.next_run() };
    bench.tell("a", AgentEvent::Running { run: run.clone() });
    run
}

/// An agent of these models that runs with the first of them.
fn begun(models: &[&str]) -> (Bench, Run) {
    let mut bench = Bench::new(fleet(vec![chained(models)]));
    bench.give(Event::Relisted);
    let run = started(&mut bench, models[0]);
    bench.acts();
    (bench, run)
}

fn fatal(run: &Run, bench: &Bench, class: Class) -> End {
    let shows = Shows::Fatal { class, text: "529 Overloaded".to_owned() };
    End { shows, ..end(run, bench.now.wall, 1) }
}

fn dies_of(bench: &mut Bench, run: &Run, class: Class) {
    bench.skip(SECOND);
    let end = fatal(run, bench, class);
    bench.tell("a", AgentEvent::Ended { end });
}

/// What was noted last: the model's place, and its name.
fn noted(bench: &Bench) -> Option<(u32, Option<String>)> {
    let acts = bench.decisions.iter().flat_map(|decision| &decision.effects);
    let mut notes = acts.filter_map(|effect| match &effect.act {
        Act::Fallback { model, note, .. } => Some((*model, note.as_ref().map(|note| note.to.to_string()))),
        _ => None,
    });
    notes.next_back()
}

fn in_use(bench: &Bench) -> Option<String> {
    bench.machine.agent(&name("a")).unwrap().fell_back
}

fn starts(bench: &Bench) -> usize {
    count(bench, |act| matches!(act, Act::Start { .. }))
}

fn reasons(bench: &Bench, rule: Rule) -> Vec<&str> {
    bench.decisions.iter().filter(|one| one.rule == rule).map(|one| one.reason.as_str()).collect()
}

#[test]
fn each_model_is_tried_once_and_then_the_budget_counts() {
    let models = ["claude/opus", "claude/sonnet", "codex/gpt"];
    let (mut bench, mut run) = begun(&models);
    for (place, talk) in [(1, "resumes the conversation"), (2, "loses the conversation")] {
        let before = starts(&bench);
        dies_of(&mut bench, &run, Class::Overloaded);
        assert_eq!(noted(&bench), Some((place, Some(models[place as usize].to_owned()))));
        // At once: none of its restarts is spent.
        assert_eq!(starts(&bench), before + 1);
        assert!(bench.machine.agent(&name("a")).unwrap().memory.restarts.is_empty());
        let reason = *reasons(&bench, Rule::Fallback).last().unwrap();
        assert!(
            reason.ends_with(talk) && reason.contains(&format!("instead of {}", models[place as usize - 1])),
            "{reason}"
        );
        run = started(&mut bench, models[place as usize]);
        let words =
            format!("fell back from {} to {}: overloaded", models[place as usize - 1], models[place as usize]);
        assert_eq!(in_use(&bench), Some(words));
    }
    let before = starts(&bench);
    dies_of(&mut bench, &run, Class::Overloaded);
    assert_eq!((noted(&bench).unwrap().0, starts(&bench)), (2, before));
    assert!(reasons(&bench, Rule::RapidDeath).last().unwrap().contains("codex"), "{:?}", bench.decisions);
}

#[test]
fn what_does_not_pass_by_itself_does_not_fall_back() {
    for class in [Class::Auth, Class::Quota, Class::Context, Class::Other] {
        let (mut bench, run) = begun(&["claude/opus", "codex/gpt"]);
        dies_of(&mut bench, &run, class);
        assert_eq!(noted(&bench), None, "{class:?}");
    }
}

#[test]
fn a_running_agent_is_stopped_and_its_patience_is_a_minute() {
    let (mut bench, _) = begun(&["claude/opus", "codex/gpt"]);
    bench.wait(30 * SECOND);
    let limit = Shows::Limit { class: Class::Rate, until: None, text: "limit".to_owned() };
    bench.tell("a", AgentEvent::Screen { reading: reading("limit", limit) });
    bench.wait(59 * SECOND);
    assert_eq!(noted(&bench), None);
    bench.wait(2 * SECOND);
    assert_eq!(noted(&bench), Some((1, Some("codex/gpt".to_owned()))));
    assert_eq!(count(&bench, |act| matches!(act, Act::Stop { .. })), 1);
    // It runs with the first until it has ended.
    assert_eq!(in_use(&bench), None);
}

#[test]
fn a_crash_between_the_decision_and_the_note_falls_back_once() {
    let (mut bench, run) = begun(&["claude/opus", "codex/gpt", "codex/mini"]);
    dies_of(&mut bench, &run, Class::Overloaded);
    let end = fatal(&run, &bench, Class::Overloaded);
    let before = starts(&bench);
    bench.crash();
    bench.tell("a", AgentEvent::Wanted { wanted: Wanted::Running });
    bench.tell("a", AgentEvent::Ended { end });
    bench.give(Event::Relisted);
    assert_eq!(noted(&bench), Some((1, Some("codex/gpt".to_owned()))));
    assert_eq!(count(&bench, |act| matches!(act, Act::Fallback { .. })), 1);
    assert_eq!(bench.machine.agent(&name("a")).unwrap().memory.model, 1);
    assert_eq!(starts(&bench), before + 1);
    started(&mut bench, "codex/gpt");
    assert_eq!(in_use(&bench).as_deref(), Some("fell back from claude/opus to codex/gpt: overloaded"));
}

#[test]
fn clear_takes_the_first_from_the_next_start_on() {
    let (mut bench, run) = begun(&["claude/opus", "codex/gpt"]);
    dies_of(&mut bench, &run, Class::Overloaded);
    started(&mut bench, "codex/gpt");
    let stops = |bench: &Bench| count(bench, |act| matches!(act, Act::Stop { .. }));
    let before = (starts(&bench), stops(&bench));
    bench.ask(Request::Clear { agents: [name("a")].into(), caller: Caller::Operator });
    assert_eq!(noted(&bench), Some((0, None)));
    assert!(reasons(&bench, Rule::Clear).last().unwrap().ends_with("from its next start on it uses claude/opus"));
    // What it does now is not interrupted.
    assert_eq!((starts(&bench), stops(&bench)), before);
    assert_eq!(in_use(&bench).as_deref(), Some("uses codex/gpt until its next start, then claude/opus"));
}

/// The supervisor starts whoever is not held any more, as the person who wants it to run does: with the first.
#[test]
fn who_is_not_held_any_more_takes_the_first() {
    let (mut bench, run) = begun(&["claude/opus", "codex/gpt"]);
    dies_of(&mut bench, &run, Class::Overloaded);
    let run = started(&mut bench, "codex/gpt");
    bench.tell("a", AgentEvent::Wanted { wanted: Wanted::Held });
    let end = End { stop_requested: true, ..end(&run, bench.now.wall, 0) };
    bench.tell("a", AgentEvent::Ended { end });
    assert_eq!(noted(&bench).unwrap().0, 1);
    let before = starts(&bench);
    bench.tell("a", AgentEvent::Wanted { wanted: Wanted::Running });
    assert_eq!((noted(&bench), starts(&bench)), (Some((0, None)), before + 1));
    // And it may fall back once more.
    let run = started(&mut bench, "claude/opus");
    dies_of(&mut bench, &run, Class::Overloaded);
    assert_eq!(noted(&bench).unwrap().0, 1);
}

#[test]
fn a_start_by_hand_takes_the_first() {
    let (mut bench, run) = begun(&["claude/opus", "codex/gpt"]);
    dies_of(&mut bench, &run, Class::Overloaded);
    let run = started(&mut bench, "codex/gpt");
    let end = End { stop_requested: true, ..end(&run, bench.now.wall, 0) };
    bench.tell("a", AgentEvent::Ended { end });
    bench.skip(SECOND);
    started(&mut bench, "claude/opus");
    assert_eq!(noted(&bench), Some((0, None)));
    assert_eq!(in_use(&bench), None);
}

/// A shim that knows no notes starts it with the first model for ever: the chain has an end all the same.
#[test]
fn a_note_that_nobody_follows_ends_in_quarantine() {
    let (mut bench, mut run) = begun(&["claude/opus", "codex/gpt", "codex/mini"]);
    for _ in 0..2 {
        dies_of(&mut bench, &run, Class::Overloaded);
        run = started(&mut bench, "claude/opus");
        let said = *reasons(&bench, Rule::State).iter().rfind(|reason| reason.contains("noted")).unwrap();
        assert!(said.starts_with("it was started with claude/opus, although codex/"), "{said}");
    }
    assert_eq!(noted(&bench).unwrap().0, 2);
    dies_of(&mut bench, &run, Class::Overloaded);
    assert_eq!(noted(&bench).unwrap().0, 2);
    assert!(bench.machine.agent(&name("a")).unwrap().memory.quarantine.is_some());
}

#[test]
fn a_new_chain_keeps_the_model_by_its_name_or_lets_it_go() {
    let (mut bench, run) = begun(&["claude/opus", "codex/gpt"]);
    dies_of(&mut bench, &run, Class::Overloaded);
    started(&mut bench, "codex/gpt");
    let give = |bench: &mut Bench, models: &[&str]| {
        let policy = fleet(vec![chained(models)]);
        bench.policy = policy.clone();
        bench.give(Event::Policy { policy: Box::new(policy) });
    };
    give(&mut bench, &["claude/opus", "pi/small", "codex/gpt"]);
    assert_eq!(bench.machine.agent(&name("a")).unwrap().memory.model, 2);
    assert_eq!(noted(&bench), Some((1, Some("codex/gpt".to_owned()))), "its note still names it");
    assert_eq!(in_use(&bench).as_deref(), Some("fell back from claude/opus to codex/gpt: overloaded"));
    let stops = count(&bench, |act| matches!(act, Act::Stop { .. }));
    give(&mut bench, &["claude/opus", "pi/small"]);
    assert_eq!(noted(&bench), Some((0, None)));
    assert!(reasons(&bench, Rule::Fallback).last().unwrap().contains("codex/gpt is not in its chain any more"));
    // `apply` restarts it, at an idle moment; the supervisor does not.
    assert_eq!(count(&bench, |act| matches!(act, Act::Stop { .. })), stops);
}

/// What a runtime reports, and what it does with input, is that of the one in use.
#[test]
fn the_rules_are_those_of_the_model_in_use() {
    let mut policy = chained(&["claude/opus", "codex/gpt"]);
    policy.chain[1].busy_input = BusyInput::Refuse;
    let mut bench = Bench::new(fleet(vec![policy]));
    bench.give(Event::Relisted);
    let mut delivered = Vec::new();
    for with in ["claude/opus", "codex/gpt"] {
        let run = started(&mut bench, with);
        bench.tell("a", AgentEvent::Screen { reading: reading("ready", Shows::Idle) });
        bench.tell("a", AgentEvent::Screen { reading: reading("busy", Shows::Busy) });
        let message = crate::bench::message(with, "a", Caller::Operator, bench.now);
        bench.ask(Request::Send { message });
        delivered.push(count(&bench, |act| matches!(act, Act::Deliver { .. })));
        dies_of(&mut bench, &run, Class::Overloaded);
    }
    assert_eq!(delivered, [1, 1], "the second keeps no input while its turn runs");
}
