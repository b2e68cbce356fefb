//! Copies of fleet's two binaries in the state folder, so that moving, cleaning or upgrading a build changes no unit and
//! breaks no start.

use std::fs::File;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

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

/// Copies what is stale. A running agent keeps the file it was started from: the copy is renamed into place.
///
/// # Errors
/// When a binary is missing or cannot be written.
pub fn refresh(bin: &Path) -> Result<(), ApplyError> {
    fs::ensure_private_dir(bin)?;
    for name in NAMES {
        let Some(source) = source(name) else { return check() };
        let copy = bin.join(name);
        if source != copy && !same(&source, &copy) {
            let temporary = bin.join(format!(".{name}.new"));
            let result = replace(&source, &temporary, &copy);
            if result.is_err() {
                let _ = std::fs::remove_file(&temporary);
            }
            result?;
        }
    }
    Ok(())
}

fn replace(source: &Path, temporary: &Path, copy: &Path) -> Result<(), ApplyError> {
    let failed = |path: &Path| {
        let path = path.to_path_buf();
        move |error: std::io::Error| FsError::io("write", &path, &error)
    };
    let _ = std::fs::remove_file(temporary);
    std::fs::copy(source, temporary).map_err(failed(temporary))?;
    std::fs::set_permissions(temporary, std::fs::Permissions::from_mode(0o700)).map_err(failed(temporary))?;
    let changed = std::fs::metadata(source).and_then(|metadata| metadata.modified()).map_err(failed(source))?;
    let file = File::options().write(true).open(temporary).map_err(failed(temporary))?;
    file.set_modified(changed).map_err(failed(temporary))?;
    file.sync_all().map_err(failed(temporary))?;
    std::fs::rename(temporary, copy).map_err(failed(copy))?;
    Ok(())
}
