//! What agents propose, and who may answer it.

use super::clock;
use super::control::refused;
use super::live::Live;
use super::turn::{done, not_written};
use super::words::Answer;
use crate::ids::AgentName;
use crate::journal::rows::ProposalRow;
use crate::journal::{JournalError, Reader};
use crate::supervise::event::{Caller, Event, Request};

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
        let known = match self.proposals() {
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

    /// Closes a proposal: a person any, an agent that may `compose` accepts that of a roster. Whether it stays inside the envelope
    /// is found out by the command, which compiles it.
    pub(super) fn close_proposal(&mut self, caller: &Caller, id: &str, state: &str) -> Answer {
        let now = clock::now().wall;
        let Caller::Agent { agent } = caller else {
            return match self.journal.close_proposal(now, id, state) {
                Ok(false) => refused(format!("no proposal {id} is open"), "`fleet propose` lists them"),
                other => done(other.map(drop)),
            };
        };
        if state != "accepted" || !self.composes(agent) {
            let help = "a person runs `fleet propose accept` or `reject`";
            return refused(format!("{agent} is an agent, and does not close this proposal"), help);
        }
        let row = match self.proposals().map(|rows| rows.into_iter().find(|row| row.id == id && row.state == "open"))
        {
            Ok(Some(row)) => row,
            Ok(None) => return refused(format!("no proposal {id} is open"), "`fleet propose` lists them"),
            Err(error) => return done(Err(error)),
        };
        if row.kind != "roster" {
            return refused(
                format!("{id} proposes no roster, and only a person answers it"),
                "ask a person to do it",
            );
        }
        // People hear of it, whatever becomes of the rest.
        let title = row.proposal.get("title").and_then(serde_json::Value::as_str).unwrap_or_default().to_owned();
        let request = Request::Accepted { agent: agent.clone(), id: id.to_owned(), title };
        self.take_in(vec![Event::Request { request }]);
        self.commit();
        if let Some(unwritten) = &self.unwritten {
            return not_written(&unwritten.why);
        }
        done(self.journal.close_proposal(now, id, state).map(drop))
    }

    fn proposals(&self) -> Result<Vec<ProposalRow>, JournalError> {
        Reader::open(&self.state.paths.state)?.map_or_else(|| Ok(Vec::new()), |reader| reader.proposals(READ))
    }

    /// Whether the role of `agent` may `compose`, by the roster as it was applied.
    fn composes(&self, agent: &AgentName) -> bool {
        self.policy.agents.iter().any(|known| known.name == *agent && known.may.contains("compose"))
    }
}
