//! (Artifacts, Live, Ledger) → Plan: what would change on this machine, why, and whose work it interrupts.
//!
//! Total and deterministic: the same inputs give the same plan, and [`Plan`] says everything `apply` will do. `apply`
//! decides nothing of its own but when an agent is idle.

pub mod agents;
pub mod destroy;
pub mod fields;
pub mod files;
pub mod ledger;
pub mod live;
pub mod show;
pub mod view;
pub mod waves;

use std::path::PathBuf;

pub use fields::FieldChange;
pub use files::{Conflict, FileChange, LinkChange};
pub use ledger::{Desired, Ledger};
pub use live::Live;

use crate::ids::{AgentName, FleetId, UnitName};
use crate::manifest::FORMAT;
use crate::render::{Artifact, Owner};
use crate::resolve::Fleet;
use crate::units::ManagerKind;

/// Everything `apply` would do.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    pub fleet: FleetId,
    pub roster: PathBuf,
    pub manager: ManagerKind,
    /// The manager recorded in the ledger, when it is another one: every agent moves.
    pub moves_from: Option<ManagerKind>,
    /// The last applied generation; 0 before the first.
    pub generation: u64,
    /// Files that are the fleet's, not one agent's.
    pub files: Vec<FileChange>,
    pub links: Vec<LinkChange>,
    /// In the roster's order, then the removed ones; agents with nothing to do included.
    pub agents: Vec<AgentPlan>,
    /// Copies of fleet's own binaries that are older than the ones running: no agent is touched by them.
    pub refresh: Vec<String>,
    /// Whether a unit file changes, so that the manager must read them again.
    pub reload: bool,
    pub conflicts: Vec<Conflict>,
    pub notes: Vec<String>,
    /// What the roster says and nothing acts on yet.
    pub declared: Vec<String>,
    /// Restarts are left for later by the user's wish, so they interrupt nobody now.
    pub restarts_later: bool,
    /// How many agents the last apply left.
    pub known_agents: usize,
}

/// What happens to one agent.
#[derive(Debug, Clone, PartialEq)]
pub struct AgentPlan {
    pub name: AgentName,
    pub unit: UnitName,
    pub folder: PathBuf,
    pub socket: PathBuf,
    /// Where the roster declares it; `None` for a removed one.
    pub place: Option<String>,
    pub action: Action,
    pub process: Process,
    /// Why, in words.
    pub reason: String,
    pub fields: Vec<FieldChange>,
    pub files: Vec<FileChange>,
    pub links: Vec<LinkChange>,
    /// Whether it runs now.
    pub running: bool,
    /// A restart that an earlier apply left for later.
    pub pending: bool,
    /// The desired state the ledger will hold.
    pub desired: Desired,
    /// Said beside it, without being a change.
    pub note: Option<String>,
}

/// What happens to an agent as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Add,
    Change,
    Remove,
    None,
}

/// What happens to its process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Process {
    /// Nothing.
    Keep,
    /// It is told of its new policy.
    Live,
    Start,
    Restart,
    Stop,
}

impl Process {
    /// The effect as JSON and people read it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Keep => "none",
            Self::Live => "live",
            Self::Start => "start",
            Self::Restart => "restart",
            Self::Stop => "stop",
        }
    }
}

impl Plan {
    /// Whether `apply` would change nothing. Pending restarts and notes are no changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
            && self.links.is_empty()
            && self.refresh.is_empty()
            && !self.reload
            && self.moves_from.is_none()
            && self.agents.iter().all(|agent| agent.action == Action::None)
    }

    /// Whether a file that the service manager reads is written or removed.
    #[must_use]
    pub fn changes_units(&self) -> bool {
        self.files.iter().chain(self.agents.iter().flat_map(|agent| &agent.files)).any(FileChange::is_unit)
    }

    /// Running agents whose work `apply` would interrupt.
    pub fn interrupted(&self) -> impl Iterator<Item = &AgentPlan> {
        self.agents.iter().filter(|agent| self.interrupts(agent))
    }

    /// Whether `apply` would interrupt the work of `agent`.
    fn interrupts(&self, agent: &AgentPlan) -> bool {
        match agent.process {
            Process::Restart => agent.running && !self.restarts_later,
            Process::Stop => agent.running,
            _ => false,
        }
    }

    /// Agents that are no longer in the roster.
    pub fn removed(&self) -> impl Iterator<Item = &AgentPlan> {
        self.agents.iter().filter(|agent| agent.action == Action::Remove)
    }

    /// Whether a person has to agree: something is interrupted or removed.
    #[must_use]
    pub fn needs_consent(&self) -> bool {
        self.interrupted().next().is_some() || self.removed().next().is_some()
    }

    /// Whether more than half of the agents would go.
    #[must_use]
    pub fn is_mass_removal(&self) -> bool {
        self.removed().count() * 2 > self.known_agents
    }

    /// Agents with a restart left over from an earlier apply.
    pub fn pending(&self) -> impl Iterator<Item = &AgentPlan> {
        self.agents.iter().filter(|agent| agent.pending && agent.process == Process::Keep)
    }
}

