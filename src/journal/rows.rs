//! What readers get: plain rows. Times are milliseconds since the epoch.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::supervise::message::Message;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EventRow {
    /// Its number, in one count with decisions.
    pub seq: u64,
    pub at: u64,
    /// Whom it is about; `None`: the whole fleet.
    pub agent: Option<String>,
    /// E.g. `running ended screen report send effect`.
    pub kind: String,
    /// The event as `supervise::event::Event` has it; of a policy only how many agents it names, and of one too long to
    /// keep only `cut`, its length in bytes.
    pub event: Value,
}

/// Something that was decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DecisionRow {
    /// Its number, in one count with events.
    pub seq: u64,
    pub at: u64,
    /// Whom it is about; `None`: the whole fleet.
    pub agent: Option<String>,
    /// The word of a `supervise::decision::Rule`.
    pub rule: String,
    pub reason: String,
    /// The agent's `supervise::standing::Standing` from then on, where it changed.
    pub standing: Option<Value>,
    /// In the order of their numbers.
    pub effects: Vec<EffectRow>,
}

/// Something that was to be done, and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EffectRow {
    pub id: u64,
    /// The number of its decision.
    pub decision: u64,
    pub at: u64,
    pub agent: Option<String>,
    /// A `supervise::decision::Act`.
    pub act: Value,
    /// `pending done failed unknown`.
    pub state: String,
    /// The `supervise::event::EffectResult`, once there is one.
    pub result: Option<Value>,
    /// When it was answered.
    pub answered: Option<u64>,
}

/// One line of the trail: events and decisions in the order in which they were written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "row", rename_all = "kebab-case")]
pub enum TrailRow {
    Event(EventRow),
    Decision(DecisionRow),
}

impl DecisionRow {
    /// Whether it was only decided to look at an agent, which is no news.
    #[must_use]
    pub fn is_only_a_look(&self) -> bool {
        let is_look = |effect: &EffectRow| effect.act.get("act").is_some_and(|act| act == "probe");
        self.standing.is_none() && !self.effects.is_empty() && self.effects.iter().all(is_look)
    }
}

impl TrailRow {
    /// Its number.
    #[must_use]
    pub fn seq(&self) -> u64 {
        match self {
            Self::Event(row) => row.seq,
            Self::Decision(row) => row.seq,
        }
    }
}

/// A message; newest state.
pub type MessageRow = Message;

/// Something for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoticeRow {
    /// That of the effect which made it.
    pub id: u64,
    pub at: u64,
    /// The word of a `supervise::decision::Level`.
    pub level: String,
    pub agent: Option<String>,
    pub text: String,
    /// Somebody has seen it.
    pub read: bool,
}

/// Something an agent proposes to people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProposalRow {
    pub id: String,
    pub at: u64,
    pub from: String,
    pub kind: String,
    pub proposal: Value,
    /// `open`, or how it was closed.
    pub state: String,
    pub changed: u64,
}
