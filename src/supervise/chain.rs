//! Chains of models: which one an agent uses, and when it goes on with another.

use super::Machine;
use super::agent::{Agent, Phase};
use super::clock::Moment;
use super::decision::{Act, Rule};
use super::event::Run;
use super::policy::{Heartbeat, Link};
use crate::ids::AgentName;
use crate::manifest::{BusyInput, FORMAT, ModelName, ModelNote};

impl Machine {
    /// Goes on with the next model of the chain, if there is one. Whether it did. `cause` is the shortest word for `why`.
    pub(super) fn fall_back(&mut self, now: Moment, name: &AgentName, why: &str, cause: &str) -> bool {
        let lost = self.journal_lost.is_some();
        let Some(agent) = self.agents.get_mut(name) else { return false };
        let Some(model) = agent.next_model().filter(|_| !lost) else { return false };
        let mut reason = format!("{why}; goes on with model {} of its chain", model + 1);
        let from = agent.policy.link(agent.last_used());
        let note = from.zip(agent.policy.link(model)).map(|(from, to)| {
            let same = to.resumes && from.name.runtime == to.name.runtime;
            let talk = if same { "resumes the conversation" } else { "loses the conversation" };
            reason += &format!(", {}, instead of {}; a restart {talk}", to.name, from.name);
            ModelNote { format: FORMAT, to: to.name.clone(), from: from.name.clone(), why: cause.to_owned() }
        });
        agent.memory.model = model;
        agent.memory.fell_back.clone_from(&note);
        agent.memory.restarting = Some(reason.clone());
        let running = agent.is_running();
        let mut acts = vec![Act::Fallback { agent: name.clone(), model, note: note.map(Box::new) }];
        if !running {
            // Of one that runs it is taken before the stop.
            acts.insert(0, Act::Snapshot { agent: name.clone(), why: reason.clone() });
        }
        self.decide(Some(name), Rule::Fallback, reason.clone(), acts);
        if running {
            self.stop(now, name, Rule::Fallback, reason, true);
        } else {
            self.want_start(name, &reason);
        }
        true
    }

    /// A run is there that nobody had seen, started `with` this model. `ours`: the supervisor has started it.
    pub(super) fn met_model(&mut self, name: &AgentName, with: Option<&ModelName>, ours: bool) {
        let Some(agent) = self.agents.get_mut(name) else { return };
        let Some(used) = with.and_then(|with| agent.policy.place(with)) else { return };
        let meant = agent.memory.model;
        let name_of = |place| agent.policy.link(place).map(|link| link.name.clone());
        let (Some(first), Some(with)) = (name_of(0), name_of(used)) else { return };
        if used == meant {
            return;
        }
        if ours && used < meant {
            // Whoever started it did not follow the note. It is not forgotten: there would be no end of the chain.
            let wanted = name_of(meant).map_or_else(String::new, |name| format!(", although {name} was noted"));
            self.decide(Some(name), Rule::State, format!("it was started with {with}{wanted}"), vec![]);
        } else if used > 0 {
            // A note of which this journal knows nothing.
            agent.memory.model = used;
            let why = "noted before".to_owned();
            agent.memory.fell_back = Some(ModelNote { format: FORMAT, to: with, from: first, why });
        } else {
            self.first_model(name, format!("started by hand: with its first model, {first}"));
        }
    }

    /// Somebody wants it to run that had been stopped on purpose: with its first model.
    pub(super) fn wanted_by_hand(&mut self, name: &AgentName) {
        let Some(agent) = self.agents.get(name).filter(|agent| agent.memory.fell_back.is_some()) else { return };
        let first = agent.policy.link(0).map_or_else(String::new, |link| format!(", {}", link.name));
        self.first_model(name, format!("it is not held any more: with its first model{first}"));
    }

    /// From its next start on it uses the first model of its chain.
    fn first_model(&mut self, name: &AgentName, why: String) {
        let Some(agent) = self.agents.get_mut(name) else { return };
        agent.memory.model = 0;
        agent.memory.fell_back = None;
        let act = Act::Fallback { agent: name.clone(), model: 0, note: None };
        self.decide(Some(name), Rule::Fallback, why, vec![act]);
    }

    /// The chain may be another one now: what is noted keeps its name, not its place.
    pub(super) fn place_model(&mut self, name: &AgentName) {
        let Some(agent) = self.agents.get_mut(name) else { return };
        let Some(noted) = agent.memory.fell_back.as_ref().map(|note| note.to.clone()) else { return };
        let first = agent.policy.link(0).map_or_else(|| agent.policy.runtime.clone(), |link| link.name.to_string());
        match agent.policy.place(&noted) {
            Some(place) if place > 0 => agent.memory.model = place,
            Some(_) => self.first_model(name, format!("{noted} is the first model of its chain now")),
            None => self.first_model(
                name,
                format!("{noted} is not in its chain any more: from its next start on it uses {first}"),
            ),
        }
    }
}

impl Agent {
    /// The model that its run uses, or, at rest, that its next one will.
    fn in_use(&self) -> u32 {
        let of = |run: &Run| run.with.as_ref().and_then(|with| self.policy.place(with));
        match &self.phase {
            Phase::Running(run) | Phase::Stopping { run, .. } => of(run).unwrap_or(0),
            _ => self.memory.model,
        }
    }

    /// The model that its run uses, or that its last one used.
    fn last_used(&self) -> u32 {
        let last = self.memory.run.as_ref().and_then(|run| run.with.as_ref());
        last.and_then(|with| self.policy.place(with)).unwrap_or(self.memory.model)
    }

    /// The model that it falls back to. Never one before: each that fails is tried once.
    pub(super) fn next_model(&self) -> Option<u32> {
        let next = self.memory.model.max(self.last_used()).saturating_add(1);
        (next <= self.policy.fallbacks).then_some(next)
    }

    fn link(&self) -> Option<&Link> {
        self.policy.link(self.in_use())
    }

    /// What the runtime in use reports.
    pub(super) fn heartbeat(&self) -> Heartbeat {
        self.link().map_or(self.policy.heartbeat, |link| link.heartbeat)
    }

    /// What the runtime in use does with input while a turn runs.
    pub(super) fn busy_input(&self) -> BusyInput {
        self.link().map_or(self.policy.busy_input, |link| link.busy_input)
    }

    /// Whether the runtime in use can show that it is idle.
    pub(super) fn shows_idle(&self) -> bool {
        self.link().map_or(self.policy.shows_idle, |link| link.shows_idle)
    }

    /// The runtime that it was started with last.
    pub(super) fn runtime(&self) -> &str {
        self.policy.link(self.last_used()).map_or(&self.policy.runtime, |link| &link.name.runtime)
    }

    /// Which model it uses and how it came to that, when it is not its first.
    pub(super) fn fell_back(&self) -> Option<String> {
        let link = self.link().filter(|_| self.in_use() > 0)?;
        let own = self.memory.fell_back.as_ref().filter(|note| note.to == link.name);
        Some(match own {
            Some(ModelNote { to, from, why, .. }) => format!("fell back from {from} to {to}: {why}"),
            None => format!("uses {} until its next start, then {}", link.name, self.policy.link(0)?.name),
        })
    }
}
