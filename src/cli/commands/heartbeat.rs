//! `fleet heartbeat`: called by an agent's hooks, often and in the agent's own time.

use std::time::Duration;

use crate::cli::args::Heartbeat;
use crate::cli::error::Exit;
use crate::cli::ui::Ui;
use crate::heartbeat::hook::{self, Call};
use crate::heartbeat::{Said, State};
use crate::shim::client::{Heard, Place};

/// How long the shim may take to answer. A busy one has the word all the same when it comes to it, and so has the folder.
const PATIENCE: Duration = Duration::from_millis(200);

/// Whether this process was started as `fleet heartbeat`.
pub fn is_asked_for() -> bool {
    std::env::args_os().nth(1).is_some_and(|word| word == "heartbeat")
}

/// Says the word, and never fails.
pub fn run(ui: &Ui, args: &Heartbeat) -> Exit {
    let call = match &args.call {
        Some(text) => hook::understand(text.as_bytes()),
        None if args.from_hook => hook::understand(&hook::take(std::io::stdin())),
        None => Call::default(),
    };
    let Some(place) = Place::of_this_process() else {
        ui.note("this is no agent of fleet's: FLEET_AGENT_DIR is not set");
        return Exit::Ok;
    };
    match place.say(&said(args, call), PATIENCE) {
        Ok(Heard::ByShim | Heard::OnDisk(None)) => {}
        Ok(Heard::OnDisk(Some(why))) => ui.note(&format!("noted in {}: {why}", place.folder().display())),
        Err(unsaid) => ui.note(&format!("not noted: {unsaid}")),
    }
    Exit::Ok
}

fn said(args: &Heartbeat, call: Call) -> Said {
    let state = State::from(args.state);
    let mark = call.mark().filter(|_| state == State::Tool);
    // Why it is blocked is for people; a hook's chat about anything else would only fill the journal.
    let note = match (state, call.error, call.message) {
        (State::Blocked, Some(error), Some(message)) => Some(format!("{error}: {message}")),
        (State::Blocked, error, message) => error.or(message),
        _ => None,
    };
    Said {
        progress: args.progress,
        note,
        event: args.event.clone().or(call.event),
        session: call.session,
        call: mark,
        ..Said::new(state)
    }
}
