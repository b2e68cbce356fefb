//! Runs and their ends.

use super::Machine;
use super::agent::Phase;
use super::clock::{Millis, Moment};
use super::decision::{Act, EffectId, Level, Rule};
use super::event::{EffectResult, End, Run, Wanted};
use super::memory::Memory;
use super::policy::Lifecycle;
use super::restart::{PENDING, STALLED};
use super::standing::State;
use super::timers::Timer;
use crate::ids::AgentName;
use crate::manifest::RestartWhen;

/// Between two tries to stop, in milliseconds: doubled each time up to the longest.
const STOP_AGAIN: Millis = 30_000;
const STOP_AGAIN_MAX: Millis = 3_600_000;
/// A shim that does not answer for so long is told of, in milliseconds.
const SILENT: Millis = 60_000;

impl Machine {
    /// Its process is there.
    pub(super) fn runs(&mut self, now: Moment, name: &AgentName, run: Run) {
        let Some(agent) = self.agents.get_mut(name) else { return };
        let is = |known: &Run| (known.pid, known.start_ticks) == (run.pid, run.start_ticks);
        if agent.run().is_some_and(is) {
            return;
        }
        let adopted = agent.phase == Phase::Unseen && agent.memory.run.as_ref().is_some_and(is);
        let ours = matches!(agent.phase, Phase::Starting(_));
        // A start that was given up and came about after all is not one by hand.
        let late = agent.unrecorded;
        agent.begin_run(now);
        agent.memory.back_off_until = None;
        let restarting = agent.memory.restarting.take();
        if adopted {
            agent.recall_run(now);
            agent.spared_until = now.awake + 2 * super::look::BEFORE;
        } else {
            agent.memory.run = Some(run.clone());
            agent.memory.rung = 0;
            agent.memory.nudged = false;
            agent.memory.nudge = None;
            agent.memory.told.clear();
            // A run that goes on with a conversation may stand where the one before stood: at work that is not done.
            agent.owes = run.resumed && agent.owes;
            if agent.memory.quarantine.take().is_some() && !late {
                // Somebody started it by hand.
                agent.memory.attempt = 0;
                agent.memory.restarts.clear();
            }
        }
        // A run that was going on when the supervisor came has been healthy for as long as it ran: by the shortest of three
        // clocks, because one of them may have been set.
        let since_boot = now.boot.saturating_sub(run.start_ticks.saturating_mul(10));
        let age = now.wall.saturating_sub(run.started).min(now.awake).min(since_boot);
        let healthy = agent.policy.restart.healthy_ms.saturating_sub(age).max(1_000);
        let (pid, with) = (run.pid, run.with.clone());
        agent.phase = Phase::Running(run);
        self.touched.insert(name.clone());
        for timer in [Timer::BackOff, Timer::Start, Timer::Stop, Timer::Announced] {
            self.timers.clear(name, timer);
        }
        self.timers.set(name, Timer::Healthy, now.awake + healthy);
        if !adopted {
            let how = if ours { "started" } else { "found running" };
            self.decide(Some(name), Rule::State, format!("{how} (pid {pid})"), vec![]);
            self.met_model(name, with.as_ref(), ours);
        }
        self.arm_stall(now, name);
        if adopted {
            self.timers.set(name, Timer::Look, now.awake + super::look::BEFORE);
            self.arm_expiry(now, name);
            self.go_on_stopping(now, name, restarting);
        }
        self.start_waiting(now);
    }

    /// The supervisor before had decided to stop this run.
    fn go_on_stopping(&mut self, now: Moment, name: &AgentName, restarting: Option<String>) {
        let Some(why) = restarting else { return };
        let Some(agent) = self.agents.get_mut(name) else { return };
        agent.memory.restarting = Some(why.clone());
        if why == STALLED || why == PENDING || self.journal_lost.is_some() {
            // Whether the stop left is not known. If it did, its end is near; if not, all is judged anew.
            let wait = agent.policy.stop_timeout_ms + STOP_AGAIN;
            self.timers.set(name, Timer::Stop, now.awake + wait);
        } else {
            let Memory { model, fell_back, .. } = &agent.memory;
            let act = Act::Fallback { agent: name.clone(), model: *model, note: fell_back.clone().map(Box::new) };
            self.decide(Some(name), Rule::Fallback, why.clone(), vec![act]);
            self.stop(now, name, Rule::Fallback, why, true);
        }
    }

