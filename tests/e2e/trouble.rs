//! Agents in trouble: those that die, hang, spin, wait or are at a limit.

use std::fs;

use nix::sys::signal::Signal;

use crate::watched::{Watched, canary, strike};
use crate::world::Manager;

/// One rung of the ladder is this long here.
const STALL: &str = "stall after=\"1s\" nudge=#true;";

#[test]
fn deaths_lead_to_a_restart_with_a_snapshot() {
    for kind in [Manager::Systemd, Manager::Local] {
        let fleet = Watched::new(kind, &(canary("agent", "", "wait;") + &canary("shim", "", "wait;")));
        for (name, how) in [("agent", "signal 9"), ("shim", "it vanished")] {
            fleet.is(name, "idle");
            let old = fleet.world.pid(name);
            strike(if name == "agent" { fleet.child(name) } else { old }, Signal::SIGKILL);
            fleet.comes_back(name, old);
            fleet.is(name, "idle");
            assert_eq!(fleet.count(name, "restart", "started: "), 1, "{:#?}", fleet.decided(name));
            assert_eq!(fleet.count(name, "restart", "restart 2"), 0, "{:#?}", fleet.decided(name));
            let deaths = fleet.deaths(name);
            assert_eq!(deaths.len(), 1, "{deaths:?}");
            let why = fs::read_to_string(deaths[0].join("why")).unwrap();
            assert!(why.contains(how), "{why}");
            assert!(deaths[0].join("screen").exists() && deaths[0].join("log").exists(), "{deaths:?}");
        }
        fleet.destroy();
    }
}

#[test]
fn who_hangs_is_restarted_and_who_works_is_spared() {
    let agents = canary("hangs", STALL, "wait; hang;")
        + &canary("stopped", STALL, "busy \"1h\";")
        + &canary("spins", STALL, "spin \"1h\";")
        + &canary("builds", STALL, "child \"1h\";")
        + &canary("asks", STALL, "ask \"May I?\";")
        + &canary("rests", STALL, "wait;");
    let fleet = Watched::new(Manager::Local, &agents);
    for name in ["stopped", "spins", "builds"] {
        fleet.is(name, "working");
    }
    let pids = |fleet: &Watched| ["spins", "builds", "asks", "rests"].map(|name| fleet.world.pid(name));
    let before = pids(&fleet);
    let (hangs, stopped) = (fleet.world.pid("hangs"), fleet.world.pid("stopped"));
    fleet.is("hangs", "idle");
    fleet.send("hangs", "go", "0");
    strike(fleet.child("stopped"), Signal::SIGSTOP);
    for (name, old) in [("hangs", hangs), ("stopped", stopped)] {
        fleet.wait_decided(name, "restart", "it made no progress");
        fleet.comes_back(name, old);
        // One of the agent that hung, one of what it left.
        assert_eq!(fleet.deaths(name).len(), 2, "{:#?}", fleet.decided(name));
        let said = fleet.notices().into_iter().filter(|text| text.contains(&format!("{name} is stalled"))).count();
        assert_eq!(said, 1, "{:#?}", fleet.notices());
    }
    for name in ["spins", "builds"] {
        fleet.wait_decided(name, "stall", "not restarted");
    }
    assert_eq!(pids(&fleet), before);
    for name in ["asks", "rests"] {
        assert_eq!(fleet.count(name, "stall", "no progress"), 0, "{:#?}", fleet.decided(name));
    }
    fleet.destroy();
}

#[test]
fn a_message_waits_for_the_end_of_a_dialog() {
    let fleet = Watched::new(Manager::Local, &canary("asks", "", "ask \"May I?\"; wait; repeat 9 { wait; };"));
    fleet.is("asks", "waiting-for-human");
    let (id, outcome) = fleet.send("asks", "after-the-dialog", "1");
    assert_eq!(outcome, "queued", "{:?}", fleet.message(&id));
    assert!(!fleet.log("asks").contains("after-the-dialog"));
    assert_eq!(fleet.state_of("asks"), "waiting-for-human");
    assert_eq!(fleet.world.agent("asks")["queued"], 1);
    let mut person = crate::pty::Pty::spawn(fleet.world.command(&["attach", "asks"]), 100, 30);
    person.wait("the question", |screen| screen.lines.iter().any(|line| line.contains("May I?")));
    person.type_in("y");
    crate::support::wait_for("it arrives", || fleet.message(&id).state.is_final());
    assert_eq!(fleet.log("asks").matches("got: after-the-dialog").count(), 1, "{:?}", fleet.message(&id));
    fleet.destroy();
}

#[test]
fn a_limit_ends_and_a_fatal_phrase_is_told_once() {
    let agents = canary("limited", STALL, "limit reset=\"4s\"; repeat 9 { wait; };")
        + &canary("fatal", STALL, "fatal \"no such model\"; repeat 9 { wait; };");
    let fleet = Watched::new(Manager::Local, &agents);
    let pid = fleet.world.pid("limited");
    fleet.is("limited", "rate-limited");
    fleet.is("limited", "idle");
    assert_eq!(fleet.world.pid("limited"), pid);
    fleet.wait_decided("fatal", "blocked", "no such model");
    let said = fleet.notices().into_iter().filter(|text| text.contains("no such model")).count();
    assert_eq!(said, 1, "{:#?}", fleet.notices());
    fleet.destroy();
}

fn looping(more: &str, wait: &str) -> Watched {
    let agents = canary("loops", more, &format!("{wait} exit 1;")) + &canary("other", "", "wait;");
    Watched::new(Manager::Local, &agents)
}

fn quarantined(fleet: &Watched, rule: &str) {
    fleet.wait_decided("loops", rule, "");
    fleet.is("loops", "quarantined");
    let starts = fleet.count("loops", "restart", "started: ");
    assert!((1..=3).contains(&starts), "{:#?}", fleet.decided("loops"));
    assert_eq!(fleet.count("loops", rule, ""), 1, "{:#?}", fleet.decided("loops"));
    assert_eq!(told(fleet), 1, "{:#?}", fleet.notices());
    assert!(fleet.state().join("agents/loops/quarantined").exists());
    fleet.is("other", "idle");
    let before = fleet.decided("loops").len();
    fleet.clear("loops");
    crate::support::wait_for("it starts again", || {
        fleet.decided("loops")[before..].iter().any(|(rule, _)| rule == "start")
    });
}

fn told(fleet: &Watched) -> usize {
    fleet.notices().into_iter().filter(|text| text.contains("loops is quarantined")).count()
}

/// A death loop ends in quarantine, is told once, and `fleet clear` lets it start again.
fn loops(wait: &str, rule: &str) {
    let fleet = looping("", wait);
    quarantined(&fleet, rule);
    crate::support::wait_for("it is quarantined again", || told(&fleet) == 2);
    fleet.destroy();
}

#[test]
fn a_loop_of_instant_deaths_is_quarantined() {
    loops("", "rapid-death");
}

#[test]
fn a_loop_of_early_deaths_is_quarantined() {
    loops("busy \"1s\";", "rapid-death");
}

/// Each life is longer than what counts as a rapid death.
#[test]
fn a_loop_of_late_deaths_is_quarantined() {
    let fleet = looping("restart burst=1;", "busy \"31s\";");
    fleet.wait_decided("loops", "restart", "after 31 s");
    quarantined(&fleet, "quarantine");
    fleet.destroy();
}
