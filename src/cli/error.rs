//! A few kinds of failure, each with its exit code.

use std::process::ExitCode;

use crate::apply::ApplyError;
use crate::shim::client::ClientError;
use crate::system::fs::FsError;

/// How the program ends. The numbers are part of the interface.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Exit {
    Ok,
    /// Failed before any change.
    Failed,
    /// There are changes (`--detailed-exitcode`).
    Changes,
    /// Some of it was done.
    Partial,
    /// Another process holds the fleet.
    Locked,
    /// The saved plan is not what would be done now.
    Stale,
    /// Not done: it needs agreement, or is not safe.
    Refused,
    /// Done, and nobody knows what came of it.
    Unknown,
    /// The command line is wrong.
    Usage,
    /// A program of fleet's own that ended its own way.
    Other(ExitCode),
}

impl Exit {
    /// The number.
    #[must_use]
    pub fn code(self) -> ExitCode {
        match self {
            Self::Ok => ExitCode::SUCCESS,
            Self::Failed => ExitCode::from(1),
            Self::Changes => ExitCode::from(2),
            Self::Partial => ExitCode::from(3),
            Self::Locked => ExitCode::from(4),
            Self::Stale => ExitCode::from(5),
            Self::Refused => ExitCode::from(6),
            Self::Unknown => ExitCode::from(7),
            Self::Usage => ExitCode::from(64),
            Self::Other(code) => code,
        }
    }
}

/// What each number says to people: for every manual page and the tests of `docs/commands.md`.
pub const STATUSES: &[(&str, &str)] = &[
    ("0", "done, or nothing to do; pending restarts are no failure"),
    (
        "1",
        "failed before any change; `status`: some agent is not as it should be; `fmt --check`: a file is not formatted",
    ),
    ("2", "`plan --detailed-exitcode`: there are changes"),
    ("3", "partly done; the table says what, and running it again goes on"),
    ("4", "another process holds the fleet's lock; the message says which"),
    ("5", "the saved plan is stale; the message says what has changed"),
    ("6", "refused: it needs your agreement (`--yes`), or is not safe"),
    ("7", "the outcome is not known"),
    ("64", "the command line is wrong"),
];

/// A command that did not do what was asked: what happened, and what to do next.
#[derive(Debug)]
pub struct CliError {
    pub exit: Exit,
    pub message: String,
    pub help: Option<String>,
}

impl CliError {
    /// A failure with its exit code.
    pub fn new(exit: Exit, message: impl Into<String>, help: impl Into<String>) -> Self {
        let help = help.into();
        Self { exit, message: message.into(), help: (!help.is_empty()).then_some(help) }
    }

    /// A refusal (exit 6).
    pub fn refused(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::new(Exit::Refused, message, help)
    }

    /// A wrong command line (exit 64).
    pub fn usage(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message, help)
    }

    /// A failure before any change (exit 1).
    pub fn failed(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::new(Exit::Failed, message, help)
    }
}

impl From<ApplyError> for CliError {
    fn from(error: ApplyError) -> Self {
        let exit = match &error {
            ApplyError::Locked { .. } | ApplyError::Supervised { .. } => Exit::Locked,
            ApplyError::Refused { .. } => Exit::Refused,
            _ => Exit::Failed,
        };
        let help = error.help();
        Self { exit, message: error.to_string(), help }
    }
}

impl From<FsError> for CliError {
    fn from(error: FsError) -> Self {
        Self { exit: Exit::Failed, message: error.to_string(), help: error.help }
    }
}

impl From<ClientError> for CliError {
    fn from(error: ClientError) -> Self {
        Self { exit: Exit::Failed, message: error.to_string(), help: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_of_commands_says_the_same() {
        let page = include_str!("../../docs/commands.md");
        let section = page.split("## Exit status").nth(1).unwrap();
        let rows =
            section.lines().skip_while(|line| !line.starts_with("| 0 ")).take_while(|line| line.starts_with("| "));
        let ours = STATUSES.iter().map(|(number, text)| format!("| {number} | {text} |"));
        assert_eq!(rows.collect::<Vec<_>>(), ours.collect::<Vec<_>>());
    }
}
