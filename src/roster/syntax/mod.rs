//! Roster text as it was written: every byte of it, for whoever changes a file that belongs to somebody else.
//!
//! [`super::document`] knows what a roster says and forgets how. Here it is the other way round: [`lexer`] cuts the text
//! into tokens that cover every byte, [`tree`] says which of them make up a node, [`edit`] changes one place and leaves
//! the rest alone, and [`format`](mod@format) lays the whole out anew. None of them knows the names of the language.
//!
//! All of it is right about text that [`document::parse`](super::document::parse) accepts. On any other text it neither
//! panics nor loops, and says so ([`tree::Tree::sound`]).

pub mod edit;
pub mod faults;
pub mod format;
pub mod lexer;
pub mod tree;
pub mod words;

/// A part of one text, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Span {
    /// What it covers.
    #[must_use]
    pub fn of(self, text: &str) -> &str {
        &text[self.start..self.end]
    }
}
