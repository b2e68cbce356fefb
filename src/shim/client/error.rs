//! Why a shim did not answer, in words that say what to do next.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;

use crate::shim::protocol::{MAX_PAYLOAD, ProtocolError};

/// Why there is no answer, or what the answer was instead.
#[derive(Debug)]
pub enum ClientError {
    /// There is no socket: the agent does not run.
    NotRunning { socket: PathBuf },
    /// A socket file that nobody listens at: its shim is gone without a trace.
    Dead { socket: PathBuf },
    /// The socket belongs to another user.
    Denied { socket: PathBuf },
    /// No answer in time.
    TimedOut { socket: PathBuf, after: Duration },
    /// The connection closed before the answer: the agent ended meanwhile.
    Closed { socket: PathBuf },
    /// The shim speaks another version of the protocol.
    Version { socket: PathBuf, speaks: Option<u32> },
    /// The shim says no.
    Refused { socket: PathBuf, answer: ProtocolError },
    /// The answer is not one of this protocol.
    Protocol { socket: PathBuf, why: String },
    /// The request is longer than the protocol allows.
    TooLong { bytes: usize },
    /// `attach` needs a terminal on this stream.
    NotATerminal { stream: &'static str },
    /// The system's own reason.
    Io { doing: String, error: io::Error },
}

impl ClientError {
    /// Whether the agent does not run and nothing of the request reached it: a message was certainly not typed.
    #[must_use]
    pub fn is_not_running(&self) -> bool {
        matches!(self, Self::NotRunning { .. } | Self::Dead { .. })
    }

    /// Whether the agent does not run now. It may have run, and taken the request, until just before.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        match self {
            Self::Closed { .. } => true,
            Self::Refused { answer, .. } => answer.error == "gone",
            _ => self.is_not_running(),
        }
    }

    /// What the kernel said about `socket`.
    pub(super) fn from_errno(socket: &Path, errno: Errno) -> Self {
        let socket = socket.to_path_buf();
        match errno {
            Errno::ENOENT | Errno::ENOTDIR => Self::NotRunning { socket },
            Errno::ECONNREFUSED => Self::Dead { socket },
            Errno::EACCES | Errno::EPERM => Self::Denied { socket },
            Errno::ECONNRESET | Errno::EPIPE => Self::Closed { socket },
            other => Self::Io { doing: format!("talking to {}", socket.display()), error: other.into() },
        }
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRunning { socket } => {
                write!(f, "the agent is not running (no socket {}): start it with `fleet start`", socket.display())
            }
            Self::Dead { socket } => write!(
                f,
                "the agent's shim is gone and left its socket {}: `fleet restart` brings \
                 the agent back",
                socket.display()
            ),
            Self::Denied { socket } => {
                write!(f, "{} belongs to another user: run this as the user whose fleet it is", socket.display())
            }
            Self::TimedOut { socket, after } => write!(
                f,
                "the shim at {} did not answer within {} ms: `fleet status` shows whether it still runs, `fleet \
                 restart` replaces it",
                socket.display(),
                after.as_millis()
            ),
            Self::Closed { socket } => write!(
                f,
                "the shim at {} closed the connection without an answer: the agent ended just now, see `fleet status`",
                socket.display()
            ),
            Self::Version { socket, speaks } => {
                write!(f, "the shim at {} speaks ", socket.display())?;
                match speaks {
                    Some(version) => write!(f, "protocol {version}")?,
                    None => write!(f, "another protocol")?,
                }
                write!(
                    f,
                    ", and this fleet speaks 1: restart the agent with `fleet restart`, so that both are of one version"
                )
            }
            Self::Refused { answer, .. } => match (answer.error.as_str(), answer.message.as_str()) {
                ("unsupported", _) => {
                    write!(f, "the agent's shim is too old for this: restart the agent with `fleet restart`")
                }
                (word, "") => write!(f, "the agent's shim refused: {word}; `fleet status` says what the agent does"),
                (_, message) => write!(f, "the agent's shim refused: {message}"),
            },
            Self::Protocol { socket, why } => write!(
                f,
                "what answers at {} is no shim of this version ({why}): restart the agent with `fleet restart`",
                socket.display()
            ),
            Self::TooLong { bytes } => {
                write!(f, "the request has {bytes} bytes and the limit is {MAX_PAYLOAD}: send a shorter text")
            }
            Self::NotATerminal { stream } => write!(
                f,
                "{stream} is not a terminal: run `fleet attach` in a terminal, or look at the agent with `fleet screen`"
            ),
            Self::Io { doing, error } => write!(f, "{doing}: {error}"),
        }
    }
}

impl std::error::Error for ClientError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { error, .. } => Some(error),
            _ => None,
        }
    }
}
