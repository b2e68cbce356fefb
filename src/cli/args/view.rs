//! Arguments of the commands that show agents.

use clap::Args as ClapArgs;

/// Options of `attach`.
#[derive(Debug, Clone, ClapArgs)]
pub struct Attach {
    /// The agent; else the orchestrator.
    #[arg(value_name = "AGENT")]
    pub agent: Option<String>,
    /// Only look: nothing typed reaches the agent.
    #[arg(long)]
    pub watch: bool,
    /// Wait for an agent that does not run, instead of saying so.
    #[arg(long)]
    pub wait: bool,
    /// The key that leaves, as in ctrl-o. Pressed twice it reaches the agent, before `[` it opens the agent's log.
    #[arg(long, value_name = "KEY", default_value = "ctrl-\\")]
    pub detach_key: String,
}

/// Options of `view`.
///
/// Running it again makes the windows match the layout that was applied since; windows you opened yourself stay.
#[derive(Debug, Clone, ClapArgs)]
pub struct View {
    /// Make the windows in the tmux you are in, instead of on a server of fleet's own.
    #[arg(long)]
    pub here: bool,
    /// Make the windows, do not show them.
    #[arg(long)]
    pub no_attach: bool,
    /// Take the windows away; with --here, fleet's windows in the tmux you are in. No agent notices.
    #[arg(long, conflicts_with = "no_attach")]
    pub kill: bool,
    /// Print JSON, and do not show the windows.
    #[arg(long)]
    pub json: bool,
}
