//! `fleet send`.

use std::io::Read as _;
use std::time::Duration;

use crate::cli::args::{Global, Send};
use crate::cli::error::{CliError, Exit};
use crate::cli::target::Target;
use crate::cli::ui::Ui;
use crate::cli::{agents, target};
use crate::driver;
use crate::driver::client::AskError;
use crate::driver::words::{Answer, Ask};
use crate::ids::AgentName;
use crate::shim::client::{self, ClientError};
use crate::shim::protocol::{Outcome, SendRequest};
use crate::supervise::message::{Message, MessageState};
use crate::system::proc;

/// Longest wait for a verdict: the shim needs a few seconds for its proof, and others may be sending before us.
const ANSWER: Duration = Duration::from_mins(2);
/// Longest wait for a message's end, in seconds.
const WAIT_MAX: u64 = 86_400;
/// The supervisor answers within its wait; this is for a machine that is slow.
const GRACE: Duration = Duration::from_secs(10);
/// Longest message, in bytes: the shim refuses more.
const LONGEST: u64 = 64 << 10;

pub fn run(ui: &Ui, global: &Global, args: &Send) -> Result<Exit, CliError> {
    let target = target::find(global)?;
    let name = agents::one(&target, &args.agent)?;
    let text = text(args)?;
    match through_supervisor(&target, &name, &text, args)? {
        Some(message) => Ok(show_message(ui, args, &message)),
        None => directly(ui, &target, &name, text, args),
    }
}

/// Gives the message to the supervisor, which brings it when the agent takes it. `None`: none runs.
fn through_supervisor(
    target: &Target,
    name: &AgentName,
    text: &str,
    args: &Send,
) -> Result<Option<Message>, CliError> {
    let id: String = proc::random_id().chars().filter(char::is_ascii_hexdigit).take(16).collect();
    let id = format!("m-{id}");
    let wait = Duration::from_secs(args.wait.min(WAIT_MAX));
    let ask = Ask::Send {
        id: id.clone(),
        to: name.clone(),
        text: text.to_owned(),
        ttl_ms: args.ttl.saturating_mul(1_000),
        wait_ms: args.wait.min(WAIT_MAX) * 1_000,
    };
    let socket = driver::client::socket(&target.state.paths);
    match driver::client::ask(&socket, ask, wait + GRACE) {
        Ok(Answer::Message { message }) => Ok(Some(*message)),
        Ok(Answer::Refused { why, help }) => Err(CliError::refused(format!("refused: {why}"), help)),
        Ok(_) => Err(CliError::new(Exit::Unknown, "unknown: the supervisor's answer is of another kind", look(name))),
        Err(AskError::NotRunning) => Ok(None),
        Err(error @ AskError::Broken { asked: false, .. }) => Err(CliError::refused(format!("refused: {error}"), "")),
        Err(error) => {
            let help = format!("`fleet messages {name}` tells what became of {id}");
            Err(CliError::new(Exit::Unknown, format!("unknown: {error}"), help))
        }
    }
}

fn look(name: &AgentName) -> String {
    format!("look at `fleet screen {name}` before you send it again")
}

fn show_message(ui: &Ui, args: &Send, message: &Message) -> Exit {
    let (word, exit) = match message.state {
        MessageState::Confirmed => ("confirmed", Exit::Ok),
        MessageState::Submitted => ("submitted", Exit::Ok),
        MessageState::Queued | MessageState::Sending | MessageState::Taken => ("queued", Exit::Ok),
        MessageState::Refused | MessageState::Expired | MessageState::Recalled => ("refused", Exit::Refused),
        MessageState::Unknown => ("unknown", Exit::Unknown),
    };
    let why = match (&message.why, message.state) {
        (why, MessageState::Queued) if why.is_empty() => "it waits until the agent takes input".to_owned(),
        (why, _) => why.clone(),
    };
    if args.json {
        let value = serde_json::json!({
            "format": 1, "agent": message.to, "id": message.id, "outcome": word, "why": (!why.is_empty()).then_some(&why),
        });
        ui.out(&value.to_string());
        return exit;
    }
    ui.out(&if why.is_empty() { word.to_owned() } else { format!("{word}: {why}") });
    match message.state {
        MessageState::Queued | MessageState::Sending => {
            ui.note(&format!("`fleet messages {}` tells what becomes of {}", message.to, message.id));
        }
        MessageState::Unknown => ui.note(&look(&message.to)),
        _ => {}
    }
    exit
}

/// Gives the message to the agent's shim: it is typed now or not at all.
fn directly(ui: &Ui, target: &Target, name: &AgentName, text: String, args: &Send) -> Result<Exit, CliError> {
    let request = SendRequest { text, from: std::env::var("FLEET_AGENT").ok() };
    let socket = target.state.paths.socket(name);
    let answer = match client::send(&socket, &request, ANSWER) {
        Ok(answer) => answer,
        Err(error) if error.is_not_running() => {
            let message = format!("refused: agent `{name}` does not run");
            return Err(CliError::refused(message, format!("`fleet start {name}` starts it")));
        }
        // The shim says no before it types anything.
        Err(
            error @ (ClientError::Refused { .. }
            | ClientError::Version { .. }
            | ClientError::TooLong { .. }
            | ClientError::Denied { .. }),
        ) => {
            return Err(CliError::refused(format!("refused: {error}"), ""));
        }
        Err(error) => {
            let message = format!("unknown: {error}");
            return Err(CliError::new(Exit::Unknown, message, look(name)));
        }
    };
    if args.json {
        let mut value = serde_json::json!({ "format": 1, "agent": name });
        if let (Some(value), Ok(serde_json::Value::Object(fields))) =
            (value.as_object_mut(), serde_json::to_value(&answer))
        {
            value.extend(fields);
        }
        ui.out(&value.to_string());
    } else {
        let why = answer.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        let word = match answer.outcome {
            Outcome::Confirmed => "confirmed",
            Outcome::Submitted => "submitted",
            Outcome::Queued => "queued",
            Outcome::Refused => "refused",
            Outcome::Unknown => "unknown",
        };
        ui.out(&format!("{word}{why}"));
        if answer.outcome == Outcome::Unknown {
            ui.note(&look(name));
        }
    }
    Ok(match answer.outcome {
        Outcome::Confirmed | Outcome::Submitted | Outcome::Queued => Exit::Ok,
        Outcome::Refused => Exit::Refused,
        Outcome::Unknown => Exit::Unknown,
    })
}

fn text(args: &Send) -> Result<String, CliError> {
    if args.text != ["-"] {
        return Ok(args.text.join(" "));
    }
    let mut text = String::new();
    std::io::stdin().take(LONGEST + 1).read_to_string(&mut text).map_err(|error| {
        CliError::usage(format!("standard input is not text: {error}"), "a message is UTF-8 text of at most 64 KiB")
    })?;
    if text.len() as u64 > LONGEST {
        let message = format!("refused: the message is longer than {LONGEST} bytes");
        return Err(CliError::refused(message, "put it into a file and send the file's name"));
    }
    Ok(text)
}
