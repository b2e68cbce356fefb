//! Changes of one place that leave every other byte alone.
//!
//! The helpers say what to change; [`apply`] makes the new text. They keep the text's own line ends, and indent what
//! they put in by four spaces more than the node it goes into.

use super::Span;
use super::lexer::{self, Kind};
use super::tree::{Block, Entry, Node, Tree};

const INDENT: &str = "    ";

/// Puts `text` where the bytes from `start` to `end` are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    pub text: String,
}

impl Edit {
    fn insert(at: usize, text: String) -> Self {
        Self { start: at, end: at, text }
    }

    fn remove(start: usize, end: usize) -> Self {
        Self { start, end, text: String::new() }
    }
}

/// `text` after all `edits`, whose places are those of `text` as it is now.
///
/// # Panics
/// When two edits share a byte, or one does not lie in the text: then the caller mixed up its edits or its texts.
#[must_use]
pub fn apply(text: &str, edits: &[Edit]) -> String {
    let mut edits: Vec<_> = edits.iter().collect();
    edits.sort_by_key(|edit| (edit.start, edit.end));
    let mut out = String::new();
    let mut at = 0;
    for edit in edits {
        assert!(at <= edit.start && edit.start <= edit.end, "edits overlap at byte {}", edit.start);
        out.push_str(&text[at..edit.start]);
        out.push_str(&edit.text);
        at = edit.end;
    }
    out.push_str(&text[at..]);
    out
}

/// The line end that `text` uses: that of its first line.
#[must_use]
pub fn line_ending(text: &str) -> &'static str {
    match text.find('\n') {
        Some(at) if text[..at].ends_with('\r') => "\r\n",
        _ => "\n",
    }
}

