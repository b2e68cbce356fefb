//! The slips that people make in every roster, and what puts them right.

use super::{Mask, Scanner, Stop, is_word};
use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::quantity;
use crate::roster::syntax::lexer::is_newline;
use crate::roster::syntax::words::is_number;

/// Quotes that word processors put in.
pub(super) fn is_quote(c: char) -> bool {
    matches!(c, '\u{201c}' | '\u{201d}' | '\u{201e}' | '\u{2018}' | '\u{2019}' | '\u{ab}' | '\u{bb}')
}

/// Whether blanks and then a value follow on the same line: laying a text out anew must not make a `\` one.
fn begins_with_value(rest: &str) -> bool {
    let value = rest.trim_start_matches(|c: char| c.is_whitespace() && !is_newline(c));
    value.len() < rest.len() && value.starts_with(|c| is_word(c) || matches!(c, '"' | '#'))
}

/// Whether `close` ends what `open` began: single quotes inside double ones are apostrophes.
fn closes(open: char, close: char) -> bool {
    match open {
        '\u{2018}' | '\u{2019}' => matches!(close, '\u{2018}' | '\u{2019}'),
        '\u{ab}' | '\u{bb}' => matches!(close, '\u{ab}' | '\u{bb}'),
        _ => matches!(close, '\u{201c}' | '\u{201d}' | '"'),
    }
}

