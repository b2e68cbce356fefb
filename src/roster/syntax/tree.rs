//! Tokens → nodes, by their places in the text.

use super::Span;
use super::lexer::{Kind, Token, lex};
use crate::roster::scan::MAX_DEPTH;

/// A text and the nodes in it.
#[derive(Debug, Clone)]
pub struct Tree<'a> {
    pub text: &'a str,
    /// Every token, in order; they cover the text.
    pub tokens: Vec<Token>,
    /// The top-level nodes.
    pub nodes: Vec<Node>,
    /// Whether every token found its place. Never false for a text that
    /// [`document::parse`](crate::roster::document::parse) accepts.
    pub sound: bool,
}

/// A node as written.
#[derive(Debug, Clone)]
pub struct Node {
    /// From `/-` or the name to the end of the last entry or block, without the terminator.
    pub span: Span,
    /// The `/-` that disables it.
    pub slashdash: Option<Span>,
    pub name: Span,
    /// Disabled ones included.
    pub entries: Vec<Entry>,
    /// The block that counts.
    pub children: Option<Block>,
    /// Blocks behind `/-`.
    pub disabled_children: Vec<Block>,
    /// Its own comments: the lines directly above it that hold nothing else, and what stands before it in its line.
    pub comment: Option<Span>,
    /// The semicolon, line end or line comment that ends it. Without one, a brace or the end of the text does.
    pub terminator: Option<Token>,
}

/// An argument or a property as written.
#[derive(Debug, Clone)]
pub struct Entry {
    /// From its first `/-` or its first token to the end of its value.
    pub span: Span,
    /// Behind a `/-`.
    pub disabled: bool,
    /// The name of a property.
    pub name: Option<Span>,
    pub value: Span,
}

impl Entry {
    /// Without what disables it.
    #[must_use]
    pub fn start(&self) -> usize {
        self.name.unwrap_or(self.value).start
    }
}

/// The children of a node as written.
#[derive(Debug, Clone)]
pub struct Block {
    /// From `/-` or `{` to `}`.
    pub span: Span,
    /// Behind a `/-`.
    pub disabled: bool,
    pub open: Span,
    pub close: Span,
    pub nodes: Vec<Node>,
}

impl<'a> Tree<'a> {
    /// Reads `text`.
    #[must_use]
    pub fn new(text: &'a str) -> Self {
        let mut parser = Parser { text, tokens: lex(text), at: 0, depth: 0, floor: 0, sound: true };
        let mut nodes = parser.nodes();
        while parser.kind().is_some() {
            // A closing brace that closes nothing.
            parser.sound = false;
            parser.at += 1;
            nodes.extend(parser.nodes());
        }
        Self { text, tokens: parser.tokens, nodes, sound: parser.sound }
    }

    /// The node whose name starts at byte `start`, which is where
    /// [`RawNode::span`](crate::roster::document::RawNode::span) starts.
    #[must_use]
    pub fn node_at(&self, start: usize) -> Option<&Node> {
        fn find(nodes: &[Node], start: usize) -> Option<&Node> {
            // Nodes stand in the order of the text: only the last that begins before `start` can hold it.
            let node = &nodes[nodes.partition_point(|node| node.span.start <= start).checked_sub(1)?];
            if node.name.start == start {
                return Some(node);
            }
            node.children.iter().chain(&node.disabled_children).find_map(|block| find(&block.nodes, start))
        }
        find(&self.nodes, start)
    }

    /// The tokens that start from byte `start` on and before byte `end`.
    #[must_use]
    pub fn tokens_in(&self, start: usize, end: usize) -> &[Token] {
        let from = self.index(start);
        let to = self.index(end).max(from);
        &self.tokens[from..to]
    }

    /// The index of the first token that starts at byte `at` or later.
    pub(super) fn index(&self, at: usize) -> usize {
        self.tokens.partition_point(|token| token.span.start < at)
    }
}

