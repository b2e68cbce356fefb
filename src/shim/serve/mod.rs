//! The agent's socket: who is connected, and what they are owed. Nobody here can hold up the agent.

mod attach;
mod connection;
mod events;
mod requests;
mod word;

use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use nix::unistd::geteuid;
use serde::Serialize;

use super::agent::Shim;
use super::lock::Listener;
use super::protocol::{self, Event, ProtocolError, from_shim};
use super::report;
use super::terminal::{Fed, Model};
use super::turn::Source;
use crate::manifest::ExitRecord;
use connection::{Connection, Phase};
pub(super) use events::TYPING;
pub(super) use word::Words;

/// Most connections at a time.
const CLIENTS_MAX: usize = 64;

/// Most clients that are still being told that there is no room.
const TURNED_AWAY_MAX: usize = 16;

/// Most connections taken in before the agent has a turn.
const ACCEPT_MAX: usize = 16;

/// How often one is read from that has left: more than a socket holds.
const LAST_READS: usize = 8;

/// How long a request may take to arrive, and an answer to be taken.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long the listener rests when the system has no descriptor to give.
const REST: Duration = Duration::from_secs(1);

/// Listener and connections.
#[derive(Debug)]
pub(super) struct Server {
    listener: Option<Listener>,
    connections: BTreeMap<u64, Connection>,
    next_id: u64,
    rest_until: Option<Instant>,
    pub(super) viewers: u32,
    /// How often a viewer has said its size.
    sized: u64,
    /// When a person typed last.
    pub(super) typed_at: Option<Instant>,
    /// Subscribers have been told that someone types.
    typing: bool,
}

impl Server {
    pub(super) fn new(listener: Listener) -> Self {
        Self {
            listener: Some(listener),
            connections: BTreeMap::new(),
            next_id: 0,
            rest_until: None,
            viewers: 0,
            sized: 0,
            typed_at: None,
            typing: false,
        }
    }

    /// Removes the socket: who comes now shall see that nobody is here.
    pub(super) fn close_listener(&mut self) {
        self.listener = None;
    }

    /// Takes in those who wait, but not for as long as others keep coming.
    pub(super) fn accept(&mut self, now: Instant) {
        for _ in 0..ACCEPT_MAX {
            let Some(listener) = &self.listener else { return };
            match listener.socket.accept() {
                Ok((stream, _)) => {
                    if let Err(error) = stream.set_nonblocking(true) {
                        report(format_args!("a connection was dropped: {error}"));
                        continue;
                    }
                    let mut connection = Connection::new(stream, now + PATIENCE);
                    if let Err((error, message)) = self.admit(&connection) {
                        connection.refuse(error, message, now + PATIENCE);
                        let told = connection.flush().is_ok();
                        if !told || self.connections.len() >= CLIENTS_MAX + TURNED_AWAY_MAX {
                            continue;
                        }
                    }
                    self.next_id += 1;
                    self.connections.insert(self.next_id, connection);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error)
                    if matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted) => {}
                Err(error) => {
                    report(format_args!("no new connections for a moment: {error}"));
                    self.rest_until = Some(now + REST);
                    return;
                }
            }
        }
    }

    fn admit(&self, connection: &Connection) -> Result<(), (&'static str, &'static str)> {
        let peer = getsockopt(&connection.stream, PeerCredentials).map(|peer| peer.uid());
        if !peer.is_ok_and(|uid| admits(uid, geteuid().as_raw())) {
            return Err(("denied", "this agent belongs to another user: run this as the user whose fleet it is"));
        }
        if self.connections.len() >= CLIENTS_MAX {
            return Err(("busy", "64 clients are connected already: close one"));
        }
        Ok(())
    }

    /// Adds what the server waits for.
    pub(super) fn poll_fds<'a>(&'a self, sources: &mut Vec<Source>, fds: &mut Vec<PollFd<'a>>) {
        if let Some(listener) = &self.listener
            && self.rest_until.is_none()
        {
            sources.push(Source::Listener);
            fds.push(PollFd::new(listener.socket.as_fd(), PollFlags::POLLIN));
        }
        for (&id, connection) in &self.connections {
            sources.push(Source::Connection(id));
            fds.push(PollFd::new(connection.stream.as_fd(), connection.wants()));
        }
    }

    /// When the server has something to do by itself.
    pub(super) fn deadline(&self, model: &Model, last_output: Instant) -> Option<Instant> {
        let own = self.connections.values().filter_map(|connection| connection.deadline);
        let drawing = self.connections.values().filter_map(|connection| connection.frame_at(model));
        let events = self.connections.values().filter_map(|connection| connection.event_at(last_output));
        own.chain(drawing).chain(events).chain(self.rest_until).chain(self.typing_ends()).min()
    }

    /// The agent wrote something.
    pub(super) fn output(&mut self, fed: Fed, now: Instant) {
        for connection in self.connections.values_mut() {
            match &mut connection.phase {
                Phase::Viewer(viewer) => viewer.mark(fed, now),
                Phase::Subscriber(subscriber) => subscriber.mark(fed),
                _ => {}
            }
        }
    }

    /// Gives every viewer whose turn it is a frame.
    pub(super) fn draw(&mut self, model: &Model, now: Instant) {
        for connection in self.connections.values_mut() {
            connection.draw_if_due(model, now);
        }
    }

    /// The answer to a request that took time.
    pub(super) fn answer(&mut self, id: u64, answer: &impl Serialize, now: Instant) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.answer(answer, now + PATIENCE);
            if connection.flush().is_err() {
                self.connections.remove(&id);
            }
        }
    }

    pub(super) fn is_connected(&self, id: u64) -> bool {
        self.connections.contains_key(&id)
    }

    /// Tells everyone that the agent has ended, and waits a moment for those who still read.
    pub(super) fn say_farewell(&mut self, model: &Model, end: &ExitRecord, limit: Instant) {
        let (code, signal) = (end.code, end.signal);
        for connection in self.connections.values_mut() {
            connection.last_frame(model);
            match connection.phase {
                Phase::Viewer(_) => {}
                Phase::Subscriber(_) => {
                    connection.event(&Event::Exit { code, signal, record: Some(end.clone()) });
                }
                Phase::Handshake | Phase::Request(_) | Phase::Waiting => {
                    connection.answer(&error("gone", "the agent has ended"), limit);
                    continue;
                }
                Phase::Closing => continue,
            }
            connection.frame_json(from_shim::EXIT, &protocol::Ended { code, signal });
        }
        loop {
            self.connections.retain(|_, connection| connection.flush().is_ok() && connection.has_output());
            let left = limit.saturating_duration_since(Instant::now());
            if self.connections.is_empty() || left.is_zero() {
                return;
            }
            let mut fds: Vec<PollFd<'_>> = self
                .connections
                .values()
                .map(|connection| PollFd::new(connection.stream.as_fd(), PollFlags::POLLOUT))
                .collect();
            let millis = u16::try_from(left.as_millis()).unwrap_or(u16::MAX).max(1);
            let _ = poll(&mut fds, PollTimeout::from(millis));
        }
    }
}