impl Scanner<'_> {
    /// A bracket, which no roster has. `[section]` at the beginning of a line is TOML's.
    pub(super) fn bracket(&mut self, c: char, diagnostics: &mut Diagnostics) -> Result<(), Stop> {
        let start = self.at;
        let line = &self.rest()[..self.rest().find(is_newline).unwrap_or(self.rest().len())];
        let section = line.trim_end();
        if self.at_node && section.starts_with('[') && section.ends_with(']') && !section.contains(['"', '{', '}']) {
            let message = format!("`{section}` is how TOML begins a section");
            let end = start + section.len();
            let diagnostic = Diagnostic::error(Code::OtherLanguage, message).at(self.span(start, end), "not KDL");
            diagnostics.report_and_spoil(diagnostic.help("write the section as a node, as in `defaults { … }`"));
            self.masks.push(Mask::Blank(start, end));
            self.at = end;
            return Ok(());
        }
        let help = "a roster has no lists and no type annotations: write values side by side, separated by blanks";
        Err(self.stop(Code::BadCharacter, start, 1, format!("`{c}` does not belong in a roster"), help))
    }

    /// Typographic quotes. A pair on one line is reported and hidden; a single one ends the scan, because nobody knows
    /// where its text ends.
    pub(super) fn typographic(&mut self, diagnostics: &mut Diagnostics) -> Result<(), Stop> {
        let start = self.at;
        let open = self.rest().chars().next().unwrap_or_default();
        let inside = start + open.len_utf8();
        let mut rest = self.text[inside..].char_indices().take_while(|(_, c)| !is_newline(*c));
        let close = rest.find(|(_, c)| closes(open, *c));
        let message = format!("`{open}` is a typographic quote");
        let help = "write the straight quote `\"`";
        let Some((offset, closing)) = close else {
            return Err(self.stop(Code::BadCharacter, start, open.len_utf8(), message, help));
        };
        let (last, end) = (inside + offset, inside + offset + closing.len_utf8());
        let diagnostic = Diagnostic::error(Code::BadCharacter, message).at(self.span(start, end), "here");
        diagnostics.report_and_spoil(diagnostic.help(help));
        self.fix(start, inside, "\"");
        if closing != '"' {
            self.fix(last, end, "\"");
        }
        self.masks.push(Mask::Text(start, end));
        self.at = end;
        self.begin_value();
        Ok(())
    }

    /// `# …` where a node begins: a comment in most other languages.
    pub(super) fn hash_comment(&mut self, diagnostics: &mut Diagnostics) {
        let start = self.at;
        let end = start + self.rest().find(is_newline).unwrap_or(self.rest().len());
        let message = "a comment starts with `//`, not with `#`";
        let diagnostic = Diagnostic::error(Code::Syntax, message).at(self.span(start, start + 1), "here");
        diagnostics.report_and_spoil(diagnostic.help("write `//` instead"));
        self.fix(start, start + 1, "//");
        self.masks.push(Mask::Blank(start, end));
        self.at = end;
    }

    /// A `#` before nothing that it could begin. Hidden, because what is hidden behind it begins with a quote.
    pub(super) fn lone_hash(&mut self, diagnostics: &mut Diagnostics) {
        let start = self.at;
        let end = start + self.rest().bytes().take_while(|byte| *byte == b'#').count();
        let diagnostic = Diagnostic::error(Code::Syntax, "this `#` begins nothing").at(self.span(start, end), "here");
        let help = "remove it; a comment starts with `//`, and `#true`, `#false` and `#null` are one word";
        diagnostics.report_and_spoil(diagnostic.help(help));
        self.masks.push(Mask::Blank(start, end));
        self.at = end;
    }

    /// `'…'`, which KDL takes for a bare word, quotes included. Whether it was one.
    fn single_quotes(&mut self, start: usize, diagnostics: &mut Diagnostics) -> bool {
        let inside = start + 1;
        let rest = &self.text[inside..];
        // No further than the quote: a line of quotes would be read once for each of them.
        let Some(length) = rest.find(|c| c == '\'' || is_newline(c)).filter(|at| rest[*at..].starts_with('\''))
        else {
            return false;
        };
        let (text, end) = (&rest[..length], inside + length + 1);
        if text.contains(['"', '{', '}', ';']) {
            return false;
        }
        let message = format!("`'{text}'` stands in single quotes");
        let diagnostic = Diagnostic::error(Code::BareWord, message).at(self.span(start, end), "here");
        diagnostics.report_and_spoil(diagnostic.help(format!("write `\"{text}\"`")));
        let fix = format!("\"{}\"", text.replace('\\', "\\\\"));
        if text.contains('\\') {
            self.masks.push(Mask::Text(start, end));
        } else {
            // What stands inside is what was meant: an `include` is still followed, a name still looked up.
            self.masks.push(Mask::Byte(start, b'"'));
            self.masks.push(Mask::Byte(end - 1, b'"'));
        }
        self.fix(start, end, fix);
        self.at = end;
        true
    }

    pub(super) fn word(&mut self, diagnostics: &mut Diagnostics) {
        let start = self.at;
        // Before the word is read to its end, or a line of quotes would be read once for each of them.
        if self.rest().starts_with('\'') && self.single_quotes(start, diagnostics) {
            self.begin_value();
            return;
        }
        while let Some(c) = self.rest().chars().next() {
            let comment = ["//", "/*", "/-"].iter().any(|opening| self.rest().starts_with(opening));
            let goes_on = if c == '/' { !comment } else { is_word(c) && !is_quote(c) };
            if !goes_on {
                break;
            }
            self.at += c.len_utf8();
        }
        if self.at == start {
            self.at += 1;
            return;
        }
        let named = self.at_node;
        self.begin_value();
        let word = &self.text[start..self.at];
        if word == "r" && self.rest().starts_with(['"', '#']) && self.old_raw_string(start, diagnostics) {
            return;
        }
        if named && self.foreign_key(start, diagnostics) {
            return;
        }
        if word == "," && self.is_yaml_key_next() {
            // `role: "coder", runtime: "canary"`: the comma parts two nodes.
            self.masks.push(Mask::Byte(start, b';'));
            self.fix(start, self.at, ";");
            self.at_node = true;
            return;
        }
        if let Some(odd) = word.find(is_invisible) {
            let at = start + odd;
            let character = word[odd..].chars().next().unwrap_or_default();
            let message = format!("the roster contains the invisible character U+{:04X}", u32::from(character));
            let span = self.span(at, at + character.len_utf8());
            let diagnostic = Diagnostic::error(Code::BadCharacter, message).at(span, "here");
            diagnostics.report_and_spoil(diagnostic.help("remove it: two names that look alike would be two names"));
            self.fix(span.start, span.end, "");
            return;
        }
        if !named && word.len() > 1 && word.ends_with(':') && begins_with_value(self.rest()) {
            self.yaml_property(start, diagnostics);
            return;
        }
        let word = &self.text[start..self.at];
        let Some(slip) = slip(word) else { return };
        let span = self.span(start, self.at);
        let diagnostic = Diagnostic::error(Code::BareWord, slip.message).at(span, "written bare").help(slip.help);
        diagnostics.report_and_spoil(diagnostic);
        if word.len() >= 2 && !self.rest().starts_with('=') {
            self.masks.push(Mask::Text(start, self.at));
            self.fix(start, self.at, slip.fix);
        }
    }

    /// `r"…"` and `r#"…"#`, the raw strings of KDL 1, whose `r` starts at `start`. Whether it was one.
    fn old_raw_string(&mut self, start: usize, diagnostics: &mut Diagnostics) -> bool {
        let hashes = self.rest().bytes().take_while(|byte| *byte == b'#').count();
        let body = &self.rest()[hashes..];
        let Some(inside) = body.strip_prefix('"') else { return false };
        let closing = format!("\"{}", "#".repeat(hashes));
        let Some(length) = inside.find(&closing) else { return false };
        let end = self.at + hashes + 1 + length + closing.len();
        let message = "raw strings have lost their `r` in KDL 2";
        let diagnostic = Diagnostic::error(Code::OldSyntax, message).at(self.span(start, end), "KDL 1");
        diagnostics.report_and_spoil(diagnostic.help("write `#\"…\"#`; `fleet migrate` rewrites all of them"));
        if hashes == 0 {
            let text = format!("#{}#", &self.text[self.at..end]);
            self.fix(start, end, text);
        } else {
            self.fix(start, start + 1, "");
        }
        self.masks.push(Mask::Text(start, end));
        self.at = end;
        true
    }

    fn is_yaml_key_next(&self) -> bool {
        let next = self.rest().trim_start_matches(|c: char| c.is_whitespace() && !is_newline(c));
        let length =
            next.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))).unwrap_or(next.len());
        length > 0 && next[length..].strip_prefix(':').is_some_and(begins_with_value)
    }

    /// `node key: value`, where a property is meant.
    fn yaml_property(&mut self, start: usize, diagnostics: &mut Diagnostics) {
        let (end, key) = (self.at, &self.text[start..self.at - 1]);
        let message = format!("`{key}:` is how YAML writes a key");
        let diagnostic = Diagnostic::error(Code::OtherLanguage, message).at(self.span(start, end), "not KDL");
        diagnostics.report_and_spoil(diagnostic.help(format!("write `{key}=` directly before the value")));
        let blanks = self.rest().len() - self.rest().trim_start_matches([' ', '\t']).len();
        self.fix(end - 1, end + blanks, "=");
        self.masks.push(Mask::Byte(end - 1, b'='));
    }

    /// `key: value`, `key = value` and `- item` where a node's name stands, whose word starts at `start`. Whether it was
    /// one.
    fn foreign_key(&mut self, start: usize, diagnostics: &mut Diagnostics) -> bool {
        let word = &self.text[start..self.at];
        if word == "-" {
            let diagnostic = Diagnostic::error(Code::OtherLanguage, "`-` is how YAML begins an item of a list");
            let help = "write a node: its name and its values, one node a line";
            diagnostics.report_and_spoil(diagnostic.at(self.span(start, self.at), "not KDL").help(help));
            self.masks.push(Mask::Blank(start, self.at));
            self.at_node = true;
            return true;
        }
        let (language, key, end) = if let Some(key) = word.strip_suffix(':').filter(|key| !key.is_empty()) {
            ("YAML", key, self.at)
        } else {
            let blanks = self.rest().len() - self.rest().trim_start_matches([' ', '\t']).len();
            if !self.rest()[blanks..].starts_with('=') {
                return false;
            }
            ("TOML", word, self.at + blanks + 1)
        };
        let after_key = start + key.len();
        let message = format!("`{}` is how {language} writes a key", &self.text[start..end]);
        let diagnostic = Diagnostic::error(Code::OtherLanguage, message).at(self.span(start, end), "not KDL");
        diagnostics.report_and_spoil(diagnostic.help(format!("write `{key}` and its value after a blank")));
        let space =
            if self.text[end..].starts_with([' ', '\t', '\n', '\r']) || end == self.text.len() { "" } else { " " };
        self.fixes.push(super::Fix { start: after_key, end, text: space.to_owned() });
        self.masks.push(Mask::Blank(after_key, end));
        self.at = end;
        true
    }
}

