//! What can go wrong with a journal, in words for people.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use rusqlite::ErrorCode;

use crate::system::fs::FsError;
use crate::system::lock::Holder;

/// A journal that could not be opened, read or written. Whatever was to be written was not, not even in part.
#[derive(Debug)]
pub enum JournalError {
    /// A file beside the journal, or the folder.
    File(FsError),
    /// Another process writes this journal. `None` when it has not said who it is.
    Held { path: PathBuf, holder: Option<Holder> },
    /// A later version of fleet wrote it. Nothing was touched.
    Future { path: PathBuf, version: i64 },
    /// An earlier version of fleet wrote it, and only the supervisor brings it up to date.
    Past { path: PathBuf, version: i64 },
    /// What is in it makes no sense.
    Damaged { path: PathBuf, why: String },
    /// SQLite or the disk refused.
    Refused { path: PathBuf, action: &'static str, why: String, help: String },
}

impl JournalError {
    /// What the user can do next.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        match self {
            Self::File(error) => error.help.clone(),
            Self::Held { .. } => {
                Some("only one supervisor runs per fleet: use that one, or stop it first".to_owned())
            }
            Self::Future { path, .. } => Some(format!(
                "run that version of fleet; or, to begin a new journal and lose what this one knows, move {} and the files \
                 that begin with its name away",
                path.display()
            )),
            Self::Past { .. } => Some("start the supervisor: it brings the journal up to date".to_owned()),
            Self::Damaged { .. } => Some(
                "restart the supervisor: it sets the damaged journal aside, begins a new one, and does nothing \
                 destructive until `fleet clear --journal-lost`"
                    .to_owned(),
            ),
            Self::Refused { help, .. } => Some(help.clone()),
        }
    }

    /// Whether the content itself is wrong, so that trying again cannot help.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        matches!(self, Self::Damaged { .. })
    }

    /// What SQLite said about the journal at `path`, while it was to `action` it.
    pub(super) fn sqlite(action: &'static str, path: &Path, error: &rusqlite::Error) -> Self {
        let full = || Self::File(FsError::io(action, path, &io::Error::from(Errno::ENOSPC)));
        let refused =
            |why: String, help: &str| Self::Refused { path: path.to_owned(), action, why, help: help.to_owned() };
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Damaged { path: path.to_owned(), why: error.to_string() }
            }
            Some(ErrorCode::DiskFull) => full(),
            Some(ErrorCode::ReadOnly) => refused(
                "it cannot be written".to_owned(),
                "see whether the file system is read-only (`findmnt -T` with its path) and who owns the file (`ls -l`)",
            ),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => refused(
                "another program holds it open".to_owned(),
                "find that program with `fuser -v` and the file's path; end it, or wait for it",
            ),
            Some(ErrorCode::CannotOpen) => refused(
                format!("the file or the ones beside it cannot be opened ({error})"),
                "see who owns the folder and its files with `ls -la`",
            ),
            Some(ErrorCode::SystemIoFailure) => refused(
                format!("the disk refused ({error})"),
                "look at the free space (`df -h`), the limits (`ulimit -f`) and the kernel's messages (`dmesg`)",
            ),
            _ => refused(error.to_string(), "report this as a bug, with the output of `fleet doctor`"),
        }
    }
}

impl fmt::Display for JournalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(error) => error.fmt(f),
            Self::Held { path, holder: Some(holder) } => write!(f, "{} is being written by {holder}", path.display()),
            Self::Held { path, holder: None } => {
                write!(f, "{} is being written by another process", path.display())
            }
            Self::Future { path, version } => write!(
                f,
                "{} was written by a later version of fleet (format {version}; this one knows {})",
                path.display(),
                super::VERSION
            ),
            Self::Past { path, version } => write!(
                f,
                "{} is of an earlier version of fleet (format {version}; this one reads {})",
                path.display(),
                super::VERSION
            ),
            Self::Damaged { path, why } => write!(f, "{} is damaged: {why}", path.display()),
            Self::Refused { path, action, why, .. } => write!(f, "cannot {action} {}: {why}", path.display()),
        }
    }
}

impl std::error::Error for JournalError {}

impl From<FsError> for JournalError {
    fn from(error: FsError) -> Self {
        Self::File(error)
    }
}
