//! What keeps a text from being KDL, in fleet's own words.
//!
//! `kdl` gives no nodes for a text with a mistake, blames places that are right, and can overflow its stack while it
//! recovers. So it only ever sees what passed here.

use super::Span;
use super::lexer::{Kind, Token, is_newline, lex};
use super::words::{is_number, is_unicode_escape, looks_like_number};

/// Mistakes looked for. A text with more is not a roster with slips in it.
pub const MOST: usize = 200;

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub span: Span,
    pub message: String,
    pub help: String,
}

/// Where in a node the walk stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Before the name of a node.
    Name,
    /// Behind the name or an entry.
    Entries,
    /// Behind a block.
    Block,
}

struct Walk<'a> {
    text: &'a str,
    tokens: &'a [Token],
    at: usize,
    place: Place,
    /// Whether a blank separates what comes from what was.
    spaced: bool,
    /// The `/-` that have disabled nothing yet: each takes one value.
    slashdashes: Vec<Span>,
    /// Whether a `/-` disables the node, for it and for each node around it.
    disabled: Vec<bool>,
    faults: Vec<Fault>,
}

/// The mistakes of `text`, in its order; at most a few more than [`MOST`].
#[must_use]
pub fn faults(text: &str) -> Vec<Fault> {
    of_tokens(text, &lex(text))
}

/// The same for a text that was cut into `tokens` already.
#[must_use]
pub fn of_tokens(text: &str, tokens: &[Token]) -> Vec<Fault> {
    let mut walk = Walk {
        text,
        tokens,
        at: 0,
        place: Place::Name,
        spaced: true,
        slashdashes: Vec::new(),
        disabled: vec![false],
        faults: Vec::new(),
    };
    walk.run();
    walk.faults
}

