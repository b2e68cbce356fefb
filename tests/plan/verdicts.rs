//! What a plan says of agents that do not run, and of files that somebody changed.

use fleet::ids::{AgentName, Digest};
use fleet::manifest::{ExitRecord, StopStep};
use fleet::plan::fields::Class;
use fleet::plan::files::ConflictKind;
use fleet::plan::live::{LiveFile, LiveSupervisor, LiveUnit};
use fleet::plan::supervisor::Act;
use fleet::plan::{Desired, Plan, Process};
use fleet::units::{ActiveState, ManagerKind};

use super::simulation::Machine;

const ROSTER: &str = "fleet \"shop\" version=1 supervise=#false\nfloor \"exempt\" reason=\"x\"\nagent \"one\" { role \"coder\"; runtime \"canary\"; }\n";

fn applied() -> Machine {
    let mut machine = Machine::new(ManagerKind::Systemd);
    assert!(machine.apply(&machine.compile(ROSTER), usize::MAX));
    machine
}

fn plan(machine: &Machine, roster: &str) -> Plan {
    machine.plan(&machine.compile(roster))
}

fn one() -> AgentName {
    AgentName::new("one").unwrap()
}

fn ended(machine: &mut Machine, code: Option<i32>, signal: Option<i32>, stop_requested: bool) {
    machine.live.runs.clear();
    let exit = ExitRecord {
        format: 1,
        pid: 1,
        code,
        signal,
        stop_requested,
        out_of_memory: false,
        step: StopStep::Itself,
        started: String::new(),
        ended: String::new(),
        bytes: 0,
        with: None,
    };
    machine.live.exits.insert(one(), exit);
}

/// The old name goes, the new one comes, and whoever reads the plan is told that it is one agent.
#[test]
fn a_new_name_is_one_change() {
    let renamed = ROSTER.replace("agent \"one\" {", "agent \"two\" { was \"one\";");
    let mut machine = applied();
    let plan = plan(&machine, &renamed);
    let counts = plan.counts();
    assert_eq!(
        (counts.add, counts.change, counts.remove, counts.restart, counts.start, counts.stop),
        (0, 1, 0, 1, 0, 0)
    );
    assert_eq!(plan.interrupted().map(|agent| agent.name.as_str()).collect::<Vec<_>>(), ["one"]);
    assert!(plan.needs_consent() && !plan.is_mass_removal());
    let target = machine.compile(&renamed);
    let start = machine.clone();
    for effects in 0.. {
        let mut crashed = start.clone();
        let finished = crashed.apply(&target, effects);
        assert!(crashed.apply(&target, usize::MAX) && crashed.is_at(&target), "after a crash at effect {effects}");
        let left: Vec<_> = crashed.live.files.keys().filter(|path| path.to_string_lossy().contains("one")).collect();
        assert!(left.is_empty(), "after a crash at effect {effects}: {left:?}");
        if finished {
            break;
        }
    }
    machine.apply(&target, usize::MAX);
    // Said once more, it says nothing.
    assert!(machine.plan(&target).is_empty());
    // Whoever was stopped on purpose stays so.
    let mut held = start.clone();
    held.live.runs.clear();
    held.ledger.as_mut().unwrap().agents.get_mut("one").unwrap().desired = Desired::Held;
    assert_eq!(held.plan(&target).agents[0].desired, Desired::Held);
    assert_eq!(held.plan(&target).agents[0].process, Process::Keep);
}

#[test]
fn a_name_that_only_changed_is_suspected() {
    let machine = applied();
    let plan = plan(&machine, &ROSTER.replace("\"one\"", "\"two\""));
    assert!(plan.notes.iter().any(|note| note.contains("`was \"one\"`")), "{:?}", plan.notes);
    let other = ROSTER.replace("\"one\" { role \"coder\"", "\"two\" { role \"research\"");
    assert!(!self::plan(&machine, &other).notes.iter().any(|note| note.contains("was")));
}

