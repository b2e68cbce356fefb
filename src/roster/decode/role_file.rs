//! `roles/NAME.md`: a header in KDL between `---` lines, then the prompt.

use std::sync::Arc;

use crate::diagnostic::{Code, Diagnostic, Diagnostics, FileId, Span};
use crate::roster::check;
use crate::roster::decode::{declared, layer};
use crate::roster::document;
use crate::roster::model::{Declared, Layer};
use crate::roster::schema::Scope;
use crate::roster::secrets;

/// A role as its file says it.
#[derive(Debug, Clone)]
pub struct RoleFile {
    pub may: Vec<String>,
    /// Being idle is its normal state.
    pub idle_ok: bool,
    pub settings: Layer,
    /// What nothing acts on yet.
    pub declared: Vec<Declared>,
    /// The role text.
    pub text: Arc<str>,
}

/// Reads a role file.
pub fn read(text: &str, file: FileId, diagnostics: &mut Diagnostics) -> Option<RoleFile> {
    secrets::find(text, file, diagnostics);
    let Some((header, body)) = split(text) else {
        let message = "a role file starts with a header between two `---` lines";
        let place = Span { file, start: 0, end: text.find('\n').unwrap_or(text.len()) };
        let diagnostic = Diagnostic::error(Code::BadRoleFile, message).at(place, "not a header");
        diagnostics.report(
            diagnostic.help("start it with `---`, then for example `may \"code\"`, then `---`, then the prompt"),
        );
        return None;
    };
    // Blank out what stands before the header, so that places in diagnostics are places in the file.
    let blank: String = text[..header.start].bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }).collect();
    let masked = format!("{}{}", blank, &text[header]);
    let document = document::parse_part(&masked, file, diagnostics)?;
    let nodes = check::check(&document.nodes, &[Scope::RoleFile, Scope::Setting], diagnostics);
    let named = |name: &str| nodes.iter().find(|node| node.spec.name == name);
    let mut unenforced = Vec::new();
    declared(&nodes, &mut unenforced);
    Some(RoleFile {
        declared: unenforced,
        idle_ok: named("idle").is_some(),
        may: named("may").map(|may| may.texts().into_iter().map(|word| word.value).collect()).unwrap_or_default(),
        settings: layer(&nodes, diagnostics),
        text: body.trim().into(),
    })
}

/// The place of the header, and what follows it. Line ends of either kind, and a mark at the beginning, are no matter.
fn split(text: &str) -> Option<(std::ops::Range<usize>, &str)> {
    let mut at = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    let mut lines = text[at..].split_inclusive('\n');
    let is_mark = |line: &str| line.trim_end() == "---";
    let first = lines.next().filter(|line| is_mark(line))?;
    at += first.len();
    let start = at;
    for line in lines {
        if is_mark(line) {
            return Some((start..at, &text[at + line.len()..]));
        }
        at += line.len();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_found_however_its_lines_end() {
        for text in [
            "---\nmay \"code\"\n---\nDo.\n",
            "---\r\nmay \"code\"\r\n---\r\nDo.\r\n",
            "\u{feff}---\nmay \"code\"\n---",
        ] {
            let mut diagnostics = Diagnostics::default();
            let role = read(text, FileId(0), &mut diagnostics).unwrap();
            assert!(diagnostics.is_empty(), "{:?}", diagnostics.sorted());
            assert_eq!(role.may, ["code"]);
        }
        assert!(split("---\nmay \"code\"\n").is_none());
    }
}
