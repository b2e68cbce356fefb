//! One message on its way: pasted, settling, sent, being proven.

use std::time::{Duration, Instant};

use alacritty_terminal::term::TermMode;

use super::Sender;
use super::clean::paste;
use super::word::confirms;
use crate::heartbeat::Word;
use crate::manifest::BusyInput;
use crate::shim::agent::Shim;
use crate::shim::classify::Found;
use crate::shim::protocol::{Outcome, SendAnswer};

/// Least time between paste and Enter: one agent CLI loses an Enter that comes sooner.
const SETTLE_MIN: Duration = Duration::from_millis(150);
/// Enter waits until the agent's drawing has paused for this long …
const PAUSE: Duration = Duration::from_millis(30);
/// … but no longer than this.
const SETTLE_MAX: Duration = Duration::from_millis(600);

/// How long the draft may take to be seen: on a busy machine an agent CLI drew a paste only after 0.6 s, and an Enter
/// before that leaves nothing to prove.
const DRAWN_MAX: Duration = Duration::from_secs(3);

/// How long the agent may take to read a paste.
const READ_MAX: Duration = Duration::from_secs(5);

/// How long a proof may take after an Enter, before it is pressed again.
const PROOF: Duration = Duration::from_secs(1);
/// How long after the last one. An agent CLI that starts its first turn on a busy machine took 3 s to empty its input
/// line, and `refused` must not be said of a message that arrives.
const PROOF_LAST: Duration = Duration::from_secs(6);

/// How often Enter is pressed at most.
const ENTERS: u32 = 2;

/// How often the heartbeat file is looked at meanwhile.
const LOOK: Duration = Duration::from_millis(50);
/// How often the screen is searched at most, when output comes faster.
const LOOK_MIN: Duration = Duration::from_millis(10);

/// How much of a draft has to stay the same to be the same draft.
const SAME: usize = 12;

#[derive(Debug)]
pub(super) struct Typing {
    pub(super) sender: Sender,
    /// When it is looked at next, at the latest.
    pub(super) look_at: Instant,
    looked_at: Instant,
    looked_bytes: u64,
    /// A turn was running when it was pasted.
    busy: bool,
    pasted_at: Instant,
    /// When the agent had read all of it.
    read_at: Option<Instant>,
    draft_before: Option<String>,
    word_before: Option<Word>,
    /// The agent's own hook has said that a prompt arrived, after Enter.
    confirmed: bool,
    sent: Option<Sent>,
    enters: u32,
}

/// After an Enter.
#[derive(Debug)]
struct Sent {
    at: Instant,
    bytes: u64,
    /// The message as it stood in the input line before.
    draft: Option<String>,
}

impl Typing {
    /// Between paste and Enter.
    pub(super) fn settles(&self) -> bool {
        self.sent.is_none()
    }

    /// The agent's own hook says that a prompt arrived. Before our Enter that cannot be ours.
    pub(super) fn confirm(&mut self, now: Instant) {
        if !self.settles() {
            self.confirmed = true;
            self.look_at = now;
        }
    }

    /// Whether to look at it now: it is time, or there is something new.
    pub(super) fn is_due(&self, now: Instant, bytes: u64) -> bool {
        self.look_at <= now || (bytes != self.looked_bytes && now >= self.looked_at + LOOK_MIN)
    }

    pub(super) fn answer(&self, outcome: Outcome, why: Option<String>, now: Instant) -> SendAnswer {
        let ms = u64::try_from(now.saturating_duration_since(self.pasted_at).as_millis()).unwrap_or(u64::MAX);
        SendAnswer { outcome, why, enters: self.enters, ms }
    }
}

/// Whether the draft that was about to be sent still stands in the input line.
fn remains(sent: &str, now: Option<&str>) -> bool {
    let start = |text: &str| text.chars().take(SAME).collect::<String>();
    now.is_some_and(|now| !now.is_empty() && start(now) == start(sent))
}

impl Shim {
    /// Types the text of an admitted message.
    pub(super) fn paste(&mut self, sender: Sender, text: &str, busy: bool, now: Instant) {
        let bracketed = self.model.mode().contains(TermMode::BRACKETED_PASTE);
        let draft_before = self.patterns.draft(&self.model.text());
        let word_before = self.word_on_disk();
        let bytes = paste(text, bracketed);
        // Admission has made sure that there is room.
        self.type_in(&bytes);
        self.write_input();
        self.deliveries.current = Some(Typing {
            sender,
            look_at: now + SETTLE_MIN,
            looked_at: now,
            looked_bytes: self.bytes,
            busy,
            pasted_at: now,
            read_at: self.input.is_empty().then_some(now),
            draft_before,
            word_before,
            confirmed: false,
            sent: None,
            enters: 0,
        });
    }

    /// Looks at the message under way.
    pub(super) fn step_delivery(&mut self, now: Instant) {
        let Some(mut typing) = self.deliveries.current.take() else { return };
        typing.looked_at = now;
        typing.looked_bytes = self.bytes;
        let verdict = if typing.settles() { self.settle(&mut typing, now) } else { self.prove(&mut typing, now) };
        match verdict {
            None => self.deliveries.current = Some(typing),
            Some(answer) => {
                self.release_held();
                self.conclude(typing.sender, None, answer, now);
                self.deliveries.look_at = Some(now);
            }
        }
    }

