//! One connection of `attach`: what is typed goes to the shim, what the shim draws goes to the terminal.

use std::io::{self, Read as _};
use std::ops::ControlFlow;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{MsgFlags, send};

use super::ClientError;
use super::attach::{Attachment, Viewer};
use super::exchange::refusal;
use super::keys::Keys;
use crate::shim::protocol::{Ended, Frame, Notice, from_shim, to_shim};

/// Bytes held for a slow terminal or a slow shim before the other side is left waiting.
const HELD: usize = 256 * 1024;

/// How long a notice stands on the last row.
const NOTICE: Duration = Duration::from_secs(3);

/// Ends a viewer who cannot type, as everywhere else.
pub(super) const CTRL_C: u8 = 0x03;

/// What a person asked of the viewer itself.
enum Wish {
    Nothing,
    Log,
    Leave,
}

/// Why a connection is over.
pub(super) enum Over {
    Left,
    Ended(Ended),
}

/// One connection.
pub(super) struct Connection<'v, 'a> {
    viewer: &'v mut Viewer<'a>,
    stream: UnixStream,
    heard: Vec<u8>,
    /// A frame came: it is no refusal any more.
    agreed: bool,
    /// For the terminal.
    draw: Vec<u8>,
    /// For the shim.
    say: Vec<u8>,
    keys: Keys,
    /// What the shim had to say, each once. Told again at the end, where it stays readable.
    notices: Vec<String>,
    /// How to leave, or what came of the pager, shown over the next picture.
    hint: Option<String>,
    /// Until when the last one stands on the screen.
    noticed: Option<Instant>,
}

impl<'v, 'a> Connection<'v, 'a> {
    pub(super) fn new(viewer: &'v mut Viewer<'a>, stream: UnixStream, hint: Option<String>) -> Self {
        let keys = Keys::new(viewer.attachment.detach_key);
        Self {
            viewer,
            stream,
            heard: Vec::new(),
            agreed: false,
            draw: Vec::new(),
            say: Vec::new(),
            keys,
            notices: Vec::new(),
            hint,
            noticed: None,
        }
    }

    /// To its end. With it: whether the agent was seen at all, and what the shim had to say.
    pub(super) fn run(mut self) -> Result<(Over, bool, Vec<String>), ClientError> {
        let over = loop {
            if let ControlFlow::Break(over) = self.turn()? {
                break over;
            }
        };
        if matches!(over, Over::Left) {
            let _ = send(self.stream.as_raw_fd(), &Frame::encode(to_shim::DETACH, b""), MsgFlags::MSG_NOSIGNAL);
        }
        Ok((over, self.agreed, self.notices))
    }

    /// Waits once and does what can be done then.
    fn turn(&mut self) -> Result<ControlFlow<Over>, ClientError> {
        let (input, output) = (io::stdin(), io::stdout());
        let when = |wanted: bool, flag: PollFlags| if wanted { flag } else { PollFlags::empty() };
        let stream_flags =
            when(self.draw.len() < HELD, PollFlags::POLLIN) | when(!self.say.is_empty(), PollFlags::POLLOUT);
        let mut fds = vec![
            PollFd::new(self.viewer.signals.as_fd(), PollFlags::POLLIN),
            PollFd::new(input.as_fd(), when(self.say.len() < HELD, PollFlags::POLLIN)),
            PollFd::new(self.stream.as_fd(), stream_flags),
        ];
        if !self.draw.is_empty() {
            fds.push(PollFd::new(output.as_fd(), PollFlags::POLLOUT));
        }
        let next = self.keys.deadline().into_iter().chain(self.noticed).min();
        let wait = next.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        wait_for(&mut fds, wait).map_err(|errno| failed("waiting for the terminal", errno.into()))?;
        let came: Vec<bool> = fds.iter().map(|fd| fd.any() == Some(true)).collect();
        drop(fds);

        if came[0] {
            self.viewer.signals.clear();
            if self.viewer.signals.ending().is_some() {
                return Ok(ControlFlow::Break(Over::Left));
            }
            self.say_size();
        }
        if self.noticed.is_some_and(|until| Instant::now() >= until) {
            self.noticed = None;
            // A shim draws the whole screen for a viewer that tells its size, and the notice goes.
            self.say_size();
        }
        if came[1] {
            match self.typed() {
                Wish::Nothing => {}
                Wish::Log => self.show_log()?,
                Wish::Leave => return Ok(ControlFlow::Break(Over::Left)),
            }
        }
        if self.keys.expired(Instant::now()) || self.viewer.signals.ending().is_some() {
            return Ok(ControlFlow::Break(Over::Left));
        }
        if came.get(3) == Some(&true) && !self.drawn() {
            return Ok(ControlFlow::Break(Over::Left));
        }
        self.said();
        if came[2] { self.listen() } else { Ok(ControlFlow::Continue(())) }
    }

    /// Takes what was typed. A terminal that is gone is left.
    fn typed(&mut self) -> Wish {
        let bytes = match read_input() {
            Ok(bytes) if !bytes.is_empty() => bytes,
            Err(Errno::EINTR | Errno::EAGAIN) => return Wish::Nothing,
            _ => return Wish::Leave,
        };
        let Attachment { watch, log, .. } = self.viewer.attachment;
        let typed = self.keys.feed(&bytes, Instant::now());
        if *watch && bytes.contains(&CTRL_C) {
            return Wish::Leave;
        }
        if !*watch && !typed.pass.is_empty() {
            self.say.extend(Frame::encode(to_shim::INPUT, &typed.pass));
        }
        match (typed.detach, typed.pager && log.is_some()) {
            (true, _) => Wish::Leave,
            (_, true) => Wish::Log,
            _ => Wish::Nothing,
        }
    }

