//! What people, programs and agents ask of the supervisor.

use std::collections::BTreeSet;

use super::Machine;
use super::clock::{Millis, Moment};
use super::decision::{Act, Level, Rule};
use super::event::{Caller, ReportKind, Request};
use super::timers::Timer;
use crate::ids::AgentName;

/// No digest comes more often, in milliseconds.
const SHORTEST_DIGEST: Millis = 60_000;

impl Machine {
    pub(super) fn request(&mut self, now: Moment, request: Request) {
        match request {
            Request::Send { message } => self.send(now, message),
            Request::Recall { id } => self.recall(now, &id),
            Request::Clear { agents, caller } => self.clear(now, &agents, &caller),
            Request::ClearJournalLost => {
                if self.journal_lost.take().is_some() {
                    self.decide(None, Rule::Clear, "the loss of the journal is cleared".to_owned(), vec![]);
                    self.touched.extend(self.agents.keys().cloned());
                }
            }
            Request::Announce { agent, verb } => self.announce(now, &agent, verb),
            Request::Proposed { agent, id, kind, title } => {
                let text = format!("{agent} proposes ({kind} {id}): {title}; `fleet propose show {id}` tells more");
                self.notify(Some(&agent), Rule::Proposal, Level::Action, text);
            }
            Request::Accepted { agent, id, title } => {
                let text = format!(
                    "{agent} accepted {id}, which stays inside the envelope of `compose`: {title}; `fleet plan` shows what it changes"
                );
                self.notify(Some(&agent), Rule::Proposal, Level::Warning, text);
            }
        }
    }

    fn clear(&mut self, now: Moment, agents: &BTreeSet<AgentName>, caller: &Caller) {
        if let Caller::Agent { agent } = caller {
            let text = format!("{agent} asked to clear a quarantine, which only a person may");
            self.notify(Some(agent), Rule::Refused, Level::Warning, text);
            return;
        }
        let names = if agents.is_empty() { self.agents.keys().cloned().collect() } else { agents.clone() };
        for name in names {
            let Some(agent) = self.agents.get_mut(&name) else { continue };
            let memory = &mut agent.memory;
            let quarantined = memory.quarantine.take().is_some();
            let waits = memory.back_off_until.take().is_some();
            let blocked = agent.report.as_ref().is_some_and(|report| report.kind == ReportKind::Blocked);
            if blocked {
                agent.report = None;
            }
            let counted =
                !memory.restarts.is_empty() || memory.attempt > 0 || memory.model > 0 || !memory.starts.is_empty();
            if !(quarantined || waits || counted || blocked) {
                continue;
            }
            let first = agent.policy.link(0).filter(|_| memory.fell_back.is_some());
            let again =
                first.map_or_else(String::new, |link| format!("; from its next start on it uses {}", link.name));
            let first_model = (memory.model > 0).then(|| Act::Fallback { agent: name.clone(), model: 0, note: None });
            (memory.attempt, memory.rapid, memory.model) = (0, 0, 0);
            memory.fell_back = None;
            memory.restarts.clear();
            memory.starts.clear();
            memory.told.clear();
            agent.counted = false;
            if let Some(why) = &mut agent.start {
                "cleared by hand".clone_into(why);
            }
            self.touched.insert(name.clone());
            self.timers.clear(&name, Timer::BackOff);
            let reason = format!("cleared by hand: its restarts are forgotten{again}");
            self.decide(Some(&name), Rule::Clear, reason, first_model.into_iter().collect());
            if quarantined || waits {
                self.want_start(&name, "cleared by hand");
            }
        }
        self.start_waiting(now);
    }

    /// Sets the time of an enhancer's next digest.
    pub(super) fn arm_digest(&mut self, now: Moment, name: &AgentName) {
        let Some(agent) = self.agents.get(name) else { return };
        let Some(every) = agent.policy.digest_ms else {
            self.timers.clear(name, Timer::Digest);
            return;
        };
        let every = every.max(SHORTEST_DIGEST);
        let agent = self.agents.get_mut(name).expect("looked up above");
        let passed = now.wall.saturating_sub(*agent.memory.digest_at.get_or_insert(now.wall));
        self.timers.set(name, Timer::Digest, now.awake + every.saturating_sub(passed));
    }

    pub(super) fn digest(&mut self, now: Moment, name: &AgentName) {
        self.with(name, |agent| agent.memory.digest_at = Some(now.wall));
        self.decide(
            Some(name),
            Rule::Digest,
            "its digest is due".to_owned(),
            vec![Act::Digest { agent: name.clone() }],
        );
        self.arm_digest(now, name);
    }
}
