//! The other side of the supervisor's socket, for commands.

use std::fmt;
use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::words::{Answer, Ask, FORMAT, LINE_MAX, Question};
use crate::resolve::Paths;

/// Where the supervisor listens. No agent is called `supervisor`, so no agent's socket stands there.
#[must_use]
pub fn socket(paths: &Paths) -> PathBuf {
    paths.runtime.join("supervisor.sock")
}

/// Why there is no answer.
#[derive(Debug)]
pub enum AskError {
    /// Nobody listens.
    NotRunning,
    /// It listens and does not answer as it should. `asked`: it may have heard the question.
    Broken { why: String, asked: bool },
}

impl fmt::Display for AskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRunning => f.write_str("the supervisor does not run"),
            Self::Broken { why, .. } => write!(f, "the supervisor does not answer: {why}"),
        }
    }
}

impl std::error::Error for AskError {}

/// Asks the supervisor at `socket`, and waits for its answer as long as `patience`.
///
/// # Errors
/// When nobody listens there, or no answer comes in time.
pub fn ask(socket: &Path, ask: Ask, patience: Duration) -> Result<Answer, AskError> {
    let mut stream = match UnixStream::connect(socket) {
        Ok(stream) => stream,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            return Err(AskError::NotRunning);
        }
        Err(error) => return Err(AskError::Broken { why: error.to_string(), asked: false }),
    };
    let broken = |asked: bool| {
        move |error: io::Error| {
            // The system's word for a time that is over says only that it should be tried again.
            let why = match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => format!("nothing within {patience:?}"),
                _ => error.to_string(),
            };
            AskError::Broken { why, asked }
        }
    };
    let mut line =
        serde_json::to_vec(&Question { format: FORMAT, ask }).map_err(|error| broken(false)(error.into()))?;
    line.push(b'\n');
    stream.set_read_timeout(Some(patience)).map_err(broken(false))?;
    stream.set_write_timeout(Some(patience)).map_err(broken(false))?;
    stream.write_all(&line).map_err(broken(false))?;
    let mut answer = Vec::new();
    stream.take(LINE_MAX as u64 * 4).read_to_end(&mut answer).map_err(broken(true))?;
    if answer.is_empty() {
        return Err(AskError::Broken { why: "it ended in the middle".to_owned(), asked: true });
    }
    serde_json::from_slice(&answer).map_err(|error| broken(true)(error.into()))
}
