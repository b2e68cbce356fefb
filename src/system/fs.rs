//! Files and folders that fleet owns: written whole or not at all, private, and never through a symbolic link.

use std::fmt;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::libc;

pub use super::read::{open_plain, read_optional, read_sized};
pub use super::write::{
    Disks, Staged, begin_to_write, stage, stage_unsynced, sweep_temporaries, write_atomic, write_passing,
};
use super::write::{Temporary, temporary};

/// Something about one path that did not succeed.
#[derive(Debug)]
pub struct FsError {
    /// What was tried, e.g. `write`.
    pub action: &'static str,
    pub path: PathBuf,
    /// What happened, in words.
    pub message: String,
    /// What the user can do next.
    pub help: Option<String>,
    /// The operating system's word for it; [`io::ErrorKind::Other`] for a refusal of fleet's own.
    pub kind: io::ErrorKind,
}

impl fmt::Display for FsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} {}: {}", self.action, self.path.display(), self.message)
    }
}

impl std::error::Error for FsError {}

impl FsError {
    pub(crate) fn refused(
        action: &'static str,
        path: &Path,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self {
            action,
            path: path.to_owned(),
            message: message.into(),
            help: Some(help.into()),
            kind: io::ErrorKind::Other,
        }
    }

    pub(crate) fn io(action: &'static str, path: &Path, error: &io::Error) -> Self {
        let folder = match path.parent() {
            // A name alone.
            Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
            parent => parent.unwrap_or(path),
        };
        let folder = folder.display().to_string();
        let errno = error.raw_os_error().map(Errno::from_raw);
        let (message, help) = match errno {
            Some(Errno::ENOSPC) => (
                format!("the file system at {} is full", mount_point(path).display()),
                Some(
                    "free some space there (`df -h` and `df -i` show how much is left), then run it again".to_owned(),
                ),
            ),
            Some(Errno::EDQUOT) => (
                format!("your disk quota at {} is used up", mount_point(path).display()),
                Some("free some of your files there (`quota -s` shows the limit), then run it again".to_owned()),
            ),
            Some(Errno::EROFS) => (
                format!("the file system at {} is read-only", mount_point(path).display()),
                Some("put the folder on a file system that can be written".to_owned()),
            ),
            Some(Errno::EACCES | Errno::EPERM) => (
                "permission denied".to_owned(),
                Some(format!("see who may write there: `ls -ld {folder}` (fleet runs as `{}`)", user_name())),
            ),
            Some(Errno::ELOOP) => (
                "it is a symbolic link, and fleet does not follow links to its own files".to_owned(),
                Some(format!("see where it points: `ls -l {}`; then remove the link", path.display())),
            ),
            _ => (error.to_string(), None),
        };
        Self { action, path: path.to_owned(), message, help, kind: error.kind() }
    }
}

fn user_name() -> String {
    let uid = nix::unistd::geteuid();
    match nix::unistd::User::from_uid(uid) {
        Ok(Some(user)) => user.name,
        _ => format!("uid {uid}"),
    }
}

/// The mount point of the file system that holds `path`: the highest ancestor on the same device.
fn mount_point(path: &Path) -> PathBuf {
    let start = path.ancestors().find_map(|ancestor| ancestor.canonicalize().ok());
    let Some(mut at) = start else { return PathBuf::from("/") };
    let Ok(device) = at.metadata().map(|meta| meta.dev()) else { return at };
    while let Some(parent) = at.parent() {
        match parent.metadata() {
            Ok(meta) if meta.dev() == device => at = parent.to_owned(),
            _ => break,
        }
    }
    at
}

pub(super) fn sync_folder_of(action: &'static str, path: &Path) -> Result<(), FsError> {
    let folder = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|error| FsError::io(action, folder, &error))
}

/// What stands at `path` itself, without following a link.
pub(super) fn stat(action: &'static str, path: &Path) -> Result<Option<fs::Metadata>, FsError> {
    match fs::symlink_metadata(path) {
        Ok(meta) => Ok(Some(meta)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(FsError::io(action, path, &error)),
    }
}

/// Makes what changed in `folder` durable. One that is gone has nothing to keep.
///
/// # Errors
/// When the file system refuses.
pub fn sync_folder(folder: &Path) -> Result<(), FsError> {
    match File::open(folder).and_then(|folder| folder.sync_all()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(FsError::io("write", folder, &error)),
        _ => Ok(()),
    }
}

/// Writes a new file of mode 0600, without waiting for the disk.
///
/// # Errors
/// When something is there already, or the file system refuses.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), FsError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600).custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC);
    let written = options.open(path).and_then(|mut file| file.write_all(bytes));
    written.map_err(|error| FsError::io("write", path, &error))
}

