//! The client against shims that the tests play themselves, and `attach` in a real pseudo-terminal.
#![allow(clippy::disallowed_methods, reason = "tests act on the machine")]

mod answers;
mod attach;
mod fake;
mod leaving;
#[path = "../shim/manifest.rs"]
mod manifest;
mod many;
mod pager;
#[path = "../canary/pty.rs"]
mod pty;
mod real;
mod sizes;
mod subscribe;
