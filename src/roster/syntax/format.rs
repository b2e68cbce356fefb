//! The one layout of a roster.
//!
//! - Four spaces a level, one node a line, one space between entries, none around `=`.
//! - Blank lines between nodes are the author's, at most one in a row; none at the start, after `{` or before `}`.
//! - A block that the author wrote on one line stays there, as `{ pane "lead"; pane "mender" }`, if its line then has
//!   at most [`MAX_COLUMNS`] columns (a comment behind it does not count). An empty block is `{}`.
//! - Comments keep their words and places. A `//` comment behind something stands four spaces behind it; one inside an
//!   entry (around `=`, behind `/-`) moves before that entry.
//! - Continuations stay; the lines after them stand one level deeper. Those with nothing to continue go.
//! - `/-` stands directly before what it disables.
//! - Texts, numbers and names are copied; lines inside a text or a comment are not indented anew.
//! - Line ends are LF, the last line has one, and there is no byte order mark.

use unicode_width::UnicodeWidthStr as _;

use super::Span;
use super::lexer::{Kind, Token};
use super::tree::{Block, Entry, Node, Tree};
use crate::roster::document::{RawNode, RawValue};

/// Widest line that a block written on one line may make.
pub const MAX_COLUMNS: usize = 100;

const INDENT: &str = "    ";
/// Between something and the `//` comment behind it.
const BEFORE_COMMENT: &str = "    ";

/// Lays `text` out anew. A text that is no roster comes back as it is.
#[must_use]
pub fn format(text: &str) -> String {
    let tree = Tree::new(text);
    if !tree.sound {
        return text.to_owned();
    }
    let mut printer = Printer { tree: &tree, out: String::new(), inline: false };
    printer.nodes(&tree.nodes, Span { start: 0, end: text.len() }, 0);
    if !printer.out.is_empty() {
        printer.out.push('\n');
    }
    printer.out
}

/// Whether two documents say the same, wherever it stands in them.
#[must_use]
pub fn same_meaning(one: &[RawNode], other: &[RawNode]) -> bool {
    // Numbers that are no numbers equal nothing, themselves included.
    let value = |one: &RawValue, other: &RawValue| format!("{one:?}") == format!("{other:?}");
    one.len() == other.len()
        && one.iter().zip(other).all(|(one, other)| {
            one.name == other.name
                && one.arguments.len() == other.arguments.len()
                && one.arguments.iter().zip(&other.arguments).all(|((one, _), (other, _))| value(one, other))
                && one.properties.len() == other.properties.len()
                && one
                    .properties
                    .iter()
                    .zip(&other.properties)
                    .all(|(one, other)| one.name == other.name && value(&one.value, &other.value))
                && match (&one.children, &other.children) {
                    (Some(one), Some(other)) => same_meaning(one, other),
                    (one, other) => one.is_none() && other.is_none(),
                }
        })
}

struct Printer<'a> {
    tree: &'a Tree<'a>,
    out: String,
    /// Everything on one line.
    inline: bool,
}

/// What stands between two parts of a node.
enum Piece<'a> {
    Comment(&'a str),
    /// A continuation, with the comment behind its `\`.
    Break(Option<&'a str>),
}

enum Part<'a> {
    Entry(&'a Entry),
    Block(&'a Block),
}

impl Part<'_> {
    fn span(&self) -> Span {
        match self {
            Self::Entry(entry) => entry.span,
            Self::Block(block) => block.span,
        }
    }

    /// Where it begins, what disables it left out.
    fn start(&self) -> usize {
        match self {
            Self::Entry(entry) => entry.start(),
            Self::Block(block) => block.open.start,
        }
    }
}

/// Where a walk over the blanks and comments between nodes stands.
struct Between<'a> {
    level: usize,
    /// Nothing was printed yet.
    first: bool,
    /// A line ended since the last thing that was printed.
    fresh: bool,
    /// Line ends since then.
    ends: usize,
    /// Block comments that wait for what follows them in their line.
    waiting: Vec<&'a str>,
}

impl<'a> Printer<'a> {
    /// Prints `nodes`, which with their comments fill `place`.
    fn nodes(&mut self, nodes: &[Node], place: Span, level: usize) {
        let top = level == 0;
        let mut between = Between { level, first: true, fresh: top, ends: 0, waiting: Vec::new() };
        let mut at = place.start;
        for node in nodes {
            self.between(&mut between, Span { start: at, end: node.span.start });
            if let Some(slashdash) = node.slashdash {
                self.before_name(&mut between, Span { start: slashdash.end, end: node.name.start });
            }
            self.start_line(&mut between);
            for comment in between.waiting.drain(..) {
                self.push_text(comment);
                self.out.push(' ');
            }
            self.node(node, level);
            (between.fresh, between.ends) = (false, 0);
            at = node.span.end;
        }
        self.between(&mut between, Span { start: at, end: place.end });
        if between.fresh {
            self.comment_line(&mut between, None);
        } else {
            self.behind(&mut between);
        }
    }

