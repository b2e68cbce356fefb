//! How bad a state is, and how that looks. Marks and words say all; colour only helps.

use ratatui::style::{Color, Modifier, Style};

use super::text;
use crate::driver::words::Row;
use crate::supervise::standing::State;

/// What the terminal can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    pub colour: bool,
    pub unicode: bool,
}

/// How much a person should look at an agent; the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// It does not go on before somebody acts.
    Broken,
    Trouble,
    /// It waits for a person.
    Person,
    /// It waits for a time to come or is on its way.
    Passing,
    Working,
    Idle,
    /// It does not run, and shall not.
    Rest,
}

/// Every weight, the worst first, with what it means.
pub const LEGEND: [(Weight, &str); 7] = [
    (Weight::Broken, "quarantined, blocked"),
    (Weight::Trouble, "stalled, unknown, gone"),
    (Weight::Person, "waits for a person"),
    (Weight::Passing, "waits for a time, starts, stops"),
    (Weight::Working, "works"),
    (Weight::Idle, "idle"),
    (Weight::Rest, "stopped, as wished"),
];

impl Weight {
    /// That of a row.
    #[must_use]
    pub fn of(row: &Row) -> Self {
        match Self::of_state(&row.standing.state) {
            Self::Rest if !row.healthy => Self::Trouble,
            weight => weight,
        }
    }

    /// That of a state of which no more is known.
    #[must_use]
    pub fn of_state(state: &State) -> Self {
        match state {
            State::Quarantined | State::Blocked { .. } => Self::Broken,
            State::Stalled | State::Unknown => Self::Trouble,
            State::WaitingForHuman => Self::Person,
            State::Starting | State::Stopping | State::RateLimited { .. } | State::BackingOff { .. } => Self::Passing,
            State::Working => Self::Working,
            State::Idle => Self::Idle,
            State::Stopped => Self::Rest,
        }
    }

    /// One column.
    #[must_use]
    pub fn mark(self) -> &'static str {
        match self {
            Self::Broken => "X",
            Self::Trouble => "!",
            Self::Person => "?",
            Self::Passing => "~",
            Self::Working => "*",
            Self::Idle => ".",
            Self::Rest => "-",
        }
    }

    /// Whether it stands before those who need nobody.
    #[must_use]
    pub fn is_news(self) -> bool {
        self <= Self::Person
    }
}

impl Look {
    /// Text from elsewhere, as this terminal may have it.
    #[must_use]
    pub fn harmless(self, text: &str) -> String {
        text::harmless(text, self.unicode)
    }

    /// `text` in `room` columns at most.
    #[must_use]
    pub fn fit(self, text: &str, room: usize) -> String {
        text::fit(text, room, self.cut())
    }

    /// `name` in `room` columns at most.
    #[must_use]
    pub fn fit_name(self, name: &str, room: usize) -> String {
        text::fit_name(name, room, self.cut())
    }

    /// Where something is left out.
    #[must_use]
    pub fn cut(self) -> &'static str {
        if self.unicode { "…" } else { "~" }
    }

    /// Between parts of one line.
    #[must_use]
    pub fn dot(self) -> &'static str {
        if self.unicode { " · " } else { " | " }
    }

    /// What rules are made of.
    #[must_use]
    pub fn rule(self) -> &'static str {
        if self.unicode { "─" } else { "-" }
    }

    /// Before the selected row.
    #[must_use]
    pub fn pointer(self) -> &'static str {
        if self.unicode { "▸" } else { ">" }
    }

    /// The style of a weight.
    #[must_use]
    pub fn style(self, weight: Weight) -> Style {
        let bold = Style::new().add_modifier(Modifier::BOLD);
        match weight {
            Weight::Broken | Weight::Trouble => self.coloured(bold, Color::Red),
            Weight::Person => self.coloured(bold, Color::Yellow),
            Weight::Passing => self.coloured(Style::new(), Color::Cyan),
            Weight::Working => self.coloured(Style::new(), Color::Green),
            Weight::Idle => Style::new(),
            Weight::Rest => self.dim(),
        }
    }

    /// Bad news about the whole fleet.
    #[must_use]
    pub fn alarm(self) -> Style {
        self.style(Weight::Broken)
    }

    /// Names, titles, keys.
    #[must_use]
    pub fn strong(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// What may be overlooked.
    #[must_use]
    pub fn dim(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    fn coloured(self, style: Style, colour: Color) -> Style {
        if self.colour { style.fg(colour) } else { style }
    }
}
