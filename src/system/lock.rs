//! One holder at a time, by a lock of the kernel's.
//!
//! The lock lives in the open file (flock(2)): it ends with its holder however that ends, so it is never stale. The
//! sidecar beside it only says who holds it.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::libc;
use serde::{Deserialize, Serialize};

use super::{fs, proc};

/// Largest sidecar that is read, in bytes.
const SIDECAR_CAP: u64 = 64 * 1024;

/// Who holds a lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    pub pid: u32,
    pub host: String,
    pub user: String,
    /// What the holder does, e.g. `fleet apply`.
    pub command: String,
    /// RFC 3339, UTC.
    pub started: String,
}

impl Holder {
    /// This process, which does `command`.
    #[must_use]
    pub fn this_process(command: &str) -> Self {
        // User and host. Asked for once: an apply takes as many locks as it has agents.
        static WHO: OnceLock<(String, String)> = OnceLock::new();
        let (user, host) = WHO.get_or_init(|| {
            let uid = nix::unistd::geteuid();
            let user = nix::unistd::User::from_uid(uid).ok().flatten();
            (user.map_or_else(|| uid.to_string(), |user| user.name), proc::hostname())
        });
        Self {
            pid: std::process::id(),
            host: host.clone(),
            user: user.clone(),
            command: command.to_owned(),
            started: jiff::Timestamp::now().to_string(),
        }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pid, host, user, command, started } = self;
        write!(f, "`{command}` (pid {pid}, {user} on {host}, since {started})")
    }
}

/// A lock that this process holds until it is dropped.
#[derive(Debug)]
pub struct Lock {
    _file: Flock<File>,
    sidecar: PathBuf,
}

impl Lock {
    /// Gives this lock the sidecar of `other`. A killed holder's is in the way, and nobody else's: the lock is ours.
    fn is_named_as(&self, other: &Self) -> bool {
        let _ = std::fs::remove_file(&self.sidecar);
        std::fs::hard_link(&other.sidecar, &self.sidecar).is_ok()
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Before the lock itself ends: afterwards the sidecar may already be the next holder's.
        let _ = std::fs::remove_file(&self.sidecar);
    }
}

/// The outcome of [`try_lock`].
#[derive(Debug)]
pub enum Attempt {
    /// It is ours.
    Taken(Lock),
    /// Another process has it. `None` when it has not said yet who it is.
    Held(Option<Holder>),
}

/// How long somebody may hold a lock without having said who it is: the sidecar is written after the lock is taken, and
/// a killed holder's child has the lock open until it becomes another program.
const NAMELESS: Duration = Duration::from_millis(300);

/// How long a lock may be held by nobody that runs: one that was killed has it until its last thread has ended, which a disk may
/// hold up.
pub const ENDING: Duration = Duration::from_secs(3);

/// Takes the lock at `path` if it is free, and says who has it otherwise. Waits for no holder, only for its name.
///
/// # Errors
/// When the lock file or its sidecar cannot be made.
pub fn try_lock(path: &Path, command: &str) -> Result<Attempt, fs::FsError> {
    try_lock_like(path, command, None)
}

/// The same for one of many locks: `like` is another of them, which this process took for the same command. It gives its
/// sidecar, for making a file costs more than naming it twice.
///
/// # Errors
/// As [`try_lock`].
pub fn try_lock_like(path: &Path, command: &str, like: Option<&Lock>) -> Result<Attempt, fs::FsError> {
    let open = || {
        OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC)
            .open(path)
    };
    let file = open().map_err(|error| fs::FsError::io("lock", path, &error))?;
    let sidecar = sidecar_of(path);
    let deadline = Instant::now() + NAMELESS;
    let mut file = file;
    loop {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(file) => {
                let lock = Lock { _file: file, sidecar };
                if like.is_none_or(|other| !lock.is_named_as(other)) {
                    let mut text = serde_json::to_vec(&Holder::this_process(command)).unwrap_or_default();
                    text.push(b'\n');
                    // The sidecar is for people; a full disk must not keep anybody from stopping agents.
                    let _ = fs::write_passing(&lock.sidecar, &text, 0o600);
                }
                return Ok(Attempt::Taken(lock));
            }
            Err((again, Errno::EWOULDBLOCK)) => {
                let holder = read_holder(&sidecar);
                if holder.is_some() || Instant::now() >= deadline {
                    return Ok(Attempt::Held(holder));
                }
                file = again;
                // Nobody tells when a name is written.
                std::thread::sleep(Duration::from_millis(5));
            }
            Err((_, errno)) => return Err(fs::FsError::io("lock", path, &io::Error::from(errno))),
        }
    }
}

/// Whether anybody holds the lock at `path` this moment. Makes nothing, and takes it from nobody: whoever wants the lock
/// in this very moment tries again.
#[must_use]
pub fn is_held(path: &Path) -> bool {
    let mut options = OpenOptions::new();
    let Ok(file) = options.read(true).custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC).open(path) else {
        return false;
    };
    matches!(Flock::lock(file, FlockArg::LockSharedNonblock), Err((_, Errno::EWOULDBLOCK)))
}

/// Who last took the lock at `path` and still runs. That it holds the lock is told by [`is_held`].
#[must_use]
pub fn holder(path: &Path) -> Option<Holder> {
    read_holder(&sidecar_of(path))
}

/// The holder as the sidecar names it, unless that process is gone (then the sidecar is a killed predecessor's).
fn read_holder(sidecar: &Path) -> Option<Holder> {
    let text = fs::read_optional(sidecar, SIDECAR_CAP).ok()??;
    let holder: Holder = serde_json::from_slice(&text).ok()?;
    proc::identify(holder.pid).is_some().then_some(holder)
}

/// `<path>.json`.
fn sidecar_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".json");
    PathBuf::from(name)
}
