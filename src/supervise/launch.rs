//! Starts: who shall run and may, in which order, within which caps.

use std::collections::{BTreeSet, VecDeque};

use super::Machine;
use super::agent::{Agent, Phase};
use super::clock::{Millis, Moment};
use super::decision::{Act, Level, Rule};
use super::event::{AgentEvent, Wanted};
use super::policy::{Lifecycle, Spend};
use super::restart::DAY;
use super::standing::State;
use super::timers::Timer;
use crate::ids::AgentName;

/// Starts under way at the same time: more only make each other slow.
const AT_ONCE: usize = 16;
/// A start that takes longer than systemd waits for it, in milliseconds: `TimeoutStartSec=60s` of the unit.
const START_LIMIT: Millis = 75_000;

impl Machine {
    /// Everything was looked at: whoever shall run and does not is started now.
    pub(super) fn relisted(&mut self, now: Moment) {
        let names: Vec<AgentName> = self.agents.keys().cloned().collect();
        for name in &names {
            if self.agents[name].phase == Phase::Unseen {
                self.about(now, name, AgentEvent::Absent { lost: None });
            }
        }
        if !self.looked {
            self.looked = true;
            for name in &names {
                if matches!(self.agents[name].phase, Phase::Gone(_)) {
                    self.touched.insert(name.clone());
                    self.after_rest(now, name);
                }
            }
        }
        self.start_waiting(now);
    }

    /// An agent that was found at rest when the supervisor came.
    pub(super) fn after_rest(&mut self, now: Moment, name: &AgentName) {
        let Some(agent) = self.agents.get_mut(name) else { return };
        if agent.memory.quarantine.is_some() || agent.wanted == Wanted::Held || agent.start.is_some() {
            return;
        }
        let Phase::Gone(end) = agent.phase.clone() else { return };
        let began = end.as_ref().map(|end| end.started).or(agent.lost.as_ref().map(|run| run.started));
        if began.is_some() && began != agent.memory.acted {
            // It ended while nobody looked.
            agent.memory.acted = began;
            self.after_end(now, name, end);
            return;
        }
        if let Some(why) = agent.memory.restarting.clone() {
            self.want_start(name, &why);
            return;
        }
        if let Some(until) = agent.memory.back_off_until {
            // The wait goes on where it was, and never longer than the longest there is.
            let longest = agent.policy.restart.max_delay_ms.max(agent.policy.restart.delay_ms);
            let capped = agent.memory.told.contains(CAPPED);
            let left = until.saturating_sub(now.wall).min(if capped { DAY } else { longest + longest / 4 });
            self.want_start(name, "it died, and its wait goes on");
            self.timers.set(name, Timer::BackOff, now.awake + left);
            return;
        }
        let under_way = agent.memory.standing.as_ref().is_some_and(|standing| standing.state == State::Starting);
        if end.is_none() || under_way || matches!(agent.policy.lifecycle, Lifecycle::OnDemand { .. }) {
            self.want_start(name, "it is to run");
        }
    }

    /// Lets it be started as soon as order and caps allow, if anything wants it to run.
    pub(super) fn want_start(&mut self, name: &AgentName, why: &str) {
        let Some(agent) = self.agents.get_mut(name) else { return };
        let memory = &agent.memory;
        if agent.wanted != Wanted::Running || memory.quarantine.is_some() {
            return;
        }
        // A death, a restart that is left: those are wishes of their own.
        let asked = memory.restarting.is_some() || memory.back_off_until.is_some();
        let by_itself = match agent.policy.lifecycle {
            Lifecycle::Always => agent.policy.autostart,
            Lifecycle::OnDemand { .. } => !agent.queue.is_empty(),
        };
        if asked || by_itself {
            agent.start = Some(why.to_owned());
            self.touched.insert(name.clone());
        }
    }

    /// Starts whoever waits for it and may: in the order of `after`, a few at once, within the caps.
    pub(super) fn start_waiting(&mut self, now: Moment) {
        if !self.looked {
            return;
        }
        self.note_starts();
        let mut under_way = self.starting.len();
        let waits = |name: &&AgentName| matches!(self.agents[*name].phase, Phase::Gone(_));
        let waiting: Vec<AgentName> = self.waits.iter().filter(waits).cloned().collect();
        for name in waiting {
            if under_way >= AT_ONCE {
                return;
            }
            if self.must_wait(now, &name) {
                continue;
            }
            let Some(why) = self.agents.get_mut(&name).and_then(|agent| agent.start.clone()) else { continue };
            self.start(now, &name, &why);
            under_way += 1;
        }
    }