    /// It is not there, and nothing says how it ended.
    pub(super) fn absent(&mut self, now: Moment, name: &AgentName, lost: Option<Run>) {
        let Some(agent) = self.agents.get_mut(name) else { return };
        match agent.phase {
            Phase::Running(_) | Phase::Stopping { .. } => self.ended(now, name, None),
            Phase::Unseen => {
                agent.phase = Phase::Gone(None);
                agent.lost = lost;
                if self.looked {
                    self.after_rest(now, name);
                    self.start_waiting(now);
                }
            }
            Phase::Gone(_) | Phase::Starting(_) => {}
        }
    }

    /// It ended.
    pub(super) fn ended(&mut self, now: Moment, name: &AgentName, end: Option<End>) {
        let Some(agent) = self.agents.get_mut(name) else { return };
        if agent.phase != Phase::Unseen
            && let Some(end) = &end
            && Some(end.started) == agent.memory.acted
            && agent.run().is_none_or(|run| run.started != end.started)
            && !(agent.unrecorded && agent.lost.as_ref().is_some_and(|run| run.started == end.started))
        {
            // The record of a run before this one, read again.
            return;
        }
        let was = std::mem::replace(&mut agent.phase, Phase::Gone(end.clone()));
        agent.probe = None;
        agent.typing = false;
        agent.viewers = 0;
        if let Phase::Running(run) | Phase::Stopping { run, .. } = &was {
            agent.lost = Some(run.clone());
        }
        if was == Phase::Unseen {
            if self.looked {
                self.after_rest(now, name);
                self.start_waiting(now);
            }
            return;
        }
        for timer in [
            Timer::Sample,
            Timer::Rung,
            Timer::Look,
            Timer::Probe,
            Timer::Healthy,
            Timer::Limit,
            Timer::Fallback,
            Timer::IdleStop,
            Timer::Stop,
            Timer::Start,
            Timer::Delivery,
        ] {
            self.timers.clear(name, timer);
        }
        let Some(agent) = self.agents.get_mut(name) else { return };
        if let Phase::Gone(known) = was {
            let Some(end) = end else {
                agent.phase = Phase::Gone(known);
                return;
            };
            let known = agent.memory.acted.max(agent.memory.run.as_ref().map(|run| run.started));
            agent.memory.acted = Some(end.started);
            if std::mem::take(&mut agent.unrecorded) {
                self.amend(now, name, end);
                return;
            }
            // Of a run that nobody here has started or seen: somebody started it by hand.
            if known.is_none_or(|known| known < end.started) && agent.memory.quarantine.take().is_some() {
                agent.memory.attempt = 0;
                agent.memory.restarts.clear();
            }
            self.after_end(now, name, Some(end));
        } else {
            let began = end.as_ref().map(|end| end.started).or(agent.lost.as_ref().map(|run| run.started));
            agent.memory.acted = began.or(agent.memory.acted);
            self.after_end(now, name, end);
        }
        self.start_waiting(now);
    }

