//! What is true right now, asked of the manager, the records and the shims themselves.

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use super::ApplyError;
use super::managers::Chosen;
use super::state::State;
use super::{observe, supervisor};
use crate::ids::AgentName;
use crate::manifest::{Launch, Manifest, ModelNote};
use crate::plan::agents::ending;
use crate::plan::{Desired, Ledger, Live, fields};
use crate::shim::client;
use crate::shim::protocol;
use crate::units::{ActiveState, ManagerKind};

/// The number `status --json` carries.
pub const FORMAT: u32 = 1;

/// Longest wait for all shims together.
const ANSWER: Duration = Duration::from_secs(3);

/// One fleet, now.
#[derive(Debug, Clone, Serialize)]
pub struct FleetStatus {
    pub format: u32,
    pub fleet: String,
    pub manager: ManagerKind,
    pub roster: PathBuf,
    pub generation: u64,
    /// Of a fleet that is meant to have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub supervisor: Option<SupervisorStatus>,
    pub agents: Vec<AgentStatus>,
}

/// The supervisor, now.
#[derive(Debug, Clone, Serialize)]
pub struct SupervisorStatus {
    /// It has the fleet.
    pub running: bool,
    pub pid: Option<u32>,
    /// RFC 3339, UTC.
    pub since: Option<String>,
    /// Why nothing destructive happens now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused: Option<String>,
    /// What it cannot do, in words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
}

/// One agent, now.
#[derive(Debug, Clone, Serialize)]
pub struct AgentStatus {
    pub name: AgentName,
    pub role: Option<String>,
    pub runtime: Option<String>,
    pub model: Option<String>,
    /// `starting working idle waiting-for-human rate-limited blocked stalled stopping stopped backing-off quarantined
    /// unknown`; from a shim alone `fatal` for `blocked`.
    pub state: &'static str,
    /// What the state rests on.
    pub reason: String,
    /// Since when the present run goes on, or the last one is over. RFC 3339, UTC.
    pub since: Option<String>,
    /// The shim's pid.
    pub pid: Option<u32>,
    /// Digest of the manifest it runs with.
    pub manifest: Option<String>,
    /// Why a restart waits, when one does.
    pub pending: Option<String>,
    /// Which model it uses and how it came to that, in words; absent for the first of its chain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fell_back: Option<String>,
    /// Whether it is as the ledger wants it.
    pub healthy: bool,
    pub viewers: Option<u32>,
    /// Messages that wait for it; only the supervisor knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queued: Option<usize>,
    /// Notices about it that nobody has read; only the journal knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unread: Option<usize>,
    /// The last line on its screen; only the supervisor keeps it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_line: Option<String>,
}

impl FleetStatus {
    /// What is known of the fleet without looking at anybody.
    #[must_use]
    pub fn of(ledger: &Ledger) -> Self {
        Self {
            format: FORMAT,
            fleet: ledger.fleet.to_string(),
            manager: ledger.manager,
            roster: ledger.roster.clone(),
            generation: ledger.generation,
            supervisor: None,
            agents: Vec::new(),
        }
    }

    /// Whether every agent is as it shall be, and the supervisor runs where there shall be one.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.supervisor.as_ref().is_none_or(|supervisor| supervisor.running)
            && self.agents.iter().all(|agent| agent.healthy)
    }
}

