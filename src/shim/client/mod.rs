//! The other end of a shim's socket: questions, subscriptions and `attach`.
//!
//! What is said is `docs/shim-protocol.md`; what is heard when something fails is [`ClientError`].

mod attach;
mod connection;
mod error;
mod exchange;
mod keys;
mod pager;
mod say;
mod signals;
mod subscribe;
mod terminal;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::protocol::{Done, Screen, Scrollback, ScrollbackRequest, SendAnswer, SendRequest, SignalRequest, Status};

pub use attach::{AttachEnd, Attachment, attach};
pub(crate) use connection::{read_input, wait_for};
pub use error::ClientError;
pub use keys::{DetachKey, KeyError};
pub use say::{Heard, Place, Unsaid};
pub(crate) use signals::Signals;
pub use subscribe::{Subscription, subscribe};
pub(crate) use terminal::Terminal;

/// Long enough for a shim on a busy machine to answer a question about itself.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Long enough for `send` to paste, wait for the screen to settle, press Enter twice and look for the proof.
pub const SEND_TIMEOUT: Duration = Duration::from_secs(30);

/// Asks the shim at `socket` one question and waits for the answer, `timeout` at most in all.
///
/// # Errors
/// When no answer came, or the answer is a refusal.
pub fn request<Req: Serialize, Answer: DeserializeOwned>(
    socket: &Path,
    verb: &str,
    request: &Req,
    timeout: Duration,
) -> Result<Answer, ClientError> {
    let mut answers = exchange::ask(&[socket], &exchange::opening(verb, request)?, timeout);
    exchange::decode(&answers.remove(0)?)
}

/// What the agent does, as far as its shim knows.
///
/// # Errors
/// See [`request`].
pub fn status(socket: &Path, timeout: Duration) -> Result<Status, ClientError> {
    request(socket, "status", &Empty {}, timeout)
}

/// [`status`] of many agents at once, in the order of `sockets`. `timeout` is for all together: one shim that does not
/// answer costs no other its turn.
pub fn status_all(sockets: &[PathBuf], timeout: Duration) -> Vec<Result<Status, ClientError>> {
    let Ok(opening) = exchange::opening("status", &Empty {}) else { unreachable!("`{{}}` is within every limit") };
    let paths: Vec<&Path> = sockets.iter().map(PathBuf::as_path).collect();
    let answers = exchange::ask(&paths, &opening, timeout);
    answers.into_iter().map(|answer| answer.and_then(|line| exchange::decode(&line))).collect()
}

/// The agent's screen as text.
///
/// # Errors
/// See [`request`].
pub fn screen(socket: &Path, timeout: Duration) -> Result<Screen, ClientError> {
    request(socket, "screen", &Empty {}, timeout)
}

/// The last `lines` lines that scrolled off the agent's screen.
///
/// # Errors
/// See [`request`].
pub fn scrollback(socket: &Path, lines: u32, timeout: Duration) -> Result<Scrollback, ClientError> {
    request(socket, "scrollback", &ScrollbackRequest { lines }, timeout)
}

/// Brings a message to the agent. Give it [`SEND_TIMEOUT`]: after a time-out nobody knows whether it was typed, so it
/// counts as `unknown` and must not be sent again by itself.
///
/// # Errors
/// See [`request`].
pub fn send(socket: &Path, message: &SendRequest, timeout: Duration) -> Result<SendAnswer, ClientError> {
    request(socket, "send", message, timeout)
}

/// Sends a signal, named without `SIG`, to the agent's process group.
///
/// # Errors
/// See [`request`].
pub fn signal(socket: &Path, signal: &str, timeout: Duration) -> Result<(), ClientError> {
    request::<_, Done>(socket, "signal", &SignalRequest { signal: signal.to_owned() }, timeout).map(drop)
}

/// Has the shim read the policy part of its manifest again.
///
/// # Errors
/// See [`request`].
pub fn reload(socket: &Path, timeout: Duration) -> Result<(), ClientError> {
    request::<_, Done>(socket, "reload", &Empty {}, timeout).map(drop)
}

/// The request of a verb without parameters.
#[derive(Debug, Serialize)]
struct Empty {}
