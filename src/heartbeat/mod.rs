//! An agent's own word: what it says of itself, by `fleet heartbeat` from its runtime's hooks or by `fleet report`.
//!
//! ```text
//! fleet heartbeat, fleet report → the agent's shim, which knows the caller by its place among its processes
//!                               → agents/<name>/heartbeat, the last word
//!                               → agents/<name>/reports/, words that must not be missed
//!                               → subscribers
//! ```
//!
//! This module holds the words and the files; `shim::client::say` says them, `shim::serve::word` takes them in. Formats and
//! reasons: `docs/heartbeat.md`.

pub mod file;
pub mod hook;
pub mod spool;

use serde::{Deserialize, Serialize};

use crate::supervise::event::Report;
pub use crate::supervise::event::ReportKind as State;
use crate::system::proc;

/// The number that every word on disk carries. A reader refuses a larger one.
pub const FORMAT: u32 = 1;

/// Longest word on disk, in bytes. A real one has a few hundred.
pub const SIZE_MAX: u64 = 64 << 10;

/// Longest note, in characters.
pub const NOTE_MAX: usize = 2000;

/// Longest name of an event or a conversation, in characters.
const NAME_MAX: usize = 128;

/// What the agent says: everything a caller may choose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    pub state: State,
    /// The agent's own count of what it got done. `None`: whoever takes the word in counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The hook that spoke, in the runtime's own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// The conversation, in the runtime's own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// The tool that is called, and a mark of what it is called with: two that are alike do the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
    /// Names a word that must not be missed, so that it is taken once however often it is met. A UUID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

impl Said {
    /// Only a state.
    #[must_use]
    pub fn new(state: State) -> Self {
        Self { state, progress: None, note: None, event: None, session: None, call: None, id: None }
    }

    /// The same with an id, where it must be kept.
    #[must_use]
    pub fn identified(mut self) -> Self {
        if must_be_kept(self.state, self.note.as_deref()) && self.id.is_none() {
            self.id = Some(proc::random_id());
        }
        self
    }

    /// The same without what acts instead of being read, and no longer than a word may be.
    #[must_use]
    pub fn cleaned(self) -> Self {
        let named = |text: Option<String>| text.map(|text| plain(&text, NAME_MAX)).filter(|text| !text.is_empty());
        Self {
            note: self.note.map(|note| plain(&note, NOTE_MAX)).filter(|note| !note.is_empty()),
            event: named(self.event),
            session: named(self.session),
            call: named(self.call),
            id: self.id.filter(|id| is_id(id)),
            ..self
        }
    }
}

/// `agents/<name>/heartbeat`, and each file of `agents/<name>/reports/`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Word {
    /// [`FORMAT`].
    pub format: u32,
    /// Milliseconds since the epoch.
    pub ts: u64,
    /// Who said it. Mostly gone by the time it is read.
    pub pid: u32,
    /// The run's, from `FLEET_RUN_NONCE`: a word of an earlier run is not taken for one of this.
    pub nonce: String,
    /// Counts up while the agent gets on.
    #[serde(default)]
    pub progress: u64,
    pub state: State,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

impl Word {
    /// The word for what was `said` by the process `pid` in the run `nonce` at `ts`, `before` having been the progress.
    #[must_use]
    pub fn new(said: Said, before: u64, ts: u64, pid: u32, nonce: &str) -> Self {
        let said = said.cleaned();
        let counted = if counts(said.state) { before.saturating_add(1) } else { before };
        Self {
            format: FORMAT,
            ts,
            pid,
            nonce: nonce.to_owned(),
            progress: said.progress.unwrap_or(counted),
            state: said.state,
            note: said.note,
            event: said.event,
            session: said.session,
            call: said.call,
            id: said.id,
        }
    }

    /// Whether the next beat must not take it away before somebody has read it.
    #[must_use]
    pub fn must_be_kept(&self) -> bool {
        must_be_kept(self.state, self.note.as_deref())
    }