    /// The record of an end that was acted upon without one.
    fn amend(&mut self, now: Moment, name: &AgentName, end: End) {
        let Some(agent) = self.agents.get_mut(name) else { return };
        let final_end = match agent.policy.restart.when {
            RestartWhen::Never => true,
            RestartWhen::OnFailure => end.code == Some(0),
            RestartWhen::Always => false,
        };
        let waits = agent.memory.back_off_until.is_some() && agent.start.is_some();
        if !waits || !(end.stop_requested || final_end) {
            return;
        }
        agent.memory.restarts.pop_back();
        agent.memory.attempt = agent.memory.attempt.saturating_sub(1);
        agent.memory.back_off_until = None;
        agent.start = None;
        self.timers.clear(name, Timer::BackOff);
        self.after_end(now, name, Some(end));
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
        } else if self.looked && matches!(agent.phase, Phase::Gone(_)) {
            self.wanted_by_hand(name);
            self.want_start(name, "it is not held any more");
        }
        self.start_waiting(now);
    }

    /// Its shim does not answer, or does again.
    pub(super) fn reachable(&mut self, now: Moment, name: &AgentName, why: Option<String>) {
        let Some(agent) = self.agents.get_mut(name) else { return };
        if agent.unreachable.is_some() == why.is_some() {
            return;
        }
        agent.unreachable = why;
        self.touched.insert(name.clone());
        self.timers.clear(name, Timer::Rung);
        self.arm_stall(now, name);
    }

    /// When people are told of a shim that does not answer.
    pub(super) fn arm_silence(&mut self, now: Moment, name: &AgentName) {
        let told = self.agents[name].memory.told.contains("unreachable");
        if !told {
            self.timers.ensure(name, Timer::Rung, now.awake + SILENT);
        }
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
        } else if let EffectResult::Withheld { why } = result {
            self.start_withheld(now, &name, &why);
        }
    }

    /// Stops a running agent, politely first; `why` becomes the reason of its state.
    pub(super) fn stop(&mut self, now: Moment, name: &AgentName, rule: Rule, why: String, snapshot: bool) {
        let Some(agent) = self.agents.get_mut(name) else { return };
        let Phase::Running(run) = &agent.phase else { return };
        agent.phase = Phase::Stopping { run: run.clone(), why: why.clone() };
        agent.probe = None;
        agent.stop_tries = 0;
        let wait = agent.policy.stop_timeout_ms + STOP_AGAIN;
        let mut acts = Vec::new();
        if snapshot {
            acts.push(Act::Snapshot { agent: name.clone(), why: why.clone() });
        }
        acts.push(Act::Stop { agent: name.clone() });
        let ids = self.decide(Some(name), rule, why, acts);
        let id = ids.last().copied();
        self.with(name, |agent| agent.stop_effect = id);
        for timer in [Timer::Sample, Timer::Rung, Timer::Look, Timer::Probe, Timer::Healthy, Timer::Fallback] {
            self.timers.clear(name, timer);
        }
        self.timers.set(name, Timer::Stop, now.awake + wait);
    }

    fn stop_failed(&mut self, now: Moment, name: &AgentName, why: &str) {
        let Some(agent) = self.agents.get(name) else { return };
        if !matches!(agent.phase, Phase::Stopping { .. }) {
            return;
        }
        let wait = (STOP_AGAIN << agent.stop_tries.min(16)).min(STOP_AGAIN_MAX);
        let text = format!("{name} could not be stopped ({why}); it is tried again, ever more seldom");
        self.tell_once(name, "unstoppable", Rule::State, Level::Action, text);
        self.timers.set(name, Timer::Stop, now.awake + wait);
    }

    /// Another try, while it is there.
    pub(super) fn stop_again(&mut self, now: Moment, name: &AgentName) {
        let Some(agent) = self.agents.get_mut(name) else { return };
        if agent.is_running() {
            if agent.memory.restarting.take().is_some() {
                let reason = "the stop that was decided did not come about; it is judged anew".to_owned();
                self.decide(Some(name), Rule::State, reason, vec![]);
            }
            return;
        }
        let Phase::Stopping { why, .. } = &agent.phase else { return };
        let why = why.clone();
        agent.stop_tries += 1;
        let tries = agent.stop_tries;
        let wait = agent.policy.stop_timeout_ms + (STOP_AGAIN << tries.min(16)).min(STOP_AGAIN_MAX);
        let text = format!("{name} is still there after it was stopped; it is tried again, ever more seldom");
        self.tell_once(name, "unstoppable", Rule::State, Level::Action, text);
        let acts = vec![Act::Stop { agent: name.clone() }];
        let ids = self.decide(Some(name), Rule::State, format!("{why}; try {} to stop it", tries + 1), acts);
        self.with(name, |agent| agent.stop_effect = ids.last().copied());
        self.timers.set(name, Timer::Stop, now.awake + wait);
    }

    /// An on-demand agent that stands idle is stopped after a while.
    pub(super) fn arm_idle(&mut self, now: Moment, name: &AgentName) {
        let Some(agent) = self.agents.get(name) else { return };
        let idle = agent.is_running() && agent.standing.state == State::Idle;
        match agent.policy.lifecycle {
            Lifecycle::OnDemand { idle_stop_ms: Some(after) }
                if idle && agent.queue.is_empty() && agent.delivering.is_none() && !agent.typing =>
            {
                self.timers.ensure(name, Timer::IdleStop, now.awake + after);
            }
            _ => self.timers.clear(name, Timer::IdleStop),
        }
    }

    pub(super) fn idle_stop(&mut self, now: Moment, name: &AgentName) {
        if self.journal_lost.is_some() {
            // Armed again when the loss is cleared.
            return;
        }
        self.stop(now, name, Rule::Lifecycle, "on demand, and idle for long enough".to_owned(), false);
    }

    /// A restart that `apply` left for an idle moment.
    pub(super) fn restart_when_idle(&mut self, now: Moment, name: &AgentName) {
        let Some(agent) = self.agents.get_mut(name) else { return };
        let idle = agent.standing.state == State::Idle;
        // Noise hides work for a while: only a fresh look tells.
        let fresh = !agent.moved || agent.read_at == now.awake;
        let free = fresh && !agent.typing && agent.delivering.is_none() && agent.announced.is_none();
        if !(agent.restart_pending && idle && agent.is_running() && !agent.is_unseen() && free)
            || self.journal_lost.is_some()
        {
            return;
        }
        agent.memory.restarting = Some(PENDING.to_owned());
        self.stop(now, name, Rule::PendingRestart, PENDING.to_owned(), true);
    }
}
