//! `start`, `stop` and `restart`: the desired state by hand.

use super::ApplyError;
use super::effects::{change_links, stop_timeout};
use super::execute::START_TIMEOUT;
use super::managers::Chosen;
use super::outcome::{Outcome, Report};
use super::state::{NoteKind, STARTING, SUPERVISE, State};
use super::words::Words;
use crate::ids::{AgentName, UnitName};
use crate::plan::files::LinkChange;
use crate::plan::{Desired, Ledger, link_to};
use crate::system::fs;
use crate::system::lock::Lock;
use crate::system::service::ManagerKind;

/// Why [`act`] has not started an agent that a command has stopped meanwhile.
pub const HELD: &str = "it is to be held by now";

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    Start,
    Stop,
    Restart,
}

impl Verb {
    /// The word on the command line.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Restart => "restart",
        }
    }

    fn done(self) -> &'static str {
        match self {
            Self::Start => "started",
            Self::Stop => "stopped",
            Self::Restart => "restarted",
        }
    }
}

/// Does `verb` to `agents`, which the ledger knows, wave by wave. The caller holds the fleet's lock.
///
/// # Errors
/// When the ledger cannot be saved. What happens to single agents is in the report.
pub fn run(
    state: &State,
    chosen: &Chosen,
    ledger: &mut Ledger,
    waves: &[Vec<AgentName>],
    verb: Verb,
    fresh: bool,
) -> Result<Report, ApplyError> {
    if verb != Verb::Stop && !state.paths.bin().join("fleet-shim").is_file() {
        // Before anything is stopped that could not be started again.
        super::binaries::refresh(&state.paths.bin())?.sync()?;
    }
    let mut report = Report { generation: ledger.generation, ..Report::default() };
    let mut order: Vec<&Vec<AgentName>> = waves.iter().collect();
    if verb == Verb::Stop {
        order.reverse();
    }
    for wave in order {
        // The wish is written before it is carried out: a crash in between leaves the machine to be brought along by
        // the next apply, never an agent that comes back although it was stopped.
        for name in wave {
            // A stop strikes out whatever start is left over; the others note theirs until the agent runs.
            match verb {
                Verb::Stop => drop(fs::remove_file_if_present(&state.pending_path(name))?),
                Verb::Start | Verb::Restart => {
                    state.note_fresh(name, NoteKind::Unfinished, STARTING, fresh)?;
                    // Whoever starts it by hand wants what the roster says first, also if the supervisor is quicker.
                    if verb == Verb::Restart || !is_up(state, name) {
                        state.note_model(name, None)?;
                    }
                }
            }
            want(state, chosen, ledger, name, verb)?;
        }
        match state.save(ledger) {
            // Whoever stops agents because the disk is full must be able to.
            Err(error) if verb == Verb::Stop => {
                let what = format!("stopped, but not noted as held: {error}");
                report.stopped = Some((
                    what,
                    Some("stop them again when there is room, so that a reboot does not start them".to_owned()),
                ));
            }
            other => other?,
        }
        let (locks, names) = lock(state, wave, verb.word(), &mut report);
        carry_out(state, chosen, names, verb, &mut report);
        drop(locks);
    }
    Ok(report)
}

fn want(state: &State, chosen: &Chosen, ledger: &mut Ledger, name: &AgentName, verb: Verb) -> Result<(), ApplyError> {
    let autostart = state.manifest(name).is_none_or(|manifest| manifest.policy.autostart);
    let supervised = ledger.is_supervised();
    let Some(entry) = ledger.agents.get_mut(name) else { return Ok(()) };
    entry.desired = if verb == Verb::Stop { Desired::Held } else { Desired::Running };
    if chosen.manager.kind() == ManagerKind::Systemd && !supervised {
        let unit = UnitName::agent(&state.fleet, name);
        let path = state.paths.wants(UnitName::target(&state.fleet).as_str(), &unit);
        let change = if entry.desired == Desired::Running && autostart {
            LinkChange::Write { path, to: link_to(&unit) }
        } else {
            LinkChange::Remove { path }
        };
        change_links(&[change], &mut entry.links)?;
    }
    Ok(())
}

