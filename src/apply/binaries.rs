//! Copies of fleet's two binaries in the state folder, so that moving, cleaning or upgrading a build changes no unit and
//! breaks no start.

use std::fs::File;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::ApplyError;
use crate::system::fs::{self, FsError};

/// The names in `bin/`.
pub const NAMES: &[&str] = &["fleet", "fleet-shim"];

/// The binary called `name` beside the running one.
fn source(name: &str) -> Option<PathBuf> {
    let own = std::env::current_exe().ok()?;
    if own.file_name()? == name {
        return Some(own);
    }
    Some(own.parent()?.join(name)).filter(|path| path.is_file())
}

/// A copy keeps its source's size and time of change, so two `stat` calls tell that it is current. Where only the time
/// differs (the same build, installed elsewhere) the contents decide.
fn same(source: &Path, copy: &Path) -> bool {
    match (std::fs::metadata(source), std::fs::symlink_metadata(copy)) {
        (Ok(a), Ok(b)) => {
            let same_time = (a.mtime(), a.mtime_nsec()) == (b.mtime(), b.mtime_nsec());
            b.is_file() && a.len() == b.len() && (same_time || same_contents(source, copy))
        }
        _ => false,
    }
}

fn same_contents(a: &Path, b: &Path) -> bool {
    match (std::fs::read(a), std::fs::read(b)) {
        (Ok(a), Ok(b)) => a == b,
        _ => false,
    }
}

/// The copies in `bin` that differ from the running fleet. Nothing when the running fleet is the copy itself: an agent
/// that calls `fleet` must not see its own copy as stale.
#[must_use]
pub fn stale(bin: &Path) -> Vec<String> {
    let own = std::env::current_exe().ok();
    if own.as_deref().and_then(Path::parent) == Some(bin) {
        return Vec::new();
    }
    let differs = |name: &&&str| source(name).is_some_and(|source| !same(&source, &bin.join(name)));
    NAMES.iter().filter(differs).map(|name| (*name).to_owned()).collect()
}

/// Looks whether both binaries are there to be copied.
///
/// # Errors
/// When one is missing.
pub fn check() -> Result<(), ApplyError> {
    match NAMES.iter().find(|name| source(name).is_none()) {
        None => Ok(()),
        Some(name) => {
            let help = format!("build or install both binaries into one folder: `{name}` belongs beside `fleet`");
            Err(ApplyError::other(format!("the program `{name}` is missing; nothing was changed"), help))
        }
    }
}

/// Copies what is stale. A running agent keeps the file it was started from: the copy is renamed into place. Nothing refers yet to a
/// copy that is the first of its name: it is in its place at once, and the disk gets it while other things are done.
///
/// # Errors
/// When a binary is missing or cannot be written.
pub fn refresh(bin: &Path) -> Result<Unsynced, ApplyError> {
    fs::ensure_private_dir(bin)?;
    let mut unsynced = Unsynced::default();
    for name in NAMES {
        let Some(source) = source(name) else { return check().map(|()| unsynced) };
        let copy = bin.join(name);
        if source != copy && !same(&source, &copy) {
            let temporary = bin.join(format!(".{name}.new"));
            let result = replace(&source, &temporary, &copy, &mut unsynced);
            if result.is_err() {
                let _ = std::fs::remove_file(&temporary);
            }
            result?;
        }
    }
    Ok(unsynced)
}

fn replace(source: &Path, temporary: &Path, copy: &Path, unsynced: &mut Unsynced) -> Result<(), ApplyError> {
    let _ = std::fs::remove_file(temporary);
    std::fs::copy(source, temporary).map_err(failed(temporary))?;
    std::fs::set_permissions(temporary, std::fs::Permissions::from_mode(0o700)).map_err(failed(temporary))?;
    let changed = std::fs::metadata(source).and_then(|metadata| metadata.modified()).map_err(failed(source))?;
    let file = File::options().write(true).open(temporary).map_err(failed(temporary))?;
    let written = Written { path: copy.to_owned(), file, changed };
    if copy.symlink_metadata().is_ok() {
        written.sync()?;
    } else {
        fs::begin_to_write(&written.file);
        unsynced.0.push(written);
    }
    std::fs::rename(temporary, copy).map_err(failed(copy))?;
    Ok(())
}

fn failed(path: &Path) -> impl Fn(std::io::Error) -> FsError {
    move |error| FsError::io("write", path, &error)
}

#[derive(Debug)]
struct Written {
    path: PathBuf,
    file: File,
    /// When its source was changed last.
    changed: SystemTime,
}

impl Written {
    /// Only a copy that is whole on the disk gets the time by which it is known for that.
    fn sync(&self) -> Result<(), FsError> {
        self.file.sync_all().map_err(failed(&self.path))?;
        self.file.set_modified(self.changed).map_err(failed(&self.path))
    }
}

/// Copies that the disk may not have yet.
#[derive(Debug, Default)]
#[must_use]
pub struct Unsynced(Vec<Written>);

impl Unsynced {
    /// Waits for the disk.
    ///
    /// # Errors
    /// When it refuses.
    pub fn sync(self) -> Result<(), ApplyError> {
        Ok(self.0.iter().try_for_each(Written::sync)?)
    }
}
