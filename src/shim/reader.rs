//! A screen that came over the socket, looked at with the runtime's patterns: as the shim itself does.

use super::patterns::{Match, Patterns};
use super::terminal::ScreenText;
use crate::manifest::{Pattern, PatternKind};

/// Compiled patterns of one runtime.
#[derive(Debug, Default)]
pub struct Reader {
    patterns: Patterns,
}

/// Where each kind of pattern was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    pub dialog: Option<Found>,
    pub fatal: Option<Found>,
    pub limit: Option<Found>,
    pub busy: bool,
    pub idle: bool,
    pub ready: bool,
}

/// A pattern's match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The line it is in.
    pub text: String,
    pub class: Option<String>,
}

impl Reader {
    /// Compiles what can be compiled: the shim itself reports the rest.
    #[must_use]
    pub fn new(patterns: &[Pattern]) -> Self {
        Self { patterns: Patterns::compile(patterns).0 }
    }

    /// Looks at a screen.
    #[must_use]
    pub fn see(&self, title: &str, lines: &[String]) -> Seen {
        let screen = ScreenText { title: title.to_owned(), lines: lines.to_vec(), wrapped: vec![false; lines.len()] };
        let find = |kind| self.patterns.find(kind, &screen);
        let found = |kind| find(kind).map(|Match { text, class }| Found { text, class });
        Seen {
            dialog: found(PatternKind::Dialog),
            fatal: found(PatternKind::Fatal),
            limit: found(PatternKind::Limit),
            busy: find(PatternKind::Busy).is_some(),
            idle: find(PatternKind::Idle).is_some(),
            ready: find(PatternKind::Ready).is_some(),
        }
    }
}
