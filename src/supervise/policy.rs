//! What the roster says about supervision: `supervise.json` in the state folder, written by `apply`, read by the
//! supervisor again whenever it changes.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::clock::Millis;
use crate::ids::{AgentName, FleetId};
use crate::manifest::{AgentKind, BusyInput, ModelName, RestartPolicy};

/// The number `supervise.json` carries.
pub const FORMAT: u32 = 1;

/// One fleet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FleetPolicy {
    /// [`FORMAT`].
    pub format: u32,
    pub fleet: FleetId,
    /// Caps of the whole fleet.
    #[serde(default)]
    pub spend: Spend,
    /// In the order of the roster.
    pub agents: Vec<AgentPolicy>,
}

/// One agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AgentPolicy {
    pub name: AgentName,
    pub kind: AgentKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// The `agent "…" count=` it is one of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<AgentName>,
    /// Capabilities of its role.
    #[serde(default)]
    pub may: BTreeSet<String>,
    pub runtime: String,
    /// Agents that are started before it.
    #[serde(default)]
    pub after: Vec<AgentName>,
    /// Started when the fleet starts.
    pub autostart: bool,
    pub restart: RestartPolicy,
    /// From the polite stop to SIGKILL, in milliseconds.
    pub stop_timeout_ms: Millis,
    pub stall: Stall,
    pub heartbeat: Heartbeat,
    /// Standing idle is what this role does.
    pub idle_ok: bool,
    /// What the runtime does with input while a turn runs.
    pub busy_input: BusyInput,
    /// Its screen can show that it is idle: without that, quiet is all that is known.
    pub shows_idle: bool,
    #[serde(default)]
    pub spend: Spend,
    #[serde(default)]
    pub lifecycle: Lifecycle,
    /// How many models stand behind the first.
    #[serde(default)]
    pub fallbacks: u32,
    /// The models that it may be started with, the first one first. Empty: there is one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chain: Vec<Link>,
    /// How often an enhancer is given its digest, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest_ms: Option<Millis>,
}

/// One model of a chain, and what is other with it than with the first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    pub name: ModelName,
    pub heartbeat: Heartbeat,
    pub busy_input: BusyInput,
    pub shows_idle: bool,
    /// A restart goes on with the conversation, if the run before was one of the same runtime.
    pub resumes: bool,
}

impl AgentPolicy {
    /// Where in the chain the model called `name` stands; 0 is the first. `None`: nowhere.
    #[must_use]
    pub fn place(&self, name: &ModelName) -> Option<u32> {
        let place = self.chain.iter().position(|link| link.name == *name)?;
        u32::try_from(place).ok()
    }

    /// The model that stands at `place`.
    #[must_use]
    pub fn link(&self, place: u32) -> Option<&Link> {
        self.chain.get(place as usize)
    }
}

/// When an agent counts as stuck.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stall {
    /// One rung of the ladder, in milliseconds.
    pub after_ms: Millis,
    /// Whether the first rung types a question.
    pub nudge: bool,
}

/// What its runtime reports by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    pub kind: HeartbeatKind,
    /// For periodic ones, in milliseconds.
    pub every_ms: Millis,
}

/// How a runtime reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HeartbeatKind {
    /// At each event: its age tells nothing.
    Events,
    /// At an interval: an old one is a stale signal.
    Periodic,
    None,
}

/// Caps, checked before the act. `None`: no cap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Spend {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts_per_day: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub messages_per_hour: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrent: Option<u32>,
}

/// Whether an agent runs all the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Lifecycle {
    #[default]
    Always,
    /// Started by a message, stopped after it was idle for so long.
    OnDemand {
        /// Milliseconds.
        idle_stop_ms: Option<Millis>,
    },
}
