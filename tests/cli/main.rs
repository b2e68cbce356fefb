//! The command line in an environment of the tests' own: what each command prints, and how it ends.

#![allow(clippy::disallowed_methods, reason = "tests reach outside")]

mod bench;
mod edit;
#[path = "../cases/examples.rs"]
mod examples;
mod explained;
mod files;
mod fmt;
mod from_tmux;
mod generated;
mod init;
mod looking;
mod mistakes;
mod plan;
mod report;
mod trouble;
mod words;
