//! What holds for any text at all. The fuzz targets look for texts for which it does not, and an ordinary test of fleet's
//! (`tests/cases/seeds.rs`) holds it against the seeds.

use fleet::diagnostic::render::{self, Style};
use fleet::diagnostic::{Diagnostics, FileId, Sources};
use fleet::roster::document::{self, RawNode};
use fleet::roster::scan::{self, MAX_DEPTH};
use fleet::roster::syntax::faults;
use fleet::roster::syntax::format::{format, same_meaning};
use fleet::roster::syntax::lexer::{Kind, lex};

const FILE: FileId = FileId(0);

/// The scan, the lexer, the syntax check and the formatter, each held against the others. Whether the text is right in
/// every respect, so that the formatter was held to what it means.
///
/// # Panics
/// When it does not hold; so do the others.
pub fn syntax(text: &str) -> bool {
    covers_every_byte(text);
    for fault in faults::faults(text) {
        assert!(text.get(fault.span.start..fault.span.end).is_some(), "{fault:?}");
    }
    let mut diagnostics = Diagnostics::default();
    let scanned = scan::scan(text, FILE, &mut diagnostics);
    for label in diagnostics.sorted().iter().flat_map(|found| &found.labels) {
        assert!(text.get(label.span.start..label.span.end).is_some(), "{label:?}");
    }
    assert!(scanned.is_some() || !diagnostics.is_empty(), "refused without a word");
    if let Some(scanned) = scanned {
        assert_eq!(scanned.text.len(), text.len());
        for fix in &scanned.fixes {
            assert!(text.get(fix.start..fix.end).is_some(), "{fix:?}");
        }
        for at in &scanned.breaks {
            assert!(scanned.text.is_char_boundary(*at), "{at}");
        }
        assert!(scanned.breaks.is_sorted());
        if diagnostics.is_empty() {
            assert_eq!(scanned.text, text, "changed without a word");
        }
        // What has faults is not parsed as a whole, and a string without an end swallows braces in the lexer alone.
        if faults::faults(&scanned.text).is_empty() {
            assert_eq!(deepest(&scanned.text).map(|depth| depth <= MAX_DEPTH), Some(true), "passed the scan");
        }
    }
    formats(text)
}

/// What the compiler has to say can be said, and is said exactly when there is no fleet.
///
/// # Panics
/// When it does not hold.
pub fn findings(sources: &Sources, diagnostics: &Diagnostics, fleet: bool) {
    let mut sources = sources.clone();
    for span in diagnostics.concealed() {
        sources.conceal(*span);
    }
    // As the command line does before it draws excerpts.
    sources.defuse();
    let style = Style { colour: true, unicode: true, width: 100 };
    let mut shown = String::new();
    for found in diagnostics.sorted() {
        shown += &render::text(found, &sources, style);
        serde_json::to_string(&render::json(found, &sources)).expect("a finding is JSON");
    }
    assert_eq!(shown.is_empty(), diagnostics.is_empty());
    assert_eq!(fleet, !diagnostics.has_errors(), "a fleet with errors, or none without a word:\n{shown}");
    // The text is the author's and may be hostile to the terminal of whoever reads about it.
    let plain = shown.replace("\u{1b}[", "").replace("\r\n", "\n");
    let bad = plain.chars().find(|c| fleet::diagnostic::acts(*c));
    assert_eq!(bad, None, "this acts on a terminal:\n{shown:?}");
}

fn covers_every_byte(text: &str) {
    let mut end = 0;
    for token in lex(text) {
        assert_eq!(token.span.start, end, "a gap before {token:?}");
        assert!(token.span.end > end, "an empty token: {token:?}");
        assert!(text.is_char_boundary(token.span.end), "{token:?}");
        end = token.span.end;
    }
    assert_eq!(end, text.len(), "tokens end early");
}

/// The deepest nesting of braces; `None` when they do not balance.
fn deepest(text: &str) -> Option<usize> {
    let (mut depth, mut deepest) = (0_usize, 0);
    for token in lex(text) {
        match token.kind {
            Kind::OpenBrace => depth += 1,
            Kind::CloseBrace => depth = depth.checked_sub(1)?,
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    (depth == 0).then_some(deepest)
}

/// Nodes of a text that is right in every respect.
fn parse(text: &str) -> Option<Vec<RawNode>> {
    let mut diagnostics = Diagnostics::default();
    let document = document::parse(text, FILE, &mut diagnostics);
    document.filter(|document| diagnostics.is_empty() && document.complete).map(|document| document.nodes)
}

fn formats(text: &str) -> bool {
    let formatted = format(text);
    let Some(before) = parse(text) else { return false };
    let after = parse(&formatted).unwrap_or_else(|| panic!("no roster any more:\n{formatted}"));
    assert!(same_meaning(&before, &after), "another meaning:\n{formatted}");
    assert_eq!(format(&formatted), formatted, "formatting twice is not formatting once");
    true
}