    /// The blanks and comments before a node, or after the last.
    fn between(&mut self, between: &mut Between<'a>, place: Span) {
        let mut continued = false;
        for token in self.tokens(place) {
            match token.kind {
                Kind::Newline => {
                    if between.fresh {
                        self.comment_line(between, None);
                    } else {
                        self.behind(between);
                    }
                    between.fresh = true;
                    between.ends += usize::from(!std::mem::take(&mut continued));
                }
                Kind::LineComment if between.fresh => self.comment_line(between, Some(self.text(token.span))),
                Kind::LineComment => {
                    self.behind(between);
                    self.out.push_str(BEFORE_COMMENT);
                    self.out.push_str(self.text(token.span).trim_end());
                }
                Kind::BlockComment => between.waiting.push(self.text(token.span)),
                Kind::Continuation => continued = true,
                _ => {}
            }
        }
    }

    /// The comments between the `/-` of a node and its name: they move before the `/-`.
    fn before_name(&mut self, between: &mut Between<'a>, place: Span) {
        for token in self.tokens(place) {
            match token.kind {
                Kind::LineComment => self.comment_line(between, Some(self.text(token.span))),
                Kind::BlockComment => between.waiting.push(self.text(token.span)),
                _ => {}
            }
        }
    }

    /// A line of comments only: the waiting ones, and `last`. Nothing if there are none.
    fn comment_line(&mut self, between: &mut Between<'a>, last: Option<&'a str>) {
        if between.waiting.is_empty() && last.is_none() {
            return;
        }
        self.start_line(between);
        let comments: Vec<_> = between.waiting.drain(..).chain(last.map(str::trim_end)).map(unix).collect();
        self.out.push_str(&comments.join(" "));
        between.ends = 0;
    }

    /// The waiting comments, behind what was printed last.
    fn behind(&mut self, between: &mut Between<'a>) {
        for comment in between.waiting.drain(..) {
            self.out.push(' ');
            self.push_text(comment);
        }
    }

    fn start_line(&mut self, between: &mut Between<'a>) {
        if !self.out.is_empty() {
            self.out.push('\n');
        }
        if between.ends > 1 && !between.first {
            self.out.push('\n');
        }
        between.first = false;
        self.indent(between.level);
    }

    fn indent(&mut self, level: usize) {
        self.out.push_str(&INDENT.repeat(level));
    }

    /// A node without the comments around it.
    fn node(&mut self, node: &Node, level: usize) {
        if node.slashdash.is_some() {
            self.out.push_str("/-");
        }
        self.push_text(self.text(node.name));
        let mut parts: Vec<_> = node.entries.iter().map(Part::Entry).collect();
        parts.extend(node.children.iter().chain(&node.disabled_children).map(Part::Block));
        parts.sort_by_key(|part| part.span().start);
        let mut at = node.name.end;
        for part in parts {
            let mut pieces = self.pieces(Span { start: at, end: part.span().start });
            let mut inside = self.pieces(Span { start: part.span().start, end: part.start() });
            if let Part::Entry(Entry { name: Some(name), value, .. }) = part {
                inside.extend(self.pieces(Span { start: name.end, end: value.start }));
            }
            pieces.extend(inside.into_iter().filter(|piece| !matches!(piece, Piece::Break(None))));
            if !self.pieces_before(&pieces, level) {
                self.out.push(' ');
            }
            match part {
                Part::Entry(entry) => self.entry(entry),
                Part::Block(block) => self.block(block, level),
            }
            at = part.span().end;
        }
    }

    fn entry(&mut self, entry: &Entry) {
        if entry.disabled {
            self.out.push_str("/-");
        }
        if let Some(name) = entry.name {
            self.push_text(self.text(name));
            self.out.push('=');
        }
        self.push_text(self.text(entry.value));
    }

