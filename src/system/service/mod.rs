//! The service manager: who starts shims and keeps them in their control groups.
//!
//! Two real ones: the systemd user manager, and `local` where there is none. They speak unit names and states and know
//! nothing of rosters or plans.

use std::fmt;
use std::time::Duration;

use crate::ids::{FleetId, UnitName};
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

/// What fleet asks of a service manager.
pub trait ServiceManager {
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

    /// Clears a failed state and start counters, then starts the unit and waits until it is up.
    ///
    /// # Errors
    /// When it did not come up within `timeout`; the message carries what the manager knows of the cause.
    fn start(&self, unit: &UnitName, timeout: Duration) -> Result<(), ManagerError>;

    /// Stops the unit and waits until it is down. A unit that is not loaded or already down is a success.
    ///
    /// # Errors
    /// When it was still up after `timeout`.
    fn stop(&self, unit: &UnitName, timeout: Duration) -> Result<(), ManagerError>;
}