/// `text` as a KDL string on one line.
#[must_use]
pub fn quote(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // What a roster may not hold, and line ends, which a text on one line may not hold.
            _ if crate::diagnostic::acts(c) || lexer::is_newline(c) || c == '\u{feff}' => {
                out.push_str(&format!("\\u{{{:x}}}", u32::from(c)));
            }
            _ => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Removes `node`. If it has its lines to itself, they go with its comments; else only the node goes.
///
/// One of two blank lines that would meet goes as well.
#[must_use]
pub fn remove_node(tree: &Tree<'_>, node: &Node) -> Edit {
    let line = line_start(tree, node.span.start);
    match (starts_line(tree, line), line_end(tree, node)) {
        (true, Some(end)) => remove_lines(tree, node, line, end),
        _ => remove_in_line(tree, node),
    }
}

fn remove_lines(tree: &Tree<'_>, node: &Node, line: usize, end: usize) -> Edit {
    let kind = |at: usize| tree.tokens.get(at).map(|token| token.kind);
    let mut from = node.comment.map_or(line, |comment| line_start(tree, comment.start));
    let mut to = end;
    let blank_above = blank_lines_above(tree, from);
    let blank_below = blank_lines_below(tree, to);
    let opens = from == 0 || kind(from - 1) == Some(Kind::Bom) || follows_brace(tree, from);
    if opens || blank_above < from {
        to = blank_below;
    }
    let closes = match tree.tokens[to..].iter().find(|token| token.kind != Kind::Whitespace) {
        None => true,
        Some(token) => token.kind == Kind::CloseBrace,
    };
    if closes && !opens {
        from = blank_above;
    }
    Edit::remove(offset(tree, from), offset(tree, to))
}

/// Whether the line that starts with token `line` is the first after a `{`.
fn follows_brace(tree: &Tree<'_>, line: usize) -> bool {
    let before = tree.tokens[..line].iter().rev();
    let blank = |kind| matches!(kind, Kind::Whitespace | Kind::Newline);
    before.map(|token| token.kind).find(|kind| !blank(*kind)) == Some(Kind::OpenBrace)
}

/// The first of the blank lines directly above the line that starts with token `line`; `line` if there are none.
fn blank_lines_above(tree: &Tree<'_>, mut line: usize) -> usize {
    while line > 0 && tree.tokens[line - 1].kind == Kind::Newline {
        let mut above = line - 1;
        while above > 0 && tree.tokens[above - 1].kind == Kind::Whitespace {
            above -= 1;
        }
        if above > 0 && tree.tokens[above - 1].kind != Kind::Newline {
            break;
        }
        line = above;
    }
    line
}

/// The first token after the blank lines that start with token `line`.
fn blank_lines_below(tree: &Tree<'_>, mut line: usize) -> usize {
    let mut at = line;
    while let Some(token) = tree.tokens.get(at) {
        at += 1;
        match token.kind {
            Kind::Whitespace => {}
            Kind::Newline => line = at,
            _ => break,
        }
    }
    line
}

fn remove_in_line(tree: &Tree<'_>, node: &Node) -> Edit {
    let semicolon = node.terminator.filter(|token| token.kind == Kind::Semicolon);
    let end = semicolon.map_or(node.span.end, |token| token.span.end);
    let behind = tree.tokens[tree.index(end)..].iter().find(|token| token.kind != Kind::Whitespace);
    let goes_on = |kind: Kind| kind.is_value() || matches!(kind, Kind::Slashdash | Kind::BlockComment);
    if let Some(next) = behind.filter(|token| goes_on(token.kind) && (semicolon.is_some() || token.kind.is_value())) {
        return Edit::remove(node.span.start, next.span.start);
    }
    let mut before = tree.index(node.span.start);
    while before > 0 && tree.tokens[before - 1].kind == Kind::Whitespace {
        before -= 1;
    }
    // The last of several: the semicolon before it parts nothing any more.
    if semicolon.is_none() && before > 0 && tree.tokens[before - 1].kind == Kind::Semicolon {
        before -= 1;
    }
    Edit::remove(offset(tree, before), end)
}

/// Removes an argument or property of `node` that counts.
#[must_use]
pub fn remove_entry(tree: &Tree<'_>, node: &Node, entry: &Entry) -> Edit {
    let parts = || {
        let blocks = node.children.iter().chain(&node.disabled_children).map(|block| block.span);
        node.entries.iter().map(|entry| entry.span).chain(blocks)
    };
    let before = parts().map(|span| span.end).filter(|end| *end <= entry.span.start).max().unwrap_or(node.name.end);
    let after = parts().map(|span| span.start).filter(|start| *start >= entry.span.end).min();
    let blank = |start, end| tree.tokens_in(start, end).iter().all(|token| token.kind == Kind::Whitespace);
    if let Some(after) = after.filter(|after| blank(entry.span.end, *after)) {
        return Edit::remove(entry.span.start, after);
    }
    let commented = tree.tokens_in(before, entry.span.start).iter().any(|token| token.kind.is_comment());
    if !commented {
        return Edit::remove(before, entry.span.end);
    }
    let at = tree.index(entry.span.start);
    let space = tree.tokens[..at].last().filter(|token| token.kind == Kind::Whitespace);
    Edit::remove(space.map_or(entry.span.start, |token| token.span.start), entry.span.end)
}

/// Puts `value`, which is KDL (see [`quote`]), where the value of `entry` is.
#[must_use]
pub fn replace_value(entry: &Entry, value: &str) -> Edit {
    Edit { start: entry.value.start, end: entry.value.end, text: value.to_owned() }
}

/// Puts the node `child` behind the last child of `node`, which gets a block if it has none.
#[must_use]
pub fn append_child(tree: &Tree<'_>, node: &Node, child: &str) -> Edit {
    let end = line_ending(tree.text);
    let line = line_start(tree, node.span.start);
    let outer = indentation(tree, node.span.start);
    let inner = format!("{outer}{INDENT}");
    let child = indented(child, &inner, end);
    let lines = format!("{end}{inner}{child}{end}{outer}");
    let in_line = !starts_line(tree, line) && !child.contains('\n');
    match &node.children {
        None if in_line => Edit::insert(node.span.end, format!(" {{ {child} }}")),
        None => Edit::insert(node.span.end, format!(" {{{lines}}}")),
        Some(block) if is_blank(tree, block) && in_line => {
            Edit { start: block.open.end, end: block.close.start, text: format!(" {child} ") }
        }
        Some(block) => into_block(tree, block, &child, &inner, &lines),
    }
}

fn is_blank(tree: &Tree<'_>, block: &Block) -> bool {
    tree.tokens_in(block.open.end, block.close.start).iter().all(|token| token.kind == Kind::Whitespace)
}

/// `lines` is the child with the line ends and indentation that a block of its own needs.
fn into_block(tree: &Tree<'_>, block: &Block, child: &str, inner: &str, lines: &str) -> Edit {
    let end = line_ending(tree.text);
    let inside = tree.tokens_in(block.open.end, block.close.start);
    let filled = |kind: Kind| !matches!(kind, Kind::Whitespace | Kind::Newline);
    let last = inside.iter().rev().find(|token| filled(token.kind)).map_or(block.open.end, |token| token.span.end);
    let one_line = !Span { start: block.open.start, end: block.close.end }.of(tree.text).contains(lexer::is_newline);
    if let (true, false, Some(node)) = (one_line, child.contains('\n'), block.nodes.last()) {
        // A disabled node takes no semicolon.
        if node.slashdash.is_none() {
            let ended = node.terminator.is_some_and(|token| token.kind == Kind::Semicolon);
            return Edit::insert(last, if ended { format!(" {child};") } else { format!("; {child}") });
        }
    }
    // The line end behind a `\` ends nothing: it takes a second one.
    let from = block.nodes.last().map_or(block.open.end, |node| node.span.end);
    let continued = tree.tokens_in(from, block.close.start).iter().any(|token| token.kind == Kind::Continuation);
    let more = if continued { end } else { "" };
    if starts_line(tree, line_start(tree, block.close.start)) {
        return Edit::insert(last, format!("{more}{end}{inner}{child}"));
    }
    Edit { start: last, end: block.close.start, text: format!("{more}{lines}") }
}

/// Puts `text`, a node with its comments, behind the lines of the top-level `node`, with a blank line on both sides.
#[must_use]
pub fn insert_after(tree: &Tree<'_>, node: &Node, text: &str) -> Edit {
    let behind = tree.nodes.iter().skip_while(|other| other.span.start < node.span.start);
    // Nodes that share a line stay together.
    let Some(at) = behind.into_iter().find_map(|node| line_end(tree, node)) else { return append_node(tree, text) };
    if tree.tokens[at..].iter().all(|token| matches!(token.kind, Kind::Whitespace | Kind::Newline)) {
        return append_node(tree, text);
    }
    let end = line_ending(tree.text);
    let text = indented(text, "", end);
    let parted = blank_lines_below(tree, at) > at;
    Edit::insert(offset(tree, at), format!("{end}{text}{end}{}", if parted { "" } else { end }))
}

/// Puts `text`, a node with its comments, at the end of the file, behind a blank line.
#[must_use]
pub fn append_node(tree: &Tree<'_>, text: &str) -> Edit {
    let end = line_ending(tree.text);
    let text = indented(text, "", end);
    let last = tree.tokens.iter().rev().find(|token| !matches!(token.kind, Kind::Whitespace | Kind::Newline));
    let (start, before) = match last {
        None => (0, String::new()),
        Some(token) if token.kind == Kind::Bom => (token.span.end, String::new()),
        Some(token) => (token.span.end, end.repeat(2)),
    };
    Edit { start, end: tree.text.len(), text: format!("{before}{text}{end}") }
}

/// `text` with `indent` before every line but the first and empty ones, and `end` between lines.
///
/// Texts of several lines keep their meaning: their closing line moves with the others.
fn indented(text: &str, indent: &str, end: &str) -> String {
    let lines = text.trim_end().lines().map(|line| line.trim_end_matches('\r'));
    let lines = lines.enumerate().map(|(number, line)| {
        let indent = if number == 0 || line.is_empty() { "" } else { indent };
        format!("{indent}{line}")
    });
    lines.collect::<Vec<_>>().join(end)
}

/// The blanks that the line of byte `at` starts with.
fn indentation<'a>(tree: &Tree<'a>, at: usize) -> &'a str {
    let before = &tree.text[..at];
    let start = before.char_indices().rev().find(|(_, c)| lexer::is_newline(*c));
    let line = &before[start.map_or(0, |(start, c)| start + c.len_utf8())..];
    let line = line.trim_start_matches('\u{feff}');
    &line[..line.len() - line.trim_start().len()]
}

