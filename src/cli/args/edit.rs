//! The arguments of the commands that edit rosters.

use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};

/// Options of `add`.
#[derive(Debug, Clone, ClapArgs)]
pub struct Add {
    /// The new agent's name, or its group's.
    #[arg(value_name = "NAME")]
    pub name: String,
    /// What it is in the fleet.
    #[arg(long, value_enum, default_value = "agent")]
    pub kind: Kind,
    /// The role of an agent.
    #[arg(long, value_name = "ROLE")]
    pub role: Option<String>,
    /// The agent CLI; else the one of its role or of `defaults`.
    #[arg(long, value_name = "NAME")]
    pub runtime: Option<String>,
    /// The model, in the runtime's own words.
    #[arg(long, value_name = "MODEL", requires = "runtime")]
    pub model: Option<String>,
    /// Make a group of so many.
    #[arg(long, value_name = "N")]
    pub count: Option<u32>,
    /// Agents or groups that are started first.
    #[arg(long, value_name = "NAME")]
    pub after: Vec<String>,
    /// Its working folder, relative to the file it is written into.
    #[arg(long, value_name = "PATH")]
    pub dir: Option<String>,
    /// The file to write it into, one of the roster's own; else its root file.
    #[arg(long, value_name = "FILE")]
    pub into: Option<PathBuf>,
    /// Show the change, and write nothing.
    #[arg(long)]
    pub dry_run: bool,
}

/// The node that declares an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    Agent,
    Orchestrator,
    Enhancer,
}

/// Options of `remove`.
#[derive(Debug, Clone, ClapArgs)]
pub struct Remove {
    /// Agents or groups.
    #[arg(value_name = "NAME", required = true)]
    pub names: Vec<String>,
    /// Show the change, and write nothing.
    #[arg(long)]
    pub dry_run: bool,
}

/// Options of `rename`.
#[derive(Debug, Clone, ClapArgs)]
pub struct Rename {
    /// The agent or group.
    #[arg(value_name = "OLD")]
    pub old: String,
    /// The name it gets.
    #[arg(value_name = "NEW")]
    pub new: String,
    /// Show the change, and write nothing.
    #[arg(long)]
    pub dry_run: bool,
}

/// Options of `migrate`.
#[derive(Debug, Clone, ClapArgs)]
pub struct Migrate {
    /// Show the change, and write nothing.
    #[arg(long)]
    pub dry_run: bool,
}
