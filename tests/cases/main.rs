//! The golden corpus: rosters in, artifacts or diagnostics out, compared as text.
//!
//! A new case is a new file. `INSTA_UPDATE=always cargo test --test cases` writes what came out; read it before you
//! commit it.

#![allow(clippy::disallowed_methods, reason = "tests reach outside")]

mod builtins;
mod change;
mod compile;
mod corpus;
mod edit;
mod envelope;
mod examples;
mod expand;
mod explain;
mod faults;
mod format;
mod hidden;
mod parser;
mod reference;
mod role_files;
mod seeds;
mod values;
mod written;
