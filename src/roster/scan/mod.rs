//! A look at the text before the parser sees it.
//!
//! Two jobs. First, bounds: size, balance and depth, stopping at the first imbalance, because the parser's stack
//! overflow cannot be caught. Second, the slips that people make in every roster (`true`, `60s`, `./path` written bare):
//! they are reported here in plain words and masked for the parser by a quoted string of the same length, so that every
//! other mistake of the file is still found in the same run with its right place.

mod foreign;
mod slips;

use super::syntax::lexer::is_newline;
use crate::diagnostic::{Code, Diagnostic, Diagnostics, FileId, Span};

/// Longest roster, in bytes. About 1,000 agents written out; `count` is for more.
pub const MAX_BYTES: usize = 512 * 1024;
/// Deepest nesting of braces.
pub const MAX_DEPTH: usize = 64;
/// Most `#` before a raw string.
const MAX_HASHES: usize = 64;
/// Deepest nesting of block comments, and longest run of `/-`.
pub const MAX_COMMENT_DEPTH: usize = 16;

/// What the parser may see, and what was learnt on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scanned {
    /// As long as the original, slips masked.
    pub text: String,
    /// Where one top-level node ends and the next may begin.
    pub breaks: Vec<usize>,
    /// What would put the slips right.
    pub fixes: Vec<Fix>,
    /// Deepest nesting, of braces and of comments.
    pub depth: usize,
}

/// A replacement that puts a slip right without changing what was meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fix {
    pub start: usize,
    pub end: usize,
    pub text: String,
}

/// Scans `text`. `None` when the parser must not see it.
pub fn scan(text: &str, file: FileId, diagnostics: &mut Diagnostics) -> Option<Scanned> {
    if let Some(stop) = foreign::whole(text, file) {
        diagnostics.report(stop);
        return None;
    }
    scan_part(text, file, diagnostics)
}

/// Scans a text of which only a part is KDL: the header of a role file.
pub fn scan_part(text: &str, file: FileId, diagnostics: &mut Diagnostics) -> Option<Scanned> {
    let acts = |c: char| c != '\r' && crate::diagnostic::acts(c);
    if let Some((start, bad)) = text.char_indices().find(|(_, c)| acts(*c)) {
        let message = format!("the roster contains the invisible character U+{:04X}", u32::from(bad));
        let span = Span { file, start, end: start + bad.len_utf8() };
        let help = "remove it: it would act on the terminal of whoever reads this file; in a text write an escape such as \"\\u{1b}\"";
        diagnostics.report(Diagnostic::error(Code::BadCharacter, message).at(span, "here").help(help));
        return None;
    }
    if text.len() > MAX_BYTES {
        let message = format!("the roster is {} bytes long; the limit is {MAX_BYTES}", text.len());
        let diagnostic = Diagnostic::error(Code::TooLarge, message).at(Span { file, start: 0, end: 0 }, "");
        diagnostics.report(
            diagnostic.help("use `count=` for agents that are alike, and `defaults` and `role` for shared settings"),
        );
        return None;
    }
    let mut scanner = Scanner {
        text,
        file,
        at: 0,
        open: Vec::new(),
        masks: Vec::new(),
        breaks: Vec::new(),
        fixes: Vec::new(),
        at_node: true,
        joined: Joined::No,
        depth: 0,
    };
    if let Err(stop) = scanner.run(diagnostics) {
        diagnostics.report(*stop);
        return None;
    }
    let mut masked = text.as_bytes().to_vec();
    for mask in scanner.masks {
        match mask {
            Mask::Text(start, end) => {
                masked[start..end].fill(b'x');
                masked[start] = b'"';
                masked[end - 1] = b'"';
            }
            Mask::Blank(start, end) => masked[start..end].fill(b' '),
            Mask::Byte(at, byte) => masked[at] = byte,
        }
    }
    // Masks cover whole characters and are ASCII, so the text stays UTF-8.
    Some(Scanned {
        text: String::from_utf8(masked).ok()?,
        breaks: scanner.breaks,
        fixes: scanner.fixes,
        depth: scanner.depth,
    })
}

