//! Words of a plan on a terminal: colour, and lengths that fit.

use std::fmt::Write as _;
use std::path::Path;

use crate::plan::Action;

/// Paints a word; the text says the same without paint.
#[derive(Debug, Clone, Copy)]
pub struct Paint {
    pub colour: bool,
}

impl Paint {
    pub(super) fn wrap(self, code: &str, text: &str) -> String {
        if self.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    /// Red.
    #[must_use]
    pub fn bad(self, text: &str) -> String {
        self.wrap("31", text)
    }

    pub(super) fn sign(self, action: Action) -> String {
        match action {
            Action::Add => self.wrap("32", "+"),
            Action::Change => self.wrap("33", "~"),
            Action::Remove => self.wrap("31", "-"),
            Action::None => " ".to_owned(),
        }
    }

    /// Bold.
    #[must_use]
    pub fn bold(self, text: &str) -> String {
        self.wrap("1", text)
    }

    /// Faint.
    #[must_use]
    pub fn dim(self, text: &str) -> String {
        self.wrap("2", text)
    }
}

/// Columns that a list of notes is wrapped at.
const NOTE_WIDTH: usize = 100;

/// A list as a paragraph whose lines are indented below its first word.
pub(super) fn wrapped(head: &str, items: &[String]) -> String {
    let mut out = head.trim_end().to_owned();
    let mut column = out.len();
    for (index, item) in items.iter().enumerate() {
        let comma = if index + 1 < items.len() { "," } else { "" };
        if column + item.chars().count() + 2 > NOTE_WIDTH {
            out.push_str("\n     ");
            column = 5;
        }
        let _ = write!(out, " {item}{comma}");
        column += item.chars().count() + 2;
    }
    out
}

/// Values of any length fit a line for people; JSON has them whole.
pub(super) fn shorten(value: &str) -> String {
    const LONGEST: usize = 60;
    let acts = |c: char| {
        c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let value: String = value.chars().map(|c| if acts(c) { '?' } else { c }).collect();
    if value.chars().count() <= LONGEST {
        return value;
    }
    value.chars().take(LONGEST - 1).chain(['…']).collect()
}

/// `path` with the home folder as `~`.
#[must_use]
pub fn tilde(path: &Path, home: &Path) -> String {
    match path.strip_prefix(home) {
        Ok(rest) if rest.as_os_str().is_empty() => "~".to_owned(),
        Ok(rest) => format!("~/{}", rest.display()),
        Err(_) => path.display().to_string(),
    }
}

/// `1 agent`, `2 agents`.
#[must_use]
pub fn plural(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
