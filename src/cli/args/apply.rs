//! Options of the commands that plan and apply.

use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};

use crate::apply::idle::RestartMode;
use crate::units::ManagerKind;

/// The service manager.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Manager {
    /// The systemd user manager.
    Systemd,
    /// Detached processes, for hosts without a user manager.
    Local,
}

impl From<Manager> for ManagerKind {
    fn from(manager: Manager) -> Self {
        match manager {
            Manager::Systemd => Self::Systemd,
            Manager::Local => Self::Local,
        }
    }
}

impl From<ManagerKind> for Manager {
    fn from(kind: ManagerKind) -> Self {
        match kind {
            ManagerKind::Systemd => Self::Systemd,
            ManagerKind::Local => Self::Local,
        }
    }
}

/// Options that `plan` and `apply` share.
#[derive(Debug, Clone, Default, ClapArgs)]
pub struct Shared {
    /// The service manager; else the one the fleet was applied with, else systemd where it answers.
    #[arg(long, value_enum)]
    pub manager: Option<Manager>,
    /// Accept that the fleet is now described by this roster and no longer by the one it was applied from.
    #[arg(long)]
    pub move_roster: bool,
    /// Print JSON, one object a line.
    #[arg(long)]
    pub json: bool,
}

/// A part of the fleet.
#[derive(Debug, Clone, Default, ClapArgs)]
pub struct Select {
    /// Only these agents or groups, and whom they wait for; the others' changes are left out.
    #[arg(long, value_name = "AGENT", value_delimiter = ',')]
    pub only: Vec<String>,
    /// All but these agents or groups.
    #[arg(long, value_name = "AGENT", value_delimiter = ',')]
    pub exclude: Vec<String>,
}

/// Options of `plan`.
#[derive(Debug, Clone, ClapArgs)]
pub struct Plan {
    #[command(flatten)]
    pub shared: Shared,
    #[command(flatten)]
    pub select: Select,
    /// Show how each file changes.
    #[arg(long, conflicts_with = "json")]
    pub diff: bool,
    /// Say of one agent what is compiled, applied, on disk and running, and what follows.
    #[arg(long, value_name = "AGENT", conflicts_with_all = ["json", "diff", "out"])]
    pub why: Option<String>,
    /// Save the plan: `fleet apply FILE` does just this, or refuses when anything has changed.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Plan the way back to an earlier generation, as `fleet rollback` would go.
    #[arg(long, value_name = "N", conflicts_with_all = ["move_roster", "out"])]
    pub generation: Option<u64>,
    /// Plan what an agent proposes, as `fleet propose accept` would write it.
    #[arg(long, value_name = "ID", conflicts_with_all = ["move_roster", "out", "generation"])]
    pub proposal: Option<String>,
    /// Exit with 2 when there are changes.
    #[arg(long)]
    pub detailed_exitcode: bool,
}

/// How a plan is carried out.
#[derive(Debug, Clone, ClapArgs)]
pub struct Carry {
    /// Agree to what the plan interrupts or removes.
    #[arg(long, short = 'y')]
    pub yes: bool,
    /// Replace files of fleet's that were edited by hand.
    #[arg(long)]
    pub overwrite: bool,
    /// Agree to the removal of more than half of the agents.
    #[arg(long)]
    pub allow_mass_remove: bool,
    /// When to restart running agents whose settings changed.
    #[arg(long, value_enum, default_value = "idle", value_name = "WHEN")]
    pub restart: When,
    /// Whoever is started begins a new conversation instead of going on with the old one.
    #[arg(long)]
    pub fresh: bool,
    /// Longest wait for an agent to be idle, in seconds.
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    pub wait: u64,
}

/// Options of `apply`.
#[derive(Debug, Clone, ClapArgs)]
pub struct Apply {
    #[command(flatten)]
    pub shared: Shared,
    #[command(flatten)]
    pub select: Select,
    #[command(flatten)]
    pub carry: Carry,
    /// A plan that `fleet plan --out FILE` saved. It counts as agreed to.
    #[arg(value_name = "FILE", conflicts_with_all = ["only", "exclude", "manager", "move_roster"])]
    pub plan: Option<PathBuf>,
}

/// Options of `rollback`.
#[derive(Debug, Clone, ClapArgs)]
pub struct Rollback {
    /// The generation to go back to; else the one before the last.
    #[arg(value_name = "N")]
    pub generation: Option<u64>,
    #[command(flatten)]
    pub carry: Carry,
    /// Print JSON, one object a line.
    #[arg(long)]
    pub json: bool,
}

/// Options of `show`.
#[derive(Debug, Clone, ClapArgs)]
pub struct Show {
    /// A plan that `fleet plan --out FILE` saved.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Print JSON, one object a line.
    #[arg(long)]
    pub json: bool,
}

/// When to restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum When {
    /// As soon as the agent is idle; what is not idle in time stays pending.
    Idle,
    /// At once.
    Now,
    /// Not in this run: all stay pending.
    Never,
}

impl From<When> for RestartMode {
    fn from(when: When) -> Self {
        match when {
            When::Idle => Self::Idle,
            When::Now => Self::Now,
            When::Never => Self::Never,
        }
    }
}
