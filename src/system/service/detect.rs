//! What service manager this host and this login have, in facts.

use std::io::ErrorKind;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};

use super::systemctl::SystemctlManager;
use super::systemd::SystemdManager;
use super::{ManagerError, ServiceManager};

/// What was found. Gathering it takes no longer than the bounded calls of the managers themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// systemd is this machine's (or container's) init.
    pub booted: bool,
    /// `$XDG_RUNTIME_DIR`, when it is set to a folder.
    pub runtime_dir: Option<PathBuf>,
    /// Something listens on the user manager's private socket.
    pub user_manager: bool,
    /// Address of the session bus, when something listens there.
    pub bus: Option<String>,
    /// The user manager's version, when it answered.
    pub version: Option<String>,
    /// Whether the user manager goes on after logout. `None` when this host has no logind to ask.
    pub linger: Option<bool>,
}

impl Facts {
    /// The number in front of the version, e.g. `252`.
    #[must_use]
    pub fn version_number(&self) -> Option<u32> {
        let text = self.version.as_deref()?;
        text.split(|c: char| !c.is_ascii_digit()).find(|part| !part.is_empty())?.parse().ok()
    }

    /// Whether the systemd user manager can be used: it has answered.
    #[must_use]
    pub fn systemd_answers(&self) -> bool {
        self.version.is_some()
    }
}

/// Gathers [`Facts`].
#[must_use]
pub fn detect() -> Facts {
    find().0
}

/// [`detect`], and the user manager it found, so that nobody connects to it twice.
///
/// # Errors
/// When the bus and systemctl get no answer.
pub fn find() -> (Facts, Result<Arc<dyn ServiceManager>, ManagerError>) {
    let init = std::fs::read_to_string("/proc/1/comm").unwrap_or_default();
    // The folder alone proves nothing: containers and tests make it without booting.
    let booted = init.trim() == "systemd" && Path::new("/run/systemd/system").is_dir();
    let runtime_dir = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|folder| folder.is_dir());
    let user_manager = runtime_dir.as_ref().is_some_and(|folder| listens(&folder.join("systemd/private")));
    let bus = bus_address(runtime_dir.as_deref());
    let mut facts = Facts { booted, runtime_dir, user_manager, bus, version: None, linger: linger() };
    match open(&facts) {
        Ok((manager, version)) => {
            facts.version = Some(version);
            (facts, Ok(manager))
        }
        Err(error) => (facts, Err(error)),
    }
}

/// Connects to the systemd user manager: over the bus, or through systemctl where there is no bus.
///
/// # Errors
/// When neither way gets an answer.
pub fn open_systemd() -> Result<Arc<dyn ServiceManager>, ManagerError> {
    find().1
}

fn open(facts: &Facts) -> Result<(Arc<dyn ServiceManager>, String), ManagerError> {
    if !facts.user_manager && facts.bus.is_none() {
        return Err(ManagerError::new(
            "reach the systemd user manager",
            match &facts.runtime_dir {
                Some(folder) => format!("none is running: nothing listens at {}/systemd/private", folder.display()),
                None => "XDG_RUNTIME_DIR names no folder, so there is no login session of systemd's".to_owned(),
            },
            if facts.booted {
                "log in through a real session (ssh, console, `machinectl shell`), or set XDG_RUNTIME_DIR to the \
                 folder of the session that runs it, as in /run/user/UID"
            } else {
                "this machine was not booted with systemd; where another user manager runs, set XDG_RUNTIME_DIR to its \
                 folder, else `fleet apply --manager=local` does without"
            },
        ));
    }
    if let Some(address) = &facts.bus
        && let Ok(manager) = SystemdManager::connect(address)
        && let Ok(version) = manager.version()
    {
        return Ok((Arc::new(manager), version));
    }
    let version = SystemctlManager.version()?;
    Ok((Arc::new(SystemctlManager), version))
}

/// The session bus's address as this process sees it.
#[must_use]
pub fn session_bus() -> Option<String> {
    let runtime_dir = std::env::var_os("XDG_RUNTIME_DIR").map(std::path::PathBuf::from);
    bus_address(runtime_dir.as_deref())
}

/// The session bus's address, when something listens there or only the bus library can tell.
fn bus_address(runtime_dir: Option<&Path>) -> Option<String> {
    if let Some(address) = std::env::var("DBUS_SESSION_BUS_ADDRESS").ok().filter(|address| !address.is_empty()) {
        return match address.strip_prefix("unix:path=") {
            // The address may go on with `,guid=…` or further addresses.
            Some(path) => {
                let end = path.find([',', ';']).unwrap_or(path.len());
                listens(Path::new(&path[..end])).then_some(address)
            }
            None => Some(address),
        };
    }
    let socket = runtime_dir?.join("bus");
    listens(&socket).then(|| format!("unix:path={}", socket.display()))
}

/// Whether a process listens on the stream socket `path`. Never waits, not even for a full backlog.
fn listens(path: &Path) -> bool {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let Ok(fd) = socket(AddressFamily::Unix, SockType::Stream, flags, None) else { return false };
    let Ok(address) = UnixAddr::new(path) else { return false };
    let stream = UnixStream::from(fd);
    match connect(std::os::fd::AsRawFd::as_raw_fd(&stream), &address) {
        Ok(()) => true,
        Err(errno) => std::io::Error::from(errno).kind() == ErrorKind::WouldBlock,
    }
}

/// A plain file test, which needs no bus (logind keeps one empty file per lingering user).
fn linger() -> Option<bool> {
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).ok().flatten()?;
    if !Path::new("/run/systemd/seats").is_dir() && !Path::new("/var/lib/systemd/linger").is_dir() {
        return None;
    }
    Some(Path::new("/var/lib/systemd/linger").join(user.name).exists())
}
