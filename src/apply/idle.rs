//! Waiting for a quiet moment to restart an agent.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::state::State;
use crate::ids::AgentName;
use crate::manifest::PatternKind;
use crate::plan::show::plural;
use crate::shim::client;
use crate::shim::protocol;

/// How often the shims are asked while waiting. One request each, answered without a fork.
const PACE: Duration = Duration::from_millis(250);
/// Longest wait for one round of answers.
const ANSWER: Duration = Duration::from_secs(5);

/// What `--restart=` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestartMode {
    /// When the agent is idle, else later.
    Idle,
    Now,
    /// Always later.
    Never,
}

/// What the caller decided.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    pub restart: RestartMode,
    /// Whoever is started begins a new conversation.
    pub fresh: bool,
    /// Longest wait for an idle agent.
    pub wait: Duration,
}

/// Calls `restart` with agents the moment they are seen idle (or gone), and returns why the others have to wait.
pub fn each_idle<'a>(
    state: &State,
    agents: &[&'a AgentName],
    options: Options,
    progress: &dyn Fn(&str),
    restart: &mut dyn FnMut(&[&'a AgentName]),
) -> BTreeMap<&'a AgentName, String> {
    let mut later = BTreeMap::new();
    let mut waiting: Vec<&AgentName> = Vec::new();
    match options.restart {
        RestartMode::Now => {
            if !agents.is_empty() {
                restart(agents);
            }
            return later;
        }
        RestartMode::Never => {
            return agents.iter().map(|name| (*name, "left for later by --restart=never".to_owned())).collect();
        }
        RestartMode::Idle => {
            for name in agents {
                if can_show_idle(state, name) {
                    waiting.push(name);
                } else {
                    let why = "its runtime cannot show that it is idle; `--restart=now` restarts it anyway";
                    later.insert(*name, why.to_owned());
                }
            }
        }
    }
    let deadline = Instant::now() + options.wait;
    let mut told = false;
    while !waiting.is_empty() {
        let (idle, busy) = look(state, &waiting);
        if !idle.is_empty() {
            restart(&idle);
        }
        if Instant::now() >= deadline {
            let wait = options.wait.as_secs();
            let why = |reason| format!("not idle within {wait} s ({reason}); the next `fleet apply` tries again");
            later.extend(busy.into_iter().map(|(name, reason)| (name, why(reason))));
            break;
        }
        waiting = busy.into_iter().map(|(name, _)| name).collect();
        if !told && !waiting.is_empty() {
            let names: Vec<_> = waiting.iter().map(|name| name.as_str()).collect();
            let count = plural(names.len(), "agent", "agents");
            progress(&format!(
                "waiting up to {} s for {count} to be idle: {}",
                options.wait.as_secs(),
                names.join(", ")
            ));
            told = true;
        }
        if !waiting.is_empty() {
            std::thread::sleep(PACE);
        }
    }
    later
}

/// Which of `agents` may be interrupted this moment, and what the others do.
fn look<'a>(state: &State, agents: &[&'a AgentName]) -> (Vec<&'a AgentName>, Vec<(&'a AgentName, String)>) {
    let sockets: Vec<PathBuf> = agents.iter().map(|name| state.paths.socket(name)).collect();
    let mut idle = Vec::new();
    let mut busy = Vec::new();
    for (name, answer) in agents.iter().zip(client::status_all(&sockets, ANSWER)) {
        match answer {
            Ok(status) if status.state == protocol::State::Idle => idle.push(*name),
            // Gone meanwhile: there is nobody to interrupt.
            Err(error) if error.has_ended() => idle.push(*name),
            Ok(status) => busy.push((*name, status.reason)),
            Err(error) => busy.push((*name, error.to_string())),
        }
    }
    (idle, busy)
}

/// Waits until all of `agents` are idle in one and the same moment.
///
/// # Errors
/// The first that is not, and why.
pub fn all_idle(
    state: &State,
    agents: &[&AgentName],
    options: Options,
    progress: &dyn Fn(&str),
) -> Result<(), (AgentName, String)> {
    if options.restart == RestartMode::Now {
        return Ok(());
    }
    let deadline = Instant::now() + options.wait;
    progress("waiting until all agents are idle");
    loop {
        let (_, busy) = look(state, agents);
        let Some((name, reason)) = busy.into_iter().next() else { return Ok(()) };
        if Instant::now() >= deadline || options.restart == RestartMode::Never || !can_show_idle(state, name) {
            return Err((name.clone(), reason));
        }
        std::thread::sleep(PACE);
    }
}

/// Whether the agent's patterns, as it was started with them, can tell idle from busy.
fn can_show_idle(state: &State, agent: &AgentName) -> bool {
    state
        .manifest_in_use(agent)
        .is_some_and(|manifest| manifest.policy.patterns.iter().any(|pattern| pattern.kind == PatternKind::Idle))
}
