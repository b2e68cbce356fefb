//! The arguments of every command. Their doc comments are the help texts.

mod apply;
mod edit;
mod language;
mod looking;
mod report;
mod view;

use std::path::PathBuf;

pub use apply::{Apply, Carry, Manager, Plan, Rollback, Select, Shared, Show, When};
use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
pub use edit::{Add, Kind, Migrate, Remove, Rename};
pub use language::{Completions, Explain, Fmt, Help, Man, Render, Schema, Validate, topics};
pub use looking::{
    Clear, Digest, Events, Logs, Messages, ProposalId, Propose, ProposeBug, ProposeRoster, ProposeTool, ProposeVerb,
    Why,
};
pub use report::{Heartbeat, Report};
pub use view::{Attach, View};

/// Infrastructure-as-code for coding agents.
///
/// One KDL file says who the agents are; `fleet plan` shows what would change on this machine and whose work it would
/// interrupt; `fleet apply` makes it so.
#[derive(Debug, Parser)]
#[command(
    name = "fleet",
    version,
    max_term_width = 100,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    after_help = "`fleet help --all` lists the other commands, `fleet help COMMAND` explains one."
)]
pub struct Args {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, ClapArgs)]
pub struct Global {
    /// The roster; else $FLEET_FILE, else fleet.kdl here or in a folder above.
    #[arg(long, short = 'f', global = true, value_name = "PATH")]
    pub file: Option<PathBuf>,
    /// An applied fleet, by id; no roster is needed then.
    #[arg(long, global = true, value_name = "ID")]
    pub fleet: Option<String>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write a small commented fleet.kdl with the agent CLIs found on this machine.
    Init(Init),
    /// Check the roster: every mistake in one run.
    Validate(Validate),
    /// Format the roster in place: one layout for all, with comments kept.
    #[command(hide = true)]
    Fmt(Fmt),
    /// Show what `apply` would change, why, and whose work it would interrupt.
    Plan(Plan),
    /// Make the machine match the roster.
    #[command(alias = "up")]
    Apply(Apply),
    /// Go back to an earlier generation of the fleet.
    Rollback(Rollback),
    /// List the generations: who applied what, when, and how it ended.
    #[command(hide = true)]
    History(Json),
    /// Print a saved plan.
    #[command(hide = true)]
    Show(Show),
    /// Show what every agent does right now.
    #[command(alias = "ps", alias = "ls")]
    Status(Json),
    /// Open an agent's terminal. Ctrl-\ leaves; the agent goes on.
    Attach(Attach),
    /// Open the fleet's windows in tmux: a pane for each agent, as the roster's layout says.
    View(View),
    /// Print what stands on an agent's screen.
    #[command(hide = true)]
    Screen(Screen),
    /// Type a message into an agent and say what is known of its arrival.
    Send(Send),
    /// Say for the agent inside which this runs what it does. Called by its runtime's hooks.
    #[command(hide = true)]
    Heartbeat(Heartbeat),
    /// Say what you do, as an agent: working, idle, waiting, done or blocked.
    #[command(hide = true)]
    Report(Report),
    /// Print what an agent printed, as text.
    Logs(Logs),
    /// Tell how an agent came to where it is: what was decided about it, and why.
    #[command(hide = true)]
    Why(Why),
    /// List what the supervisor decided, and what became of it.
    #[command(hide = true)]
    Events(Events),
    /// List notices for people and messages to agents.
    #[command(hide = true)]
    Messages(Messages),
    /// Count what went wrong lately.
    #[command(hide = true)]
    Digest(Digest),
    /// Let agents start again that are quarantined or wait for a restart.
    #[command(hide = true)]
    Clear(Clear),
    /// Propose a change to people, or answer a proposal.
    #[command(hide = true)]
    Propose(Propose),
    /// Start agents, and keep them started.
    Start(Power),
    /// Stop agents, and keep them stopped.
    Stop(Power),
    /// Stop agents and start them again.
    Restart(Power),
    /// Show the whole fleet on one screen, and act on it by single keys: ? lists them.
    #[command(hide = true)]
    Top,
    /// Watch over an applied fleet until told to end: what its supervisor unit runs.
    #[command(hide = true)]
    Supervise,
    /// Check what fleet needs of this machine.
    Doctor(Json),
    /// Stop the agents and remove everything fleet made for them.
    Destroy(Destroy),
    /// Add an agent to the roster; every other byte stays.
    #[command(hide = true)]
    Add(Add),
    /// Take agents out of the roster, with every mention of them.
    #[command(hide = true)]
    Remove(Remove),
    /// Give an agent or a group another name, wherever it is named.
    #[command(hide = true)]
    Rename(Rename),
    /// Rewrite old syntax in the roster; comments and layout stay.
    #[command(hide = true)]
    Migrate(Migrate),
    /// Write what the roster is compiled to, without touching the machine.
    #[command(hide = true)]
    Render(Render),
    /// Explain a code of a diagnostic, or a node of the roster language.
    #[command(hide = true)]
    Explain(Explain),
    /// Print the roster language: its reference, or its schema as JSON.
    #[command(hide = true)]
    Schema(Schema),
    /// Print the completions of a shell.
    #[command(hide = true)]
    Completions(Completions),
    /// Print the manual page, or write all of them into a folder.
    #[command(hide = true)]
    Man(Man),
    /// Explain a command.
    #[command(hide = true)]
    Help(Help),
    #[command(hide = true)]
    Down(Power),
    #[command(hide = true)]
    Canary(Canary),
}

