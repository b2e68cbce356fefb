//! `report`: the agent's own word. Who says it is known by its place among the agent's processes, not by what it claims.

use std::time::Instant;

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use nix::unistd::{geteuid, getpid};

use super::connection::Connection;
use super::{Server, error};
use crate::heartbeat::file::{self, Expected};
use crate::heartbeat::{self, Said, State, Word, spool};
use crate::shim::agent::Shim;
use crate::shim::protocol::{Done, Event, ProtocolError};
use crate::system::proc;

/// What the agent has said in this run.
#[derive(Debug)]
pub(in crate::shim) struct Words {
    /// Given to the agent alone, as `FLEET_RUN_NONCE`.
    pub nonce: String,
    pub last: Option<Word>,
}

impl Words {
    pub(in crate::shim) fn new(nonce: String) -> Self {
        Self { nonce, last: None }
    }
}

impl Server {
    fn tell(&mut self, event: &Event) {
        for connection in self.connections.values_mut() {
            connection.event(event);
        }
    }
}

impl Shim {
    /// Takes a word in, from whoever is at the other end of `connection`.
    pub(super) fn take_word(
        &mut self,
        connection: &Connection,
        said: Said,
        now: Instant,
    ) -> Result<Done, ProtocolError> {
        let peer = getsockopt(&connection.stream, PeerCredentials).map_or(0, |peer| peer.pid().unsigned_abs());
        if !proc::is_below(peer, getpid().as_raw().unsigned_abs()) {
            return Err(self.not_the_agents(peer));
        }
        let before = self.words.last.as_ref().map_or(0, |word| word.progress);
        let said = Said { note: said.note.map(|note| self.masked(&note)), ..said };
        let word = Word::new(said.cleaned().identified(), before, heartbeat::now(), peer, &self.words.nonce);
        if word.state == State::PromptSubmitted {
            self.deliveries.confirm(now);
        }
        self.keep_word(&word)?;
        self.server.tell(&Event::Report { report: word.clone(), past: false, unproven: false });
        self.words.last = Some(word);
        Ok(Done { ok: true })
    }

    /// A word from a process that is not below this one, or is not there any more.
    fn not_the_agents(&mut self, peer: u32) -> ProtocolError {
        if proc::stat(peer).is_none_or(|stat| stat.is_dead()) {
            // It waited as long as it could, and left its word in the agent's folder.
            if let Some(word) = self.word_on_disk().filter(|word| self.is_news(word)) {
                self.server.tell(&Event::Report { report: word.clone(), past: false, unproven: true });
                self.words.last = Some(word);
            }
            return error("gone", "whoever said this has ended");
        }
        let why = format!("process {peer} is not one of the agent's");
        self.server.tell(&Event::Refused { why: why.clone() });
        error("denied", format!("{why}: an agent reports for itself, from inside itself"))
    }

    fn is_news(&self, word: &Word) -> bool {
        self.words.last.as_ref().is_none_or(|last| last != word && last.ts <= word.ts)
    }

    /// The last word in the agent's folder, if it is one of this run.
    pub(in crate::shim) fn word_on_disk(&self) -> Option<Word> {
        let expected =
            Expected { nonce: &self.words.nonce, since: 0, now: heartbeat::now(), uid: geteuid().as_raw() };
        file::word(&self.manifest.folder, &expected).ok().flatten()
    }

    fn masked(&self, note: &str) -> String {
        String::from_utf8_lossy(&self.mask.bytes(note.as_bytes())).into_owned()
    }

    /// Puts a word where it outlives this process. A word that must not be missed is not taken without.
    fn keep_word(&mut self, word: &Word) -> Result<(), ProtocolError> {
        let folder = &self.manifest.folder;
        let spooled = if word.must_be_kept() { spool::put(folder, word) } else { Ok(()) };
        let written = file::write(folder, word);
        if written.is_err() || spooled.is_err() {
            self.complain("the agent's reports cannot be written into its folder");
        }
        spooled.map_err(|problem| error("failed", problem.to_string()))
    }
}
