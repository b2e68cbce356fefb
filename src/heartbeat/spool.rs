//! `agents/<name>/reports/`: words that the next beat must not take away, each in a file of its own until the supervisor
//! has it in its journal.

use std::path::{Path, PathBuf};

use super::file::{self, Expected, Refused};
use super::{Word, is_id};
use crate::supervise::event::Report;
use crate::system::fs::{self, FsError};

/// The folder's name in the agent's folder.
pub const NAME: &str = "reports";

/// Most words that wait. With nobody to read them the oldest go.
pub const WAITING_MAX: usize = 32;

/// A word that waits to be read.
#[derive(Debug)]
pub struct Waiting {
    /// Names the word: the same one may also have been met as an event.
    pub id: String,
    pub path: PathBuf,
    pub report: Result<Report, Refused>,
    /// The run that is going on said it. A word of an earlier one is news, and says nothing of the agent's present state.
    pub this_run: bool,
}

/// Keeps a word. One without an id is not kept: nothing could tell it from a second one.
///
/// # Errors
/// When the file system refuses.
pub fn put(folder: &Path, word: &Word) -> Result<(), FsError> {
    let Some(id) = word.id.as_deref().filter(|id| is_id(id)) else { return Ok(()) };
    let spool = folder.join(NAME);
    fs::ensure_private_dir(&spool)?;
    let waiting = names(&spool);
    // The same word again, from a caller that had no answer the first time.
    if waiting.iter().any(|(_, known)| known == id) {
        return Ok(());
    }
    let over = (waiting.len() + 1).saturating_sub(WAITING_MAX);
    for (name, _) in &waiting[..over] {
        fs::remove_unsynced(&spool.join(name))?;
    }
    fs::write_passing(&spool.join(format!("{:015}-{id}.json", word.ts)), &file::bytes(word), 0o600)
}

/// The words that wait, oldest first.
#[must_use]
pub fn waiting(folder: &Path, expected: &Expected<'_>) -> Vec<Waiting> {
    let spool = folder.join(NAME);
    let read = |(name, id): (String, String)| {
        let path = spool.join(name);
        let word = file::bytes_at(&path, expected.uid).transpose()?.and_then(|bytes| {
            let word = file::understand(&bytes, expected.now)?;
            let same = word.id.as_deref() == Some(&id);
            if same { Ok(word) } else { Err(Refused::Broken("its name is another's".to_owned())) }
        });
        let this_run = word.as_ref().is_ok_and(|word| word.is_of(expected));
        Some(Waiting { id, path, report: word.map(|word| word.report()), this_run })
    };
    names(&spool).into_iter().filter_map(read).collect()
}

/// Lets a word go that has been read. One that is gone already is no failure.
///
/// # Errors
/// When the file system refuses.
pub fn remove(folder: &Path, id: &str) -> Result<(), FsError> {
    let spool = folder.join(NAME);
    for (name, _) in names(&spool).into_iter().filter(|(_, known)| known == id) {
        fs::remove_unsynced(&spool.join(name))?;
    }
    Ok(())
}

/// Removes the words and their folder, unless something else is in it.
///
/// # Errors
/// When the file system refuses.
pub fn clear(folder: &Path) -> Result<(), FsError> {
    let spool = folder.join(NAME);
    for (name, _) in names(&spool) {
        fs::remove_unsynced(&spool.join(name))?;
    }
    fs::sweep_temporaries(&spool);
    let _ = std::fs::remove_dir(&spool);
    Ok(())
}

/// File names and the ids in them, oldest first. What has another name is not fleet's.
fn names(spool: &Path) -> Vec<(String, String)> {
    // Not through a link.
    if !spool.symlink_metadata().is_ok_and(|meta| meta.is_dir()) {
        return Vec::new();
    }
    let entries = std::fs::read_dir(spool).into_iter().flatten().flatten();
    let mut found: Vec<(String, String)> = entries
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let (time, id) = name.strip_suffix(".json")?.split_once('-')?;
            let plain = time.len() == 15 && time.bytes().all(|byte| byte.is_ascii_digit()) && is_id(id);
            plain.then(|| (name.clone(), id.to_owned()))
        })
        .collect();
    found.sort_unstable();
    found
}