type Stop = Box<Diagnostic>;

/// Bytes to hide from the parser.
enum Mask {
    /// Shown to it as a string of the same length; at least two bytes.
    Text(usize, usize),
    /// Shown to it as blanks.
    Blank(usize, usize),
    /// One byte, shown to it as another one.
    Byte(usize, u8),
}

struct Scanner<'a> {
    text: &'a str,
    file: FileId,
    at: usize,
    /// Where each open brace stands.
    open: Vec<usize>,
    masks: Vec<Mask>,
    breaks: Vec<usize>,
    fixes: Vec<Fix>,
    /// The next word is the name of a node.
    at_node: bool,
    joined: Joined,
    depth: usize,
}

/// What makes the next line part of this node.
#[derive(Clone, Copy, PartialEq)]
enum Joined {
    No,
    /// A `\`: the next line.
    Line,
    /// A `/-`: whatever it disables, on whichever line.
    Slashdash,
}

impl Scanner<'_> {
    fn span(&self, start: usize, end: usize) -> Span {
        Span { file: self.file, start, end }
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn fix(&mut self, start: usize, end: usize, text: impl Into<String>) {
        self.fixes.push(Fix { start, end, text: text.into() });
    }

    /// A value begins: the node has its name.
    fn begin_value(&mut self) {
        self.at_node = false;
        self.joined = Joined::No;
    }

    fn end_node(&mut self) {
        self.at_node = true;
        self.joined = Joined::No;
        if self.open.is_empty() {
            self.breaks.push(self.at);
        }
    }

    fn run(&mut self, diagnostics: &mut Diagnostics) -> Result<(), Stop> {
        if self.rest().starts_with('\u{feff}') {
            self.at += '\u{feff}'.len_utf8();
        }
        let mut slashdashes = 0;
        while let Some(c) = self.rest().chars().next() {
            let start = self.at;
            if !(c.is_whitespace() || self.rest().starts_with("/-")) {
                slashdashes = 0;
            }
            match c {
                '/' if self.rest().starts_with("//") => self.line_comment(),
                '/' if self.rest().starts_with("/*") => self.block_comment()?,
                '/' if self.rest().starts_with("/-") => {
                    self.at += 2;
                    self.joined = Joined::Slashdash;
                    slashdashes += 1;
                    if slashdashes > MAX_COMMENT_DEPTH {
                        let message = format!("more than {MAX_COMMENT_DEPTH} `/-` in a row");
                        return Err(self.stop(Code::TooDeep, start, 2, message, "remove all but one"));
                    }
                }
                '"' => {
                    self.begin_value();
                    self.string(0)?;
                }
                '#' if self.raw_string_hashes().is_some() => {
                    self.begin_value();
                    let hashes = self.raw_string_hashes().unwrap_or(1);
                    self.at += hashes;
                    self.string(hashes)?;
                }
                '#' if self.at_node && !self.rest()[1..].starts_with(['"', '#']) => self.hash_comment(diagnostics),
                // A keyword such as `#true`: its word is no slip.
                '#' if !self.rest()[1..].starts_with(is_word) => self.lone_hash(diagnostics),
                '#' => self.at += 1 + self.rest()[1..].find(|c| !is_word(c)).unwrap_or(self.rest().len() - 1),
                '{' => {
                    self.open.push(start);
                    self.depth = self.depth.max(self.open.len());
                    self.at += 1;
                    self.at_node = true;
                    self.joined = Joined::No;
                    if self.open.len() > MAX_DEPTH {
                        let message = format!("braces are nested more than {MAX_DEPTH} deep");
                        let help = "no roster needs more than a few levels";
                        return Err(self.stop(Code::TooDeep, start, 1, message, help));
                    }
                }
                '}' => {
                    self.at += 1;
                    self.at_node = true;
                    if self.open.pop().is_none() {
                        let message = "this `}` closes nothing".to_owned();
                        let help = "remove it, or add the `{` it belongs to";
                        return Err(self.stop(Code::Unbalanced, start, 1, message, help));
                    }
                }
                '[' | ']' | '(' | ')' => self.bracket(c, diagnostics)?,
                _ if slips::is_quote(c) => self.typographic(diagnostics)?,
                _ if is_word(c) || c == '/' => self.word(diagnostics),
                '\\' => {
                    self.joined = Joined::Line;
                    self.at += 1;
                }
                ';' => {
                    self.at += 1;
                    self.end_node();
                }
                _ if is_newline(c) => {
                    self.at += if self.rest().starts_with("\r\n") { 2 } else { c.len_utf8() };
                    match self.joined {
                        Joined::No => self.end_node(),
                        Joined::Line => self.joined = Joined::No,
                        Joined::Slashdash => {}
                    }
                }
                _ => self.at += c.len_utf8(),
            }
        }
        match self.open.last() {
            Some(&open) => {
                let message = "this `{` is never closed".to_owned();
                Err(self.stop(Code::Unbalanced, open, 1, message, "add the `}` that closes it"))
            }
            None => Ok(()),
        }
    }

    /// Boxed like every [`Stop`], which travels through each step of the scan.
    #[expect(clippy::unnecessary_box_returns, reason = "the error type of the scan is boxed")]
    fn stop(&self, code: Code, start: usize, len: usize, message: String, help: &str) -> Stop {
        Box::new(Diagnostic::error(code, message).at(self.span(start, start + len), "here").help(help))
    }

    fn line_comment(&mut self) {
        self.at += self.rest().find(is_newline).unwrap_or(self.rest().len());
    }

    fn block_comment(&mut self) -> Result<(), Stop> {
        let start = self.at;
        let mut depth = 0;
        loop {
            if self.rest().starts_with("/*") {
                depth += 1;
                self.depth = self.depth.max(depth);
                self.at += 2;
                if depth > MAX_COMMENT_DEPTH {
                    let message = format!("comments are nested more than {MAX_COMMENT_DEPTH} deep");
                    return Err(self.stop(Code::TooDeep, start, 2, message, "close the inner comments"));
                }
            } else if self.rest().starts_with("*/") {
                depth -= 1;
                self.at += 2;
                if depth == 0 {
                    return Ok(());
                }
            } else if let Some(c) = self.rest().chars().next() {
                self.at += c.len_utf8();
            } else {
                return Err(self.stop(
                    Code::Unbalanced,
                    start,
                    2,
                    "this comment is never closed".to_owned(),
                    "add `*/`",
                ));
            }
        }
    }

    /// The number of `#` before a quote, when a raw string starts here. Nobody writes more than a few.
    fn raw_string_hashes(&self) -> Option<usize> {
        let hashes = self.rest().bytes().take(MAX_HASHES + 1).take_while(|byte| *byte == b'#').count();
        (hashes > 0 && self.rest().as_bytes().get(hashes) == Some(&b'"')).then_some(hashes)
    }

    /// Skips a string that starts at its first quote; `hashes` of them belong to its end.
    fn string(&mut self, hashes: usize) -> Result<(), Stop> {
        let start = self.at;
        let multi_line = self.rest().starts_with("\"\"\"");
        let end = format!("{}{}", if multi_line { "\"\"\"" } else { "\"" }, "#".repeat(hashes));
        self.at += if multi_line { 3 } else { 1 };
        if multi_line && !self.rest().starts_with(is_newline) {
            let message = "`\"\"\"` begins a text of several lines, and this one begins on the same line".to_owned();
            let help = "break the line after `\"\"\"`, or write one `\"` for a text of one line";
            return Err(self.stop(Code::Syntax, start, 3, message, help));
        }
        while let Some(c) = self.rest().chars().next() {
            if self.rest().starts_with(&end) {
                self.at += end.len();
                return Ok(());
            }
            match c {
                '\\' if hashes == 0 => {
                    self.at += 1;
                    let next = self.rest().chars().next();
                    // An escape may swallow a line break (KDL's whitespace escape), so it is skipped as a unit.
                    self.at += next.map_or(0, char::len_utf8);
                    if next.is_some_and(char::is_whitespace) {
                        self.at += self.rest().len() - self.rest().trim_start().len();
                    }
                }
                _ if !multi_line && is_newline(c) => break,
                _ => self.at += c.len_utf8(),
            }
        }
        let help = if multi_line {
            "add the closing `\"\"\"`"
        } else {
            "add the closing `\"`; a text of several lines stands between `\"\"\"` lines"
        };
        Err(self.stop(Code::Unbalanced, start, 1, "this text is never closed".to_owned(), help))
    }
}

