//! Files and links: compiled against last written against on disk.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::ledger::Ledger;
use super::live::{Live, LiveFile};
use crate::ids::{Digest, FleetId};
use crate::render::{Artifact, FileKind};

/// A file that `apply` would touch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileChange {
    Write { artifact: Artifact, existed: bool },
    Remove { path: PathBuf, unit: bool },
}

impl FileChange {
    /// The file's path.
    #[must_use]
    pub fn path(&self) -> &PathBuf {
        match self {
            Self::Write { artifact, .. } => &artifact.path,
            Self::Remove { path, .. } => path,
        }
    }

    /// Whether the service manager reads the file.
    #[must_use]
    pub fn is_unit(&self) -> bool {
        match self {
            Self::Write { artifact, .. } => artifact.kind == FileKind::Unit,
            Self::Remove { unit, .. } => *unit,
        }
    }

    /// Whether the supervisor is to go by it.
    #[must_use]
    pub fn is_supervision(&self) -> bool {
        matches!(self, Self::Write { artifact, .. } if artifact.kind == FileKind::Supervision)
    }

    /// Whether it is the viewer's windows.
    #[must_use]
    pub fn is_view(&self) -> bool {
        matches!(self, Self::Write { artifact, .. } if artifact.kind == FileKind::View)
    }
}

/// A link that `apply` would touch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkChange {
    Write { path: PathBuf, to: PathBuf },
    Remove { path: PathBuf },
}

impl LinkChange {
    /// The link's own path.
    #[must_use]
    pub fn path(&self) -> &PathBuf {
        match self {
            Self::Write { path, .. } | Self::Remove { path } => path,
        }
    }
}

/// Something on disk that stands in the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    pub path: PathBuf,
    pub kind: ConflictKind,
}

/// Whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConflictKind {
    /// A file of fleet's that somebody changed. `--overwrite` replaces it.
    EditedByHand,
    /// Not fleet's: never touched.
    Foreign,
}

/// Compares `artifacts` with what the ledger says was written and with what stands there.
pub fn changes(
    artifacts: &[&Artifact],
    written: &BTreeMap<PathBuf, Digest>,
    ledger: &Ledger,
    live: &Live,
    fleet: &FleetId,
    conflicts: &mut Vec<Conflict>,
) -> Vec<FileChange> {
    let mut changes = Vec::new();
    for artifact in artifacts {
        let existed = match live.files.get(&artifact.path) {
            None => false,
            Some(LiveFile::File { digest, .. }) if *digest == artifact.digest => continue,
            Some(LiveFile::File { digest, marked }) => {
                if !ledger.wrote(&artifact.path, written.get(&artifact.path), digest) {
                    // A unit's mark tells whose it is; everything else stands in fleet's own folder.
                    let foreign = artifact.kind == FileKind::Unit && marked.as_deref() != Some(fleet.as_str());
                    let kind = if foreign { ConflictKind::Foreign } else { ConflictKind::EditedByHand };
                    conflicts.push(Conflict { path: artifact.path.clone(), kind });
                }
                true
            }
            Some(LiveFile::Other(_)) => {
                conflicts.push(Conflict { path: artifact.path.clone(), kind: ConflictKind::Foreign });
                continue;
            }
        };
        changes.push(FileChange::Write { artifact: (*artifact).clone(), existed });
    }
    for (path, digest) in written {
        if !artifacts.iter().any(|artifact| artifact.path == *path) {
            // Gone already, for an apply that was killed then: the ledger is to let go of it too.
            let gone = FileChange::Remove { path: path.clone(), unit: false };
            let change = removal(path, digest, ledger, live, conflicts);
            changes.extend(change.or_else(|| (!live.files.contains_key(path)).then_some(gone)));
        }
    }
    changes
}

/// Removes a file of the ledger's, if it still is what was written.
pub fn removal(
    path: &Path,
    digest: &Digest,
    ledger: &Ledger,
    live: &Live,
    conflicts: &mut Vec<Conflict>,
) -> Option<FileChange> {
    match live.files.get(path)? {
        LiveFile::File { digest: found, .. } => {
            if !ledger.wrote(path, Some(digest), found) {
                conflicts.push(Conflict { path: path.to_path_buf(), kind: ConflictKind::EditedByHand });
            }
            let unit = path.extension().is_some_and(|e| e == "service" || e == "target" || e == "slice");
            Some(FileChange::Remove { path: path.to_path_buf(), unit })
        }
        LiveFile::Other(_) => {
            conflicts.push(Conflict { path: path.to_path_buf(), kind: ConflictKind::Foreign });
            None
        }
    }
}

/// Links that the ledger owns, and that are neither wanted nor there: an apply that was killed removed them, or never made them.
/// Whoever makes one there later makes it their own.
pub fn gone_links(
    wanted: &[(PathBuf, PathBuf)],
    written: &BTreeMap<PathBuf, PathBuf>,
    live: &Live,
) -> impl Iterator<Item = LinkChange> {
    let is_wanted = |path: &PathBuf| wanted.iter().any(|(wanted, _)| wanted == path);
    let is_there = |path: &PathBuf| live.links.contains_key(path) || live.not_links.contains(path);
    let gone = written.keys().filter(move |path| !is_wanted(path) && !is_there(path));
    gone.map(|path| LinkChange::Remove { path: path.clone() })
}

/// Compares the links that shall be with those that are.
pub fn link_changes(
    wanted: &[(PathBuf, PathBuf)],
    written: &BTreeMap<PathBuf, PathBuf>,
    live: &Live,
    conflicts: &mut Vec<Conflict>,
) -> Vec<LinkChange> {
    let mut changes = Vec::new();
    for (path, to) in wanted {
        let found = live.links.get(path);
        let foreign = found.is_some_and(|found| found != to && written.get(path) != Some(found));
        if foreign || live.not_links.contains(path) {
            conflicts.push(Conflict { path: path.clone(), kind: ConflictKind::Foreign });
        } else if found != Some(to) {
            changes.push(LinkChange::Write { path: path.clone(), to: to.clone() });
        }
    }
    for path in written.keys() {
        if !wanted.iter().any(|(wanted, _)| wanted == path) && live.links.contains_key(path) {
            changes.push(LinkChange::Remove { path: path.clone() });
        }
    }
    changes
}
