//! Many questions under way at once, one thread, no sleep.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::PollTimeout;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, UnixAddr, connect, recv, send, socket};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::ClientError;
use crate::shim::protocol::{HANDSHAKE, MAX_PAYLOAD, ProtocolError};

/// How soon a full queue of connections is tried again.
const RETRY: Duration = Duration::from_millis(5);

/// The handshake and the request, as the bytes a connection begins with.
pub(super) fn opening<Req: Serialize>(verb: &str, request: &Req) -> Result<Vec<u8>, ClientError> {
    let line = serde_json::to_string(request)
        .map_err(|error| ClientError::Io { doing: format!("writing the request {verb}"), error: error.into() })?;
    if line.len() > MAX_PAYLOAD {
        return Err(ClientError::TooLong { bytes: line.len() });
    }
    Ok(format!("{HANDSHAKE} {verb}\n{line}\n").into_bytes())
}

/// What came back on one connection, with the socket it came from.
#[derive(Debug)]
pub(super) struct Answer {
    socket: PathBuf,
    line: Vec<u8>,
}

/// The answer's value.
pub(super) fn decode<T: DeserializeOwned>(answer: &Answer) -> Result<T, ClientError> {
    if let Some(error) = refusal(&answer.socket, &answer.line) {
        return Err(error);
    }
    serde_json::from_slice(&answer.line)
        .map_err(|error| ClientError::Protocol { socket: answer.socket.clone(), why: error.to_string() })
}

/// The error that `line` is, if it is one.
pub(super) fn refusal(socket: &Path, line: &[u8]) -> Option<ClientError> {
    #[derive(Deserialize)]
    struct Speaks {
        speaks: Option<u32>,
    }
    let socket = socket.to_path_buf();
    let answer: ProtocolError = serde_json::from_slice(line).ok()?;
    Some(if answer.error == "version" {
        let speaks = serde_json::from_slice::<Speaks>(line).ok().and_then(|words| words.speaks);
        ClientError::Version { socket, speaks }
    } else {
        ClientError::Refused { socket, answer }
    })
}

/// Asks every one of `sockets` the same and gives the answers in their order, after `timeout` at the latest.
pub(super) fn ask(sockets: &[&Path], opening: &[u8], timeout: Duration) -> Vec<Result<Answer, ClientError>> {
    let mut answers: Vec<Option<Result<Answer, ClientError>>> = Vec::new();
    answers.resize_with(sockets.len(), || None);
    if let Err(error) = ask_into(sockets, opening, Instant::now() + timeout, &mut answers) {
        for answer in answers.iter_mut().filter(|answer| answer.is_none()) {
            let doing = "waiting for answers".to_owned();
            *answer = Some(Err(ClientError::Io { doing, error: error.into() }));
        }
    }
    let late = |socket: &Path| ClientError::TimedOut { socket: socket.to_path_buf(), after: timeout };
    sockets.iter().zip(answers).map(|(socket, answer)| answer.unwrap_or_else(|| Err(late(socket)))).collect()
}

