//! What went wrong lately, for an enhancer: counted from the journal, without a model.

use super::clock;
use super::live::Live;
use crate::ids::AgentName;
use crate::supervise::event::{Caller, Event, Request};
use crate::supervise::message::Message;
use crate::system::proc;

/// A digest that waits longer than this is of yesterday, in milliseconds.
const TTL: u64 = 6 * 3_600_000;

impl Live {
    /// Gives an enhancer its digest, unless nothing went wrong.
    pub(super) fn digest(&mut self, agent: &AgentName) {
        let every = self.policy.agents.iter().find(|known| known.name == *agent).and_then(|known| known.digest_ms);
        let since = clock::now().wall.saturating_sub(every.unwrap_or(TTL));
        let text = match crate::journal::Reader::open(&self.state.paths.state) {
            Ok(Some(reader)) => reader.digest(since).map(|digest| digest.text(40)),
            _ => return,
        };
        let Ok(text) = text else { return };
        if text.is_empty() {
            return;
        }
        let id: String = proc::random_id().chars().filter(char::is_ascii_hexdigit).take(16).collect();
        let message = Message::new(format!("m-{id}"), agent.clone(), Caller::Fleet, text, clock::now(), TTL);
        self.take_in(vec![Event::Request { request: Request::Send { message } }]);
    }
}
