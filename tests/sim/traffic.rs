//! Single faults with messages, limits and caps, each as it was found.

use fleet::supervise::decision::Rule;
use fleet::supervise::event::{AgentEvent, Delivered, End, Event, Request, Shows};
use fleet::supervise::message::MessageState;
use fleet::supervise::policy::{Lifecycle, Spend};
use fleet::supervise::standing::{Class, State};

use crate::bench::{Bench, HOUR, MINUTE, SECOND, agent, fleet, reading};
use crate::scenarios::{comes_back, delivered, delivery, dies, end, frozen, running, send, starts, stops, works};

#[test]
fn a_message_while_an_on_demand_agent_stops_wakes_it() {
    let mut policy = agent("a");
    policy.lifecycle = Lifecycle::OnDemand { idle_stop_ms: Some(MINUTE) };
    let (mut bench, run) = running(policy);
    bench.wait(2 * MINUTE);
    assert_eq!(bench.state("a"), State::Stopping);
    send(&mut bench, "m-0000000000000001");
    let end = End { stop_requested: true, ..end(&run, bench.now.wall, 0) };
    bench.tell("a", AgentEvent::Ended { end });
    assert_eq!(bench.state("a"), State::Starting);
}

#[test]
fn refused_deliveries_are_tried_ever_more_seldom() {
    let (mut bench, _) = running(agent("a"));
    send(&mut bench, "m-0000000000000001");
    let mut tries = 0;
    for _ in 0..3_600 {
        if let Some((id, _)) = delivery(&mut bench) {
            tries += 1;
            delivered(&mut bench, id, Delivered::Refused);
        }
        bench.wait(SECOND);
    }
    assert!((5..25).contains(&tries), "{tries}");
    let message = &bench.journal.messages["m-0000000000000001"];
    assert_eq!(message.state, MessageState::Expired);
}

#[test]
fn a_message_is_typed_once_however_often_it_is_sent() {
    let (mut bench, _) = running(agent("a"));
    send(&mut bench, "m-0000000000000001");
    let (id, _) = delivery(&mut bench).unwrap();
    delivered(&mut bench, id, Delivered::Confirmed);
    send(&mut bench, "m-0000000000000001");
    assert_eq!(delivery(&mut bench), None);
    bench.crash();
    send(&mut bench, "m-0000000000000001");
    assert_eq!(bench.journal.messages["m-0000000000000001"].state, MessageState::Confirmed);
}

#[test]
fn a_limit_whose_time_has_passed_is_no_loop() {
    let (mut bench, _) = running(agent("a"));
    let until = Some(bench.now.wall - HOUR);
    let limit = Shows::Limit { class: Class::Rate, until, text: "limit".to_owned() };
    bench.tell("a", AgentEvent::Activity { bytes: 1 });
    bench.tell("a", AgentEvent::Screen { reading: reading("limit", limit.clone()) });
    let before = bench.decisions.len();
    frozen(&mut bench, "limit", &limit, 24 * HOUR);
    assert!(bench.decisions.len() - before < 60, "{}", bench.decisions.len() - before);
    assert_eq!(stops(&bench), 0);
}

#[test]
fn a_cap_on_agents_at_once_ends_when_one_ends() {
    let mut policy = fleet(vec![agent("a"), agent("b")]);
    policy.spend = Spend { concurrent: Some(1), ..Spend::default() };
    let mut bench = Bench::new(policy);
    bench.give(Event::Relisted);
    let run = bench.next_run();
    bench.tell("a", AgentEvent::Running { run: run.clone() });
    bench.wait(48 * HOUR);
    assert_eq!(starts(&bench), 1);
    let caps = bench.decisions.iter().filter(|decision| decision.rule == Rule::Spend).count();
    assert_eq!(caps, 1, "said once");
    let end = end(&run, bench.now.wall, 0);
    bench.tell("a", AgentEvent::Ended { end });
    assert_eq!(starts(&bench), 2);
}

#[test]
fn a_cap_on_starts_ends_with_the_day() {
    let mut policy = agent("a");
    policy.spend.starts_per_day = Some(2);
    policy.restart.burst = 50;
    let (mut bench, mut run) = running(policy);
    for _ in 0..2 {
        bench.wait(20 * SECOND);
        dies(&mut bench, &run);
        run = comes_back(&mut bench).unwrap();
    }
    bench.wait(20 * SECOND);
    dies(&mut bench, &run);
    bench.wait(20 * HOUR);
    assert_eq!(starts(&bench), 2);
    assert!(matches!(bench.state("a"), State::BackingOff { .. }));
    assert!(comes_back(&mut bench).is_some());
    assert_eq!(starts(&bench), 3);
}

#[test]
fn a_lost_journal_stops_nobody_until_it_is_cleared() {
    let (mut bench, _) = running(agent("a"));
    bench.give(Event::JournalLost { why: "the journal was damaged".to_owned() });
    works(&mut bench);
    frozen(&mut bench, "turn", &Shows::Busy, 2 * HOUR);
    assert_eq!(stops(&bench), 0);
    bench.ask(Request::ClearJournalLost);
    frozen(&mut bench, "turn", &Shows::Busy, 12 * MINUTE);
    assert_eq!(stops(&bench), 1);
}
