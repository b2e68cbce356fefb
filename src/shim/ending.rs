//! How the shim itself ends: as its agent did.

use std::process::ExitCode;

use nix::libc;
use nix::sys::prctl::set_dumpable;
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};

/// What the shim's own process has to show to its parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The agent's exit code, or the shim's own when the agent was never started.
    Status(u8),
    /// The agent was ended by this signal.
    Signal(i32),
    /// Its conversation could not be resumed: it is started once more, into a new one.
    Afresh,
}

impl Ending {
    /// Ends like the agent: raises its signal on this very process, or gives the exit code to return from `main`.
    #[must_use]
    pub fn show(self) -> ExitCode {
        match self {
            Self::Status(status) => ExitCode::from(status),
            Self::Afresh => ExitCode::FAILURE,
            Self::Signal(number) => {
                // A core would be the shim's, not the agent's. The limit alone does not keep a core from a handler
                // that the kernel pipes it to (core(5)).
                let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
                let _ = set_dumpable(false);
                let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None);
                // SAFETY: the default disposition runs no code of ours; what raise does then is the purpose.
                unsafe {
                    libc::signal(number, libc::SIG_DFL);
                    libc::raise(number);
                }
                // Process 1 of a namespace, which no default action ends: the shell's way.
                ExitCode::from(u8::try_from(128 + number).unwrap_or(u8::MAX))
            }
        }
    }
}
