//! Roster text → Document → Roster.
//!
//! [`scan`] looks at the raw text first: `kdl` overflows its stack on unbalanced or deeply nested input, which cannot be
//! caught, and its own words for the commonest slips mislead. [`document`] is the only file that knows the `kdl` crate.
//! [`schema`] is the one list of names; [`check`] holds a document against it; [`decode`] turns checked nodes into
//! [`model`] types. Nothing here resolves names or reads files.

pub mod change;
pub mod check;
pub mod decode;
pub mod defaults;
pub mod document;
pub mod include;
pub mod merge;
pub mod model;
pub mod preview;
pub mod reference;
pub mod scan;
pub mod schema;
pub mod secrets;
mod squeeze;
pub mod syntax;

use std::path::PathBuf;

use crate::diagnostic::{Code, Diagnostics, FileId, Sources};
use crate::ids::FleetId;
use model::Roster;
use syntax::lexer::{self, Kind};

/// What a part that could not be read makes seem to be missing.
const FOLLOWS: &[Code] = &[
    Code::NoFleet,
    Code::Floor,
    Code::UnknownAgent,
    Code::UnknownRole,
    Code::NoRuntime,
    Code::UnknownChain,
    Code::UnknownConnector,
    Code::UnknownGate,
    Code::UnknownTarget,
    Code::UnusedConnector,
    Code::UnusedGate,
    Code::ReviewImpossible,
    Code::ApprovalImpossible,
    Code::CannotFix,
    Code::NoSource,
    Code::LayoutPane,
];

/// The fleet's id, where the text begins as rosters do: `fleet "ID"`. `None` says nothing about the text: it has to be
/// read.
#[must_use]
pub fn id_of(text: &str) -> Option<FleetId> {
    let passed =
        |kind: Kind| kind == Kind::Bom || kind == Kind::Whitespace || kind == Kind::Newline || kind.is_comment();
    let mut tokens = lexer::tokens(text).filter(|token| !passed(token.kind));
    let word = |token: lexer::Token| &text[token.span.start..token.span.end];
    let first = tokens.next().filter(|token| token.kind == Kind::Identifier)?;
    let second = tokens.next()?;
    let bare = match second.kind {
        Kind::Identifier => word(second),
        Kind::Quoted => word(second).strip_prefix('"')?.strip_suffix('"')?,
        _ => return None,
    };
    // `version=1` is no id.
    let named = tokens.next().is_some_and(|token| token.kind == Kind::Equals);
    (word(first) == "fleet" && !named).then(|| FleetId::new(bare).ok())?
}

/// Reads the roster whose root file is `root`, with everything it includes. What could be understood is returned even when
/// there are errors, so that later stages can report their own mistakes in the same run; `None` when the root is not a
/// document at all.
pub fn read(
    root: FileId,
    identity: PathBuf,
    sources: &mut Sources,
    reader: &mut include::Reader<'_>,
    diagnostics: &mut Diagnostics,
) -> Option<Roster> {
    let gathered = include::gather(root, identity, sources, reader, diagnostics)?;
    if !gathered.complete {
        diagnostics.mute(FOLLOWS);
    }
    let meant = |name| gathered.meant.contains(&name);
    let is_agent = |name: &str| matches!(name, "orchestrator" | "enhancer" | "agent");
    let none = !gathered.nodes.iter().any(|node| is_agent(node.spec.name));
    if meant("orchestrator") || meant("enhancer") || (meant("agent") && none) {
        diagnostics.mute(&[Code::Floor]);
    }
    if gathered.meant.iter().any(|name| is_agent(name)) {
        diagnostics.mute(&[Code::UnknownAgent]);
    }
    if meant("fleet") {
        diagnostics.mute(&[Code::NoFleet]);
    }
    // Nothing at all is one mistake, not two.
    if gathered.nodes.is_empty() && gathered.complete {
        diagnostics.mute(&[Code::Floor]);
    }
    Some(decode::roster(&gathered.nodes, root, gathered.end, diagnostics))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_read_from_the_first_node_alone() {
        let id = |text: &str| id_of(text).map(|id| id.as_str().to_owned());
        assert_eq!(id("// mine\n/* a */ fleet \"shop\" version=1\nagent {").as_deref(), Some("shop"));
        assert_eq!(id("fleet shop version=1").as_deref(), Some("shop"));
        for other in [
            "",
            "agent \"a\"",
            "/- fleet \"a\"\nfleet \"b\"",
            "fleet version=1",
            "fleet \"a\\u{62}\"",
            "(x)fleet \"a\"",
        ] {
            assert_eq!(id(other), None, "{other}");
        }
    }
}
