//! What became of each agent.

use std::collections::BTreeMap;

use crate::ids::AgentName;

/// What became of one agent's part of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Carried out.
    Done(String),
    /// It stopped here; the other agents went on.
    Failed { what: String, help: Option<String> },
    /// Not tried, because something before it failed.
    Skipped(String),
    /// Left for a quiet moment.
    Pending(String),
}

/// What became of a plan.
#[derive(Debug, Clone, Default)]
pub struct Report {
    pub agents: BTreeMap<AgentName, Outcome>,
    /// What became of the supervisor, where the plan had something for it.
    pub supervisor: Option<Outcome>,
    /// What ended the whole apply early, after some of it was done: what happened, and what to do next.
    pub stopped: Option<(String, Option<String>)>,
    /// The generation reached.
    pub generation: u64,
}

impl Report {
    /// Notes an outcome. The first failure stays.
    pub fn put(&mut self, agent: &AgentName, outcome: Outcome) {
        let failed = matches!(self.agents.get(agent), Some(Outcome::Failed { .. }));
        if !failed {
            self.agents.insert(agent.clone(), outcome);
        }
    }

    /// Whether the agent's part has failed already.
    #[must_use]
    pub fn has_failed(&self, agent: &AgentName) -> bool {
        matches!(self.agents.get(agent), Some(Outcome::Failed { .. }))
    }

    /// Whether any part failed or was skipped.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        let failed = |outcome: &Outcome| matches!(outcome, Outcome::Failed { .. } | Outcome::Skipped(_));
        self.stopped.is_some() || self.agents.values().chain(&self.supervisor).any(failed)
    }
}
