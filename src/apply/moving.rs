//! A fleet that moves from one service manager to the other.

use super::ApplyError;
use super::execute::{Apply, START_TIMEOUT};
use super::idle;
use super::outcome::Report;
use crate::ids::{AgentName, UnitName};
use crate::plan::{Plan, Process};
use crate::system::service::ManagerKind;

impl Apply<'_> {
    /// Whoever moves to another manager is stopped and started there, so all have to be idle before anything is changed.
    pub(super) fn await_move(&self, plan: &Plan) -> Result<(), ApplyError> {
        let moving: Vec<&AgentName> =
            plan.agents.iter().filter(|agent| agent.process == Process::Restart).map(|agent| &agent.name).collect();
        let busy = idle::await_idle(self.state, &moving, self.options, self.progress)
            .into_iter()
            .find_map(|(name, verdict)| verdict.err().map(|why| (name, why)));
        match busy {
            Some((name, why)) => Err(ApplyError::refused(
                format!("{name} cannot move to the other service manager now: {why}; nothing was changed"),
                "wait until all are idle, or add --restart=now",
            )),
            None => Ok(()),
        }
    }

    /// Stops everything under the manager that the fleet leaves, its target and slice too.
    pub(super) fn leave_manager(&self, plan: &Plan, report: &mut Report) {
        let Some(old) = self.old else { return };
        let moving: Vec<&AgentName> =
            plan.agents.iter().filter(|agent| agent.process == Process::Restart).map(|agent| &agent.name).collect();
        self.stop(&moving, report);
        if old.manager.kind() == ManagerKind::Systemd {
            let groups = [UnitName::target(&self.fleet.id), UnitName::slice(&self.fleet.id)];
            for result in old.manager.stop_many(&groups, START_TIMEOUT) {
                if let Err(error) = result {
                    (self.progress)(&error.to_string());
                }
            }
        }
    }
}
