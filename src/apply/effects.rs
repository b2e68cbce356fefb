//! Single effects: a file, a link; and how long a stop may take.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::ApplyError;
use crate::ids::Digest;
use crate::manifest::Manifest;
use crate::plan::files::{FileChange, LinkChange};
use crate::system::fs;

/// How long fleet waits for a stop beyond the agent's own stop time-out.
const STOP_MARGIN: Duration = Duration::from_secs(15);

/// A file of the ledger's that is written and not yet in its place.
pub(super) struct StagedFile {
    path: PathBuf,
    digest: Digest,
    file: fs::Staged,
}

/// Files, and what the ledger knows of them. Whoever writes them syncs `folders` once for all that changed there. A few only, such
/// as those of one agent: all are held open until they are put into place.
pub(super) fn write(
    changes: &[FileChange],
    files: &mut BTreeMap<PathBuf, Digest>,
    folders: &mut BTreeSet<PathBuf>,
) -> Result<(), ApplyError> {
    put(stage(changes, files, folders, false)?, files)
}

/// The first half of [`write`]: removes what goes, and writes the others beside their places. `together`: whoever has many syncs the
/// file system before they are put there, and none is held open.
pub(super) fn stage(
    changes: &[FileChange],
    files: &mut BTreeMap<PathBuf, Digest>,
    folders: &mut BTreeSet<PathBuf>,
    together: bool,
) -> Result<Vec<StagedFile>, ApplyError> {
    let mut staged = Vec::new();
    for change in changes {
        let folder = change.path().parent().map(Path::to_path_buf);
        match change {
            FileChange::Write { artifact, .. } => {
                if let Some(folder) = folder.as_ref().filter(|folder| !folders.contains(*folder)) {
                    std::fs::create_dir_all(folder).map_err(|error| fs::FsError::io("make", folder, &error))?;
                }
                let (path, digest) = (artifact.path.clone(), artifact.digest.clone());
                let stage = if together { fs::stage_unsynced } else { fs::stage };
                let file = stage(&path, artifact.text.as_bytes(), artifact.mode())?;
                staged.push(StagedFile { path, digest, file });
            }
            FileChange::Remove { path, .. } => {
                fs::remove_unsynced(path)?;
                files.remove(path);
            }
        }
        folders.extend(folder);
    }
    Ok(staged)
}

/// The second half of [`write`].
pub(super) fn put(staged: Vec<StagedFile>, files: &mut BTreeMap<PathBuf, Digest>) -> Result<(), ApplyError> {
    for StagedFile { path, digest, file } in staged {
        file.put()?;
        files.insert(path, digest);
    }
    Ok(())
}

/// Writes or removes links, and what the ledger knows of them.
pub(super) fn change_links(
    changes: &[LinkChange],
    links: &mut BTreeMap<PathBuf, PathBuf>,
) -> Result<(), fs::FsError> {
    let mut folders = BTreeSet::new();
    let result = put_links(changes, links, &mut folders);
    sync(&folders).and(result)
}

/// The same, but for the folders: whoever has more to change in them syncs them once, with [`sync`].
pub(super) fn put_links(
    changes: &[LinkChange],
    links: &mut BTreeMap<PathBuf, PathBuf>,
    folders: &mut BTreeSet<PathBuf>,
) -> Result<(), fs::FsError> {
    for change in changes {
        folders.extend(change.path().parent().map(Path::to_path_buf));
        match change {
            LinkChange::Write { path, to } => {
                if let Some(parent) = path.parent() {
                    std::fs::create_dir_all(parent).map_err(|error| fs::FsError::io("make", parent, &error))?;
                }
                fs::write_symlink(path, to)?;
                links.insert(path.clone(), to.clone());
            }
            LinkChange::Remove { path } => {
                fs::remove_symlink(path)?;
                links.remove(path);
                // The folder goes with its last link; systemd makes it again when a user enables something.
                if let Some(parent) = path.parent() {
                    let _ = std::fs::remove_dir(parent);
                }
            }
        }
    }
    Ok(())
}

/// Makes what changed in `folders` durable.
pub(super) fn sync(folders: &BTreeSet<PathBuf>) -> Result<(), fs::FsError> {
    folders.iter().try_for_each(|folder| fs::sync_folder(folder))
}

/// How long an agent's stop may take: its own time-out and a margin.
pub(super) fn stop_timeout(manifest: Option<&Manifest>) -> Duration {
    let own = manifest.map_or(20_000, |manifest| manifest.policy.stop_timeout_ms);
    Duration::from_millis(own) + STOP_MARGIN
}
