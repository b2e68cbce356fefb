//! Is it stuck? The ladder: nudge, warn, restart.

use super::Machine;
use super::agent::Asked;
use super::clock::{Millis, Moment, words};
use super::decision::{Act, Level, Rule};
use super::event::Shows;
use super::look::{BEFORE, Evidence};
use super::message::Message;
use super::restart::STALLED;
use super::sight::is_exempt;
use super::timers::Timer;
use crate::ids::AgentName;
use crate::manifest::{AgentKind, RestartWhen};

/// A rung climbed this much later than it might have been is late, in milliseconds.
const OVERDUE: Millis = 60_000;

impl Machine {
    /// It gets on: the ladder begins anew.
    pub(super) fn progress(&mut self, now: Moment, name: &AgentName) {
        let Some(agent) = self.agents.get_mut(name) else { return };
        agent.progress_at = now.awake;
        agent.spared_until = 0;
        agent.base = None;
        if agent.memory.rung > 0 {
            agent.memory.rung = 0;
            self.decide(Some(name), Rule::Stall, "it gets on again".to_owned(), vec![]);
        }
        self.touched.insert(name.clone());
        self.forget_told(name, &["spared"]);
        self.recall_nudge(now, name);
        self.timers.clear(name, Timer::Sample);
        self.timers.clear(name, Timer::Rung);
        self.arm_stall(now, name);
    }

    /// When the next rung is due.
    pub(super) fn rung_at(&self, name: &AgentName) -> Millis {
        let agent = &self.agents[name];
        let rungs = agent.policy.stall.after_ms.saturating_mul(u64::from(agent.memory.rung + 1));
        agent.progress_at.saturating_add(rungs).max(self.grace_until).max(agent.spared_until)
    }

    /// Sets the ladder's next deadline, or takes it away from those of whom nothing is expected.
    pub(super) fn arm_stall(&mut self, now: Moment, name: &AgentName) {
        let Some(agent) = self.agents.get_mut(name) else { return };
        if !agent.is_running() {
            return;
        }
        if is_exempt(agent, now) {
            // Their time stands still: when they are expected to work again, it begins anew.
            agent.progress_at = now.awake;
            agent.spared_until = 0;
            agent.exempt = true;
            if std::mem::take(&mut agent.memory.rung) > 0 {
                self.touched.insert(name.clone());
                self.recall_nudge(now, name);
            }
            self.timers.clear(name, Timer::Sample);
            let agent = &self.agents[name];
            if agent.unreachable.is_some() {
                self.arm_silence(now, name);
                return;
            }
            let after = agent.policy.stall.after_ms;
            let typed = agent.typed_at.filter(|at| !agent.typing && now.awake < at + after);
            // Whoever typed is exempt for a while only.
            match typed {
                Some(typed) => self.timers.set(name, Timer::Rung, typed + after),
                None => self.timers.clear(name, Timer::Rung),
            }
            return;
        }
        if std::mem::take(&mut agent.exempt) {
            agent.progress_at = now.awake;
        }
        let step = BEFORE.min(agent.policy.stall.after_ms / 4);
        let seen = agent.look.as_ref().is_some_and(|look| look.at + 2 * BEFORE + step >= now.awake);
        let looks = agent.probe.is_some();
        let mut at = self.rung_at(name).max(now.awake);
        if at.saturating_sub(step) > now.awake {
            self.timers.set(name, Timer::Sample, at - step);
        } else if seen || looks {
            self.timers.clear(name, Timer::Sample);
        } else {
            // Late, and nothing to compare with: the rung waits for a look.
            self.timers.set(name, Timer::Sample, now.awake);
            at = at.max(now.awake + step);
        }
        self.timers.set(name, Timer::Rung, at);
    }

    /// The time of a rung has come.
    pub(super) fn rung_due(&mut self, now: Moment, name: &AgentName) {
        let Some(agent) = self.agents.get(name) else { return };
        if !agent.is_running() {
            return;
        }
        if let Some(why) = &agent.unreachable {
            let text = format!("the shim of {name} does not answer ({why}); nothing is known of the agent");
            self.tell_once(name, "unreachable", Rule::State, Level::Warning, text);
            return;
        }
        if agent.exempt || is_exempt(agent, now) || now.awake < self.rung_at(name) {
            self.arm_stall(now, name);
            return;
        }
        self.look(now, name, Asked::Rung);
    }

