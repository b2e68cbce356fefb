//! Reading: bounded, and never held up by what somebody put in a file's place.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use nix::libc;

use super::fs::{FsError, kind_of};

/// The content of the regular file at `path`, or `None` when nothing is there.
///
/// # Errors
/// When it is not a regular file, holds more than `cap` bytes, or cannot be read.
pub fn read_optional(path: &Path, cap: u64) -> Result<Option<Vec<u8>>, FsError> {
    const ACTION: &str = "read";
    let fail = |error: io::Error| FsError::io(ACTION, path, &error);
    // O_NONBLOCK: a named pipe in the file's place must not hold fleet up.
    let file = match OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(fail(error)),
    };
    let meta = file.metadata().map_err(fail)?;
    if !meta.is_file() {
        let message = format!("it is {}, not a regular file", kind_of(&meta));
        return Err(FsError::refused(ACTION, path, message, "look at it with `ls -ld` and move it away"));
    }
    let bytes = read_sized(file.take(cap.saturating_add(1)), meta.len().min(cap)).map_err(fail)?;
    if bytes.len() as u64 > cap {
        let message = format!("it is larger than {cap} bytes");
        return Err(FsError::refused(ACTION, path, message, "a file of this kind is small: see what wrote it"));
    }
    Ok(Some(bytes))
}

/// Reads a file that is known to hold `size` bytes with one call, and a longer one to its end.
///
/// # Errors
/// As read(2).
pub fn read_sized(mut file: impl Read, size: u64) -> io::Result<Vec<u8>> {
    // One byte more than expected: then the end is seen without asking for it.
    let mut bytes = vec![0; usize::try_from(size).unwrap_or(0) + 1];
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read(&mut bytes[filled..]) {
            Ok(0) => break,
            Ok(read) => {
                filled += read;
                if filled + 1 == bytes.len() {
                    break;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let whole = filled < bytes.len();
    bytes.truncate(filled);
    if !whole {
        file.read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

/// Opens what stands at `path` itself for reading, whatever it is, without following a link or waiting for a pipe.
///
/// # Errors
/// As open(2): a link is `ELOOP`.
pub fn open_plain(path: &Path) -> io::Result<File> {
    let flags = libc::O_NONBLOCK | libc::O_CLOEXEC | libc::O_NOFOLLOW;
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}
