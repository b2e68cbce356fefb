//! `subscribe`: what happens, pushed. The timers here exist only while someone listens.

use std::time::{Duration, Instant};

use super::Server;
use super::connection::{Connection, Phase};
use crate::manifest::PatternKind;
use crate::shim::agent::Shim;
use crate::shim::classify::QUIET;
use crate::shim::protocol::{Event, to_shim};
use crate::shim::terminal::Fed;

/// Activity is told at most this often.
const ACTIVITY: Duration = Duration::from_secs(1);

/// A person who has not typed for this long has stopped typing.
pub(in crate::shim) const TYPING: Duration = Duration::from_secs(2);

/// What one subscriber is owed.
#[derive(Debug)]
pub(super) struct Subscriber {
    /// Output has come that it has not been told of.
    active: bool,
    told_at: Option<Instant>,
    /// Output has come since the last settled screen.
    unsettled: bool,
    title: bool,
    bell: bool,
}

impl Subscriber {
    pub(super) fn mark(&mut self, fed: Fed) {
        self.active = true;
        self.unsettled = true;
        self.title |= fed.title;
        self.bell |= fed.bell;
    }

    /// When it is told something next.
    fn due(&self, last_output: Instant) -> Option<Instant> {
        let activity = self.active.then(|| self.told_at.map_or(last_output, |at| at + ACTIVITY));
        let settled = self.unsettled.then(|| last_output + QUIET);
        let now = (self.title || self.bell).then_some(last_output);
        activity.into_iter().chain(settled).chain(now).min()
    }
}

impl Connection {
    pub(super) fn event_at(&self, last_output: Instant) -> Option<Instant> {
        if let Phase::Subscriber(subscriber) = &self.phase { subscriber.due(last_output) } else { None }
    }
}

impl Server {
    /// Someone came to look.
    pub(super) fn viewer_came(&mut self) {
        self.viewers += 1;
        self.tell_of_viewers();
    }

    pub(super) fn viewer_left(&mut self) {
        self.viewers = self.viewers.saturating_sub(1);
        self.tell_of_viewers();
    }

    fn tell_of_viewers(&mut self) {
        let event = Event::Viewer { viewers: self.viewers, typing: self.typing };
        for connection in self.connections.values_mut() {
            connection.event(&event);
        }
    }

    /// A person typed.
    pub(super) fn typed(&mut self, now: Instant) {
        self.typed_at = Some(now);
        if !self.typing && self.has_subscribers() {
            self.typing = true;
            self.tell_of_viewers();
        }
    }

    fn has_subscribers(&self) -> bool {
        self.connections.values().any(|connection| matches!(connection.phase, Phase::Subscriber(_)))
    }

    /// When to tell that nobody types any longer.
    pub(super) fn typing_ends(&self) -> Option<Instant> {
        self.typed_at.filter(|_| self.typing).map(|at| at + TYPING)
    }
}

impl Shim {
    /// Makes a connection a subscriber. An agent that is quiet already is shown as it is now.
    pub(super) fn subscribe(&self, connection: &mut Connection, now: Instant) {
        connection.deadline = None;
        let quiet = now.saturating_duration_since(self.last_output) >= QUIET;
        connection.phase = Phase::Subscriber(Subscriber {
            active: false,
            told_at: None,
            unsettled: !quiet,
            title: false,
            bell: false,
        });
        let text = self.shown_text();
        connection.event(&Event::Now {
            lines: text.lines,
            title: text.title,
            ready: self.is_ready(),
            bytes: self.bytes,
            quiet_ms: u64::try_from(now.saturating_duration_since(self.last_output).as_millis()).unwrap_or(u64::MAX),
            viewers: self.server.viewers,
            typing: self.server.typing,
        });
        if let Some(report) = &self.words.last {
            connection.event(&Event::Report { report: report.clone(), past: true, unproven: false });
        }
        if quiet {
            connection.event(&self.settled());
        }
    }

    /// Whether it has been seen ready, or cannot be.
    fn is_ready(&self) -> bool {
        self.ready.seen || !self.patterns.has(PatternKind::Ready)
    }

    /// A subscriber may only leave.
    pub(super) fn subscriber_input(connection: &mut Connection) {
        let (frames, broken) = connection.frames();
        if broken || frames.iter().any(|frame| frame.kind == to_shim::DETACH) {
            connection.phase = Phase::Closing;
        }
    }

    fn settled(&self) -> Event {
        let text = self.shown_text();
        Event::Settled { hash: self.text_hash(), lines: text.lines, title: Some(text.title), ready: self.is_ready() }
    }

    /// Tells subscribers what they are owed by now.
    pub(super) fn tick_events(&mut self, now: Instant) {
        if self.server.typing_ends().is_some_and(|at| at <= now) {
            self.server.typing = false;
            self.server.tell_of_viewers();
        }
        let due = |connection: &Connection| connection.event_at(self.last_output).is_some_and(|at| at <= now);
        if !self.server.connections.values().any(due) {
            return;
        }
        let settles = now.saturating_duration_since(self.last_output) >= QUIET;
        let settled = settles.then(|| self.settled());
        let title = Event::Title { title: self.shown_title() };
        let activity = Event::Activity { bytes: self.bytes };
        for connection in self.server.connections.values_mut() {
            let Phase::Subscriber(subscriber) = &mut connection.phase else { continue };
            let mut events = Vec::new();
            if std::mem::take(&mut subscriber.title) {
                events.push(&title);
            }
            if std::mem::take(&mut subscriber.bell) {
                events.push(&Event::Bell);
            }
            if subscriber.active && subscriber.told_at.is_none_or(|at| at + ACTIVITY <= now) {
                subscriber.active = false;
                subscriber.told_at = Some(now);
                events.push(&activity);
            }
            if subscriber.unsettled
                && let Some(settled) = &settled
            {
                subscriber.unsettled = false;
                events.push(settled);
            }
            for event in events {
                connection.event(event);
            }
        }
    }
}