impl Node {
    /// The arguments that count.
    pub fn arguments(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| !entry.disabled && entry.name.is_none())
    }

    /// The properties that count.
    pub fn properties(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| !entry.disabled && entry.name.is_some())
    }

    /// The entry that starts at byte `start`, which is where the spans of
    /// [`document`](crate::roster::document) start.
    #[must_use]
    pub fn entry_at(&self, start: usize) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.start() == start)
    }
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
    /// Comments below this index belong to something before.
    floor: usize,
    sound: bool,
}

impl Parser<'_> {
    fn kind(&self) -> Option<Kind> {
        self.tokens.get(self.at).map(|token| token.kind)
    }

    /// The place of the current token, or of the end.
    fn span(&self) -> Span {
        let end = Span { start: self.text.len(), end: self.text.len() };
        self.tokens.get(self.at).map_or(end, |token| token.span)
    }

    fn take(&mut self) -> Span {
        let span = self.span();
        self.at += 1;
        span
    }

    /// Nodes up to a closing brace or the end.
    fn nodes(&mut self) -> Vec<Node> {
        let mut nodes = Vec::new();
        while let Some(kind) = self.kind() {
            match kind {
                Kind::CloseBrace => break,
                Kind::Slashdash => nodes.extend(self.node()),
                _ if kind.is_value() => nodes.extend(self.node()),
                Kind::Bom
                | Kind::Whitespace
                | Kind::Newline
                | Kind::LineComment
                | Kind::BlockComment
                | Kind::Continuation
                | Kind::Semicolon => self.at += 1,
                _ => {
                    self.sound = false;
                    self.at += 1;
                }
            }
        }
        nodes
    }

    /// Blanks inside a node: comments, and line ends that a `\` hides.
    fn node_space(&mut self) {
        loop {
            match self.kind() {
                Some(Kind::Whitespace | Kind::BlockComment) => self.at += 1,
                Some(Kind::Continuation) => {
                    self.at += 1;
                    while matches!(self.kind(), Some(Kind::Whitespace | Kind::BlockComment)) {
                        self.at += 1;
                    }
                    if self.kind() == Some(Kind::LineComment) {
                        self.at += 1;
                    }
                    match self.kind() {
                        Some(Kind::Newline) => self.at += 1,
                        None => {}
                        _ => self.sound = false,
                    }
                }
                _ => return,
            }
        }
    }

    /// Blanks behind `/-`, which may hold line ends as well.
    fn slashdash_space(&mut self) {
        while matches!(
            self.kind(),
            Some(Kind::Whitespace | Kind::BlockComment | Kind::LineComment | Kind::Newline | Kind::Continuation)
        ) {
            self.at += 1;
        }
    }

    /// The node that starts here, with `/-` or its name.
    fn node(&mut self) -> Option<Node> {
        let first = self.at;
        let slashdash = (self.kind() == Some(Kind::Slashdash)).then(|| self.take());
        if slashdash.is_some() {
            self.slashdash_space();
        }
        if !self.kind().is_some_and(Kind::is_string) {
            self.sound = false;
            // Never stand still: the caller would come back with the same token.
            self.at = self.at.max(first + 1);
            return None;
        }
        let comment = self.comment_of(first);
        let name = self.take();
        let span = Span { start: slashdash.unwrap_or(name).start, end: name.end };
        let mut node = Node {
            span,
            slashdash,
            name,
            entries: Vec::new(),
            children: None,
            disabled_children: Vec::new(),
            comment,
            terminator: None,
        };
        self.rest_of(&mut node);
        self.floor = self.at;
        Some(node)
    }

    /// Entries, blocks and the terminator.
    fn rest_of(&mut self, node: &mut Node) {
        // How many values the `/-` read so far still disable: `/- /- a b` disables both.
        let mut disabling = 0;
        let mut slashdash: Option<Span> = None;
        loop {
            let before = self.at;
            self.node_space();
            let Some(kind) = self.kind() else { break };
            let has_block = node.children.is_some() || !node.disabled_children.is_empty();
            match kind {
                // Only what `/-` disables can be followed by something without a terminator between them.
                _ if kind.is_value() && has_block => {
                    self.at = before;
                    break;
                }
                _ if kind.is_value() => {
                    let entry = self.entry(slashdash.take(), disabling > 0);
                    disabling = usize::saturating_sub(disabling, 1);
                    node.span.end = entry.span.end;
                    node.entries.push(entry);
                }
                Kind::Slashdash => {
                    let start = self.take();
                    self.slashdash_space();
                    if self.kind() == Some(Kind::OpenBrace) {
                        let Some(block) = self.block(Some(start)) else { break };
                        node.span.end = block.span.end;
                        node.disabled_children.push(block);
                    } else if has_block {
                        self.at = before;
                        break;
                    } else {
                        disabling += 1;
                        slashdash = slashdash.or(Some(start));
                    }
                }
                Kind::OpenBrace if node.children.is_none() => {
                    let Some(block) = self.block(None) else { break };
                    node.span.end = block.span.end;
                    node.children = Some(block);
                }
                Kind::CloseBrace => break,
                Kind::Semicolon | Kind::Newline | Kind::LineComment => {
                    node.terminator = self.tokens.get(self.at).copied();
                    self.at += 1;
                    break;
                }
                _ => {
                    self.sound = false;
                    self.at += 1;
                }
            }
        }
        self.sound &= disabling == 0;
    }

    fn entry(&mut self, slashdash: Option<Span>, disabled: bool) -> Entry {
        let named = self.kind().is_some_and(Kind::is_string);
        let first = self.take();
        let start = slashdash.unwrap_or(first).start;
        let after = self.at;
        if named {
            self.node_space();
            if self.kind() == Some(Kind::Equals) {
                self.at += 1;
                self.node_space();
                if self.kind().is_some_and(Kind::is_value) {
                    let value = self.take();
                    return Entry { span: Span { start, end: value.end }, disabled, name: Some(first), value };
                }
                self.sound = false;
            }
        }
        self.at = after;
        Entry { span: Span { start, end: first.end }, disabled, name: None, value: first }
    }

    /// The block that opens here. `None` when it is too deep or has no end.
    fn block(&mut self, slashdash: Option<Span>) -> Option<Block> {
        let open = self.take();
        if self.depth > MAX_DEPTH {
            self.sound = false;
            return None;
        }
        self.depth += 1;
        self.floor = self.at;
        let nodes = self.nodes();
        self.depth -= 1;
        if self.kind() != Some(Kind::CloseBrace) {
            self.sound = false;
            return None;
        }
        let close = self.take();
        let span = Span { start: slashdash.unwrap_or(open).start, end: close.end };
        Some(Block { span, disabled: slashdash.is_some(), open, close, nodes })
    }

    /// The comments of the node whose first token is at index `first`.
    fn comment_of(&self, first: usize) -> Option<Span> {
        let (mut line, mut comment) = self.comments_before(first);
        if !self.starts_line(line) {
            return None;
        }
        while line > self.floor && self.tokens[line - 1].kind == Kind::Newline {
            let (above, found) = self.comments_before(line - 1);
            let Some(found) = found.filter(|_| self.starts_line(above)) else { break };
            comment = Some(Span { start: found.start, end: comment.unwrap_or(found).end });
            line = above;
        }
        comment
    }

    /// Goes back from index `at` over blanks and comments of one line: where that line begins, and its comments.
    fn comments_before(&self, mut at: usize) -> (usize, Option<Span>) {
        let mut found: Option<Span> = None;
        while at > self.floor {
            let token = self.tokens[at - 1];
            if token.kind.is_comment() {
                found = Some(Span { start: token.span.start, end: found.unwrap_or(token.span).end });
            } else if token.kind != Kind::Whitespace {
                break;
            }
            at -= 1;
        }
        (at, found)
    }

    fn starts_line(&self, at: usize) -> bool {
        at == 0 || matches!(self.tokens[at - 1].kind, Kind::Newline | Kind::Bom)
    }
}
