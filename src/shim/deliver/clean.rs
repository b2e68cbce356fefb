//! Text on its way into someone else's input line.

use crate::heartbeat;

/// Longest message, in bytes, after cleaning.
pub(super) const TEXT_MAX: usize = 64 << 10;

/// The kernel keeps this much of a line for a program that reads whole lines (termios(3): 4096 with its end).
pub(super) const LINE_MAX: usize = 4095;

/// Removes what would act instead of being read: control characters except tab and newline, and characters that
/// reorder or break lines invisibly. Line ends become `\n`; those at the end go.
pub(super) fn clean(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let cleaned: String = text.chars().filter(|&c| keeps(c)).collect();
    cleaned.trim_end_matches('\n').to_owned()
}

fn keeps(c: char) -> bool {
    matches!(c, '\n' | '\t') || !heartbeat::acts(c)
}

/// What to write to the terminal. A program without bracketed paste would take a newline for Enter and a tab for a
/// command, so they become blanks.
pub(super) fn paste(text: &str, bracketed: bool) -> Vec<u8> {
    if bracketed {
        format!("\x1b[200~{text}\x1b[201~").into_bytes()
    } else {
        text.replace(['\n', '\t'], " ").into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_is_removed_and_what_is_read_stays() {
        assert_eq!(clean("a\x1b[201~\x07b\u{9b}c\x7f\r\n\td\re\n\n"), "a[201~bc\n\td\ne");
        assert_eq!(clean("x\u{202e}y\u{2066}z\u{2028}\u{200f}"), "xyz");
        assert_eq!(clean("ünï 漢字 e\u{301} 👩\u{200d}🚀"), "ünï 漢字 e\u{301} 👩\u{200d}🚀");
        assert_eq!(clean("\x1b\x00\n"), "");
    }

    #[test]
    fn without_bracketed_paste_there_is_one_line() {
        assert_eq!(paste("a\n\tb", false), b"a  b");
        assert_eq!(paste("a\nb", true), b"\x1b[200~a\nb\x1b[201~");
    }
}
