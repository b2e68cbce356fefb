//! Colours and attributes of a cell as an escape sequence.

use std::fmt::Write as _;

use alacritty_terminal::term::cell::{Cell, Flags};
use alacritty_terminal::vte::ansi::{Color, NamedColor};

/// How a cell looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Style {
    foreground: Color,
    background: Color,
    underline: Option<Color>,
    flags: Flags,
}

/// Flags that change how a cell looks.
const LOOKS: Flags = Flags::INVERSE
    .union(Flags::BOLD)
    .union(Flags::ITALIC)
    .union(Flags::DIM)
    .union(Flags::HIDDEN)
    .union(Flags::STRIKEOUT)
    .union(Flags::ALL_UNDERLINES);

impl Style {
    /// What a terminal shows after a reset.
    pub(super) const PLAIN: Self = Self {
        foreground: Color::Named(NamedColor::Foreground),
        background: Color::Named(NamedColor::Background),
        underline: None,
        flags: Flags::empty(),
    };

    pub(super) fn of(cell: &Cell) -> Self {
        Self {
            foreground: cell.fg,
            background: cell.bg,
            underline: cell.underline_color(),
            flags: cell.flags & LOOKS,
        }
    }

    /// Appends the sequence that gives this look whatever came before.
    pub(super) fn write(self, out: &mut String) {
        out.push_str("\x1b[0");
        for (flag, code) in [
            (Flags::BOLD, ";1"),
            (Flags::DIM, ";2"),
            (Flags::ITALIC, ";3"),
            (Flags::UNDERLINE, ";4"),
            (Flags::DOUBLE_UNDERLINE, ";21"),
            // With a colon: who does not know curls shows a plain underline or none, never five attributes.
            (Flags::UNDERCURL, ";4:3"),
            (Flags::DOTTED_UNDERLINE, ";4:4"),
            (Flags::DASHED_UNDERLINE, ";4:5"),
            (Flags::INVERSE, ";7"),
            (Flags::HIDDEN, ";8"),
            (Flags::STRIKEOUT, ";9"),
        ] {
            if self.flags.contains(flag) {
                out.push_str(code);
            }
        }
        color(self.foreground, 30, out);
        color(self.background, 40, out);
        match self.underline {
            Some(Color::Indexed(index)) => {
                let _ = write!(out, ";58:5:{index}");
            }
            Some(Color::Spec(rgb)) => {
                let _ = write!(out, ";58:2::{}:{}:{}", rgb.r, rgb.g, rgb.b);
            }
            _ => {}
        }
        out.push('m');
    }
}

/// `base` is 30 for the foreground, 40 for the background.
fn color(color: Color, base: usize, out: &mut String) {
    let written = match color {
        Color::Named(name) => match name as usize {
            index @ 0..=7 => write!(out, ";{}", base + index),
            index @ 8..=15 => write!(out, ";{}", base + 60 + index - 8),
            // The defaults.
            _ => Ok(()),
        },
        Color::Indexed(index) => write!(out, ";{};5;{index}", base + 8),
        Color::Spec(rgb) => write!(out, ";{};2;{};{};{}", base + 8, rgb.r, rgb.g, rgb.b),
    };
    // Writing to a string cannot fail.
    let _ = written;
}
