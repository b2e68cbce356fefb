//! What an apply does to processes: tells, starts and restarts them, each in its moment.

use std::collections::BTreeSet;
use std::time::Duration;

use super::ApplyError;
use super::execute::{Apply, START_TIMEOUT, list};
use super::idle;
use super::outcome::{Outcome, Report};
use super::state::{NoteKind, STARTING};
use super::words::Words;
use crate::ids::AgentName;
use crate::parallel::in_parts;
use crate::plan::{Action, AgentPlan, Ledger, Plan, Process, waves};
use crate::shim::client;
use crate::system::lock::Lock;

/// Longest wait for a shim's answer.
const SHIM_TIMEOUT: Duration = Duration::from_secs(5);
/// Below so many agents a thread costs more than it saves: an agent takes some 100 µs to note and lock.
const AGENTS_PER_THREAD: usize = 16;

impl Apply<'_> {
    pub(super) fn processes(&self, plan: &Plan, ledger: &mut Ledger, report: &mut Report) {
        let noted = self.state.noted();
        let settled = |agent: &&AgentPlan| !agent.pending && agent.process != Process::Restart;
        for agent in plan.agents.iter().filter(settled).filter(|agent| noted.contains(&agent.name)) {
            self.state.strike_restart(&agent.name);
            let keeps = agent.running && matches!(agent.process, Process::Keep | Process::Live);
            if keeps && !plan.withheld.contains(&agent.name) {
                // Whoever started it was killed before the note could go. It would start the agent again long after, when
                // it has finished or was stopped by hand.
                self.state.strike(&agent.name);
            }
        }
        for agent in plan.agents.iter().filter(|agent| agent.process == Process::Live) {
            if !report.has_failed(&agent.name) {
                self.tell(&agent.name, report);
            }
        }
        let restarts: Vec<&AgentPlan> = plan
            .agents
            .iter()
            .filter(|agent| agent.process == Process::Restart || (agent.pending && agent.process == Process::Keep))
            .filter(|agent| !report.has_failed(&agent.name))
            .collect();
        let moving = self.old.is_some();
        let starts: BTreeSet<AgentName> = plan
            .agents
            .iter()
            .filter(|agent| agent.process == Process::Start || (moving && agent.process == Process::Restart))
            .filter(|agent| !report.has_failed(&agent.name))
            .map(|agent| agent.name.clone())
            .collect();
        for wave in waves::waves(self.fleet, &starts) {
            // One that is on its way out is waited for.
            let ending =
                |name: &AgentName| plan.agents.iter().any(|agent| agent.name == *name && agent.running && !moving);
            let (stopping, resting): (Vec<_>, Vec<_>) = wave.into_iter().partition(ending);
            self.start_wave(&stopping, true, report);
            self.start_wave(&resting, false, report);
        }
        if !moving {
            let names: Vec<&AgentName> = restarts.iter().map(|agent| &agent.name).collect();
            // Each is restarted in the moment it is seen idle: a minute later it may be at work again.
            let later = idle::each_idle(self.state, &names, self.options, self.progress, &mut |idle| {
                let batch: BTreeSet<AgentName> = idle.iter().map(|name| (*name).clone()).collect();
                for wave in waves::waves(self.fleet, &batch) {
                    self.start_wave(&wave, true, report);
                }
            });
            for (name, why) in later {
                match self.state.note_fresh(name, NoteKind::Restart, &why, self.options.fresh) {
                    Ok(()) => report.put(name, Outcome::Pending(why)),
                    Err(error) => report.put(name, Outcome::Failed { what: error.to_string(), help: error.help() }),
                }
            }
        }
        for agent in &plan.agents {
            if agent.action == Action::Add || agent.action == Action::Change {
                let done = if agent.process == Process::Keep { "files written" } else { agent.process.word() };
                if !report.agents.contains_key(&agent.name) {
                    report.put(&agent.name, Outcome::Done(done.to_owned()));
                }
            }
            if let Some(entry) = ledger.agents.get_mut(&agent.name) {
                entry.desired = agent.desired;
            }
        }
    }

    fn tell(&self, name: &AgentName, report: &mut Report) {
        match client::reload(&self.state.paths.socket(name), SHIM_TIMEOUT) {
            Ok(()) => report.put(name, Outcome::Done("live".to_owned())),
            Err(error) => {
                let what = format!("its shim did not take the new policy: {error}");
                report.put(name, Outcome::Failed { what, help: Some("run `fleet apply` again".to_owned()) });
            }
        }
    }

    /// Notes of each agent that it is being started, and takes its lock; of many side by side.
    fn note_and_lock(&self, wave: &[AgentName]) -> Vec<Result<Lock, ApplyError>> {
        let (state, fresh) = (self.state, self.options.fresh);
        let one = |name: &AgentName, like: Option<&Lock>| {
            let fresh = fresh || state.wants_fresh(name);
            state.note_fresh(name, NoteKind::Unfinished, STARTING, fresh)?;
            state.lock_agent(name, "fleet apply", like)
        };
        let Some((first, rest)) = wave.split_first() else { return Vec::new() };
        let first = one(first, None);
        let like = first.as_ref().ok();
        let others =
            in_parts(rest, AGENTS_PER_THREAD, |part| part.iter().map(|name| one(name, like)).collect::<Vec<_>>());
        let others: Vec<_> = others.into_iter().flatten().collect();
        std::iter::once(first).chain(others).collect()
    }

    /// Starts agents side by side, after stopping them when it is a restart.
    fn start_wave(&self, wave: &[AgentName], restart: bool, report: &mut Report) {
        let mut locks = Vec::new();
        let mut held: Vec<&AgentName> = Vec::new();
        for (name, lock) in wave.iter().zip(self.note_and_lock(wave)) {
            match lock {
                Ok(lock) => {
                    locks.push(lock);
                    held.push(name);
                }
                Err(error) => report.put(name, Outcome::Failed { what: error.to_string(), help: error.help() }),
            }
        }
        if restart {
            self.stop(&held, report);
        }
        for name in &held {
            if let Err(error) = self.state.honour_fresh(name) {
                report.put(name, Outcome::Failed { what: error.to_string(), help: error.help() });
            }
        }
        held.retain(|name| !report.has_failed(name));
        if held.is_empty() {
            return;
        }
        (self.progress)(&format!("starting {}", list(&held)));
        let units: Vec<_> = held.iter().map(|name| self.unit(name)).collect();
        let words: Vec<_> = held.iter().map(|name| Words::listen(self.state, name)).collect();
        let results = self.chosen.manager.start_many(&units, START_TIMEOUT);
        for ((name, result), words) in held.iter().zip(results).zip(words) {
            match result {
                Ok(()) => {
                    self.state.strike(name);
                    let word = if restart { "restarted" } else { "started" };
                    report.put(name, Outcome::Done(word.to_owned()));
                }
                Err(error) => {
                    let help = error.help.clone();
                    report.put(name, Outcome::Failed { what: words.after(error.to_string()), help });
                }
            }
        }
    }
}
