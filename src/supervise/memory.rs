//! What the machine must still know after the supervisor died.

use std::collections::{BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use super::clock::Millis;
use super::event::Run;
use super::message::MessageId;
use super::standing::Standing;
use crate::manifest::ModelNote;

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
    /// Which model of the chain is used from the next start on: 0 is the first.
    pub model: u32,
    /// How it came to that, when it is not the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fell_back: Option<ModelNote>,
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
    /// The run that the next fields speak of: what is found running later is either this one or another.
    pub run: Option<Run>,
    /// When its last progress was seen, on the clock that stands still in suspend, in milliseconds. That clock goes on
    /// while no supervisor runs, and a run never outlives it.
    pub progress_awake: Option<Millis>,
    /// When it was, or may have been, alive without getting on, on the same clock.
    pub alive_awake: Millis,
    /// Digest of the last picture that was seen of it.
    pub picture: Option<String>,
    /// It was seen ready.
    pub ready: bool,
    /// It has been given something to do and has not said that it is done.
    pub owes: bool,
    /// Processes that are there while it stands idle, by pid and start time.
    pub resident: Option<BTreeSet<(u32, u64)>>,
    /// A tool of its own was seen running.
    pub had_tools: bool,
    /// When the last run began whose end was acted upon, in milliseconds since the epoch: no end counts twice.
    pub acted: Option<Millis>,
    /// Of what people were told, so that a new supervisor does not tell them again.
    pub told: BTreeSet<String>,
    /// When people were told that it reached its cap of messages.
    pub talked: Option<Millis>,
    /// Messages to it of late, oldest first: asking twice is one message, also when the first is long delivered.
    pub recent: VecDeque<MessageId>,
    /// The nudge that may still wait in its queue.
    pub nudge: Option<MessageId>,
}

impl Memory {
    /// The clock on the wall was set, by so many milliseconds: what lies so far back still does.
    pub(super) fn shift(&mut self, by: i128) {
        let moved = |at: Millis| Millis::try_from((i128::from(at) + by).max(0)).unwrap_or(Millis::MAX);
        for list in [&mut self.restarts, &mut self.starts, &mut self.messages] {
            for at in list {
                *at = moved(*at);
            }
        }
        for at in [&mut self.back_off_until, &mut self.progress_at, &mut self.digest_at, &mut self.talked] {
            *at = at.map(moved);
        }
        if let Some(standing) = &mut self.standing {
            standing.since = moved(standing.since);
        }
    }
}
