//! The arguments of the commands that an agent and its hooks call.

use clap::{Args as ClapArgs, ValueEnum};

use crate::heartbeat::State;

/// Options of `heartbeat`.
///
/// Always exits with 0 and prints nothing on standard output, so that no hook can hold up or steer its agent.
#[derive(Debug, Clone, ClapArgs)]
pub struct Heartbeat {
    /// What the agent does.
    #[arg(long, value_enum, default_value = "beat", value_name = "STATE")]
    pub state: Seen,
    /// The event that calls this, in the runtime's own words.
    #[arg(long, value_name = "NAME")]
    pub event: Option<String>,
    /// How much the agent has done: any number that grows; else fleet counts.
    #[arg(long, value_name = "N")]
    pub progress: Option<u64>,
    /// Read the JSON that a runtime gives its hooks on standard input: event, conversation, error.
    #[arg(long)]
    pub from_hook: bool,
    /// What some runtimes append: the same JSON as a word.
    #[arg(hide = true)]
    pub call: Option<String>,
}

/// What a hook can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Seen {
    /// It is there.
    Beat,
    /// It took a prompt.
    PromptSubmitted,
    /// It calls a tool, or the tool has ended.
    Tool,
    /// It is at work.
    Working,
    /// Its turn is over.
    Idle,
    /// It waits for a person.
    Waiting,
    /// Its task is finished.
    Done,
    /// It cannot go on.
    Blocked,
}

impl From<Seen> for State {
    fn from(seen: Seen) -> Self {
        match seen {
            Seen::Beat => Self::Beat,
            Seen::PromptSubmitted => Self::PromptSubmitted,
            Seen::Tool => Self::Tool,
            Seen::Working => Self::Working,
            Seen::Idle => Self::Idle,
            Seen::Waiting => Self::Waiting,
            Seen::Done => Self::Done,
            Seen::Blocked => Self::Blocked,
        }
    }
}

/// Options of `report`.
///
/// Exit status: 0 the word was taken; 1 it was not; 6 this is not the agent itself.
#[derive(Debug, Clone, ClapArgs)]
pub struct Report {
    /// What you do.
    #[arg(value_enum, value_name = "STATE")]
    pub state: Own,
    /// What there is to say about it, one line of at most 2000 characters.
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub note: Option<String>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// What an agent can say of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Own {
    /// At work.
    Working,
    /// Nothing to do.
    Idle,
    /// A person has to decide or answer.
    Waiting,
    /// The task is finished.
    Done,
    /// It cannot go on.
    Blocked,
}

impl Own {
    /// The word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Working => "working",
            Self::Idle => "idle",
            Self::Waiting => "waiting",
            Self::Done => "done",
            Self::Blocked => "blocked",
        }
    }
}

impl From<Own> for State {
    fn from(own: Own) -> Self {
        match own {
            Own::Working => Self::Working,
            Own::Idle => Self::Idle,
            Own::Waiting => Self::Waiting,
            Own::Done => Self::Done,
            Own::Blocked => Self::Blocked,
        }
    }
}
