//! Where the facts come from: the supervisor while it runs, else its journal.

use std::time::Duration;

use crate::apply::inside;
use crate::apply::state::State;
use crate::cli::error::{CliError, Exit};
use crate::cli::target::Target;
use crate::driver::client::{self, AskError};
use crate::driver::words::{Answer, Ask, Row, Status};
use crate::journal::{JournalError, Reader, inbox};
use crate::supervise::clock::Millis;
use crate::supervise::event::Request;

/// Longest wait for an answer of the supervisor's.
const ANSWER: Duration = Duration::from_secs(10);
/// What to do about a supervisor that does not run.
pub fn start(target: &Target) -> &'static str {
    if target.ledger.is_supervised() {
        "`fleet apply` starts it"
    } else {
        "`supervise=#true` behind the fleet's id in the roster gives it a supervisor"
    }
}

impl From<JournalError> for CliError {
    fn from(error: JournalError) -> Self {
        Self { exit: Exit::Failed, message: error.to_string(), help: error.help() }
    }
}

/// The journal of a fleet. `None`: no supervisor has ever run.
pub fn journal(target: &Target) -> Result<Option<Reader>, CliError> {
    Ok(Reader::open(&target.state.paths.state)?)
}

/// The same, where there must be one.
pub fn the_journal(target: &Target) -> Result<Reader, CliError> {
    journal(target)?.ok_or_else(|| {
        let message = format!("fleet {} has no journal yet: no supervisor has run", target.state.fleet);
        CliError::failed(message, start(target))
    })
}

/// Asks the supervisor. `None`: it does not run.
///
/// # Errors
/// When it refuses (exit 6), or answers nothing that can be understood (exit 1, or 7 when it may have done it).
pub fn ask(target: &Target, question: Ask) -> Result<Option<Answer>, CliError> {
    match client::ask(&client::socket(&target.state.paths), question, ANSWER) {
        Ok(Answer::Refused { why, help }) => Err(CliError::refused(why, help)),
        Ok(answer) => Ok(Some(answer)),
        Err(AskError::NotRunning) => Ok(None),
        Err(error @ AskError::Broken { asked, .. }) => {
            let exit = if asked { Exit::Unknown } else { Exit::Failed };
            Err(CliError::new(exit, error.to_string(), "look at it: `fleet status`"))
        }
    }
}

/// Asks the supervisor, where there must be one.
pub fn must_ask(target: &Target, question: Ask) -> Result<Answer, CliError> {
    ask(target, question)?.ok_or_else(|| {
        CliError::failed(format!("the supervisor of fleet {} does not run", target.state.fleet), start(target))
    })
}

/// What the supervisor says of every agent; `None` when it does not say it.
pub fn status(target: &Target) -> Option<Status> {
    match ask(target, Ask::Status) {
        Ok(Some(Answer::Status { status })) => Some(*status),
        _ => None,
    }
}

/// One agent's line of it.
pub fn row<'a>(status: &'a Status, agent: &str) -> Option<&'a Row> {
    status.agents.iter().find(|row| row.name.as_str() == agent)
}

/// An answer that does not belong to the question.
pub fn odd(answer: &Answer) -> CliError {
    let word = serde_json::to_value(answer).ok().and_then(|value| Some(value.get("answer")?.as_str()?.to_owned()));
    let message = format!("the supervisor answers something else: {}", word.unwrap_or_default());
    CliError::new(
        Exit::Unknown,
        message,
        "use the same fleet on both sides: `fleet apply` brings the supervisor along",
    )
}

/// Whether the fleet is still applied: what follows it ends with it.
pub fn is_applied(state: &State) -> bool {
    state.paths.state.join("ledger.json").exists()
}

/// Leaves a request for the time when the supervisor runs again. Only people may: nobody is there to tell who asks.
pub fn leave(target: &Target, now: Millis, request: &Request, what: &str) -> Result<(), CliError> {
    only_people(target, what)?;
    if !target.ledger.is_supervised() && journal(target)?.is_none() {
        let message = format!("fleet {} has no supervisor, so there is nothing to clear", target.state.fleet);
        return Err(CliError::failed(message, start(target)));
    }
    inbox::put(&target.state.paths.state, now, request)?;
    Ok(())
}

/// Refuses when the command runs inside one of the fleet's agents.
pub fn only_people(target: &Target, what: &str) -> Result<(), CliError> {
    match inside::own_agent(&target.state, &target.ledger) {
        Some(own) => {
            let message = format!("{own}, in which this command runs, is an agent, and {what} is for people");
            Err(CliError::refused(message, "ask a person to do it"))
        }
        None => Ok(()),
    }
}
