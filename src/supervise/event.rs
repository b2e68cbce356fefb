//! What the machine is told.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::clock::Millis;
use super::decision::EffectId;
use super::message::{Message, MessageId};
use super::policy::FleetPolicy;
use super::standing::Class;
use crate::ids::AgentName;
use crate::manifest::ModelName;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// The roster's word on supervision, at start and whenever it changed.
    Policy { policy: Box<FleetPolicy> },
    /// Something about one agent.
    Agent { agent: AgentName, what: AgentEvent },
    /// Somebody asks for something.
    Request { request: Request },
    /// How an effect ended. Each effect that left is answered exactly once; those of an earlier supervisor are answered
    /// [`EffectResult::Unknown`] at its successor's start.
    Effect { id: EffectId, result: EffectResult },
    /// Every agent was looked at: what was not seen is not there.
    Relisted,
    /// The journal could not be read and was set aside: nothing destructive until it is cleared.
    JournalLost { why: String },
}

/// What happened to one agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum AgentEvent {
    /// Its process is there. Also what a relist says of a process that is known already.
    Running { run: Run },
    /// It ended, with the shim's own record of how.
    Ended { end: End },
    /// It was there and is not, and nothing says how it ended; or it never was since the boot.
    Absent {
        /// The run that was lost, when one was recorded.
        lost: Option<Run>,
    },
    /// What the ledger wants of it.
    Wanted { wanted: Wanted },
    /// `apply` left a restart for the moment when it is idle.
    RestartPending { pending: bool },
    /// It has been seen ready for input.
    Ready,
    /// Output came.
    Activity { bytes: u64 },
    /// Its screen, when it settled or when it was looked at.
    Screen { reading: Reading },
    /// Who looks at it, and whether somebody types.
    Viewers { viewers: u32, typing: bool },
    /// Its own word, by `fleet heartbeat` or `fleet report`.
    Report { report: Report },
    /// A word that claims to be its own and was not believed.
    Refused { why: String },
    /// Its shim does not answer, or does again.
    Reachable { reachable: bool, why: String },
    /// The kernel ended something in its control group for want of memory.
    OutOfMemory,
    /// A command that was killed had begun to start it.
    HalfStarted,
}

/// One run of an agent: a pid alone is reused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// The shim's.
    pub pid: u32,
    pub start_ticks: u64,
    /// Milliseconds since the epoch.
    pub started: Millis,
    /// It goes on with an earlier conversation.
    pub resumed: bool,
    /// The model that it was started with, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with: Option<ModelName>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    pub code: Option<i32>,
    pub signal: Option<i32>,
    /// Somebody asked the shim to stop it.
    pub stop_requested: bool,
    /// The kernel ended it for want of memory.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub out_of_memory: bool,
    /// `itself quit term kill`.
    pub step: String,
    /// Milliseconds since the epoch.
    pub started: Millis,
    /// Milliseconds since the epoch.
    pub ended: Millis,
    /// The last lines of its screen that are not blank, oldest first.
    #[serde(default)]
    pub screen: Vec<String>,
    /// What its patterns find on that screen.
    #[serde(default)]
    pub shows: Shows,
}

/// What the ledger wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wanted {
    Running,
    /// Stopped on purpose.
    Held,
}

/// A screen, read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// Digest of its text without spinners, clocks and counters: the same digest is the same picture.
    pub digest: String,
    pub shows: Shows,
    /// The last line that is not blank, for people.
    pub last_line: String,
    /// It stood still for the shim's quiet time.
    pub settled: bool,
}

/// What a screen shows, by the runtime's patterns.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(tag = "shows", rename_all = "kebab-case")]
pub enum Shows {
    /// No pattern matches.
    #[default]
    Nothing,
    Busy,
    Idle,
    /// A question to a person.
    Dialog {
        text: String,
    },
    Limit {
        class: Class,
        /// Milliseconds since the epoch, where a time was named.
        until: Option<Millis>,
        text: String,
    },
    Fatal {
        class: Class,
        text: String,
    },
}

/// What an agent says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    pub kind: ReportKind,
    /// Counts up while it gets on.
    pub progress: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The tool that is called, and a mark of what it is called with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
    /// Milliseconds since the epoch.
    pub at: Millis,
}

/// What it says it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReportKind {
    /// A beat that says nothing more.
    Beat,
    /// Its hook says that a prompt was taken.
    PromptSubmitted,
    /// A tool is called, or ended.
    Tool,
    Working,
    /// Its turn is over.
    Idle,
    Waiting,
    Done,
    Blocked,
}

/// Who asks: known by the socket's peer, not by what it claims.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "kebab-case")]
pub enum Caller {
    /// A person, or a program of theirs.
    Operator,
    /// A process in this agent's control group or below its shim.
    Agent { agent: AgentName },
    /// The supervisor itself.
    Fleet,
}

impl std::fmt::Display for Caller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Operator => f.write_str("a person"),
            Self::Agent { agent } => agent.fmt(f),
            Self::Fleet => f.write_str("fleet"),
        }
    }
}

/// What somebody asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case")]
pub enum Request {
    Send {
        message: Message,
    },
    /// Takes a message back that has not been typed.
    Recall {
        id: MessageId,
    },
    /// Ends a quarantine, a block, a back-off; of all agents when none is named.
    Clear {
        agents: BTreeSet<AgentName>,
        caller: Caller,
    },
    /// Ends the pause after a lost journal.
    ClearJournalLost,
    /// A command of fleet's is about to stop or start this agent: its end is no failure.
    Announce {
        agent: AgentName,
        verb: String,
    },
    /// An agent has proposed something, which the journal has: people are to be told.
    Proposed {
        agent: AgentName,
        /// E.g. `p1`.
        id: String,
        /// `roster tool bug`.
        kind: String,
        title: String,
    },
    /// An agent that may `compose` has accepted a proposal, which the journal has: people are to be told.
    Accepted {
        agent: AgentName,
        /// E.g. `p1`.
        id: String,
        title: String,
    },
}

/// How an effect ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "kebab-case")]
pub enum EffectResult {
    Done,
    Failed {
        why: String,
    },
    /// A start that was not tried, because a command has stopped the agent since it was decided.
    Withheld {
        why: String,
    },
    /// It may have happened: the supervisor died meanwhile.
    Unknown,
    /// Answer to a probe.
    Probed {
        probe: Probe,
    },
    /// Answer to a delivery: the shim's word.
    Delivered {
        outcome: Delivered,
        why: Option<String>,
    },
}

/// What is known of a message after the shim tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Delivered {
    Confirmed,
    Submitted,
    /// The runtime keeps it until its turn ends.
    Queued,
    /// Nothing was typed: it may be tried again.
    Refused,
    Unknown,
}

/// What a look at an agent found. `None`: that signal is absent here.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Probe {
    /// Processor time of all its processes since their start, in milliseconds.
    pub cpu_ms: Option<u64>,
    /// Processes below the agent's own, each by pid and start time, without those it has.
    pub descendants: Option<BTreeSet<(u32, u64)>>,
    pub reading: Option<Reading>,
    /// Bytes of output since its start.
    pub bytes: Option<u64>,
}
