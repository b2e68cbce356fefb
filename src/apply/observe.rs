//! What is true on the machine now, as a plan needs it: one request to the manager, one small file per agent.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::ApplyError;
use super::state::{NoteKind, State};
use super::{binaries, dropins};
use crate::ids::{AgentName, Digest, UnitName};
use crate::plan::live::{DropIn, Live, LiveFile, LiveUnit};
use crate::plan::{Desired, Ledger};
use crate::render::{Artifact, unit};
use crate::shim::client;
use crate::system::proc;
use crate::system::service::{ManagerKind, ServiceManager};

/// Largest file that is compared, in bytes; a larger one is not fleet's.
const FILE_CAP: u64 = 8 << 20;
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
    let mut live = Live { stale_binaries: binaries::stale(&state.paths.bin()), ..Live::default() };
    let empty = BTreeMap::new();
    let written = ledger.map_or(&empty, |ledger| &ledger.files).keys();
    let agents = ledger.iter().flat_map(|ledger| ledger.agents.values());
    let paths: BTreeSet<&PathBuf> = artifacts
        .iter()
        .map(|artifact| &artifact.path)
        .chain(written)
        .chain(agents.clone().flat_map(|agent| agent.files.keys()))
        .collect();
    for path in paths {
        if let Some(file) = file(path) {
            live.files.insert(path.clone(), file);
        }
    }
    for path in link_paths(state, artifacts, ledger) {
        match std::fs::read_link(&path) {
            Ok(to) => drop(live.links.insert(path, to)),
            Err(_) if path.symlink_metadata().is_ok() => drop(live.not_links.insert(path)),
            Err(_) => {}
        }
    }
    for unit in manager.observe(&state.fleet)? {
        if let Some(agent) = unit.unit.agent_of(&state.fleet) {
            live.units.insert(agent, LiveUnit { active: unit.active, sub: unit.sub });
        }
    }
    let boot = boot_time();
    for name in agent_names(artifacts, ledger) {
        state.check_formats(&name)?;
        if let Some(run) = state.run(&name) {
            if proc::is_alive(&run.shim) {
                live.runs.insert(name.clone(), run);
            } else if run.shim.boot_id == proc::boot_id() {
                // The end of an earlier boot ended everybody, without any fault of theirs.
                live.vanished.insert(name.clone());
            }
        }
        // An exit before this boot says nothing of what the agent should do now.
        let since_boot = |ended: &str| match (ended.parse::<jiff::Timestamp>(), boot) {
            (Ok(ended), Some(boot)) => ended >= boot,
            _ => true,
        };
        if let Some(exit) = state.exit(&name).filter(|exit| since_boot(&exit.ended)) {
            live.exits.insert(name.clone(), exit);
        }
        if let Some(talk) = state.conversation(&name) {
            live.conversations.insert(name.clone(), (talk.runtime, talk.dir));
        }
        if let Some(manifest) = state.manifest(&name) {
            live.manifests.insert(name.clone(), manifest);
        }
        match state.note(&name) {
            Some(NoteKind::Restart) => drop(live.pending.insert(name)),
            Some(NoteKind::Unfinished) => drop(live.unfinished.insert(name)),
            None => {}
        }
    }
    live.stopping = stopping(state, &live);
    if manager.kind() == ManagerKind::Systemd {
        live.drop_ins = drop_ins(state, artifacts, ledger);
    }
    Ok(live)
}

fn drop_ins(state: &State, artifacts: &[Artifact], ledger: Option<&Ledger>) -> Vec<DropIn> {
    let mut units = vec![UnitName::target(&state.fleet), UnitName::slice(&state.fleet)];
    units.extend(agent_names(artifacts, ledger).iter().map(|name| UnitName::agent(&state.fleet, name)));
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

fn agent_names(artifacts: &[Artifact], ledger: Option<&Ledger>) -> BTreeSet<AgentName> {
    let compiled = artifacts.iter().filter_map(|artifact| match &artifact.owner {
        crate::render::Owner::Agent(name) => Some(name.clone()),
        crate::render::Owner::Fleet => None,
    });
    compiled.chain(ledger.iter().flat_map(|ledger| ledger.agents.keys().cloned())).collect()
}

fn file(path: &Path) -> Option<LiveFile> {
    let metadata = std::fs::symlink_metadata(path).ok()?;
    if !metadata.is_file() {
        let what = if metadata.is_symlink() { "a link" } else { "no plain file" };
        return Some(LiveFile::Other(what.to_owned()));
    }
    if metadata.len() > FILE_CAP {
        return Some(LiveFile::Other("too large".to_owned()));
    }
    match std::fs::read(path) {
        Ok(bytes) => {
            let unit = path.extension().is_some_and(|e| e == "service" || e == "target" || e == "slice");
            let marked = unit.then(|| unit::marked_fleet(&String::from_utf8_lossy(&bytes))).flatten();
            Some(LiveFile::File { digest: Digest::of(&bytes), marked })
        }
        Err(error) => Some(LiveFile::Other(error.to_string())),
    }
}

/// Where this fleet has links or may want some.
fn link_paths(state: &State, artifacts: &[Artifact], ledger: Option<&Ledger>) -> BTreeSet<PathBuf> {
    let mut paths: BTreeSet<PathBuf> = BTreeSet::new();
    if let Some(ledger) = ledger {
        paths.extend(ledger.links.keys().cloned());
        paths.extend(ledger.agents.values().flat_map(|agent| agent.links.keys().cloned()));
    }
    let target = UnitName::target(&state.fleet);
    paths.insert(state.paths.wants("default.target", &target));
    for name in agent_names(artifacts, ledger) {
        let unit = UnitName::agent(&state.fleet, &name);
        paths.insert(state.paths.wants(target.as_str(), &unit));
    }
    paths
}

/// Whether the ledger wants any agent to run.
#[must_use]
pub fn wants_running(ledger: &Ledger) -> bool {
    ledger.agents.values().any(|agent| agent.desired == Desired::Running)
}
