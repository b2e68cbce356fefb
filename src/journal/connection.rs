//! SQLite connections that trust nothing in the file.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::{FILE, JournalError};
use crate::system::fs::{self as files, FsError};

/// How long a lock of another program's is waited for. Fleet's own processes never write beside each other.
const BUSY: Duration = Duration::from_secs(2);

/// The journal's path in `folder`, without symbolic links on the way: SQLite refuses any, and a home behind one is
/// common.
pub(super) fn path_in(folder: &Path) -> Result<PathBuf, JournalError> {
    let folder = folder.canonicalize().map_err(|error| FsError::io("use the folder", folder, &error))?;
    Ok(folder.join(FILE))
}

/// The files of one journal.
pub(super) fn files(path: &Path) -> [PathBuf; 3] {
    ["", "-wal", "-shm"].map(|suffix| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    })
}

/// Refuses whatever is not a regular file of this user's in the place of one of the journal's files. Says whether the
/// journal itself is there, and whether its log is.
pub(super) fn look(path: &Path) -> Result<[bool; 2], JournalError> {
    let mut there = [false; 3];
    for (file, there) in files(path).iter().zip(&mut there) {
        let meta = match fs::symlink_metadata(file) {
            Ok(meta) => meta,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(FsError::io("open", file, &error).into()),
        };
        if meta.file_type().is_symlink() {
            return Err(FsError::io("open", file, &io::Error::from(Errno::ELOOP)).into());
        }
        let refused = |why: String| FsError::refused("open", file, why, "look at it with `ls -l` and move it away");
        if !meta.is_file() {
            return Err(refused("it is not a regular file".to_owned()).into());
        }
        let me = nix::unistd::geteuid();
        if meta.uid() != me.as_raw() && !me.is_root() {
            return Err(refused(format!("it belongs to uid {}, and fleet runs as uid {me}", meta.uid())).into());
        }
        *there = true;
    }
    Ok([there[0], there[1]])
}

/// Makes the empty file that SQLite makes a journal of, so that it and what SQLite puts beside it are private.
pub(super) fn make_empty(path: &Path) -> Result<(), JournalError> {
    Ok(files::write_private(path, b"")?)
}

/// Takes a journal that became readable for others back. By its path, which was looked at: opening it would end locks.
pub(super) fn make_private(path: &Path) -> Result<(), JournalError> {
    let mode = fs::symlink_metadata(path).map(|meta| meta.mode() & 0o777);
    let made = match mode {
        Ok(0o600) => Ok(()),
        Ok(_) => fs::set_permissions(path, fs::Permissions::from_mode(0o600)),
        Err(error) => Err(error),
    };
    made.map_err(|error| FsError::io("open", path, &error).into())
}

/// Opens the file for writing. It must be there.
pub(super) fn writable(path: &Path) -> rusqlite::Result<Connection> {
    open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)
}

/// Opens the file for reading. It must be there.
pub(super) fn readable(path: &Path) -> rusqlite::Result<Connection> {
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

/// Opens a journal on a file system where nothing can be written, with its log when that is there: the log's index is in
/// memory, and locks, which nobody could take there, are left out.
pub(super) fn readable_without_writing(path: &Path, log: bool) -> rusqlite::Result<Connection> {
    let mut uri = String::from("file:");
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' => uri.push(char::from(*byte)),
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri.push_str(if log { "?mode=ro&vfs=unix-none" } else { "?mode=ro&immutable=1" });
    let connection = open(Path::new(&uri), OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI)?;
    connection.query_row("PRAGMA locking_mode = EXCLUSIVE", [], |_| Ok(()))?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

fn open(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    connection.set_prepared_statement_cache_capacity(64);
    for (setting, value) in [
        (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_ATTACH_CREATE, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_ATTACH_WRITE, false),
        (DbConfig::SQLITE_DBCONFIG_DQS_DML, false),
        (DbConfig::SQLITE_DBCONFIG_DQS_DDL, false),
    ] {
        connection.set_db_config(setting, value)?;
    }
    connection.pragma_update(None, "cell_size_check", true)?;
    connection.pragma_update(None, "mmap_size", 0)?;
    Ok(connection)
}