/// The token that the blanks and block comments before byte `at` start with.
fn line_start(tree: &Tree<'_>, at: usize) -> usize {
    let mut index = tree.index(at);
    while index > 0 && matches!(tree.tokens[index - 1].kind, Kind::Whitespace | Kind::BlockComment) {
        index -= 1;
    }
    index
}

fn starts_line(tree: &Tree<'_>, index: usize) -> bool {
    index == 0 || matches!(tree.tokens[index - 1].kind, Kind::Newline | Kind::Bom)
}

/// The first token of the line after `node`. `None` when something else stands behind the node in its line.
fn line_end(tree: &Tree<'_>, node: &Node) -> Option<usize> {
    let mut continued = false;
    for (index, token) in tree.tokens.iter().enumerate().skip(tree.index(node.span.end)) {
        match token.kind {
            Kind::Newline if !std::mem::take(&mut continued) => return Some(index + 1),
            Kind::Continuation => continued = true,
            Kind::Newline | Kind::Whitespace | Kind::BlockComment | Kind::LineComment | Kind::Semicolon => {}
            _ => return None,
        }
    }
    Some(tree.tokens.len())
}

/// Where token `index` starts.
fn offset(tree: &Tree<'_>, index: usize) -> usize {
    tree.tokens.get(index).map_or(tree.text.len(), |token| token.span.start)
}
