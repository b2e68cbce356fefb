//! The one file that knows the `kdl` crate: text in, plain nodes with spans out.

use kdl::{KdlDocument, KdlNode, KdlValue};

use super::scan;
use super::squeeze::Squeezed;
use super::syntax;
use super::syntax::faults::{self, Fault};
use super::syntax::lexer::lex;
use crate::diagnostic::{Code, Diagnostic, Diagnostics, FileId, Span};

/// Stack of the parsing thread. `kdl` descends by recursion; [`scan`] bounds the depth, this leaves room for it.
const PARSER_STACK: usize = 64 * 1024 * 1024;

/// Deepest nesting that any caller's stack has room for.
const SHALLOW: usize = 8;

/// Most names and values of one roster, about a thousand agents written out at length. Each costs the parser about a
/// kilobyte.
pub const MAX_VALUES: usize = 30_000;

/// Mistakes of one file's syntax that are reported.
const MAX_FAULTS: usize = 50;

/// A parsed text.
#[derive(Debug, Clone)]
pub struct Document {
    pub nodes: Vec<RawNode>,
    /// The end of the text: where something missing would stand.
    pub end: Span,
    /// Every node could be read. Otherwise what seems to be missing may stand in a part that could not.
    pub complete: bool,
    /// Names and values in it.
    pub values: usize,
}

/// A node as written.
#[derive(Debug, Clone)]
pub struct RawNode {
    pub name: String,
    /// The name's own place.
    pub span: Span,
    pub arguments: Vec<(RawValue, Span)>,
    /// In the order written, duplicates included.
    pub properties: Vec<RawProperty>,
    pub children: Option<Vec<RawNode>>,
}

/// A property as written.
#[derive(Debug, Clone)]
pub struct RawProperty {
    pub name: String,
    pub name_span: Span,
    pub value: RawValue,
    pub span: Span,
}

/// A value as written.
#[derive(Debug, Clone, PartialEq)]
pub enum RawValue {
    Text(String),
    Integer(i128),
    Float(f64),
    Flag(bool),
    Null,
}

impl RawValue {
    /// The kind, for messages.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a text",
            Self::Integer(_) => "an integer",
            Self::Float(_) => "a number with a fraction",
            Self::Flag(_) => "`#true` or `#false`",
            Self::Null => "`#null`",
        }
    }
}

/// Parses `text`, reporting what is wrong with it. `None` when nothing can be said about its nodes.
pub fn parse(text: &str, file: FileId, diagnostics: &mut Diagnostics) -> Option<Document> {
    let scanned = scan::scan(text, file, diagnostics)?;
    scanned_document(&scanned, file, diagnostics)
}

/// Parses a text of which only a part is KDL, the rest blanked out.
pub fn parse_part(text: &str, file: FileId, diagnostics: &mut Diagnostics) -> Option<Document> {
    let scanned = scan::scan_part(text, file, diagnostics)?;
    scanned_document(&scanned, file, diagnostics)
}

fn scanned_document(scanned: &scan::Scanned, file: FileId, diagnostics: &mut Diagnostics) -> Option<Document> {
    let text = scanned.text.as_str();
    let end = Span { file, start: text.trim_end().len().saturating_sub(1), end: text.trim_end().len() };
    let tokens = lex(text);
    let values = tokens.iter().filter(|token| token.kind.is_value()).count();
    if values > MAX_VALUES {
        let message = format!("the roster holds {values} names and values; the limit is {MAX_VALUES}");
        let diagnostic = Diagnostic::error(Code::TooLarge, message).at(Span { file, start: 0, end: 0 }, "");
        let help = "use `count=` for agents that are alike, and `defaults` and `role` for shared settings";
        diagnostics.report(diagnostic.help(help));
        return None;
    }
    let faults = faults::of_tokens(text, &tokens);
    for fault in faults.iter().take(MAX_FAULTS) {
        let span = Span { file, start: fault.span.start, end: fault.span.end };
        let diagnostic = Diagnostic::error(Code::Syntax, fault.message.clone()).at(span, "here");
        diagnostics.report_and_spoil(diagnostic.help(fault.help.clone()));
    }
    let read = || {
        if faults.is_empty() {
            let squeezed = Squeezed::new(text, &tokens);
            KdlDocument::parse_v2(&squeezed.text)
                .map(|document| nodes(&document, file, Seen::Squeezed(&squeezed, text)))
                .map_err(|_| by_node(text, &scanned.breaks, &[], file))
        } else if faults.len() < faults::MOST {
            Err(by_node(text, &scanned.breaks, &faults, file))
        } else {
            Err((Vec::new(), Vec::new()))
        }
    };
    let parsed = if scanned.depth <= SHALLOW {
        Some(read())
    } else {
        // The thread's stack holds the deepest text that the scan lets through.
        std::thread::scope(|scope| {
            std::thread::Builder::new().stack_size(PARSER_STACK).spawn_scoped(scope, read).ok()?.join().ok()
        })
    };
    match parsed {
        Some(Ok(nodes)) => Some(Document { nodes, end, complete: true, values }),
        // Each node is right by itself: the parser stumbles over some ways to part a node from a disabled one.
        Some(Err((nodes, errors))) if errors.is_empty() && faults.is_empty() => {
            Some(Document { nodes, end, complete: true, values })
        }
        Some(Err((nodes, errors))) => {
            for error in errors {
                diagnostics.report_and_spoil(error);
            }
            Some(Document { nodes, end, complete: false, values })
        }
        None => {
            let message = "the KDL parser gave up on this text";
            let help = "reduce the file until it parses; the place is near its most deeply nested part";
            diagnostics.report(Diagnostic::error(Code::Syntax, message).at(end, "").help(help));
            None
        }
    }
}

