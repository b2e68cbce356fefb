//! An agent under a new name: the old one's log and folder become the new one's.

use std::collections::{BTreeMap, BTreeSet};

use super::agents::what_becomes_of_it;
use super::files::{Conflict, ConflictKind};
use super::ledger::{Desired, Ledger};
use super::live::Live;
use super::{Action, AgentPlan, Plan, Process, worktree};
use crate::ids::AgentName;
use crate::manifest::Manifest;
use crate::resolve::{Agent, Fleet};

/// The applied agent that `agent` takes over from.
pub(super) fn predecessor<'a>(fleet: &Fleet, agent: &Agent, ledger: &'a Ledger) -> Option<&'a AgentName> {
    let (old, _) = agent.was.as_ref().and_then(|was| ledger.agents.get_key_value(was))?;
    fleet.agents.iter().all(|other| other.name != *old).then_some(old)
}

/// Joins the two halves of each change of name: the new agent and the one that goes.
pub(super) fn join(
    fleet: &Fleet,
    ledger: &Ledger,
    live: &Live,
    manifests: &BTreeMap<AgentName, Manifest>,
    agents: &mut [AgentPlan],
    conflicts: &mut Vec<Conflict>,
) {
    for agent in &fleet.agents {
        let Some(old) = predecessor(fleet, agent, ledger) else { continue };
        let runs = live.is_running(old) || live.is_backing_off(old);
        for half in agents.iter_mut() {
            if half.name == *old {
                half.heir = Some(agent.name.clone());
                half.reason = format!("is now called {}", agent.name);
            } else if half.name == agent.name {
                half.was = Some(old.clone());
                if half.action == Action::Add {
                    half.action = Action::Change;
                    half.reason = match half.process {
                        Process::Start if runs => {
                            let what = what_becomes_of_it(live.conversations.get(old), manifests.get(&agent.name));
                            format!("was {old}: keeps its log, and a restart under the new name {what}")
                        }
                        _ => format!("was {old}: keeps its log"),
                    };
                }
                half.is_new = true;
                worktree::inherit(&mut half.worktree, ledger.agents.get(old), live);
                if let Some(path) = worktree::left_behind(agent, ledger.agents.get(old), live) {
                    conflicts.push(Conflict { path, kind: ConflictKind::Foreign });
                }
            }
        }
    }
}

/// What the heir of an applied agent shall be.
pub(super) fn inherited(fleet: &Fleet, agent: &Agent, ledger: &Ledger) -> Option<Desired> {
    predecessor(fleet, agent, ledger).map(|old| ledger.agents[old].desired)
}

/// Turns round the changes of name that were made since `fleet`, an earlier generation, was applied: `later` are the
/// generations after it. Its agents take over from those that took over from them.
pub fn turn_round(fleet: &mut Fleet, later: &[Fleet], ledger: &Ledger) {
    let mut names: BTreeMap<AgentName, AgentName> = BTreeMap::new();
    for agent in later.iter().flat_map(|fleet| &fleet.agents) {
        let Some(was) = &agent.was else { continue };
        names.values_mut().filter(|name| *name == was).for_each(|name| name.clone_from(&agent.name));
        names.insert(was.clone(), agent.name.clone());
    }
    let goes_on: BTreeSet<AgentName> = fleet.agents.iter().map(|agent| agent.name.clone()).collect();
    for agent in fleet.agents.iter_mut().filter(|agent| !ledger.agents.contains_key(&agent.name)) {
        let heir =
            names.get(&agent.name).filter(|heir| ledger.agents.contains_key(*heir) && !goes_on.contains(*heir));
        if let Some(heir) = heir {
            agent.was = Some(heir.clone());
        }
    }
}

/// Says where one agent went and another came that is like it: most likely only its name has changed.
pub(super) fn suspicions(plan: &Plan, live: &Live, fleet: &Fleet) -> Vec<String> {
    let gone: Vec<&AgentPlan> = plan.removed().collect();
    let new: Vec<&AgentPlan> =
        plan.agents.iter().filter(|agent| agent.action == Action::Add && agent.was.is_none()).collect();
    let ([gone], [new]) = (gone.as_slice(), new.as_slice()) else { return Vec::new() };
    let (Some(old), Some(agent)) = (live.manifests.get(&gone.name), fleet.agent(&new.name)) else {
        return Vec::new();
    };
    let launch = &old.launch;
    let like = launch.runtime == agent.runtime
        && launch.model == agent.model
        && launch.dir == agent.dir
        && old.kind == agent.kind
        && old.role.as_deref() == agent.role.as_ref().map(crate::ids::RoleName::as_str);
    if !like || plan.known_agents == 0 {
        return Vec::new();
    }
    vec![format!(
        "{1} is like {0}, which goes: if it only has a new name, `was \"{0}\"` in it keeps the log",
        gone.name, new.name
    )]
}