    /// The comments and continuations in `place`, which is inside a node.
    fn pieces(&self, place: Span) -> Vec<Piece<'a>> {
        let mut pieces = Vec::new();
        let mut continued = false;
        for token in self.tokens(place) {
            match token.kind {
                Kind::BlockComment => pieces.push(Piece::Comment(self.text(token.span))),
                Kind::Continuation => continued = true,
                Kind::LineComment => {
                    pieces.push(Piece::Break(Some(self.text(token.span))));
                    continued = false;
                }
                Kind::Newline if std::mem::take(&mut continued) => pieces.push(Piece::Break(None)),
                _ => {}
            }
        }
        pieces
    }

    /// Prints what stands before a part of a node. Whether the part now begins a line.
    fn pieces_before(&mut self, pieces: &[Piece<'_>], level: usize) -> bool {
        let mut starts_line = false;
        for piece in pieces {
            match piece {
                Piece::Break(None) if starts_line => {}
                Piece::Break(comment) => {
                    if !starts_line {
                        self.out.push(' ');
                    }
                    self.out.push('\\');
                    if let Some(comment) = comment {
                        self.out.push_str(BEFORE_COMMENT);
                        self.out.push_str(comment.trim_end());
                    }
                    self.out.push('\n');
                    self.indent(level + 1);
                    starts_line = true;
                }
                Piece::Comment(comment) => {
                    if !starts_line {
                        self.out.push(' ');
                    }
                    self.push_text(comment);
                    starts_line = false;
                }
            }
        }
        starts_line
    }

    fn block(&mut self, block: &Block, level: usize) {
        if block.disabled {
            self.out.push_str("/-");
        }
        let place = Span { start: block.open.end, end: block.close.start };
        if self.inline {
            return self.nodes_in_line(&block.nodes, place);
        }
        if let Some(line) = self.in_line(block, place) {
            return self.out.push_str(&line);
        }
        self.out.push('{');
        let before = self.out.len();
        self.nodes(&block.nodes, place, level + 1);
        if self.out.len() > before {
            self.out.push('\n');
            self.indent(level);
        }
        self.out.push('}');
    }

    /// The block on one line, if that is how it was written and it fits behind what was printed.
    fn in_line(&self, block: &Block, place: Span) -> Option<String> {
        let parts = self.tokens(place);
        let lines = self.text(place).contains(super::lexer::is_newline);
        if lines || !parts.iter().any(|token| token.kind != Kind::Whitespace) || !separable(&block.nodes) {
            return None;
        }
        let mut printer = Printer { tree: self.tree, out: String::new(), inline: true };
        printer.nodes_in_line(&block.nodes, place);
        let before = self.out.rsplit('\n').next().unwrap_or_default();
        (before.width() + printer.out.width() <= MAX_COLUMNS).then_some(printer.out)
    }

    fn nodes_in_line(&mut self, nodes: &[Node], place: Span) {
        self.out.push('{');
        let mut at = place.start;
        for (index, node) in nodes.iter().enumerate() {
            let before = self.comments(Span { start: at, end: node.span.start }, index > 0);
            let inside = node.slashdash.map_or(node.name.start, |slashdash| slashdash.end);
            let inside = self.comments(Span { start: inside, end: node.name.start }, false);
            self.out.push_str(&before);
            self.out.push_str(&inside);
            self.out.push(' ');
            self.node(node, 0);
            at = node.span.end;
        }
        let after = self.comments(Span { start: at, end: place.end }, false);
        self.out.push_str(&after);
        self.out.push_str(if nodes.is_empty() && after.is_empty() { "}" } else { " }" });
    }

    /// The comments in `place`, and the semicolon between two nodes.
    fn comments(&self, place: Span, semicolon: bool) -> String {
        let mut out = String::new();
        for token in self.tokens(place) {
            match token.kind {
                Kind::BlockComment => {
                    out.push(' ');
                    out.push_str(self.text(token.span));
                }
                Kind::Semicolon if semicolon => out.push(';'),
                _ => {}
            }
        }
        out
    }

    fn tokens(&self, place: Span) -> &'a [Token] {
        self.tree.tokens_in(place.start, place.end)
    }

    fn text(&self, span: Span) -> &'a str {
        span.of(self.tree.text)
    }

    fn push_text(&mut self, text: &str) {
        self.out.push_str(&unix(text));
    }
}

/// KDL takes no semicolon behind a disabled node, so another one after it needs a line of its own.
fn separable(nodes: &[Node]) -> bool {
    let last = nodes.len().saturating_sub(1);
    nodes.iter().enumerate().all(|(index, node)| {
        let blocks = node.children.iter().chain(&node.disabled_children);
        (node.slashdash.is_none() || index == last) && blocks.into_iter().all(|block| separable(&block.nodes))
    })
}

/// Every line end of a text of several lines as LF. KDL takes all of them for the same.
fn unix(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}
