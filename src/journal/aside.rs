//! Setting a damaged journal aside, so that being killed in the middle of it loses neither the evidence nor the fact
//! that a journal was lost.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{FILE, JournalError, MARK, connection};
use crate::system::fs::{self as files, FsError};

/// How many damaged journals are kept.
pub const DAMAGED_KEPT: usize = 3;

/// Largest mark that is read, in bytes.
const MARK_CAP: u64 = 64 << 10;
const FORMAT: u32 = 1;

/// What `journal.json` says. It outlives the journal, so that a journal which is gone is missed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mark {
    format: u32,
    /// A journal was found damaged, for this reason, and its successor is not known to be whole yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) lost: Option<String>,
}

impl Mark {
    /// A journal stands here.
    pub(super) fn begun() -> Self {
        Self { format: FORMAT, lost: None }
    }

    /// A journal was lost here.
    pub(super) fn lost(why: &str) -> Self {
        Self { format: FORMAT, lost: Some(why.to_owned()) }
    }

    /// The mark in `folder`. One that makes no sense still says that there was a journal.
    pub(super) fn read(folder: &Path) -> Result<Option<Self>, JournalError> {
        let bytes = files::read_optional(&folder.join(MARK), MARK_CAP)?;
        Ok(bytes.map(|bytes| serde_json::from_slice(&bytes).unwrap_or_else(|_| Self::begun())))
    }

    pub(super) fn write(&self, folder: &Path) -> Result<(), JournalError> {
        let mut bytes = serde_json::to_vec(self).unwrap_or_default();
        bytes.push(b'\n');
        Ok(files::write_atomic(&folder.join(MARK), &bytes, 0o600)?)
    }
}

/// Moves the journal at `path` and its log away, and removes the oldest of those moved before. The database goes first:
/// a log without one is never taken for a journal.
pub(super) fn move_away(path: &Path) -> Result<(), JournalError> {
    let folder = path.parent().unwrap_or(path);
    let stamp = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%S%.3fZ").to_string();
    let name = |number: u32| match number {
        0 => folder.join(format!("{FILE}.damaged-{stamp}")),
        _ => folder.join(format!("{FILE}.damaged-{stamp}-{number:02}")),
    };
    let free = |target: &PathBuf| connection::files(target).iter().all(|file| fs::symlink_metadata(file).is_err());
    let target = (0..1000).map(name).find(free).unwrap_or_else(|| name(0));
    for (from, to) in connection::files(path).iter().zip(connection::files(&target)) {
        match fs::rename(from, &to) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(FsError::io("move away", from, &error).into());
            }
            _ => {}
        }
    }
    forget_old(folder)?;
    Ok(files::sync_folder(folder)?)
}

fn forget_old(folder: &Path) -> Result<(), JournalError> {
    let entries = fs::read_dir(folder).map_err(|error| FsError::io("list", folder, &error))?;
    let mut damaged: Vec<PathBuf> = Vec::new();
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(rest) = name.strip_prefix(FILE).and_then(|rest| rest.strip_prefix(".damaged-")) else { continue };
        // A log without its database counts as a damaged journal of its own.
        let base = rest.trim_end_matches("-wal").trim_end_matches("-shm");
        damaged.push(folder.join(format!("{FILE}.damaged-{base}")));
    }
    damaged.sort();
    damaged.dedup();
    let surplus = damaged.len().saturating_sub(DAMAGED_KEPT);
    for old in &damaged[..surplus] {
        for file in connection::files(old) {
            files::remove_unsynced(&file)?;
        }
    }
    Ok(())
}
