//! One client: its bytes in both directions, and how far it has come.

use std::collections::VecDeque;
use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::Instant;

use nix::poll::PollFlags;
use serde::Serialize;

use super::attach::Viewer;
use super::error;
use super::events::Subscriber;
use super::requests::Verb;
use crate::shim::protocol::{Event, Frame, MAX_PAYLOAD, from_shim};

/// Bytes read from one client in one turn.
const READ_MAX: usize = 64 << 10;

/// Bytes that may wait for a subscriber before it is dropped.
const BACKLOG_MAX: usize = 1 << 20;

/// How far a client has come.
#[derive(Debug)]
pub(super) enum Phase {
    Handshake,
    Request(Verb),
    /// Its answer takes time.
    Waiting,
    Viewer(Viewer),
    Subscriber(Subscriber),
    /// Gets what is still queued, then the end.
    Closing,
}

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) stream: UnixStream,
    pub(super) input: Vec<u8>,
    output: VecDeque<u8>,
    pub(super) phase: Phase,
    /// When it is dropped, if nothing happens until then.
    pub(super) deadline: Option<Instant>,
    /// It will send nothing more.
    pub(super) ended: bool,
    /// It does not read what it subscribed to.
    overrun: bool,
    /// It may still be sending: closing now would take the answer away from it.
    lingers: bool,
}

impl Connection {
    pub(super) fn new(stream: UnixStream, deadline: Instant) -> Self {
        Self {
            stream,
            input: Vec::new(),
            output: VecDeque::new(),
            phase: Phase::Handshake,
            deadline: Some(deadline),
            ended: false,
            overrun: false,
            lingers: false,
        }
    }

    /// What to wait for. A hang-up is always reported.
    pub(super) fn wants(&self) -> PollFlags {
        let mut flags = PollFlags::empty();
        if !self.ended && (self.lingers || !matches!(self.phase, Phase::Waiting | Phase::Closing)) {
            flags |= PollFlags::POLLIN;
        }
        if self.has_output() {
            flags |= PollFlags::POLLOUT;
        }
        flags
    }

    pub(super) fn has_output(&self) -> bool {
        !self.output.is_empty()
    }

    /// Nothing is left to do with it.
    pub(super) fn is_done(&self) -> bool {
        let sent = !self.has_output() && matches!(self.phase, Phase::Closing);
        self.overrun || (sent && (self.ended || !self.lingers))
    }

    /// Takes what has arrived.
    pub(super) fn read(&mut self) -> io::Result<()> {
        let mut buffer = [0; 8 << 10];
        let mut taken = 0;
        while taken < READ_MAX {
            match self.stream.read(&mut buffer) {
                Ok(0) => {
                    self.ended = true;
                    return Ok(());
                }
                Ok(count) => {
                    taken += count;
                    if !self.lingers {
                        self.input.extend_from_slice(&buffer[..count]);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                // It left without reading what waited for it, which says nothing against what it sent before.
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                    self.ended = true;
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Drops what is queued.
    pub(super) fn forget_output(&mut self) {
        self.output = VecDeque::new();
    }

    /// Sends what the client takes now.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        while self.has_output() {
            let (front, _) = self.output.as_slices();
            match self.stream.write(front) {
                Ok(count) => drop(self.output.drain(..count)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        self.output.shrink_to(0);
        if self.lingers && matches!(self.phase, Phase::Closing) {
            // Shows the client the end of the answer. It may be gone already.
            let _ = self.stream.shutdown(Shutdown::Write);
        }
        Ok(())
    }

    /// Takes one line off the input. `Err`: it is longer than any line may be.
    pub(super) fn line(&mut self) -> Result<Option<Vec<u8>>, ()> {
        match memchr::memchr(b'\n', &self.input) {
            Some(end) if end <= MAX_PAYLOAD => {
                let rest = self.input.split_off(end + 1);
                let mut line = std::mem::replace(&mut self.input, rest);
                line.pop();
                Ok(Some(line))
            }
            None if self.input.len() <= MAX_PAYLOAD => Ok(None),
            _ => Err(()),
        }
    }

    /// Takes all whole frames off the input, and says whether what follows cannot be one.
    pub(super) fn frames(&mut self) -> (Vec<Frame>, bool) {
        let mut frames = Vec::new();
        let mut at = 0;
        let broken = loop {
            let Some(&[kind, l0, l1, l2, l3]) = self.input.get(at..at + 5) else { break false };
            let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
            if length > MAX_PAYLOAD {
                break true;
            }
            let Some(payload) = self.input.get(at + 5..at + 5 + length) else { break false };
            frames.push(Frame { kind, payload: payload.to_vec() });
            at += 5 + length;
        };
        // Once, however many there are: a client may send thousands of tiny ones.
        self.input.drain(..at);
        (frames, broken)
    }

    /// Queues the one line that ends a control verb.
    pub(super) fn answer(&mut self, answer: &impl Serialize, deadline: Instant) {
        match serde_json::to_vec(answer) {
            Ok(line) if line.len() < MAX_PAYLOAD => {
                self.output.extend(line);
                self.output.push_back(b'\n');
                self.phase = Phase::Closing;
                self.deadline = Some(deadline);
                self.input = Vec::new();
            }
            _ => self.refuse("too-long", "the answer is over 1 MiB: ask for less", deadline),
        }
    }

    /// Queues an error line, and the end.
    pub(super) fn refuse(&mut self, word: &str, message: &str, deadline: Instant) {
        self.refuse_with(&error(word, message), deadline);
    }

    /// The same with an error of a shape of its own.
    pub(super) fn refuse_with(&mut self, answer: &impl Serialize, deadline: Instant) {
        self.lingers = true;
        self.answer(answer, deadline);
    }

    /// Queues a frame, or as many as its length needs.
    pub(super) fn frame(&mut self, kind: u8, payload: &[u8]) {
        for part in payload.chunks(MAX_PAYLOAD) {
            self.output.extend(Frame::encode(kind, part));
        }
    }

    /// Queues a frame of JSON.
    pub(super) fn frame_json(&mut self, kind: u8, value: &impl Serialize) {
        match serde_json::to_vec(value) {
            Ok(payload) if payload.len() <= MAX_PAYLOAD => self.frame(kind, &payload),
            // A screen of a million cells may be too long for one event; the next one will not be.
            _ => {}
        }
    }

    /// Queues an event for a subscriber, which is dropped when it does not read.
    pub(super) fn event(&mut self, event: &Event) {
        if matches!(self.phase, Phase::Subscriber(_)) {
            self.frame_json(from_shim::EVENT, event);
            self.overrun |= self.output.len() > BACKLOG_MAX;
        }
    }
}