/// Options of `init`.
#[derive(Debug, Clone, ClapArgs)]
pub struct Init {
    /// What the roster starts from.
    #[arg(long, value_enum, default_value = "general")]
    pub profile: Profile,
    /// The fleet's id; else made from the folder's name.
    #[arg(long, value_name = "ID")]
    pub id: Option<String>,
    /// Make one agent of every pane of your tmux in which a known agent CLI runs. Starts and stops nothing.
    #[arg(long, conflicts_with = "profile")]
    pub from_tmux: bool,
    /// The tmux server's socket; else that of $TMUX, else the default one.
    #[arg(long, value_name = "PATH", requires = "from_tmux")]
    pub tmux_socket: Option<PathBuf>,
    /// Print the roster instead of writing it.
    #[arg(long)]
    pub dry_run: bool,
    /// The folder to write into.
    #[arg(default_value = ".", value_name = "FOLDER")]
    pub folder: PathBuf,
}

/// Rosters that `init` can write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Profile {
    /// One agent, nothing else.
    Minimal,
    /// Scripted agents: no model, no network.
    LocalCanary,
    /// An orchestrator, an enhancer and a generalist.
    General,
    /// An orchestrator, an enhancer, two coders and a reviewer.
    Coding,
    /// An orchestrator, an enhancer, two researchers, an analyst, a planner and a generalist.
    Research,
    /// Coding and research side by side.
    Hybrid,
}

impl Profile {
    /// The preset's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Minimal => "minimal",
            Self::LocalCanary => "local-canary",
            Self::General => "general",
            Self::Coding => "coding",
            Self::Research => "research",
            Self::Hybrid => "hybrid",
        }
    }
}

/// Options of commands that only read.
#[derive(Debug, Clone, ClapArgs)]
pub struct Json {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Options of `screen`.
#[derive(Debug, Clone, ClapArgs)]
pub struct Screen {
    /// The agent; `orchestrator` is the one who leads, whatever its name.
    #[arg(value_name = "AGENT")]
    pub agent: String,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Options of `send`.
///
/// With a supervisor the message waits until its agent takes input, in order and at most once. Without one it is typed
/// now or not at all.
///
/// Exit status: 0 confirmed, submitted or queued; 6 refused; 7 unknown.
#[derive(Debug, Clone, ClapArgs)]
pub struct Send {
    /// The agent; `orchestrator` is the one who leads, whatever its name.
    #[arg(value_name = "AGENT")]
    pub agent: String,
    /// Longest wait for the message's end, in seconds; 0 does not wait. The message waits on in its queue.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    pub wait: u64,
    /// Longest stay in the queue, in seconds; an older message is not delivered.
    #[arg(long, value_name = "SECONDS", default_value_t = 3_600)]
    pub ttl: u64,
    /// The message; `-` reads it from standard input. After `--`, words may begin with a dash.
    #[arg(value_name = "TEXT", required = true, num_args = 1..)]
    pub text: Vec<String>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Options of `start`, `stop` and `restart`.
#[derive(Debug, Clone, ClapArgs)]
pub struct Power {
    /// Agents or groups.
    #[arg(value_name = "AGENT")]
    pub agents: Vec<String>,
    /// Begin a new conversation instead of going on with the old one.
    #[arg(long)]
    pub fresh: bool,
    /// Every agent of the fleet.
    #[arg(long, conflicts_with = "agents")]
    pub all: bool,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Options of `destroy`.
#[derive(Debug, Clone, ClapArgs)]
pub struct Destroy {
    /// Agree without being asked.
    #[arg(long, short = 'y')]
    pub yes: bool,
    /// Every fleet that is applied here, as before uninstalling.
    #[arg(long, conflicts_with_all = ["file", "fleet"])]
    pub all: bool,
    /// Leave the agents' logs.
    #[arg(long)]
    pub keep_logs: bool,
    /// Remove fleet's files even where they were edited by hand.
    #[arg(long)]
    pub overwrite: bool,
}

/// Options of the scripted agent.
#[derive(Debug, Clone, ClapArgs)]
pub struct Canary {
    pub script: PathBuf,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_arguments_are_consistent() {
        super::Args::command().debug_assert();
    }
}
