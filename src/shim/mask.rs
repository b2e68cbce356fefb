//! Hides the exact values of the agent's secrets in what the shim writes. Best effort: an agent can print a secret in a
//! thousand shapes, and this knows one.

use memchr::memmem;

/// What stands in for a secret.
const MASK: &[u8] = b"***";

/// A shorter value would hide half of every screen.
const SHORTEST: usize = 4;

/// The values to hide.
#[derive(Default)]
pub(super) struct Mask {
    /// Longest first, so that a secret inside another does not leave the rest of it to be read.
    values: Vec<Vec<u8>>,
}

impl std::fmt::Debug for Mask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Mask({} values)", self.values.len())
    }
}

impl Mask {
    /// A value of several lines is hidden line by line, since a terminal changes what is between them.
    pub(super) fn new(values: &[Vec<u8>]) -> Self {
        let mut lines: Vec<Vec<u8>> = values
            .iter()
            .flat_map(|value| value.split(|&byte| byte == b'\n' || byte == b'\r'))
            .filter(|line| line.len() >= SHORTEST)
            .map(<[u8]>::to_vec)
            .collect();
        lines.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        lines.dedup();
        Self { values: lines }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Where the next secret is, the longest of those that start first.
    fn find(&self, bytes: &[u8]) -> Option<(usize, usize)> {
        self.values
            .iter()
            .filter_map(|value| memmem::find(bytes, value).map(|at| (at, value.len())))
            .min_by_key(|&(at, length)| (at, usize::MAX - length))
    }

    /// Hides every secret of `bytes`.
    pub(super) fn bytes(&self, bytes: &[u8]) -> Vec<u8> {
        let mut masked = Vec::with_capacity(bytes.len());
        let mut rest = bytes;
        while let Some((at, length)) = self.find(rest) {
            masked.extend_from_slice(&rest[..at]);
            masked.extend_from_slice(MASK);
            rest = &rest[at + length..];
        }
        masked.extend_from_slice(rest);
        masked
    }

    /// Hides every secret in lines of a screen. `wrapped[n]` says that line `n` goes on in line `n + 1`: a secret may be
    /// spread over both.
    pub(super) fn lines(&self, lines: &mut [String], wrapped: &[bool]) {
        if self.is_empty() {
            return;
        }
        let mut first = 0;
        while first < lines.len() {
            let mut last = first;
            while last + 1 < lines.len() && wrapped.get(last).copied().unwrap_or(false) {
                last += 1;
            }
            self.run_of_lines(&mut lines[first..=last]);
            first = last + 1;
        }
    }

    fn run_of_lines(&self, lines: &mut [String]) {
        let whole = lines.concat();
        if self.find(whole.as_bytes()).is_none() {
            return;
        }
        let ends: Vec<usize> = lines
            .iter()
            .scan(0, |end, line| {
                *end += line.len();
                Some(*end)
            })
            .collect();
        let mut parts: Vec<Vec<u8>> = vec![Vec::new(); lines.len()];
        let (mut at, mut hidden_until) = (0, 0);
        for (part, &end) in parts.iter_mut().zip(&ends) {
            while at < end {
                if at < hidden_until {
                    at = hidden_until.min(end);
                    continue;
                }
                match self.find(&whole.as_bytes()[at..]) {
                    Some((offset, length)) if at + offset < end => {
                        part.extend_from_slice(&whole.as_bytes()[at..at + offset]);
                        part.extend_from_slice(MASK);
                        hidden_until = at + offset + length;
                        at = hidden_until.min(end);
                    }
                    _ => {
                        part.extend_from_slice(&whole.as_bytes()[at..end]);
                        at = end;
                    }
                }
            }
        }
        for (line, part) in lines.iter_mut().zip(parts) {
            *line = String::from_utf8_lossy(&part).into_owned();
        }
    }
}

/// Hides secrets in a stream, whose chunks may cut one in two.
#[derive(Debug, Default)]
pub(super) struct Stream {
    /// The end of what came, which may be the start of a secret.
    held: Vec<u8>,
}

impl Stream {
    /// The masked bytes that are certain by now.
    pub(super) fn push(&mut self, mask: &Mask, chunk: &[u8]) -> Vec<u8> {
        let mut bytes = std::mem::take(&mut self.held);
        bytes.extend_from_slice(chunk);
        let mut masked = Vec::with_capacity(bytes.len());
        let mut rest = &bytes[..];
        loop {
            let open = mask.values.iter().filter_map(|value| open_end(rest, value)).min().unwrap_or(rest.len());
            match mask.find(rest) {
                // One that starts before it may still be open: the longer one decides when it is complete.
                Some((at, length)) if at < open => {
                    masked.extend_from_slice(&rest[..at]);
                    masked.extend_from_slice(MASK);
                    rest = &rest[at + length..];
                }
                _ => {
                    masked.extend_from_slice(&rest[..open]);
                    self.held = rest[open..].to_vec();
                    return masked;
                }
            }
        }
    }

    /// What is left at the end of the stream.
    pub(super) fn finish(&mut self, mask: &Mask) -> Vec<u8> {
        mask.bytes(&std::mem::take(&mut self.held))
    }
}

/// Where the longest end of `bytes` begins that is a true beginning of `value`.
fn open_end(bytes: &[u8], value: &[u8]) -> Option<usize> {
    let longest = (value.len() - 1).min(bytes.len());
    (1..=longest).rev().find(|&length| value.starts_with(&bytes[bytes.len() - length..])).map(|n| bytes.len() - n)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask(values: &[&str]) -> Mask {
        Mask::new(&values.iter().map(|value| value.as_bytes().to_vec()).collect::<Vec<_>>())
    }

    #[test]
    fn a_secret_is_hidden_wherever_the_stream_is_cut() {
        let mask = mask(&["ghp_secret", "secret-two"]);
        let text = b"a ghp_secret b ghp_ghp_secret secret-two ghp_sec";
        let expected = b"a *** b ghp_*** *** ghp_sec";
        for first in 0..=text.len() {
            for second in first..=text.len() {
                let mut stream = Stream::default();
                let mut got = stream.push(&mask, &text[..first]);
                got.extend(stream.push(&mask, &text[first..second]));
                got.extend(stream.push(&mask, &text[second..]));
                got.extend(stream.finish(&mask));
                assert_eq!(got, expected, "cut at {first} and {second}");
            }
        }
    }

    #[test]
    fn a_secret_inside_another_leaves_no_rest() {
        let mask = mask(&["abcdef", "abcdefghij"]);
        let mut stream = Stream::default();
        let mut got = stream.push(&mask, b"x abcdef");
        got.extend(stream.push(&mask, b"ghij y"));
        got.extend(stream.finish(&mask));
        assert_eq!(got, b"x *** y");
    }

    #[test]
    fn a_secret_over_two_screen_lines_is_hidden_in_both() {
        let mask = mask(&["0123456789"]);
        let mut lines = ["say 01234".to_owned(), "56789 ok".to_owned(), "0123456789".to_owned()];
        mask.lines(&mut lines, &[true, false, false]);
        assert_eq!(lines, ["say ***", " ok", "***"]);
    }

    #[test]
    fn short_values_and_empty_lines_are_left_alone() {
        assert!(mask(&["abc", ""]).is_empty());
        assert_eq!(mask(&["line-one\nline-two\n"]).bytes(b"line-two line-one"), b"*** ***");
    }
}
