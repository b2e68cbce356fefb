//! What holds for every roster, every machine and every crash.

use fleet::plan::live::LiveFile;
use fleet::plan::{Action, Process};
use fleet::units::ManagerKind;
use proptest::prelude::*;

use super::rosters::roster;
use super::simulation::Machine;

fn kind() -> impl Strategy<Value = ManagerKind> {
    prop_oneof![Just(ManagerKind::Systemd), Just(ManagerKind::Local)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// Through a history of rosters: each apply leaves a plan of nothing.
    #[test]
    fn an_apply_leaves_nothing_to_do(rosters in prop::collection::vec(roster(), 1..5), kind in kind()) {
        let mut machine = Machine::new(kind);
        for text in &rosters {
            let target = machine.compile(text);
            prop_assert!(machine.apply(&target, usize::MAX));
            prop_assert!(machine.is_at(&target), "{text}");
        }
    }

    /// Planning looks and does not touch, so it says the same twice.
    #[test]
    fn planning_twice_says_the_same(before in roster(), after in roster(), kind in kind()) {
        let mut machine = Machine::new(kind);
        machine.apply(&machine.compile(&before), usize::MAX);
        let target = machine.compile(&after);
        prop_assert_eq!(machine.plan(&target).json_lines(), machine.plan(&target).json_lines());
    }

    /// Every index of every apply: crash there, run again, and the machine is as after a clean apply.
    #[test]
    fn a_crash_anywhere_heals(before in roster(), after in roster(), kind in kind()) {
        let mut start = Machine::new(kind);
        let (before, after) = (start.compile(&before), start.compile(&after));
        start.apply(&before, usize::MAX);
        let mut clean = start.clone();
        clean.apply(&after, usize::MAX);
        for effects in 0.. {
            let mut machine = start.clone();
            let finished = machine.apply(&after, effects);
            let mut back = machine.clone();
            prop_assert!(machine.apply(&after, usize::MAX), "after a crash at effect {effects}");
            prop_assert!(machine.is_at(&after), "after a crash at effect {effects}");
            prop_assert_eq!(&machine.live.files, &clean.live.files);
            prop_assert_eq!(&machine.live.links, &clean.live.links);
            // What the crashed apply wrote is fleet's own for ever, not only until the next apply.
            prop_assert!(machine.apply(&before, usize::MAX) && machine.is_at(&before), "a later roster after effect {effects}");
            // And another roster after the crash meets no conflict with what fleet itself wrote.
            prop_assert!(back.apply(&before, usize::MAX));
            prop_assert!(back.is_at(&before), "back after a crash at effect {effects}");
            if finished {
                break;
            }
        }
    }

    /// Any number of applies, of any rosters, each cut off anywhere: the last one that gets to the end leaves exactly its
    /// own files, and an almost empty roster after it leaves nothing of the others.
    #[test]
    fn crashes_in_a_row_leave_nothing_behind(
        cut in prop::collection::vec((roster(), 0usize..40), 1..5),
        last in roster(),
        kind in kind(),
    ) {
        let mut machine = Machine::new(kind);
        for (text, effects) in &cut {
            let target = machine.compile(text);
            prop_assert!(machine.plan(&target).conflicts.is_empty(), "fleet's own files look like somebody else's");
            machine.apply(&target, *effects);
        }
        for text in [last.as_str(), "fleet \"shop\" version=1 supervise=#false\nfloor \"exempt\" reason=\"x\"\nagent \"z\" { role \"coder\"; runtime \"canary\"; }\n"] {
            let target = machine.compile(text);
            prop_assert!(machine.apply(&target, usize::MAX));
            prop_assert!(machine.is_at(&target));
            let own: std::collections::BTreeSet<_> = target.artifacts.iter().map(|artifact| &artifact.path).collect();
            let left: Vec<_> = machine.live.files.keys().filter(|path| !own.contains(path)).collect();
            prop_assert!(left.is_empty(), "orphans: {left:?}");
            let agents: Vec<_> = target.fleet.agents.iter().map(|agent| format!("fleet-shop-{}.service", agent.name)).collect();
            let strays = machine.live.links.keys().filter(|path| {
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                let is_supervisor = target.fleet.supervise && name == "fleet-shop-supervisor.service";
                name != "fleet-shop.target" && !is_supervisor && !agents.contains(&name)
            });
            prop_assert_eq!(strays.count(), 0);
            // Nor does the ledger say that something is fleet's which is not there: somebody else may put it there.
            let ledger = machine.ledger.as_ref().unwrap();
            let agents = ledger.agents.values();
            let files = ledger.files.keys().chain(agents.clone().flat_map(|agent| agent.files.keys()));
            let links = ledger.links.keys().chain(agents.flat_map(|agent| agent.links.keys()));
            let gone: Vec<_> = files
                .filter(|path| !machine.live.files.contains_key(path))
                .chain(links.filter(|path| !machine.live.links.contains_key(path)))
                .collect();
            prop_assert!(gone.is_empty(), "the ledger owns what is gone: {gone:?}");
        }
    }

    /// Who is interrupted is exactly who the plan named.
    #[test]
    fn the_unchanged_are_not_touched(before in roster(), after in roster(), kind in kind()) {
        let mut machine = Machine::new(kind);
        machine.apply(&machine.compile(&before), usize::MAX);
        let pids: Vec<_> = machine.live.runs.iter().map(|(name, run)| (name.clone(), run.shim.pid)).collect();
        let target = machine.compile(&after);
        let plan = machine.plan(&target);
        machine.apply(&target, usize::MAX);
        for (name, pid) in pids {
            let interrupted = plan.interrupted().any(|agent| agent.name == name);
            prop_assert_eq!(machine.pid(name.as_str()) != Some(pid), interrupted, "{}: the plan and the deed differ", name);
        }
        for agent in plan.agents.iter().filter(|agent| agent.process == Process::Restart) {
            let by_field = agent.fields.iter().any(|field| field.effect == fleet::plan::fields::Class::Restart);
            prop_assert!(by_field, "{} is restarted and no field says why", agent.name);
        }
    }

    /// A file that fleet did not write is a conflict, wherever it stands.
    #[test]
    fn foreign_files_are_conflicts(text in roster(), pick in any::<prop::sample::Index>(), kind in kind()) {
        let mut machine = Machine::new(kind);
        let target = machine.compile(&text);
        let victim = &target.artifacts[pick.index(target.artifacts.len())];
        let foreign = LiveFile::File { digest: fleet::ids::Digest::of(b"somebody's"), marked: None };
        machine.live.files.insert(victim.path.clone(), foreign);
        let plan = machine.plan(&target);
        prop_assert_eq!(plan.conflicts.len(), 1);
        prop_assert_eq!(&plan.conflicts[0].path, &victim.path);
    }

    #[test]
    fn every_line_of_a_plan_has_a_reason(before in roster(), after in roster(), kind in kind()) {
        let mut machine = Machine::new(kind);
        machine.apply(&machine.compile(&before), usize::MAX);
        let plan = machine.plan(&machine.compile(&after));
        for agent in plan.agents.iter().filter(|agent| agent.action != Action::None) {
            prop_assert!(!agent.reason.is_empty(), "{} changes without a reason", agent.name);
        }
    }
}
