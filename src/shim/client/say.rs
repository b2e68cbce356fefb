//! An agent's own word, said from inside it: to its shim, or to its folder where the shim cannot be reached.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{ClientError, request};
use crate::heartbeat::file::{self, Expected};
use crate::heartbeat::{self, Said, Word, spool};
use crate::shim::protocol::Done;
use crate::system::fs::FsError;

/// The place of an agent, as its shim has told it.
#[derive(Debug, Clone)]
pub struct Place {
    folder: PathBuf,
    /// `None`: an older shim, which takes no words.
    socket: Option<PathBuf>,
    nonce: String,
}

/// What became of a word.
#[derive(Debug)]
pub enum Heard {
    /// The shim has it.
    ByShim,
    /// It stands in the agent's folder; why the shim could not be told.
    OnDisk(Option<ClientError>),
}

/// Why a word was not said.
#[derive(Debug)]
pub enum Unsaid {
    /// The shim does not take it.
    Denied(ClientError),
    /// The folder does not take it.
    File(FsError),
}

impl fmt::Display for Unsaid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied(error) => error.fmt(f),
            Self::File(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Unsaid {}

/// Whether the shim says no to this word, and not only to this moment.
fn is_final(error: &ClientError) -> bool {
    matches!(error, ClientError::Refused { answer, .. } if ["denied", "bad-request"].contains(&answer.error.as_str()))
}

impl Place {
    /// From the variables that a shim gives its agent. `None`: this process is not inside an agent.
    #[must_use]
    pub fn of_this_process() -> Option<Self> {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let text = |value: OsString| value.into_string().ok();
        Some(Self {
            folder: set("FLEET_AGENT_DIR").map(PathBuf::from)?,
            socket: set("FLEET_SOCKET").map(PathBuf::from),
            nonce: set("FLEET_RUN_NONCE").and_then(text).unwrap_or_default(),
        })
    }

    /// `agents/<name>`.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The same with `nonce` where the shim gave none.
    #[must_use]
    pub fn or_nonce(mut self, nonce: &str) -> Self {
        if self.nonce.is_empty() {
            nonce.clone_into(&mut self.nonce);
        }
        self
    }

    /// Says a word, and waits for the shim `timeout` at most.
    ///
    /// # Errors
    /// When the shim knows that this process is none of the agent's, or neither shim nor folder takes the word.
    pub fn say(&self, said: &Said, timeout: Duration) -> Result<Heard, Unsaid> {
        let said = said.clone().cleaned().identified();
        let why = match &self.socket {
            None => None,
            Some(socket) => match request::<_, Done>(socket, "report", &said, timeout) {
                Ok(_) => return Ok(Heard::ByShim),
                Err(ClientError::Refused { answer, .. }) if answer.error == "unsupported" => None,
                Err(error @ ClientError::Refused { .. }) if is_final(&error) => return Err(Unsaid::Denied(error)),
                Err(error) => Some(error),
            },
        };
        self.write(said).map_err(Unsaid::File)?;
        Ok(Heard::OnDisk(why))
    }

    fn write(&self, said: Said) -> Result<(), FsError> {
        let now = heartbeat::now();
        let uid = nix::unistd::geteuid().as_raw();
        let expected = Expected { nonce: &self.nonce, since: 0, now, uid };
        let before = file::word(&self.folder, &expected).ok().flatten().map_or(0, |word| word.progress);
        let word = Word::new(said, before, now, std::process::id(), &self.nonce);
        if word.must_be_kept() {
            spool::put(&self.folder, &word)?;
        }
        file::write(&self.folder, &word)
    }
}
