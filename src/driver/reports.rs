//! What agents say of themselves: each word that must not be missed is taken once, and let go when the journal has it.

use super::live::Live;
use super::report;
use crate::heartbeat::file::Expected;
use crate::heartbeat::{Word, spool};
use crate::ids::AgentName;
use crate::supervise::event::{AgentEvent, Event};

impl Live {
    /// A word that came over the shim's socket.
    pub(super) fn word(&mut self, agent: &AgentName, word: &Word) {
        if word.id.as_ref().is_some_and(|id| !self.take_once(agent, id)) {
            return;
        }
        self.take_in(vec![Event::Agent { agent: agent.clone(), what: AgentEvent::Report { report: word.report() } }]);
    }

    /// Words that wait in the agent's folder: said while nobody listened, or by one that has ended since.
    pub(super) fn spooled(&mut self, agent: &AgentName) {
        let folder = self.state.paths.agent(agent);
        if !folder.join(spool::NAME).is_dir() {
            return;
        }
        let run = self.state.run(agent);
        let uid = nix::unistd::geteuid().as_raw();
        let nobody = Expected { nonce: "", since: 0, now: crate::heartbeat::now(), uid };
        let expected = run.as_ref().map_or(nobody, |run| Expected::of(run, uid));
        for waiting in spool::waiting(&folder, &expected) {
            match waiting.report {
                Ok(word) => {
                    if !self.take_once(agent, &waiting.id) {
                        continue;
                    }
                    let event = Event::Agent { agent: agent.clone(), what: AgentEvent::Report { report: word } };
                    if waiting.this_run {
                        self.take_in(vec![event]);
                    } else {
                        // Of an earlier run: news for the journal, and no statement about the present one.
                        self.events.push(event);
                    }
                }
                Err(refused) => {
                    let why = format!("{}: {refused}", waiting.path.display());
                    let _ = std::fs::remove_file(&waiting.path);
                    self.take_in(vec![Event::Agent { agent: agent.clone(), what: AgentEvent::Refused { why } }]);
                }
            }
        }
    }

    /// Whether this word was not taken before.
    fn take_once(&mut self, agent: &AgentName, id: &str) -> bool {
        let word = (agent.clone(), id.to_owned());
        if self.words.contains(&word) {
            return false;
        }
        self.spent.push(word.clone());
        self.words.insert(word);
        true
    }

    /// The journal has what was taken: its files go.
    pub(super) fn let_words_go(&mut self) {
        for (agent, id) in std::mem::take(&mut self.spent) {
            match spool::remove(&self.state.paths.agent(&agent), &id) {
                // Met again, it would have to be taken again.
                Ok(()) => drop(self.words.remove(&(agent, id))),
                Err(error) => report(format_args!("{error}")),
            }
        }
    }
}
