//! Draws the model's screen on a viewer's terminal: what changed since the last frame, and nothing else.
//!
//! A viewer never sees the agent's bytes. So it may be smaller, slower or come late, and no query of the agent's reaches
//! a terminal that would answer it.

use std::fmt::Write as _;

use alacritty_terminal::grid::Dimensions as _;
use alacritty_terminal::index::{Column, Line};
use alacritty_terminal::term::TermMode;
use alacritty_terminal::term::cell::{Cell, Flags};
use alacritty_terminal::vte::ansi::{Color, CursorShape};

use super::sgr::Style;
use super::{Model, Size};

/// Modes of the agent's that a writing viewer's terminal must have too, so that it sends what the agent expects.
const MODES: &[(TermMode, &str)] = &[
    (TermMode::APP_CURSOR, "?1"),
    (TermMode::MOUSE_REPORT_CLICK, "?1000"),
    (TermMode::MOUSE_DRAG, "?1002"),
    (TermMode::MOUSE_MOTION, "?1003"),
    (TermMode::FOCUS_IN_OUT, "?1004"),
    (TermMode::UTF8_MOUSE, "?1005"),
    (TermMode::SGR_MOUSE, "?1006"),
    (TermMode::BRACKETED_PASTE, "?2004"),
];

/// What a viewer's terminal shows.
#[derive(Debug)]
pub(in crate::shim) struct Canvas {
    size: Size,
    /// A viewer that may type gets the agent's modes.
    live: bool,
    /// The part of the agent's screen that is shown begins here.
    origin: (usize, usize),
    /// What each row shows. `None`: not known.
    rows: Vec<Option<u64>>,
    cursor: Option<(usize, usize, bool)>,
    shape: Option<u8>,
    title: Option<String>,
    modes: Option<TermMode>,
    /// It was given modes before, so those that are off must be said too.
    told_modes: bool,
}

impl Canvas {
    pub(in crate::shim) fn new(size: Size, live: bool) -> Self {
        Self {
            size,
            live,
            origin: (0, 0),
            rows: vec![None; usize::from(size.rows)],
            cursor: None,
            shape: None,
            title: None,
            modes: None,
            told_modes: false,
        }
    }

    /// The viewer's terminal.
    pub(in crate::shim) fn size(&self) -> Size {
        self.size
    }

    /// The viewer's terminal has another size now, or was used for something else meanwhile: nobody knows what it shows,
    /// nor which modes it has.
    pub(in crate::shim) fn resize(&mut self, size: Size) {
        *self = Self { origin: self.origin, told_modes: self.told_modes, ..Self::new(size, self.live) };
    }

    /// The bytes that bring the viewer up to date. Empty when it is.
    pub(in crate::shim) fn draw(&mut self, model: &Model) -> Vec<u8> {
        let mut out = String::new();
        if self.rows.iter().all(Option::is_none) {
            out.push_str("\x1b[0m\x1b[r\x1b[H\x1b[2J");
        }
        let cursor = self.follow(model);
        let mut drawn = false;
        for row in 0..self.rows.len() {
            let now = self.row_hash(model, row);
            if self.rows[row] != Some(now) {
                self.rows[row] = Some(now);
                if !drawn {
                    // A cursor that jumps about while rows are drawn is seen as flicker.
                    out.push_str("\x1b[?2026h\x1b[?25l");
                    drawn = true;
                }
                self.draw_row(model, row, &mut out);
            }
        }
        self.draw_modes(model, &mut out);
        self.draw_title(model, &mut out);
        let shape = shape(model);
        if self.shape != Some(shape) {
            self.shape = Some(shape);
            let _ = write!(out, "\x1b[{shape} q");
        }
        if drawn || self.cursor != Some(cursor) {
            self.cursor = Some(cursor);
            let (row, column, visible) = cursor;
            let _ = write!(out, "\x1b[{};{}H", row + 1, column + 1);
            out.push_str(if visible { "\x1b[?25h" } else { "\x1b[?25l" });
        }
        if drawn {
            out.push_str("\x1b[?2026l");
        }
        out.into_bytes()
    }

    /// Moves the shown part as little as possible so that the cursor is in it; the cursor within the shown part.
    fn follow(&mut self, model: &Model) -> (usize, usize, bool) {
        let cursor = model.cursor();
        let at = (usize::from(cursor.row), usize::from(cursor.column));
        let shown = (usize::from(self.size.rows), usize::from(self.size.columns));
        let whole = (model.size.screen_lines(), model.size.columns());
        let keep = |origin: usize, at: usize, shown: usize, whole: usize| {
            origin.min(at).max((at + 1).saturating_sub(shown)).min(whole.saturating_sub(shown))
        };
        self.origin = (keep(self.origin.0, at.0, shown.0, whole.0), keep(self.origin.1, at.1, shown.1, whole.1));
        let hidden = model.term.cursor_style().shape == CursorShape::Hidden;
        (at.0 - self.origin.0, at.1 - self.origin.1, cursor.visible && !hidden)
    }

