//! What the machine decides. Each decision is kept in the journal before its effects leave.

use serde::{Deserialize, Serialize};

use super::memory::Memory;
use super::message::Message;
use super::standing::Standing;
use crate::ids::AgentName;
use crate::manifest::ModelNote;

/// Counts up over the whole life of a journal.
pub type EffectId = u64;

/// One decision, with its reason.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// Whom it is about; `None`: the whole fleet.
    pub agent: Option<AgentName>,
    pub rule: Rule,
    /// In plain words, with the evidence.
    pub reason: String,
    pub effects: Vec<Effect>,
    /// The agent's state from now on, where it changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standing: Option<Standing>,
    /// What has to outlive the supervisor, as it is from now on: kept in the same transaction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<Box<Memory>>,
    /// Messages as they are from now on, kept in the same transaction.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<Message>,
}

/// Which rule decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// What was seen is another state.
    State,
    /// The fleet's start, the persisted wish, `after`, caps.
    Start,
    /// The stall ladder.
    Stall,
    Repetition,
    /// Gone, or a fatal phrase, within moments of the start.
    RapidDeath,
    /// Died, and is started again within the budget.
    Restart,
    Quarantine,
    Fallback,
    Limit,
    Blocked,
    WaitingForHuman,
    Message,
    Spend,
    Lifecycle,
    PendingRestart,
    /// A jump of the clocks, or a suspended machine.
    Clock,
    /// A report that was not believed.
    Refused,
    Clear,
    JournalLost,
    Digest,
    /// What an agent proposes to people.
    Proposal,
}

impl Rule {
    /// Every rule.
    pub const ALL: [Self; 21] = [
        Self::State,
        Self::Start,
        Self::Stall,
        Self::Repetition,
        Self::RapidDeath,
        Self::Restart,
        Self::Quarantine,
        Self::Fallback,
        Self::Limit,
        Self::Blocked,
        Self::WaitingForHuman,
        Self::Message,
        Self::Spend,
        Self::Lifecycle,
        Self::PendingRestart,
        Self::Clock,
        Self::Refused,
        Self::Clear,
        Self::JournalLost,
        Self::Digest,
        Self::Proposal,
    ];

    /// The word that people see.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Start => "start",
            Self::Stall => "stall",
            Self::Repetition => "repetition",
            Self::RapidDeath => "rapid-death",
            Self::Restart => "restart",
            Self::Quarantine => "quarantine",
            Self::Fallback => "fallback",
            Self::Limit => "limit",
            Self::Blocked => "blocked",
            Self::WaitingForHuman => "waiting-for-human",
            Self::Message => "message",
            Self::Spend => "spend",
            Self::Lifecycle => "lifecycle",
            Self::PendingRestart => "pending-restart",
            Self::Clock => "clock",
            Self::Refused => "refused",
            Self::Clear => "clear",
            Self::JournalLost => "journal-lost",
            Self::Digest => "digest",
            Self::Proposal => "proposal",
        }
    }
}

/// Something to be done outside, answered by [`super::event::Event::Effect`] exactly once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Effect {
    pub id: EffectId,
    pub act: Act,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "act", rename_all = "kebab-case")]
pub enum Act {
    /// Gives a text to the agent's shim, which types it when it may.
    Deliver { agent: AgentName, message: Message },
    /// Looks at processor time, descendants and screen.
    Probe { agent: AgentName },
    /// Keeps the last screen, the last 200 lines of the log, the exit record and the decision trail.
    Snapshot { agent: AgentName, why: String },
    /// Quit command, SIGTERM, SIGKILL.
    Stop { agent: AgentName },
    Start {
        agent: AgentName,
        /// With a new conversation.
        fresh: bool,
    },
    /// Notes which model of the chain is used from the agent's next start on: 0 is the first. Ends nothing by itself.
    Fallback {
        agent: AgentName,
        model: u32,
        /// What is noted. `None`: nothing, which stands for the first.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<Box<ModelNote>>,
    },
    /// For people: into the list of messages, and to the connectors.
    Notify { level: Level, text: String },
    /// Gives the enhancer its digest.
    Digest { agent: AgentName },
}

impl Act {
    /// Whom it acts on.
    #[must_use]
    pub fn agent(&self) -> Option<&AgentName> {
        match self {
            Self::Deliver { agent, .. }
            | Self::Probe { agent }
            | Self::Snapshot { agent, .. }
            | Self::Stop { agent }
            | Self::Start { agent, .. }
            | Self::Fallback { agent, .. }
            | Self::Digest { agent } => Some(agent),
            Self::Notify { .. } => None,
        }
    }

    /// Whether it ends a running agent.
    #[must_use]
    pub fn is_destructive(&self) -> bool {
        matches!(self, Self::Stop { .. })
    }
}

/// How much a person should care.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    Info,
    Warning,
    /// Somebody has to do something.
    Action,
    Urgent,
}

impl Level {
    /// The word that people see.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Action => "action",
            Self::Urgent => "urgent",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_has_one_word_for_people_and_for_programs() {
        for rule in Rule::ALL {
            assert_eq!(serde_json::to_value(rule).unwrap(), rule.word());
        }
        // The last one that is declared is the last one of the list, so that none is left out.
        assert_eq!(Rule::ALL.len(), Rule::Proposal as usize + 1);
        assert!(Rule::ALL.iter().enumerate().all(|(number, rule)| *rule as usize == number));
    }
}
