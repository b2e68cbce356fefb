//! The loop. One turn: wait for something, handle it, see what time it is.

use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;

use super::agent::Shim;
use super::ending::Ending;
use super::output::Read;
use super::process;
use super::report;

/// How often a terminal that nobody has open is looked at. It can only get there by force: the shim keeps it open.
const HUNG_LOOK: Duration = Duration::from_millis(250);

/// What the loop waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    Signals,
    Terminal,
    Listener,
    Connection(u64),
}

impl Shim {
    /// Turns until the agent has ended.
    pub(super) fn run(mut self) -> Ending {
        loop {
            let events = match self.wait() {
                Ok(events) => events,
                Err(error) => {
                    report(format_args!("poll: {error}"));
                    Vec::new()
                }
            };
            let now = Instant::now();
            let mut child = false;
            for (source, flags) in events {
                match source {
                    Source::Signals => child = self.take_signals(now),
                    Source::Terminal => self.serve_terminal(flags, now),
                    Source::Listener => self.server.accept(now),
                    Source::Connection(id) => self.serve_connection(id, flags, now),
                }
            }
            if child {
                process::reap_orphans(self.agent);
                if let Some(ended) = process::ended(self.agent) {
                    return self.finish(ended);
                }
            }
            self.tick(now);
        }
    }

    /// Waits for the next event or deadline. A quiet agent without company is waited for without end.
    fn wait(&mut self) -> nix::Result<Vec<(Source, PollFlags)>> {
        let timeout = self.next_deadline().map_or(PollTimeout::NONE, |at| {
            let left = at.saturating_duration_since(Instant::now());
            // Up, so that the deadline has passed when poll returns.
            let millis = left.as_millis() + u128::from(left.subsec_nanos() % 1_000_000 != 0);
            PollTimeout::from(u16::try_from(millis).unwrap_or(u16::MAX))
        });
        let mut sources = vec![Source::Signals];
        let mut fds = vec![PollFd::new(self.signals.as_fd(), PollFlags::POLLIN)];
        if self.hung_until.is_none() {
            let mut flags = PollFlags::POLLIN;
            if !self.input.is_empty() {
                flags |= PollFlags::POLLOUT;
            }
            sources.push(Source::Terminal);
            fds.push(PollFd::new(self.pty.master(), flags));
        }
        self.server.poll_fds(&mut sources, &mut fds);
        match poll(&mut fds, timeout) {
            Ok(_) => {}
            Err(Errno::EINTR) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        }
        let happened = fds.iter().map(|fd| fd.revents().unwrap_or(PollFlags::empty()));
        Ok(sources.into_iter().zip(happened).filter(|(_, flags)| !flags.is_empty()).collect())
    }

    /// Reads the pending signals; whether a child has changed.
    fn take_signals(&mut self, now: Instant) -> bool {
        let mut child = false;
        while let Ok(Some(info)) = self.signals.read_signal() {
            match i32::try_from(info.ssi_signo).ok().and_then(|number| Signal::try_from(number).ok()) {
                Some(Signal::SIGCHLD) => child = true,
                Some(_) => self.ask_to_stop(now),
                None => {}
            }
        }
        child
    }

    fn serve_terminal(&mut self, flags: PollFlags, now: Instant) {
        if flags.contains(PollFlags::POLLOUT) {
            self.write_input();
        }
        if flags.intersects(PollFlags::POLLIN | PollFlags::POLLHUP | PollFlags::POLLERR)
            && self.read_output(now) == Read::Hangup
        {
            self.hung_until = Some(now + HUNG_LOOK);
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        [
            self.hung_until,
            self.ready.look_at,
            self.stop.as_ref().and_then(|stop| stop.next_at),
            self.deliveries.deadline(),
            self.server.deadline(&self.model, self.last_output),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Everything that is due.
    fn tick(&mut self, now: Instant) {
        if self.hung_until.is_some_and(|at| at <= now) {
            self.hung_until = None;
        }
        self.tick_ready(now);
        self.tick_stop(now);
        self.tick_deliveries(now);
        self.tick_server(now);
        // At once: most input is short, and waiting for poll to say so would cost a turn.
        if !self.input.is_empty() && self.hung_until.is_none() {
            self.write_input();
        }
    }
}