/// Does `verb` to agents side by side, without a change of what the ledger wants. For the supervisor, which holds no lock of
/// the fleet's: each agent's own lock decides between it and a command, and an agent that a command has stopped meanwhile is
/// not started. One outcome per agent, in their order.
pub fn act(state: &State, chosen: &Chosen, agents: &[AgentName], verb: Verb) -> Vec<Result<(), String>> {
    let mut report = Report::default();
    let (locks, mut names) = lock(state, agents, SUPERVISE, &mut report);
    if verb == Verb::Start {
        // Commands write the wish before they ask for the lock: what it says now goes before what it said at the decision.
        let ledger = state.ledger();
        names.retain(|name| match &ledger {
            Ok(Some(ledger)) if ledger.agents.get(*name).is_some_and(|entry| entry.desired == Desired::Running) => {
                true
            }
            Err(error) => {
                report.put(name, Outcome::Failed { what: error.to_string(), help: None });
                false
            }
            Ok(_) => {
                report.put(name, Outcome::Failed { what: HELD.to_owned(), help: None });
                false
            }
        });
    }
    carry_out(state, chosen, names, verb, &mut report);
    drop(locks);
    let outcome = |name: &AgentName| match report.agents.get(name) {
        Some(Outcome::Done(_)) => Ok(()),
        Some(Outcome::Failed { what, .. }) => Err(what.clone()),
        _ => Err("nothing was done".to_owned()),
    };
    agents.iter().map(outcome).collect()
}

/// Takes each agent's lock. Those that it cannot have are noted as failed.
fn lock<'a>(
    state: &State,
    wave: &'a [AgentName],
    command: &str,
    report: &mut Report,
) -> (Vec<Lock>, Vec<&'a AgentName>) {
    let mut locks = Vec::new();
    let mut names = Vec::new();
    // Everybody in one order, so that two who want the same agents never wait for each other.
    let mut wave: Vec<&AgentName> = wave.iter().collect();
    wave.sort();
    for name in wave {
        match state.lock_agent(name, command, locks.first()) {
            Ok(lock) => {
                locks.push(lock);
                names.push(name);
            }
            Err(error) => report.put(name, Outcome::Failed { what: error.to_string(), help: error.help() }),
        }
    }
    (locks, names)
}

/// Whether its shim lives.
fn is_up(state: &State, name: &AgentName) -> bool {
    state.run(name).is_some_and(|run| crate::system::proc::is_alive(&run.shim))
}

/// The caller holds the agents' locks.
fn carry_out(state: &State, chosen: &Chosen, mut names: Vec<&AgentName>, verb: Verb, report: &mut Report) {
    let unit = |name: &&AgentName| UnitName::agent(&state.fleet, name);
    if verb != Verb::Start && !names.is_empty() {
        let timeout = names.iter().map(|name| stop_timeout(state.manifest(name).as_ref())).max();
        let units: Vec<_> = names.iter().map(unit).collect();
        let results = chosen.manager.stop_many(&units, timeout.unwrap_or(START_TIMEOUT));
        note(&names, results, verb, report);
        names.retain(|name| !report.has_failed(name));
        for name in &names {
            if let Err(error) = state.clear_runtime(name) {
                report.put(name, Outcome::Failed { what: error.to_string(), help: error.help() });
            }
        }
    }
    if verb == Verb::Start {
        let up = |name: &AgentName| is_up(state, name);
        for name in names.iter().filter(|name| up(name)) {
            let socket = state.paths.socket(name).exists();
            let what = if socket {
                "runs already"
            } else {
                "runs already, but its socket is gone: `fleet restart` brings it back"
            };
            report.put(name, Outcome::Done(what.to_owned()));
            state.strike(name);
        }
        names.retain(|name| !up(name));
    }
    if verb != Verb::Stop && !names.is_empty() {
        for name in &names {
            if let Err(error) = state.honour_fresh(name) {
                report.put(name, Outcome::Failed { what: error.to_string(), help: error.help() });
            }
        }
        names.retain(|name| !report.has_failed(name));
        let units: Vec<_> = names.iter().map(unit).collect();
        let words: Vec<_> = names.iter().map(|name| Words::listen(state, name)).collect();
        let mut results = chosen.manager.start_many(&units, START_TIMEOUT);
        for (result, words) in results.iter_mut().zip(words) {
            if let Err(error) = result {
                error.message = words.after(std::mem::take(&mut error.message));
            }
        }
        note(&names, results, verb, report);
    }
    for name in names.iter().filter(|name| !report.has_failed(name)) {
        state.strike(name);
    }
}

fn note(
    names: &[&AgentName],
    results: Vec<Result<(), crate::system::service::ManagerError>>,
    verb: Verb,
    report: &mut Report,
) {
    for (name, result) in names.iter().zip(results) {
        let outcome = match result {
            Ok(()) => Outcome::Done(verb.done().to_owned()),
            Err(error) => Outcome::Failed { what: error.to_string(), help: error.help },
        };
        report.put(name, outcome);
    }
}
