//! Text from elsewhere, made harmless and fitted into columns.

use unicode_width::UnicodeWidthChar as _;

use crate::supervise::clock::Millis;

/// More marks on one character are left out: they would be drawn over the lines around it.
const MARKS: usize = 2;

/// `text` on one line, without what acts on a terminal, reorders what is shown, or is measured differently by different
/// terminals. Control characters stay visible as one sign each; outside `unicode`, so does all that is not ASCII.
#[must_use]
pub fn harmless(text: &str, unicode: bool) -> String {
    visible(text, unicode).trim().to_owned()
}

/// The same with the blanks around it.
#[must_use]
pub fn visible(text: &str, unicode: bool) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut marks = 0;
    for c in text.chars() {
        let c = match c {
            '\t' | '\n' | '\r' | '\u{2028}' | '\u{2029}' => ' ',
            c if is_invisible(c) => continue,
            c if c.is_control() && unicode => '\u{fffd}',
            c if c.is_control() => '?',
            c if unicode || c.is_ascii() => c,
            // fleet's own words use these.
            '→' => '>',
            '…' => '~',
            '·' => '|',
            _ => '?',
        };
        marks = if c.width() == Some(0) { marks + 1 } else { 0 };
        if marks <= MARKS {
            clean.push(c);
        }
    }
    clean
}

/// Marks, overrides and isolates of the bidirectional algorithm, what joins or modifies emoji (terminals disagree about
/// its width), soft hyphens, zero-width blanks, tags.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        | '\u{1f3fb}'..='\u{1f3ff}' | '\u{e0000}'..='\u{e0fff}')
}

/// The columns that `text` takes.
#[must_use]
pub fn columns(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

/// The longest beginning of `text` that takes `room` columns at most.
fn head(text: &str, room: usize) -> &str {
    let mut used = 0;
    for (at, c) in text.char_indices() {
        used += c.width().unwrap_or(0);
        if used > room {
            return &text[..at];
        }
    }
    text
}

/// `text` in `room` columns at most. Where it is cut, `mark` stands, and where that costs little it is cut between words.
#[must_use]
pub fn fit(text: &str, room: usize, mark: &str) -> String {
    if columns(text) <= room {
        return text.to_owned();
    }
    let Some(keep) = room.checked_sub(columns(mark)) else { return head(text, room).to_owned() };
    let mut cut = head(text, keep);
    if !text[cut.len()..].starts_with(' ')
        && let Some(blank) = cut.rfind(' ')
        && blank * 2 > cut.len()
    {
        cut = &cut[..blank];
    }
    format!("{}{mark}", cut.trim_end_matches([' ', ',', ':', ';']))
}

/// `name` in `room` columns at most, cut in its middle: names of one group differ at their ends.
#[must_use]
pub fn fit_name(name: &str, room: usize, mark: &str) -> String {
    let (all, gap) = (columns(name), columns(mark));
    if all <= room || room < gap + 4 {
        return fit(name, room, mark);
    }
    let end = (room - gap) / 2;
    let mut tail = name.len();
    for (at, _) in name.char_indices().rev() {
        if columns(&name[at..]) > end {
            break;
        }
        tail = at;
    }
    format!("{}{mark}{}", head(name, room - gap - columns(&name[tail..])), &name[tail..])
}

/// `text` and blanks up to `room` columns.
#[must_use]
pub fn pad(text: &str, room: usize) -> String {
    format!("{text}{}", " ".repeat(room.saturating_sub(columns(text))))
}

/// Blanks up to `room` columns and `text`.
#[must_use]
pub fn pad_left(text: &str, room: usize) -> String {
    format!("{}{text}", " ".repeat(room.saturating_sub(columns(text))))
}

/// `text` in lines of `room` columns at most, broken between words where there are any.
#[must_use]
pub fn wrap(text: &str, room: usize) -> Vec<String> {
    let room = room.max(1);
    let mut lines = Vec::new();
    let mut line = String::new();
    for mut word in text.split(' ').filter(|word| !word.is_empty()) {
        let gap = usize::from(!line.is_empty());
        if columns(&line) + gap + columns(word) > room && !line.is_empty() {
            lines.push(std::mem::take(&mut line));
        }
        while columns(word) > room {
            let start = match head(word, room) {
                // A character wider than the room is left out.
                "" => break,
                start => start,
            };
            lines.push(start.to_owned());
            word = &word[start.len()..];
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(head(word, room));
    }
    lines.push(line);
    lines
}

/// `47s`, `12m`, `3h`, `9d`.
#[must_use]
pub fn age(since: Millis, now: Millis) -> String {
    match now.saturating_sub(since) / 1_000 {
        seconds @ 0..60 => format!("{seconds}s"),
        seconds @ 60..3_600 => format!("{}m", seconds / 60),
        seconds @ 3_600..172_800 => format!("{}h", seconds / 3_600),
        seconds => format!("{}d", (seconds / 86_400).min(999)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_is_shown_or_gone() {
        assert_eq!(harmless("\x1b[31mred\x07\u{9b}\x7f", true), "\u{fffd}[31mred\u{fffd}\u{fffd}\u{fffd}");
        assert_eq!(harmless("\x1b[31mred größe", false), "?[31mred gr??e");
        assert_eq!(harmless("a\u{202e}b\u{2066}c\u{200f}\u{feff}d", true), "abcd");
        assert_eq!(harmless("one\ttwo\r\nthree\n", true), "one two  three");
        assert_eq!(harmless("👩\u{200d}🚀 1\u{fe0f} 👍🏽", true), "👩🚀 1 👍");
        let tall = format!("e{}x", "\u{301}".repeat(50));
        assert_eq!(harmless(&tall, true), "e\u{301}\u{301}x");
    }

    #[test]
    fn texts_are_cut_between_words_where_that_costs_little() {
        assert_eq!(fit("a question is on its screen", 20, "…"), "a question is on…");
        assert_eq!(fit("a question is on its screen", 27, "…"), "a question is on its screen");
        assert_eq!(fit("src/supervise/machine.rs is open", 12, "…"), "src/supervi…");
        assert_eq!(fit("日本語の文字", 7, "…"), "日本語…");
        assert_eq!(fit("日本語", 1, "…"), "…");
        assert_eq!(fit("words", 0, "…"), "");
        assert_eq!(fit("no, more", 5, "…"), "no…");
    }

    #[test]
    fn names_keep_their_ends() {
        assert_eq!(fit_name("security-reviewer-12", 12, "…"), "securi…er-12");
        assert_eq!(fit_name("coder-1", 12, "…"), "coder-1");
        assert_eq!(fit_name("security-reviewer-12", 4, "…"), "sec…");
    }

    #[test]
    fn text_is_padded_and_wrapped_by_columns() {
        assert_eq!(pad("日", 4), "日  ");
        assert_eq!(pad_left("3m", 4), "  3m");
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("a verylongword b", 5), ["a", "veryl", "ongwo", "rd b"]);
        assert_eq!(wrap("日本語", 4), ["日本", "語"]);
        assert_eq!(wrap("日", 1), [""]);
        assert_eq!(wrap("", 4), [""]);
    }

    #[test]
    fn ages_take_four_columns() {
        assert_eq!(age(5_000, 3_000), "0s");
        assert_eq!(age(0, 59_999), "59s");
        assert_eq!(age(0, 3_599_000), "59m");
        assert_eq!(age(0, 47 * 3_600_000), "47h");
        assert_eq!(age(0, 72 * 3_600_000), "3d");
        assert_eq!(age(0, u64::MAX), "999d");
    }
}
