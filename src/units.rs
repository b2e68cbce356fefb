//! What a service manager says about units, as plain values that plans are made from.

use crate::ids::UnitName;

/// Which service manager a fleet runs under. Recorded in the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ManagerKind {
    /// The systemd user manager.
    Systemd,
    /// No user manager: `fleet` starts shims detached and nobody restarts them.
    Local,
}

/// A unit as the manager sees it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitState {
    pub unit: UnitName,
    pub active: ActiveState,
    /// systemd's finer word (`running`, `auto-restart`, …); empty under `local`.
    pub sub: String,
}

/// systemd's `ActiveState` (systemd(1)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActiveState {
    Active,
    Activating,
    Deactivating,
    Inactive,
    Failed,
}
