//! `include`: the nodes of several files as those of one roster.
//!
//! Reading files is the shell's business: it passes in a function, and gets told where each file was named.

use std::path::PathBuf;

use super::check::{self, Node, Value};
use super::{document, scan, secrets};
use crate::diagnostic::{Code, Diagnostic, Diagnostics, FileId, Sources, Span};

/// Deepest chain of files that include each other.
const MAX_DEPTH: usize = 16;

/// A file that a roster asks for.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// As written.
    pub path: &'a str,
    /// The file that asks.
    pub from: FileId,
    /// Not being there is no mistake.
    pub optional: bool,
}

/// A file that was read.
#[derive(Debug, Clone)]
pub struct Found {
    /// Its canonical path: what makes two files the same.
    pub identity: PathBuf,
    /// What people are shown.
    pub name: String,
    pub text: String,
}

/// Why a file was not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// There is none.
    Absent(String),
    /// It is outside the roster's folder, and was not named by an absolute path.
    Outside(String),
    /// It cannot be read.
    Unreadable(String),
}

/// Reads a wanted file. The [`FileId`] is the one it will have.
pub type Reader<'a> = dyn FnMut(&Wanted<'_>, FileId) -> Result<Found, Trouble> + 'a;

/// The nodes of a roster, includes taken in where they stand.
#[derive(Debug)]
pub struct Gathered {
    pub nodes: Vec<Node>,
    /// The end of the root file.
    pub end: Span,
    /// Every node of every file could be read.
    pub complete: bool,
    /// What unknown top-level nodes were most likely meant to be.
    pub meant: Vec<&'static str>,
}

struct Gatherer<'a, 'r> {
    sources: &'a mut Sources,
    diagnostics: &'a mut Diagnostics,
    read: &'a mut Reader<'r>,
    /// Every file taken in so far, and where it was named.
    seen: Vec<(PathBuf, Option<Span>)>,
    /// The files that are being taken in, the root first.
    open: Vec<PathBuf>,
    bytes: usize,
    values: usize,
    complete: bool,
    meant: Vec<&'static str>,
}

/// Reads `root`, whose canonical path is `identity`, and everything it includes. `None` when the root is not a document.
pub fn gather(
    root: FileId,
    identity: PathBuf,
    sources: &mut Sources,
    read: &mut Reader<'_>,
    diagnostics: &mut Diagnostics,
) -> Option<Gathered> {
    let bytes = sources.text(root).len();
    let open = vec![identity.clone()];
    let seen = vec![(identity, None)];
    let mut gatherer =
        Gatherer { sources, diagnostics, read, seen, open, bytes, values: 0, complete: true, meant: Vec::new() };
    let (nodes, end) = gatherer.file(root)?;
    Some(Gathered { nodes, end, complete: gatherer.complete, meant: gatherer.meant })
}

impl Gatherer<'_, '_> {
    fn file(&mut self, file: FileId) -> Option<(Vec<Node>, Span)> {
        secrets::find(self.sources.text(file), file, self.diagnostics);
        let Some(document) = document::parse(self.sources.text(file), file, self.diagnostics) else {
            self.complete = false;
            return None;
        };
        self.complete &= document.complete;
        self.values += document.values;
        if self.values > document::MAX_VALUES {
            let message = format!(
                "the roster holds {} names and values with this file; the limit is {} for all files together",
                self.values,
                document::MAX_VALUES
            );
            let diagnostic = Diagnostic::error(Code::TooLarge, message).at(document.end, "");
            let help = "use `count=` for agents that are alike, and `defaults` and `role` for shared settings";
            self.diagnostics.report(diagnostic.help(help));
            self.complete = false;
            return None;
        }
        let (checked, meant) = check::check_top(&document.nodes, self.diagnostics);
        self.meant.extend(meant);
        let mut nodes: Vec<Node> = Vec::with_capacity(checked.len());
        for node in checked {
            let taken = if node.spec.name == "include" { self.include(&node, file) } else { vec![node] };
            for node in taken {
                self.add(node, &mut nodes);
            }
        }
        Some((nodes, document.end))
    }