/// What a boot leaves alone, an apply after it leaves alone too.
#[test]
fn without_autostart_a_boot_is_the_end() {
    let roster = ROSTER.replace("role \"coder\";", "role \"coder\"; autostart #false;");
    let mut machine = applied();
    assert!(machine.apply(&machine.compile(&roster), usize::MAX));
    machine.live.runs.clear();
    let plan = plan(&machine, &roster);
    assert!(plan.is_empty(), "{:?}", plan.agents);
    assert!(plan.agents[0].note.as_ref().unwrap().contains("since the boot"));
    let with = self::plan(&machine, ROSTER);
    assert_eq!(with.agents[0].process, Process::Start);
}

#[test]
fn only_the_failed_are_started_again() {
    for (code, signal, stopped, starts, words) in [
        (Some(3), None, false, true, "exit 3"),
        (None, Some(9), false, true, "signal 9"),
        (Some(0), None, false, false, "finished"),
        (Some(143), None, true, false, "stopped by hand"),
    ] {
        let mut machine = applied();
        ended(&mut machine, code, signal, stopped);
        let plan = plan(&machine, ROSTER);
        let agent = &plan.agents[0];
        assert_eq!(agent.process == Process::Start, starts, "{code:?} {signal:?}");
        assert_eq!(plan.is_empty(), !starts);
        let said = format!("{} {}", agent.reason, agent.note.clone().unwrap_or_default());
        assert!(said.contains(words), "{said}");
    }
}

/// Whoever died is started again by the supervisor, within its budget: an apply would undo a quarantine.
#[test]
fn the_failed_of_a_supervised_fleet_are_its_supervisors() {
    let (roster, mut machine) = supervised();
    ended(&mut machine, Some(3), None, false);
    let watched = plan(&machine, &roster);
    let note = watched.agents[0].note.clone().unwrap_or_default();
    assert!(watched.is_empty() && note.contains("exit 3") && note.contains("fleet why"), "{watched:?}");
    machine.live.supervisor = stands(false, Some((ActiveState::Failed, "failed")));
    assert_eq!(plan(&machine, &roster).agents[0].process, Process::Start, "nobody else would");
}

#[test]
fn an_agent_that_vanished_is_started_whatever_an_older_record_says() {
    let mut machine = applied();
    ended(&mut machine, Some(0), None, true);
    machine.live.vanished.insert(one());
    assert_eq!(plan(&machine, ROSTER).agents[0].process, Process::Start);
}

/// A restart of fleet's own stops with SIGTERM too, so the record alone cannot tell who wanted the stop.
#[test]
fn a_restart_that_was_interrupted_is_finished() {
    let mut machine = applied();
    ended(&mut machine, Some(143), None, true);
    machine.live.unfinished.insert(one());
    let plan_now = plan(&machine, ROSTER);
    assert_eq!((plan_now.agents[0].process, plan_now.interrupted().count()), (Process::Start, 0));
    // While its shim is still on its way out, too.
    let mut machine = applied();
    machine.live.unfinished.insert(one());
    assert!(plan(&machine, ROSTER).is_empty(), "it runs: only the note is left over");
    machine.live.stopping.insert(one());
    assert_eq!(plan(&machine, ROSTER).agents[0].process, Process::Start);
}

/// A restart that waits says nothing about an agent that has ended by itself meanwhile.
#[test]
fn a_restart_left_for_later_starts_nobody() {
    for (code, stopped) in [(Some(0), false), (Some(143), true)] {
        let mut machine = applied();
        ended(&mut machine, code, None, stopped);
        machine.live.pending.insert(one());
        assert!(plan(&machine, ROSTER).is_empty(), "{code:?}");
    }
}

/// An apply that died between writing units and the reload leaves one thing to do.
#[test]
fn a_reload_that_was_missed_is_made_up_for() {
    let mut machine = applied();
    machine.ledger.as_mut().unwrap().reload_due = true;
    let plan = plan(&machine, ROSTER);
    assert!(plan.reload && !plan.is_empty() && plan.interrupted().count() == 0);
    assert!(machine.apply(&machine.compile(ROSTER), usize::MAX) && machine.is_at(&machine.compile(ROSTER)));
    assert!(!machine.ledger.unwrap().reload_due);
}

