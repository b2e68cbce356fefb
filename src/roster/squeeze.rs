//! A text for the KDL parser without what says itself: comments, indentation, and what plain strings hold.
//!
//! `kdl` tries each of 18 blanks and 8 line ends on every character of a comment or a string, and a runtime file is little
//! else. What a string without escapes holds needs no parser; the places that `kdl` names are those of the squeezed text, and
//! [`Squeezed::span`] leads back.

use super::syntax::Span;
use super::syntax::lexer::{Kind, Token, is_newline};

/// A text of which parts were left out.
#[derive(Debug)]
pub(super) struct Squeezed {
    pub text: String,
    /// Where something was left out: the place in the squeezed text, and all bytes left out up to there.
    cuts: Vec<(usize, usize)>,
    /// What strings held: where each ends in the squeezed text, and its part of the whole one.
    bodies: Vec<(usize, Span)>,
}

impl Squeezed {
    /// Squeezes `text`, of which `tokens` are the tokens.
    pub fn new(text: &str, tokens: &[Token]) -> Self {
        let text_of_it = String::with_capacity(text.len());
        let mut squeezed = Self { text: text_of_it, cuts: Vec::new(), bodies: Vec::new() };
        let mut begins_line = true;
        let (mut kept, mut left_out) = (0, 0);
        for token in tokens {
            let body = body(token, text);
            let skipped = match token.kind {
                Kind::LineComment => Some(token.span),
                Kind::Whitespace if begins_line => Some(token.span),
                _ => body,
            };
            begins_line = token.kind == Kind::Newline;
            let Some(skipped) = skipped else { continue };
            squeezed.text.push_str(&text[kept..skipped.start]);
            // Without what stands between them, two line ends would become one.
            if squeezed.text.ends_with('\r') && text[skipped.end..].starts_with('\n') {
                kept = skipped.start;
                continue;
            }
            kept = skipped.end;
            left_out += skipped.end - skipped.start;
            squeezed.cuts.push((squeezed.text.len(), left_out));
            if let Some(body) = body {
                squeezed.bodies.push((squeezed.text.len() + token.span.end - body.end, body));
            }
        }
        squeezed.text.push_str(&text[kept..]);
        squeezed
    }

    /// Where in the whole text `found` stands, a part of the squeezed one.
    pub fn span(&self, found: Span) -> Span {
        let start = self.place(found.start);
        // By its last byte: what was left out behind it is no part of it.
        let end = if found.end > found.start { self.place(found.end - 1) + 1 } else { start };
        Span { start, end }
    }

    /// What the string held that ends at `end` of the squeezed text. `None`: what `kdl` says.
    pub fn body(&self, end: usize) -> Option<Span> {
        let at = self.bodies.binary_search_by_key(&end, |(end, _)| *end).ok()?;
        Some(self.bodies[at].1)
    }

    fn place(&self, at: usize) -> usize {
        let before = self.cuts.partition_point(|(place, _)| *place <= at);
        at + before.checked_sub(1).map_or(0, |last| self.cuts[last].1)
    }
}

/// What stands between the quotes, when it is what the string says: one line, nothing escaped.
fn body(token: &Token, text: &str) -> Option<Span> {
    let whole = token.span.of(text);
    let quote = match token.kind {
        Kind::Quoted => 1,
        Kind::Raw => whole.find('"')? + 1,
        _ => return None,
    };
    let body = Span { start: token.span.start + quote, end: token.span.end - quote };
    let inside = body.of(text);
    // `kdl` takes no byte order mark, and quotes at the start may begin a text of several lines.
    let plain = |c: char| !is_newline(c) && c != '\u{feff}' && (token.kind == Kind::Raw || c != '\\');
    (!inside.is_empty() && !inside.starts_with('"') && inside.chars().all(plain)).then_some(body)
}

#[cfg(test)]
mod tests {
    use super::super::syntax::lexer::lex;
    use super::*;

    fn squeezed(text: &str) -> Squeezed {
        Squeezed::new(text, &lex(text))
    }

    #[test]
    fn only_what_says_nothing_is_left_out() {
        let text = "// a\na \"// b\" { // c\n\t  b 1  2\n}\nc \"\"\"\n  // d\n  \"\"\" \\ // e\n  f /* g */\n";
        let short = "\na \"\" { \nb 1  2\n}\nc \"\"\"\n  // d\n  \"\"\" \\ \nf /* g */\n";
        assert_eq!(squeezed(text).text, short);
        let text = "a \"é\" #\"b\\\"#=##\"c\"d\"## \"e\\\\\" \"\" #\"\"x\"# \"f\u{feff}\"";
        let squeezed = squeezed(text);
        assert_eq!(squeezed.text, "a \"\" #\"\"#=##\"\"## \"e\\\\\" \"\" #\"\"x\"# \"f\u{feff}\"");
        let held = |end| squeezed.body(end).map(|span| span.of(text));
        assert_eq!([4, 9, 16].map(held), [Some("é"), Some("b\\"), Some("c\"d")]);
        assert_eq!((5..squeezed.text.len()).filter_map(held).count(), 2);
    }

    #[test]
    fn no_two_line_ends_become_one() {
        let (text, short) = ("a \\\r \nb\n\r // c\n \r\n", "a \\\r \nb\n\r// c\n\r\n");
        assert_eq!(squeezed(text).text, short);
    }

    #[test]
    fn places_lead_back_to_what_stood_there() {
        let text = "  // grün\n  aä /* */ \"ö\" bb // x\n\n      cc // y";
        let squeezed = squeezed(text);
        for word in ["aä", "bb", "cc", "/* */"] {
            let start = squeezed.text.find(word).unwrap();
            let span = squeezed.span(Span { start, end: start + word.len() });
            assert_eq!(span.of(text), word);
            assert_eq!(squeezed.span(Span { start, end: start }), Span { start: span.start, end: span.start });
        }
    }
}
