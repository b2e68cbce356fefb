//! What every agent does, as the supervisor knows it this moment.

use super::clock;
use super::live::Live;
use super::words::{FORMAT, Row, Status};
use crate::ids::AgentName;
use crate::supervise::policy::AgentPolicy;
use crate::supervise::standing::State;
use crate::system::fs;

impl Live {
    pub(super) fn status(&self) -> Status {
        let mut problems: Vec<String> = self.watches.iter().flat_map(|watches| watches.problems.clone()).collect();
        if self.watches.is_none() {
            problems.push("no file is watched: changes are found by the relist".to_owned());
        }
        problems.extend(self.unwritten.as_ref().map(|unwritten| unwritten.why.clone()));
        Status {
            format: FORMAT,
            fleet: self.state.fleet.to_string(),
            pid: std::process::id(),
            since: self.since,
            at: clock::now().wall,
            journal_lost: self.machine.journal_lost().map(str::to_owned),
            problems,
            agents: self.policy.agents.iter().filter_map(|agent| self.row(agent)).collect(),
        }
    }

    fn row(&self, policy: &AgentPolicy) -> Option<Row> {
        let view = self.machine.agent(&policy.name)?;
        let info = self.runs.get(&policy.name).filter(|_| view.pid.is_some());
        let healthy = match view.standing.state {
            State::Starting | State::Working | State::Idle | State::RateLimited { .. } | State::Stopping => true,
            State::Stopped => view.is_at_rest_by_wish,
            State::WaitingForHuman
            | State::Blocked { .. }
            | State::Stalled
            | State::Unknown
            | State::BackingOff { .. }
            | State::Quarantined => false,
        };
        Some(Row {
            name: policy.name.clone(),
            kind: policy.kind,
            role: policy.role.clone(),
            runtime: info.and_then(|info| info.runtime.clone()).unwrap_or_else(|| policy.runtime.clone()),
            model: info.and_then(|info| info.model.clone()),
            standing: view.standing.clone(),
            healthy,
            pid: view.pid,
            started: view.started,
            manifest: info.and_then(|info| info.manifest.clone()),
            viewers: view.viewers,
            queued: view.queued,
            restarts: view.memory.restarts.len(),
            last_line: view.last_line.map(str::to_owned),
            looked: None,
            restart_pending: view.restart_pending,
            fell_back: view.fell_back,
        })
    }

    /// Quarantines are kept as small files too: they outlive a journal.
    pub(super) fn mark_quarantine(&mut self, agent: &AgentName, why: Option<&str>) {
        if self.quarantines.get(agent).is_some_and(|known| known.as_deref() == why) {
            return;
        }
        let path = self.state.paths.agent(agent).join("quarantined");
        let done = match why {
            Some(why) => fs::write_atomic(&path, format!("{why}\n").as_bytes(), 0o600),
            None => fs::remove_file_if_present(&path).map(drop),
        };
        match done {
            Ok(()) => drop(self.quarantines.insert(agent.clone(), why.map(str::to_owned))),
            Err(error) => super::report(format_args!("{error}")),
        }
    }
}
