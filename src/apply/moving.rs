//! A fleet that moves from one service manager to the other.

use super::ApplyError;
use super::execute::{Apply, START_TIMEOUT};
use super::idle;
use super::outcome::Report;
use super::state::NoteKind;
use crate::ids::{AgentName, UnitName};
use crate::plan::{Ledger, Plan, Process};
use crate::system::service::ManagerKind;

impl Apply<'_> {
    /// Whoever moves to another manager is stopped and started there, so all have to be idle before anything is changed.
    pub(super) fn await_move(&self, plan: &Plan) -> Result<(), ApplyError> {
        let moving: Vec<&AgentName> =
            plan.agents.iter().filter(|agent| agent.process == Process::Restart).map(|agent| &agent.name).collect();
        idle::all_idle(self.state, &moving, self.options, self.progress).map_err(|(name, why)| {
            ApplyError::refused(
                format!("{name} cannot move to the other service manager now: {why}; nothing was changed"),
                "wait until all are idle, or add --restart=now",
            )
        })
    }

    /// Stops everything under the manager that the fleet leaves, its target and slice too.
    pub(super) fn leave_manager(
        &self,
        plan: &Plan,
        ledger: &mut Ledger,
        report: &mut Report,
    ) -> Result<(), ApplyError> {
        let Some(old) = self.old else { return Ok(()) };
        let moving: Vec<&AgentName> =
            plan.agents.iter().filter(|agent| agent.process == Process::Restart).map(|agent| &agent.name).collect();
        for name in &moving {
            self.state.note_pending(name, NoteKind::Unfinished, "it moves to the other service manager")?;
        }
        self.stop(&moving, report);
        if old.manager.kind() == ManagerKind::Systemd {
            let groups = [UnitName::target(&self.fleet.id), UnitName::slice(&self.fleet.id)];
            for result in old.manager.stop_many(&groups, START_TIMEOUT) {
                if let Err(error) = result {
                    (self.progress)(&error.to_string());
                }
            }
        }
        // Only now: until all have stopped, the fleet is still the old manager's.
        ledger.manager = self.chosen.manager.kind();
        self.state.save(ledger)
    }
}
