//! What the machine must still know after the supervisor died.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::clock::Millis;
use super::standing::Standing;

/// About one agent. Times are milliseconds since the epoch, because no other clock outlives a boot.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// Starts after a death, oldest first, as far back as the window reaches.
    pub restarts: VecDeque<Millis>,
    /// How many deaths in a row the next wait is for.
    pub attempt: u32,
    /// When the present wait ends.
    pub back_off_until: Option<Millis>,
    /// Why it is quarantined.
    pub quarantine: Option<String>,
    /// Starts of the last day, oldest first.
    pub starts: VecDeque<Millis>,
    /// Messages of the last hour, oldest first.
    pub messages: VecDeque<Millis>,
    /// Which model of the chain is in use.
    pub model: u32,
    /// Runs that died within moments of their start, in a row.
    pub rapid: u32,
    /// Rung of the stall ladder that was reached since the last progress.
    pub rung: u32,
    /// When the last progress was seen.
    pub progress_at: Option<Millis>,
    /// The agent was nudged since the last message to it.
    pub nudged: bool,
    /// A stop of the supervisor's own: it starts the agent again when it is over.
    pub restarting: Option<String>,
    /// When the last digest was given.
    pub digest_at: Option<Millis>,
    pub standing: Option<Standing>,
}
