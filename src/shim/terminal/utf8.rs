//! Keeps a character that a read has cut in two together.
//!
//! The model's parser takes such a character up again in the next read, but may then lose the one after it (vte 0.15
//! counts every valid character in its four-byte window as printed and prints the first). So it never sees half of one.

/// The beginning of a character whose end has not come yet.
#[derive(Debug, Default)]
pub(super) struct Tail {
    bytes: [u8; 4],
    length: usize,
}

impl Tail {
    /// Gives `text` on in parts that cut no character.
    pub(super) fn push(&mut self, mut text: &[u8], mut feed: impl FnMut(&[u8])) {
        if self.length > 0 {
            let missing = wanted(self.bytes[0]) - self.length;
            let found = text.iter().take(missing).take_while(|byte| matches!(byte, 0x80..=0xbf)).count();
            self.bytes[self.length..self.length + found].copy_from_slice(&text[..found]);
            self.length += found;
            text = &text[found..];
            if found < missing && text.is_empty() {
                return;
            }
            self.flush(&mut feed);
        }
        let held = unfinished(text);
        let (whole, rest) = text.split_at(text.len() - held);
        if !whole.is_empty() {
            feed(whole);
        }
        self.bytes[..held].copy_from_slice(rest);
        self.length = held;
    }

    /// Gives on what is held: something else than text follows.
    pub(super) fn flush(&mut self, feed: &mut impl FnMut(&[u8])) {
        if self.length > 0 {
            feed(&self.bytes[..self.length]);
            self.length = 0;
        }
    }
}

/// How many bytes a character that begins like this has.
fn wanted(first: u8) -> usize {
    match first {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => 1,
    }
}

/// How many bytes at the end of `text` begin a character and do not end it.
fn unfinished(text: &[u8]) -> usize {
    (1..=text.len().min(3))
        .find(|&back| !matches!(text[text.len() - back], 0x80..=0xbf))
        .filter(|&back| wanted(text[text.len() - back]) > back)
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cut_is_passed_on() {
        let text = "ünï 漢字👩x";
        for step in 1..text.len() {
            let (mut tail, mut all) = (Tail::default(), Vec::new());
            for chunk in text.as_bytes().chunks(step) {
                tail.push(chunk, |part| {
                    assert!(std::str::from_utf8(part).is_ok(), "{part:?} in steps of {step}");
                    all.extend_from_slice(part);
                });
            }
            assert_eq!(all, text.as_bytes());
        }
    }

    #[test]
    fn what_is_no_character_is_passed_on_too() {
        let text = b"\xf0\x9f\xffa\xe2\x82\x1b[m\xc3";
        for step in 1..text.len() {
            let (mut tail, mut all) = (Tail::default(), Vec::new());
            for chunk in text.chunks(step) {
                tail.push(chunk, |part| all.extend_from_slice(part));
            }
            tail.flush(&mut |part| all.extend_from_slice(part));
            assert_eq!(all, text, "in steps of {step}");
        }
    }
}
