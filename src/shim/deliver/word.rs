//! The agent's own word that a prompt arrived, where its hooks could not say it to the shim itself: on disk.

use crate::heartbeat::{State, Word};

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