fn is_word(c: char) -> bool {
    !c.is_whitespace() && !matches!(c, '{' | '}' | '(' | ')' | '[' | ']' | '/' | '\\' | '"' | '#' | ';' | '=')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(text: &str) -> (Option<String>, Vec<(&'static str, usize)>) {
        let mut diagnostics = Diagnostics::default();
        let passed = scan(text, FileId(0), &mut diagnostics).map(|scanned| scanned.text);
        let found = diagnostics.sorted().iter().map(|d| (d.code.number(), d.labels[0].span.start)).collect();
        (passed, found)
    }

    #[test]
    fn imbalance_stops_before_the_parser() {
        assert_eq!(codes("a {"), (None, vec![("F0102", 2)]));
        assert_eq!(codes("a }"), (None, vec![("F0102", 2)]));
        assert_eq!(codes("a \"x"), (None, vec![("F0102", 2)]));
        assert_eq!(codes("a \"x\ny\""), (None, vec![("F0102", 2)]));
        assert_eq!(codes("/* /* */"), (None, vec![("F0102", 0)]));
        assert_eq!(codes(&"a {".repeat(100)).1[0].0, "F0103");
        assert_eq!(codes(&"/*".repeat(100)).1[0].0, "F0103");
        assert_eq!(codes(&"/- ".repeat(100)).1[0].0, "F0103");
        assert_eq!(codes("a [1]"), (None, vec![("F0106", 2)]));
    }

    #[test]
    fn strings_and_comments_hide_braces() {
        for text in [
            "a \"{\"",
            "a #\"{ \" \"#",
            "// {\na",
            "/* { /* } */ */ a",
            "a \"\"\"\n{\n\"\"\"",
            "a \"\\\"{\"",
            "a b=#true",
        ] {
            assert_eq!(codes(text).1, [], "{text}");
            assert_eq!(codes(text).0.as_deref(), Some(text));
        }
    }

    #[test]
    fn bare_values_are_named_and_masked_in_place() {
        let (passed, found) = codes("a true b=60s \"x\" ./dir 4G 17 -3 0x1f 1.5e3");
        assert_eq!(found, [("F0105", 2), ("F0105", 9), ("F0105", 17), ("F0105", 23)]);
        assert_eq!(passed.unwrap(), "a \"xx\" b=\"x\" \"x\" \"xxx\" \"\" 17 -3 0x1f 1.5e3");
    }

    #[test]
    fn items_of_yaml_lists_are_named() {
        // Laid out anew, `-//c` becomes `-    // c`, and a text of such lines was taken for YAML only then.
        assert_eq!(codes("-//c\na").1, [("F0107", 0)]);
        assert_eq!(codes("a\n- name: x"), (Some("a\n  name  x".to_owned()), vec![("F0107", 2), ("F0107", 4)]));
        assert_eq!(codes("a -1 - --b").1, []);
    }

    #[test]
    fn masks_never_break_characters() {
        let (passed, _) = codes("dir ./größe/日本");
        assert!(passed.is_some_and(|text| text.len() == "dir ./größe/日本".len()));
    }
}
