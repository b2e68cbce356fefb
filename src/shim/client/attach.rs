//! `fleet attach`: the agent's screen on the caller's terminal. One thread, one poll loop.

use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags};
use nix::sys::signal::Signal;

use super::connection::{CTRL_C, Connection, Over, failed, read_input, wait_for};
use super::exchange::{converse, opening};
use super::keys::{DetachKey, Keys};
use super::signals::Signals;
use super::terminal::Terminal;
use super::{ANSWER_TIMEOUT, ClientError, pager};
use crate::shim::protocol::{AttachMode, AttachRequest, Ended};
use crate::shim::transcript;

/// Waits between looks for the agent to come back: from the first, doubled up to the second.
const LOOK: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

/// What to attach to, and how.
#[derive(Debug, Clone)]
pub struct Attachment {
    pub socket: PathBuf,
    /// The agent's name, for people.
    pub name: String,
    /// Look, do not type.
    pub watch: bool,
    pub detach_key: DetachKey,
    /// Wait for the agent to start, and to start again, instead of ending with it.
    pub reconnect: bool,
    /// Say on the last row for a moment how to leave, over the agent's first picture.
    pub hint: bool,
    /// The folder of the agent's log, which the detach key and `[` show.
    pub log: Option<PathBuf>,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttachEnd {
    /// The viewer left, or its terminal is gone. The agent goes on.
    Detached,
    /// The agent ended. Neither code nor signal: its shim was killed before it could say.
    Ended { code: Option<i32>, signal: Option<i32> },
    /// There was nothing to attach to.
    NeverRan,
}

/// Shows the agent on this process's terminal until the viewer detaches or the agent ends, and says which on it.
///
/// The terminal is given back as it was on every way out, a panic included. A signal that asks this process to end does
/// so, after that, by this signal: then `attach` does not return.
///
/// # Errors
/// When standard input or output is no terminal, or the shim refuses the viewer.
pub fn attach(attachment: &Attachment) -> Result<AttachEnd, ClientError> {
    let terminal = Terminal::new()?;
    let signals = Signals::new().map_err(|error| failed("catching signals", error))?;
    let mut viewer = Viewer { attachment, terminal, signals, keys: Keys::new(attachment.detach_key) };
    let end = viewer.run();
    viewer.terminal.leave();
    let signal = viewer.signals.ending();
    drop(viewer);
    if let Some(signal) = signal {
        let _ = signal_hook::low_level::emulate_default_handler(signal);
    }
    end
}

/// The caller's side, over all runs of the agent.
pub(super) struct Viewer<'a> {
    pub(super) attachment: &'a Attachment,
    pub(super) terminal: Terminal,
    pub(super) signals: Signals,
    /// Of what is typed while the agent does not run.
    keys: Keys,
}

