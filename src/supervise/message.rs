//! A message to an agent, from the queue to its end.

use serde::{Deserialize, Serialize};

use super::clock::{Millis, Moment};
use super::event::Caller;
use crate::ids::AgentName;

/// A message's name: `m-` and 16 hexadecimal digits, made by whoever sends it, so that asking twice is one message.
pub type MessageId = String;

/// One message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    pub id: MessageId,
    pub to: AgentName,
    pub from: Caller,
    pub text: String,
    /// Milliseconds since the epoch.
    pub created: Millis,
    /// After so many milliseconds in the queue it is not delivered any more.
    pub ttl_ms: Millis,
    pub state: MessageState,
    /// What the state rests on.
    #[serde(default)]
    pub why: String,
    /// When the state changed last, in milliseconds since the epoch.
    pub changed: Millis,
}

impl Message {
    /// A message that was just sent.
    #[must_use]
    pub fn new(id: MessageId, to: AgentName, from: Caller, text: String, now: Moment, ttl_ms: Millis) -> Self {
        let (created, state) = (now.wall, MessageState::Queued);
        Self { id, to, from, text, created, ttl_ms, state, why: String::new(), changed: created }
    }

    /// A message of the supervisor's own. `number` tells two of the same moment apart.
    #[must_use]
    pub fn of_fleet(to: &AgentName, text: &str, now: Moment, number: u64) -> Self {
        Self {
            id: format!("m-f{:015x}", mixed(to, now, number) >> 4),
            to: to.clone(),
            from: Caller::Fleet,
            text: text.to_owned(),
            created: now.wall,
            ttl_ms: 3_600_000,
            state: MessageState::Queued,
            why: String::new(),
            changed: now.wall,
        }
    }
}

/// FNV-1a over what tells two messages of the supervisor's apart, also those of two supervisors.
fn mixed(to: &AgentName, now: Moment, number: u64) -> u64 {
    let parts = to.as_str().bytes().chain(now.wall.to_le_bytes()).chain(now.awake.to_le_bytes());
    let parts = parts.chain(number.to_le_bytes());
    parts.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

/// Where a message is. Only `Queued` becomes `Sending`; it becomes `Queued` again only when the shim says that nothing was
/// typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MessageState {
    /// Waits for its agent.
    Queued,
    /// Given to the shim; what became of it is not known yet.
    Sending,
    /// The agent's own hook said so.
    Confirmed,
    /// The draft was seen in the input line, then gone, and output followed.
    Submitted,
    /// The runtime keeps it until its turn ends.
    Taken,
    /// Not delivered, and nothing of it was typed.
    Refused,
    /// It waited for too long.
    Expired,
    /// Taken back.
    Recalled,
    /// Typed perhaps; never sent again.
    Unknown,
}

impl MessageState {
    /// Whether nothing more happens to it.
    #[must_use]
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Queued | Self::Sending)
    }

    /// The word that people and programs see.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Queued | Self::Taken => "queued",
            Self::Sending => "sending",
            Self::Confirmed => "confirmed",
            Self::Submitted => "submitted",
            Self::Refused => "refused",
            Self::Expired => "expired",
            Self::Recalled => "recalled",
            Self::Unknown => "unknown",
        }
    }
}
