//! Takes a fleet away: stops its agents, removes exactly what the ledger owns, the ledger last.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::ApplyError;
use super::effects::{change_links, stop_timeout, sync, write};
use super::managers::Chosen;
use super::state::{NoteKind, State};
use super::{supervisor, view};
use crate::heartbeat::spool;
use crate::ids::{AgentName, UnitName};
use crate::plan::Ledger;
use crate::plan::destroy::Destruction;
use crate::resolve::FILES;
use crate::system::fs;
use crate::system::service::ManagerKind;

/// Files of an agent's folder that the shim, the runtime and fleet write while it lives.
pub(super) const RECORDS: &[&str] = &[
    "run.json",
    "exit.json",
    "conversation.json",
    "model.json",
    "last-screen",
    "runs",
    "quarantined",
    "heartbeat",
    "lock",
    "lock.json",
    "shim.lock",
    "shim.err",
    "quarantined",
];

/// What a destroy did.
#[derive(Debug, Clone, Default)]
pub struct Destroyed {
    pub stopped: Vec<AgentName>,
    /// What stands in fleet's folders but is not fleet's, and was left.
    pub kept: Vec<PathBuf>,
}

/// Carries out `destruction`. The caller holds the fleet's lock.
///
/// # Errors
/// When an agent cannot be stopped or a file cannot be removed. The ledger stays then, so the command can be repeated.
pub fn run(
    state: &State,
    chosen: &Chosen,
    ledger: &mut Ledger,
    destruction: &Destruction,
    keep_logs: bool,
    progress: &dyn Fn(&str),
) -> Result<Destroyed, ApplyError> {
    state.sweep(None);
    let mut destroyed = Destroyed { stopped: destruction.stops.clone(), ..Destroyed::default() };
    let mut no_links = BTreeMap::new();
    // Links first: from here on a boot starts nothing of this fleet.
    change_links(&destruction.links, &mut no_links)?;
    // First of all that runs: it would start agents that are stopped.
    supervisor::stop(state, chosen)?;
    stop(state, chosen, ledger, destruction, progress)?;
    view::remove(state, chosen)?;
    let mut files: BTreeMap<_, _> = ledger.files.clone();
    let mut folders = BTreeSet::new();
    let written = write(&destruction.files, &mut files, &mut folders);
    written.and(sync(&folders).map_err(ApplyError::from))?;
    if chosen.manager.kind() == ManagerKind::Systemd && destruction.files.iter().any(crate::plan::FileChange::is_unit)
    {
        progress("reloading the service manager");
        chosen.manager.reload()?;
        // A failed unit keeps its name in the manager's list although its file is gone.
        let mut units: Vec<UnitName> = ledger.agents.keys().map(|name| UnitName::agent(&state.fleet, name)).collect();
        units.push(UnitName::supervisor(&state.fleet));
        chosen.manager.reset_failed(&units);
    }
    for (name, entry) in &ledger.agents {
        clear_agent(&entry.folder, keep_logs, &mut destroyed.kept)?;
        state.clear_runtime(name)?;
        fs::remove_unsynced(&state.pending_path(name))?;
    }
    clear_leftover_agents(state, keep_logs, &mut destroyed.kept)?;
    clear_state(state, &mut destroyed.kept)?;
    Ok(destroyed)
}

fn stop(
    state: &State,
    chosen: &Chosen,
    ledger: &Ledger,
    destruction: &Destruction,
    progress: &dyn Fn(&str),
) -> Result<(), ApplyError> {
    // Every agent is asked, not only those seen running: one may have come up since.
    let names: Vec<&AgentName> = ledger.agents.keys().collect();
    if !destruction.stops.is_empty() {
        progress("stopping the agents");
    }
    for name in &destruction.stops {
        // Whoever applies after a destroy that was killed gets the whole fleet back. A full disk must not stop a destroy.
        let _ = state.note_pending(name, NoteKind::Unfinished, "it was being destroyed");
    }
    let timeout = names.iter().map(|name| stop_timeout(state.manifest(name).as_ref())).max();
    let mut units: Vec<UnitName> = names.iter().map(|name| UnitName::agent(&state.fleet, name)).collect();
    if chosen.manager.kind() == ManagerKind::Systemd {
        units.push(UnitName::target(&state.fleet));
        units.push(UnitName::slice(&state.fleet));
    }
    let results = chosen.manager.stop_many(&units, timeout.unwrap_or_default());
    match results.into_iter().find_map(Result::err) {
        Some(error) => Err(error.into()),
        None => Ok(()),
    }
}