/// Fills `answers` until all are there or it is `deadline`.
fn ask_into(
    sockets: &[&Path],
    opening: &[u8],
    deadline: Instant,
    answers: &mut [Option<Result<Answer, ClientError>>],
) -> Result<(), Errno> {
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    let mut waiting: VecDeque<usize> = (0..sockets.len()).collect();
    let mut running: Vec<Option<Exchange>> = Vec::new();
    running.resize_with(sockets.len(), || None);
    let mut under_way = 0;
    let mut events = vec![EpollEvent::empty(); sockets.len().clamp(1, 256)];
    loop {
        let mut blocked = false;
        while let Some(&index) = waiting.front() {
            match open(sockets[index]) {
                Ok(Some(stream)) => {
                    let mut exchange = Exchange { stream, sent: 0, answer: Vec::new() };
                    match exchange.advance(opening) {
                        Ok(None) => {
                            let flags = exchange.interest(opening);
                            epoll.add(&exchange.stream, EpollEvent::new(flags, index as u64))?;
                            running[index] = Some(exchange);
                            under_way += 1;
                        }
                        done => answers[index] = Some(finish(sockets[index], done)),
                    }
                }
                // That shim's queue is full.
                Ok(None) => {
                    blocked = true;
                    waiting.rotate_left(1);
                    break;
                }
                // No descriptor is free: one is, when another exchange finishes.
                Err(Errno::EMFILE | Errno::ENFILE) if under_way > 0 => break,
                Err(errno) => answers[index] = Some(Err(ClientError::from_errno(sockets[index], errno))),
            }
            waiting.pop_front();
        }
        if under_way == 0 && waiting.is_empty() {
            return Ok(());
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        let wait = if blocked { left.min(RETRY) } else { left };
        let ready = match epoll.wait(&mut events, epoll_timeout(wait)) {
            Ok(ready) => ready,
            Err(Errno::EINTR) => 0,
            Err(errno) => return Err(errno),
        };
        for event in &events[..ready] {
            let Some(index) = usize::try_from(event.data()).ok().filter(|&index| running[index].is_some()) else {
                continue;
            };
            let Some(mut exchange) = running[index].take() else { continue };
            match exchange.advance(opening) {
                Ok(None) => {
                    let mut again = EpollEvent::new(exchange.interest(opening), index as u64);
                    epoll.modify(&exchange.stream, &mut again)?;
                    running[index] = Some(exchange);
                }
                done => {
                    answers[index] = Some(finish(sockets[index], done));
                    under_way -= 1;
                }
            }
        }
    }
}

fn finish(socket: &Path, done: Result<Option<Vec<u8>>, Failure>) -> Result<Answer, ClientError> {
    let socket = socket.to_path_buf();
    match done {
        Ok(line) => Ok(Answer { socket, line: line.unwrap_or_default() }),
        Err(Failure::Errno(errno)) => Err(ClientError::from_errno(&socket, errno)),
        Err(Failure::Closed) => Err(ClientError::Closed { socket }),
        Err(Failure::Long) => {
            Err(ClientError::Protocol { socket, why: format!("an answer of more than {MAX_PAYLOAD} bytes") })
        }
    }
}

#[derive(Debug)]
enum Failure {
    Errno(Errno),
    Closed,
    Long,
}

/// One connection: what is said is the same for all, what is heard is its own.
#[derive(Debug)]
struct Exchange {
    stream: OwnedFd,
    sent: usize,
    answer: Vec<u8>,
}

impl Exchange {
    fn interest(&self, opening: &[u8]) -> EpollFlags {
        if self.sent < opening.len() { EpollFlags::EPOLLIN | EpollFlags::EPOLLOUT } else { EpollFlags::EPOLLIN }
    }

    /// Sends and receives what is possible now. Gives the answer's line when it is whole.
    fn advance(&mut self, opening: &[u8]) -> Result<Option<Vec<u8>>, Failure> {
        while self.sent < opening.len() {
            match send(self.stream.as_raw_fd(), &opening[self.sent..], MsgFlags::MSG_NOSIGNAL) {
                Ok(length) => self.sent += length,
                Err(Errno::EAGAIN) => break,
                Err(Errno::EINTR) => {}
                // A shim that refuses closes at once, and its reason is there to be read.
                Err(Errno::EPIPE | Errno::ECONNRESET) => self.sent = opening.len(),
                Err(errno) => return Err(Failure::Errno(errno)),
            }
        }
        let mut buffer = [0; 16 * 1024];
        loop {
            match recv(self.stream.as_raw_fd(), &mut buffer, MsgFlags::empty()) {
                Ok(0) | Err(Errno::ECONNRESET) => return Err(Failure::Closed),
                Ok(length) => {
                    let seen = self.answer.len();
                    self.answer.extend_from_slice(&buffer[..length]);
                    if let Some(end) = memchr::memchr(b'\n', &self.answer[seen..]) {
                        self.answer.truncate(seen + end);
                        return Ok(Some(std::mem::take(&mut self.answer)));
                    }
                    if self.answer.len() > MAX_PAYLOAD {
                        return Err(Failure::Long);
                    }
                }
                Err(Errno::EAGAIN) => return Ok(None),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(Failure::Errno(errno)),
            }
        }
    }
}

/// A connection that never blocks. `None` when the shim's queue of connections is full.
fn open(path: &Path) -> Result<Option<OwnedFd>, Errno> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let address = UnixAddr::new(path)?;
    let stream = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    match connect(stream.as_raw_fd(), &address) {
        Ok(()) => Ok(Some(stream)),
        Err(Errno::EAGAIN) => Ok(None),
        Err(errno) => Err(errno),
    }
}

/// Opens a connection for frames and says `opening` on it. Never blocks longer than `timeout`.
pub(super) fn converse(path: &Path, opening: &[u8], timeout: Duration) -> Result<UnixStream, ClientError> {
    let deadline = Instant::now() + timeout;
    let stream = loop {
        match open(path).map_err(|errno| ClientError::from_errno(path, errno))? {
            Some(stream) => break UnixStream::from(stream),
            None if Instant::now() >= deadline => {
                return Err(ClientError::TimedOut { socket: path.to_path_buf(), after: timeout });
            }
            None => {
                let _ = nix::poll::poll(&mut [], PollTimeout::try_from(RETRY).unwrap_or(PollTimeout::ZERO));
            }
        }
    };
    let mut rest = opening;
    while !rest.is_empty() {
        match send(stream.as_fd().as_raw_fd(), rest, MsgFlags::MSG_NOSIGNAL) {
            Ok(length) => rest = &rest[length..],
            Err(Errno::EINTR) => {}
            // A refusal is told by what the shim answered before it closed. The opening of a frame verb is far smaller
            // than a socket's buffer, so a full one is a shim that does not listen.
            Err(Errno::EPIPE | Errno::ECONNRESET) => break,
            Err(Errno::EAGAIN) => return Err(ClientError::TimedOut { socket: path.to_path_buf(), after: timeout }),
            Err(errno) => return Err(ClientError::from_errno(path, errno)),
        }
    }
    Ok(stream)
}

/// An error as `io` knows it, for iterators that yield `io::Result`.
pub(super) fn as_io(error: ClientError) -> io::Error {
    let kind = match &error {
        ClientError::Protocol { .. } => io::ErrorKind::InvalidData,
        ClientError::Refused { .. } | ClientError::Version { .. } => io::ErrorKind::Unsupported,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, error)
}

/// Rounded up, because a wait that ends a moment early would come again at once.
fn epoll_timeout(wait: Duration) -> EpollTimeout {
    EpollTimeout::try_from(wait + Duration::from_millis(1)).unwrap_or(EpollTimeout::MAX)
}
