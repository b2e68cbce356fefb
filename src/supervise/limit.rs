//! What providers refuse: limits that end by themselves, and what somebody has to put right.

use super::Machine;
use super::clock::{Millis, Moment};
use super::decision::{Act, Level, Rule};
use super::event::Shows;
use super::message::Message;
use super::standing::State;
use super::timers::Timer;
use crate::ids::AgentName;

/// A limit without a time is looked at again after so long, in milliseconds.
const UNKNOWN: Millis = 15 * 60_000;
/// No limit is believed to last longer, in milliseconds.
const LONGEST: Millis = 8 * 86_400_000;
/// After a limit's end, for clocks that differ a little, in milliseconds.
const MARGIN: Millis = 5_000;

impl Machine {
    /// A limit's end is looked for once its state is entered.
    pub(super) fn arm_limit(&mut self, now: Moment, name: &AgentName) {
        let Some(agent) = self.agents.get(name) else { return };
        let State::RateLimited { until, .. } = agent.standing.state else {
            self.timers.clear(name, Timer::Limit);
            return;
        };
        let wait = until.map_or(UNKNOWN, |until| until.saturating_sub(now.wall).min(LONGEST) + MARGIN);
        self.timers.set(name, Timer::Limit, now.awake + wait);
    }

    /// The limit should have ended: it is told to go on, once for each end. Whether it did is seen on its screen.
    pub(super) fn limit_over(&mut self, now: Moment, name: &AgentName) {
        let Some(agent) = self.agents.get_mut(name) else { return };
        let State::RateLimited { class, .. } = agent.standing.state else { return };
        // The phrase stands there until something is typed; what it said of the time is used up.
        if let Some(reading) = &mut agent.screen {
            reading.shows = Shows::Idle;
        }
        self.decide(Some(name), Rule::Limit, format!("the limit ({}) should have ended", class.word()), vec![]);
        if self.agents[name].owes {
            let text = "The limit that stopped you should have ended. Go on with what you were doing.";
            let message = Message::of_fleet(name, text, now, self.next_effect);
            self.enqueue(now, message);
        }
        self.timers.set(name, Timer::Look, now.awake + MARGIN);
    }

    /// Tells people once of what they have to know or do.
    pub(super) fn told_of(&mut self, now: Moment, name: &AgentName) {
        let Some(agent) = self.agents.get_mut(name) else { return };
        let reason = agent.standing.reason.clone();
        let (word, rule, level, text) = match &agent.standing.state {
            State::WaitingForHuman => {
                let text = format!("{name} waits for a person: {reason}; `fleet attach {name}`");
                ("waiting", Rule::WaitingForHuman, Level::Action, text)
            }
            State::Blocked { class } => {
                let text = format!("{name} is blocked ({}): {reason}", class.word());
                ("blocked", Rule::Blocked, Level::Action, text)
            }
            State::RateLimited { class, .. } => {
                let text = format!("{name} is limited by its provider ({}): {reason}", class.word());
                ("limited", Rule::Limit, Level::Info, text)
            }
            State::Working | State::Idle => {
                agent.told = None;
                return;
            }
            _ => return,
        };
        if agent.told == Some(word) {
            return;
        }
        agent.told = Some(word);
        self.notify(Some(name), rule, level, text);
        let transient = match self.agents[name].standing.state {
            State::RateLimited { class, .. } | State::Blocked { class } => class.is_transient(),
            _ => false,
        };
        if transient {
            let reason = self.agents[name].standing.reason.clone();
            self.fall_back(now, name, &reason);
        }
    }

    /// Goes on with the next model of the chain, if there is one. Whether it did.
    pub(super) fn fall_back(&mut self, now: Moment, name: &AgentName, why: &str) -> bool {
        let Some(agent) = self.agents.get_mut(name) else { return false };
        if agent.memory.model >= agent.policy.fallbacks || self.journal_lost.is_some() {
            return false;
        }
        agent.memory.model += 1;
        let model = agent.memory.model;
        let reason = format!("{why}; goes on with model {} of its chain", model + 1);
        let act = Act::Fallback { agent: name.clone(), model };
        self.decide(Some(name), Rule::Fallback, reason.clone(), vec![act]);
        let Some(agent) = self.agents.get_mut(name) else { return false };
        agent.memory.restarting = Some(reason.clone());
        let running = agent.is_running();
        if running {
            self.stop(now, name, Rule::Fallback, reason, true);
        } else {
            self.want_start(name, &reason);
        }
        true
    }
}
