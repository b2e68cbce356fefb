//! The signals that matter while a terminal is not in its usual state, as something `poll` can wait for.

use std::io::{self, Read as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::libc::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGWINCH};
use signal_hook::{SigId, flag, low_level};

/// Signals that end a program. In raw mode no key sends them, so each comes from outside.
const ENDING: [i32; 4] = [SIGTERM, SIGHUP, SIGINT, SIGQUIT];

/// Catches the signals while it lives. Once it is dropped they are ignored, not fatal again: a process that goes on for
/// long after an `attach` has to set its own.
#[derive(Debug)]
pub(crate) struct Signals {
    reader: UnixStream,
    ending: Arc<AtomicUsize>,
    ids: Vec<SigId>,
}

impl Signals {
    /// Takes the signals over from whatever handled them.
    pub(crate) fn new() -> io::Result<Self> {
        let (reader, writer) = UnixStream::pair()?;
        reader.set_nonblocking(true)?;
        let mut signals = Self { reader, ending: Arc::new(AtomicUsize::new(0)), ids: Vec::new() };
        for signal in ENDING {
            let number = usize::try_from(signal).expect("signal numbers are small and positive");
            // Before the wake-up, so that whoever wakes finds the number.
            signals.ids.push(flag::register_usize(signal, Arc::clone(&signals.ending), number)?);
            signals.ids.push(low_level::pipe::register(signal, writer.try_clone()?)?);
        }
        signals.ids.push(low_level::pipe::register(SIGWINCH, writer)?);
        Ok(signals)
    }

    /// Forgets the wake-ups so far.
    pub(crate) fn clear(&mut self) {
        let mut bytes = [0; 64];
        while matches!(self.reader.read(&mut bytes), Ok(1..)) {}
    }

    /// Forgets signals that keys send: pressed while another program had the terminal, they were meant for that one.
    pub(crate) fn forgive_keys(&self) {
        for signal in [SIGINT, SIGQUIT] {
            let number = usize::try_from(signal).expect("signal numbers are small and positive");
            let _ = self.ending.compare_exchange(number, 0, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    /// The signal that asks this process to end, if one came.
    pub(crate) fn ending(&self) -> Option<i32> {
        i32::try_from(self.ending.load(Ordering::Relaxed)).ok().filter(|&signal| signal != 0)
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.reader.as_fd()
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        for id in self.ids.drain(..) {
            low_level::unregister(id);
        }
    }
}
