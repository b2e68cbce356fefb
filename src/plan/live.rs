//! What is true on the machine now, as plain values.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::by_path::ByPath;
use super::worktree::LiveWorktree;
use crate::ids::{AgentName, Digest, UnitName};
use crate::manifest::{ExitRecord, Manifest, ModelName, RunRecord};
use crate::supervise::policy::FleetPolicy;
use crate::units::ActiveState;

/// One observation.
#[derive(Debug, Clone, Default)]
pub struct Live {
    /// What stands at every path that the ledger or the artifacts name; absent paths are not in it.
    pub files: ByPath<LiveFile>,
    /// Links at the paths that matter, and what they point to.
    pub links: ByPath<PathBuf>,
    /// Paths of links where something stands that is no link.
    pub not_links: BTreeSet<PathBuf>,
    /// Unit states of the fleet's agents, as their manager tells them.
    pub units: BTreeMap<AgentName, LiveUnit>,
    /// Run records whose shim lives: same pid, same start time, same boot.
    pub runs: BTreeMap<AgentName, RunRecord>,
    /// Agents whose run record names a shim that is gone: they died without a word.
    pub vanished: BTreeSet<AgentName>,
    /// Last exits since this boot.
    pub exits: BTreeMap<AgentName, ExitRecord>,
    /// Working folder and runtime of conversations that have begun.
    pub conversations: BTreeMap<AgentName, (String, PathBuf)>,
    /// With which model of its chain an agent is started from now on, where that is noted.
    pub models: BTreeMap<AgentName, ModelName>,
    /// Agents whose manifest on disk is the compiled one, and, if they run, the one they were started with.
    pub unchanged: BTreeSet<AgentName>,
    /// Manifests on disk, but for those of the unchanged.
    pub manifests: BTreeMap<AgentName, Manifest>,
    /// Agents whose restart an earlier apply left for later.
    pub pending: BTreeSet<AgentName>,
    /// Agents that somebody began to start, restart or remove, and did not finish.
    pub unfinished: BTreeSet<AgentName>,
    /// Of those, the ones whose shim is still stopping.
    pub stopping: BTreeSet<AgentName>,
    /// What stands where worktrees are or shall be; absent paths are not in it.
    pub worktrees: BTreeMap<PathBuf, LiveWorktree>,
    /// The user's own drop-ins for units of the fleet.
    pub drop_ins: Vec<DropIn>,
    /// The fleet's supervisor.
    pub supervisor: LiveSupervisor,
    /// What it goes by, as it stands on disk.
    pub supervision: Option<FleetPolicy>,
    /// Names of the copies in `bin/` that differ from the running fleet's binaries.
    pub stale_binaries: Vec<String>,
}

/// What stands at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LiveFile {
    /// A plain file, and the fleet whose mark it carries when it is a unit that is not as compiled.
    File { digest: Digest, marked: Option<String> },
    /// Something that fleet never writes: a link, a folder, a device.
    Other(String),
}

/// A file of the user's that changes units of the fleet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DropIn {
    pub path: PathBuf,
    pub units: Vec<UnitName>,
    /// Names of the directives in it.
    pub sets: Vec<String>,
}

/// The supervisor, as its lock and the service manager tell it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LiveSupervisor {
    /// Somebody supervises: the lock is held.
    pub supervises: bool,
    /// Its unit, as its manager tells it.
    pub unit: Option<LiveUnit>,
    /// The program that supervises is not the copy in `bin/`.
    pub is_stale: bool,
}

impl LiveSupervisor {
    /// Whether the manager has it up, or is at it.
    #[must_use]
    pub fn is_up(&self) -> bool {
        let unit = self.unit.as_ref();
        unit.is_some_and(|unit| {
            matches!(unit.active, ActiveState::Active | ActiveState::Activating | ActiveState::Deactivating)
        })
    }
}

/// A unit's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveUnit {
    pub active: ActiveState,
    /// systemd's finer word.
    pub sub: String,
}

impl Live {
    /// Whether the agent's shim runs.
    #[must_use]
    pub fn is_running(&self, agent: &AgentName) -> bool {
        self.runs.contains_key(agent)
            || self.units.get(agent).is_some_and(|unit| {
                matches!(unit.active, ActiveState::Active | ActiveState::Deactivating)
                    || (unit.active == ActiveState::Activating && unit.sub != "auto-restart")
            })
    }

    /// Whether systemd waits before it starts the agent again.
    #[must_use]
    pub fn is_backing_off(&self, agent: &AgentName) -> bool {
        self.units.get(agent).is_some_and(|unit| unit.active == ActiveState::Activating && unit.sub == "auto-restart")
    }
}
