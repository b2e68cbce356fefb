//! Roster text → Document → Roster.
//!
//! [`scan`] looks at the raw text first: `kdl` overflows its stack on unbalanced or deeply nested input, which cannot be
//! caught, and its own words for the commonest slips mislead. [`document`] is the only file that knows the `kdl` crate.
//! [`schema`] is the one list of names; [`check`] holds a document against it; [`decode`] turns checked nodes into
//! [`model`] types. Nothing here resolves names or reads files.

pub mod check;
pub mod decode;
pub mod document;
pub mod model;
pub mod reference;
pub mod scan;
pub mod schema;
mod schema_rows;
pub mod secrets;

use crate::diagnostic::{Diagnostics, FileId};
use model::Roster;

/// Reads one roster text. What could be understood is returned even when there are errors, so that later stages can
/// report their own mistakes in the same run; `None` when the text is not a document at all.
pub fn read(text: &str, file: FileId, diagnostics: &mut Diagnostics) -> Option<Roster> {
    secrets::find(text, file, diagnostics);
    let document = document::parse(text, file, diagnostics)?;
    let nodes = check::check(&document.nodes, &[schema::Scope::Top], diagnostics);
    Some(decode::roster(&nodes, file, document.end, diagnostics))
}
