//! The fleet's own units in an apply: the target, and units that are gone.

use super::execute::{Apply, START_TIMEOUT};
use super::observe;
use super::outcome::{Outcome, Report};
use crate::ids::UnitName;
use crate::plan::supervisor::Act;
use crate::plan::{Action, Ledger, Plan};
use crate::system::service::{ActiveState, ManagerKind};

impl Apply<'_> {
    /// A failed unit keeps its name in the manager's list although its file is gone.
    pub(super) fn forget_removed(&self, plan: &Plan) {
        let gone = plan.agents.iter().filter(|agent| agent.action == Action::Remove || self.old.is_some());
        let mut units: Vec<UnitName> = gone.map(|agent| self.unit(&agent.name)).collect();
        if plan.supervisor.as_ref().is_some_and(|change| change.act == Act::Stop) {
            units.push(UnitName::supervisor(&self.fleet.id));
        }
        if !units.is_empty() {
            self.running_manager().reset_failed(&units);
        }
    }

    /// The target is what a boot, and `systemctl --user stop`, act on. A manager starts it alone, so that starting it
    /// starts no agent.
    pub(super) fn start_target(&self, ledger: &Ledger, report: &mut Report) {
        let wanted = self.fleet.supervise || observe::wants_running(ledger);
        if self.chosen.manager.kind() != ManagerKind::Systemd || !wanted {
            return;
        }
        let target = UnitName::target(&self.fleet.id);
        let active =
            self.chosen.manager.observe(&self.fleet.id).is_ok_and(|units| {
                units.iter().any(|state| state.unit == target && state.active == ActiveState::Active)
            });
        if active {
            return;
        }
        if let Err(error) = self.chosen.manager.start(&target, START_TIMEOUT) {
            for name in ledger.agents.keys() {
                report.put(name, Outcome::Skipped(format!("the fleet's target did not start: {error}")));
            }
        }
    }
}
