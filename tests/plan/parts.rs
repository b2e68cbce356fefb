//! `--only` and `--exclude`: some agents now, the others untouched.

use std::collections::BTreeSet;

use fleet::ids::AgentName;
use fleet::plan::{Action, Process};
use fleet::units::ManagerKind;
use proptest::prelude::*;

use super::rosters::roster;
use super::simulation::Machine;

const HEAD: &str =
    "fleet \"shop\" version=1 supervise=#false\nfloor \"exempt\" reason=\"x\"\ndefaults { runtime \"canary\"; }\n";

fn names(names: &[&str]) -> BTreeSet<AgentName> {
    names.iter().map(|name| AgentName::new(name).unwrap()).collect()
}

#[test]
fn whom_the_chosen_wait_for_comes_along() {
    let machine = Machine::new(ManagerKind::Systemd);
    let agents = "agent \"a\" { role \"coder\"; }\nagent \"b\" { role \"coder\"; after \"a\"; }\nagent \"c\" { role \"coder\"; after \"b\"; }\nagent \"d\" { role \"coder\"; }\n";
    let target = machine.compile(&format!("{HEAD}{agents}"));
    let plan = machine.plan(&target).only(&names(&["c"]), &target.fleet);
    let started: Vec<_> =
        plan.agents.iter().filter(|agent| agent.process == Process::Start).map(|agent| agent.name.as_str()).collect();
    assert_eq!(started, ["a", "b", "c"]);
    assert_eq!(plan.withheld.iter().map(AgentName::as_str).collect::<Vec<_>>(), ["d"]);
    assert!(plan.reload);
}

#[test]
fn nobody_is_removed_who_is_not_named() {
    let mut machine = Machine::new(ManagerKind::Local);
    let both =
        machine.compile(&format!("{HEAD}agent \"a\" {{ role \"coder\"; }}\nagent \"b\" {{ role \"coder\"; }}\n"));
    machine.apply(&both, usize::MAX);
    let one = machine.compile(&format!("{HEAD}agent \"a\" {{ role \"coder\"; env \"X\" \"1\"; }}\n"));
    let part = machine.plan(&one).only(&names(&["a"]), &one.fleet);
    assert_eq!(part.removed().count(), 0);
    assert_eq!(part.interrupted().map(|agent| agent.name.as_str()).collect::<Vec<_>>(), ["a"]);
    let other = machine.plan(&one).only(&names(&["b"]), &one.fleet);
    assert_eq!(other.removed().map(|agent| agent.name.as_str()).collect::<Vec<_>>(), ["b"]);
    assert!(other.agents.iter().all(|agent| agent.name.as_str() == "b" || agent.action == Action::None));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// A part touches nobody else; the rest afterwards leads where one apply would have led.
    #[test]
    fn parts_make_the_whole(
        before in roster(),
        after in roster(),
        pick in prop::collection::vec(any::<bool>(), 24),
        kind in prop_oneof![Just(ManagerKind::Systemd), Just(ManagerKind::Local)],
    ) {
        let mut machine = Machine::new(kind);
        machine.apply(&machine.compile(&before), usize::MAX);
        let target = machine.compile(&after);
        let whole = machine.plan(&target);
        let chosen: BTreeSet<AgentName> = whole
            .agents
            .iter()
            .zip(pick.iter().cycle())
            .filter(|(_, chosen)| **chosen)
            .map(|(agent, _)| agent.name.clone())
            .collect();
        let part = whole.clone().only(&chosen, &target.fleet);
        let others: Vec<AgentName> = part.withheld.clone();
        let state = |machine: &Machine| {
            others
                .iter()
                .map(|name| {
                    let own = |path: &std::path::Path| path.to_string_lossy().contains(&format!("/agents/{name}/"));
                    let files: Vec<_> =
                        machine.live.files.iter().filter(|(path, _)| own(path)).map(|(p, f)| (p.clone(), f.clone())).collect();
                    (machine.pid(name.as_str()), files)
                })
                .collect::<Vec<_>>()
        };
        let untouched = state(&machine);
        machine.carry_out(&target, &part);
        prop_assert_eq!(state(&machine), untouched);
        let rest = machine.plan(&target);
        prop_assert!(rest.conflicts.is_empty());
        for agent in &rest.agents {
            let open = agent.action != Action::None;
            prop_assert_eq!(open, others.contains(&agent.name), "{} after a part without it: {:?}", agent.name, agent);
        }
        prop_assert!(machine.apply(&target, usize::MAX) && machine.is_at(&target));
    }
}
