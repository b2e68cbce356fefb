//! `fleet send`.

use std::io::Read as _;
use std::time::Duration;

use crate::cli::args::{Global, Send};
use crate::cli::error::{CliError, Exit};
use crate::cli::ui::Ui;
use crate::cli::{agents, target};
use crate::shim::client::{self, ClientError};
use crate::shim::protocol::{Outcome, SendRequest};

/// Longest wait for a verdict: the shim needs a few seconds for its proof, and others may be sending before us.
const ANSWER: Duration = Duration::from_mins(2);
/// Longest message, in bytes: the shim refuses more.
const LONGEST: u64 = 64 << 10;

pub fn run(ui: &Ui, global: &Global, args: &Send) -> Result<Exit, CliError> {
    let target = target::find(global)?;
    let name = agents::one(&target, &args.agent)?;
    let request = SendRequest { text: text(args)?, from: std::env::var("FLEET_AGENT").ok() };
    let socket = target.state.paths.socket(&name);
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
            let help = format!("look at `fleet screen {name}` before you send it again");
            return Err(CliError::new(Exit::Unknown, message, help));
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
            ui.note(&format!("look at `fleet screen {name}` before you send it again"));
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
