//! Text → tokens that cover every byte of it.
//!
//! Where [`scan`](crate::roster::scan) and `kdl` see a token's end in different places, this follows `kdl`, which has
//! the last word on what a roster means.

use super::Span;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A byte order mark, at the very start.
    Bom,
    /// A run of blanks other than line ends.
    Whitespace,
    /// One line end; CR LF is one.
    Newline,
    /// `// …` without the line end.
    LineComment,
    /// `/* … */`, others inside included.
    BlockComment,
    /// `/-`
    Slashdash,
    /// `\` outside a string: the node goes on in the next line.
    Continuation,
    /// A bare word.
    Identifier,
    Number,
    /// `#true` and its like.
    Keyword,
    /// `"…"`, or several lines between `"""`.
    Quoted,
    /// The same after `#`.
    Raw,
    Equals,
    OpenBrace,
    CloseBrace,
    Semicolon,
    OpenParenthesis,
    CloseParenthesis,
    /// What no roster has, a string or comment without an end included.
    Unknown,
}

impl Kind {
    /// Whether it can be a name or a text.
    #[must_use]
    pub fn is_string(self) -> bool {
        matches!(self, Self::Identifier | Self::Quoted | Self::Raw)
    }

    /// Whether it can be a value.
    #[must_use]
    pub fn is_value(self) -> bool {
        self.is_string() || matches!(self, Self::Number | Self::Keyword)
    }

    /// Whether it is a comment.
    #[must_use]
    pub fn is_comment(self) -> bool {
        matches!(self, Self::LineComment | Self::BlockComment)
    }
}

/// One token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    pub kind: Kind,
    pub span: Span,
}

/// Cuts `text` into tokens: each begins where the one before ends, the last ends with the text, none is empty.
#[must_use]
pub fn lex(text: &str) -> Vec<Token> {
    tokens(text).collect()
}

/// The tokens of [`lex`], one by one.
pub fn tokens(text: &str) -> impl Iterator<Item = Token> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let rest = &text[start..];
        let first = rest.chars().next()?;
        let (kind, length) =
            if start == 0 && first == '\u{feff}' { (Kind::Bom, first.len_utf8()) } else { token(rest, first) };
        let span = Span { start, end: start + length };
        start = span.end;
        Some(Token { kind, span })
    })
}

/// The kind and length of the token that `rest` starts with.
fn token(rest: &str, first: char) -> (Kind, usize) {
    if let Some(length) = newline(rest) {
        return (Kind::Newline, length);
    }
    match first {
        _ if first.is_whitespace() => {
            let blank = |c: char| c.is_whitespace() && !is_newline(c);
            (Kind::Whitespace, rest.find(|c| !blank(c)).unwrap_or(rest.len()))
        }
        '/' if rest.starts_with("//") => (Kind::LineComment, rest.find(is_newline).unwrap_or(rest.len())),
        '/' if rest.starts_with("/*") => block_comment(rest),
        '/' if rest.starts_with("/-") => (Kind::Slashdash, 2),
        '\\' => (Kind::Continuation, 1),
        '"' => quoted(rest),
        '#' => hash(rest),
        '=' => (Kind::Equals, 1),
        '{' => (Kind::OpenBrace, 1),
        '}' => (Kind::CloseBrace, 1),
        ';' => (Kind::Semicolon, 1),
        '(' => (Kind::OpenParenthesis, 1),
        ')' => (Kind::CloseParenthesis, 1),
        _ if is_word(first) => {
            let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            let unsigned = rest.strip_prefix(['+', '-']).unwrap_or(rest);
            let number = unsigned.starts_with(|c: char| c.is_ascii_digit());
            (if number { Kind::Number } else { Kind::Identifier }, length)
        }
        _ => (Kind::Unknown, first.len_utf8()),
    }
}

/// Whether `c` ends a line in KDL.
#[must_use]
pub fn is_newline(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// The length of the line end that `text` starts with.
fn newline(text: &str) -> Option<usize> {
    if text.starts_with("\r\n") {
        return Some(2);
    }
    text.chars().next().filter(|c| is_newline(*c)).map(char::len_utf8)
}

fn is_word(c: char) -> bool {
    !c.is_whitespace()
        && !matches!(c, '{' | '}' | '(' | ')' | '[' | ']' | '/' | '\\' | '"' | '#' | ';' | '=' | '\u{feff}')
}

fn block_comment(rest: &str) -> (Kind, usize) {
    let bytes = rest.as_bytes();
    let (mut at, mut depth) = (2, 1);
    while at + 1 < bytes.len() {
        match &bytes[at..at + 2] {
            b"/*" => (depth, at) = (depth + 1, at + 2),
            b"*/" => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return (Kind::BlockComment, at);
        }
    }
    (Kind::Unknown, rest.len())
}

/// Three quotes begin a text of several lines only at the end of their line.
fn opening(rest: &str) -> &'static str {
    match rest.strip_prefix("\"\"\"") {
        Some(after) if newline(after).is_some() => "\"\"\"",
        _ => "\"",
    }
}

