//! One table of deadlines.

use std::collections::{BTreeMap, BTreeSet};

use super::clock::Millis;
use crate::ids::AgentName;

/// What a deadline is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// A look shortly before a rung, so that the rung itself has two to compare.
    Sample,
    /// The next rung of the stall ladder.
    Rung,
    /// A look at a screen that is drawn without a pause.
    Look,
    /// It has run long enough to be healthy.
    Healthy,
    /// The end of a wait before a start.
    BackOff,
    /// The end of a limit of the provider's.
    Limit,
    /// The oldest message in its queue is too old.
    Expiry,
    /// Another try to deliver.
    Delivery,
    /// An on-demand agent was idle for long enough.
    IdleStop,
    /// Another try to stop.
    Stop,
    /// A start takes too long.
    Start,
    /// An enhancer's digest.
    Digest,
    /// A look that never came back.
    Probe,
    /// A command of fleet's that never did what it announced.
    Announced,
    /// A limit lasts long enough for another model.
    Fallback,
}

/// At most one deadline for each agent and kind, on the clock that stands still in suspend.
#[derive(Debug, Default)]
pub(super) struct Timers {
    order: BTreeSet<(Millis, AgentName, Timer)>,
    at: BTreeMap<(AgentName, Timer), Millis>,
}

impl Timers {
    /// Sets a deadline anew.
    pub(super) fn set(&mut self, agent: &AgentName, timer: Timer, at: Millis) {
        if let Some(before) = self.at.insert((agent.clone(), timer), at) {
            if before == at {
                return;
            }
            self.order.remove(&(before, agent.clone(), timer));
        }
        self.order.insert((at, agent.clone(), timer));
    }

    /// Sets it unless it stands already.
    pub(super) fn ensure(&mut self, agent: &AgentName, timer: Timer, at: Millis) {
        if !self.at.contains_key(&(agent.clone(), timer)) {
            self.set(agent, timer, at);
        }
    }

    pub(super) fn has(&self, agent: &AgentName, timer: Timer) -> bool {
        self.at.contains_key(&(agent.clone(), timer))
    }

    pub(super) fn clear(&mut self, agent: &AgentName, timer: Timer) {
        if let Some(at) = self.at.remove(&(agent.clone(), timer)) {
            self.order.remove(&(at, agent.clone(), timer));
        }
    }

    /// Forgets all of an agent that is gone from the roster.
    pub(super) fn clear_all(&mut self, agent: &AgentName) {
        let gone: Vec<Timer> = self.at.keys().filter(|(name, _)| name == agent).map(|(_, timer)| *timer).collect();
        for timer in gone {
            self.clear(agent, timer);
        }
    }

    pub(super) fn next(&self) -> Option<Millis> {
        self.order.first().map(|(at, ..)| *at)
    }

    /// Takes one deadline that has come.
    pub(super) fn due(&mut self, now: Millis) -> Option<(AgentName, Timer)> {
        if self.next()? > now {
            return None;
        }
        let (_, agent, timer) = self.order.pop_first()?;
        self.at.remove(&(agent.clone(), timer));
        Some((agent, timer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_come_in_order_and_once() {
        let (a, b) = (AgentName::new("a").unwrap(), AgentName::new("b").unwrap());
        let mut timers = Timers::default();
        timers.set(&a, Timer::Rung, 30);
        timers.set(&b, Timer::Rung, 10);
        timers.set(&a, Timer::Rung, 5);
        timers.ensure(&a, Timer::Rung, 1);
        timers.set(&a, Timer::Look, 7);
        timers.clear(&a, Timer::Look);
        assert_eq!(timers.next(), Some(5));
        assert_eq!(timers.due(4), None);
        assert_eq!(timers.due(20), Some((a, Timer::Rung)));
        assert_eq!(timers.due(20), Some((b, Timer::Rung)));
        assert_eq!((timers.due(20), timers.next()), (None, None));
    }
}
