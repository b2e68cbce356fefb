//! One shim per agent: its lock, and the socket that goes with it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use nix::libc;
use nix::sys::stat::{Mode, umask};
use nix::unistd::{geteuid, getpid};

use super::{StartError, report};
use crate::manifest::{Manifest, SOCKET_PATH_MAX};

/// Takes `<folder>/shim.lock` for as long as the value lives.
pub(super) fn take(manifest: &Manifest) -> Result<Flock<File>, StartError> {
    let path = manifest.folder.join("shim.lock");
    let named = |error: io::Error| StartError::config(format!("{}: {error}", path.display()));
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW)
        .open(&path)
        .map_err(named)?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(mut lock) => {
            // For people: the lock is the kernel's, not the number in the file.
            let note = lock.set_len(0).and_then(|()| lock.rewind()).and_then(|()| writeln!(lock, "{}", getpid()));
            note.map_err(named)?;
            Ok(lock)
        }
        Err((mut file, nix::errno::Errno::EWOULDBLOCK)) => {
            let mut holder = String::new();
            let _ = file.read_to_string(&mut holder);
            Err(StartError::held(format!(
                "agent {} already has a shim (process {}), which holds {}: stop that one first",
                manifest.agent,
                holder.trim(),
                path.display()
            )))
        }
        Err((_, error)) => Err(named(error.into())),
    }
}

/// The listening socket. Unlinks its path when it is dropped, if the path is still this socket's.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) socket: UnixListener,
    path: PathBuf,
    identity: (u64, u64),
}

impl Listener {
    /// Listens at `path`, in a folder that only this user can enter.
    pub(super) fn bind(path: &Path) -> Result<Self, StartError> {
        let length = path.as_os_str().len();
        if length > SOCKET_PATH_MAX {
            return Err(StartError::config(format!(
                "{} has {length} bytes and a socket's path at most {SOCKET_PATH_MAX}: use a shorter state or runtime folder",
                path.display()
            )));
        }
        let named = |error: io::Error| StartError::config(format!("{}: {error}", path.display()));
        private_folder(path.parent().unwrap_or(Path::new("/")))?;
        remove_stale(path)?;
        let before = umask(Mode::from_bits_truncate(0o177));
        let bound = UnixListener::bind(path);
        umask(before);
        let socket = bound.map_err(named)?;
        socket.set_nonblocking(true).map_err(named)?;
        let identity = identity(path).map_err(named)?;
        Ok(Self { socket, path: path.to_owned(), identity })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // A later shim may have put its own socket there.
        if identity(&self.path).is_ok_and(|now| now == self.identity)
            && let Err(error) = fs::remove_file(&self.path)
        {
            report(format_args!("{}: the socket could not be removed: {error}", self.path.display()));
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let meta = path.symlink_metadata()?;
    Ok((meta.dev(), meta.ino()))
}

/// Whoever can enter this folder can type into the agent.
fn private_folder(folder: &Path) -> Result<(), StartError> {
    let named = |error: io::Error| StartError::config(format!("{}: {error}", folder.display()));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(named)?;
    let meta = folder.metadata().map_err(named)?;
    if meta.uid() != geteuid().as_raw() || meta.mode() & 0o077 != 0 {
        return Err(StartError::config(format!(
            "{} must belong to this user and be closed to others (chmod 700): whoever can enter it can type into the \
             agent",
            folder.display()
        )));
    }
    Ok(())
}

/// Removes the socket of a shim that is gone.
fn remove_stale(path: &Path) -> Result<(), StartError> {
    let Ok(meta) = path.symlink_metadata() else { return Ok(()) };
    if !meta.file_type().is_socket() {
        return Err(StartError::config(format!("{} is in the way and is no socket: remove it", path.display())));
    }
    match UnixStream::connect(path) {
        Ok(_) => Err(StartError::held(format!("another process listens on {}: stop that one first", path.display()))),
        Err(_) => fs::remove_file(path)
            .map_err(|error| StartError::config(format!("{}: the stale socket stays: {error}", path.display()))),
    }
}
