//! The small adapters to the machine, against the machine.

#![allow(clippy::disallowed_methods, clippy::print_stdout, reason = "tests reach outside")]

mod files;
mod heartbeat;
mod jobs;
mod local;
mod lock;
#[path = "../shim/manifest.rs"]
mod manifest;
mod process;
mod wait;
