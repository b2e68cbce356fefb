//! From the bytes of a terminal to keys.

/// What was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    Char(char),
    Enter,
    Backspace,
    /// Ctrl-U.
    ClearLine,
    /// Ctrl-C.
    Interrupt,
    /// A bracketed paste: lines end in `\n`, other control characters are gone.
    Paste(String),
}

const PASTE_BEGINS: &[u8] = b"[200~";
const PASTE_ENDS: &[u8] = b"\x1b[201~";

/// Decodes a stream that may be cut anywhere. Keys that the canary has no use for vanish.
#[derive(Debug, Default)]
pub struct Decoder {
    state: State,
    /// The bytes of what is not complete yet: a character, a sequence or a paste.
    partial: Vec<u8>,
}

#[derive(Debug, Default, PartialEq)]
enum State {
    #[default]
    Ground,
    /// After ESC.
    Escape,
    /// After `ESC [`.
    Control,
    Paste,
}

impl Decoder {
    /// Takes `bytes` and gives the keys that are complete with them.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<Key> {
        bytes.iter().filter_map(|&byte| self.byte(byte)).collect()
    }

    fn byte(&mut self, byte: u8) -> Option<Key> {
        match self.state {
            State::Ground => self.ground(byte),
            State::Escape => {
                self.state = match byte {
                    b'[' => State::Control,
                    0x1b => State::Escape,
                    _ => State::Ground,
                };
                self.partial.clear();
                if self.state == State::Control {
                    self.partial.push(byte);
                }
                None
            }
            State::Control => {
                self.partial.push(byte);
                if (0x40..=0x7e).contains(&byte) {
                    self.state = if self.partial == PASTE_BEGINS { State::Paste } else { State::Ground };
                    self.partial.clear();
                }
                None
            }
            State::Paste => {
                self.partial.push(byte);
                let text = self.partial.strip_suffix(PASTE_ENDS)?;
                let key = Key::Paste(clean(&String::from_utf8_lossy(text)));
                self.state = State::Ground;
                self.partial.clear();
                Some(key)
            }
        }
    }

    fn ground(&mut self, byte: u8) -> Option<Key> {
        if byte < 0x80 {
            self.partial.clear();
        }
        match byte {
            b'\r' => Some(Key::Enter),
            b'\n' | b'\t' | b' '..=b'~' => Some(Key::Char(char::from(byte))),
            0x08 | 0x7f => Some(Key::Backspace),
            0x15 => Some(Key::ClearLine),
            0x03 => Some(Key::Interrupt),
            0x1b => {
                self.state = State::Escape;
                None
            }
            0x80.. => {
                self.partial.push(byte);
                let decoded = str::from_utf8(&self.partial);
                let key = match decoded {
                    Ok(text) => text.chars().next().filter(|c| !c.is_control()).map(Key::Char),
                    Err(error) if error.error_len().is_none() => return None,
                    Err(_) => None,
                };
                self.partial.clear();
                key
            }
            _ => None,
        }
    }
}

/// Terminals send line ends in a paste as `\r`.
fn clean(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    text.chars().filter(|&c| c == '\n' || c == '\t' || !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_cut_gives_the_same_keys() {
        let typed = "aß漢\x1b[A\x1bOP\x1b[200~one\rtwo\x1b[31m\tü\x1b[201~\x7f\x15\x03\r".as_bytes();
        let expected = [
            Key::Char('a'),
            Key::Char('ß'),
            Key::Char('漢'),
            Key::Char('P'),
            Key::Paste("one\ntwo[31m\tü".to_owned()),
            Key::Backspace,
            Key::ClearLine,
            Key::Interrupt,
            Key::Enter,
        ];
        for cut in 0..=typed.len() {
            let mut decoder = Decoder::default();
            let mut keys = decoder.feed(&typed[..cut]);
            keys.extend(decoder.feed(&typed[cut..]));
            assert_eq!(keys, expected, "cut at {cut}");
        }
    }

    #[test]
    fn broken_text_does_not_swallow_what_follows() {
        assert_eq!(Decoder::default().feed(b"\xffa\xc3b"), [Key::Char('a'), Key::Char('b')]);
    }
}
