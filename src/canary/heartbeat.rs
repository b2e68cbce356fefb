//! The canary's heartbeat, said as `fleet heartbeat` says it for other agents.

use std::time::Duration;

use crate::heartbeat::{Said, State};
use crate::shim::client::{Place, Unsaid};
use crate::system::proc;

/// A busy shim must not hold up the canary's script for long.
const PATIENCE: Duration = Duration::from_millis(200);

/// Where heartbeats go, and how many went.
#[derive(Debug)]
pub struct Heart {
    place: Option<Place>,
    beats: u64,
}

impl Heart {
    /// Finds its place by the variables of its shim.
    pub fn new() -> Self {
        Self { place: Place::of_this_process().map(|place| place.or_nonce(&proc::random_id())), beats: 0 }
    }

    /// Says one heartbeat.
    ///
    /// # Errors
    /// In words, when this is no agent's process, or nobody takes the word.
    pub fn beat(&mut self) -> Result<(), String> {
        let place = self.place.as_ref().ok_or("FLEET_AGENT_DIR is not set: start it under fleet")?;
        self.beats += 1;
        // What the canary calls progress.
        let said = Said { progress: Some(self.beats), ..Said::new(State::Working) };
        place.say(&said, PATIENCE).map(drop).map_err(|unsaid: Unsaid| unsaid.to_string())
    }
}