    /// The cells of one of the viewer's rows.
    fn cells<'a>(&self, model: &'a Model, row: usize) -> &'a [Cell] {
        let line = self.origin.0 + row;
        if line >= model.size.screen_lines() {
            return &[];
        }
        let line = &model.term.grid()[Line(i32::try_from(line).unwrap_or(0))];
        let end = (self.origin.1 + usize::from(self.size.columns)).min(model.size.columns());
        &line[Column(self.origin.1)..Column(end)]
    }

    fn row_hash(&self, model: &Model, row: usize) -> u64 {
        let mut digest = 0;
        for cell in self.cells(model, row) {
            mix(&mut digest, u64::from(u32::from(cell.c)) << 16 | u64::from(cell.flags.bits()));
            mix(&mut digest, color_key(cell.fg) << 32 | color_key(cell.bg));
            if cell.extra.is_some() {
                for &mark in cell.zerowidth().unwrap_or_default() {
                    mix(&mut digest, u64::from(u32::from(mark)));
                }
                mix(&mut digest, cell.underline_color().map_or(u64::MAX, color_key));
            }
        }
        digest
    }

    fn draw_row(&self, model: &Model, row: usize, out: &mut String) {
        let cells = self.cells(model, row);
        let width = usize::from(self.size.columns);
        let _ = write!(out, "\x1b[{};1H\x1b[0m", row + 1);
        let marked = cells.iter().any(|cell| cell.zerowidth().is_some_and(|marks| !marks.is_empty()));
        if marked {
            // Terminals disagree on how wide such cells are; what is left of the old row would show.
            out.push_str("\x1b[2K");
        }
        let used = cells.iter().rposition(|cell| !is_blank(cell)).map_or(0, |last| last + 1);
        let mut style = Style::PLAIN;
        let mut column = 0;
        while column < used {
            let cell = &cells[column];
            let wanted = Style::of(cell);
            if wanted != style {
                wanted.write(out);
                style = wanted;
            }
            let wide = cell.flags.contains(Flags::WIDE_CHAR);
            if wide && column + 1 >= cells.len() {
                // Its other half is outside of what is shown.
                out.push(' ');
                column += 1;
            } else if cell.flags.intersects(Flags::WIDE_CHAR_SPACER | Flags::LEADING_WIDE_CHAR_SPACER) {
                out.push(' ');
                column += 1;
            } else {
                out.push(if cell.c.is_control() { ' ' } else { cell.c });
                column += if wide { 2 } else { 1 };
                let marks = cell.zerowidth().unwrap_or_default();
                out.extend(marks);
                if !marks.is_empty() && column < width {
                    let _ = write!(out, "\x1b[{}G", column + 1);
                }
            }
        }
        if style != Style::PLAIN {
            out.push_str("\x1b[0m");
        }
        // After the last column this would erase the last cell.
        if used < width && !marked {
            out.push_str("\x1b[K");
        }
    }

    fn draw_modes(&mut self, model: &Model, out: &mut String) {
        if !self.live {
            return;
        }
        let now = model.mode();
        let changed = self.modes.map_or(TermMode::all(), |before| before ^ now);
        for (mode, number) in MODES {
            if changed.contains(*mode) && (self.told_modes || now.contains(*mode)) {
                let _ = write!(out, "\x1b[{number}{}", if now.contains(*mode) { 'h' } else { 'l' });
            }
        }
        if changed.contains(TermMode::APP_KEYPAD) && (self.told_modes || now.contains(TermMode::APP_KEYPAD)) {
            out.push_str(if now.contains(TermMode::APP_KEYPAD) { "\x1b=" } else { "\x1b>" });
        }
        self.modes = Some(now);
        self.told_modes = true;
    }

    fn draw_title(&mut self, model: &Model, out: &mut String) {
        let title = model.title();
        if self.title.as_ref() != Some(&title) {
            let _ = write!(out, "\x1b]2;{title}\x07");
            self.title = Some(title);
        }
    }
}

/// Adds a value to a row's digest. Fast, since every cell of every row passes here for every frame.
fn mix(digest: &mut u64, value: u64) {
    *digest = (digest.rotate_left(5) ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
}

fn color_key(color: Color) -> u64 {
    match color {
        Color::Named(name) => name as u64,
        Color::Indexed(index) => 1 << 24 | u64::from(index),
        Color::Spec(rgb) => 2 << 24 | u64::from(rgb.r) << 16 | u64::from(rgb.g) << 8 | u64::from(rgb.b),
    }
}

fn is_blank(cell: &Cell) -> bool {
    matches!(cell.c, ' ' | '\t') && Style::of(cell) == Style::PLAIN && cell.zerowidth().is_none_or(<[char]>::is_empty)
}

/// The parameter of DECSCUSR for the agent's cursor.
fn shape(model: &Model) -> u8 {
    let style = model.term.cursor_style();
    let steady = match style.shape {
        CursorShape::Underline => 4,
        CursorShape::Beam => 6,
        _ => 2,
    };
    if style.blinking { steady - 1 } else { steady }
}
