//! Facts about processes, from `/proc` (proc(5)), and handles that cannot hit the wrong one.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read as _};
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;

use crate::manifest::ProcessId;

/// The parts of `/proc/<pid>/stat` that fleet uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    pub state: char,
    pub parent: u32,
    /// Since boot, in clock ticks.
    pub start_ticks: u64,
    /// Processor time of its own and of its children that were waited for, in clock ticks.
    pub cpu_ticks: u64,
}

impl Stat {
    /// Ended, and only its parent has not noticed yet.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        matches!(self.state, 'Z' | 'X' | 'x')
    }

    /// Reads the line. The second field is the program's name in brackets and may hold brackets and blanks itself, so
    /// the fields are counted from the last bracket.
    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.get(line.rfind(')')? + 1..)?.split_ascii_whitespace();
        let state = fields.next()?.chars().next()?;
        let parent = fields.next()?.parse().ok()?;
        // utime, stime, cutime, cstime are fields 14 to 17; starttime is the 22nd.
        let mut times = fields.by_ref().skip(9).take(4).map(|time| time.parse::<u64>().ok());
        let mut cpu_ticks = 0;
        for _ in 0..4 {
            cpu_ticks += times.next()??;
        }
        drop(times);
        let start_ticks = fields.nth(4)?.parse().ok()?;
        Some(Self { state, parent, start_ticks, cpu_ticks })
    }
}

/// The process `pid` now, dead-but-not-reaped ones included.
#[must_use]
pub fn stat(pid: u32) -> Option<Stat> {
    Stat::parse(&String::from_utf8_lossy(&fs::read(format!("/proc/{pid}/stat")).ok()?))
}

/// Whether `pid` is a live process below `ancestor`, which has to be a child subreaper (prctl(2)) for the answer to be
/// complete.
#[must_use]
pub fn is_below(pid: u32, ancestor: u32) -> bool {
    /// A parent that ends while it is looked at leaves its children to the subreaper: another look sees them there.
    const LOOKS: u32 = 4;
    (0..LOOKS).any(|_| climbs_to(pid, ancestor))
}

fn climbs_to(pid: u32, ancestor: u32) -> bool {
    /// More than any tree of processes is deep.
    const DEEPEST: u32 = 1024;
    let mut at = pid;
    for _ in 0..DEEPEST {
        match stat(at) {
            Some(stat) if stat.parent == ancestor => return true,
            Some(stat) if stat.parent > 1 => at = stat.parent,
            _ => return false,
        }
    }
    false
}

/// The name of this host; empty where the kernel does not tell.
#[must_use]
pub fn hostname() -> String {
    fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned()
}

/// A new random UUID (random(4)); empty where the kernel gives none.
#[must_use]
pub fn random_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/uuid").unwrap_or_default().trim().to_owned()
}

/// The id of this boot, or an empty text where the kernel does not tell. Read once: no process outlives its boot.
#[must_use]
pub fn boot_id() -> &'static str {
    static ID: OnceLock<String> = OnceLock::new();
    ID.get_or_init(|| fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned())
}

/// The identity of the live process `pid`.
#[must_use]
pub fn identify(pid: u32) -> Option<ProcessId> {
    let stat = stat(pid).filter(|stat| !stat.is_dead())?;
    Some(ProcessId { pid, start_ticks: stat.start_ticks, boot_id: boot_id().to_owned() })
}

/// Whether exactly this process runs now. One that ended and was not reaped yet does not.
#[must_use]
pub fn is_alive(process: &ProcessId) -> bool {
    stat(process.pid).is_some_and(|stat| !stat.is_dead() && stat.start_ticks == process.start_ticks)
        && boot_id() == process.boot_id
}

/// All processes at one moment, for questions about who is below whom.
#[derive(Debug)]
pub struct Table {
    /// From a parent to its children.
    children: BTreeMap<u32, Vec<(u32, Stat)>>,
}

impl Table {
    /// Reads `/proc` once.
    #[must_use]
    pub fn read() -> Self {
        let mut children: BTreeMap<u32, Vec<(u32, Stat)>> = BTreeMap::new();
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let pid: Option<u32> = entry.file_name().to_str().and_then(|name| name.parse().ok());
            if let Some((pid, stat)) = pid.and_then(|pid| Some((pid, stat(pid)?))) {
                children.entry(stat.parent).or_default().push((pid, stat));
            }
        }
        Self { children }
    }

    /// Every process, with its pid; dead-but-not-reaped ones included.
    pub fn all(&self) -> impl Iterator<Item = (u32, Stat)> {
        self.children.values().flatten().copied()
    }

    /// Processor time of `pid` and everything below it, in clock ticks, with what those that ended have left to their parents.
    #[must_use]
    pub fn cpu_below(&self, pid: u32) -> u64 {
        let mut ticks = stat(pid).map_or(0, |stat| stat.cpu_ticks);
        let mut parents = vec![pid];
        while let Some(parent) = parents.pop() {
            for (child, stat) in self.children.get(&parent).into_iter().flatten() {
                ticks += stat.cpu_ticks;
                parents.push(*child);
            }
        }
        ticks
    }

    /// Every process below `pid`, dead ones left out. Complete when `pid` is a child subreaper (prctl(2)) or its tree
    /// has lost no parent.
    #[must_use]
    pub fn below(&self, pid: u32) -> Vec<ProcessId> {
        let mut found = Vec::new();
        let mut parents = vec![pid];
        while let Some(parent) = parents.pop() {
            for (child, stat) in self.children.get(&parent).into_iter().flatten() {
                parents.push(*child);
                if !stat.is_dead() {
                    let start_ticks = stat.start_ticks;
                    found.push(ProcessId { pid: *child, start_ticks, boot_id: boot_id().to_owned() });
                }
            }
        }
        found
    }
}

