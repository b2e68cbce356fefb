//! A pager on the agent's log, in place of the agent's screen for a while.

use std::fs::File;
use std::io::{self, BufRead as _, Seek as _, Write as _};
use std::os::fd::AsFd as _;
use std::process::{Child, Command, Stdio};

use nix::poll::{PollFd, PollFlags};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::signal::Signal;

use super::connection::wait_for;
use super::signals::Signals;
use crate::system::proc::Handle;

/// Shows `text` until the person has read enough. The terminal is in its usual state. False: there is no pager.
///
/// # Errors
/// When the text cannot be handed over, or the pager cannot be waited for.
pub(super) fn show(text: &str, signals: &mut Signals) -> io::Result<bool> {
    // A file without a name: a pager reads a pipe only as far as it shows, and a named file would be left by a crash.
    let mut file = File::from(memfd_create("fleet-log", MFdFlags::MFD_CLOEXEC)?);
    file.write_all(text.as_bytes())?;
    let own = std::env::var("PAGER").ok().and_then(|words| shell_words::split(&words).ok());
    for words in own.into_iter().chain([vec!["less".to_owned()]]) {
        let Some((program, arguments)) = words.split_first() else { continue };
        file.rewind()?;
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::from(file.try_clone()?));
        let is_less = program.rsplit('/').next() == Some("less");
        if is_less {
            // Open at the end, and stay open for a text that is not longer than the screen.
            command.args(["-R", "-+F", "+G"]);
        }
        let Ok(child) = command.spawn() else { continue };
        wait(child, signals)?;
        // Others end with their text, which would be gone at once.
        if !is_less && signals.ending().is_none() {
            let _ = write!(io::stdout(), "[Enter goes back] ").and_then(|()| io::stdout().flush());
            let _ = io::stdin().lock().read_line(&mut String::new());
        }
        return Ok(true);
    }
    Ok(false)
}

/// Waits for the pager, and ends it when this process has to end.
fn wait(mut child: Child, signals: &mut Signals) -> io::Result<()> {
    let Some(handle) = Handle::of_pid(child.id())? else { return child.wait().map(drop) };
    loop {
        let mut fds =
            [PollFd::new(handle.as_fd(), PollFlags::POLLIN), PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
        wait_for(&mut fds, None)?;
        let ended = fds[0].any() == Some(true);
        signals.clear();
        // Keys at its terminal are the pager's affair.
        signals.forgive_keys();
        if signals.ending().is_some() && !ended {
            let _ = handle.signal(Signal::SIGTERM);
        }
        if ended || signals.ending().is_some() {
            return child.wait().map(drop);
        }
    }
}
