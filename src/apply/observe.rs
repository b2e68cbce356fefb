//! What is true on the machine now, as a plan needs it: one request to the manager, one small file per agent.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::ApplyError;
use super::sight::{self, Link, Question, Sight};
use super::state::{NoteKind, State};
use super::{binaries, dropins, supervisor};
use crate::ids::{AgentName, UnitName};
use crate::parallel::in_parts;
use crate::plan::live::{DropIn, Live, LiveUnit};
use crate::plan::{Desired, Ledger};
use crate::render::{Artifact, FileKind, Owner};
use crate::shim::client;
use crate::system::service::{ManagerKind, ServiceManager, UnitState};

/// Below so many agents a thread costs more than it saves: an agent takes some 20 µs to look at.
const AGENTS_PER_THREAD: usize = 64;
/// Longest wait for shims that may be stopping.
const ANSWER: std::time::Duration = std::time::Duration::from_secs(2);

/// Looks at everything `artifacts` and `ledger` name.
///
/// # Errors
/// When the manager does not answer: without it nobody knows who runs. When a newer fleet wrote what is on disk.
pub fn observe(
    state: &State,
    artifacts: &[Artifact],
    ledger: Option<&Ledger>,
    manager: &dyn ServiceManager,
) -> Result<Live, ApplyError> {
    observe_with(state, artifacts, ledger, manager.kind(), manager.observe(&state.fleet)?)
}

/// The same, with what a manager of kind `kind` has said of its `units`.
///
/// # Errors
/// When a newer fleet wrote what is on disk.
pub fn observe_with(
    state: &State,
    artifacts: &[Artifact],
    ledger: Option<&Ledger>,
    kind: ManagerKind,
    units: Vec<UnitState>,
) -> Result<Live, ApplyError> {
    let (units, own) = by_agent(state, units);
    let mut live = Live {
        stale_binaries: binaries::stale(&state.paths.bin()),
        units,
        supervisor: supervisor::observe(state, own),
        supervision: supervisor::on_disk(state),
        ..Live::default()
    };
    let (whole, questions) = questions(state, artifacts, ledger, &live);
    let mut paths: BTreeMap<&PathBuf, Option<&Artifact>> =
        whole.into_iter().map(|artifact| (&artifact.path, Some(artifact))).collect();
    for path in ledger.into_iter().flat_map(|ledger| ledger.files.keys()) {
        paths.entry(path).or_default();
    }
    for (path, expected) in paths {
        if let Some(file) = sight::file(path, expected) {
            live.files.insert(path.clone(), file);
        }
    }
    for path in fleet_links(state, ledger) {
        match sight::link(&path) {
            Some(Link::To(to)) => drop(live.links.insert(path, to)),
            Some(Link::Other) => drop(live.not_links.insert(path)),
            None => {}
        }
    }
    let boot = boot_time();
    look(&questions, &mut live, |question| sight::look(state, question, boot))?;
    live.stopping = stopping(state, &live);
    if kind == ManagerKind::Systemd {
        let supervised = live.files.contains_key(&state.paths.supervise())
            || artifacts.iter().any(|artifact| artifact.kind == FileKind::Supervision);
        live.drop_ins = drop_ins(state, &questions, supervised);
    }
    Ok(live)
}

