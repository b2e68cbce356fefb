//! A part of a plan: some agents now, the others later.

use std::collections::BTreeSet;

use super::{Action, AgentPlan, Plan, Process};
use crate::ids::AgentName;
use crate::resolve::Fleet;

impl Plan {
    /// Leaves only what happens to `chosen`, to whom they wait for, and to the fleet as a whole. Nobody else is added,
    /// changed, interrupted or removed.
    #[must_use]
    pub fn only(mut self, chosen: &BTreeSet<AgentName>, fleet: &Fleet) -> Self {
        let chosen = with_prerequisites(&self, chosen, fleet);
        let due = self.reload && !self.changes_units();
        let withheld = |agent: &AgentPlan| !chosen.contains(&agent.name) && has_change(agent);
        for agent in self.agents.iter().filter(|agent| !chosen.contains(&agent.name)) {
            let worktree = fleet.agent(&agent.name).and_then(|declared| declared.worktree.as_ref());
            let own = |path: &std::path::Path| {
                path.starts_with(&agent.folder)
                    || worktree.is_some_and(|worktree| worktree.path == path)
                    || path.file_name().is_some_and(|name| name == agent.unit.as_str())
            };
            self.conflicts.retain(|conflict| !own(&conflict.path));
        }
        self.withheld = self.agents.iter().filter(|agent| withheld(agent)).map(|agent| agent.name.clone()).collect();
        self.agents.retain(|agent| agent.action != Action::Remove || chosen.contains(&agent.name));
        for agent in self.agents.iter_mut().filter(|agent| !chosen.contains(&agent.name)) {
            agent.action = Action::None;
            agent.process = Process::Keep;
            agent.reason.clear();
            agent.fields.clear();
            agent.files.clear();
            agent.links.clear();
            agent.worktree = None;
            agent.pending = false;
            agent.note = None;
        }
        self.reload = self.changes_units() || due;
        self
    }
}

fn has_change(agent: &AgentPlan) -> bool {
    agent.action != Action::None || agent.pending
}

/// Who is started must find whom it waits for.
fn with_prerequisites(plan: &Plan, chosen: &BTreeSet<AgentName>, fleet: &Fleet) -> BTreeSet<AgentName> {
    let starts =
        |name: &AgentName| plan.agents.iter().any(|agent| agent.name == *name && agent.process == Process::Start);
    // Both halves of a change of name, or none.
    let halves = plan.agents.iter().filter_map(|agent| agent.was.as_ref().map(|was| (&agent.name, was)));
    let of_names = halves.flat_map(|(new, old)| {
        if chosen.contains(new) || chosen.contains(old) { vec![new.clone(), old.clone()] } else { Vec::new() }
    });
    let mut all: BTreeSet<AgentName> = chosen.iter().cloned().chain(of_names).collect();
    let mut open: Vec<AgentName> = chosen.iter().cloned().collect();
    while let Some(name) = open.pop() {
        let after = fleet.agent(&name).filter(|_| starts(&name)).map(|agent| agent.after.clone()).unwrap_or_default();
        open.extend(after.into_iter().filter(|other| starts(other) && all.insert(other.clone())));
    }
    all
}