    /// Keeps up who waits for a start and who is being started: nothing changes that about an agent without touching it.
    pub(super) fn note_starts(&mut self) {
        let note = |names: &mut BTreeSet<AgentName>, name: &AgentName, is: bool| match is {
            true if !names.contains(name) => drop(names.insert(name.clone())),
            true => {}
            false => drop(names.remove(name)),
        };
        for name in &self.touched {
            let agent = self.agents.get(name);
            note(&mut self.waits, name, agent.is_some_and(|agent| agent.start.is_some()));
            note(&mut self.starting, name, agent.is_some_and(|agent| matches!(agent.phase, Phase::Starting(_))));
        }
        debug_assert!(self.agents.iter().all(|(name, agent)| {
            agent.start.is_some() == self.waits.contains(name)
                && matches!(agent.phase, Phase::Starting(_)) == self.starting.contains(name)
        }));
    }

    fn must_wait(&mut self, now: Moment, name: &AgentName) -> bool {
        let agent = &self.agents[name];
        if agent.announced.is_some() {
            return true;
        }
        if agent.memory.back_off_until.is_some() {
            if self.timers.has(name, Timer::BackOff) {
                return true;
            }
            self.with(name, |agent| agent.memory.back_off_until = None);
        }
        let agent = &self.agents[name];
        let mut first = agent.policy.after.iter().filter_map(|other| self.agents.get(other));
        let comes = |other: &Agent| {
            matches!(other.phase, Phase::Starting(_))
                // One that waits for a place may wait for days: nobody waits for it.
                || other.start.is_some()
                    && other.memory.back_off_until.is_none()
                    && !other.memory.told.contains(CAPPED)
        };
        if first.any(|other| comes(other)) {
            return true;
        }
        self.is_capped(now, name)
    }

    /// Whether a cap stands in the way; says so once, and tries again when it can have gone.
    fn is_capped(&mut self, now: Moment, name: &AgentName) -> bool {
        let day = now.wall.saturating_sub(DAY);
        let of_day = |starts: &VecDeque<Millis>| starts.iter().filter(|at| **at > day).count();
        let oldest = |starts: &VecDeque<Millis>| starts.iter().filter(|at| **at > day).min().copied();
        let agent = &self.agents[name];
        let own = agent.policy.spend;
        let starts = of_day(&agent.memory.starts);
        let all: usize = self.agents.values().map(|agent| of_day(&agent.memory.starts)).sum();
        let running =
            self.agents.values().filter(|agent| !matches!(agent.phase, Phase::Gone(_) | Phase::Unseen)).count();
        let over = |cap: Option<u32>, count: usize| cap.filter(|cap| count >= *cap as usize);
        let Spend { starts_per_day, concurrent, .. } = self.spend;
        let (why, free) = if let Some(cap) = over(own.starts_per_day, starts) {
            let why = format!("it was started {cap} times within a day, which is its cap");
            (why, Some(oldest(&agent.memory.starts)))
        } else if let Some(cap) = over(starts_per_day, all) {
            let first = self.agents.values().filter_map(|agent| oldest(&agent.memory.starts)).min();
            (format!("the fleet was started {cap} times within a day, which is its cap"), Some(first))
        } else if let Some(cap) = over(concurrent, running) {
            (format!("{cap} agents run, which is the fleet's cap"), None)
        } else {
            return false;
        };
        let agent = self.agents.get_mut(name).expect("looked up above");
        agent.start = Some(why.clone());
        // A place gets free when another ends; a day passes by itself.
        if let Some(first) = free {
            let wait = first.map_or(DAY, |first| (first + DAY).saturating_sub(now.wall)).clamp(60_000, DAY);
            agent.memory.back_off_until = Some(now.wall + wait);
            self.timers.set(name, Timer::BackOff, now.awake + wait);
        }
        self.touched.insert(name.clone());
        let text = format!("{name} is not started: {why}");
        self.tell_once(name, CAPPED, Rule::Spend, Level::Action, text);
        true
    }

