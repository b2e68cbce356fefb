//! Decisions of one moment: what changed about an agent goes with the decision that changed it.

use std::collections::BTreeSet;

use super::Machine;
use super::agent::Phase;
use super::clock::Moment;
use super::decision::{Act, Decision, Effect, EffectId, Level, Rule};
use super::message::Message;
use super::sight::assess;
use super::standing::Standing;
use crate::ids::AgentName;

#[derive(Debug, Default)]
pub(super) struct Batch {
    done: Vec<Decision>,
    /// Of the present event.
    fresh: Vec<Decision>,
}

impl Batch {
    pub(super) fn take(&mut self) -> Vec<Decision> {
        std::mem::take(&mut self.done)
    }
}

impl Machine {
    /// Decides something. Returns the numbers of its effects.
    pub(super) fn decide(
        &mut self,
        agent: Option<&AgentName>,
        rule: Rule,
        reason: String,
        acts: Vec<Act>,
    ) -> Vec<EffectId> {
        let effects: Vec<Effect> = acts.into_iter().map(|act| Effect { id: self.number(), act }).collect();
        let ids = effects.iter().map(|effect| effect.id).collect();
        self.batch.fresh.push(Decision {
            agent: agent.cloned(),
            rule,
            reason,
            effects,
            standing: None,
            memory: None,
            messages: vec![],
        });
        ids
    }

    pub(super) fn number(&mut self) -> EffectId {
        self.next_effect += 1;
        self.next_effect - 1
    }

    /// Tells people once, until [`forget_told`](Self::forget_told).
    pub(super) fn tell_once(&mut self, agent: &AgentName, what: &str, rule: Rule, level: Level, text: String) {
        let Some(known) = self.agents.get_mut(agent) else { return };
        if known.memory.told.insert(what.to_owned()) {
            self.notify(Some(agent), rule, level, text);
        }
    }

    pub(super) fn forget_told(&mut self, agent: &AgentName, what: &[&str]) {
        if let Some(known) = self.agents.get_mut(agent) {
            known.memory.told.retain(|word| !what.contains(&word.as_str()));
        }
    }

    /// Tells people.
    pub(super) fn notify(&mut self, agent: Option<&AgentName>, rule: Rule, level: Level, text: String) {
        self.decide(agent, rule, text.clone(), vec![Act::Notify { level, text }]);
    }

    /// A message as it is from now on.
    pub(super) fn keep_message(&mut self, agent: &AgentName, rule: Rule, reason: String, message: Message) {
        self.decide(Some(agent), rule, reason, vec![]);
        if let Some(decision) = self.batch.fresh.last_mut() {
            decision.messages.push(message);
        }
    }

    /// Attaches a message to the decision just made.
    pub(super) fn attach_message(&mut self, message: Message) {
        if let Some(decision) = self.batch.fresh.last_mut() {
            decision.messages.push(message);
        }
    }

    /// Ends an event: states are assessed anew, what changed goes with the decisions, and what waited for it happens.
    pub(super) fn settle(&mut self, now: Moment) {
        // What a new state sets free may decide something itself, a few times at most.
        for _ in 0..8 {
            self.note_starts();
            let seen = std::mem::take(&mut self.touched);
            if seen.is_empty() {
                break;
            }
            let (changed, looked_at) = self.assess_all(now, &seen);
            for name in changed.iter().chain(&looked_at) {
                self.entered(now, name);
            }
            if !changed.is_empty() {
                self.start_waiting(now);
            }
            for name in &seen {
                self.restart_when_idle(now, name);
                self.arm_idle(now, name);
                self.deliver(now, name);
            }
        }
        self.attach(now);
        self.batch.done.append(&mut self.batch.fresh);
    }

    /// Takes the new state of those about whom anything can have changed. Returns those whose state is another one, and those
    /// that were looked at for the first time and are what the supervisor before knew.
    fn assess_all(&mut self, now: Moment, seen: &BTreeSet<AgentName>) -> (Vec<AgentName>, Vec<AgentName>) {
        let (mut changed, mut looked_at) = (Vec::new(), Vec::new());
        for name in seen {
            let Some(agent) = self.agents.get_mut(name) else { continue };
            if !self.looked && matches!(agent.phase, Phase::Gone(_)) {
                // What is to become of it is decided when all has been looked at.
                continue;
            }
            let (state, reason) = assess(agent, now);
            let first_look = std::mem::take(&mut agent.first_look);
            if agent.standing.state == state {
                agent.standing.reason = reason;
                if first_look {
                    looked_at.push(name.clone());
                }
                continue;
            }
            let old = agent.standing.state.word();
            agent.standing = Standing { state, reason, since: now.wall };
            agent.memory.standing = Some(agent.standing.clone());
            let words = format!("{old} → {}: {}", agent.standing.state.word(), agent.standing.reason);
            let standing = agent.standing.clone();
            if !self.batch.fresh.iter().any(|decision| decision.agent.as_ref() == Some(name)) {
                self.decide(Some(name), Rule::State, words, vec![]);
            }
            let decision = self.batch.fresh.iter_mut().rev().find(|decision| decision.agent.as_ref() == Some(name));
            if let Some(decision) = decision {
                decision.standing = Some(standing);
            }
            changed.push(name.clone());
        }
        (changed, looked_at)
    }

    /// Memories that differ from what the journal has go with the last decision about their agent.
    fn attach(&mut self, now: Moment) {
        for at in (0..self.batch.fresh.len()).rev() {
            let Some(name) = self.batch.fresh[at].agent.clone() else { continue };
            let Some(agent) = self.agents.get_mut(&name) else { continue };
            agent.keep(now);
            if agent.memory != agent.saved {
                agent.saved = agent.memory.clone();
                self.batch.fresh[at].memory = Some(Box::new(agent.memory.clone()));
            }
        }
    }

    /// What a state that was just entered sets free.
    fn entered(&mut self, now: Moment, name: &AgentName) {
        self.told_of(now, name);
        self.look_for_residents(now, name);
        self.arm_stall(now, name);
        self.arm_limit(now, name);
    }
}
