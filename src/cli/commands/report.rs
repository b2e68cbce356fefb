//! `fleet report`: the agent itself says what it does.

use std::time::Duration;

use crate::cli::args::Report;
use crate::cli::error::{CliError, Exit};
use crate::cli::ui::Ui;
use crate::heartbeat::{NOTE_MAX, Said, State};
use crate::shim::client::{Heard, Place, Unsaid};

/// How long a shim on a busy machine may take.
const PATIENCE: Duration = Duration::from_secs(5);

pub fn run(ui: &Ui, args: &Report) -> Result<Exit, CliError> {
    let state = args.state.name();
    if args.note.as_ref().is_some_and(|note| note.chars().count() > NOTE_MAX) {
        let message = format!("the note is longer than {NOTE_MAX} characters");
        return Err(CliError::usage(message, "put the text into a file and name the file in the note"));
    }
    let place = Place::of_this_process().ok_or_else(|| {
        CliError::refused(
            "refused: this is no agent of fleet's: FLEET_AGENT_DIR is not set",
            "only an agent reports for itself; `fleet status` shows what agents do",
        )
    })?;
    let said = Said { note: args.note.clone(), ..Said::new(State::from(args.state)) };
    let heard = place.say(&said, PATIENCE).map_err(|unsaid| match unsaid {
        Unsaid::Denied(error) => CliError::refused(format!("refused: {error}"), ""),
        Unsaid::File(error) => CliError::from(error),
    })?;
    if args.json {
        let by = if matches!(heard, Heard::ByShim) { "shim" } else { "file" };
        let agent = std::env::var("FLEET_AGENT").ok();
        ui.out(&serde_json::json!({ "format": 1, "agent": agent, "state": state, "by": by }).to_string());
        return Ok(Exit::Ok);
    }
    ui.out(&format!("reported: {state}"));
    if let Heard::OnDisk(Some(why)) = heard {
        ui.note(&format!("it waits in {} to be read: {why}", place.folder().display()));
    }
    Ok(Exit::Ok)
}
