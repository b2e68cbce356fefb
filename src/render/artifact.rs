//! A file that shall stand on disk.

use std::path::PathBuf;
use std::sync::Arc;

use crate::ids::{AgentName, Digest};

/// Whose file it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    Fleet,
    Agent(AgentName),
}

/// What the file is, which decides what a change of it costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileKind {
    /// Read by the service manager: a change needs a daemon-reload.
    Unit,
    /// Read by the shim.
    Manifest,
    /// Read by the service manager when the agent starts.
    Env,
    /// Read by the agent.
    Role,
    /// Read by the agent: its runtime's configuration.
    Runtime,
    /// Read by tmux: the viewer's windows.
    View,
    /// Read by the supervisor, again whenever it changes.
    Supervision,
}

/// One file, complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    pub owner: Owner,
    pub kind: FileKind,
    pub path: PathBuf,
    /// Shared, because a role's text is that of many agents.
    pub text: Arc<String>,
    pub digest: Digest,
}

impl Artifact {
    /// A file with this text.
    #[must_use]
    pub fn new(owner: Owner, kind: FileKind, path: PathBuf, text: String) -> Self {
        let digest = Digest::of(text.as_bytes());
        Self { owner, kind, path, text: Arc::new(text), digest }
    }

    /// Permission bits: unit files are read by tools of other users' making, everything else is private.
    #[must_use]
    pub fn mode(&self) -> u32 {
        if self.kind == FileKind::Unit { 0o644 } else { 0o600 }
    }
}
