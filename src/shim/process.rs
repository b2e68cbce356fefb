//! Processes: identities, and the descendants that the agent leaves behind.

use std::fs;
use std::io;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::Pid;

use crate::manifest::ProcessId;

/// How long dead descendants may take to vanish. A process in an uninterruptible sleep must not hold the shim.
const REAP_LIMIT: Duration = Duration::from_secs(2);

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    Code(i32),
    Signal(i32),
}

impl Ended {
    pub(super) fn code(self) -> Option<i32> {
        if let Self::Code(code) = self { Some(code) } else { None }
    }

    pub(super) fn signal(self) -> Option<i32> {
        if let Self::Signal(signal) = self { Some(signal) } else { None }
    }
}

/// The identity of a process that certainly exists, running or not yet reaped.
pub(super) fn identify(pid: Pid) -> io::Result<ProcessId> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let start_ticks = start_ticks(&stat).ok_or_else(|| io::Error::other(format!("/proc/{pid}/stat: no field 22")))?;
    let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim_end().to_owned();
    Ok(ProcessId { pid: pid.as_raw().unsigned_abs(), start_ticks, boot_id })
}

/// Field 22 of `/proc/<pid>/stat` (proc(5)). The second field is a name in brackets that may hold anything.
fn start_ticks(stat: &str) -> Option<u64> {
    let after_name = &stat[stat.rfind(')')? + 1..];
    after_name.split_ascii_whitespace().nth(22 - 3)?.parse().ok()
}

/// How `agent` ended, if it did. It stays unreaped, so that its process group id cannot be given to a stranger while the
/// rest of the group is being ended.
pub(super) fn ended(agent: Pid) -> Option<Ended> {
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    match waitid(Id::Pid(agent), flags) {
        Ok(WaitStatus::Exited(_, code)) => Some(Ended::Code(code)),
        Ok(WaitStatus::Signaled(_, signal, _)) => Some(Ended::Signal(signal as i32)),
        _ => None,
    }
}

/// Reaps what the agent has orphaned onto the shim, but not the agent.
pub(super) fn reap_orphans(agent: Pid) {
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    while let Ok(status) = waitid(Id::All, flags) {
        match status.pid() {
            Some(pid) if pid != agent => {
                let _ = waitpid(pid, Some(WaitPidFlag::WNOHANG));
            }
            _ => break,
        }
    }
}

/// Ends everything that the dead agent left: its group, and whatever was orphaned onto the shim as subreaper, in a
/// session of its own or not. Only children of this process are touched, so no pid can belong to a stranger.
pub(super) fn end_descendants(agent: Pid) {
    let _ = killpg(agent, Signal::SIGKILL);
    let limit = Instant::now() + REAP_LIMIT;
    let mut pause = Duration::from_micros(200);
    loop {
        for child in children() {
            if child != agent {
                let _ = kill(child, Signal::SIGKILL);
            }
        }
        loop {
            match waitpid(None::<Pid>, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::StillAlive) => break,
                Ok(_) | Err(Errno::EINTR) => {}
                Err(_) => return,
            }
        }
        if Instant::now() >= limit {
            super::report(format_args!("some processes of the agent did not end within {REAP_LIMIT:?} of SIGKILL"));
            return;
        }
        // Their end is a SIGCHLD, but one that may already have been taken by the signal descriptor.
        let _ = nix::poll::poll(&mut [], u16::try_from(pause.as_millis().max(1)).unwrap_or(1));
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

/// Returns freed memory to the system, after something rare that used much of it.
pub(super) fn give_back_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: has no precondition; it only releases pages that the allocator has free.
    let _ = unsafe { nix::libc::malloc_trim(0) };
}

/// The children of this process (of its only thread).
fn children() -> Vec<Pid> {
    let pid = nix::unistd::getpid();
    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    list.split_ascii_whitespace().filter_map(|child| child.parse().ok().map(Pid::from_raw)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_time_is_found_behind_any_name() {
        let rest = "S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4242 20";
        assert_eq!(start_ticks(&format!("17 (a) b) c) {rest}")), Some(4242));
        assert_eq!(start_ticks("17 (sh) S 1"), None);
    }
}
