//! The receiving end of sd_notify(3): a datagram socket on which a starting shim says that it is ready.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::DirBuilderExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::manifest::SOCKET_PATH_MAX;
use crate::system::proc;

/// What the folders' names begin with; the pid of their fleet follows.
const PREFIX: &str = "fleet-start-";

static COUNTER: AtomicU64 = AtomicU64::new(0);

/// A private folder with the sockets of all shims that are being started together. Removed when dropped.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// Removes the folders of fleets that were killed while they started agents. Those of live ones stay.
fn sweep(base: &Path) {
    for entry in std::fs::read_dir(base).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split('-').next()?.parse().ok());
        if pid.is_some_and(|pid| proc::identify(pid).is_none()) {
            // In /tmp it may be another user's, who may keep it.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

impl Folder {
    pub fn make() -> io::Result<Self> {
        let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|folder| folder.is_dir());
        let mut result = Err(io::Error::from(io::ErrorKind::NotFound));
        // The runtime folder may be read-only or its path too long for a socket; /tmp is neither.
        for base in runtime.into_iter().chain([PathBuf::from("/tmp")]) {
            result = Self::make_in(&base);
            if result.is_ok() {
                break;
            }
        }
        result
    }

    fn make_in(base: &Path) -> io::Result<Self> {
        sweep(base);
        loop {
            let number = COUNTER.fetch_add(1, Ordering::Relaxed);
            let path = base.join(format!("{PREFIX}{}-{number}", std::process::id()));
            // Room for a slash and the number of a socket.
            if path.as_os_str().len() + 12 > SOCKET_PATH_MAX {
                return Err(io::Error::other(format!("{} is too long for a socket's path", path.display())));
            }
            // Not recursive: an existing folder is somebody else's.
            match std::fs::DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Self { path }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// A new socket in the folder.
    pub fn socket(&self, index: usize) -> io::Result<Socket> {
        let path = self.path.join(index.to_string());
        let inner = UnixDatagram::bind(&path)?;
        inner.set_nonblocking(true)?;
        Ok(Socket { inner, path, ready: false, status: None })
    }
}

/// One shim's socket, and what the shim has said on it.
#[derive(Debug)]
pub(super) struct Socket {
    inner: UnixDatagram,
    pub path: PathBuf,
    pub ready: bool,
    pub status: Option<String>,
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.as_fd()
    }
}

impl Socket {
    /// Takes every message that is there now.
    pub fn drain(&mut self) {
        let mut buffer = [0; 4096];
        while let Ok(count) = self.inner.recv(&mut buffer) {
            for line in String::from_utf8_lossy(&buffer[..count]).lines() {
                match line.split_once('=') {
                    Some(("READY", "1")) => self.ready = true,
                    Some(("STATUS", text)) => self.status = Some(text.to_owned()),
                    _ => {}
                }
            }
        }
    }
}
