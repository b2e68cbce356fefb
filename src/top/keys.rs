//! Bytes from the terminal, as keys.
//!
//! crossterm's own reader has no way out when the terminal is gone: it reads again, for ever.

/// Most bytes of a sequence that is no paste; one that goes on is no key.
const SEQUENCE_MAX: usize = 64;
/// Most bytes of a paste; a longer one is dropped.
const PASTE_MAX: usize = 64 << 10;

const PASTE: &[u8] = b"\x1b[200~";
const PASTED: &[u8] = b"\x1b[201~";

/// Something a person did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    Char(char),
    /// With the control key; the letter in lower case.
    Ctrl(char),
    Enter,
    Esc,
    Backspace,
    Delete,
    Up,
    Down,
    Left,
    Right,
    PageUp,
    PageDown,
    Home,
    End,
    /// Text that was pasted, in one piece.
    Paste(String),
}

/// Bytes that are not a whole key yet.
#[derive(Debug, Default)]
pub struct Decoder {
    bytes: Vec<u8>,
}

/// What the front of the bytes is.
enum Front {
    Key(Key, usize),
    /// Nothing that anybody waits for.
    Skip(usize),
    Incomplete,
}

impl Decoder {
    /// The keys that `bytes` complete.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<Key> {
        self.bytes.extend_from_slice(bytes);
        let mut keys = Vec::new();
        let mut at = 0;
        while at < self.bytes.len() {
            match front(&self.bytes[at..]) {
                Front::Key(key, length) => {
                    keys.push(key);
                    at += length;
                }
                Front::Skip(length) => at += length,
                Front::Incomplete => break,
            }
        }
        self.bytes.drain(..at);
        keys
    }

    /// Whether a moment of silence would mean something: an escape key looks like the beginning of a sequence.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        !self.bytes.is_empty() && !self.bytes.starts_with(PASTE)
    }

    /// Nothing more has come: what stands alone is the escape key, or was cut off.
    pub fn silence(&mut self) -> Option<Key> {
        if !self.is_waiting() {
            return None;
        }
        (std::mem::take(&mut self.bytes) == [0x1b]).then_some(Key::Esc)
    }
}

fn front(bytes: &[u8]) -> Front {
    match bytes[0] {
        0x1b => escape(bytes),
        b'\r' | b'\n' => Front::Key(Key::Enter, 1),
        0x08 | 0x7f => Front::Key(Key::Backspace, 1),
        byte @ 0x01..=0x1a if byte != b'\t' => Front::Key(Key::Ctrl(char::from(byte | 0x60)), 1),
        byte if byte < 0x20 => Front::Skip(1),
        byte => {
            let length = match byte {
                ..0x80 => 1,
                0xc2..0xe0 => 2,
                0xe0..0xf0 => 3,
                0xf0..0xf5 => 4,
                _ => return Front::Skip(1),
            };
            if bytes.len() < length {
                return Front::Incomplete;
            }
            let text = std::str::from_utf8(&bytes[..length]).ok();
            let c = text.and_then(|text| text.chars().next()).filter(|c| !c.is_control());
            c.map_or(Front::Skip(1), |c| Front::Key(Key::Char(c), length))
        }
    }
}

fn escape(bytes: &[u8]) -> Front {
    match bytes.get(1) {
        None => Front::Incomplete,
        Some(b'[') if bytes.starts_with(PASTE) => paste(bytes),
        Some(b'[') => {
            let parameters = bytes[2..].iter().take_while(|byte| matches!(byte, 0x20..0x40)).count();
            match bytes.get(2 + parameters) {
                None if bytes.len() > SEQUENCE_MAX => Front::Skip(bytes.len()),
                None => Front::Incomplete,
                Some(last @ 0x40..0x7f) => named(&bytes[2..2 + parameters], *last, 3 + parameters),
                Some(_) => Front::Skip(2 + parameters),
            }
        }
        Some(b'O') => bytes.get(2).map_or(Front::Incomplete, |last| named(&[], *last, 3)),
        // Twice: the first one was the key.
        Some(0x1b) => Front::Key(Key::Esc, 1),
        // A key with Alt, or an escape and a key that came together: too uncertain to act on.
        Some(_) => Front::Skip(2),
    }
}

