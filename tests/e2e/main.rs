//! fleet against real service managers, started by the tests themselves.

#![allow(clippy::disallowed_methods, reason = "tests reach outside")]

mod boot;
mod conversations;
mod counts;
mod envfile;
mod full_disk;
mod generations;
mod inside;
mod leftovers;
mod lifecycle;
mod managers;
#[path = "../shim/manifest.rs"]
mod manifest;
mod oracle;
mod shims;
mod support;
#[path = "../system/wait.rs"]
mod wait;
mod worktrees;
mod world;
