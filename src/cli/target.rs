//! Which fleet a command is about, and its state on this machine.

use std::io::{self, Write as _};
use std::path::Path;

use super::args::Global;
use super::error::CliError;
use super::{facts, load};
use crate::apply::managers::{self, Chosen};
use crate::apply::state::{self, State};
use crate::apply::supervisor;
use crate::diagnostic::suggest;
use crate::ids::FleetId;
use crate::plan::Ledger;
use crate::resolve::{HostFacts, Paths};
use crate::roster;

/// An applied fleet.
#[derive(Debug)]
pub struct Target {
    pub state: State,
    pub ledger: Ledger,
}

impl Target {
    /// The fleet's service manager.
    pub fn manager(&self) -> Result<Chosen, CliError> {
        Ok(managers::open(self.ledger.manager, &self.state)?)
    }

    /// Whether the fleet is meant to be supervised and is not. One look at a lock.
    pub fn lacks_supervisor(&self) -> bool {
        self.ledger.is_supervised() && !supervisor::supervises(&self.state)
    }
}

/// What is so then, and what to do.
pub const UNSUPERVISED: &str =
    "the supervisor does not run, so nobody restarts an agent that ends: `fleet apply` starts it";

/// Finds the applied fleet: `--fleet`, else the roster's, else the only one there is. Says beside it when nobody
/// supervises a fleet that is meant to be supervised.
pub fn find(global: &Global) -> Result<Target, CliError> {
    let target = find_quietly(global)?;
    if target.lacks_supervisor() {
        // Beside the command's own output, which may be read by a program.
        let _ = writeln!(io::stderr().lock(), "note: {UNSUPERVISED}");
    }
    Ok(target)
}

/// The same, for commands that tell of the supervisor themselves.
pub fn find_quietly(global: &Global) -> Result<Target, CliError> {
    let facts = facts::gather()?;
    let id = id(global, &facts)?;
    open(&id, &facts)
}

/// The state of a fleet that has a folder and no ledger: what a killed destroy, or a killed first apply, leaves.
pub fn without_ledger(global: &Global) -> Result<Option<State>, CliError> {
    let facts = facts::gather()?;
    let Ok(id) = id(global, &facts) else { return Ok(None) };
    let state = State::new(id.clone(), Paths::new(&id, &facts));
    let left = state.paths.state.is_dir() && state.ledger()?.is_none();
    Ok(left.then_some(state))
}

/// The applied fleet called `text`.
pub fn applied(text: &str, facts: &HostFacts) -> Result<Target, CliError> {
    open(&parse(text)?, facts)
}

/// A fleet keeps its sockets where they were when it was applied: a shell without XDG_RUNTIME_DIR (cron, su) must not
/// look like a change of every agent. Whether `facts` changed.
pub fn keep_runtime_folder(ledger: &Ledger, facts: &mut HostFacts) -> bool {
    let paths = Paths::new(&ledger.fleet, facts);
    let Some(recorded) = ledger.agents.values().next().and_then(|entry| entry.socket.parent()) else { return false };
    if *recorded == paths.runtime {
        return false;
    }
    if *recorded == paths.state.join("run") {
        facts.runtime_base = None;
        return true;
    }
    let base = recorded.parent();
    // A runtime folder that is gone (another boot, another login) is no place to go on in.
    let usable = base.and_then(Path::parent).is_some_and(Path::is_dir);
    if usable {
        facts.runtime_base = base.map(Path::to_path_buf);
    }
    usable
}

fn parse(text: &str) -> Result<FleetId, CliError> {
    FleetId::new(text).map_err(|error| {
        CliError::usage(format!("`{text}` is not a fleet id: {error}"), "ids are lower-case letters and digits")
    })
}

fn open(id: &FleetId, facts: &HostFacts) -> Result<Target, CliError> {
    let state = State::new(id.clone(), Paths::new(id, facts));
    match state.ledger()? {
        Some(ledger) => Ok(Target { state: State { paths: recorded(&state, &ledger, facts), ..state }, ledger }),
        None => {
            let applied = state::applied(&facts.state_base);
            let known = if applied.is_empty() {
                "no fleet is applied on this machine".to_owned()
            } else {
                format!("applied here: {}", suggest::list(&applied))
            };
            Err(CliError::failed(
                format!("fleet {id} is not applied here"),
                format!("`fleet apply` does it; {known}"),
            ))
        }
    }
}

/// The fleet's places as they were when it was applied: a later shell may lack the runtime folder's variable.
fn recorded(state: &State, ledger: &Ledger, facts: &HostFacts) -> Paths {
    let mut paths = Paths::new(&state.fleet, facts);
    if let Some(folder) = ledger.agents.values().next().and_then(|entry| entry.socket.parent()) {
        folder.clone_into(&mut paths.runtime);
    }
    paths
}

fn id(global: &Global, facts: &HostFacts) -> Result<FleetId, CliError> {
    if let Some(text) = &global.fleet {
        return parse(text);
    }
    if let Some(path) = load::find(global)? {
        // The first node says it. Only a roster that begins otherwise has to be understood as a whole.
        if let Some(id) = std::fs::read_to_string(&path).ok().and_then(|text| roster::id_of(&text)) {
            return Ok(id);
        }
        let loaded = load::load(global, facts)?;
        return loaded.id.ok_or_else(|| {
            CliError::failed(
                "the roster does not say which fleet it is",
                "run `fleet validate`, or name the fleet with --fleet ID",
            )
        });
    }
    match state::applied(&facts.state_base).as_slice() {
        [only] => Ok(only.clone()),
        [] => Err(CliError::failed(
            format!(
                "there is no {} here or in a folder above, and no fleet is applied on this machine",
                load::ROSTER
            ),
            "`fleet init` writes a roster, `fleet apply` applies it",
        )),
        several => Err(CliError::usage(
            format!("there is no {} here, and several fleets are applied: {}", load::ROSTER, suggest::list(several)),
            "name one with --fleet ID",
        )),
    }
}
