//! The arguments of the commands about the language: what reads rosters, and what explains them and the program.

use std::path::PathBuf;

use clap::Args as ClapArgs;

use super::Manager;
use crate::diagnostic::Code;
use crate::roster::schema;

/// Options of `validate`.
#[derive(Debug, Clone, ClapArgs)]
pub struct Validate {
    /// Rosters to check, each by itself; `-` is standard input. Else the roster of --file.
    #[arg(value_name = "FILE", conflicts_with = "file")]
    pub files: Vec<PathBuf>,
    /// Print JSON, one object a line.
    #[arg(long)]
    pub json: bool,
    /// Exit with 1 when there are warnings.
    #[arg(long)]
    pub deny_warnings: bool,
    /// Print the flat roster: includes taken in, settings merged, the origin of every value.
    #[arg(long)]
    pub expand: bool,
    /// Print every file that was looked for, found or not, one a line.
    #[arg(long, conflicts_with_all = ["expand", "json"])]
    pub list_files: bool,
}

/// Options of `fmt`.
#[derive(Debug, Clone, ClapArgs)]
pub struct Fmt {
    /// Files; `-` is standard input, to standard output. Else the roster.
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Write nothing; name the files that are not formatted, and exit with 1 if there are any.
    #[arg(long)]
    pub check: bool,
    /// Write nothing; print what would change.
    #[arg(long)]
    pub diff: bool,
}

/// Options of `render`.
#[derive(Debug, Clone, ClapArgs)]
#[command(group = clap::ArgGroup::new("where").required(true))]
pub struct Render {
    /// Write every file into this folder; only those that differ are written.
    #[arg(long, value_name = "FOLDER", group = "where")]
    pub out: Option<PathBuf>,
    /// Print the files of this agent.
    #[arg(long, value_name = "AGENT", group = "where")]
    pub stdout: Option<String>,
    /// The service manager to render for.
    #[arg(long, value_enum, default_value = "systemd")]
    pub manager: Manager,
    /// The version of systemd to render for. `apply` renders for the one it finds.
    #[arg(long, value_name = "VERSION", default_value_t = 255)]
    pub systemd: u32,
}

/// Options of `explain`.
#[derive(Debug, Clone, ClapArgs)]
pub struct Explain {
    /// A code, as in F0105, or a node, as in restart; else all of them are listed.
    #[arg(value_name = "TOPIC")]
    pub topic: Option<String>,
}

/// Options of `schema`.
#[derive(Debug, Clone, ClapArgs)]
pub struct Schema {
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Options of `completions`.
#[derive(Debug, Clone, ClapArgs)]
pub struct Completions {
    #[arg(value_name = "SHELL")]
    pub shell: clap_complete::Shell,
}

/// Options of `man`.
#[derive(Debug, Clone, ClapArgs)]
pub struct Man {
    /// Write fleet.1, a page for each command, and fleet.kdl.5 into this folder.
    #[arg(long, value_name = "FOLDER")]
    pub out: Option<PathBuf>,
}

/// Options of `help`.
#[derive(Debug, Clone, ClapArgs)]
pub struct Help {
    /// The command to explain.
    #[arg(value_name = "COMMAND")]
    pub command: Option<String>,
    /// List every command.
    #[arg(long)]
    pub all: bool,
}

/// What there is to explain: every code, and every node of the language. Not given to the parser of every start, which has
/// better things to do than to build two hundred values.
pub fn topics() -> Vec<&'static str> {
    let codes = Code::ALL.iter().map(|code| code.number());
    let mut nodes: Vec<_> = schema::specs().map(|spec| spec.name).collect();
    nodes.sort_unstable();
    nodes.dedup();
    codes.chain(nodes).collect()
}
