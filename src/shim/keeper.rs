//! Under the local manager: a process above the shim that ends what a killed shim leaves.
//!
//! systemd ends the rest of a unit's control group. Without one, processes of the agent in sessions of their own would outlive a
//! shim that is killed. The keeper is their subreaper: when the shim is gone they become the keeper's children, by the kernel's
//! word, so no name, number or variable has to be believed and nobody else's process can be hit.

use std::time::{Duration, Instant};

use nix::poll::poll;
use nix::sys::prctl::set_child_subreaper;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::unistd::{ForkResult, Pid, fork, getpid, getppid, setsid};

use super::process::{self, Ended};
use super::{Ending, report};
use crate::manifest::ProcessId;
use crate::system::proc::{self, Handle};
use crate::system::service::local::KEEPER;

/// How long what is left has to end by itself, after SIGTERM.
const GRACE: Duration = Duration::from_secs(3);

/// Goes on in the shim. In the keeper it returns when all has ended: how the shim has.
pub(super) fn part() -> Option<Ending> {
    std::env::var_os(KEEPER)?;
    if let Err(error) = set_child_subreaper(true) {
        report(format_args!("no subreaper ({error}): what a killed shim leaves is ended by nobody"));
        return None;
    }
    // SAFETY: this process has one thread, and holds no lock.
    match unsafe { fork() } {
        Ok(ForkResult::Child) => {
            // Neither a subreaper by inheritance nor in the keeper's session: what hits one does not hit the other.
            if let Err(error) = setsid() {
                report(format_args!("no session of its own: {error}"));
            }
            None
        }
        Ok(ForkResult::Parent { child }) => Some(keep(child)),
        Err(error) => {
            report(format_args!("no keeper ({error}): what a killed shim leaves is ended by nobody"));
            None
        }
    }
}

/// The keeper of this shim, for its record.
pub(super) fn of_this_shim() -> Option<ProcessId> {
    std::env::var_os(KEEPER)?;
    let parent = getppid();
    // A keeper that was killed has left the shim to somebody else; a shim that has none was started by its manager itself.
    process::identify(parent).ok().filter(|_| is_keeper(parent))
}

/// Whether the program of `pid` is this one: a manager is another.
fn is_keeper(pid: Pid) -> bool {
    let program = |of: Pid| std::fs::read_link(format!("/proc/{of}/exe"));
    program(pid).is_ok_and(|theirs| program(getpid()).is_ok_and(|own| own == theirs))
}

fn keep(shim: Pid) -> Ending {
    // Only SIGKILL ends a keeper: it has no work of its own that could be asked to stop.
    let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::all()), None);
    let ending = match process::wait_for(shim) {
        Some(Ended::Code(code)) => Ending::Status(u8::try_from(code).unwrap_or(u8::MAX)),
        Some(Ended::Signal(number)) => Ending::Signal(number),
        None => Ending::Status(1),
    };
    end_what_is_left();
    ending
}

fn end_what_is_left() {
    let left = proc::descendants(std::process::id());
    if left.is_empty() {
        return;
    }
    let pids: Vec<String> = left.iter().map(|process| process.pid.to_string()).collect();
    report(format_args!(
        "the shim is gone and processes of its agent are left, which are ended now: {}",
        pids.join(" ")
    ));
    for handle in left.iter().filter_map(|process| Handle::open(process).ok().flatten()) {
        let _ = handle.signal(Signal::SIGTERM);
        let _ = handle.signal(Signal::SIGCONT);
    }
    let limit = Instant::now() + GRACE;
    let mut pause = 1_u16;
    while Instant::now() < limit {
        // Reaped, or they would count as there.
        if process::reap_all() {
            return;
        }
        let _ = poll(&mut [], pause);
        pause = (pause * 2).min(50);
    }
    process::end_children(None);
}
