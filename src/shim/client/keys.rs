//! The detach key, found among what is typed.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, Instant};

/// How long after the detach key a second one still makes it a literal one.
const DOUBLE: Duration = Duration::from_millis(400);

/// Ctrl and a character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DetachKey(u8);

impl Default for DetachKey {
    /// `Ctrl-\`.
    fn default() -> Self {
        Self(0x1c)
    }
}

/// Why a text is no detach key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyError {
    /// Not `ctrl-` and one character that makes a control key.
    Unknown(String),
    /// A terminal sends the same for this key and for another that is needed for typing.
    Needed { key: String, same_as: &'static str },
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(text) => {
                write!(f, "{text:?} is no detach key: write ctrl- and one of a-z @ \\ ] ^ _, for example ctrl-]")
            }
            Self::Needed { key, same_as } => {
                write!(f, "{key} is {same_as} to a terminal, which typing needs: choose another, for example ctrl-]")
            }
        }
    }
}

impl std::error::Error for KeyError {}

impl FromStr for DetachKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let unknown = || KeyError::Unknown(text.to_owned());
        let lower = text.to_ascii_lowercase();
        let name = ["ctrl-", "c-", "^"].iter().find_map(|prefix| lower.strip_prefix(prefix)).ok_or_else(unknown)?;
        let key = match name.as_bytes() {
            b"space" => 0,
            [c @ (b'a'..=b'z' | b'@' | b'[' | b'\\' | b']' | b'^' | b'_')] => c.to_ascii_uppercase() & 0x1f,
            _ => return Err(unknown()),
        };
        let same_as = match key {
            0x08 => "Backspace",
            b'\t' => "Tab",
            b'\n' | b'\r' => "Enter",
            0x1b => "Escape",
            _ => return Ok(Self(key)),
        };
        Err(KeyError::Needed { key: Self(key).to_string(), same_as })
    }
}

impl fmt::Display for DetachKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.0 {
            0 => "Space".to_owned(),
            key => char::from(key | 0x40).to_string(),
        };
        f.pad(&format!("Ctrl-{name}"))
    }
}

/// What is to be done with what was typed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Typed {
    /// For the agent.
    pub(super) pass: Vec<u8>,
    pub(super) detach: bool,
    /// The agent's log is wanted. What was typed after that is for whatever shows it, and is dropped.
    pub(super) pager: bool,
}

/// Finds the detach key in a stream that may be cut anywhere.
///
/// One press detaches once it is clear that no second one follows, or when another key does. Two send one to the agent.
/// The key and `[` open the pager.
#[derive(Debug)]
pub(super) struct Keys {
    key: DetachKey,
    pressed: Option<Instant>,
    /// Between the marks of a bracketed paste nothing is a key.
    in_paste: bool,
    /// The last bytes, to see those marks.
    tail: [u8; 6],
}

impl Keys {
    pub(super) fn new(key: DetachKey) -> Self {
        Self { key, pressed: None, in_paste: false, tail: [0; 6] }
    }

    /// Takes what was typed at `now`.
    pub(super) fn feed(&mut self, bytes: &[u8], now: Instant) -> Typed {
        let mut typed = Typed { pass: Vec::with_capacity(bytes.len()), detach: self.expired(now), pager: false };
        for &byte in bytes {
            if typed.detach || typed.pager {
                break;
            }
            let first = byte == self.key.0 && !self.in_paste;
            if self.pressed.take().is_some() {
                match byte {
                    _ if first => typed.pass.push(byte),
                    b'[' => typed.pager = true,
                    _ => typed.detach = true,
                }
            } else if first {
                self.pressed = Some(now);
            } else {
                typed.pass.push(byte);
                self.tail.rotate_left(1);
                self.tail[5] = byte;
                match &self.tail {
                    b"\x1b[200~" => self.in_paste = true,
                    b"\x1b[201~" => self.in_paste = false,
                    _ => {}
                }
            }
        }
        typed
    }

