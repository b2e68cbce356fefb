//! Arguments of the commands that look at what the supervisor knows and did, and that answer it.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};

/// Options of `events`.
#[derive(Debug, Clone, ClapArgs)]
pub struct Events {
    /// Print new ones as they come, until you stop it.
    #[arg(long)]
    pub follow: bool,
    /// Only since then: so long ago, as in 2h, or a time, as in 2026-01-31T14:00:00Z.
    #[arg(long, value_name = "WHEN")]
    pub since: Option<String>,
    /// Only about this agent.
    #[arg(long, value_name = "AGENT")]
    pub agent: Option<String>,
    /// Only decisions of this rule, as in restart; with --all also events of this kind.
    #[arg(long, value_name = "RULE")]
    pub rule: Option<String>,
    /// At most so many, the newest ones; 0: all that are kept.
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub limit: usize,
    /// Also what the supervisor was told, not only what it decided.
    #[arg(long)]
    pub all: bool,
    /// Print JSON, one object a line.
    #[arg(long)]
    pub json: bool,
}

/// Options of `why`.
#[derive(Debug, Clone, ClapArgs)]
pub struct Why {
    /// The agent; `orchestrator` is the one who leads, whatever its name.
    #[arg(value_name = "AGENT")]
    pub agent: String,
    /// At most so many steps, the newest ones.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub limit: usize,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Options of `logs`.
///
/// What an agent printed, as a terminal would have shown it: lines when they scroll away, the screen when it settles.
#[derive(Debug, Clone, ClapArgs)]
pub struct Logs {
    /// The agent; `orchestrator` is the one who leads, whatever its name.
    #[arg(value_name = "AGENT")]
    pub agent: String,
    /// Only the last N lines; with --raw, of the bytes.
    #[arg(short = 'n', long, value_name = "N")]
    pub lines: Option<usize>,
    /// Go on as it prints more, over its restarts too, until you stop it.
    #[arg(long)]
    pub follow: bool,
    /// The bytes as they came, with all that drives a terminal.
    #[arg(long)]
    pub raw: bool,
    /// What was kept when it died: 1 is its last death, 2 the one before.
    #[arg(long, value_name = "N", conflicts_with = "follow")]
    pub death: Option<usize>,
    /// Print JSON, one object a line.
    #[arg(long, conflicts_with = "raw")]
    pub json: bool,
}

/// Options of `messages`.
#[derive(Debug, Clone, ClapArgs)]
pub struct Messages {
    /// Only about and to this agent.
    #[arg(value_name = "AGENT")]
    pub agent: Option<String>,
    /// Only notices that nobody has read, and messages that have not ended.
    #[arg(long, conflicts_with = "all")]
    pub unread: bool,
    /// All that are kept, not only the newest.
    #[arg(long)]
    pub all: bool,
    /// Take back a message that waits.
    #[arg(long, value_name = "ID", conflicts_with_all = ["agent", "unread", "all", "json"])]
    pub cancel: Option<String>,
    /// Print JSON. Notices stay unread.
    #[arg(long)]
    pub json: bool,
}

/// Options of `digest`.
#[derive(Debug, Clone, ClapArgs)]
pub struct Digest {
    /// Since then: so long ago, as in 2h, or a time, as in 2026-01-31T14:00:00Z.
    #[arg(long, value_name = "WHEN", default_value = "1d")]
    pub since: String,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Options of `clear`.
///
/// Without an agent it lists those that wait for it.
#[derive(Debug, Clone, ClapArgs)]
pub struct Clear {
    /// Agents or groups.
    #[arg(value_name = "AGENT")]
    pub agents: Vec<String>,
    /// Every agent of the fleet.
    #[arg(long, conflicts_with = "agents")]
    pub all: bool,
    /// Let the supervisor act again after its journal was lost.
    #[arg(long, conflicts_with_all = ["agents", "all"])]
    pub journal_lost: bool,
    /// Print the list as JSON.
    #[arg(long, conflicts_with_all = ["agents", "all", "journal_lost"])]
    pub json: bool,
}

/// Options of `propose`.
///
/// An agent proposes; people list, look, accept and reject. Without a verb the proposals are listed.
#[derive(Debug, Clone, ClapArgs)]
pub struct Propose {
    #[command(subcommand)]
    pub verb: Option<ProposeVerb>,
    /// Also those that were accepted or rejected.
    #[arg(long)]
    pub all: bool,
    /// Print the list as JSON, one object a line.
    #[arg(long)]
    pub json: bool,
}

/// What to do about proposals.
#[derive(Debug, Clone, Subcommand)]
pub enum ProposeVerb {
    /// Propose another roster; it is compiled here first.
    Roster(ProposeRoster),
    /// Propose a better tool or harness; the orchestrator is told.
    Tool(ProposeTool),
    /// Report what goes wrong with an agent; its decisions of late go along.
    Bug(ProposeBug),
    /// Print a proposal.
    Show(ProposalId),
    /// Accept a proposal: that of a roster is written in its place.
    Accept(ProposalId),
    /// Reject a proposal.
    Reject(ProposalId),
}

/// Options of `propose roster`.
#[derive(Debug, Clone, ClapArgs)]
pub struct ProposeRoster {
    /// The whole roster as it should be; `-` is standard input.
    #[arg(value_name = "FILE")]
    pub roster: PathBuf,
    /// What it is good for.
    #[arg(long, value_name = "TEXT")]
    pub why: String,
}

/// Options of `propose tool`.
#[derive(Debug, Clone, ClapArgs)]
pub struct ProposeTool {
    /// One line that says what.
    #[arg(long, value_name = "TEXT")]
    pub title: String,
    /// The rest; `-` reads it from standard input.
    #[arg(long, value_name = "TEXT")]
    pub text: Option<String>,
}

/// Options of `propose bug`.
#[derive(Debug, Clone, ClapArgs)]
pub struct ProposeBug {
    /// One line that says what.
    #[arg(long, value_name = "TEXT")]
    pub title: String,
    /// With whom it goes wrong.
    #[arg(long, value_name = "AGENT")]
    pub agent: String,
    /// The rest; `-` reads it from standard input.
    #[arg(long, value_name = "TEXT")]
    pub text: Option<String>,
}

/// Which proposal.
#[derive(Debug, Clone, ClapArgs)]
pub struct ProposalId {
    /// Its number, as in p1.
    #[arg(value_name = "ID")]
    pub id: String,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}
