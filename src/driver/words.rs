//! The words of the supervisor's socket: one JSON line each way. A reader passes over keys that it does not know.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::ids::AgentName;
use crate::manifest::AgentKind;
use crate::supervise::clock::Millis;
use crate::supervise::message::{Message, MessageId};
use crate::supervise::standing::Standing;

/// The number that both sides carry.
pub const FORMAT: u32 = 1;
/// Longest line, in bytes: a status of a thousand agents is half of it.
pub const LINE_MAX: usize = 1 << 20;

/// A request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Question {
    /// [`FORMAT`].
    pub format: u32,
    #[serde(flatten)]
    pub ask: Ask,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "kebab-case")]
pub enum Ask {
    /// What every agent does.
    Status,
    /// Brings a message; answered when its end is known, or after `wait_ms` with what is known then.
    Send {
        id: MessageId,
        to: AgentName,
        text: String,
        ttl_ms: Millis,
        wait_ms: Millis,
    },
    /// What became of a message.
    Message {
        id: MessageId,
    },
    Recall {
        id: MessageId,
    },
    /// Ends quarantines and waits; of all agents when none is named.
    Clear {
        agents: BTreeSet<AgentName>,
    },
    ClearJournalLost,
    /// People have seen these.
    MarkRead {
        notices: Vec<u64>,
    },
    /// What the caller, an agent, proposes: `roster`, `tool` or `bug`, with at least a `title`.
    Propose {
        kind: String,
        proposal: serde_json::Value,
    },
    /// Closes a proposal.
    CloseProposal {
        id: String,
        state: String,
    },
    /// Who asks, as the supervisor sees it.
    WhoAmI,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum Answer {
    Status {
        status: Box<Status>,
    },
    Message {
        message: Box<Message>,
    },
    Done,
    /// Kept under this number, e.g. `p1`.
    Proposed {
        id: String,
    },
    /// `operator`, or an agent's name.
    You {
        caller: String,
    },
    Refused {
        why: String,
        help: String,
    },
}

/// One fleet, now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// [`FORMAT`].
    pub format: u32,
    pub fleet: String,
    /// The supervisor's.
    pub pid: u32,
    /// Since when it runs, in milliseconds since the epoch.
    pub since: Millis,
    /// When this was true, in milliseconds since the epoch.
    pub at: Millis,
    /// Why destructive steps pause.
    #[serde(default)]
    pub journal_lost: Option<String>,
    /// What the supervisor cannot do, in words.
    #[serde(default)]
    pub problems: Vec<String>,
    pub agents: Vec<Row>,
}

/// One agent, now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    pub name: AgentName,
    pub kind: AgentKind,
    pub role: Option<String>,
    pub runtime: String,
    pub model: Option<String>,
    #[serde(flatten)]
    pub standing: Standing,
    /// It is as it shall be.
    pub healthy: bool,
    /// The shim's.
    pub pid: Option<u32>,
    /// When this run began, in milliseconds since the epoch.
    pub started: Option<Millis>,
    /// Digest of the manifest it runs with.
    pub manifest: Option<String>,
    pub viewers: u32,
    /// Messages that wait for it.
    pub queued: usize,
    /// Restarts within the window of its budget.
    pub restarts: usize,
    /// The last line on its screen.
    pub last_line: Option<String>,
    /// When that was read, in milliseconds since the epoch.
    pub looked: Option<Millis>,
    /// `apply` left a restart for an idle moment.
    pub restart_pending: bool,
    /// Which model it uses and how it came to that, in words; absent for the first of its chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fell_back: Option<String>,
}
