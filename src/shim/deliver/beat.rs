//! The agent's own word that a prompt arrived: the heartbeat file that its hooks write.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use nix::libc;
use serde::Deserialize;

/// The state that a runtime's prompt hook reports.
const SUBMITTED: &str = "prompt-submitted";

/// A heartbeat is a few hundred bytes. Whatever else stands there is not read.
const FILE_MAX: u64 = 64 << 10;

/// The part of a heartbeat that tells one from another.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Beat {
    #[serde(default)]
    ts: u64,
    #[serde(default)]
    nonce: String,
    #[serde(default)]
    progress: u64,
    #[serde(default)]
    state: String,
}

impl Beat {
    /// What `<folder>/heartbeat` says now, if anything.
    pub(super) fn read(folder: &Path) -> Option<Self> {
        let file = File::options()
            .read(true)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
            .open(folder.join("heartbeat"))
            .ok()?;
        let mut bytes = Vec::new();
        file.take(FILE_MAX).read_to_end(&mut bytes).ok()?;
        serde_json::from_slice(&bytes).ok()
    }

    /// Whether this heartbeat, the first one after a paste, confirms it.
    pub(super) fn confirms(&self, before: Option<&Self>) -> bool {
        self.state == SUBMITTED && before != Some(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beat(text: &str) -> Beat {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn only_a_new_prompt_hook_confirms() {
        let old = beat(r#"{"ts":1,"nonce":"a","progress":4,"state":"prompt-submitted"}"#);
        let new = beat(r#"{"ts":2,"nonce":"a","progress":5,"state":"prompt-submitted","pid":9}"#);
        let tool = beat(r#"{"ts":3,"nonce":"a","progress":6,"state":"tool"}"#);
        assert!(new.confirms(Some(&old)) && new.confirms(None));
        assert!(!old.confirms(Some(&old.clone())));
        assert!(!tool.confirms(Some(&old)));
    }
}
