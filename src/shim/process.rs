//! Processes: identities, and the descendants that the agent leaves behind.

use std::fs;
use std::io;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc;
use nix::poll::poll;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use crate::manifest::ProcessId;
use crate::system::proc;

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
    let pid = pid.as_raw().unsigned_abs();
    let stat = proc::stat(pid).ok_or_else(|| io::Error::other(format!("/proc/{pid}/stat cannot be read")))?;
    Ok(ProcessId { pid, start_ticks: stat.start_ticks, boot_id: proc::boot_id().to_owned() })
}

/// How `agent` ended, if it did. It stays unreaped, so that its process group id cannot be given to a stranger while the
/// rest of the group is being ended.
pub(super) fn ended(agent: Pid) -> Option<Ended> {
    peek(libc::P_PID, agent).map(|(_, ended)| ended)
}

/// A child that has ended, left as it is. Not by way of `nix`, which knows no real-time signal and fails on a child that
/// one has ended.
fn peek(which: libc::idtype_t, child: Pid) -> Option<(Pid, Ended)> {
    let id = libc::id_t::try_from(child.as_raw()).ok()?;
    // SAFETY: all zeroes is a valid `siginfo_t`: it has integers and pointers only.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    // SAFETY: writes one `siginfo_t` to the pointer, which lives across the call.
    let done = unsafe { libc::waitid(which, id, &raw mut info, libc::WEXITED | libc::WNOHANG | libc::WNOWAIT) };
    // SAFETY: waitid has filled in these fields, or left them zero when no child has ended.
    let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
    let ended = if info.si_code == libc::CLD_EXITED { Ended::Code(status) } else { Ended::Signal(status) };
    (done == 0 && pid != 0).then_some((Pid::from_raw(pid), ended))
}

/// Reaps one child, or any with -1. `None`: no such child is left; `Some(false)`: none of them has ended.
fn reap(child: Pid) -> Option<bool> {
    loop {
        // SAFETY: without a pointer for the status nothing is written.
        match unsafe { libc::waitpid(child.as_raw(), std::ptr::null_mut(), libc::WNOHANG) } {
            0 => return Some(false),
            -1 if Errno::last() == Errno::EINTR => {}
            -1 => return None,
            _ => return Some(true),
        }
    }
}

/// Waits for the end of `child`, reaping every other child meanwhile.
pub(super) fn wait_for(child: Pid) -> Option<Ended> {
    loop {
        // SAFETY: all zeroes is a valid `siginfo_t`: it has integers and pointers only.
        let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
        // SAFETY: writes one `siginfo_t` to the pointer, which lives across the call.
        match unsafe { libc::waitid(libc::P_ALL, 0, &raw mut info, libc::WEXITED) } {
            0 => {}
            _ if Errno::last() == Errno::EINTR => continue,
            _ => return None,
        }
        // SAFETY: waitid has filled in these fields.
        let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
        if pid == child.as_raw() {
            let code = info.si_code == libc::CLD_EXITED;
            return Some(if code { Ended::Code(status) } else { Ended::Signal(status) });
        }
    }
}

/// Reaps every child that has ended. Whether none is left at all.
pub(super) fn reap_all() -> bool {
    loop {
        match reap(Pid::from_raw(-1)) {
            Some(true) => {}
            Some(false) => return false,
            None => return true,
        }
    }
}

/// Reaps what the agent has orphaned onto the shim, but not the agent.
pub(super) fn reap_orphans(agent: Pid) {
    while let Some((orphan, _)) = peek(libc::P_ALL, Pid::from_raw(0))
        && orphan != agent
    {
        reap(orphan);
    }
}

/// Ends everything that the dead agent left: its group, and whatever was orphaned onto the shim as subreaper, in a
/// session of its own or not. Only children of this process are touched, so no pid can belong to a stranger.
pub(super) fn end_descendants(agent: Pid) {
    let _ = killpg(agent, Signal::SIGKILL);
    end_children(Some(agent));
}

/// Ends every child but `agent`, and what those leave behind, until there is none.
pub(super) fn end_children(agent: Option<Pid>) {
    let limit = Instant::now() + REAP_LIMIT;
    let mut pause = 1_u16;
    loop {
        for child in children() {
            if Some(child) != agent {
                let _ = kill(child, Signal::SIGKILL);
            }
        }
        if reap_all() {
            return;
        }
        if Instant::now() >= limit {
            super::report(format_args!("some processes of the agent did not end within {REAP_LIMIT:?} of SIGKILL"));
            return;
        }
        // Killed processes need a moment; those that they leave behind become children of this process only then.
        let _ = poll(&mut [], pause);
        pause = (pause * 2).min(20);
    }
}

/// Returns freed memory to the system, after something rare that used much of it.
pub(super) fn give_back_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: has no precondition; it only releases pages that the allocator has free.
    let _ = unsafe { libc::malloc_trim(0) };
}

/// The children of this process (of its only thread).
fn children() -> Vec<Pid> {
    let pid = nix::unistd::getpid();
    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    list.split_ascii_whitespace().filter_map(|child| child.parse().ok().map(Pid::from_raw)).collect()
}