    /// What the supervisor is told.
    #[must_use]
    pub fn report(&self) -> Report {
        let note = self.note.as_ref().map(|note| plain(note, NOTE_MAX)).filter(|note| !note.is_empty());
        Report { kind: self.state, progress: Some(self.progress), note, call: self.call.clone(), at: self.ts }
    }
}

fn must_be_kept(state: State, note: Option<&str>) -> bool {
    note.is_some() || matches!(state, State::Done | State::Blocked)
}

/// Whether an agent that says this gets on. A beat says nothing more than that it is there.
fn counts(state: State) -> bool {
    matches!(state, State::PromptSubmitted | State::Tool | State::Working | State::Done)
}

/// The time now, in milliseconds since the epoch.
#[must_use]
pub fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Whether this can be the id of a word, and so a part of a file's name.
#[must_use]
pub fn is_id(text: &str) -> bool {
    text.len() == 36 && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

/// Whether a character acts instead of being read: controls, and what reorders or breaks lines invisibly.
#[must_use]
pub fn acts(c: char) -> bool {
    match c {
        // Line and paragraph separator; marks, embeddings, overrides and isolates of the bidirectional algorithm.
        '\u{2028}'
        | '\u{2029}'
        | '\u{061c}'
        | '\u{200e}'
        | '\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}' => true,
        // C0, DEL and C1.
        _ => c.is_control(),
    }
}

/// One line of at most `max` characters that can be shown anywhere.
fn plain(text: &str, max: usize) -> String {
    let spaced: String =
        text.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).filter(|&c| !acts(c)).collect();
    let words: Vec<&str> = spaced.split(' ').filter(|word| !word.is_empty()).collect();
    let line = words.join(" ");
    if line.chars().count() <= max {
        return line;
    }
    let mut cut: String = line.chars().take(max - 1).collect();
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(state: State) -> Said {
        Said::new(state)
    }

    #[test]
    fn progress_counts_where_the_agent_gets_on() {
        for (state, progress) in [
            (State::Beat, 7),
            (State::PromptSubmitted, 8),
            (State::Tool, 8),
            (State::Working, 8),
            (State::Idle, 7),
            (State::Waiting, 7),
            (State::Done, 8),
            (State::Blocked, 7),
        ] {
            assert_eq!(Word::new(said(state), 7, 1, 2, "n").progress, progress, "{state:?}");
            let own = Said { progress: Some(3), ..said(state) };
            assert_eq!(Word::new(own, 7, 1, 2, "n").progress, 3, "{state:?}");
        }
    }

    #[test]
    fn what_a_beat_must_not_take_away_is_known() {
        let kept = |said: Said| Word::new(said, 0, 1, 1, "n").must_be_kept();
        assert!(kept(said(State::Done)) && kept(said(State::Blocked)));
        assert!(!kept(said(State::Tool)) && !kept(said(State::Idle)));
        assert!(kept(Said { note: Some("n".into()), ..said(State::Waiting) }));
    }

    #[test]
    fn a_note_is_one_plain_line() {
        let told = |note: &str| {
            let said = Said { note: Some(note.into()), ..said(State::Done) };
            Word::new(said, 0, 5, 1, "n").report().note
        };
        assert_eq!(told(" a\n\tb\x1b[31m\u{202e}c  "), Some("a b[31mc".into()));
        assert_eq!(told("\x07 \n"), None);
        let long = told(&"ü".repeat(NOTE_MAX + 1)).unwrap();
        assert_eq!((long.chars().count(), long.chars().last()), (NOTE_MAX, Some('…')));
    }

    #[test]
    fn only_a_uuid_names_a_file() {
        assert!(is_id("0188a1b2-0000-4000-8000-000000000000"));
        assert!(!is_id("../../../../../../../../../etc/passw") && !is_id("") && !is_id("a"));
    }
}