    /// Waits for the paste to be read and drawn, then presses Enter.
    fn settle(&mut self, typing: &mut Typing, now: Instant) -> Option<SendAnswer> {
        if typing.read_at.is_none() {
            if self.input.is_empty() {
                typing.read_at = Some(now);
            } else if now >= typing.pasted_at + READ_MAX {
                self.deliveries.unsent = true;
                let why = "the agent does not read its terminal: the text waits there, without Enter";
                return Some(typing.answer(Outcome::Unknown, Some(why.to_owned()), now));
            } else {
                typing.look_at = now + LOOK;
                return None;
            }
        }
        let read_at = typing.read_at.unwrap_or(now);
        let least = Duration::from_millis(self.manifest.policy.delivery.settle_ms).max(SETTLE_MIN);
        let due = (self.last_output + PAUSE).min(read_at + SETTLE_MAX).max(read_at + least);
        if due > now {
            typing.look_at = due;
            return None;
        }
        let screen = self.model.text();
        if let Some(dialog) = Found::on(&screen, &self.patterns).dialog {
            self.deliveries.unsent = true;
            let why = format!(
                "a question came up before Enter, which was not pressed: {:?}",
                self.told(&screen, &dialog.text)
            );
            return Some(typing.answer(Outcome::Refused, Some(why), now));
        }
        let draft = self.patterns.draft(&screen);
        let new = draft.filter(|draft| !draft.is_empty() && Some(draft) != typing.draft_before.as_ref());
        let has_input = self.patterns.has(crate::manifest::PatternKind::Input);
        if new.is_none() && has_input && now < read_at + DRAWN_MAX {
            typing.look_at = now + LOOK;
            return None;
        }
        self.press_enter(typing, new, now);
        self.release_held();
        None
    }

    fn press_enter(&mut self, typing: &mut Typing, draft: Option<String>, now: Instant) {
        self.type_in(b"\r");
        self.conversation.has_begun(&self.manifest.folder);
        self.write_input();
        typing.enters += 1;
        typing.sent = Some(Sent { at: now, bytes: self.bytes, draft });
        typing.look_at = now + LOOK;
    }

    /// Looks for a proof that the message has arrived.
    fn prove(&mut self, typing: &mut Typing, now: Instant) -> Option<SendAnswer> {
        let sent = typing.sent.as_ref()?;
        // In a turn a runtime that queues may take up another message, which waited before: its hook is no proof of ours.
        let queued = typing.busy && self.manifest.policy.delivery.busy_input == BusyInput::Queue;
        let on_disk = || self.word_on_disk().is_some_and(|word| confirms(&word, typing.word_before.as_ref()));
        if !queued && (typing.confirmed || on_disk()) {
            return Some(typing.answer(Outcome::Confirmed, None, now));
        }
        let proof = if typing.enters < ENTERS { PROOF } else { PROOF_LAST };
        let over = now >= sent.at + proof;
        let screen = self.model.text();
        let draft = self.patterns.draft(&screen);
        let answered = self.bytes > sent.bytes;
        let waits = sent.draft.as_deref().is_some_and(|sent| remains(sent, draft.as_deref()));
        let gone = sent.draft.is_some() && !waits && answered;
        // An agent that reports its state may yet confirm what its screen already shows.
        let reports = !queued && (typing.word_before.is_some() || self.words.last.is_some());
        if gone && (over || !reports) {
            let outcome = if queued { Outcome::Queued } else { Outcome::Submitted };
            return Some(typing.answer(outcome, None, now));
        }
        if !over {
            typing.look_at = (now + LOOK).min(sent.at + proof);
            return None;
        }
        // A second Enter only where the first one visibly did nothing: it could answer a question otherwise.
        let idle = sent.draft.is_none() && !answered;
        if typing.enters < ENTERS && (waits || idle) && Found::on(&screen, &self.patterns).dialog.is_none() {
            let draft = sent.draft.clone();
            self.press_enter(typing, draft, now);
            return None;
        }
        if waits {
            self.deliveries.unsent = true;
            let why = "the text is still in the input line".to_owned();
            return Some(typing.answer(Outcome::Refused, Some(why), now));
        }
        let why = if sent.draft.is_some() {
            "the text left the input line and the agent wrote nothing"
        } else if self.patterns.has(crate::manifest::PatternKind::Input) {
            "the text was not seen in the input line before Enter"
        } else {
            "this runtime has no input pattern, and no hook confirmed it"
        };
        Some(typing.answer(Outcome::Unknown, Some(why.to_owned()), now))
    }

    /// Types what a person typed meanwhile.
    fn release_held(&mut self) {
        let held = std::mem::take(&mut self.deliveries.held);
        if !held.is_empty() && self.type_in(&held) {
            self.deliveries.person_typed(&held);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::remains;

    #[test]
    fn a_draft_remains_when_its_start_does() {
        assert!(remains("hello world, and more", Some("hello world, and")));
        assert!(remains("[Pasted text #1 +3 lines]", Some("[Pasted text #1 +3 lines]")));
        assert!(!remains("hello", Some("")));
        assert!(!remains("hello", None));
        assert!(!remains("hello", Some("Press up to edit queued messages")));
    }
}
