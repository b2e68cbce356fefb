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
    /// Longest wait for an idle agent.
    pub wait: Duration,
}

/// For each agent: `Ok` when it may be restarted now, or why it has to wait.
pub fn await_idle<'a>(
    state: &State,
    agents: &[&'a AgentName],
    options: Options,
    progress: &dyn Fn(&str),
) -> BTreeMap<&'a AgentName, Result<(), String>> {
    match options.restart {
        RestartMode::Now => return agents.iter().map(|name| (*name, Ok(()))).collect(),
        RestartMode::Never => {
            let why = || Err("left for later by --restart=never".to_owned());
            return agents.iter().map(|name| (*name, why())).collect();
        }
        RestartMode::Idle => {}
    }
    let mut verdicts = BTreeMap::new();
    let mut waiting: Vec<&AgentName> = Vec::new();
    for name in agents {
        if can_show_idle(state, name) {
            waiting.push(name);
        } else {
            let why = "its runtime cannot show that it is idle; `--restart=now` restarts it anyway";
            verdicts.insert(*name, Err(why.to_owned()));
        }
    }
    let deadline = Instant::now() + options.wait;
    let mut told = false;
    loop {
        let sockets: Vec<PathBuf> = waiting.iter().map(|name| state.paths.socket(name)).collect();
        let answers = client::status_all(&sockets, ANSWER);
        let mut still = Vec::new();
        for (name, answer) in waiting.into_iter().zip(answers) {
            match answer {
                Ok(status) if status.state == protocol::State::Idle => {
                    verdicts.insert(name, Ok(()));
                }
                // Gone meanwhile: there is nobody to interrupt.
                Err(error) if error.has_ended() => {
                    verdicts.insert(name, Ok(()));
                }
                Ok(status) => still.push((name, status.reason)),
                Err(error) => still.push((name, error.to_string())),
            }
        }
        if still.is_empty() || Instant::now() >= deadline {
            for (name, reason) in still {
                let why = format!(
                    "not idle within {} s ({reason}); the next `fleet apply` tries again",
                    options.wait.as_secs()
                );
                verdicts.insert(name, Err(why));
            }
            return verdicts;
        }
        if !told {
            let names: Vec<_> = still.iter().map(|(name, _)| name.as_str()).collect();
            let count = plural(names.len(), "agent", "agents");
            progress(&format!(
                "waiting up to {} s for {count} to be idle: {}",
                options.wait.as_secs(),
                names.join(", ")
            ));
            told = true;
        }
        waiting = still.into_iter().map(|(name, _)| name).collect();
        std::thread::sleep(PACE);
    }
}

/// Whether the agent's patterns, as it was started with them, can tell idle from busy.
fn can_show_idle(state: &State, agent: &AgentName) -> bool {
    state
        .manifest(agent)
        .is_some_and(|manifest| manifest.policy.patterns.iter().any(|pattern| pattern.kind == PatternKind::Idle))
}
