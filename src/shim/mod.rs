//! The shim: the main process of one agent's unit.
//!
//! One thread and one poll loop own the agent's pseudo-terminal:
//!
//! ```text
//! agent's output → log
//!                → terminal model → answers to its queries
//!                                 → viewers, screens, patterns, proofs
//! ```
//!
//! [`run`] does it all and says how the agent ended. The way it ends *is* the way the shim ends, so that whoever started
//! the shim sees the truth. `docs/shim.md` explains the choices.

mod agent;
mod classify;
pub mod client;
#[cfg(test)]
mod contained;
mod conversation;
mod deliver;
mod ending;
mod environment;
mod finish;
pub mod following;
mod keeper;
mod lock;
mod log;
mod mask;
mod models;
mod output;
mod patterns;
mod process;
pub mod protocol;
mod pty;
pub mod reader;
mod records;
pub mod runs;
mod secrets;
mod serve;
mod start;
mod stop;
mod terminal;
mod transcript;
mod turn;

pub use conversation::RECORD as CONVERSATION;
pub use models::RECORD as MODEL;

use std::fmt;
use std::io::{self, Write as _};
use std::panic;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

pub use ending::Ending;
pub use transcript::{Pieces, Player, transcript, transcript_of_runs, transcripts};

/// Why the agent was not started.
#[derive(Debug)]
struct StartError {
    /// The shim's exit status: 75 when another shim has the agent, 78 when the configuration cannot work (sysexits.h).
    status: u8,
    message: String,
}

impl StartError {
    fn config(message: impl Into<String>) -> Self {
        Self { status: 78, message: message.into() }
    }

    fn held(message: impl Into<String>) -> Self {
        Self { status: 75, message: message.into() }
    }
}

/// Runs the agent of the manifest at `path` to its end.
#[must_use]
pub fn run(path: &Path) -> Ending {
    name_the_first_panic();
    if let Some(ending) = keeper::part() {
        return ending;
    }
    loop {
        match start::start(path).map(agent::Shim::run) {
            // What could not be resumed is forgotten, so this happens once.
            Ok(Ending::Afresh) => {}
            Ok(ending) => return ending,
            Err(error) => {
                report(format_args!("{}", error.message));
                return Ending::Status(error.status);
            }
        }
    }
}

/// An agent that knows how to make the terminal model fail can do so without end, and the words of a panic may quote what
/// is on the screen: only where the first one was is told.
fn name_the_first_panic() {
    static NAMED: AtomicBool = AtomicBool::new(false);
    panic::set_hook(Box::new(|panic| {
        if !NAMED.swap(true, Ordering::Relaxed) {
            let place = panic.location().map_or_else(String::new, ToString::to_string);
            report(format_args!("an internal failure at {place}: please report it"));
        }
    }));
}

/// One line on stderr, which the service manager keeps. A closed stderr must not hurt the agent.
fn report(text: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr().lock(), "fleet-shim: {text}");
}