#[test]
fn a_link_that_is_not_fleets_is_a_conflict() {
    let mut machine = Machine::new(ManagerKind::Systemd);
    let target = machine.compile(ROSTER);
    let link = target.fleet.paths.wants("default.target", &fleet::ids::UnitName::target(&target.fleet.id));
    machine.live.links.insert(link.clone(), "/somebody/elses.target".into());
    assert_eq!(machine.plan(&target).conflicts[0].path, link);
    machine.live.links.clear();
    machine.live.not_links.insert(link.clone());
    assert_eq!(machine.plan(&target).conflicts[0].path, link);
}

#[test]
fn the_held_stay_held_even_when_their_settings_change() {
    let mut machine = applied();
    machine.ledger.as_mut().unwrap().agents.get_mut("one").unwrap().desired = Desired::Held;
    machine.live.runs.clear();
    let changed = ROSTER.replace("role \"coder\"", "role \"coder\"; env \"A\" \"1\"");
    assert!(plan(&machine, &changed).agents.iter().all(|agent| agent.process == Process::Keep));
    // Their start link goes, so that a boot starts nothing that was stopped on purpose.
    let plan = plan(&machine, ROSTER);
    assert_eq!(plan.agents[0].links.len(), 1);
}

#[test]
fn a_pending_restart_is_a_note_and_no_change() {
    let mut machine = applied();
    let changed = ROSTER.replace("role \"coder\"", "role \"coder\"; env \"A\" \"1\"");
    let first = plan(&machine, &changed);
    assert_eq!((first.agents[0].process, first.interrupted().count()), (Process::Restart, 1));
    // The apply wrote the files and left the process.
    let run = machine.live.runs[&one()].clone();
    machine.apply(&machine.compile(&changed), usize::MAX);
    machine.live.runs.insert(one(), run);
    machine.live.pending.insert(one());
    let second = plan(&machine, &changed);
    assert!(second.is_empty() && second.pending().count() == 1);
    // Without the note of the interrupted apply, the rest of the work shows up again.
    machine.live.pending.clear();
    assert_eq!(plan(&machine, &changed).agents[0].process, Process::Restart);
}

#[test]
fn edits_by_hand_are_conflicts_and_deletions_are_repaired() {
    let mut machine = applied();
    let path = machine.live.files.keys().find(|path| path.ends_with("fleet-shop-one.service")).unwrap().clone();
    let edited = LiveFile::File { digest: Digest::of(b"edited"), marked: Some("shop".to_owned()) };
    machine.live.files.insert(path.clone(), edited);
    assert_eq!(plan(&machine, ROSTER).conflicts[0].kind, ConflictKind::EditedByHand);
    machine.live.files.insert(path.clone(), LiveFile::Other("a link".to_owned()));
    assert_eq!(plan(&machine, ROSTER).conflicts[0].kind, ConflictKind::Foreign);
    machine.live.files.remove(&path);
    let plan = plan(&machine, ROSTER);
    assert!(plan.conflicts.is_empty() && plan.reload && plan.interrupted().count() == 0);
}

#[test]
fn another_fleets_unit_is_foreign() {
    let mut machine = Machine::new(ManagerKind::Systemd);
    let target = machine.compile(ROSTER);
    let unit = target.artifacts.iter().find(|artifact| artifact.path.ends_with("fleet-shop-one.service")).unwrap();
    let other = LiveFile::File { digest: Digest::of(b"x"), marked: Some("other".to_owned()) };
    machine.live.files.insert(unit.path.clone(), other);
    assert_eq!(plan(&machine, ROSTER).conflicts[0].kind, ConflictKind::Foreign);
}

#[test]
fn moving_to_another_manager_names_every_agent() {
    let mut machine = applied();
    machine.kind = ManagerKind::Local;
    let plan = plan(&machine, ROSTER);
    assert_eq!(plan.moves_from, Some(ManagerKind::Systemd));
    assert_eq!(plan.interrupted().count(), 1);
    let removed = plan.agents[0].files.iter().chain(&plan.files).filter(|change| change.is_unit()).count();
    assert_eq!(removed, 3, "the units stay behind");
}