pub(super) fn kind_of(meta: &fs::Metadata) -> &'static str {
    let kind = meta.file_type();
    if kind.is_symlink() {
        "a symbolic link"
    } else if kind.is_dir() {
        "a folder"
    } else if kind.is_fifo() {
        "a named pipe"
    } else if kind.is_socket() {
        "a socket"
    } else if kind.is_file() {
        "a regular file"
    } else {
        "a device"
    }
}

/// Makes `path` and its missing parents as folders of mode 0700, or checks that the folder there is private.
///
/// # Errors
/// When it is a symbolic link, belongs to another user, can be entered by others, or cannot be made.
pub fn ensure_private_dir(path: &Path) -> Result<(), FsError> {
    const ACTION: &str = "use the folder";
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    let meta = match (made, stat(ACTION, path)?) {
        (_, Some(meta)) => meta,
        (Err(error), None) => return Err(FsError::io("make the folder", path, &error)),
        (Ok(()), None) => return Err(FsError::io(ACTION, path, &io::Error::from(Errno::ENOENT))),
    };
    if !meta.is_dir() {
        return Err(FsError::refused(
            ACTION,
            path,
            format!("{} is in its place", kind_of(&meta)),
            format!("look at it with `ls -ld {0}` and move it away", path.display()),
        ));
    }
    let me = nix::unistd::geteuid();
    if meta.uid() != me.as_raw() {
        return Err(FsError::refused(
            ACTION,
            path,
            format!("it belongs to uid {}, and fleet runs as uid {me}", meta.uid()),
            "run fleet as the folder's owner, or choose another folder",
        ));
    }
    let mode = meta.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(FsError::refused(
            ACTION,
            path,
            format!("other users can reach it (mode {mode:04o}), and it must be private"),
            format!("see what is in it, then run `chmod 700 {}`", path.display()),
        ));
    }
    if mode & 0o700 != 0o700 {
        return Err(FsError::refused(
            ACTION,
            path,
            format!("its owner lacks a permission (mode {mode:04o})"),
            format!("run `chmod 700 {}`", path.display()),
        ));
    }
    Ok(())
}

/// Removes the file or link at `path`. `false` when nothing was there.
///
/// # Errors
/// When it is a folder or the file system refuses.
pub fn remove_file_if_present(path: &Path) -> Result<bool, FsError> {
    let removed = remove_unsynced(path)?;
    if removed {
        sync_folder_of("remove", path)?;
    }
    Ok(removed)
}

/// [`remove_file_if_present`] without syncing the folder: whoever changes many files in it does that once, with
/// [`sync_folder`], and what comes back after a power cut is removed again.
///
/// # Errors
/// When it cannot be removed.
pub fn remove_unsynced(path: &Path) -> Result<bool, FsError> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(FsError::io("remove", path, &error)),
    }
}

/// Makes `link` a symbolic link with exactly the text `target`, replacing another link. `false` when it was one already.
/// Whoever changes links syncs their folder, with [`sync_folder`].
///
/// # Errors
/// When something other than a link is at `link`, or the file system refuses.
pub fn write_symlink(link: &Path, target: &Path) -> Result<bool, FsError> {
    const ACTION: &str = "make the link";
    if let Some(meta) = stat(ACTION, link)? {
        if !meta.file_type().is_symlink() {
            let message = format!("{} is in its place", kind_of(&meta));
            return Err(FsError::refused(ACTION, link, message, "move it away; fleet replaces only links here"));
        }
        let present = fs::read_link(link).map_err(|error| FsError::io(ACTION, link, &error))?;
        if present == target {
            return Ok(false);
        }
    } else {
        match std::os::unix::fs::symlink(target, link) {
            Ok(()) => return Ok(true),
            // Somebody was quicker: it is replaced as any other.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(FsError::io(ACTION, link, &error)),
        }
    }
    let temp = loop {
        let name = temporary(link);
        match std::os::unix::fs::symlink(target, &name) {
            Ok(()) => break Temporary { path: name, armed: true },
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(FsError::io(ACTION, link, &error)),
        }
    };
    fs::rename(&temp.path, link).map_err(|error| FsError::io(ACTION, link, &error))?;
    Ok(true)
}

/// Removes the symbolic link `link`. `false` when nothing was there. Whoever changes links syncs their folder.
///
/// # Errors
/// When something other than a link is there, or the file system refuses.
pub fn remove_symlink(link: &Path) -> Result<bool, FsError> {
    const ACTION: &str = "remove the link";
    match stat(ACTION, link)? {
        None => Ok(false),
        Some(meta) if meta.file_type().is_symlink() => remove_unsynced(link),
        Some(meta) => {
            let message = format!("{} is in its place", kind_of(&meta));
            Err(FsError::refused(
                ACTION,
                link,
                message,
                "fleet did not make it: remove it by hand if you want it gone",
            ))
        }
    }
}
