//! Which service manager a fleet runs under: asked for, recorded, or whatever this host has.

use std::sync::Arc;

use super::ApplyError;
use super::state::State;
use crate::plan::Ledger;
use crate::system::service::detect::{self, Facts};
use crate::system::service::local::LocalManager;
use crate::system::service::{ManagerKind, ServiceManager};

/// The manager of one run.
pub struct Chosen {
    pub manager: Arc<dyn ServiceManager>,
    /// systemd's version, when it is systemd.
    pub systemd: Option<u32>,
    /// Whether systemd stops the agents when their user logs out; `None` when nobody can tell.
    pub stops_at_logout: Option<bool>,
}

impl std::fmt::Debug for Chosen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chosen")
            .field("kind", &self.manager.kind())
            .field("systemd", &self.systemd)
            .finish_non_exhaustive()
    }
}

/// Opens the manager that was asked for, else the ledger's, else systemd where its user manager answers.
///
/// # Errors
/// When systemd is wanted and does not answer.
pub fn choose(asked: Option<ManagerKind>, ledger: Option<&Ledger>, state: &State) -> Result<Chosen, ApplyError> {
    let recorded = ledger.map(|ledger| ledger.manager);
    match asked.or(recorded) {
        Some(ManagerKind::Local) => Ok(local(state)),
        Some(ManagerKind::Systemd) => {
            let (facts, manager) = detect::find();
            Ok(systemd(&facts, manager?))
        }
        None => match detect::find() {
            (facts, Ok(manager)) => Ok(systemd(&facts, manager)),
            _ => Ok(local(state)),
        },
    }
}

/// Opens the manager of kind `kind` for a fleet that is already there.
///
/// # Errors
/// When systemd is wanted and does not answer.
pub fn open(kind: ManagerKind, state: &State) -> Result<Chosen, ApplyError> {
    choose(Some(kind), None, state)
}

fn local(state: &State) -> Chosen {
    let manager = LocalManager {
        state: state.paths.state.clone(),
        fleet: state.fleet.clone(),
        shim: state.paths.bin().join("fleet-shim"),
    };
    Chosen { manager: Arc::new(manager), systemd: None, stops_at_logout: None }
}

fn systemd(facts: &Facts, manager: Arc<dyn ServiceManager>) -> Chosen {
    Chosen {
        manager,
        systemd: Some(facts.version_number().unwrap_or(0)),
        stops_at_logout: facts.linger.map(|on| !on),
    }
}