/// The lines for tools and the count at their end say the same of who is interrupted.
#[test]
fn a_restart_that_is_left_for_later_interrupts_nobody() {
    let machine = applied();
    let roster = ROSTER.replace("runtime \"canary\";", "runtime \"canary\"; env \"A\" \"1\";");
    let mut plan = plan(&machine, &roster);
    let lines = |plan: &Plan| plan.json_lines().join("\n");
    assert!(lines(&plan).contains("\"interrupts\":true") && lines(&plan).contains("\"interrupted\":1"));
    plan.restarts_later = true;
    assert!(
        lines(&plan).contains("\"interrupts\":false") && lines(&plan).contains("\"interrupted\":0"),
        "{}",
        lines(&plan)
    );
}

fn supervised() -> (String, Machine) {
    let roster = ROSTER.replace("#false", "#true");
    let mut machine = Machine::new(ManagerKind::Systemd);
    assert!(machine.apply(&machine.compile(&roster), usize::MAX));
    (roster, machine)
}

fn stands(supervises: bool, unit: Option<(ActiveState, &str)>) -> LiveSupervisor {
    let unit = unit.map(|(active, sub)| LiveUnit { active, sub: sub.to_owned() });
    LiveSupervisor { supervises, unit, is_stale: false }
}

/// Each way a supervisor can stand, and what the plan does about it. Nobody is ever interrupted by that.
#[test]
fn the_supervisor_has_a_line_of_its_own() {
    let (roster, machine) = supervised();
    assert!(plan(&machine, &roster).is_empty(), "{:?}", plan(&machine, &roster));
    let act = |machine: &Machine, roster: &str| {
        let plan = plan(machine, roster);
        assert_eq!((plan.interrupted().count(), plan.is_empty()), (0, plan.supervisor.is_none()), "{plan:?}");
        (plan.supervisor.map(|change| change.act), plan.notes.join("; "))
    };
    let with = |supervisor| {
        let mut machine = machine.clone();
        machine.live.supervisor = supervisor;
        machine
    };
    assert_eq!(act(&with(stands(false, None)), &roster).0, Some(Act::Start));
    assert_eq!(act(&with(stands(false, Some((ActiveState::Failed, "failed")))), &roster).0, Some(Act::Start));
    let older = LiveSupervisor { is_stale: true, ..machine.live.supervisor.clone() };
    assert_eq!(act(&with(older), &roster).0, Some(Act::Restart));
    let mut newer = machine.clone();
    newer.live.stale_binaries = vec!["fleet".to_owned()];
    assert_eq!(act(&newer, &roster).0, Some(Act::Restart));
    newer.live.stale_binaries = vec!["fleet-shim".to_owned()];
    assert_eq!(plan(&newer, &roster).supervisor, None);
    let (by_hand, note) = act(&with(stands(true, None)), &roster);
    assert!(by_hand.is_none() && note.contains("by hand"), "{note}");
    let (failing, note) = act(&with(stands(false, Some((ActiveState::Activating, "auto-restart")))), &roster);
    assert!(failing.is_none() && note.contains("does not supervise yet"), "{note}");
    assert_eq!(act(&machine, ROSTER).0, Some(Act::Stop));
    assert_eq!(plan(&applied(), ROSTER).supervisor, None);
}

#[test]
fn what_a_supervisor_goes_by_is_a_live_field_of_its_agent() {
    let (roster, machine) = supervised();
    let changed = roster.replace("role \"coder\";", "role \"coder\"; stall after=\"20m\"; spend concurrent=2;");
    let plan = plan(&machine, &changed);
    let fields: Vec<_> = plan.agents[0].fields.iter().map(|field| (field.name, field.effect)).collect();
    assert_eq!(fields, [("stall after", Class::Live), ("spend concurrent", Class::Live)]);
    assert_eq!((plan.agents[0].process, plan.supervisor.clone()), (Process::Keep, None));
    assert_eq!(plan.interrupted().count(), 0);
}
