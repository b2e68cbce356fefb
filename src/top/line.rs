//! One line of text, as a person edits it.

use super::keys::Key;
use super::text::visible;

/// Most bytes of it.
const LONGEST: usize = 16 << 10;

/// A line with its cursor.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Line {
    text: String,
    /// Where the next character goes, in bytes.
    at: usize,
}

impl Line {
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What stands before the cursor.
    #[must_use]
    pub fn before(&self) -> &str {
        &self.text[..self.at]
    }

    /// Acts on a key. Whether the key means anything to a line.
    pub fn press(&mut self, key: &Key) -> bool {
        match key {
            Key::Char(c) => self.insert(c.encode_utf8(&mut [0; 4])),
            // A line end in it must not send what is only being written.
            Key::Paste(text) => self.insert(&visible(text, true)),
            Key::Backspace => {
                if let Some(before) = self.previous() {
                    self.text.replace_range(before..self.at, "");
                    self.at = before;
                }
            }
            Key::Delete | Key::Ctrl('d') => {
                if self.at < self.text.len() {
                    self.text.remove(self.at);
                }
            }
            Key::Ctrl('u') => {
                self.text.replace_range(..self.at, "");
                self.at = 0;
            }
            Key::Ctrl('k') => self.text.truncate(self.at),
            Key::Ctrl('w') => {
                let kept = self.before().trim_end();
                let start = kept.rfind(' ').map_or(0, |blank| blank + 1);
                self.text.replace_range(start..self.at, "");
                self.at = start;
            }
            Key::Left | Key::Ctrl('b') => self.at = self.previous().unwrap_or(0),
            Key::Right | Key::Ctrl('f') => {
                self.at += self.text[self.at..].chars().next().map_or(0, char::len_utf8);
            }
            Key::Home | Key::Ctrl('a') => self.at = 0,
            Key::End | Key::Ctrl('e') => self.at = self.text.len(),
            _ => return false,
        }
        true
    }

    fn previous(&self) -> Option<usize> {
        self.before().char_indices().next_back().map(|(at, _)| at)
    }

    fn insert(&mut self, text: &str) {
        if self.text.len() + text.len() <= LONGEST {
            self.text.insert_str(self.at, text);
            self.at += text.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(keys: &[Key]) -> Line {
        let mut line = Line::default();
        for key in keys {
            assert!(line.press(key), "{key:?}");
        }
        line
    }

    #[test]
    fn it_is_edited_where_the_cursor_stands() {
        let paste = |text: &str| Key::Paste(text.to_owned());
        let line = typed(&[paste("grün blau"), Key::Home, Key::Right, Key::Right, Key::Right, Key::Backspace]);
        assert_eq!((line.text(), line.before()), ("grn blau", "gr"));
        let line =
            typed(&[paste("one two  "), Key::Ctrl('w'), Key::Char('日'), Key::Left, Key::Delete, Key::Char('x')]);
        assert_eq!(line.text(), "one x");
        let line = typed(&[paste("abc"), Key::Left, Key::Ctrl('u'), Key::End, Key::Char('d')]);
        assert_eq!(line.text(), "cd");
        assert_eq!(typed(&[paste("abc"), Key::Home, Key::Backspace, Key::Left, Key::Ctrl('k')]).text(), "");
    }

    #[test]
    fn what_is_pasted_stays_on_one_line_and_within_bounds() {
        assert_eq!(typed(&[Key::Paste("stop it\r\nnow\x1b[A\n".to_owned())]).text(), "stop it  now\u{fffd}[A ");
        let long = Key::Paste("x".repeat(LONGEST));
        assert_eq!(typed(&[long.clone(), long]).text().len(), LONGEST);
        assert!(!Line::default().press(&Key::Up));
    }
}