fn quoted(rest: &str) -> (Kind, usize) {
    let quotes = opening(rest);
    let mut at = quotes.len();
    while let Some(c) = rest[at..].chars().next() {
        if rest[at..].starts_with(quotes) {
            return (Kind::Quoted, at + quotes.len());
        }
        at += c.len_utf8();
        if c == '\\' {
            at += rest[at..].chars().next().map_or(0, char::len_utf8);
        }
    }
    (Kind::Unknown, rest.len())
}

/// A raw string, or a keyword.
fn hash(rest: &str) -> (Kind, usize) {
    let hashes = rest.len() - rest.trim_start_matches('#').len();
    let after = &rest[hashes..];
    if after.starts_with('"') {
        let quotes = opening(after);
        let end = format!("{quotes}{}", &rest[..hashes]);
        let body = &after[quotes.len()..];
        return match body.find(&end) {
            Some(at) => (Kind::Raw, hashes + quotes.len() + at + end.len()),
            None => (Kind::Unknown, rest.len()),
        };
    }
    let length = hashes + after.find(|c| !is_word(c)).unwrap_or(after.len());
    (if hashes == 1 && length > 1 { Kind::Keyword } else { Kind::Unknown }, length)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Kinds and texts of all tokens but single blanks.
    fn cut(text: &str) -> Vec<(Kind, &str)> {
        lex(text).iter().map(|token| (token.kind, token.span.of(text))).filter(|(_, text)| *text != " ").collect()
    }

    #[test]
    fn every_kind_is_told_apart() {
        use Kind::{
            BlockComment, Bom, CloseBrace, CloseParenthesis, Continuation, Equals, Identifier, Keyword, LineComment,
            Newline, Number, OpenBrace, OpenParenthesis, Quoted, Raw, Semicolon, Slashdash, Unknown, Whitespace,
        };
        assert_eq!(
            cut("\u{feff}\t\u{3000}a-b=-1_0 +x #-inf{};(t)[ /-\\ // c"),
            [
                (Bom, "\u{feff}"),
                (Whitespace, "\t\u{3000}"),
                (Identifier, "a-b"),
                (Equals, "="),
                (Number, "-1_0"),
                (Identifier, "+x"),
                (Keyword, "#-inf"),
                (OpenBrace, "{"),
                (CloseBrace, "}"),
                (Semicolon, ";"),
                (OpenParenthesis, "("),
                (Identifier, "t"),
                (CloseParenthesis, ")"),
                (Unknown, "["),
                (Slashdash, "/-"),
                (Continuation, "\\"),
                (LineComment, "// c"),
            ]
        );
        assert_eq!(cut("a/* /* } */ */b"), [(Identifier, "a"), (BlockComment, "/* /* } */ */"), (Identifier, "b")]);
        let ends = ["\r\n", "\n", "\r", "\u{85}", "\u{b}", "\u{c}", "\u{2028}", "\u{2029}"];
        assert_eq!(cut(&ends.concat()), ends.map(|end| (Newline, end)));
        for end in ends {
            let text = format!("// c{end}a");
            assert_eq!(cut(&text), [(LineComment, "// c"), (Newline, end), (Identifier, "a")]);
        }
        for (kind, text) in [
            (Quoted, r#""a \" { \\""#),
            (Quoted, "\"a \\\n  b\""),
            (Quoted, "\"\"\"\n  \" \"\" \\\"\"\" }\n  \"\"\""),
            (Raw, r##"#"a " \"#"##),
            (Raw, r###"##"a "# b"##"###),
            (Raw, "#\"\"\"\r\n \"# \"\" }\r\n \"\"\"#"),
            // Not at the end of its line: `kdl` reads one line that starts with two quotes.
            (Raw, "#\"\"\"x\"#"),
        ] {
            assert_eq!(cut(&format!("{text}}}")), [(kind, text), (CloseBrace, "}")]);
        }
    }

    #[test]
    fn what_has_no_end_is_unknown_up_to_the_end() {
        for text in ["\"a", "\"\"\"\na\"", "#\"a\"", "/* /* */", "\"a\\", "##"] {
            let kinds: Vec<_> = lex(text).iter().map(|token| token.kind).collect();
            assert!(kinds.contains(&Kind::Unknown), "{text}: {kinds:?}");
        }
    }
}
