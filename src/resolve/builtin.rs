//! The data that is built into the program: runtimes, roles and presets. Each is compiled by a test.

macro_rules! embed {
    ($folder:literal, $extension:literal: $($name:literal),*) => {
        &[$(($name, include_str!(concat!("../../", $folder, "/", $name, ".", $extension))),)*]
    };
}

/// Agent CLIs, by name.
pub const RUNTIMES: &[(&str, &str)] = embed!("runtimes", "kdl": "canary", "claude", "codex", "command", "opencode");

/// Roles, by name.
pub const ROLES: &[(&str, &str)] = embed!(
    "roles", "md": "analyst", "board", "board-business", "board-contrarian", "board-financial", "board-moonshot", "board-technical", "code-review", "coder", "enhancer", "generalist", "operations", "orchestrator", "planner", "research", "security-review"
);

/// Rosters that `fleet init` writes, by profile.
pub const PRESETS: &[(&str, &str)] =
    embed!("presets", "kdl": "coding", "general", "hybrid", "local-canary", "minimal", "research");

/// The text of that name in one of the tables above.
#[must_use]
pub fn find(table: &'static [(&str, &str)], name: &str) -> Option<&'static str> {
    table.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}
