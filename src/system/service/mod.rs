//! The service manager: who starts shims and keeps them in their control groups.
//!
//! Two real ones: the systemd user manager, and `local` where there is none. They speak unit names and states and know
//! nothing of rosters or plans.

mod cause;
pub mod detect;
pub mod envfile;
mod jobs;
pub mod local;
pub mod signals;
pub mod systemctl;
pub mod systemd;
pub mod transient;

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use crate::ids::{AgentName, FleetId, UnitName};
pub use crate::units::{ActiveState, ManagerKind, UnitState};

/// A request to the manager that did not succeed.
#[derive(Debug, Clone)]
pub struct ManagerError {
    /// What was asked, e.g. `start fleet-shop-lead.service`.
    pub action: String,
    /// What the manager answered.
    pub message: String,
    /// What the user can do next.
    pub help: Option<String>,
}

impl fmt::Display for ManagerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.action, self.message)
    }
}

impl std::error::Error for ManagerError {}

impl ManagerError {
    fn new(action: impl Into<String>, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { action: action.into(), message: message.into(), help: Some(help.into()) }
    }
}

/// What fleet asks of a service manager.
pub trait ServiceManager: fmt::Debug + Send + Sync {
    fn kind(&self) -> ManagerKind;

    /// Every unit of `fleet` that the manager has loaded, in one round trip however many there are.
    ///
    /// # Errors
    /// When the manager does not answer.
    fn observe(&self, fleet: &FleetId) -> Result<Vec<UnitState>, ManagerError>;

    /// Makes the manager read unit files again. Nothing under `local`.
    ///
    /// # Errors
    /// When the manager refuses or does not answer.
    fn reload(&self) -> Result<(), ManagerError>;

    /// Clears failed states and start counters, then starts all of `units` at once and waits until each is up. A unit
    /// that is up already is a success. One outcome per unit, in their order.
    ///
    /// An error says that the unit did not come up within `timeout`; its message carries what the manager knows of the
    /// cause.
    fn start_many(&self, units: &[UnitName], timeout: Duration) -> Vec<Result<(), ManagerError>>;

    /// Stops all of `units` at once and waits until each is down. A unit that is not loaded or already down is a
    /// success. One outcome per unit, in their order.
    ///
    /// An error says that the unit was still up after `timeout`.
    fn stop_many(&self, units: &[UnitName], timeout: Duration) -> Vec<Result<(), ManagerError>>;

    /// Makes the manager forget that `units` have failed, after their files were removed: systemd lists such a unit until
    /// then. Says nothing about units that have not failed. Nothing under `local`, which remembers nothing itself.
    fn reset_failed(&self, units: &[UnitName]) {
        let _ = units;
    }

    /// The names of the variables that it passes on to whom it starts: those of this process, where it has none of its own.
    /// Empty when it does not answer.
    fn variables(&self) -> BTreeSet<String> {
        own_variables()
    }

    /// [`ServiceManager::start_many`] of one.
    ///
    /// # Errors
    /// When it did not come up within `timeout`.
    fn start(&self, unit: &UnitName, timeout: Duration) -> Result<(), ManagerError> {
        self.start_many(std::slice::from_ref(unit), timeout).into_iter().collect()
    }

    /// [`ServiceManager::stop_many`] of one.
    ///
    /// # Errors
    /// When it was still up after `timeout`.
    fn stop(&self, unit: &UnitName, timeout: Duration) -> Result<(), ManagerError> {
        self.stop_many(std::slice::from_ref(unit), timeout).into_iter().collect()
    }
}

/// The names of the variables of this process.
#[must_use]
pub fn own_variables() -> BTreeSet<String> {
    std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()).collect()
}

/// The names in what systemd says of its environment: one `NAME=value` each.
fn names<'a>(assignments: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    assignments.into_iter().filter_map(|line| line.split_once('=')).map(|(name, _)| name.to_owned()).collect()
}

/// What systemd calls the units of one fleet. Ids hold no dash, so no pattern matches another fleet's units.
fn patterns(fleet: &FleetId) -> [String; 3] {
    [format!("fleet-{fleet}-*.service"), UnitName::target(fleet).to_string(), UnitName::slice(fleet).to_string()]
}

/// Whether a unit is a fleet's target.
fn is_target(unit: &UnitName) -> bool {
    unit.as_str().rsplit_once('.').is_some_and(|(_, kind)| kind == "target")
}

/// The unit of `fleet` that systemd calls `name`, when it is one.
fn own_unit(fleet: &FleetId, name: &str) -> Option<UnitName> {
    let fixed = [UnitName::target(fleet), UnitName::slice(fleet), UnitName::supervisor(fleet)];
    if let Some(unit) = fixed.into_iter().find(|unit| unit.as_str() == name) {
        return Some(unit);
    }
    let agent = name.strip_prefix("fleet-")?.strip_prefix(fleet.as_str())?.strip_prefix('-')?;
    Some(UnitName::agent(fleet, &AgentName::new(agent.strip_suffix(".service")?).ok()?))
}

/// One unit as systemd lists it, or `None` when only its name is left: without a file and not running, it is listed
/// because others refer to it or because it once failed.
fn listed(fleet: &FleetId, name: &str, load: &str, active: &str, sub: &str) -> Option<UnitState> {
    let unit = own_unit(fleet, name)?;
    let active = match active {
        "active" | "reloading" | "refreshing" | "maintenance" => ActiveState::Active,
        "activating" => ActiveState::Activating,
        "deactivating" => ActiveState::Deactivating,
        "failed" => ActiveState::Failed,
        _ => ActiveState::Inactive,
    };
    if load == "not-found" && matches!(active, ActiveState::Inactive | ActiveState::Failed) {
        return None;
    }
    Some(UnitState { unit, active, sub: sub.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_of_other_fleets_and_odd_names_are_not_ours() {
        let shop = FleetId::new("shop").unwrap();
        assert_eq!(own_unit(&shop, "fleet-shop.target"), Some(UnitName::target(&shop)));
        assert_eq!(own_unit(&shop, "fleet-shop-a-1.service").unwrap().as_str(), "fleet-shop-a-1.service");
        let supervisor = own_unit(&shop, "fleet-shop-supervisor.service").unwrap();
        assert_eq!((supervisor.agent_of(&shop), supervisor), (None, UnitName::supervisor(&shop)));
        assert_eq!(own_unit(&shop, "fleet-shopping-a.service"), None);
        assert_eq!(own_unit(&shop, "fleet-shop-Upper.service"), None);
        assert_eq!(own_unit(&shop, "fleet-shop-a.timer"), None);
    }

    #[test]
    fn a_unit_that_is_only_a_name_is_not_listed() {
        let shop = FleetId::new("shop").unwrap();
        assert_eq!(listed(&shop, "fleet-shop-a.service", "not-found", "inactive", "dead"), None);
        assert_eq!(listed(&shop, "fleet-shop-a.service", "not-found", "failed", "failed"), None);
        let running = listed(&shop, "fleet-shop-a.service", "not-found", "active", "running").unwrap();
        assert_eq!(running.active, ActiveState::Active, "its file was removed under it");
    }
}
