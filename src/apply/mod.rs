//! Puts plans into effect. Behaviour belongs in `plan`; here are only observation, effects and their order.

pub mod ahead;
pub mod binaries;
pub mod destroy;
mod dropins;
mod effects;
pub mod execute;
pub mod generation;
pub mod idle;
pub mod inside;
pub mod managers;
mod models;
mod moving;
pub mod observe;
pub mod outcome;
pub mod power;
pub mod preflight;
mod processes;
mod sight;
pub mod state;
pub mod status;
pub mod supervisor;
mod units;
mod verify;
pub mod view;
mod words;
pub mod worktrees;
mod writing;

use std::fmt;

use crate::system::fs::FsError;
use crate::system::lock::Holder;
use crate::system::service::ManagerError;

/// Why a command of this module stopped.
#[derive(Debug)]
pub enum ApplyError {
    /// A file operation.
    Fs(FsError),
    /// The service manager.
    Manager(ManagerError),
    /// Another process holds the fleet's lock.
    Locked { fleet: String, holder: Option<Holder> },
    /// Another supervisor has the fleet.
    Supervised { fleet: String, holder: Option<Holder> },
    /// Something that fleet will not do. What, why, and what to do next.
    Refused { message: String, help: String },
    /// Something else that stopped it. What, and what to do next.
    Other { message: String, help: String },
}

impl ApplyError {
    /// A refusal.
    pub fn refused(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Refused { message: message.into(), help: help.into() }
    }

    /// Any other failure.
    pub fn other(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::Other { message: message.into(), help: help.into() }
    }

    /// What to do next.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Fs(error) => error.help.clone(),
            Self::Manager(error) => error.help.clone(),
            Self::Locked { .. } => Some("wait until it is done, then run the command again".to_owned()),
            Self::Supervised { holder, .. } => {
                let pid = holder.as_ref().map(|holder| format!(" (pid {})", holder.pid)).unwrap_or_default();
                Some(format!(
                    "a fleet has one supervisor: `fleet status` shows what it does, `fleet apply` replaces one of another version; \
                     to run it in this terminal, end that one{pid} first"
                ))
            }
            Self::Refused { help, .. } | Self::Other { help, .. } => (!help.is_empty()).then(|| help.clone()),
        }
    }
}

impl fmt::Display for ApplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fs(error) => error.fmt(f),
            Self::Manager(error) => error.fmt(f),
            Self::Locked { fleet, holder: Some(holder) } => write!(f, "fleet {fleet} is locked by {holder}"),
            Self::Locked { fleet, holder: None } => write!(f, "fleet {fleet} is locked by another process"),
            Self::Supervised { fleet, holder: Some(holder) } => {
                write!(f, "fleet {fleet} has a supervisor already: {holder}")
            }
            Self::Supervised { fleet, holder: None } => write!(f, "fleet {fleet} has a supervisor already"),
            Self::Refused { message, .. } | Self::Other { message, .. } => f.write_str(message),
        }
    }
}

impl std::error::Error for ApplyError {}

impl From<FsError> for ApplyError {
    fn from(error: FsError) -> Self {
        Self::Fs(error)
    }
}

impl From<ManagerError> for ApplyError {
    fn from(error: ManagerError) -> Self {
        Self::Manager(error)
    }
}
