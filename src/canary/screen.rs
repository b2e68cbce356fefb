//! What the canary shows: printed lines above, a few live rows at the bottom.

use std::fmt::Write as _;

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Stands for a line end in the input line, and in what is echoed.
pub const LINE_END: &str = "⏎";

/// The rows below the printed lines, as they should be.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Bottom {
    /// The busy line, without which the canary is idle.
    pub busy: Option<String>,
    /// A dialog. It hides the draft.
    pub question: Option<String>,
    pub draft: String,
}

/// Makes the bytes that bring a terminal from what it shows to what it should show.
#[derive(Debug)]
pub struct Screen {
    columns: usize,
    lines: Vec<String>,
    shown: Vec<String>,
    title: &'static str,
}

impl Screen {
    /// A screen `columns` wide that shows nothing yet.
    pub fn new(columns: usize) -> Self {
        Self { columns: columns.max(8), lines: Vec::new(), shown: Vec::new(), title: "" }
    }

    /// Adds a line above the live rows at the next [`Screen::draw`].
    pub fn print(&mut self, text: &str) {
        self.lines.extend(text.split('\n').map(str::to_owned));
    }

    /// The bytes for a terminal that is `columns` wide now. Empty when nothing changed.
    pub fn draw(&mut self, columns: usize, bottom: &Bottom) -> String {
        let old_columns = std::mem::replace(&mut self.columns, columns.max(8));
        let rows = self.rows(bottom);
        let mut bytes = String::new();
        let title = if bottom.busy.is_some() { "canary: working" } else { "canary: idle" };
        if title != self.title {
            let _ = write!(bytes, "\x1b]0;{title}\x07");
            self.title = title;
        }
        if self.lines.is_empty() && rows == self.shown && old_columns == self.columns {
            return bytes;
        }
        self.flush(&mut bytes);
        bytes.push_str(&rows.join("\r\n"));
        self.shown = rows;
        bytes
    }

    /// The bytes that take the live rows away for good, printing what waits.
    pub fn leave(&mut self) -> String {
        let mut bytes = String::new();
        self.flush(&mut bytes);
        self.shown.clear();
        bytes
    }

    /// Takes the live rows away and prints what waits.
    fn flush(&mut self, bytes: &mut String) {
        self.erase(bytes);
        for line in self.lines.drain(..) {
            bytes.push_str(&line);
            bytes.push_str("\r\n");
        }
    }

    /// A terminal made narrower wraps the rows that it shows, so their number is counted in its present width.
    fn erase(&self, bytes: &mut String) {
        let rows: usize = self.shown.iter().map(|row| row.width().div_ceil(self.columns).max(1)).sum();
        bytes.push('\r');
        if rows > 1 {
            let _ = write!(bytes, "\x1b[{}A", rows - 1);
        }
        bytes.push_str("\x1b[J");
    }

    fn rows(&self, bottom: &Bottom) -> Vec<String> {
        let mut rows: Vec<String> = bottom.busy.iter().map(|busy| clip(busy, self.columns - 1)).collect();
        rows.push(match &bottom.question {
            Some(question) => {
                let asked = clip(&one_line(question), self.columns - 10);
                format!("? {asked} [y/N] ")
            }
            None => format!("> {}", clip(&one_line(&bottom.draft), self.columns - 3)),
        });
        rows
    }
}

/// `text` with its line ends made visible.
pub fn one_line(text: &str) -> String {
    text.replace('\n', LINE_END).replace('\t', " ")
}

/// At most `columns` of `text`: its beginning, by which a draft is recognised, and its end, where one types.
fn clip(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let tail_columns = columns / 4;
    let head = take(text.chars(), columns - 1 - tail_columns);
    let tail: Vec<char> = take(text.chars().rev(), tail_columns).chars().rev().collect();
    format!("{head}…{}", tail.into_iter().collect::<String>())
}

fn take(chars: impl Iterator<Item = char>, columns: usize) -> String {
    let mut left = columns;
    chars
        .take_while(|c| {
            let width = c.width().unwrap_or(0);
            let fits = width <= left;
            left = left.saturating_sub(width);
            fits
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_written_when_nothing_changed() {
        let mut screen = Screen::new(80);
        assert!(!screen.draw(80, &Bottom::default()).is_empty());
        assert_eq!(screen.draw(80, &Bottom::default()), "");
        assert!(!screen.draw(79, &Bottom::default()).is_empty(), "another width draws again");
    }

    #[test]
    fn a_long_draft_shows_both_ends_and_never_wraps() {
        let draft = format!("begin{}end", "漢".repeat(200));
        let row = clip(&draft, 37);
        assert!(row.starts_with("begin漢") && row.ends_with("漢end"), "{row}");
        assert!(row.width() <= 37 && row.width() >= 35, "{row}");
        assert_eq!(clip("short", 5), "short");
    }

    #[test]
    fn a_narrowed_terminal_is_erased_by_the_rows_it_wrapped_to() {
        let mut screen = Screen::new(80);
        let bottom = Bottom { draft: "x".repeat(70), ..Bottom::default() };
        screen.draw(80, &bottom);
        assert!(screen.draw(20, &bottom).starts_with("\r\x1b[3A\x1b[J"), "72 columns are 4 rows of 20");
    }
}