    /// What may stand once in a file may stand once in all of them.
    fn add(&mut self, node: Node, nodes: &mut Vec<Node>) {
        let twin = nodes.iter().find(|known| !node.spec.repeats && known.spec.name == node.spec.name);
        let Some(first) = twin else { return nodes.push(node) };
        if first.span.file == node.span.file {
            return;
        }
        let message = format!("`{}` stands in two files", node.spec.name);
        let diagnostic = Diagnostic::error(Code::DuplicateNode, message).at(node.span, "again here");
        self.diagnostics.report(diagnostic.at(first.span, "first here").help("keep one of them"));
    }

    fn include(&mut self, node: &Node, from: FileId) -> Vec<Node> {
        let Some(path) = node.arguments.first() else { return Vec::new() };
        let Value::Text(written) = &path.value else { return Vec::new() };
        let span = path.span;
        let optional = node.properties.get("optional").is_some_and(|flag| flag.value == Value::Flag(true));
        let next = self.sources.next();
        let found = match (self.read)(&Wanted { path: written, from, optional }, next) {
            Ok(found) => found,
            Err(Trouble::Absent(_)) if optional => return Vec::new(),
            Err(trouble) => {
                self.complete = false;
                let (message, help) = match trouble {
                    Trouble::Absent(what) => (
                        format!("this file is not there: {what}"),
                        "correct the path, which is relative to this file's folder, or add `optional=#true`",
                    ),
                    Trouble::Outside(what) => (
                        format!("this file is outside the roster's folder: {what}"),
                        "move it into the roster's folder, or name it by its absolute path",
                    ),
                    Trouble::Unreadable(what) => {
                        (format!("this file cannot be read: {what}"), "put a roster file there")
                    }
                };
                self.diagnostics.report(Diagnostic::error(Code::Include, message).at(span, "here").help(help));
                return Vec::new();
            }
        };
        if !self.may_enter(&found, span) {
            return Vec::new();
        }
        let file = self.sources.add(found.name, found.text);
        self.seen.push((found.identity.clone(), Some(span)));
        self.open.push(found.identity);
        let nodes = self.file(file).map(|(nodes, _)| nodes).unwrap_or_default();
        self.open.pop();
        self.without_fleet(nodes, file)
    }

    /// Circles, repetition, depth and size.
    fn may_enter(&mut self, found: &Found, span: Span) -> bool {
        let error = |message: String| Diagnostic::error(Code::Include, message).at(span, "here");
        let diagnostic = if self.open.contains(&found.identity) {
            let message = format!("`{}` includes itself", found.name);
            error(message).help("take one `include` out of the circle")
        } else if let Some((_, first)) = self.seen.iter().find(|(known, _)| *known == found.identity) {
            let message = format!("`{}` is included twice", found.name);
            let diagnostic = error(message).help("keep one of them");
            match first {
                Some(first) => diagnostic.at(*first, "first here"),
                None => diagnostic,
            }
        } else if self.open.len() >= MAX_DEPTH {
            error(format!("files include each other more than {MAX_DEPTH} deep"))
                .help("include them from the root file")
        } else if self.bytes + found.text.len() > scan::MAX_BYTES {
            let message = format!(
                "the roster has {} bytes with this file; the limit is {} for all files together",
                self.bytes + found.text.len(),
                scan::MAX_BYTES
            );
            let help = "use `count=` for agents that are alike, and `defaults` and `role` for shared settings";
            Diagnostic::error(Code::TooLarge, message).at(span, "here").help(help)
        } else {
            self.bytes += found.text.len();
            return true;
        };
        self.complete = false;
        self.diagnostics.report(diagnostic);
        false
    }

    /// The fleet's id and version stand in the root file alone.
    fn without_fleet(&mut self, nodes: Vec<Node>, file: FileId) -> Vec<Node> {
        let (fleet, rest): (Vec<_>, Vec<_>) = nodes.into_iter().partition(|node| node.spec.name == "fleet");
        for node in fleet.iter().filter(|node| node.span.file == file) {
            let diagnostic =
                Diagnostic::error(Code::Include, "`fleet` stands in the root file only").at(node.span, "here");
            self.diagnostics.report(diagnostic.help("remove it: an included file holds the other nodes only"));
        }
        rest
    }
}
