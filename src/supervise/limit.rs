//! What providers refuse: limits that end by themselves, and what somebody has to put right.

use super::Machine;
use super::clock::{Millis, Moment};
use super::decision::{Level, Rule};
use super::event::Shows;
use super::message::Message;
use super::restart::RAPID;
use super::standing::State;
use super::timers::Timer;
use crate::ids::AgentName;

/// A limit without a time, or whose time has passed without an end, is looked at again after so long, in milliseconds.
pub(super) const UNKNOWN: Millis = 15 * 60_000;
/// The longest wait between two such looks, in milliseconds.
const SELDOM: Millis = 4 * 3_600_000;
/// No limit is believed to last longer, in milliseconds.
pub(super) const LONGEST: Millis = 8 * 86_400_000;
/// After a limit's end, for clocks that differ a little, in milliseconds.
const MARGIN: Millis = 5_000;
/// What passes by itself within this time, in milliseconds, is no reason for another model.
const PATIENCE: Millis = 60_000;

impl Machine {
    /// A limit's end is looked for once its state is entered.
    pub(super) fn arm_limit(&mut self, now: Moment, name: &AgentName) {
        let Some(agent) = self.agents.get(name) else { return };
        let State::RateLimited { until, .. } = agent.standing.state else {
            self.timers.clear(name, Timer::Limit);
            return;
        };
        let named = until.map(|until| until.saturating_sub(now.wall)).filter(|left| *left > 0);
        let wait = match named {
            Some(left) => left.min(LONGEST) + MARGIN,
            None => (UNKNOWN << agent.limits.min(8)).min(SELDOM),
        };
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
        agent.limit_passed.clone_from(&agent.picture);
        agent.limits += 1;
        agent.progress_at = now.awake;
        let times = agent.limits;
        let owes = agent.owes;
        let reason = format!("the limit ({}) should have ended (try {times})", class.word());
        self.decide(Some(name), Rule::Limit, reason, vec![]);
        if owes {
            let text = "The limit that stopped you should have ended. Go on with what you were doing.";
            let number = self.number();
            self.enqueue(now, Message::of_fleet(name, text, now, number));
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
                // Between two tries after a limit nothing new is known.
                if agent.limits == 0 {
                    self.forget_told(name, &["waiting", "blocked", "limited", "unreachable"]);
                }
                self.timers.clear(name, Timer::Fallback);
                return;
            }
            _ => {
                self.timers.clear(name, Timer::Fallback);
                return;
            }
        };
        let transient = match agent.standing.state {
            State::RateLimited { class, .. } | State::Blocked { class } => class.is_transient(),
            _ => false,
        };
        let at_once = now.awake < agent.begun + RAPID && !agent.adopted;
        self.tell_once(name, word, rule, level, text);
        if transient {
            self.timers.ensure(name, Timer::Fallback, now.awake + if at_once { 0 } else { PATIENCE });
        } else {
            self.timers.clear(name, Timer::Fallback);
        }
    }

    /// The limit lasts: another model may take it.
    pub(super) fn fallback_due(&mut self, now: Moment, name: &AgentName) {
        let Some(agent) = self.agents.get(name) else { return };
        let (State::RateLimited { class, .. } | State::Blocked { class }) = agent.standing.state else { return };
        if !class.is_transient() {
            return;
        }
        if agent.typing || self.journal_lost.is_some() || now.awake < self.grace_until {
            self.timers.set(name, Timer::Fallback, (now.awake + PATIENCE).max(self.grace_until));
            return;
        }
        let reason = agent.standing.reason.clone();
        self.fall_back(now, name, &reason, class.word());
    }
}
