//! Starts and ends: who runs, who shall, and in which order.

use super::Machine;
use super::agent::Phase;
use super::clock::{Millis, Moment};
use super::decision::{Act, EffectId, Level, Rule};
use super::event::{AgentEvent, EffectResult, End, Run, Wanted};
use super::policy::{Lifecycle, Spend};
use super::restart::DAY;
use super::timers::Timer;
use crate::ids::AgentName;

/// Starts under way at the same time: more only make each other slow.
const AT_ONCE: usize = 16;
/// A start that takes longer than systemd waits for it, in milliseconds: `TimeoutStartSec=60s` of the unit.
const START_LIMIT: Millis = 75_000;
/// Between two tries to stop, in milliseconds.
const STOP_AGAIN: Millis = 30_000;

impl Machine {
    /// Its process is there.
    pub(super) fn runs(&mut self, now: Moment, name: &AgentName, run: Run) {
        let Some(agent) = self.agents.get_mut(name) else { return };
        if agent.run().is_some_and(|known| (known.pid, known.start_ticks) == (run.pid, run.start_ticks)) {
            return;
        }
        let ours = matches!(agent.phase, Phase::Starting(_));
        agent.begin_run(now);
        agent.start = None;
        agent.announced = None;
        agent.memory.back_off_until = None;
        agent.memory.restarting = None;
        agent.memory.rung = 0;
        agent.memory.nudged = false;
        // A run that goes on with a conversation may stand where the one before stood: at work that is not done.
        agent.owes = run.resumed && agent.owes;
        if agent.memory.quarantine.take().is_some() {
            // Somebody started it by hand.
            agent.memory.attempt = 0;
            agent.memory.restarts.clear();
        }
        // A run that was going on when the supervisor came has been healthy for as long as it ran.
        let age = now.wall.saturating_sub(run.started).min(now.awake);
        let healthy = agent.policy.restart.healthy_ms.saturating_sub(age);
        let pid = run.pid;
        agent.phase = Phase::Running(run);
        self.timers.clear(name, Timer::BackOff);
        self.timers.clear(name, Timer::Start);
        self.timers.clear(name, Timer::Stop);
        self.timers.set(name, Timer::Healthy, now.awake + healthy);
        let how = if ours { "started" } else { "found running" };
        self.decide(Some(name), Rule::State, format!("{how} (pid {pid})"), vec![]);
        self.arm_stall(now, name);
        self.start_waiting(now);
    }

    /// It is not there, and nothing says how it ended.
    pub(super) fn absent(&mut self, now: Moment, name: &AgentName, lost: bool) {
        let Some(agent) = self.agents.get(name) else { return };
        match agent.phase {
            Phase::Running(_) | Phase::Stopping { .. } => self.ended(now, name, None),
            // An agent that ran when the supervisor died, and does not now.
            Phase::Unseen if lost => self.ended(now, name, None),
            Phase::Unseen => {
                self.with(name, |agent| agent.phase = Phase::Gone(None));
                if self.looked {
                    self.want_start(name, "it is to run");
                }
            }
            Phase::Gone(_) | Phase::Starting(_) => {}
        }
    }

    /// It ended.
    pub(super) fn ended(&mut self, now: Moment, name: &AgentName, end: Option<End>) {
        let Some(agent) = self.agents.get_mut(name) else { return };
        let was = std::mem::replace(&mut agent.phase, Phase::Gone(end.clone()));
        agent.probe = None;
        agent.typing = false;
        agent.viewers = 0;
        for timer in [
            Timer::Sample,
            Timer::Rung,
            Timer::Look,
            Timer::Healthy,
            Timer::Limit,
            Timer::IdleStop,
            Timer::Stop,
            Timer::Start,
            Timer::Delivery,
        ] {
            self.timers.clear(name, timer);
        }
        match was {
            Phase::Gone(known) if known.is_some() && known == end => return,
            // What ended before the supervisor came: acted on when everything has been seen, like all starts.
            Phase::Unseen if agent.memory.standing.as_ref().is_none_or(|standing| !standing.state.is_running()) => {
                if self.looked {
                    self.after_rest(now, name);
                }
                return;
            }
            _ => {}
        }
        self.after_end(now, name, end);
        self.start_waiting(now);
    }