/// Characters without a width of their own, which make two words look alike.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}')
}

/// What is wrong with a bare word, and what to write instead.
struct Slip {
    message: String,
    help: String,
    fix: String,
}

fn slip(word: &str) -> Option<Slip> {
    if matches!(word, "true" | "false" | "null" | "inf" | "nan") {
        let fix = format!("#{word}");
        return Some(Slip { message: format!("`{word}` is not a value"), help: format!("write `{fix}`"), fix });
    }
    let fix = format!("\"{word}\"");
    if word.contains('/') {
        return Some(Slip { message: format!("`{word}` needs quotes"), help: format!("write `{fix}`"), fix });
    }
    let digits = word.trim_start_matches(['+', '-']);
    if digits.starts_with(|c: char| c.is_ascii_digit()) && !is_number(digits) {
        // The form that is right, not only quotes around one that is not.
        let fits = quantity::duration(word).is_ok() || quantity::size(word).is_ok();
        let meant = quantity::meant_duration(word).or_else(|| quantity::meant_size(word)).filter(|_| !fits);
        let fix = meant.map_or(fix, |meant| format!("\"{meant}\""));
        let help = format!("write `{fix}`: durations, sizes and percentages stand in quotes");
        return Some(Slip { message: format!("`{word}` is not a number"), help, fix });
    }
    None
}
