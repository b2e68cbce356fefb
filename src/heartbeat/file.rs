//! `agents/<name>/heartbeat`: one word on disk, written whole and read with suspicion.

use std::fmt;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use nix::errno::Errno;
use serde::Deserialize;

use super::{FORMAT, SIZE_MAX, Word};
use crate::manifest::RunRecord;
use crate::supervise::event::Report;
use crate::system::fs::{self, FsError};

/// The file's name in the agent's folder.
pub const NAME: &str = "heartbeat";

/// How far clocks may be apart, in milliseconds.
const CLOCKS_APART: u64 = 5_000;

/// What a word of this run must look like.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// The run's nonce, from `run.json`.
    pub nonce: &'a str,
    /// When the run began, in milliseconds since the epoch.
    pub since: u64,
    /// The time now, in milliseconds since the epoch.
    pub now: u64,
    /// The user that the agent runs as.
    pub uid: u32,
}

impl<'a> Expected<'a> {
    /// What is expected now of the run in `run.json`. A shim that is older than words gave its run no mark: nothing is
    /// believed of it.
    #[must_use]
    pub fn of(run: &'a RunRecord, uid: u32) -> Self {
        let started: Option<jiff::Timestamp> = run.started.parse().ok();
        let since = started.and_then(|at| u64::try_from(at.as_millisecond()).ok()).unwrap_or(0);
        Self { nonce: run.nonce.as_deref().unwrap_or_default(), since, now: super::now(), uid }
    }
}

/// Why a word is not believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// It could not be read at all.
    Unreadable(String),
    /// A symbolic link stands in its place.
    Link,
    /// A folder, a named pipe, a socket or a device stands in its place.
    NotAFile,
    /// It belongs to this user, who is not the agent's.
    Owner(u32),
    /// It has so many bytes.
    Huge(u64),
    /// It is no word.
    Broken(String),
    /// A newer fleet wrote it.
    Format(u64),
    /// It carries the mark of an earlier run, or is older than this one.
    Stale,
    /// It carries a mark that this run never had.
    Forged,
    /// It is dated so many milliseconds ahead.
    Future(u64),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(why) => write!(f, "it cannot be read: {why}"),
            Self::Link => f.write_str("it is a symbolic link"),
            Self::NotAFile => f.write_str("it is not a regular file"),
            Self::Owner(uid) => write!(f, "it belongs to uid {uid}, not to the agent's user"),
            Self::Huge(bytes) => write!(f, "it has {bytes} bytes, and a word at most {SIZE_MAX}"),
            Self::Broken(why) => write!(f, "it is not a whole word: {why}"),
            Self::Format(format) => {
                write!(f, "its format is {format} and this fleet knows {FORMAT}: a newer fleet wrote it")
            }
            Self::Stale => f.write_str("it is of an earlier run"),
            Self::Forged => f.write_str("it does not carry this run's mark: another process wrote it"),
            Self::Future(ms) => write!(f, "it is dated {} s ahead", ms / 1000),
        }
    }
}

impl std::error::Error for Refused {}

/// Writes the agent's last word into its folder.
///
/// # Errors
/// When something other than a regular file stands there, or the file system refuses.
pub fn write(folder: &Path, word: &Word) -> Result<(), FsError> {
    fs::write_passing(&folder.join(NAME), &bytes(word), 0o600)
}

/// One line of JSON.
pub(super) fn bytes(word: &Word) -> Vec<u8> {
    // A word is text and numbers, which JSON always holds.
    let mut bytes = serde_json::to_vec(word).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

/// The agent's last word, if it has said one in this run.
///
/// # Errors
/// When what stands there is not to be believed.
pub fn read(folder: &Path, expected: &Expected<'_>) -> Result<Option<Report>, Refused> {
    Ok(word(folder, expected)?.map(|word| word.report()))
}

/// [`read`] with everything that stands there.
///
/// # Errors
/// As [`read`].
pub fn word(folder: &Path, expected: &Expected<'_>) -> Result<Option<Word>, Refused> {
    word_at(&folder.join(NAME), expected)
}

/// The word in the file at `path`.
fn word_at(path: &Path, expected: &Expected<'_>) -> Result<Option<Word>, Refused> {
    bytes_at(path, expected.uid)?.map(|bytes| judge(&bytes, expected)).transpose()
}

/// What stands in the file at `path`, if it is a file of `uid`'s that can hold a word.
pub(super) fn bytes_at(path: &Path, uid: u32) -> Result<Option<Vec<u8>>, Refused> {
    let file = match fs::open_plain(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.raw_os_error() == Some(Errno::ELOOP as i32) => return Err(Refused::Link),
        // A socket cannot be opened.
        Err(error) if error.raw_os_error() == Some(Errno::ENXIO as i32) => return Err(Refused::NotAFile),
        Err(error) => return Err(Refused::Unreadable(error.to_string())),
    };
    let unreadable = |error: io::Error| Refused::Unreadable(error.to_string());
    let meta = file.metadata().map_err(unreadable)?;
    if !meta.is_file() {
        return Err(Refused::NotAFile);
    }
    if meta.uid() != uid {
        return Err(Refused::Owner(meta.uid()));
    }
    if meta.len() > SIZE_MAX {
        return Err(Refused::Huge(meta.len()));
    }
    fs::read_sized(io::Read::take(file, SIZE_MAX + 1), meta.len()).map(Some).map_err(unreadable)
}

/// Reads and believes, or says why not.
///
/// # Errors
/// When it is no word of this run.
pub fn judge(bytes: &[u8], expected: &Expected<'_>) -> Result<Word, Refused> {
    let word = understand(bytes, expected.now)?;
    if word.is_of(expected) {
        return Ok(word);
    }
    let marked = !expected.nonce.is_empty() && word.nonce == expected.nonce;
    Err(if marked || word.ts < expected.since { Refused::Stale } else { Refused::Forged })
}

impl Word {
    /// Whether it is of this run, by its mark and its time.
    pub(super) fn is_of(&self, expected: &Expected<'_>) -> bool {
        let young = self.ts.saturating_add(CLOCKS_APART) >= expected.since;
        !expected.nonce.is_empty() && self.nonce == expected.nonce && young
    }
}

/// A whole word, of whichever run, that is not dated ahead.
pub(super) fn understand(bytes: &[u8], now: u64) -> Result<Word, Refused> {
    #[derive(Deserialize)]
    struct Numbered {
        format: u64,
    }
    if bytes.len() as u64 > SIZE_MAX {
        return Err(Refused::Huge(bytes.len() as u64));
    }
    let broken = |error: serde_json::Error| Refused::Broken(error.to_string());
    let numbered: Numbered = serde_json::from_slice(bytes).map_err(broken)?;
    if numbered.format > u64::from(FORMAT) {
        return Err(Refused::Format(numbered.format));
    }
    if numbered.format == 0 {
        return Err(Refused::Broken("there is no format 0".to_owned()));
    }
    let word: Word = serde_json::from_slice(bytes).map_err(broken)?;
    let ahead = word.ts.saturating_sub(now);
    if ahead > CLOCKS_APART {
        return Err(Refused::Future(ahead));
    }
    Ok(word)
}