    /// What the ledger wants.
    pub(super) fn wants(&mut self, now: Moment, name: &AgentName, wanted: Wanted) {
        let Some(agent) = self.agents.get_mut(name) else { return };
        if agent.wanted == wanted {
            return;
        }
        agent.wanted = wanted;
        if wanted == Wanted::Held {
            agent.start = None;
            agent.memory.restarting = None;
            agent.memory.back_off_until = None;
            self.timers.clear(name, Timer::BackOff);
        }
        let _ = now;
    }

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
                    self.after_rest(now, name);
                }
            }
        }
        self.start_waiting(now);
    }

    /// An agent that was found at rest when the supervisor came.
    fn after_rest(&mut self, now: Moment, name: &AgentName) {
        let Some(agent) = self.agents.get(name) else { return };
        if let Some(why) = agent.memory.restarting.clone() {
            self.want_start(name, &why);
            return;
        }
        if let Some(until) = agent.memory.back_off_until {
            // The wait goes on where it was, and never longer than the longest there is.
            let left = until.saturating_sub(now.wall).min(agent.policy.restart.max_delay_ms);
            self.want_start(name, "it died, and its wait goes on");
            self.timers.set(name, Timer::BackOff, now.awake + left);
            return;
        }
        match &agent.phase {
            Phase::Gone(None) => self.want_start(name, "it is to run"),
            // It ended while nobody looked.
            Phase::Gone(Some(end)) if agent.start.is_none() => {
                let end = end.clone();
                self.after_end(now, name, Some(end));
            }
            _ => {}
        }
    }

    /// Lets it be started as soon as order and caps allow, if anything wants it to run.
    pub(super) fn want_start(&mut self, name: &AgentName, why: &str) {
        let Some(agent) = self.agents.get_mut(name) else { return };
        let waits = !matches!(agent.policy.lifecycle, Lifecycle::Always) && agent.queue.is_empty();
        let may =
            agent.wanted == Wanted::Running && agent.policy.autostart && agent.memory.quarantine.is_none() && !waits;
        // A death, a restart that is left, a message: those are wishes of their own.
        let asked =
            agent.memory.restarting.is_some() || agent.memory.back_off_until.is_some() || !agent.queue.is_empty();
        if may || (asked && agent.wanted == Wanted::Running && agent.memory.quarantine.is_none()) {
            agent.start = Some(why.to_owned());
            self.touched.insert(name.clone());
        }
    }

    /// Starts whoever waits for it and may: in the order of `after`, a few at once, within the caps.
    pub(super) fn start_waiting(&mut self, now: Moment) {
        if !self.looked {
            return;
        }
        let mut under_way = self.agents.values().filter(|agent| matches!(agent.phase, Phase::Starting(_))).count();
        let waiting: Vec<AgentName> = self
            .agents
            .iter()
            .filter(|(_, agent)| agent.start.is_some() && matches!(agent.phase, Phase::Gone(_)))
            .map(|(name, _)| name.clone())
            .collect();
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

    fn must_wait(&mut self, now: Moment, name: &AgentName) -> bool {
        let agent = &self.agents[name];
        if agent.memory.back_off_until.is_some() {
            if self.timers.has(name, Timer::BackOff) {
                return true;
            }
            self.with(name, |agent| agent.memory.back_off_until = None);
        }
        let agent = &self.agents[name];
        let first = agent.policy.after.iter().filter_map(|other| self.agents.get(other));
        if first.into_iter().any(|other| {
            other.start.is_some() && other.memory.back_off_until.is_none()
                || matches!(other.phase, Phase::Starting(_))
        }) {
            return true;
        }
        self.is_capped(now, name)
    }

    /// Whether a cap stands in the way; says so once, and tries again when it can have gone.
    fn is_capped(&mut self, now: Moment, name: &AgentName) -> bool {
        let day = now.wall.saturating_sub(DAY);
        let of_day = |starts: &std::collections::VecDeque<Millis>| starts.iter().filter(|at| **at > day).count();
        let agent = &self.agents[name];
        let own = agent.policy.spend;
        let starts = of_day(&agent.memory.starts);
        let all: usize = self.agents.values().map(|agent| of_day(&agent.memory.starts)).sum();
        let running =
            self.agents.values().filter(|agent| !matches!(agent.phase, Phase::Gone(_) | Phase::Unseen)).count();
        let over = |cap: Option<u32>, count: usize| cap.filter(|cap| count >= *cap as usize);
        let Spend { starts_per_day, concurrent, .. } = self.spend;
        let (why, until) = if let Some(cap) = over(own.starts_per_day, starts) {
            (
                format!("it was started {cap} times within a day, which is its cap"),
                agent.memory.starts.front().copied(),
            )
        } else if let Some(cap) = over(starts_per_day, all) {
            (format!("the fleet was started {cap} times within a day, which is its cap"), Some(now.wall))
        } else if let Some(cap) = over(concurrent, running) {
            (format!("{cap} agents run, which is the fleet's cap"), None)
        } else {
            return false;
        };
        // A place gets free when another ends; a day passes by itself.
        let wait = until.map_or(DAY, |first| (first + DAY).saturating_sub(now.wall)).clamp(60_000, DAY);
        let agent = self.agents.get_mut(name).expect("looked up above");
        let until = now.wall + wait;
        agent.start = Some(why.clone());
        if concurrent.is_none_or(|cap| running < cap as usize) {
            agent.memory.back_off_until = Some(until);
            self.timers.set(name, Timer::BackOff, now.awake + wait);
        }
        self.touched.insert(name.clone());
        if self.agents[name].told != Some("capped") {
            self.with(name, |agent| agent.told = Some("capped"));
            self.notify(Some(name), Rule::Spend, Level::Action, format!("{name} is not started: {why}"));
        }
        true
    }

    fn start(&mut self, now: Moment, name: &AgentName, why: &str) {
        let day = now.wall.saturating_sub(DAY);
        let agent = self.agents.get_mut(name).expect("taken from the list of agents");
        agent.memory.starts.retain(|at| *at > day && *at <= now.wall);
        agent.memory.starts.push_back(now.wall);
        agent.start = None;
        agent.told = None;
        let act = Act::Start { agent: name.clone(), fresh: false };
        let rule = if agent.memory.attempt > 0 { Rule::Restart } else { Rule::Start };
        let id = self.decide(Some(name), rule, format!("started: {why}"), vec![act])[0];
        self.with(name, |agent| agent.phase = Phase::Starting(id));
        self.timers.set(name, Timer::Start, now.awake + START_LIMIT);
    }

    /// How an effect ended.
    pub(super) fn answered(&mut self, now: Moment, id: EffectId, result: EffectResult) {
        let whose = |agent: &super::agent::Agent| match &agent.phase {
            Phase::Starting(effect) if *effect == id => true,
            _ => {
                agent.probe.is_some_and(|(effect, _)| effect == id)
                    || agent.delivering.as_ref().is_some_and(|(effect, _)| *effect == id)
                    || agent.stop_effect == Some(id)
            }
        };
        let Some(name) = self.agents.iter().find(|(_, agent)| whose(agent)).map(|(name, _)| name.clone()) else {
            return;
        };
        self.touched.insert(name.clone());
        let agent = &self.agents[&name];
        if agent.delivering.as_ref().is_some_and(|(effect, _)| *effect == id) {
            self.delivered(now, &name, result);
        } else if agent.probe.is_some_and(|(effect, _)| effect == id) {
            self.probed(now, &name, result);
        } else if agent.stop_effect == Some(id) {
            self.with(&name, |agent| agent.stop_effect = None);
            if let EffectResult::Failed { why } = result {
                self.stop_failed(now, &name, &why);
            }
        } else if let EffectResult::Failed { why } = result {
            self.start_failed(now, &name, &why);
        }
    }

    fn start_failed(&mut self, now: Moment, name: &AgentName, why: &str) {
        self.timers.clear(name, Timer::Start);
        self.with(name, |agent| agent.phase = Phase::Gone(None));
        self.died(now, name, &format!("it could not be started: {why}"));
    }

    pub(super) fn start_overdue(&mut self, now: Moment, name: &AgentName) {
        if matches!(self.agents.get(name).map(|agent| &agent.phase), Some(Phase::Starting(_))) {
            self.start_failed(now, name, &format!("nothing runs {} s after the start", START_LIMIT / 1_000));
        }
    }

    /// Stops a running agent, politely first; `why` becomes the reason of its state.
    pub(super) fn stop(&mut self, now: Moment, name: &AgentName, rule: Rule, why: String, snapshot: bool) {
        let Some(agent) = self.agents.get_mut(name) else { return };
        let Phase::Running(run) = &agent.phase else { return };
        agent.phase = Phase::Stopping { run: run.clone(), why: why.clone() };
        let wait = agent.policy.stop_timeout_ms + STOP_AGAIN;
        let mut acts = Vec::new();
        if snapshot {
            acts.push(Act::Snapshot { agent: name.clone(), why: why.clone() });
        }
        acts.push(Act::Stop { agent: name.clone() });
        let ids = self.decide(Some(name), rule, why, acts);
        let id = ids.last().copied();
        self.with(name, |agent| agent.stop_effect = id);
        self.timers.set(name, Timer::Stop, now.awake + wait);
    }

    fn stop_failed(&mut self, now: Moment, name: &AgentName, why: &str) {
        let tries = self.agents[name].stop_tries + 1;
        self.with(name, |agent| agent.stop_tries = tries);
        if tries == 1 {
            let text =
                format!("{name} could not be stopped ({why}); it is tried again every {} s", STOP_AGAIN / 1_000);
            self.notify(Some(name), Rule::State, Level::Action, text);
        }
        self.timers.set(name, Timer::Stop, now.awake + STOP_AGAIN);
    }

    /// Another try, while it is there.
    pub(super) fn stop_again(&mut self, now: Moment, name: &AgentName) {
        let Some(Phase::Stopping { why, .. }) = self.agents.get(name).map(|agent| agent.phase.clone()) else {
            return;
        };
        let ids = self.decide(Some(name), Rule::State, why, vec![Act::Stop { agent: name.clone() }]);
        self.with(name, |agent| agent.stop_effect = ids.last().copied());
        self.timers.set(name, Timer::Stop, now.awake + STOP_AGAIN);
    }

    /// An on-demand agent that stands idle is stopped after a while.
    pub(super) fn arm_idle(&mut self, now: Moment, name: &AgentName) {
        let Some(agent) = self.agents.get(name) else { return };
        let idle = agent.standing.state == super::standing::State::Idle;
        match agent.policy.lifecycle {
            Lifecycle::OnDemand { idle_stop_ms: Some(after) } if idle && agent.queue.is_empty() => {
                self.timers.ensure(name, Timer::IdleStop, now.awake + after);
            }
            _ => self.timers.clear(name, Timer::IdleStop),
        }
    }

    pub(super) fn idle_stop(&mut self, now: Moment, name: &AgentName) {
        let Some(agent) = self.agents.get(name) else { return };
        if agent.standing.state == super::standing::State::Idle && !agent.typing && self.journal_lost.is_none() {
            self.stop(now, name, Rule::Lifecycle, "on demand, and idle for long enough".to_owned(), false);
        }
    }

    /// A restart that `apply` left for an idle moment.
    pub(super) fn restart_when_idle(&mut self, now: Moment, name: &AgentName) {
        let Some(agent) = self.agents.get_mut(name) else { return };
        let idle = agent.standing.state == super::standing::State::Idle;
        if !(agent.restart_pending && idle && agent.is_running() && !agent.typing && agent.delivering.is_none())
            || self.journal_lost.is_some()
        {
            return;
        }
        let why = "the restart that `fleet apply` left for an idle moment".to_owned();
        agent.memory.restarting = Some(why.clone());
        self.stop(now, name, Rule::PendingRestart, why, true);
    }
}
