//! The built-in defaults: the weakest layer, written in the language itself.

use super::check::{self, Node};
use super::document;
use super::schema::Scope;
use crate::diagnostic::{Diagnostics, Sources};

/// The text.
pub const TEXT: &str = include_str!("defaults.kdl");

/// The name that origins show.
pub const NAME: &str = "built-in default";

/// The built-in defaults as nodes, their text added to `sources`.
///
/// # Panics
/// Never: the text is a constant and covered by a test.
#[must_use]
pub fn nodes(sources: &mut Sources) -> Vec<Node> {
    let file = sources.add(NAME, TEXT);
    let mut diagnostics = Diagnostics::default();
    let document = document::parse(TEXT, file, &mut diagnostics).expect("the built-in defaults parse");
    check::check(&document.nodes, &[Scope::Setting], &mut diagnostics)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::FileId;

    #[test]
    fn the_defaults_are_settings_without_a_mistake() {
        let mut diagnostics = Diagnostics::default();
        let document = document::parse(TEXT, FileId(0), &mut diagnostics).unwrap();
        let nodes = check::check(&document.nodes, &[Scope::Setting], &mut diagnostics);
        assert!(diagnostics.is_empty(), "{:?}", diagnostics.sorted());
        assert_eq!(nodes.len(), TEXT.lines().count());
    }
}
