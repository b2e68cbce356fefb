//! The model's screen as text.

use alacritty_terminal::grid::Dimensions as _;
use alacritty_terminal::index::{Column, Line};
use alacritty_terminal::term::TermMode;
use alacritty_terminal::term::cell::Flags;

use super::Model;
use crate::shim::protocol::Cursor;

/// The visible text and what belongs to it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::shim) struct ScreenText {
    pub(in crate::shim) title: String,
    /// Without trailing blanks, one for each row.
    pub(in crate::shim) lines: Vec<String>,
    /// Whether each line goes on in the next one.
    pub(in crate::shim) wrapped: Vec<bool>,
}

impl Model {
    /// The visible text.
    pub(in crate::shim) fn text(&self) -> ScreenText {
        let rows = i32::from(self.size.rows);
        let (lines, wrapped) = (0..rows).map(|row| self.line(row)).unzip();
        ScreenText { title: self.title(), lines, wrapped }
    }

    /// At most `count` lines that scrolled off, oldest first.
    pub(in crate::shim) fn scrollback(&self, count: usize) -> (Vec<String>, Vec<bool>) {
        let kept = self.term.grid().history_size().min(count);
        let kept = i32::try_from(kept).unwrap_or(i32::MAX);
        (-kept..0).map(|row| self.line(row)).unzip()
    }

    /// The lines that scrolled off, oldest first, and whether each goes on in the next one. They are gone from the model.
    pub(in crate::shim) fn take_scrolled(&mut self) -> Vec<(String, bool)> {
        // The other screen's lines wait until it is shown again.
        if self.term.mode().contains(TermMode::ALT_SCREEN) {
            return Vec::new();
        }
        let (lines, wrapped) = self.scrollback(usize::MAX);
        if !lines.is_empty() {
            self.term.grid_mut().clear_history();
        }
        lines.into_iter().zip(wrapped).collect()
    }

    /// The text of a row and whether it goes on in the next one.
    fn line(&self, row: i32) -> (String, bool) {
        let row = &self.term.grid()[Line(row)];
        let columns = self.size.columns();
        let mut text = String::new();
        for column in 0..columns {
            let cell = &row[Column(column)];
            if cell.flags.intersects(Flags::WIDE_CHAR_SPACER | Flags::LEADING_WIDE_CHAR_SPACER) {
                continue;
            }
            text.push(if cell.c == '\t' { ' ' } else { cell.c });
            text.extend(cell.zerowidth().unwrap_or_default());
        }
        let wrapped = row[Column(columns - 1)].flags.contains(Flags::WRAPLINE);
        text.truncate(text.trim_end().len());
        (text, wrapped)
    }

    /// The cursor on the screen.
    pub(in crate::shim) fn cursor(&self) -> Cursor {
        let point = self.term.grid().cursor.point;
        Cursor {
            row: u16::try_from(point.line.0).unwrap_or(0),
            column: u16::try_from(point.column.0).unwrap_or(0),
            visible: self.term.mode().contains(TermMode::SHOW_CURSOR),
        }
    }

    /// Names of the modes that the program has switched on, for people.
    pub(in crate::shim) fn mode_names(&self) -> Vec<String> {
        const NAMES: &[(TermMode, &str)] = &[
            (TermMode::ALT_SCREEN, "alternate-screen"),
            (TermMode::BRACKETED_PASTE, "bracketed-paste"),
            (TermMode::APP_CURSOR, "application-cursor"),
            (TermMode::APP_KEYPAD, "application-keypad"),
            (TermMode::MOUSE_REPORT_CLICK, "mouse-click"),
            (TermMode::MOUSE_DRAG, "mouse-drag"),
            (TermMode::MOUSE_MOTION, "mouse-motion"),
            (TermMode::SGR_MOUSE, "mouse-sgr"),
            (TermMode::FOCUS_IN_OUT, "focus"),
        ];
        let on = |mode: TermMode| self.term.mode().contains(mode);
        NAMES.iter().filter(|(mode, _)| on(*mode)).map(|(_, name)| (*name).to_owned()).collect()
    }
}

/// A digest of lines: FNV-1a, 64 bits. It tells screens apart; it keeps nothing secret.
pub(in crate::shim) fn hash(lines: &[String]) -> String {
    let mut digest = 0xcbf2_9ce4_8422_2325_u64;
    for line in lines {
        for byte in line.bytes().chain([b'\n']) {
            digest = (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    format!("{digest:016x}")
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::super::Size;
    use super::*;

    fn fed(columns: u16, rows: u16, history: u32, output: &[u8]) -> Model {
        let mut model = Model::new(Size::new(columns, rows), history);
        model.feed(output, Instant::now());
        model
    }

    #[test]
    fn wide_characters_and_marks_are_read_as_they_were_written() {
        let model = fed(20, 3, 0, "漢字 e\u{301} ünï\t|\r\n".as_bytes());
        assert_eq!(model.text().lines[0], "漢字 e\u{301} ünï      |");
        assert_eq!(model.text().lines[1..], ["", ""]);
    }

    #[test]
    fn a_long_line_is_known_to_go_on() {
        let text = fed(10, 3, 0, b"0123456789abc").text();
        assert_eq!(text.lines, ["0123456789", "abc", ""]);
        assert_eq!(text.wrapped, [true, false, false]);
    }

    #[test]
    fn history_is_bounded_and_oldest_first() {
        let lines = (0..30).fold(String::new(), |text, n| text + &format!("line {n}\r\n"));
        let model = fed(20, 5, 10, lines.as_bytes());
        assert_eq!(model.scrollback(3).0, ["line 23", "line 24", "line 25"]);
        assert_eq!(model.scrollback(usize::MAX).0.len(), 10);
        assert!(fed(20, 5, 0, lines.as_bytes()).scrollback(9).0.is_empty());
    }

    #[test]
    fn resizing_keeps_both_screens() {
        let mut model = fed(20, 5, 10, b"one\r\ntwo\x1b[?1049hother");
        for (columns, rows) in [(40, 12), (10, 3), (200, 50), (20, 5)] {
            model.resize(Size::new(columns, rows));
        }
        assert!(model.text().lines.iter().any(|line| line.contains("other")), "{:?}", model.text().lines);
        model.feed(b"\x1b[?1049l", Instant::now());
        assert!(model.text().lines.iter().any(|line| line == "one"), "{:?}", model.text().lines);
    }

    #[test]
    fn the_hash_covers_text_only() {
        assert_eq!(hash(&fed(9, 2, 0, b"\x1b[31mred").text().lines), hash(&fed(9, 2, 0, b"red").text().lines));
        assert_ne!(hash(&["a".into(), String::new()]), hash(&["a".into()]));
    }
}
