//! One file per command: read the arguments, call one function, print what came of it.

pub mod apply;
pub mod attach;
mod carry;
pub mod clear;
mod compose;
pub mod destroy;
pub mod digest;
pub mod doctor;
pub mod edit;
pub mod events;
pub mod explain;
pub mod fmt;
mod from_tmux;
pub mod heartbeat;
pub mod history;
pub mod init;
pub mod logs;
mod logs_follow;
pub mod manual;
pub mod messages;
pub mod plan;
pub mod power;
mod prepare;
pub mod propose;
pub mod render;
pub mod report;
pub mod rollback;
mod saved;
pub mod schema;
pub mod screen;
pub mod send;
pub mod show;
pub mod status;
pub mod supervise;
pub mod top;
pub mod validate;
pub mod view;
pub mod why;

/// A unified diff of two texts, without what looks like a secret.
fn diff(before: &str, after: &str, old: &str, new: &str) -> String {
    // Texts that differ in every line are compared only as long as somebody waits.
    const TIMEOUT: std::time::Duration = std::time::Duration::from_secs(1);
    let (before, after) = (crate::roster::secrets::masked(before), crate::roster::secrets::masked(after));
    let diff = similar::TextDiff::configure().timeout(TIMEOUT).diff_lines(&before, &after);
    diff.unified_diff().header(old, new).to_string()
}