impl Walk<'_> {
    fn fault(&mut self, span: Span, message: impl Into<String>, help: impl Into<String>) {
        self.faults.push(Fault { span, message: message.into(), help: help.into() });
    }

    fn peek(&self) -> Option<Token> {
        self.tokens.get(self.at).copied()
    }

    fn run(&mut self) {
        while let Some(token) = self.peek() {
            if self.faults.len() >= MOST {
                return;
            }
            self.at += 1;
            match token.kind {
                Kind::Bom | Kind::Whitespace | Kind::BlockComment | Kind::LineComment => self.spaced = true,
                Kind::Continuation => self.continuation(token),
                // Behind `/-` a line end is a blank like any other.
                Kind::Newline if !self.slashdashes.is_empty() => self.spaced = true,
                Kind::Semicolon if self.place == Place::Name => {
                    self.fault(token.span, "this `;` ends nothing", "remove it: a `;` stands behind a node");
                }
                // The parser takes no `;` there, whatever the language says.
                Kind::Semicolon if self.disabled.last() == Some(&true) => {
                    let help = "end it with a line break instead";
                    self.fault(token.span, "a `;` behind a node that `/-` disables", help);
                }
                Kind::Newline | Kind::Semicolon => self.end_node(),
                Kind::Slashdash if self.place == Place::Name && !self.slashdashes.is_empty() => {
                    self.fault(token.span, "a second `/-` before one node", "one is enough: remove the other");
                }
                Kind::Slashdash => {
                    if self.place == Place::Entries && !self.spaced {
                        self.touching(token.span);
                    }
                    self.slashdashes.push(token.span);
                    self.spaced = true;
                }
                Kind::Equals => self.fault(
                    token.span,
                    "this `=` belongs to nothing",
                    "a property is a name, `=` and a value, as in `version=1`",
                ),
                Kind::OpenBrace => self.open(token),
                Kind::CloseBrace => {
                    self.end_node();
                    self.disabled.pop();
                    self.place = Place::Block;
                    self.spaced = false;
                }
                Kind::OpenParenthesis | Kind::CloseParenthesis | Kind::Unknown => self.unknown(token),
                _ => self.value(token),
            }
        }
        self.end_node();
    }

    /// A `\`: nothing but a comment may stand between it and the line end.
    fn continuation(&mut self, token: Token) {
        while self.peek().is_some_and(|next| matches!(next.kind, Kind::Whitespace | Kind::BlockComment)) {
            self.at += 1;
        }
        if self.peek().is_some_and(|next| next.kind == Kind::LineComment) {
            self.at += 1;
        }
        match self.peek().map(|next| next.kind) {
            Some(Kind::Newline) => self.at += 1,
            None => {}
            Some(_) => {
                let help = "remove it; in a text, which stands in quotes, write `\\\\`";
                self.fault(
                    token.span,
                    "a `\\` outside a text joins the next line, and this one is not the last of its line",
                    help,
                );
            }
        }
        self.spaced = true;
    }

    fn end_node(&mut self) {
        for span in std::mem::take(&mut self.slashdashes) {
            self.fault(
                span,
                "this `/-` disables nothing",
                "put it directly before a node, a value or a block, or remove it",
            );
        }
        self.place = Place::Name;
        self.spaced = true;
        if let Some(disabled) = self.disabled.last_mut() {
            *disabled = false;
        }
    }

    fn open(&mut self, token: Token) {
        if self.place == Place::Name {
            let help = "write the name of a node before the brace, as in `defaults { … }`";
            self.fault(token.span, "these braces belong to no node", help);
        }
        self.slashdashes.pop();
        self.disabled.push(false);
        self.place = Place::Name;
        self.spaced = true;
    }

    fn unknown(&mut self, token: Token) {
        let written = token.span.of(self.text);
        if written.starts_with('#') {
            let help = "yes and no are `#true` and `#false`; a comment starts with `//`";
            self.fault(token.span, format!("`{}` is no word of KDL", short(written)), help);
        } else {
            self.fault(
                token.span,
                format!("`{}` does not belong here", short(written)),
                "remove it, or put it into a text",
            );
        }
        if self.place == Place::Name {
            self.place = Place::Entries;
        }
        self.spaced = true;
    }

    /// A name, an argument, or a property with its value.
    fn value(&mut self, token: Token) {
        let disabled = self.slashdashes.pop().is_some();
        // Behind a block, `/-` begins the next node without a terminator between the two.
        // Behind a node that `/-` disables, the parser takes the next one without a terminator too.
        if self.place == Place::Block && (disabled || self.disabled.last() == Some(&true)) {
            self.place = Place::Name;
        }
        if let Some(node) = self.disabled.last_mut().filter(|_| self.place == Place::Name) {
            *node = disabled;
        }
        let touches = !self.spaced && self.place != Place::Name;
        self.spaced = false;
        match self.place {
            Place::Name => {
                self.place = Place::Entries;
                if token.kind.is_string() {
                    self.contents(token);
                } else {
                    let written = short(token.span.of(self.text));
                    let message = format!("a node starts with its name, and `{written}` is a value");
                    self.fault(token.span, message, "write the name first, as in `scrollback 200`");
                }
                return;
            }
            Place::Block => {
                let message = format!("`{}` stands behind the block of its node", short(token.span.of(self.text)));
                self.fault(token.span, message, "put `;` or a line break before it, if it is the next node");
                self.place = Place::Entries;
                return;
            }
            Place::Entries => {}
        }
        if touches {
            self.touching(token.span);
        }
        self.contents(token);
        self.property(token);
    }

    /// Looks for `=` and a value behind `name`.
    fn property(&mut self, name: Token) {
        let ahead = self.behind_blanks(self.at);
        let Some(equals) = self.tokens.get(ahead).filter(|next| next.kind == Kind::Equals).map(|next| next.span)
        else {
            return;
        };
        self.at = self.behind_blanks(ahead + 1);
        let whole = Span { start: name.span.start, end: equals.end };
        let word = short(name.span.of(self.text)).into_owned();
        if !name.kind.is_string() {
            self.fault(whole, format!("`{word}` is not the name of a property"), "a name is a word, as in `burst=5`");
        }
        // `memory= tasks=64`: the next property is no value of this one.
        let is_value = self.peek().is_some_and(|next| next.kind.is_value() && !self.is_followed_by_equals());
        if is_value {
            let value = self.peek();
            self.at += 1;
            if let Some(value) = value {
                self.contents(value);
            }
        } else {
            let help = format!("write a value directly behind it, or remove `{word}=`");
            self.fault(whole, format!("`{word}=` has no value"), help);
            self.spaced = true;
        }
    }

    fn is_followed_by_equals(&self) -> bool {
        self.tokens.get(self.at + 1).is_some_and(|next| next.kind == Kind::Equals)
    }

    /// The index of the first token from `at` on that is no blank inside a node: comments, and line ends behind `\`.
    fn behind_blanks(&self, mut at: usize) -> usize {
        let kind = |at: usize| self.tokens.get(at).map(|token| token.kind);
        loop {
            match kind(at) {
                Some(Kind::Whitespace | Kind::BlockComment) => at += 1,
                Some(Kind::Continuation) => {
                    let mut end = at + 1;
                    while matches!(kind(end), Some(Kind::Whitespace | Kind::BlockComment | Kind::LineComment)) {
                        end += 1;
                    }
                    if kind(end) != Some(Kind::Newline) {
                        return at;
                    }
                    at = end + 1;
                }
                _ => return at,
            }
        }
    }

    /// Two values with nothing between them.
    fn touching(&mut self, span: Span) {
        let written = span.of(self.text);
        if written.starts_with(',') {
            let comma = Span { start: span.start, end: span.start + 1 };
            self.fault(comma, "values are separated by blanks, not by commas", "remove the comma");
            return;
        }
        let message = format!("`{}` touches what stands before it", short(written));
        let help = "put a blank between two values; a quote inside a text is written `\\\"`";
        self.fault(span, message, help);
    }

    /// What is wrong inside a text, number or keyword.
    fn contents(&mut self, token: Token) {
        let written = token.span.of(self.text);
        match token.kind {
            Kind::Keyword if !matches!(written, "#true" | "#false" | "#null" | "#inf" | "#-inf" | "#nan") => {
                let help = "yes and no are `#true` and `#false`; a comment starts with `//`";
                self.fault(token.span, format!("`{}` is no word of KDL", short(written)), help);
            }
            Kind::Number if !is_number(written) => {
                let message = format!("`{}` is not a number", short(written));
                self.fault(token.span, message, "write it in quotes if it is a text");
            }
            Kind::Identifier if looks_like_number(written) => {
                let message = format!("`{}` is not a number", short(written));
                self.fault(token.span, message, format!("write `0{written}`, or put it in quotes if it is a text"));
            }
            Kind::Quoted => {
                self.escapes(token);
                self.indentation(token);
            }
            Kind::Raw => self.indentation(token),
            _ => {}
        }
    }

    /// Every `\` of a text begins an escape.
    fn escapes(&mut self, token: Token) {
        let text = token.span.of(self.text);
        let mut chars = text.char_indices();
        while let Some((at, c)) = chars.next() {
            if c != '\\' {
                continue;
            }
            let Some((_, escaped)) = chars.next() else { return };
            let good = match escaped {
                'n' | 'r' | 't' | '\\' | '"' | 'b' | 'f' | 's' => true,
                'u' => is_unicode_escape(&text[at + 2..]),
                _ => escaped.is_whitespace(),
            };
            if !good {
                let start = token.span.start + at;
                let span = Span { start, end: start + 1 + escaped.len_utf8() };
                let message = format!("`\\{escaped}` is not an escape");
                self.fault(span, message, "write `\\\\` for a backslash, or a raw text: `#\"…\"#`");
            }
        }
    }

    /// The lines of a text of several lines are indented at least like its last one.
    fn indentation(&mut self, token: Token) {
        let written = token.span.of(self.text);
        let inner = written.trim_matches('#');
        let Some(body) = inner.strip_prefix("\"\"\"").and_then(|rest| rest.strip_suffix("\"\"\"")) else { return };
        if !body.starts_with(is_newline) {
            return;
        }
        // An escaped line end joins lines before the indentation is taken off; `kdl` has its own word on those.
        let joins = body.split('\\').skip(1).any(|rest| rest.starts_with(char::is_whitespace));
        let lines: Vec<&str> = body.split(is_newline).collect();
        let Some((last, lines)) = lines.split_last() else { return };
        let end = Span { start: token.span.end.saturating_sub(3), end: token.span.end };
        if !last.trim().is_empty() {
            let help = "break the line before them";
            self.fault(end, "the closing quotes of a text of several lines stand on a line of their own", help);
            return;
        }
        if joins || token.kind == Kind::Quoted && last.contains('\\') {
            return;
        }
        if let Some(line) = lines.iter().find(|line| !line.trim().is_empty() && !line.starts_with(last)) {
            let start = line.as_ptr() as usize - self.text.as_ptr() as usize;
            let span = Span { start, end: start + line.len() };
            let message = "this line is indented less than the closing quotes, or with other blanks";
            self.fault(
                span,
                message,
                "indent every line at least like the closing quotes, with the same tabs or blanks",
            );
        }
    }
}

/// A word for a message.
fn short(text: &str) -> std::borrow::Cow<'_, str> {
    match text.char_indices().nth(40) {
        None => text.into(),
        Some((end, _)) => format!("{}…", &text[..end]).into(),
    }
}