fn paste(bytes: &[u8]) -> Front {
    let text = &bytes[PASTE.len()..];
    match text.windows(PASTED.len()).position(|window| window == PASTED) {
        Some(length) => {
            let whole = PASTE.len() + length + PASTED.len();
            Front::Key(Key::Paste(String::from_utf8_lossy(&text[..length]).into_owned()), whole)
        }
        None if bytes.len() > PASTE_MAX => Front::Skip(bytes.len()),
        None => Front::Incomplete,
    }
}

/// Keys with names: `ESC [ parameters last`.
fn named(parameters: &[u8], last: u8, length: usize) -> Front {
    let key = match (parameters, last) {
        (_, b'A') => Key::Up,
        (_, b'B') => Key::Down,
        (_, b'C') => Key::Right,
        (_, b'D') => Key::Left,
        (_, b'H') | (b"1" | b"7", b'~') => Key::Home,
        (_, b'F') | (b"4" | b"8", b'~') => Key::End,
        (b"3", b'~') => Key::Delete,
        (b"5", b'~') => Key::PageUp,
        (b"6", b'~') => Key::PageDown,
        ([], b'M') => Key::Enter,
        _ => return Front::Skip(length),
    };
    Front::Key(key, length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_told_apart_however_they_are_cut() {
        let bytes = "q\x1b[A\x1bOB\x1b[6~\x1b[1;5C\r\x7f\x03ä日\x1b[200~a\nb\x1b[201~\x1b[H".as_bytes();
        let expected = [
            Key::Char('q'),
            Key::Up,
            Key::Down,
            Key::PageDown,
            Key::Right,
            Key::Enter,
            Key::Backspace,
            Key::Ctrl('c'),
            Key::Char('ä'),
            Key::Char('日'),
            Key::Paste("a\nb".to_owned()),
            Key::Home,
        ];
        for cut in 0..=bytes.len() {
            let mut decoder = Decoder::default();
            let mut keys = decoder.feed(&bytes[..cut]);
            keys.extend(decoder.feed(&bytes[cut..]));
            assert_eq!(keys, expected, "cut at {cut}");
            assert!(!decoder.is_waiting());
        }
    }

    #[test]
    fn an_escape_alone_is_a_key_after_a_silence() {
        let mut decoder = Decoder::default();
        assert_eq!(decoder.feed(b"\x1b"), []);
        assert!(decoder.is_waiting());
        assert_eq!(decoder.silence(), Some(Key::Esc));
        assert_eq!(decoder.feed(b"\x1b[1"), []);
        assert_eq!(decoder.silence(), None, "what was cut off is no key");
        assert_eq!(decoder.feed(b"A"), [Key::Char('A')]);
        assert_eq!(decoder.feed(b"\x1b\x1b"), [Key::Esc]);
        assert_eq!(decoder.silence(), Some(Key::Esc));
    }

    #[test]
    fn what_is_no_key_does_nothing() {
        let mut decoder = Decoder::default();
        assert_eq!(decoder.feed(b"\x1bx\x1b[?1;2c\x1b[<0;1;1M\xff\xc3(\x00\t"), [Key::Char('(')]);
        // A paste that is still coming is not the escape key.
        assert_eq!(decoder.feed(b"\x1b[200~rm -rf"), []);
        assert!(!decoder.is_waiting() && decoder.silence().is_none());
        assert_eq!(decoder.feed(b"\x1b[201~"), [Key::Paste("rm -rf".to_owned())]);
        assert_eq!(decoder.feed(&[b"\x1b[".as_slice(), &[b'1'; 100]].concat()), []);
        assert_eq!(decoder.feed(b"q"), [Key::Char('q')]);
    }
}