    pub(super) fn climb(&mut self, now: Moment, name: &AgentName, evidence: Evidence) {
        let agent = self.agents.get_mut(name).expect("the caller has looked it up");
        let span = words(now.awake.saturating_sub(agent.progress_at));
        let rung = agent.memory.rung + 1;
        let seen =
            if evidence.stale.is_empty() { "no signal says more".to_owned() } else { evidence.stale.join(", ") };
        let what = format!("no progress for {span} ({seen})");
        agent.base.clone_from(&agent.look);
        // A ladder found late is climbed at its own pace: a nudge needs time to be answered.
        let after = agent.policy.stall.after_ms;
        if now.awake > agent.progress_at.saturating_add(after.saturating_mul(u64::from(rung))) + OVERDUE.min(after) {
            agent.spared_until = now.awake + after;
        }
        match rung {
            1 => {
                agent.memory.rung = 1;
                self.nudge(now, name, &what);
            }
            2 => {
                agent.memory.rung = 2;
                self.warn(now, name, &what);
            }
            _ => self.end_stalled(now, name, evidence, what),
        }
        self.touched.insert(name.clone());
        self.arm_stall(now, name);
    }

    /// The third rung: a restart, unless something speaks against it.
    fn end_stalled(&mut self, now: Moment, name: &AgentName, evidence: Evidence, what: String) {
        let agent = &self.agents[name];
        let idle = matches!(agent.shows(), Shows::Idle);
        let spared = evidence
            .spares
            .or_else(|| idle.then(|| "its screen takes input, so a restart would help nothing".to_owned()))
            .or_else(|| (evidence.stale.len() < 2).then(|| "fewer than two independent signals are stale".to_owned()))
            .or_else(|| {
                (agent.policy.restart.when == RestartWhen::Never).then(|| "the roster never restarts it".to_owned())
            })
            .or_else(|| agent.announced.as_ref().map(|verb| format!("`fleet {verb}` acts on it")))
            .or_else(|| self.journal_lost.clone());
        let after = agent.policy.stall.after_ms;
        // The supervisor before may have seen the clocks jump just before it died.
        let grace = self.began + super::GRACE.min(3 * after);
        let sure = agent.alive_at.saturating_add(3 * after).max(grace);
        if spared.is_none() && now.awake < sure {
            // It was alive on the way here: its time counts from then on.
            self.with(name, |agent| agent.spared_until = sure);
            return;
        }
        if let Some(why) = spared {
            // Once in words; then it is only looked at again.
            let agent = self.agents.get_mut(name).expect("looked up above");
            agent.spared_until = now.awake + after;
            if agent.memory.told.insert("spared".to_owned()) {
                self.decide(Some(name), Rule::Stall, format!("{what}; not restarted: {why}"), vec![]);
            }
            return;
        }
        self.with(name, |agent| agent.memory.restarting = Some(STALLED.to_owned()));
        self.stop(now, name, Rule::Stall, what, true);
    }

    fn nudge(&mut self, now: Moment, name: &AgentName, what: &str) {
        let agent = &self.agents[name];
        // In a running turn it would wait for the turn's end, or cut it off; and it would hide whether the agent or fleet
        // changed the screen.
        let busy = matches!(agent.shows(), Shows::Busy);
        let not = if !agent.policy.stall.nudge {
            Some("the roster wants no nudge")
        } else if agent.memory.nudged {
            Some("it was nudged already")
        } else if !agent.ready {
            Some("not nudged, because it has not been seen ready")
        } else if busy {
            Some("not nudged, because its turn runs")
        } else {
            None
        };
        self.decide(Some(name), Rule::Stall, format!("{what}; {}", not.unwrap_or("nudged")), vec![]);
        if not.is_some() {
            return;
        }
        let text = "You have made no progress for a while. If you are done, say so with `fleet report done`; if you wait for \
                    somebody, `fleet report waiting --note \"for what\"`; otherwise go on.";
        let number = self.number();
        let message = Message::of_fleet(name, text, now, number);
        self.with(name, |agent| {
            agent.memory.nudged = true;
            agent.memory.nudge = Some(message.id.clone());
        });
        self.enqueue(now, message);
    }

    fn warn(&mut self, now: Moment, name: &AgentName, what: &str) {
        let text =
            format!("{name} is stalled: {what}; `fleet why {name}` tells more, `fleet attach {name}` shows it");
        let act = Act::Notify { level: Level::Warning, text: text.clone() };
        self.decide(Some(name), Rule::Stall, what.to_owned(), vec![act]);
        let lead = self.agents.iter().find(|(_, agent)| agent.policy.kind == AgentKind::Orchestrator);
        if let Some(lead) = lead.map(|(lead, _)| lead.clone()).filter(|lead| lead != name) {
            let number = self.number();
            self.enqueue(now, Message::of_fleet(&lead, &text, now, number));
        }
    }
}