fn drop_ins(state: &State, agents: &[Question<'_>], supervised: bool) -> Vec<DropIn> {
    let mut units = vec![UnitName::target(&state.fleet), UnitName::slice(&state.fleet)];
    units.extend(supervised.then(|| UnitName::supervisor(&state.fleet)));
    units.extend(agents.iter().map(|agent| UnitName::agent(&state.fleet, agent.name)));
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    dropins::find(&state.paths.units, runtime.as_deref(), &units)
}

/// Which agents, of those that somebody left half-way, are still on their way out.
fn stopping(state: &State, live: &Live) -> BTreeSet<AgentName> {
    let asked: Vec<&AgentName> = live.unfinished.iter().filter(|name| live.is_running(name)).collect();
    let sockets: Vec<PathBuf> = asked.iter().map(|name| state.paths.socket(name)).collect();
    let answers = client::status_all(&sockets, ANSWER);
    let on_their_way = asked.into_iter().zip(answers).filter(|(_, answer)| match answer {
        Ok(status) => status.stopping,
        // A shim that has closed its socket has nothing left to do.
        Err(error) => error.has_ended(),
    });
    on_their_way.map(|(name, _)| name.clone()).collect()
}

/// When this machine booted.
fn boot_time() -> Option<jiff::Timestamp> {
    let stat = std::fs::read_to_string("/proc/stat").ok()?;
    let seconds = stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    jiff::Timestamp::from_second(seconds).ok()
}

/// What the manager and the shims say of the ledger's agents; no file that fleet wrote is looked at.
///
/// # Errors
/// As [`observe`].
pub fn observe_records(state: &State, ledger: &Ledger, manager: &dyn ServiceManager) -> Result<Live, ApplyError> {
    let (units, own) = by_agent(state, manager.observe(&state.fleet)?);
    let supervisor = supervisor::observe(state, own);
    let mut live = Live { units, supervisor, ..Live::default() };
    let (_, questions) = questions(state, &[], Some(ledger), &live);
    let boot = boot_time();
    look(&questions, &mut live, |question| sight::records(state, question, boot, Sight::default()))?;
    Ok(live)
}

/// Units of the agents, and the supervisor's.
fn by_agent(state: &State, units: Vec<UnitState>) -> (BTreeMap<AgentName, LiveUnit>, Option<LiveUnit>) {
    let (mut agents, mut own) = (BTreeMap::new(), None);
    for unit in units {
        let now = LiveUnit { active: unit.active, sub: unit.sub };
        if let Some(agent) = unit.unit.agent_of(&state.fleet) {
            agents.insert(agent, now);
        } else if unit.unit == UnitName::supervisor(&state.fleet) {
            own = Some(now);
        }
    }
    (agents, own)
}

/// Looks at all agents, side by side, and puts together what was seen.
fn look(
    questions: &[Question<'_>],
    live: &mut Live,
    at: impl Fn(&Question<'_>) -> Result<Sight, ApplyError> + Sync,
) -> Result<(), ApplyError> {
    let seen = in_parts(questions, AGENTS_PER_THREAD, |part| {
        let mut seen = Vec::with_capacity(part.len());
        part.iter().try_for_each(|question| at(question).map(|sight| seen.push(sight))).map(|()| seen)
    });
    let mut sights = Vec::with_capacity(questions.len());
    for part in seen {
        sights.extend(part?);
    }
    let (mut files, mut links, mut runs) = (Vec::new(), Vec::new(), Vec::new());
    files.reserve(questions.iter().map(|question| question.artifacts.len()).sum());
    for (question, sight) in questions.iter().zip(sights) {
        let name = question.name;
        files.extend(sight.files);
        links.extend(sight.links);
        live.not_links.extend(sight.not_links);
        runs.extend(sight.run.map(|run| (name.clone(), run)));
        live.vanished.extend(sight.vanished.then(|| name.clone()));
        live.exits.extend(sight.exit.map(|exit| (name.clone(), exit)));
        live.conversations.extend(sight.talk.map(|talk| (name.clone(), (talk.runtime, talk.dir))));
        live.manifests.extend(sight.manifest.map(|manifest| (name.clone(), manifest)));
        live.models.extend(sight.model.map(|model| (name.clone(), model)));
        live.unchanged.extend(sight.unchanged.then(|| name.clone()));
        match sight.note {
            Some(NoteKind::Restart) => drop(live.pending.insert(name.clone())),
            Some(NoteKind::Unfinished) => drop(live.unfinished.insert(name.clone())),
            None => {}
        }
    }
    live.files.extend(files);
    live.links.extend(links);
    live.runs = runs.into_iter().collect();
    Ok(())
}

/// Files of the fleet as a whole, and what is to be asked about each agent.
fn questions<'a>(
    state: &State,
    artifacts: &'a [Artifact],
    ledger: Option<&'a Ledger>,
    live: &Live,
) -> (Vec<&'a Artifact>, Vec<Question<'a>>) {
    let mut whole = Vec::new();
    let mut agents: BTreeMap<&AgentName, Question<'a>> = BTreeMap::new();
    let blank = |name| Question { name, artifacts: Vec::new(), entry: None, active: None, noted: false };
    for artifact in artifacts {
        match &artifact.owner {
            Owner::Fleet => whole.push(artifact),
            Owner::Agent(name) => agents.entry(name).or_insert_with(|| blank(name)).artifacts.push(artifact),
        }
    }
    for (name, entry) in ledger.into_iter().flat_map(|ledger| &ledger.agents) {
        agents.entry(name).or_insert_with(|| blank(name)).entry = Some(entry);
    }
    let noted = state.noted();
    for question in agents.values_mut() {
        question.noted = noted.contains(question.name);
        question.active = live.units.get(question.name).map(|unit| unit.active);
    }
    (whole, agents.into_values().collect())
}

/// Where the fleet as a whole has links or may want some.
fn fleet_links(state: &State, ledger: Option<&Ledger>) -> BTreeSet<PathBuf> {
    let mut paths: BTreeSet<PathBuf> = ledger.into_iter().flat_map(|ledger| ledger.links.keys().cloned()).collect();
    let target = UnitName::target(&state.fleet);
    paths.insert(state.paths.wants("default.target", &target));
    paths.insert(state.paths.wants(target.as_str(), &UnitName::supervisor(&state.fleet)));
    paths
}

/// Whether the ledger wants any agent to run.
#[must_use]
pub fn wants_running(ledger: &Ledger) -> bool {
    ledger.agents.values().any(|agent| agent.desired == Desired::Running)
}
