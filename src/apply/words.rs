//! What a shim said on its standard error: the only place where the reason of a failed start stands under systemd.

use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;

use super::state::State;
use crate::ids::AgentName;

/// Longest excerpt, in bytes.
const EXCERPT: u64 = 2_000;

/// The end of `shim.err` before a start.
#[derive(Debug)]
pub(super) struct Words {
    path: PathBuf,
    before: u64,
}

impl Words {
    /// Remembers how much is there already.
    pub(super) fn listen(state: &State, agent: &AgentName) -> Self {
        let path = state.paths.agent(agent).join("shim.err");
        let before = std::fs::metadata(&path).map_or(0, |metadata| metadata.len());
        Self { path, before }
    }

    /// `what` with what the shim has said since, unless it is in there already.
    pub(super) fn after(&self, what: String) -> String {
        match self.heard() {
            Some(words) if !what.contains(&words) => format!("{what}: {words}"),
            _ => what,
        }
    }

    fn heard(&self) -> Option<String> {
        let mut file = std::fs::File::open(&self.path).ok()?;
        let length = file.metadata().ok()?.len();
        file.seek(SeekFrom::Start(self.before.max(length.saturating_sub(EXCERPT)))).ok()?;
        let mut bytes = Vec::new();
        file.take(EXCERPT).read_to_end(&mut bytes).ok()?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let last = text.lines().rev().find(|line| !line.trim().is_empty())?;
        Some(last.trim().chars().filter(|c| !crate::diagnostic::acts(*c)).collect())
    }
}
