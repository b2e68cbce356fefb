//! A look at the output before the model takes it: finds the few sequences that the shim handles itself.
//!
//! Works on a stream: whatever is cut between two reads is found all the same, and nothing is looked at twice. The body
//! of a string sequence (OSC, DCS, …) is kept here, with a limit, and reaches the model only when it is whole: the
//! model's parser would hold an endless one in memory.

/// Longest body of a string sequence. Longer ones (images, clipboard) are dropped.
const STRING_MAX: usize = 8 << 10;

/// Longest command that sets a title, in bytes: as many characters as are shown, of four bytes each.
const TITLE_MAX: usize = 4 * super::TITLE_MAX + 2;

/// Longest parameters of a control sequence that can be one of ours.
const CSI_MAX: usize = 64;

/// What the scanner cuts the output into, in order.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// For the model.
    Text(&'a [u8]),
    /// A whole operating system command, for the model.
    Osc { body: &'a [u8], bell: bool },
    /// A string sequence was dropped whose first byte the model has seen: its parser must forget that byte.
    Forget,
    /// A query that the model leaves unanswered.
    Query(Query<'a>),
    /// A frame of the program's begins (`CSI ? 2026 h`) or ends.
    Sync(bool),
    /// The last character is to be repeated this often (`CSI n b`). Comes after [`Piece::Forget`].
    Repeat(usize),
}

/// Queries that the shim answers itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Query<'a> {
    /// `CSI > q`: name and version of the terminal.
    Version,
    /// `CSI 16 t`: the size of a cell in pixels.
    CellSize,
    /// `CSI ? 996 n`: light or dark.
    ColorScheme,
    /// `DCS + q`: a termcap entry.
    Termcap(&'a [u8]),
    /// `DCS $ q`: a setting.
    Setting(&'a [u8]),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Ground,
    Escape,
    Csi,
    /// Inside a string of this kind.
    Str(Kind),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Osc,
    Dcs,
    /// APC, PM, SOS: nothing here means anything to the model.
    Other,
}

/// The state between two reads.
#[derive(Debug)]
pub(super) struct Scanner {
    state: State,
    /// Parameters of the control sequence, or the body of the string, so far.
    buffer: Vec<u8>,
    overflow: bool,
    /// The model has been fed the ESC that opened the string.
    model_saw_escape: bool,
}

impl Default for Scanner {
    fn default() -> Self {
        Self { state: State::Ground, buffer: Vec::new(), overflow: false, model_saw_escape: false }
    }
}

impl Scanner {
    /// Cuts `bytes`, up to the end of the next frame of the program's if there is one. Gives how much was cut.
    pub(super) fn scan(&mut self, bytes: &[u8], mut take: impl FnMut(Piece<'_>)) -> usize {
        // What is before `start` has been taken. `escape` is where the current sequence began, if in this chunk.
        let mut start = 0;
        let mut escape = None;
        let mut at = 0;
        while at < bytes.len() {
            match self.state {
                State::Ground => match memchr::memchr(0x1b, &bytes[at..]) {
                    Some(offset) => {
                        at += offset;
                        escape = Some(at);
                        self.state = State::Escape;
                        at += 1;
                    }
                    None => at = bytes.len(),
                },
                State::Escape => {
                    let kind = match bytes[at] {
                        b'[' => {
                            self.buffer.clear();
                            self.state = State::Csi;
                            at += 1;
                            continue;
                        }
                        b']' => Kind::Osc,
                        b'P' => Kind::Dcs,
                        b'X' | b'^' | b'_' => Kind::Other,
                        byte => {
                            // Intermediates and stray controls do not end an escape sequence.
                            match byte {
                                0x1b => escape = Some(at),
                                0x20..=0x2f | 0x00..=0x17 | 0x19 | 0x1c..=0x1f | 0x7f => {}
                                _ => self.state = State::Ground,
                            }
                            at += 1;
                            continue;
                        }
                    };
                    let end = escape.unwrap_or(start);
                    self.model_saw_escape = escape.is_none();
                    if end > start {
                        take(Piece::Text(&bytes[start..end]));
                    }
                    self.buffer.clear();
                    self.overflow = false;
                    self.state = State::Str(kind);
                    at += 1;
                    start = at;
                }
                State::Csi => {
                    let byte = bytes[at];
                    at += 1;
                    match byte {
                        0x1b => {
                            escape = Some(at - 1);
                            self.state = State::Escape;
                        }
                        0x18 | 0x1a => self.state = State::Ground,
                        0x20..=0x3f if self.buffer.len() < CSI_MAX => self.buffer.push(byte),
                        0x40..=0x7e => {
                            self.state = State::Ground;
                            if let Some(piece) = csi(&self.buffer, byte) {
                                if matches!(piece, Piece::Repeat(_)) {
                                    // The model takes the number as it is: it must not see the end.
                                    take(Piece::Text(&bytes[start..at - 1]));
                                    take(Piece::Forget);
                                } else {
                                    take(Piece::Text(&bytes[start..at]));
                                }
                                start = at;
                                let frame_ends = piece == Piece::Sync(false);
                                take(piece);
                                if frame_ends {
                                    return at;
                                }
                            }
                        }
                        _ => {}
                    }
                }
                State::Str(kind) => {
                    let rest = &bytes[at..];
                    let ends = |byte: &u8| matches!(byte, 0x1b | 0x18 | 0x1a) || (*byte == 0x07 && kind == Kind::Osc);
                    let length = rest.iter().position(ends).unwrap_or(rest.len());
                    if self.buffer.len() + length > STRING_MAX {
                        self.overflow = true;
                        self.buffer = Vec::new();
                    } else if !self.overflow {
                        self.buffer.extend_from_slice(&rest[..length]);
                    }
                    at += length;
                    start = at;
                    let Some(&end) = bytes.get(at) else { continue };
                    self.end_of_string(kind, end, &mut take);
                    if end == 0x1b {
                        // The first half of ST, or of whatever the program went on with: text again.
                        self.state = State::Escape;
                        escape = Some(at);
                        at += 1;
                    } else {
                        self.state = State::Ground;
                        at += 1;
                        start = at;
                    }
                }
            }
        }
        if start < bytes.len() {
            take(Piece::Text(&bytes[start..]));
        }
        bytes.len()
    }

    fn end_of_string(&mut self, kind: Kind, end: u8, take: &mut impl FnMut(Piece<'_>)) {
        let whole = !self.overflow && matches!(end, 0x1b | 0x07);
        match (kind, bounded(&self.buffer)) {
            (Kind::Osc, Some(body)) if whole => take(Piece::Osc { body, bell: end == 0x07 }),
            _ => {
                if self.model_saw_escape {
                    take(Piece::Forget);
                }
                if kind == Kind::Dcs && whole {
                    if let Some(name) = self.buffer.strip_prefix(b"+q") {
                        take(Piece::Query(Query::Termcap(name)));
                    } else if let Some(name) = self.buffer.strip_prefix(b"$q") {
                        take(Piece::Query(Query::Setting(name)));
                    }
                }
            }
        }
        self.buffer.clear();
        self.buffer.shrink_to(256);
    }
}

/// What a control sequence with these parameters means to the shim.
fn csi(parameters: &[u8], last: u8) -> Option<Piece<'static>> {
    match (parameters, last) {
        (b">" | b">0", b'q') => Some(Piece::Query(Query::Version)),
        (b"16", b't') => Some(Piece::Query(Query::CellSize)),
        (b"?996", b'n') => Some(Piece::Query(Query::ColorScheme)),
        ([b'?', modes @ ..], b'h' | b'l') if modes.split(|&byte| byte == b';').any(|mode| mode == b"2026") => {
            Some(Piece::Sync(last == b'h'))
        }
        (parameters, b'b') => repeat(parameters).map(Piece::Repeat),
        _ => None,
    }
}

/// How often the parameters of `CSI n b` say. `None`: they make it another sequence.
fn repeat(parameters: &[u8]) -> Option<usize> {
    if !parameters.iter().all(|byte| matches!(byte, b'0'..=b';')) {
        return None;
    }
    // More digits than are kept: not a number to go by.
    if parameters.len() == CSI_MAX {
        return Some(0);
    }
    let digits = parameters.split(|byte| !byte.is_ascii_digit()).next().unwrap_or_default();
    let count =
        digits.iter().fold(0_usize, |sum, digit| sum.saturating_mul(10).saturating_add(usize::from(digit - b'0')));
    Some(count.max(1))
}

/// The part of a command's body that the model gets. `None`: nothing of it.
///
/// Nobody reads hyperlinks, and the model would keep a whole one for every cell. Of titles it keeps a stack.
fn bounded(body: &[u8]) -> Option<&[u8]> {
    match body {
        [b'8', b';', ..] => None,
        [b'0' | b'2', b';', ..] if body.len() > TITLE_MAX => {
            (TITLE_MAX - 3..=TITLE_MAX).rev().find(|&end| !matches!(body[end], 0x80..=0xbf)).map(|end| &body[..end])
        }
        _ => Some(body),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pieces as text, with neighbouring texts joined: where text is cut means nothing.
    fn pieces(chunks: &[&[u8]]) -> Vec<String> {
        let mut scanner = Scanner::default();
        let mut found: Vec<String> = Vec::new();
        let mut take = |piece: Piece<'_>| match piece {
            Piece::Text(text) => {
                let text = String::from_utf8_lossy(text).into_owned();
                match found.last_mut() {
                    Some(last) if last.starts_with("text ") => last.push_str(&text),
                    _ => found.push(format!("text {text}")),
                }
            }
            Piece::Osc { body, bell } => found.push(format!("osc {} {bell}", String::from_utf8_lossy(body))),
            Piece::Forget => {}
            Piece::Query(query) => found.push(format!("{query:?}")),
            Piece::Sync(on) => found.push(format!("sync {on}")),
            Piece::Repeat(count) => found.push(format!("repeat {count}")),
        };
        for chunk in chunks {
            let mut rest = *chunk;
            while !rest.is_empty() {
                rest = &rest[scanner.scan(rest, &mut take)..];
            }
        }
        found
    }

    #[test]
    fn every_cut_gives_the_same_pieces() {
        let text = b"a\x1b[31mb\x1b[>qc\x1b]0;title\x07d\x1b]11;?\x1b\\e\x1b[?25;2026hf\x1b[?2026l\x1bP+q544e\x1b\\g\x1b_G\x1b\\h\x1b[5bi\x1b[16t";
        let whole = pieces(&[text]);
        assert!(whole.contains(&"Version".to_owned()) && whole.contains(&"osc 0;title true".to_owned()), "{whole:?}");
        assert!(whole.contains(&"osc 11;? false".to_owned()) && whole.contains(&"sync true".to_owned()), "{whole:?}");
        assert!(whole.contains(&"repeat 5".to_owned()), "{whole:?}");
        assert_eq!(whole.last().unwrap(), "CellSize");
        let visible = |found: &[String]| {
            let found: Vec<&String> = found.iter().filter(|piece| !piece.starts_with("text ")).collect();
            format!("{found:?}")
        };
        for cut in 0..text.len() {
            let cut_pieces = pieces(&[&text[..cut], &text[cut..]]);
            assert_eq!(visible(&cut_pieces), visible(&whole), "cut at {cut}");
        }
    }

    #[test]
    fn an_endless_string_is_not_held() {
        let mut scanner = Scanner::default();
        let mut seen = Vec::new();
        scanner.scan(b"\x1b]0;", |_| {});
        for _ in 0..1000 {
            scanner.scan(&[b'x'; 4096], |piece| seen.push(format!("{piece:?}")));
        }
        assert!(seen.is_empty(), "{seen:?}");
        assert!(scanner.buffer.capacity() <= 2 * STRING_MAX);
        scanner.scan(b"\x07after", |piece| seen.push(format!("{piece:?}")));
        assert_eq!(seen, [format!("{:?}", Piece::Text(b"after"))]);
    }

    #[test]
    fn titles_are_cut_and_links_left_out() {
        let title = format!("\x1b]2;{}\x07", "漢".repeat(1000));
        assert_eq!(
            pieces(&[title.as_bytes()]),
            [format!("osc 2;{} true", "漢".repeat(super::super::TITLE_MAX * 4 / 3))]
        );
        let other = format!("\x1b]99;{}\x07", "x".repeat(2000));
        assert_eq!(pieces(&[other.as_bytes()]), [format!("osc 99;{} true", "x".repeat(2000))]);
        for cut in 0..20 {
            let link = b"\x1b]8;;http://x\x07shown\x1b]8;;\x1b\\";
            let found = pieces(&[&link[..cut], &link[cut..]]);
            assert!(found.iter().all(|piece| piece.starts_with("text ")), "{found:?}");
        }
    }
}