/// Makes the plan.
#[must_use]
pub fn plan(
    fleet: &Fleet,
    artifacts: &[Artifact],
    live: &Live,
    ledger: Option<&Ledger>,
    manager: ManagerKind,
) -> Plan {
    let empty = Ledger::new(fleet.id.clone(), fleet.roster.clone(), manager);
    let ledger = ledger.unwrap_or(&empty);
    let moves_from = (ledger.manager != manager && !ledger.agents.is_empty()).then_some(ledger.manager);
    let mut conflicts = Vec::new();
    let mut agents: Vec<AgentPlan> = fleet
        .agents
        .iter()
        .map(|agent| {
            let own: Vec<&Artifact> =
                artifacts.iter().filter(|artifact| artifact.owner == Owner::Agent(agent.name.clone())).collect();
            agents::plan(fleet, agent, &own, live, ledger, manager, &mut conflicts)
        })
        .collect();
    for (name, entry) in &ledger.agents {
        if fleet.agent(name).is_none() {
            agents.push(agents::removal(name, entry, ledger, live, &mut conflicts));
        }
    }
    let own: Vec<&Artifact> = artifacts.iter().filter(|artifact| artifact.owner == Owner::Fleet).collect();
    let files = files::changes(&own, &ledger.files, ledger, live, &fleet.id, &mut conflicts);
    let links = files::link_changes(&fleet_links(fleet, manager), &ledger.links, live, &mut conflicts);
    // Links matter at boot only, so they need no reload.
    let changed = files.iter().chain(agents.iter().flat_map(|agent| &agent.files)).any(FileChange::is_unit);
    let reload = changed || (ledger.reload_due && manager == ManagerKind::Systemd);
    let mut notes = Vec::new();
    for (name, host) in &fleet.elsewhere {
        notes.push(format!("{name} belongs to host {host} and is not applied here"));
    }
    if ledger.generation > 0 && files.iter().any(FileChange::is_view) {
        notes.push("the layout changes: `fleet view` brings windows that are open up to date".to_owned());
    }
    if manager == ManagerKind::Local {
        notes.push(
            "local manager: nothing restarts an agent that ends, and nothing starts the fleet at boot".to_owned(),
        );
        if fleet.agents.iter().any(|agent| agent.policy.limits != crate::manifest::Limits::default()) {
            notes.push("declared, not enforced under the local manager: limits".to_owned());
        }
    }
    Plan {
        fleet: fleet.id.clone(),
        roster: fleet.roster.clone(),
        manager,
        moves_from,
        generation: ledger.generation,
        files,
        links,
        agents,
        refresh: live.stale_binaries.clone(),
        reload,
        conflicts,
        notes,
        declared: fleet.declared.clone(),
        restarts_later: false,
        known_agents: ledger.agents.len(),
    }
}

/// The links that start the fleet at boot.
fn fleet_links(fleet: &Fleet, manager: ManagerKind) -> Vec<(PathBuf, PathBuf)> {
    if manager != ManagerKind::Systemd {
        return Vec::new();
    }
    let target = UnitName::target(&fleet.id);
    vec![(fleet.paths.wants("default.target", &target), link_to(&target))]
}

/// What a `.wants` link of `unit` points to: a relative name, so that a moved home breaks nothing.
#[must_use]
pub fn link_to(unit: &UnitName) -> PathBuf {
    PathBuf::from("..").join(unit.as_str())
}

/// The number every stream and file of plans carries.
pub const PLAN_FORMAT: u32 = FORMAT;