    /// The caps may be others now.
    pub(super) fn uncap(&mut self, name: &AgentName) {
        let Some(agent) = self.agents.get_mut(name) else { return };
        if agent.start.is_some() && agent.memory.told.contains(CAPPED) {
            agent.memory.back_off_until = None;
            self.timers.clear(name, Timer::BackOff);
        }
    }

    fn start(&mut self, now: Moment, name: &AgentName, why: &str) {
        let day = now.wall.saturating_sub(DAY);
        let agent = self.agents.get_mut(name).expect("taken from the list of agents");
        agent.memory.starts.retain(|at| *at > day && *at <= now.wall);
        agent.memory.starts.push_back(now.wall);
        agent.start = None;
        agent.unrecorded = false;
        if std::mem::take(&mut agent.counted)
            && let Some(last) = agent.memory.restarts.back_mut()
        {
            *last = now.wall;
        }
        agent.memory.told.remove(CAPPED);
        let act = Act::Start { agent: name.clone(), fresh: false };
        let rule = if agent.memory.attempt > 0 { Rule::Restart } else { Rule::Start };
        let id = self.decide(Some(name), rule, format!("started: {why}"), vec![act])[0];
        self.with(name, |agent| agent.phase = Phase::Starting(id));
        self.timers.set(name, Timer::Start, now.awake + START_LIMIT);
    }

    pub(super) fn start_failed(&mut self, now: Moment, name: &AgentName, why: &str) {
        self.timers.clear(name, Timer::Start);
        self.with(name, |agent| {
            agent.phase = Phase::Gone(None);
            agent.unrecorded = true;
        });
        self.died(now, name, &format!("it could not be started: {why}"));
    }

    /// A command has stopped it since its start was decided: nobody tried, so nothing has failed.
    pub(super) fn start_withheld(&mut self, now: Moment, name: &AgentName, why: &str) {
        self.timers.clear(name, Timer::Start);
        self.with(name, |agent| {
            agent.phase = Phase::Gone(None);
            agent.memory.starts.pop_back();
        });
        self.decide(Some(name), Rule::State, format!("not started: {why}"), vec![]);
        // Stopped and started again before anybody heard of it: whoever did that starts it, and this start finds it running.
        self.want_start(name, "it is not held any more");
        self.start_waiting(now);
    }

    pub(super) fn start_overdue(&mut self, now: Moment, name: &AgentName) {
        if matches!(self.agents.get(name).map(|agent| &agent.phase), Some(Phase::Starting(_))) {
            self.start_failed(now, name, &format!("nothing runs {} s after the start", START_LIMIT / 1_000));
        }
    }

    /// A command of fleet's is about to stop or start it: its end is no failure, and nobody else starts it meanwhile.
    pub(super) fn announce(&mut self, now: Moment, name: &AgentName, verb: String) {
        let Some(agent) = self.agents.get_mut(name) else { return };
        agent.announced = Some(verb);
        let wait = agent.policy.stop_timeout_ms + START_LIMIT;
        self.timers.set(name, Timer::Announced, now.awake + wait);
    }

    /// A command of fleet's was killed between its stop and its start.
    pub(super) fn half_started(&mut self, now: Moment, name: &AgentName) {
        let Some(agent) = self.agents.get_mut(name) else { return };
        let down = matches!(agent.phase, Phase::Gone(_)) && agent.start.is_none();
        // Whoever is over its budget, or waits for its time, is not started by a command that failed.
        let free = agent.memory.quarantine.is_none() && agent.memory.back_off_until.is_none();
        if !(down && free && agent.wanted == Wanted::Running) {
            return;
        }
        agent.start = Some("a command that was killed had begun to start it".to_owned());
        self.touched.insert(name.clone());
        self.start_waiting(now);
    }

    /// It never came to it, or only to half of it.
    pub(super) fn announced_in_vain(&mut self, now: Moment, name: &AgentName) {
        let Some(agent) = self.agents.get_mut(name) else { return };
        let Some(verb) = agent.announced.take() else { return };
        if matches!(agent.phase, Phase::Gone(_)) && agent.start.is_none() && !verb.starts_with("stop") {
            self.want_start(name, &format!("`fleet {verb}` did not start it"));
        }
        self.start_waiting(now);
    }
}

/// A cap stands in the way of its start.
const CAPPED: &str = "capped";
