//! The canary: a scripted agent for demos and tests, run by the hidden command `fleet canary <script.json>`.
//!
//! It behaves like an agent CLI as far as fleet can tell: a title, an input line at the bottom, a busy line, dialogs,
//! bracketed paste, polite ends. What it does and when stands in a [`crate::script`].
//!
//! ```text
//! hello                      printed lines, oldest first
//! got: what you typed
//! * working (3s)             only while busy
//! > draft                    or, in a dialog: ? question [y/N]
//! ```

mod heartbeat;
mod keys;
mod runner;
mod screen;
mod terminal;
mod time;
mod walk;

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use crate::script::Script;

/// Runs the script in `script_file` on the terminal of this process, and says how it ended.
///
/// Exits with the script's own code, with 0 after `/quit`, with 143 on SIGTERM, with 129 when the terminal is gone, and
/// with 1 when it cannot start. Blocks signals in the calling thread, so it expects to be the only one.
pub fn run(script_file: &Path) -> ExitCode {
    let ended = read(script_file).and_then(|script| {
        runner::run(&script).map_err(|error| format!("the terminal: {error}; run it in a terminal or under fleet"))
    });
    match ended {
        Ok(code) => ExitCode::from(code),
        Err(why) => {
            let _ = writeln!(std::io::stderr(), "canary: {why}");
            ExitCode::FAILURE
        }
    }
}

fn read(script_file: &Path) -> Result<Script, String> {
    let place = script_file.display();
    let text = std::fs::read_to_string(script_file)
        .map_err(|error| format!("{place}: {error}; `fleet apply` renders scripts"))?;
    Script::parse(&text).map_err(|error| format!("{place}: {error}"))
}
