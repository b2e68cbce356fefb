//! What the agent writes, on its way to everyone who wants it.

use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::{read, write};

use super::agent::Shim;
use crate::manifest::PatternKind;

/// Bytes read in one go before anyone else has a turn.
const CHUNK: usize = 16 << 10;

/// How soon after output the screen is searched for the ready pattern, and how often at most.
const READY_LOOK: Duration = Duration::from_millis(100);

/// A runtime without patterns is taken for ready after this long without output.
pub(super) const READY_QUIET: Duration = Duration::from_secs(1);

/// What a read of the terminal ended with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Read {
    /// There may be more.
    More,
    /// Nothing more for now.
    Empty,
    /// No process has the terminal open any longer.
    Hangup,
}

impl Shim {
    /// Reads and handles one chunk of output.
    pub(super) fn read_output(&mut self, now: Instant) -> Read {
        let mut chunk = [0; CHUNK];
        let mut filled = 0;
        let end = loop {
            match read(self.pty.master(), &mut chunk[filled..]) {
                Ok(0) => break Read::Hangup,
                Ok(count) => {
                    filled += count;
                    if filled == CHUNK {
                        break Read::More;
                    }
                }
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => break Read::Empty,
                Err(_) => break Read::Hangup,
            }
        };
        if filled > 0 {
            self.take_output(&chunk[..filled], now);
        }
        end
    }

    fn take_output(&mut self, bytes: &[u8], now: Instant) {
        self.bytes += bytes.len() as u64;
        self.last_output = now;
        self.log.append(&self.mask, bytes);
        let mut rest = bytes;
        while !rest.is_empty() {
            let (fed, read) = self.model.feed(rest, now);
            rest = &rest[read..];
            if fed.lost {
                self.complain("the terminal model failed on some output and started afresh; the agent draws anew");
                let _ = killpg(self.agent, Signal::SIGWINCH);
            }
            self.server.output(fed, now);
            if !rest.is_empty() {
                self.server.draw(&self.model, now);
            }
        }
        let answers = self.model.take_answers();
        if !self.type_in(&answers) {
            self.complain("the agent asks its terminal and does not read the answers: they are dropped");
        }
        if !self.ready.seen && self.ready.look_at.is_none() {
            self.ready.look_at = Some(now + READY_LOOK);
        }
    }

    /// Writes what the agent's terminal takes.
    pub(super) fn write_input(&mut self) {
        while !self.input.is_empty() {
            let (front, _) = self.input.as_slices();
            match write(self.pty.master(), front) {
                Ok(count) => drop(self.input.drain(..count)),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return,
                Err(_) => self.input.clear(),
            }
        }
        self.input.shrink_to(4096);
    }

    /// Looks for the ready pattern when it is time to.
    pub(super) fn tick_ready(&mut self, now: Instant) {
        if self.ready.look_at.is_none_or(|at| at > now) {
            return;
        }
        self.ready.look_at = None;
        // A runtime that never says "ready" is ready when it waits for the first time; one that says nothing at all,
        // when it is quiet for the first time.
        let said = [PatternKind::Ready, PatternKind::Idle].into_iter().find(|&kind| self.patterns.has(kind));
        self.ready.seen = match said {
            Some(kind) => self.patterns.find(kind, &self.model.text()).is_some(),
            None => now >= self.last_output + READY_QUIET,
        };
        if said.is_none() && !self.ready.seen && self.deliveries.has_first() {
            self.ready.look_at = Some(self.last_output + READY_QUIET);
        }
    }
}