    /// Shows the agent's log. The agent is not told: its terminal keeps its size, and what it prints meanwhile is on the
    /// screen that is drawn afterwards.
    fn show_log(&mut self) -> Result<(), ClientError> {
        // Over the picture that comes then, which would cover a notice that is shown now.
        self.hint = self.viewer.show_log();
        self.viewer.terminal.enter()?;
        // Whatever was left to be drawn is behind the times; the size, told again, has everything drawn anew.
        self.draw.clear();
        self.noticed = None;
        self.say_size();
        Ok(())
    }

    /// Gives the terminal some of what waits for it. False when it is gone.
    fn drawn(&mut self) -> bool {
        // A terminal's write blocks until all is taken, so it gets no more than it has said to have room for.
        let chunk = &self.draw[..self.draw.len().min(1024)];
        match nix::unistd::write(io::stdout().as_fd(), chunk) {
            Ok(written) => drop(self.draw.drain(..written)),
            Err(Errno::EINTR | Errno::EAGAIN) => {}
            Err(_) => return false,
        }
        true
    }

    /// Gives the shim what waits for it. A connection that breaks here is told by what is heard.
    fn said(&mut self) {
        while !self.say.is_empty() {
            match send(self.stream.as_raw_fd(), &self.say, MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT) {
                Ok(length) => drop(self.say.drain(..length)),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return,
                Err(_) => self.say.clear(),
            }
        }
    }

    fn listen(&mut self) -> Result<ControlFlow<Over>, ClientError> {
        let mut bytes = [0; 16 * 1024];
        let length = match self.stream.read(&mut bytes) {
            Ok(length) => length,
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                return Ok(ControlFlow::Continue(()));
            }
            // The shim was killed.
            Err(_) => 0,
        };
        let socket = &self.viewer.attachment.socket;
        self.heard.extend_from_slice(&bytes[..length]);
        if !self.agreed && self.heard.first() == Some(&b'{') {
            return match memchr::memchr(b'\n', &self.heard) {
                Some(end) => Err(refusal(socket, &self.heard[..end]).unwrap_or_else(|| self.nonsense("no frame"))),
                None if length == 0 => Err(self.nonsense("half an error")),
                None => Ok(ControlFlow::Continue(())),
            };
        }
        while let Some(frame) = Frame::take(&mut self.heard).map_err(|error| self.nonsense(&error.to_string()))? {
            if !self.agreed {
                self.agreed = true;
                self.viewer.terminal.enter()?;
            }
            match frame.kind {
                from_shim::OUTPUT => {
                    self.draw.extend_from_slice(&frame.payload);
                    if let Some(hint) = self.hint.take() {
                        self.on_last_row(&hint);
                    }
                }
                from_shim::NOTICE => {
                    if let Ok(Notice { text }) = serde_json::from_slice(&frame.payload) {
                        self.notice(text.chars().filter(|c| !c.is_control()).collect());
                    }
                }
                from_shim::EXIT => {
                    let ended = serde_json::from_slice(&frame.payload);
                    return Ok(ControlFlow::Break(Over::Ended(ended.unwrap_or(Ended { code: None, signal: None }))));
                }
                // Of a newer protocol.
                _ => {}
            }
        }
        if length == 0 {
            return Ok(ControlFlow::Break(Over::Ended(Ended { code: None, signal: None })));
        }
        Ok(ControlFlow::Continue(()))
    }

    fn say_size(&mut self) {
        let (columns, rows) = self.viewer.terminal.size();
        self.say.extend(Frame::encode(to_shim::RESIZE, &[columns.to_le_bytes(), rows.to_le_bytes()].concat()));
    }

    /// Shows the shim's `text` on the last row for a while, and keeps it for the end.
    fn notice(&mut self, text: String) {
        self.on_last_row(&text);
        if !self.notices.contains(&text) {
            self.notices.push(text);
        }
    }

    fn on_last_row(&mut self, text: &str) {
        let (columns, rows) = self.viewer.terminal.size();
        let row: String = text.chars().take(usize::from(columns) - 1).collect();
        self.draw.extend_from_slice(format!("\x1b7\x1b[{rows};1H\x1b[0;7m{row}\x1b[K\x1b[0m\x1b8").as_bytes());
        self.noticed = Some(Instant::now() + NOTICE);
    }

    fn nonsense(&self, why: &str) -> ClientError {
        ClientError::Protocol { socket: self.viewer.attachment.socket.clone(), why: why.to_owned() }
    }
}

/// `poll`, with a wait that is rounded up and an interruption that counts as nothing ready.
pub(crate) fn wait_for(fds: &mut [PollFd], wait: Option<Duration>) -> Result<(), Errno> {
    let timeout = wait.map_or(PollTimeout::NONE, |wait| {
        PollTimeout::try_from(wait + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX)
    });
    match poll(fds, timeout) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// Empty when the terminal is gone.
pub(crate) fn read_input() -> Result<Vec<u8>, Errno> {
    let mut bytes = vec![0; 16 * 1024];
    let length = nix::unistd::read(io::stdin().as_fd(), &mut bytes)?;
    bytes.truncate(length);
    Ok(bytes)
}

pub(super) fn failed(doing: &str, error: io::Error) -> ClientError {
    ClientError::Io { doing: doing.to_owned(), error }
}
