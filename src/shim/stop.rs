//! Ending the agent: politely, then firmly, then for good, within the time the service manager gives.

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};

use super::agent::Shim;
use super::classify::QUIET;
use super::report;
use crate::manifest::StopStep;

/// Least time between the words that end the agent and the Enter that sends them.
const SETTLE: Duration = Duration::from_millis(150);

/// A stop that was asked for.
#[derive(Debug)]
pub(super) struct Stop {
    /// The last step taken.
    pub(super) step: StopStep,
    /// When the next step is due.
    pub(super) next_at: Option<Instant>,
    next: Next,
    term_at: Instant,
    kill_at: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Enter,
    Term,
    Kill,
}

impl Shim {
    /// Begins to stop the agent. A second request changes nothing.
    pub(super) fn ask_to_stop(&mut self, now: Instant) {
        if self.stop.is_some() {
            return;
        }
        self.notifier.tell("STOPPING=1\nSTATUS=asked to stop");
        let timeout = Duration::from_millis(self.manifest.policy.stop_timeout_ms);
        // The service manager counts the same time and then kills everything, the shim and its last records included.
        let kill_at = now + timeout.saturating_sub((timeout / 10).min(Duration::from_secs(1)));
        let polite = self.quit_words(now);
        let mut stop = Stop { step: StopStep::Itself, next_at: Some(now), next: Next::Term, term_at: now, kill_at };
        if let Some(words) = polite
            && self.type_in(words.as_bytes())
        {
            stop.step = StopStep::Quit;
            stop.next = Next::Enter;
            let settle = Duration::from_millis(self.manifest.policy.delivery.settle_ms).max(SETTLE);
            stop.next_at = Some(now + settle.min(timeout / 6));
            stop.term_at = now + timeout / 3;
        }
        self.stop = Some(stop);
        self.cancel_deliveries();
        self.tick_stop(now);
    }

    /// What to type to end the agent, if it would read it as that.
    fn quit_words(&self, now: Instant) -> Option<String> {
        let words = self.manifest.policy.delivery.quit.clone()?;
        let screen = self.model.text();
        let facts = self.facts(&screen, now);
        let waits = facts.quiet >= QUIET || facts.found.idle.is_some();
        let asked = facts.found.dialog.is_some();
        let draft = self.patterns.draft(&screen).is_some_and(|draft| !draft.is_empty());
        (waits && !facts.unready && !asked && facts.found.busy.is_none() && !draft && !self.deliveries.typing())
            .then_some(words)
    }

    /// Takes the steps that are due.
    pub(super) fn tick_stop(&mut self, now: Instant) {
        while let Some(stop) = self.stop.as_mut()
            && stop.next_at.is_some_and(|at| at <= now)
        {
            match stop.next {
                Next::Enter => {
                    stop.next = Next::Term;
                    stop.next_at = Some(stop.term_at);
                    self.type_in(b"\r");
                }
                Next::Term => {
                    stop.step = StopStep::Term;
                    stop.next = Next::Kill;
                    stop.next_at = Some(stop.kill_at);
                    let _ = killpg(self.agent, Signal::SIGTERM);
                    // A stopped process takes no SIGTERM.
                    let _ = killpg(self.agent, Signal::SIGCONT);
                }
                Next::Kill => {
                    stop.step = StopStep::Kill;
                    stop.next_at = None;
                    report(format_args!(
                        "the agent did not end within {} ms of the request: killing its process group",
                        self.manifest.policy.stop_timeout_ms
                    ));
                    let _ = killpg(self.agent, Signal::SIGKILL);
                }
            }
        }
    }
}
