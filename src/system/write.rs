//! Files that are replaced whole: written beside the one that stands there, and renamed.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use nix::errno::Errno;
use nix::libc;

use super::fs::{FsError, kind_of, stat, sync_folder_of};

/// Distinguishes the temporary names of one process.
static COUNTER: AtomicU64 = AtomicU64::new(0);

/// A name beside `target` that nothing else uses. It starts with a dot, so systemd and globs pass over it.
pub(super) fn temporary(target: &Path) -> PathBuf {
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    let mut name = OsString::from(format!(".fleet-{}-{number}", std::process::id()));
    name.push(".tmp");
    target.with_file_name(name)
}

/// Removes the temporary files that killed processes left in `folder`. Those of live ones stay.
pub fn sweep_temporaries(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid =
            name.to_str().and_then(|name| name.strip_prefix(".fleet-")?.strip_suffix(".tmp")?.split('-').next());
        let dead = pid.and_then(|pid| pid.parse().ok()).is_some_and(|pid| super::proc::identify(pid).is_none());
        if dead {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// What is tried, in words, when a file is written.
const WRITE: &str = "write";

/// Removes the temporary file unless it was renamed.
#[derive(Debug)]
pub(super) struct Temporary {
    pub(super) path: PathBuf,
    pub(super) armed: bool,
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if self.armed {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Replaces the file at `path` by one of exactly `bytes` and `mode`.
///
/// Readers see the old file or the new one, never a part: a temporary file in the same folder is written, synced and
/// renamed, then the folder is synced. On any error the old file stands as it was and the temporary one is gone.
///
/// # Errors
/// When `path` is a symbolic link or not a regular file, or the file system refuses.
pub fn write_atomic(path: &Path, bytes: &[u8], mode: u32) -> Result<(), FsError> {
    replace(path, bytes, mode)?;
    sync_folder_of("write", path)
}

/// [`write_atomic`] without syncing the folder: whoever changes many files in it does that once, with [`sync_folder`].
fn replace(path: &Path, bytes: &[u8], mode: u32) -> Result<(), FsError> {
    stage(path, bytes, mode)?.put()
}

/// A file that is written whole beside the one it will replace. Dropped, it is gone.
#[derive(Debug)]
pub struct Staged {
    /// What is still to be synced.
    file: Option<File>,
    temporary: Temporary,
    path: PathBuf,
}

impl Staged {
    /// Puts it into place, durably but for its folder.
    ///
    /// # Errors
    /// When the file system refuses; the old file then stands as it was.
    pub fn put(mut self) -> Result<(), FsError> {
        if let Some(file) = self.file.take() {
            file.sync_all().map_err(|error| FsError::io(WRITE, &self.path, &error))?;
        }
        fs::rename(&self.temporary.path, &self.path).map_err(|error| FsError::io(WRITE, &self.path, &error))?;
        self.temporary.armed = false;
        Ok(())
    }
}

/// The first half of [`write_atomic`]: whoever writes several files stages them and puts them into place together. The disk begins
/// with each at once, and a file system with a journal writes it once for all of them (as dpkg does it).
///
/// # Errors
/// As [`write_atomic`].
pub fn stage(path: &Path, bytes: &[u8], mode: u32) -> Result<Staged, FsError> {
    let (staged, file) = draft(path, bytes, mode)?;
    begin_to_write(&file);
    Ok(Staged { file: Some(file), ..staged })
}

/// Lets the disk begin with what was written into `file`, which nobody waits for.
pub fn begin_to_write(file: &File) {
    // SAFETY: has no precondition; without this call the file is written when it is synced.
    unsafe { libc::sync_file_range(file.as_raw_fd(), 0, 0, libc::SYNC_FILE_RANGE_WRITE) };
}

/// [`stage`] for one of many: [`Disks::sync`] makes it durable before it is put into place.
///
/// # Errors
/// As [`write_atomic`].
pub fn stage_unsynced(path: &Path, bytes: &[u8], mode: u32) -> Result<Staged, FsError> {
    draft(path, bytes, mode).map(|(staged, _)| staged)
}

/// The file systems of some folders.
#[derive(Debug)]
pub struct Disks(Vec<(PathBuf, File)>);

impl Disks {
    /// Those that hold `folders`. To be opened before anything is written: what could not be written is told to whoever had them
    /// open (syncfs(2), since Linux 5.8).
    ///
    /// # Errors
    /// When a folder cannot be opened.
    pub fn open(folders: &[&Path]) -> Result<Self, FsError> {
        let (mut disks, mut known) = (Vec::new(), BTreeSet::new());
        for folder in folders {
            let fail = |error: io::Error| FsError::io("open", folder, &error);
            let file = File::open(folder).map_err(fail)?;
            if known.insert(file.metadata().map_err(fail)?.dev()) {
                disks.push((folder.to_path_buf(), file));
            }
        }
        Ok(Self(disks))
    }

    /// Makes everything durable that was written there.
    ///
    /// # Errors
    /// When a file system refuses.
    pub fn sync(&self) -> Result<(), FsError> {
        self.0.iter().try_for_each(|(folder, file)| {
            nix::unistd::syncfs(file).map_err(|errno| FsError::io(WRITE, folder, &io::Error::from(errno)))
        })
    }
}

/// [`write_atomic`] for what is of use only while this machine is up: nothing waits for the disk.
///
/// # Errors
/// As [`write_atomic`].
pub fn write_passing(path: &Path, bytes: &[u8], mode: u32) -> Result<(), FsError> {
    stage_unsynced(path, bytes, mode)?.put()
}

/// Writes the file beside the one at `path`.
fn draft(path: &Path, bytes: &[u8], mode: u32) -> Result<(Staged, File), FsError> {
    if let Some(meta) = stat(WRITE, path)? {
        if meta.file_type().is_symlink() {
            return Err(FsError::io(WRITE, path, &io::Error::from(Errno::ELOOP)));
        }
        if !meta.is_file() {
            return Err(FsError::refused(
                WRITE,
                path,
                format!("{} is there", kind_of(&meta)),
                "move it away; fleet replaces only regular files",
            ));
        }
    }
    let fail = |error: io::Error| FsError::io(WRITE, path, &error);
    let (mut file, temporary) = loop {
        let name = temporary(path);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600).custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC);
        match options.open(&name) {
            Ok(file) => break (file, Temporary { path: name, armed: true }),
            // Left by a killed process that had our pid: take the next number.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(fail(error)),
        }
    };
    file.write_all(bytes).map_err(fail)?;
    // After the bytes: nobody else may read a file while it is not yet known to be whole.
    file.set_permissions(fs::Permissions::from_mode(mode)).map_err(fail)?;
    Ok((Staged { file: None, temporary, path: path.to_owned() }, file))
}
