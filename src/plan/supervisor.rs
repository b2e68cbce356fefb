//! The fleet's supervisor: whether it has to be started, restarted or stopped. No agent is touched by that.

use std::collections::BTreeMap;

use super::fields::{self, FieldChange};
use super::files::FileChange;
use super::{Action, AgentPlan, Live};
use crate::ids::{AgentName, UnitName};
use crate::render::supervision;
use crate::resolve::Fleet;
use crate::supervise::policy::AgentPolicy;

/// What happens to the supervisor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SupervisorChange {
    pub act: Act,
    /// Why, in words.
    pub reason: &'static str,
}

/// What is done to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    Start,
    Restart,
    Stop,
}

impl Act {
    /// The word in plans.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Restart => "restart",
            Self::Stop => "stop",
        }
    }
}

/// Plans it. `files` are those of the fleet as a whole; `moves`: to the other service manager.
pub(super) fn plan(fleet: &Fleet, files: &[FileChange], live: &Live, moves: bool) -> Option<SupervisorChange> {
    let now = &live.supervisor;
    let change = |act, reason| Some(SupervisorChange { act, reason });
    let runs = now.is_up() || now.supervises;
    if !fleet.supervise {
        return if now.is_up() { change(Act::Stop, "the roster wants none") } else { None };
    }
    if !runs {
        return change(Act::Start, "it does not run");
    }
    if !now.is_up() {
        // Started by hand: `note` tells.
        return None;
    }
    if moves {
        return change(Act::Restart, "it moves to the other service manager");
    }
    let unit = fleet.paths.unit(&UnitName::supervisor(&fleet.id));
    if files.iter().any(|change| *change.path() == unit) {
        return change(Act::Restart, "its unit file changes");
    }
    if now.is_stale || live.stale_binaries.iter().any(|name| name == "fleet") {
        return change(Act::Restart, "it runs an older copy of fleet");
    }
    None
}

/// Said beside the plan: what is so and is no change.
pub(super) fn note(fleet: &Fleet, live: &Live) -> Option<String> {
    let now = &live.supervisor;
    let by_hand = now.supervises && !now.is_up();
    let failing = fleet.supervise && !now.supervises && now.is_up();
    if by_hand {
        Some(
            "a supervisor that was started by hand has the fleet; end it, and `fleet apply` starts the fleet's own"
                .to_owned(),
        )
    } else if failing {
        Some(
            "the supervisor is being started, and does not supervise yet: its words are in supervisor.err".to_owned(),
        )
    } else {
        None
    }
}

/// Adds to each agent what its supervisor is told anew.
pub(super) fn show(fleet: &Fleet, live: &Live, agents: &mut [AgentPlan]) {
    let Some(old) = live.supervision.as_ref().filter(|_| fleet.supervise) else { return };
    let old: BTreeMap<&AgentName, &AgentPolicy> = old.agents.iter().map(|agent| (&agent.name, agent)).collect();
    for new in &supervision::policy(fleet).agents {
        let Some(old) = old.get(&new.name) else { continue };
        let Some(agent) = agents.iter_mut().find(|agent| agent.name == new.name && !agent.is_new) else { continue };
        let changed: Vec<FieldChange> = fields::watch(old, new);
        if changed.is_empty() {
            continue;
        }
        agent.fields.extend(changed);
        if agent.action == Action::None {
            agent.action = Action::Change;
            "what its supervisor goes by changes; the process is not touched".clone_into(&mut agent.reason);
        }
    }
}
