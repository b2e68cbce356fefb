//! What agents propose to people.

use super::clock;
use super::control::refused;
use super::live::Live;
use super::words::Answer;
use crate::ids::AgentName;
use crate::journal::{JournalError, Reader};
use crate::supervise::event::{Event, Request};

/// What can be proposed.
const KINDS: [&str; 3] = ["roster", "tool", "bug"];
/// Proposals that may be open at once: more are noise, and nobody answers them.
const OPEN_MAX: usize = 100;
/// Proposals that are looked through for their numbers.
const READ: usize = 10_000;
/// Longest title, in characters.
const TITLE_MAX: usize = 200;

impl Live {
    /// Keeps a proposal under the next free number, and tells people.
    pub(super) fn propose(&mut self, agent: &AgentName, kind: &str, proposal: &serde_json::Value) -> Answer {
        if !KINDS.contains(&kind) {
            return refused(format!("nothing of the kind `{kind}` can be proposed"), "roster, tool or bug");
        }
        let title = proposal.get("title").and_then(serde_json::Value::as_str).unwrap_or_default().trim();
        if title.is_empty() {
            return refused("a proposal needs a title", "say in one line what it is good for");
        }
        let title: String = title.chars().filter(|c| !c.is_control()).take(TITLE_MAX).collect();
        let failed = |error: JournalError| refused(error.to_string(), error.help().unwrap_or_default());
        let known = match Reader::open(&self.state.paths.state) {
            Ok(Some(reader)) => reader.proposals(READ),
            Ok(None) => Ok(Vec::new()),
            Err(error) => Err(error),
        };
        let known = match known {
            Ok(known) => known,
            Err(error) => return failed(error),
        };
        if known.iter().filter(|row| row.state == "open").count() >= OPEN_MAX {
            return refused(
                format!("{OPEN_MAX} proposals are open already"),
                "a person answers them first: `fleet propose`",
            );
        }
        let number = |id: &str| id.strip_prefix('p')?.parse::<u64>().ok();
        let next = known.iter().filter_map(|row| number(&row.id)).max().unwrap_or(0) + 1;
        let id = format!("p{next}");
        match self.journal.propose(clock::now().wall, &id, agent, kind, proposal) {
            Ok(true) => {}
            Ok(false) => return refused(format!("there is a {id} already"), "try again"),
            Err(error) => return failed(error),
        }
        // It is kept, whether or not the word to people can be written now.
        let request = Request::Proposed { agent: agent.clone(), id: id.clone(), kind: kind.to_owned(), title };
        self.take_in(vec![Event::Request { request }]);
        self.commit();
        Answer::Proposed { id }
    }
}
