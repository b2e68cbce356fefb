//! The supervisor's one loop: sources in, the machine, the journal, effects out.

use std::fmt;
use std::io::{self, Write as _};

use tokio::signal::unix::{SignalKind, signal};

use crate::apply::ApplyError;
use crate::apply::state::State;
use crate::system::lock::{self, Attempt};
use crate::system::notify::Notifier;

/// Supervises the fleet of `state` until it is told to end.
///
/// # Errors
/// When another supervisor has this fleet, or it cannot begin.
pub fn run(state: &State) -> Result<(), ApplyError> {
    let lock = match lock::try_lock(&state.paths.state.join("supervisor.lock"), "supervise")? {
        Attempt::Taken(lock) => lock,
        Attempt::Held(holder) => {
            return Err(ApplyError::Locked { fleet: format!("{} (its supervisor)", state.fleet), holder });
        }
    };
    let notifier = Notifier::new(std::env::var_os("NOTIFY_SOCKET").as_deref(), report);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| ApplyError::other(format!("no event loop: {error}"), "try again"))?;
    let ended = runtime.block_on(async {
        let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        notifier.tell("READY=1");
        tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
        notifier.tell("STOPPING=1");
        io::Result::Ok(())
    });
    drop(lock);
    ended.map_err(|error| ApplyError::other(format!("signals cannot be waited for: {error}"), "try again"))
}

fn report(text: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr().lock(), "fleet supervise: {text}");
}
