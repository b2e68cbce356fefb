//! Texts of agents and of the journal, made fit for a terminal.

/// Whether a terminal would do something about `c` instead of showing it, or show what follows in another order.
fn acts(c: char) -> bool {
    let directs =
        matches!(c, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || directs || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

/// `text` on one line, with everything visible that acts on a terminal.
#[must_use]
pub fn line(text: &str) -> String {
    let text = text.trim_end();
    if !text.chars().any(acts) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if acts(c) {
            out.extend(c.escape_default());
        } else {
            out.push(c);
        }
    }
    out
}

/// The lines of `text`, each as [`line`] has it; a tab is four blanks, and a line's end is no part of it.
pub fn lines(text: &str) -> impl Iterator<Item = String> {
    text.trim_end().lines().map(|part| line(&part.replace('\t', "    ")))
}

/// `text` in at most `width` columns, the rest as `…`.
#[must_use]
pub fn shorten(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

/// Breaks `text` between words, so that each line has at most `width` columns; a longer word has a line of its own.
#[must_use]
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match out.last_mut() {
            Some(last) if last.chars().count() + 1 + word.chars().count() <= width => {
                last.push(' ');
                last.push_str(word);
            }
            _ => out.push(word.to_owned()),
        }
    }
    // A wider gap between two words may stand where a line ends.
    out.into_iter().map(|line| line.trim_end().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_on_a_terminal_is_seen_and_does_not_act() {
        assert_eq!(
            line("red \u{1b}[31m\u{7}\u{9b}2J\r\nnext\t→ ok\n"),
            "red \\u{1b}[31m\\u{7}\\u{9b}2J\\r\\nnext\\t→ ok"
        );
        assert_eq!(line("a\u{202e}b\u{e0041}"), "a\\u{202e}b\\u{e0041}");
        assert_eq!(line("plain · text"), "plain · text");
        assert_eq!(lines("a\tb\r\nc\u{1b}\n\n").collect::<Vec<_>>(), ["a    b", "c\\u{1b}"]);
    }

    #[test]
    fn long_texts_are_cut_or_broken() {
        assert_eq!(shorten("äöü", 3), "äöü");
        assert_eq!(shorten("äöüß", 3), "äö…");
        assert_eq!(wrap("one two  three", 8), ["one two", "three"]);
        assert_eq!(wrap("averylongword x", 4), ["averylongword", "x"]);
    }
}