/// Removes what fleet and its shim wrote into an agent's folder, then the folder when nothing else is in it.
fn clear_agent(folder: &Path, keep_logs: bool, kept: &mut Vec<PathBuf>) -> Result<(), ApplyError> {
    // What a hook that was ended with its agent had begun to write.
    fs::sweep_temporaries(folder);
    spool::clear(folder)?;
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(()) };
    for entry in entries.filter_map(Result::ok) {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_log = name == "log" || name.strip_prefix("log.").is_some_and(|n| n.parse::<u32>().is_ok());
        if RECORDS.contains(&name.as_str()) || (is_log && !keep_logs) {
            fs::remove_unsynced(&path)?;
        } else if name == "deaths" && !keep_logs {
            std::fs::remove_dir_all(&path).map_err(|error| fs::FsError::io("remove", &path, &error))?;
        } else if is_of_runtime(&name) && std::fs::remove_dir(&path).is_ok() {
            // Fleet's own folder for a runtime's files, emptied before.
        } else {
            kept.push(path);
        }
    }
    let _ = std::fs::remove_dir(folder);
    Ok(())
}

/// Whether a folder of that name in an agent's holds the files of a runtime.
pub(super) fn is_of_runtime(name: &str) -> bool {
    name.strip_prefix(FILES).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Agents that were removed from the roster earlier left their logs behind.
fn clear_leftover_agents(state: &State, keep_logs: bool, kept: &mut Vec<PathBuf>) -> Result<(), ApplyError> {
    let Ok(entries) = std::fs::read_dir(state.paths.state.join("agents")) else { return Ok(()) };
    for entry in entries.filter_map(Result::ok) {
        let known = kept.iter().any(|path| path.parent() == Some(entry.path().as_path()));
        let is_agent = entry.file_name().to_str().is_some_and(|name| AgentName::new(name).is_ok());
        if is_agent && !known && entry.path().is_dir() {
            clear_agent(&entry.path(), keep_logs, kept)?;
            if let Ok(name) = AgentName::new(&entry.file_name().to_string_lossy()) {
                state.clear_runtime(&name)?;
            }
        }
    }
    Ok(())
}

fn clear_state(state: &State, kept: &mut Vec<PathBuf>) -> Result<(), ApplyError> {
    let folder = &state.paths.state;
    for whole in ["bin", "generations", "pending"] {
        let path = folder.join(whole);
        match std::fs::remove_dir_all(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(fs::FsError::io("remove", &path, &error).into());
            }
            _ => {}
        }
    }
    supervisor::clear(state)?;
    remove_empty(&folder.join("agents"), kept);
    remove_empty(&state.paths.runtime, kept);
    let _ = state.paths.runtime.parent().map(std::fs::remove_dir);
    fs::remove_file_if_present(&folder.join("ledger.json"))?;
    Ok(())
}

fn remove_empty(folder: &Path, kept: &mut Vec<PathBuf>) {
    if std::fs::remove_dir(folder).is_err() && folder.is_dir() {
        let inside = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path());
        for path in inside {
            if !kept.iter().any(|known| known.starts_with(&path)) {
                kept.push(path);
            }
        }
    }
}

/// Removes what an apply made that never got as far as a ledger.
pub fn remove_traces(state: &State) {
    for whole in ["bin", "generations", "pending"] {
        let _ = std::fs::remove_dir_all(state.paths.state.join(whole));
    }
    let _ = std::fs::remove_dir(state.paths.state.join("agents"));
    remove_folder(state);
}

/// After the lock is gone, the state folder itself, when nothing else is in it.
pub fn remove_folder(state: &State) {
    for name in ["lock", "lock.json"] {
        let _ = fs::remove_file_if_present(&state.paths.state.join(name));
    }
    if std::fs::remove_dir(&state.paths.state).is_ok() {
        let _ = state.paths.state.parent().map(std::fs::remove_dir);
    }
}