impl Shim {
    /// Something happened on a connection.
    pub(super) fn serve_connection(&mut self, id: u64, flags: PollFlags, now: Instant) {
        let Some(mut connection) = self.server.connections.remove(&id) else { return };
        let mut stays = !flags.intersects(PollFlags::POLLERR | PollFlags::POLLNVAL);
        // Also from a client that is gone: what it said last is to be heard.
        if flags.contains(PollFlags::POLLIN) {
            let read = connection.read().is_ok();
            if read {
                self.advance(id, &mut connection, now);
            }
            stays &= read;
        }
        stays &= !flags.contains(PollFlags::POLLHUP) && connection.flush().is_ok() && !connection.is_done();
        self.keep(id, connection, stays, now);
    }

    /// Puts a connection back, or lets it go and tells those whom it concerns.
    fn keep(&mut self, id: u64, mut connection: Connection, stays: bool, now: Instant) {
        if stays {
            self.server.connections.insert(id, connection);
            return;
        }
        self.hear_last_words(&mut connection, now);
        if matches!(connection.phase, Phase::Viewer(_)) {
            self.server.viewer_left();
            self.follow_writer(now);
        }
    }

    /// Takes what a viewer typed before it left. That it is gone may be noticed first when it is written to.
    fn hear_last_words(&mut self, connection: &mut Connection, now: Instant) {
        connection.forget_output();
        for _ in 0..LAST_READS {
            if connection.ended || !matches!(connection.phase, Phase::Viewer(_)) || connection.read().is_err() {
                return;
            }
            self.viewer_input(connection, now);
        }
    }

    /// Frames, events and time limits that are due.
    pub(super) fn tick_server(&mut self, now: Instant) {
        if self.server.rest_until.is_some_and(|at| at <= now) {
            self.server.rest_until = None;
        }
        self.tick_events(now);
        let ids: Vec<u64> = self.server.connections.keys().copied().collect();
        for id in ids {
            let Some(connection) = self.server.connections.get_mut(&id) else { continue };
            connection.draw_if_due(&self.model, now);
            let late = connection.deadline.is_some_and(|at| at <= now);
            let broken = connection.flush().is_err();
            if (late || broken || connection.is_done())
                && let Some(connection) = self.server.connections.remove(&id)
            {
                self.keep(id, connection, false, now);
            }
        }
    }
}

/// Who may connect: this user, and root, who could do worse.
fn admits(peer: u32, own: u32) -> bool {
    peer == own || peer == 0
}

/// An error line.
fn error(word: &str, message: impl Into<String>) -> ProtocolError {
    ProtocolError { error: word.to_owned(), message: message.into() }
}

#[cfg(test)]
mod tests {
    use super::admits;

    #[test]
    fn only_the_same_user_and_root_are_let_in() {
        assert!(admits(1000, 1000) && admits(0, 1000) && admits(0, 0));
        assert!(!admits(1001, 1000) && !admits(1000, 0));
    }
}
