//! May a message be typed now?

use std::time::{Duration, Instant};

use super::clean::LINE_MAX;
use crate::manifest::{BusyInput, PatternKind};
use crate::shim::agent::{INPUT_MAX, Shim};
use crate::shim::classify::QUIET;
use crate::shim::serve::TYPING;

/// How long a message waits for a person to stop typing.
const PERSON_MAX: Duration = Duration::from_secs(10);

/// How long a message waits for an agent to become quiet that takes nothing while it works. Longer than the quiet time
/// itself, so that what was just drawn does not refuse every message.
const QUIET_MAX: Duration = Duration::from_secs(5);

/// How long a message waits for the agent to read what was typed before.
const UNREAD_MAX: Duration = Duration::from_secs(2);
const UNREAD_LOOK: Duration = Duration::from_millis(50);

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// `busy`: a turn is running.
    Go {
        busy: bool,
    },
    Wait {
        until: Instant,
    },
    Refuse {
        why: String,
    },
}

impl Shim {
    /// Whether `text`, which has waited since `since`, may be typed now.
    pub(super) fn admit(&self, text: &str, since: Instant, now: Instant) -> Admission {
        let refuse = |why: &str| Admission::Refuse { why: why.to_owned() };
        let waited = now.saturating_duration_since(since);
        let screen = self.model.text();
        let facts = self.facts(&screen, now);
        if facts.stopping {
            return refuse("the agent is being stopped");
        }
        if let Some(dialog) = &facts.found.dialog {
            return Admission::Refuse { why: format!("a question to a person is on the screen: {:?}", dialog.text) };
        }
        if facts.unready {
            return refuse("the agent is not ready yet: its ready pattern has not matched since the start");
        }
        if self.input.len() + text.len() + 64 > INPUT_MAX || !self.input.is_empty() {
            if waited < UNREAD_MAX {
                return Admission::Wait { until: now + UNREAD_LOOK };
            }
            return refuse("the agent does not read its terminal");
        }
        if let Some(typed) = self.server.typed_at
            && now < typed + TYPING
        {
            if waited < PERSON_MAX {
                return Admission::Wait { until: typed + TYPING };
            }
            return refuse("a person is typing in a viewer");
        }
        if self.deliveries.unsent
            && let Some(draft) = self.patterns.draft(&screen)
            && !draft.is_empty()
        {
            return Admission::Refuse {
                why: format!("an unsent draft is in the input line: {:?}", self.told(&screen, &draft)),
            };
        }
        // Where a busy pattern exists it decides: an agent that has just drawn its prompt has output and no turn.
        let quiet = facts.quiet >= QUIET;
        let known = self.patterns.has(PatternKind::Busy);
        let busy = facts.found.busy.is_some() || (!known && !quiet);
        if self.manifest.policy.delivery.busy_input == BusyInput::Refuse {
            if let Some(busy) = &facts.found.busy {
                let why = format!("a turn is running ({:?}) and this runtime takes no input meanwhile", busy.text);
                return Admission::Refuse { why };
            }
            if !quiet {
                let until = self.last_output + QUIET;
                if until <= since + QUIET_MAX {
                    return Admission::Wait { until };
                }
                return refuse("the agent is writing, and this runtime takes no input meanwhile");
            }
        }
        if self.pty.reads_lines() && text.len() >= LINE_MAX {
            return Admission::Refuse {
                why: format!("the program reads whole lines, of which the kernel keeps {LINE_MAX} bytes"),
            };
        }
        Admission::Go { busy }
    }
}
