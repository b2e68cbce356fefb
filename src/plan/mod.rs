//! (Artifacts, Live, Ledger) → Plan: what would change on this machine, why, and whose work it interrupts.
//!
//! Total and deterministic: the same inputs give the same plan, and [`Plan`] says everything `apply` will do. `apply`
//! decides nothing of its own but when an agent is idle.

pub mod agents;
pub mod by_path;
pub mod destroy;
pub mod fields;
pub mod files;
pub mod ledger;
pub mod live;
pub mod rename;
pub mod saved;
mod select;
pub mod show;
pub mod supervisor;
pub mod view;
pub mod waves;
pub mod why;
pub mod worktree;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

pub use fields::FieldChange;
pub use files::{Conflict, FileChange, LinkChange};
pub use ledger::{Desired, Ledger, LedgerAgent};
pub use live::Live;
pub use supervisor::SupervisorChange;
pub use worktree::WorktreeChange;

use crate::ids::{AgentName, FleetId, UnitName};
use crate::manifest::FORMAT;
use crate::parallel::in_parts;
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
    /// What happens to the supervisor, by which no agent is touched.
    pub supervisor: Option<SupervisorChange>,
    /// Whether a unit file changes, so that the manager must read them again.
    pub reload: bool,
    pub conflicts: Vec<Conflict>,
    pub notes: Vec<String>,
    /// What the roster says and nothing acts on yet.
    pub declared: Vec<String>,
    /// Restarts are left for later by the user's wish, so they interrupt nobody now.
    pub restarts_later: bool,
    /// Whoever is started begins a new conversation, by the user's wish.
    pub fresh: bool,
    /// How many agents the last apply left.
    pub known_agents: usize,
    /// Agents whose changes were left out by the user's wish.
    pub withheld: Vec<AgentName>,
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
    /// The worktree that is made for it.
    pub worktree: Option<WorktreeChange>,
    /// Not in the ledger yet.
    pub is_new: bool,
    /// The applied agent whose log and folder it takes over.
    pub was: Option<AgentName>,
    /// Of one that goes: the agent that takes over from it.
    pub heir: Option<AgentName>,
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
            && self.supervisor.is_none()
            && !self.reload
            && self.moves_from.is_none()
            && self.agents.iter().all(|agent| agent.action == Action::None)
    }

    /// Whether a file that the service manager reads is written or removed.
    #[must_use]
    pub fn changes_units(&self) -> bool {
        self.files.iter().chain(self.agents.iter().flat_map(|agent| &agent.files)).any(FileChange::is_unit)
    }

    /// The files that are written.
    pub fn written(&self) -> impl Iterator<Item = &Artifact> {
        let changes = self.files.iter().chain(self.agents.iter().flat_map(|agent| &agent.files));
        changes.filter_map(|change| match change {
            FileChange::Write { artifact, .. } => Some(artifact),
            FileChange::Remove { .. } => None,
        })
    }

    /// Whether a file of fleet's goes.
    #[must_use]
    pub fn removes_files(&self) -> bool {
        let mut changes = self.files.iter().chain(self.agents.iter().flat_map(|agent| &agent.files));
        changes.any(|change| matches!(change, FileChange::Remove { .. }))
    }

    /// Whether a unit file is written, about which systemd may have an opinion.
    #[must_use]
    pub fn writes_units(&self) -> bool {
        let writes = |change: &FileChange| change.is_unit() && matches!(change, FileChange::Write { .. });
        self.files.iter().chain(self.agents.iter().flat_map(|agent| &agent.files)).any(writes)
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

    /// Agents that are no longer in the roster, under any name.
    pub fn removed(&self) -> impl Iterator<Item = &AgentPlan> {
        self.agents.iter().filter(|agent| agent.action == Action::Remove && agent.heir.is_none())
    }

    /// Agents that go on under another name.
    pub fn renamed(&self) -> impl Iterator<Item = &AgentPlan> {
        self.agents.iter().filter(|agent| agent.heir.is_some())
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

/// Below so many agents a thread costs more than it saves: an agent takes some 5 µs to plan.
const AGENTS_PER_THREAD: usize = 128;

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
    let (mut whole, mut owned) = (Vec::new(), BTreeMap::<&AgentName, Vec<&Artifact>>::new());
    for artifact in artifacts {
        match &artifact.owner {
            Owner::Fleet => whole.push(artifact),
            Owner::Agent(name) => owned.entry(name).or_default().push(artifact),
        }
    }
    let (mut heirs, mut agents) = (BTreeMap::new(), Vec::with_capacity(fleet.agents.len()));
    let parts = in_parts(&fleet.agents, AGENTS_PER_THREAD, |part| {
        let (mut heirs, mut agents, mut conflicts) = (Vec::new(), Vec::with_capacity(part.len()), Vec::new());
        for agent in part {
            let own = owned.get(&agent.name).map_or(&[][..], Vec::as_slice);
            if rename::predecessor(fleet, agent, ledger).is_some() {
                heirs.extend(agents::compiled(own).map(|manifest| (agent.name.clone(), manifest)));
            }
            agents.push(agents::plan(fleet, agent, own, live, ledger, manager, &mut conflicts));
        }
        (heirs, agents, conflicts)
    });
    for (some_heirs, some_agents, some_conflicts) in parts {
        heirs.extend(some_heirs);
        agents.extend(some_agents);
        conflicts.extend(some_conflicts);
    }
    let declared: BTreeSet<&AgentName> = fleet.agents.iter().map(|agent| &agent.name).collect();
    for (name, entry) in &ledger.agents {
        if !declared.contains(name) {
            agents.push(agents::removal(name, entry, ledger, live, &mut conflicts));
        }
    }
    rename::join(fleet, ledger, live, &heirs, &mut agents, &mut conflicts);
    supervisor::show(fleet, live, &mut agents);
    let files = files::changes(&whole, &ledger.files, ledger, live, &fleet.id, &mut conflicts);
    let wanted = fleet_links(fleet, manager);
    let mut links = files::link_changes(&wanted, &ledger.links, live, &mut conflicts);
    links.extend(files::gone_links(&wanted, &ledger.links, live));
    // Links matter at boot only, so they need no reload.
    let changed = files.iter().chain(agents.iter().flat_map(|agent| &agent.files)).any(FileChange::is_unit);
    let reload = changed || (ledger.reload_due && manager == ManagerKind::Systemd);
    let mut notes: Vec<String> = live.drop_ins.iter().map(drop_in_note).collect();
    for (name, host) in &fleet.elsewhere {
        notes.push(format!("{name} belongs to host {host} and is not applied here"));
    }
    if ledger.generation > 0 && files.iter().any(FileChange::is_view) {
        notes.push("the layout changes: `fleet view` brings windows that are open up to date".to_owned());
    }
    notes.extend(supervisor::note(fleet, live));
    if manager == ManagerKind::Local {
        let restarts = if fleet.supervise { "" } else { "nothing restarts an agent that ends, and " };
        notes.push(format!("local manager: {restarts}nothing starts the fleet at boot"));
        if fleet.agents.iter().any(|agent| agent.policy.limits != crate::manifest::Limits::default()) {
            notes.push("declared, not enforced under the local manager: limits".to_owned());
        }
    }
    let supervisor = supervisor::plan(fleet, &files, live, moves_from.is_some());
    let mut plan = Plan {
        fleet: fleet.id.clone(),
        roster: fleet.roster.clone(),
        manager,
        moves_from,
        generation: ledger.generation,
        files,
        links,
        agents,
        refresh: live.stale_binaries.clone(),
        supervisor,
        reload,
        conflicts,
        notes,
        declared: fleet.declared.clone(),
        restarts_later: false,
        fresh: false,
        known_agents: ledger.agents.len(),
        withheld: Vec::new(),
    };
    let suspicions = rename::suspicions(&plan, live, fleet);
    plan.notes.splice(0..0, suspicions);
    plan
}

/// What the user changes beside the roster. fleet leaves it alone.
fn drop_in_note(drop_in: &live::DropIn) -> String {
    let units: Vec<&str> = drop_in.units.iter().map(UnitName::as_str).collect();
    let who = match units.as_slice() {
        [one] => (*one).to_owned(),
        several => format!("{} units", several.len()),
    };
    let sets = if drop_in.sets.is_empty() { "nothing".to_owned() } else { drop_in.sets.join(", ") };
    format!("your drop-in {} counts: it sets {sets} of {who}", drop_in.path.display())
}

/// The links that start the fleet at boot.
fn fleet_links(fleet: &Fleet, manager: ManagerKind) -> Vec<(PathBuf, PathBuf)> {
    if manager != ManagerKind::Systemd {
        return Vec::new();
    }
    let target = UnitName::target(&fleet.id);
    let mut links = vec![(fleet.paths.wants("default.target", &target), link_to(&target))];
    if fleet.supervise {
        // It alone: the supervisor starts the agents that shall run.
        let supervisor = UnitName::supervisor(&fleet.id);
        links.push((fleet.paths.wants(target.as_str(), &supervisor), link_to(&supervisor)));
    }
    links
}

/// What a `.wants` link of `unit` points to: a relative name, so that a moved home breaks nothing.
#[must_use]
pub fn link_to(unit: &UnitName) -> PathBuf {
    PathBuf::from("..").join(unit.as_str())
}

/// The number every stream and file of plans carries.
pub const PLAN_FORMAT: u32 = FORMAT;