/// Looks at every agent of the ledger.
///
/// # Errors
/// When the manager does not answer.
pub fn status(state: &State, ledger: &Ledger, chosen: &Chosen) -> Result<FleetStatus, ApplyError> {
    let sockets: Vec<PathBuf> = ledger.agents.values().map(|entry| entry.socket.clone()).collect();
    // The shims are asked while the records are read.
    let (live, answers) = std::thread::scope(|scope| {
        let asked = scope.spawn(|| client::status_all(&sockets, ANSWER));
        let live = observe::observe_records(state, ledger, chosen.manager.as_ref());
        (live, asked.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    });
    let live = live?;
    // Who dies is systemd's to start again, until it has had enough of it.
    let by_systemd = ledger.manager == ManagerKind::Systemd && !ledger.is_supervised();
    let agents = ledger
        .agents
        .iter()
        .zip(answers)
        .map(|((name, entry), answer)| agent(state, name, entry.desired, &live, by_systemd, answer))
        .collect();
    let supervisor = ledger.is_supervised().then(|| {
        let holder = supervisor::who(state);
        SupervisorStatus {
            running: live.supervisor.supervises,
            pid: holder.as_ref().map(|holder| holder.pid),
            since: holder.map(|holder| holder.started),
            paused: None,
            problems: Vec::new(),
        }
    });
    Ok(FleetStatus { supervisor, agents, ..FleetStatus::of(ledger) })
}

fn agent(
    state: &State,
    name: &AgentName,
    desired: Desired,
    live: &Live,
    by_systemd: bool,
    answer: Result<protocol::Status, client::ClientError>,
) -> AgentStatus {
    let manifest = live.manifests.get(name);
    let run = live.runs.get(name);
    let has_chain = manifest.is_some_and(|manifest| !manifest.fallbacks.is_empty());
    let note = has_chain.then(|| state.model_note(name)).flatten();
    let next = manifest.zip(note.as_ref()).and_then(|(manifest, note)| manifest.using(&note.to));
    let resting = next.as_deref().or(manifest).map(|manifest| &manifest.launch);
    let launch = run.map(|run| &run.launch).or(resting);
    let mut status = AgentStatus {
        name: name.clone(),
        role: manifest.and_then(|manifest| manifest.role.clone()),
        runtime: launch.map(|launch| launch.runtime.clone()),
        model: launch.and_then(|launch| launch.model.clone()),
        state: "unknown",
        reason: String::new(),
        since: run.map(|run| run.started.clone()),
        pid: run.map(|run| run.shim.pid),
        manifest: run.map(|run| run.manifest.as_str().to_owned()),
        pending: is_pending(name, live).then(|| pending_reason(state, name)),
        fell_back: launch.zip(manifest).and_then(|(launch, manifest)| fell_back(note.as_ref(), launch, manifest)),
        healthy: true,
        viewers: None,
        queued: None,
        unread: None,
        last_line: None,
    };
    if live.is_running(name) {
        match answer {
            Ok(now) => {
                status.state = state_word(now.state);
                status.reason = now.reason;
                status.viewers = Some(now.viewers);
            }
            Err(error) if error.is_not_running() => {
                status.reason = format!("it runs, but its socket is gone: `fleet restart {name}` brings it back");
            }
            Err(error) => status.reason = format!("it runs, but its shim does not answer: {error}"),
        }
        status.healthy = status.state != "fatal" && status.viewers.is_some();
    } else {
        at_rest(state, &mut status, name, desired, live, by_systemd);
    }
    status
}

fn at_rest(
    state: &State,
    status: &mut AgentStatus,
    name: &AgentName,
    desired: Desired,
    live: &Live,
    by_systemd: bool,
) {
    let exit = live.exits.get(name).filter(|_| !live.vanished.contains(name));
    status.state = "stopped";
    status.since = exit.map(|exit| exit.ended.clone());
    let unit = live.units.get(name).map(|unit| unit.active);
    let words = state.paths.agent(name).join("shim.err");
    (status.reason, status.healthy) = match (desired, exit) {
        (Desired::Held, None) => (format!("held: not started yet; `fleet start {name}` starts it"), true),
        (Desired::Held, Some(_)) => (format!("held: stopped on purpose; `fleet start {name}` starts it"), true),
        (_, exit) if live.is_backing_off(name) => {
            status.state = "backing-off";
            let how = exit.map_or("no record".to_owned(), ending);
            (format!("it failed ({how}); systemd starts it again after its delay"), false)
        }
        _ if live.unfinished.contains(name) => {
            ("it was to be started, and that was not finished: `fleet apply` goes on".to_owned(), false)
        }
        (Desired::Running, None) if unit == Some(ActiveState::Failed) => {
            (format!("it failed without a record; its shim's last words are in {}", words.display()), false)
        }
        (Desired::Running, None)
            if live.manifests.get(name).is_some_and(|manifest| !manifest.policy.autostart)
                && !live.vanished.contains(name) =>
        {
            (format!("not started since the boot: autostart is off; `fleet start {name}` starts it"), true)
        }
        (Desired::Running, None) => ("not running, and nobody stopped it: `fleet apply` starts it".to_owned(), false),
        (Desired::Running, Some(exit)) if exit.stop_requested => ("stopped (by hand)".to_owned(), true),
        (Desired::Running, Some(exit)) if exit.code == Some(0) => ("finished (exit 0)".to_owned(), true),
        (Desired::Running, Some(exit)) if unit == Some(ActiveState::Failed) && by_systemd => {
            (format!("failed ({}), and systemd starts it no more; `fleet start {name}` does", ending(exit)), false)
        }
        (Desired::Running, Some(exit)) => (format!("failed ({})", ending(exit)), false),
    };
}

/// As the supervisor says it, from the note that it left.
fn fell_back(note: Option<&ModelNote>, used: &Launch, manifest: &Manifest) -> Option<String> {
    let used = used.name();
    manifest.fallback(&used)?;
    Some(match note.filter(|note| note.to == used) {
        Some(note) => format!("fell back from {} to {used}: {}", note.from, note.why),
        None => format!("uses {used} until its next start, then {}", manifest.launch.name()),
    })
}

/// A note of an earlier apply counts only as long as the agent runs with other settings than those on disk.
fn is_pending(name: &AgentName, live: &Live) -> bool {
    let differs = match (live.runs.get(name), live.manifests.get(name)) {
        (Some(run), Some(manifest)) => {
            let using = manifest.using(&run.launch.name());
            let launch = using.as_deref().map_or(&manifest.launch, |manifest| &manifest.launch);
            !fields::launch(&run.launch, launch).is_empty()
        }
        _ => false,
    };
    live.pending.contains(name) && differs
}

fn pending_reason(state: &State, name: &AgentName) -> String {
    let text = std::fs::read_to_string(state.pending_path(name)).unwrap_or_default();
    let value: serde_json::Value = serde_json::from_slice(text.as_bytes()).unwrap_or_default();
    value["reason"].as_str().unwrap_or("a restart is pending").to_owned()
}

fn state_word(state: protocol::State) -> &'static str {
    match state {
        protocol::State::Starting => "starting",
        protocol::State::Working => "working",
        protocol::State::Idle => "idle",
        protocol::State::WaitingForHuman => "waiting-for-human",
        protocol::State::RateLimited => "rate-limited",
        protocol::State::Fatal => "fatal",
        protocol::State::Unknown => "unknown",
        protocol::State::Stopping => "stopping",
    }
}