/// Reads each top-level node without a fault by itself, so that a mistake in one does not hide those of the others.
fn by_node(text: &str, breaks: &[usize], faults: &[Fault], file: FileId) -> (Vec<RawNode>, Vec<Diagnostic>) {
    let (mut found, mut errors) = (Vec::new(), Vec::new());
    let mut start = 0;
    for end in breaks.iter().copied().chain([text.len()]) {
        let part = &text[start..end];
        let faulty =
            faults.iter().any(|fault| fault.span.start < end && start < fault.span.end.max(fault.span.start + 1));
        if !faulty && !part.trim_matches(|c: char| c.is_whitespace() || c == ';').is_empty() {
            match KdlDocument::parse_v2(part) {
                Ok(document) => found.extend(nodes(&document, file, Seen::From(start))),
                Err(error) => errors.extend(syntax_error(&error, text, start, file)),
            }
        }
        start = end;
        if errors.len() >= MAX_FAULTS {
            break;
        }
    }
    (found, errors)
}

/// What the parser says of one node. After its first words, most follow from the ones before.
fn syntax_error(error: &kdl::KdlError, text: &str, base: usize, file: FileId) -> Option<Diagnostic> {
    let found = error.diagnostics.first()?;
    let start = (base + found.span.offset()).min(text.len());
    let span = Span { file, start, end: (start + found.span.len()).min(text.len()) };
    let message = found.message.clone().unwrap_or_else(|| "this is not KDL".to_owned());
    let label = found.label.clone().unwrap_or_else(|| "here".to_owned());
    let diagnostic = Diagnostic::error(Code::Syntax, message.trim_end_matches('.')).at(span, label);
    Some(diagnostic.maybe_help(found.help.clone()))
}

/// Leads from what `kdl` saw to the file.
#[derive(Clone, Copy)]
enum Seen<'a> {
    /// It saw the file squeezed.
    Squeezed(&'a Squeezed, &'a str),
    /// It saw the file from this byte on.
    From(usize),
}

impl Seen<'_> {
    fn span(self, span: miette::SourceSpan, file: FileId) -> Span {
        let (start, end) = (span.offset(), span.offset() + span.len());
        match self {
            Self::Squeezed(squeezed, _) => {
                let found = squeezed.span(syntax::Span { start, end });
                Span { file, start: found.start, end: found.end }
            }
            Self::From(base) => Span { file, start: base + start, end: base + end },
        }
    }

    /// The string that stands at the end of `span`, as which `kdl` read `text`.
    fn string(self, text: &str, span: miette::SourceSpan) -> String {
        let whole = match self {
            Self::Squeezed(squeezed, whole) => squeezed.body(span.offset() + span.len()).map(|body| body.of(whole)),
            Self::From(_) => None,
        };
        whole.unwrap_or(text).to_owned()
    }
}

fn nodes(document: &KdlDocument, file: FileId, seen: Seen<'_>) -> Vec<RawNode> {
    document.nodes().iter().map(|found| node(found, file, seen)).collect()
}

fn node(node: &KdlNode, file: FileId, seen: Seen<'_>) -> RawNode {
    let mut arguments = Vec::new();
    let mut properties = Vec::new();
    for entry in node.entries() {
        let span = seen.span(entry.span(), file);
        let value = match entry.value() {
            KdlValue::String(text) => RawValue::Text(seen.string(text, entry.span())),
            KdlValue::Integer(number) => RawValue::Integer(*number),
            KdlValue::Float(number) => RawValue::Float(*number),
            KdlValue::Bool(flag) => RawValue::Flag(*flag),
            KdlValue::Null => RawValue::Null,
        };
        match entry.name() {
            Some(name) => properties.push(RawProperty {
                name: seen.string(name.value(), name.span()),
                name_span: seen.span(name.span(), file),
                value,
                span,
            }),
            None => arguments.push((value, span)),
        }
    }
    RawNode {
        name: seen.string(node.name().value(), node.name().span()),
        span: seen.span(node.name().span(), file),
        arguments,
        properties,
        children: node.children().map(|children| nodes(children, file, seen)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_point_at_what_was_written() {
        let text = "fleet \"shöp\" version=1\nagent \"a\" { dir \"x\"; }\n";
        let mut diagnostics = Diagnostics::default();
        let document = parse(text, FileId(0), &mut diagnostics).unwrap();
        assert!(diagnostics.is_empty());
        let fleet = &document.nodes[0];
        assert_eq!(&text[fleet.span.start..fleet.span.end], "fleet");
        let (value, span) = &fleet.arguments[0];
        assert_eq!((value, &text[span.start..span.end]), (&RawValue::Text("shöp".into()), "\"shöp\""));
        let version = &fleet.properties[0];
        assert_eq!(&text[version.span.start..version.span.end], "version=1");
        assert_eq!(&text[version.name_span.start..version.name_span.end], "version");
        let dir = &document.nodes[1].children.as_ref().unwrap()[0];
        assert_eq!(&text[dir.span.start..dir.span.end], "dir");
    }

    #[test]
    fn the_deepest_text_the_scan_passes_is_parsed() {
        let text = format!("{}{}", "a {".repeat(scan::MAX_DEPTH), "}".repeat(scan::MAX_DEPTH));
        let mut diagnostics = Diagnostics::default();
        assert!(parse(&text, FileId(0), &mut diagnostics).is_some());
    }
}
