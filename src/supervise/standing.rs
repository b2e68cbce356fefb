//! What an agent does, why that is believed, and since when.

use serde::{Deserialize, Serialize};

use super::clock::Millis;

/// The state of one agent. Every state has an exit; `docs/supervisor.md` names it for each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum State {
    /// Its process runs and it has not been seen ready.
    Starting,
    Working,
    Idle,
    /// A question to a person is on its screen, or it said that it waits for one.
    WaitingForHuman,
    /// The provider takes nothing more for now.
    RateLimited {
        class: Class,
        /// Milliseconds since the epoch, where the screen named a time.
        until: Option<Millis>,
    },
    /// It cannot go on by itself, and a restart would not help.
    Blocked {
        class: Class,
    },
    /// It made no progress for longer than it may.
    Stalled,
    Stopping,
    /// Not running, and not to be started: `held`, `finished`, `by hand`, without autostart.
    Stopped,
    /// It died and is started again.
    BackingOff {
        /// Milliseconds since the epoch.
        until: Millis,
    },
    /// Over its restart budget: `fleet clear` lets it start again.
    Quarantined,
    /// What is true cannot be told now.
    Unknown,
}

impl State {
    /// The word that people and programs see.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Working => "working",
            Self::Idle => "idle",
            Self::WaitingForHuman => "waiting-for-human",
            Self::RateLimited { .. } => "rate-limited",
            Self::Blocked { .. } => "blocked",
            Self::Stalled => "stalled",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::BackingOff { .. } => "backing-off",
            Self::Quarantined => "quarantined",
            Self::Unknown => "unknown",
        }
    }

    /// Whether a process of the agent's is there.
    #[must_use]
    pub fn is_running(&self) -> bool {
        !matches!(self, Self::Stopped | Self::BackingOff { .. } | Self::Quarantined)
    }
}

/// What stands in the way, from `fatal` and `limit` patterns or the agent's own report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    Auth,
    Quota,
    Rate,
    Overloaded,
    Context,
    Network,
    /// `fleet report blocked`.
    Reported,
    /// A pattern without a class, or with one of a later version.
    #[serde(other)]
    Other,
}

impl Class {
    /// By the word of a runtime file.
    #[must_use]
    pub fn of(word: Option<&str>) -> Self {
        match word {
            Some("auth") => Self::Auth,
            Some("quota") => Self::Quota,
            Some("rate") => Self::Rate,
            Some("overloaded") => Self::Overloaded,
            Some("context") => Self::Context,
            Some("network") => Self::Network,
            _ => Self::Other,
        }
    }

    /// The word that people see.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Quota => "quota",
            Self::Rate => "rate",
            Self::Overloaded => "overloaded",
            Self::Context => "context",
            Self::Network => "network",
            Self::Reported => "reported",
            Self::Other => "other",
        }
    }

    /// Whether it goes away by itself: only then another model of the chain is tried.
    #[must_use]
    pub fn is_transient(self) -> bool {
        matches!(self, Self::Rate | Self::Overloaded | Self::Network)
    }
}

/// A state with its reason and its age.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    #[serde(flatten)]
    pub state: State,
    /// What it rests on, in words.
    pub reason: String,
    /// Since when, in milliseconds since the epoch.
    pub since: Millis,
}