impl Viewer<'_> {
    fn run(&mut self) -> Result<AttachEnd, ClientError> {
        let Attachment { socket, name, reconnect, detach_key, .. } = self.attachment;
        let mut last = AttachEnd::NeverRan;
        let mut told = false;
        let mut look = LOOK.0;
        loop {
            match self.connect().and_then(|stream| self.show(stream)) {
                Ok((Over::Left, _)) => {
                    self.terminal.say(&format!("detached from {name}, which goes on"));
                    return Ok(AttachEnd::Detached);
                }
                Ok((Over::Ended(Ended { code, signal }), seen)) => {
                    // A shim on its way out may still take connections: what it said before stands.
                    if seen || last == AttachEnd::NeverRan {
                        last = AttachEnd::Ended { code, signal };
                        told = false;
                        look = LOOK.0;
                    }
                }
                Err(error) if error.has_ended() => {}
                Err(error) => return Err(error),
            }
            let state = describe(name, last);
            if !reconnect {
                if last != AttachEnd::NeverRan {
                    self.terminal.say(&state);
                }
                return Ok(last);
            }
            // Before the key is named: pressed at once, it would be a signal.
            self.terminal.raw()?;
            if !told {
                let again = if last == AttachEnd::NeverRan { "" } else { " again" };
                self.terminal.say(&format!("{state}; waiting for it to start{again}, {detach_key} leaves"));
                told = true;
            }
            if self.leaves_within(look, socket)? {
                return Ok(last);
            }
            look = (look * 2).min(LOOK.1);
        }
    }

    fn connect(&self) -> Result<UnixStream, ClientError> {
        let (columns, rows) = self.terminal.size();
        let mode = if self.attachment.watch { AttachMode::Ro } else { AttachMode::Rw };
        let request = AttachRequest { mode, columns, rows };
        converse(&self.attachment.socket, &opening("attach", &request)?, ANSWER_TIMEOUT)
    }

    /// One agent's run, from drawing to its end. The second value: whether the agent was seen.
    fn show(&mut self, stream: UnixStream) -> Result<(Over, bool), ClientError> {
        let Attachment { name, detach_key: key, watch, .. } = self.attachment;
        let log = if self.attachment.log.is_some() { ", with [ shows the log" } else { "" };
        let hint = if *watch {
            format!("watching {name}; {key} leaves{log}")
        } else {
            format!("attached to {name}; {key} detaches, twice sends it to the agent{log}")
        };
        self.terminal.raw()?;
        self.terminal.say(&hint);
        let result = Connection::new(self, stream, self.attachment.hint.then_some(hint)).run();
        self.terminal.leave();
        let (over, seen, notices) = result?;
        for notice in notices {
            self.terminal.say(&notice);
        }
        Ok((over, seen))
    }

    /// Waits `wait`, or less when the viewer has had enough.
    fn leaves_within(&mut self, wait: Duration, socket: &Path) -> Result<bool, ClientError> {
        let deadline = Instant::now() + wait;
        loop {
            if self.keys.expired(Instant::now()) {
                return Ok(true);
            }
            let next = self.keys.deadline().map_or(deadline, |key| key.min(deadline));
            let left = next.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(false);
            }
            let input = io::stdin();
            let mut fds =
                [PollFd::new(self.signals.as_fd(), PollFlags::POLLIN), PollFd::new(input.as_fd(), PollFlags::POLLIN)];
            wait_for(&mut fds, Some(left))
                .map_err(|error| failed(&format!("waiting for {}", socket.display()), error.into()))?;
            let typed = fds[1].any() == Some(true);
            self.signals.clear();
            if self.signals.ending().is_some() {
                return Ok(true);
            }
            if typed {
                let bytes = match read_input() {
                    Ok(bytes) if !bytes.is_empty() && !bytes.contains(&CTRL_C) => bytes,
                    _ => return Ok(true),
                };
                let typed = self.keys.feed(&bytes, Instant::now());
                if typed.detach {
                    return Ok(true);
                }
                if typed.pager && self.attachment.log.is_some() {
                    if let Some(trouble) = self.show_log() {
                        self.terminal.say(&trouble);
                    }
                    self.terminal.raw()?;
                }
            }
        }
    }

    /// Shows the agent's log until the person has read enough, and gives in words what kept it from that. The terminal
    /// is in its usual state afterwards if a pager has had it.
    pub(super) fn show_log(&mut self) -> Option<String> {
        let Attachment { socket, log: Some(folder), .. } = self.attachment else { return None };
        let (columns, rows) = match super::screen(socket, ANSWER_TIMEOUT) {
            Ok(screen) => (screen.columns, screen.rows),
            Err(_) => self.terminal.size(),
        };
        match transcript(folder, columns, rows) {
            Ok(Some(text)) => {
                self.terminal.leave();
                match pager::show(&text, &mut self.signals) {
                    Ok(true) => None,
                    Ok(false) => Some("there is no pager: set PAGER, or install less".to_owned()),
                    Err(error) => Some(format!("the pager failed: {error}")),
                }
            }
            Ok(None) => Some("there is no log of this agent: `log` in the roster says what is kept".to_owned()),
            Err(error) => Some(format!("the log cannot be read: {error}")),
        }
    }
}

/// How `name` ended, in words.
fn describe(name: &str, end: AttachEnd) -> String {
    match end {
        AttachEnd::Ended { code: Some(code), .. } => format!("{name} ended (exit {code})"),
        AttachEnd::Ended { signal: Some(signal), .. } => match Signal::try_from(signal) {
            Ok(known) => format!("{name} ended ({})", known.as_str()),
            Err(_) => format!("{name} ended (signal {signal})"),
        },
        AttachEnd::Ended { .. } => format!("{name} ended (its shim did not say how; `fleet status` may)"),
        AttachEnd::NeverRan | AttachEnd::Detached => format!("{name} is not running"),
    }
}
