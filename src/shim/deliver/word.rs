//! The agent's own word that a prompt arrived, where its hooks could not say it to the shim itself: on disk.

use nix::unistd::geteuid;

use crate::heartbeat::file::{self, Expected};
use crate::heartbeat::{self, State, Word};
use crate::shim::agent::Shim;

impl Shim {
    /// The last word in the agent's folder, if it is one of this run.
    pub(super) fn word_on_disk(&self) -> Option<Word> {
        let expected =
            Expected { nonce: &self.words.nonce, since: 0, now: heartbeat::now(), uid: geteuid().as_raw() };
        file::word(&self.manifest.folder, &expected).ok().flatten()
    }
}

/// Whether `word`, the first one after a paste, confirms it.
pub(super) fn confirms(word: &Word, before: Option<&Word>) -> bool {
    word.state == State::PromptSubmitted && before != Some(word)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heartbeat::Said;

    #[test]
    fn only_a_new_prompt_hook_confirms() {
        let word = |state, ts| Word::new(Said::new(state), 4, ts, 9, "a");
        let (old, new, tool) =
            (word(State::PromptSubmitted, 1), word(State::PromptSubmitted, 2), word(State::Tool, 3));
        assert!(confirms(&new, Some(&old)) && confirms(&new, None));
        assert!(!confirms(&old, Some(&old.clone())));
        assert!(!confirms(&tool, Some(&old)));
    }
}
