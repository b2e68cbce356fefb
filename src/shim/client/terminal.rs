//! The caller's terminal: taken over for a while and given back as it was, whatever happens.

use std::io::{self, IsTerminal as _};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::sync::{Mutex, MutexGuard, Once, PoisonError, TryLockError};

use nix::errno::Errno;
use nix::libc;
use nix::sys::termios::{self, SetArg, Termios};

use super::ClientError;

/// Saves the title and enters an empty alternate screen. There most terminals make arrow keys of the wheel (mode 1007),
/// which an agent would take for a person's: it gets the wheel when it asks for the mouse, and not otherwise.
const ENTER: &str = "\x1b[22;2t\x1b[?1049h\x1b[?1007s\x1b[?1007l\x1b[2J\x1b[H";

/// Undoes [`ENTER`] and every mode that an agent may have had switched on through the shim: synchronized updates, mouse
/// reports of every kind, focus reports, bracketed paste, application cursor keys and keypad, no wrapping, margins, the
/// cursor's shape and visibility, colours. The wheel's mode is on where it cannot be restored, as in most terminals.
const LEAVE: &str = concat!(
    "\x1b[?2026l",
    "\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1005l\x1b[?1006l\x1b[?1015l",
    "\x1b[?1007h\x1b[?1007r",
    "\x1b[?1004l\x1b[?2004l\x1b[?1l\x1b>\x1b[?7h\x1b[r",
    "\x1b[0 q\x1b[0m\x1b[?1049l\x1b[0m\x1b[?25h\x1b[23;2t",
);

/// What must be undone. One per process, like the terminal, so that a panic anywhere can undo it.
static TAKEN: Mutex<Taken> = Mutex::new(Taken { modes: None, drawn: false });

/// The panic hook is set once, however often something attaches.
static HOOK: Once = Once::new();

#[derive(Debug)]
struct Taken {
    /// As they were before raw mode.
    modes: Option<Termios>,
    drawn: bool,
}

/// Standard input and output. Given back when dropped.
#[derive(Debug)]
pub(crate) struct Terminal(());

#[allow(clippy::unused_self, reason = "only who has the terminal may change it")]
impl Terminal {
    /// Makes sure that both are terminals. Changes nothing yet.
    pub(crate) fn new() -> Result<Self, ClientError> {
        if !io::stdin().is_terminal() {
            return Err(ClientError::NotATerminal { stream: "standard input" });
        }
        if !io::stdout().is_terminal() {
            return Err(ClientError::NotATerminal { stream: "standard output" });
        }
        HOOK.call_once(|| {
            let next = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                // Before the message, which would vanish with the alternate screen.
                let taken = match TAKEN.try_lock() {
                    Ok(taken) => Some(taken),
                    Err(TryLockError::Poisoned(taken)) => Some(taken.into_inner()),
                    Err(TryLockError::WouldBlock) => None,
                };
                if let Some(taken) = taken {
                    give_back(taken, SetArg::TCSANOW);
                }
                next(panic);
            }));
        });
        Ok(Self(()))
    }

    /// Switches line editing, echo and signal keys off.
    pub(crate) fn raw(&self) -> Result<(), ClientError> {
        let failed =
            |errno: Errno| ClientError::Io { doing: "setting up the terminal".to_owned(), error: errno.into() };
        let mut taken = lock();
        if taken.modes.is_some() {
            return Ok(());
        }
        let before = termios::tcgetattr(io::stdin().as_fd()).map_err(failed)?;
        let mut raw = before.clone();
        termios::cfmakeraw(&mut raw);
        termios::tcsetattr(io::stdin().as_fd(), SetArg::TCSANOW, &raw).map_err(failed)?;
        taken.modes = Some(before);
        Ok(())
    }

    /// [`Terminal::raw`], and an empty screen to draw on, unless it has one.
    pub(crate) fn enter(&self) -> Result<(), ClientError> {
        self.raw()?;
        if !std::mem::replace(&mut lock().drawn, true) {
            write(ENTER.as_bytes());
        }
        Ok(())
    }

    /// Gives it back. What was typed and not read yet is dropped: it was meant for the agent, or is a late mouse report.
    pub(crate) fn leave(&self) {
        give_back(lock(), SetArg::TCSAFLUSH);
    }

    /// Writes whole lines, in raw mode too.
    pub(crate) fn say(&self, text: &str) {
        write(format!("{text}\r\n").as_bytes());
    }

    /// Columns and rows, 80 by 24 where it does not say.
    pub(crate) fn size(&self) -> (u16, u16) {
        let mut size = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
        // SAFETY: TIOCGWINSZ writes one `winsize`, and `size` is one.
        let failed = unsafe { libc::ioctl(io::stdout().as_raw_fd(), libc::TIOCGWINSZ, &raw mut size) } != 0;
        if failed || size.ws_col == 0 || size.ws_row == 0 { (80, 24) } else { (size.ws_col, size.ws_row) }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.leave();
    }
}

fn lock() -> MutexGuard<'static, Taken> {
    TAKEN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn give_back(mut taken: MutexGuard<'static, Taken>, how: SetArg) {
    if std::mem::take(&mut taken.drawn) {
        write(LEAVE.as_bytes());
    }
    if let Some(before) = taken.modes.take() {
        let _ = termios::tcsetattr(io::stdin().as_fd(), how, &before);
    }
}

/// A terminal that is gone takes nothing and needs nothing.
fn write(mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match nix::unistd::write(io::stdout().as_fd(), bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::EINTR) => {}
            Err(_) => return,
        }
    }
}