    /// When a key that was pressed once becomes a detach.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.pressed.map(|pressed| pressed + DOUBLE)
    }

    /// Whether it has become one at `now`.
    pub(super) fn expired(&self, now: Instant) -> bool {
        self.deadline().is_some_and(|deadline| now >= deadline)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(pass: &[u8], detach: bool) -> Typed {
        Typed { pass: pass.to_vec(), detach, pager: false }
    }

    #[test]
    fn keys_are_read_and_named_alike() {
        for (text, byte, name) in [
            ("ctrl-\\", 0x1c, "Ctrl-\\"),
            ("Ctrl-]", 0x1d, "Ctrl-]"),
            ("C-a", 1, "Ctrl-A"),
            ("^q", 0x11, "Ctrl-Q"),
            ("ctrl-space", 0, "Ctrl-Space"),
            ("ctrl-@", 0, "Ctrl-Space"),
            ("ctrl-^", 0x1e, "Ctrl-^"),
            ("ctrl-_", 0x1f, "Ctrl-_"),
        ] {
            let key: DetachKey = text.parse().unwrap();
            assert_eq!(key, DetachKey(byte), "{text}");
            assert_eq!(key.to_string(), name);
            assert_eq!(name.parse(), Ok(key), "what is shown can be written");
        }
        assert_eq!(DetachKey::default().to_string(), "Ctrl-\\");
    }

    #[test]
    fn nonsense_and_needed_keys_are_refused() {
        for text in ["", "x", "ctrl-", "ctrl-ab", "alt-x", "ctrl-1", "ctrl-ä", "f1", "\\", "ctrl- "] {
            let error = text.parse::<DetachKey>().unwrap_err();
            assert_eq!(error, KeyError::Unknown(text.to_owned()));
            assert!(error.to_string().contains("for example ctrl-]"));
        }
        for (text, same) in [("ctrl-m", "Enter"), ("ctrl-j", "Enter"), ("ctrl-i", "Tab"), ("ctrl-[", "Escape")] {
            assert!(text.parse::<DetachKey>().unwrap_err().to_string().contains(same), "{text}");
        }
    }

    #[test]
    fn one_press_detaches_two_send_one() {
        let now = Instant::now();
        let mut keys = Keys::new(DetachKey::default());
        assert_eq!(keys.feed(b"ab", now), typed(b"ab", false));
        assert_eq!(keys.deadline(), None);
        assert_eq!(keys.feed(b"c\x1c", now), typed(b"c", false));
        assert!(!keys.expired(now) && keys.expired(now + DOUBLE));
        assert_eq!(keys.feed(b"\x1cd", now + DOUBLE / 2), typed(b"\x1cd", false));
        assert_eq!(keys.deadline(), None);
        assert_eq!(keys.feed(b"\x1c\x1c\x1cx", now), typed(b"\x1c", true), "another key detaches at once");
        let mut late = Keys::new(DetachKey::default());
        late.feed(b"\x1c", now);
        assert_eq!(late.feed(b"\x1c", now + DOUBLE), typed(b"", true), "too late for a second press");
    }

    #[test]
    fn the_key_and_a_bracket_open_the_pager() {
        let now = Instant::now();
        let mut keys = Keys::new(DetachKey::default());
        assert_eq!(keys.feed(b"x\x1c[a", now), Typed { pager: true, ..typed(b"x", false) });
        assert_eq!(keys.deadline(), None);
    }

    #[test]
    fn a_paste_holds_no_detach_key_wherever_it_is_cut() {
        let now = Instant::now();
        let text = b"\x1b[200~a\x1cb\x1b[201~";
        for cut in 0..=text.len() {
            let mut keys = Keys::new(DetachKey::default());
            let mut pass = keys.feed(&text[..cut], now).pass;
            pass.extend(keys.feed(&text[cut..], now).pass);
            assert_eq!(pass, text, "cut at {cut}");
            assert_eq!(keys.feed(b"\x1cx", now), typed(b"", true), "after the paste it is a key again");
        }
    }
}
