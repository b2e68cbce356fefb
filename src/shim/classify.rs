//! What the agent does, from what is known of it. Pure: the same facts give the same answer.

use std::time::Duration;

use super::patterns::{Match, Patterns};
use super::protocol::State;
use super::terminal::ScreenText;
use crate::manifest::PatternKind;

/// An agent that wrote within this time is working: the longest pause of any agent CLI in the middle of a turn was
/// 1.53 s when measured.
pub(super) const QUIET: Duration = Duration::from_millis(2500);

/// What a state is judged by.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    /// Since the last output, or since the start when there was none.
    pub(super) quiet: Duration,
    /// This runtime says when it is ready, and has not said so yet.
    pub(super) unready: bool,
    pub(super) stopping: bool,
    pub(super) found: Found,
}

/// Which kinds of patterns match the screen.
#[derive(Debug, Clone, Default)]
pub(super) struct Found {
    pub(super) dialog: Option<Match>,
    pub(super) fatal: Option<Match>,
    pub(super) limit: Option<Match>,
    pub(super) busy: Option<Match>,
    pub(super) idle: Option<Match>,
}

impl Found {
    pub(super) fn on(screen: &ScreenText, patterns: &Patterns) -> Self {
        let find = |kind| patterns.find(kind, screen);
        Self {
            dialog: find(PatternKind::Dialog),
            fatal: find(PatternKind::Fatal),
            limit: find(PatternKind::Limit),
            busy: find(PatternKind::Busy),
            idle: find(PatternKind::Idle),
        }
    }

    pub(super) fn all_mut(&mut self) -> impl Iterator<Item = &mut Match> {
        let Self { dialog, fatal, limit, busy, idle } = self;
        [dialog, fatal, limit, busy, idle].into_iter().flatten()
    }
}

/// The state, and the reason in words.
pub(super) fn classify(facts: &Facts) -> (State, String) {
    let named = |what: &str, found: &Match| match &found.class {
        Some(class) => format!("{what} pattern ({class}) matched: {:?}", found.text),
        None => format!("{what} pattern matched: {:?}", found.text),
    };
    let quiet = format!("quiet for {:.1} s", facts.quiet.as_secs_f64());
    let found = &facts.found;
    if facts.stopping {
        (State::Stopping, "asked to stop".to_owned())
    } else if let Some(dialog) = &found.dialog {
        (State::WaitingForHuman, named("dialog", dialog))
    } else if let Some(fatal) = &found.fatal {
        (State::Fatal, named("fatal", fatal))
    } else if let Some(limit) = &found.limit {
        (State::RateLimited, named("limit", limit))
    } else if facts.unready {
        (State::Starting, "the ready pattern has not matched yet".to_owned())
    } else if let Some(busy) = &found.busy {
        (State::Working, named("busy", busy))
    } else if facts.quiet < QUIET {
        (State::Working, format!("output {:.1} s ago", facts.quiet.as_secs_f64()))
    } else if let Some(idle) = &found.idle {
        (State::Idle, format!("{quiet}, {}", named("idle", idle)))
    } else {
        (State::Unknown, format!("{quiet}, no pattern matched"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::unnecessary_wraps, reason = "it is put where an option belongs")]
    fn matched() -> Option<Match> {
        Some(Match { text: "text".to_owned(), class: None })
    }

    fn state(quiet_ms: u64, change: impl FnOnce(&mut Facts)) -> State {
        let mut facts = Facts { quiet: Duration::from_millis(quiet_ms), ..Facts::default() };
        change(&mut facts);
        classify(&facts).0
    }

    #[test]
    fn quiet_alone_is_not_idle() {
        assert_eq!(state(60_000, |_| {}), State::Unknown);
        assert_eq!(state(2500, |facts| facts.found.idle = matched()), State::Idle);
        assert_eq!(state(2499, |facts| facts.found.idle = matched()), State::Working);
    }

    #[test]
    fn a_busy_pattern_outweighs_quiet_and_idle() {
        let busy = |facts: &mut Facts| {
            facts.found.idle = matched();
            facts.found.busy = matched();
        };
        assert_eq!(state(60_000, busy), State::Working);
    }

    #[test]
    fn questions_and_failures_come_first() {
        let all = |facts: &mut Facts| {
            facts.unready = true;
            facts.found =
                Found { dialog: matched(), fatal: matched(), limit: matched(), busy: matched(), idle: matched() };
        };
        assert_eq!(state(0, all), State::WaitingForHuman);
        let without_dialog = |facts: &mut Facts| {
            all(facts);
            facts.found.dialog = None;
        };
        assert_eq!(state(0, without_dialog), State::Fatal);
        let limit = |facts: &mut Facts| {
            without_dialog(facts);
            facts.found.fatal = None;
        };
        assert_eq!(state(0, limit), State::RateLimited);
        let starting = |facts: &mut Facts| {
            limit(facts);
            facts.found.limit = None;
        };
        assert_eq!(state(0, starting), State::Starting);
        let stopping = |facts: &mut Facts| {
            all(facts);
            facts.stopping = true;
        };
        assert_eq!(state(0, stopping), State::Stopping);
    }

    #[test]
    fn the_reason_names_what_it_rests_on() {
        let mut facts = Facts { quiet: Duration::from_millis(3100), ..Facts::default() };
        facts.found.idle = Some(Match { text: "> ".trim().to_owned(), class: None });
        assert_eq!(classify(&facts).1, "quiet for 3.1 s, idle pattern matched: \">\"");
    }
}
