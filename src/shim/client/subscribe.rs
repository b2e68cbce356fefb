//! What a shim pushes about its agent.

use std::io::{self, Read as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use super::exchange::{as_io, converse, opening, refusal};
use super::{ANSWER_TIMEOUT, ClientError, Empty};
use crate::shim::protocol::{Ended, Event, Frame, from_shim};

/// The events of one agent, as a blocking iterator. It ends after [`Event::Exit`].
///
/// An item is an error when the connection breaks, which is the last item, or when the shim says something that is no
/// event. An iterator that ends without [`Event::Exit`] was closed by the shim, which drops subscribers that do not read.
#[derive(Debug)]
pub struct Subscription {
    socket: PathBuf,
    stream: UnixStream,
    buffer: Vec<u8>,
    /// Something was heard: from then on it is frames.
    agreed: bool,
    over: bool,
}

/// Opens a subscription at `socket`.
///
/// # Errors
/// When the agent does not run. What the shim itself refuses is the iterator's first item.
pub fn subscribe(socket: &Path) -> Result<Subscription, ClientError> {
    let stream = converse(socket, &opening("subscribe", &Empty {})?, ANSWER_TIMEOUT)?;
    stream
        .set_nonblocking(false)
        .map_err(|error| ClientError::Io { doing: format!("subscribing at {}", socket.display()), error })?;
    Ok(Subscription { socket: socket.to_path_buf(), stream, buffer: Vec::new(), agreed: false, over: false })
}

impl AsFd for Subscription {
    /// For a loop that waits on many: readable when an item may be there.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

impl Subscription {
    /// `None` at the end of the stream.
    fn advance(&mut self) -> io::Result<Option<Event>> {
        loop {
            if !self.agreed && self.buffer.first() == Some(&b'{') {
                return self.refused();
            }
            if let Some(frame) = Frame::take(&mut self.buffer)? {
                self.agreed = true;
                if let Some(event) = event_of(&frame)? {
                    return Ok(Some(event));
                }
                continue;
            }
            let mut bytes = [0; 16 * 1024];
            match self.stream.read(&mut bytes) {
                Ok(0) => return Ok(None),
                Ok(length) => self.buffer.extend_from_slice(&bytes[..length]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Reads the line in which the shim refuses. It closes after it.
    fn refused(&mut self) -> io::Result<Option<Event>> {
        (&mut self.stream).take(64 * 1024).read_to_end(&mut self.buffer)?;
        let error = refusal(&self.socket, &self.buffer).unwrap_or_else(|| ClientError::Protocol {
            socket: self.socket.clone(),
            why: String::from_utf8_lossy(&self.buffer).into_owned(),
        });
        Err(as_io(error))
    }
}

impl Iterator for Subscription {
    type Item = io::Result<Event>;

    fn next(&mut self) -> Option<io::Result<Event>> {
        if self.over {
            return None;
        }
        let item = self.advance().transpose();
        self.over = !matches!(item, Some(Ok(ref event)) if !matches!(event, Event::Exit { .. }));
        item
    }
}

/// The event in `frame`. `None` for those of a newer protocol, which a reader ignores.
fn event_of(frame: &Frame) -> io::Result<Option<Event>> {
    match frame.kind {
        from_shim::EVENT => match serde_json::from_slice(&frame.payload) {
            Ok(event) => Ok(Some(event)),
            Err(_) if serde_json::from_slice::<serde_json::Value>(&frame.payload).is_ok() => Ok(None),
            Err(error) => Err(error.into()),
        },
        from_shim::EXIT => {
            let Ended { code, signal } = serde_json::from_slice(&frame.payload)?;
            Ok(Some(Event::Exit { code, signal, record: None }))
        }
        _ => Ok(None),
    }
}