/// Every process below `pid` now; see [`Table::below`].
#[must_use]
pub fn descendants(pid: u32) -> Vec<ProcessId> {
    Table::read().below(pid)
}

/// The words of the command line of `pid`; of a longer one the beginning. `None` when it is gone or nobody may look.
#[must_use]
pub fn arguments(pid: u32) -> Option<Vec<Vec<u8>>> {
    const CAP: u64 = 256 << 10;
    let mut bytes = Vec::new();
    fs::File::open(format!("/proc/{pid}/cmdline")).ok()?.take(CAP).read_to_end(&mut bytes).ok()?;
    // A program that writes its own title leaves the rest of the space as empty words.
    while bytes.last() == Some(&0) {
        bytes.pop();
    }
    Some(bytes.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect())
}

/// The working folder of `pid`. ` (deleted)` stands behind the path of one that is gone (proc(5)).
///
/// # Errors
/// When the process is gone or is another user's.
pub fn working_folder(pid: u32) -> io::Result<PathBuf> {
    fs::read_link(format!("/proc/{pid}/cwd"))
}

/// The first executable file called `name` in the folders of `path` (as in `$PATH`). A name with a slash is itself.
#[must_use]
pub fn find_program(name: &str, path: &OsStr) -> Option<PathBuf> {
    let runs =
        |file: &Path| file.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0);
    if name.contains('/') {
        let file = PathBuf::from(name);
        return runs(&file).then_some(file);
    }
    std::env::split_paths(path)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(name))
        .find(|file| runs(file))
}

/// A handle on one process (pidfd_open(2)): whatever happens to its pid, the handle means this process only.
#[derive(Debug)]
pub struct Handle {
    fd: OwnedFd,
}

impl AsFd for Handle {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Handle {
    /// A handle on `process`, or `None` when it is gone.
    ///
    /// # Errors
    /// When the kernel gives no handle for another reason.
    pub fn open(process: &ProcessId) -> io::Result<Option<Self>> {
        let Some(handle) = Self::of_pid(process.pid)? else { return Ok(None) };
        // Checked after opening: from here on the pid cannot pass to another process unnoticed.
        Ok(is_alive(process).then_some(handle))
    }

    /// A handle on whatever process has `pid` now; safe only for a child that was not waited for.
    pub(crate) fn of_pid(pid: u32) -> io::Result<Option<Self>> {
        let pid = libc::pid_t::try_from(pid).map_err(|_| io::Error::from(Errno::EINVAL))?;
        // SAFETY: pidfd_open takes two integers and returns a new descriptor or -1.
        let result = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
        match Errno::result(result) {
            Ok(raw) => {
                let raw = i32::try_from(raw).map_err(|_| io::Error::from(Errno::EBADF))?;
                // SAFETY: the kernel just gave this descriptor to us alone.
                Ok(Some(Self { fd: unsafe { OwnedFd::from_raw_fd(raw) } }))
            }
            Err(Errno::ESRCH) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Sends `signal`. `false` when the process has ended.
    ///
    /// # Errors
    /// When the kernel refuses, e.g. for another user's process.
    pub fn signal(&self, signal: Signal) -> io::Result<bool> {
        let none = std::ptr::null::<libc::siginfo_t>();
        // SAFETY: pidfd_send_signal reads nothing of ours: the descriptor is open and the info pointer is null.
        let result = unsafe {
            libc::syscall(libc::SYS_pidfd_send_signal, self.fd.as_raw_fd(), signal as libc::c_int, none, 0)
        };
        match Errno::result(result) {
            Ok(_) => Ok(true),
            Err(Errno::ESRCH) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Waits until the process has ended. `false` when it still ran at `deadline`.
    ///
    /// # Errors
    /// When poll(2) fails.
    pub fn wait_until(&self, deadline: Instant) -> io::Result<bool> {
        let mut fds = [PollFd::new(self.as_fd(), PollFlags::POLLIN)];
        Ok(poll_until(&mut fds, deadline)? > 0)
    }
}

/// poll(2) with a point in time; interrupted calls go on. 0 when `deadline` came first.
pub(crate) fn poll_until(fds: &mut [PollFd<'_>], deadline: Instant) -> io::Result<i32> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        // Rounded up: rounding down would spin through the last millisecond.
        let left = left.checked_add(Duration::from_micros(999)).unwrap_or(left);
        let timeout = PollTimeout::try_from(left.as_millis()).unwrap_or(PollTimeout::MAX);
        match poll(fds, timeout) {
            Err(Errno::EINTR) => {}
            Ok(0) if Instant::now() < deadline => {}
            Ok(ready) => return Ok(ready),
            Err(errno) => return Err(errno.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_full_of_brackets_does_not_shift_the_fields() {
        let line = "7 (a) R 1 (b)) S 41 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 1 2";
        assert_eq!(Stat::parse(line), Some(Stat { state: 'S', parent: 41, start_ticks: 987_654, cpu_ticks: 26 }));
        assert_eq!(Stat::parse("7 (a) S 41"), None);
        assert_eq!(Stat::parse(""), None);
    }

    #[test]
    fn this_process_is_alive_and_another_start_is_not_it() {
        let me = identify(std::process::id()).unwrap();
        assert!(!me.boot_id.is_empty());
        assert!(is_alive(&me));
        assert!(!is_alive(&ProcessId { start_ticks: me.start_ticks + 1, ..me.clone() }));
        assert!(!is_alive(&ProcessId { boot_id: "another boot".to_owned(), ..me }));
    }
}
