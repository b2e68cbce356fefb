//! How the shim itself ends: as its agent did.

use std::process::ExitCode;

use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, SigmaskHow, Signal, raise, sigaction, sigprocmask};

/// What the shim's own process has to show to its parent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The agent's exit code, or the shim's own when the agent was never started.
    Status(u8),
    /// The agent was ended by this signal.
    Signal(i32),
}

impl Ending {
    /// Ends like the agent: raises its signal on this very process, or gives the exit code to return from `main`.
    #[must_use]
    pub fn show(self) -> ExitCode {
        match self {
            Self::Status(status) => ExitCode::from(status),
            Self::Signal(number) => {
                // The core would be the shim's, not the agent's.
                let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
                if let Ok(signal) = Signal::try_from(number) {
                    let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
                    // SAFETY: the default disposition runs no code of ours.
                    let _ = unsafe { sigaction(signal, &default) };
                    let _ = sigprocmask(SigmaskHow::SIG_UNBLOCK, Some(&SigSet::from(signal)), None);
                    let _ = raise(signal);
                }
                // Real-time signals, and process 1 of a namespace, which no default action ends: the shell's way.
                ExitCode::from(u8::try_from(128 + number).unwrap_or(u8::MAX))
            }
        }
    }
}
