//! `send`: text typed for the agent, one message at a time, and what is known of it afterwards.
//!
//! A message is admitted (or refused with nothing typed), pasted, given time, sent with Enter, and then its arrival is
//! proven or not. Nothing is ever typed twice; only Enter is pressed a second time, when the text is still seen to be
//! waiting for it.

mod admit;
mod clean;
mod typing;
mod word;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::agent::{INPUT_MAX, Shim};
use super::protocol::{Outcome, ProtocolError, SendAnswer};
use super::report;
use admit::Admission;
use clean::{TEXT_MAX, clean};
use typing::Typing;

/// Most senders that wait.
const WAITING_MAX: usize = 16;

/// After output, how soon a first message that was refused is tried again.
const TRY_AGAIN: Duration = Duration::from_millis(500);

/// Who waits for the outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sender {
    Connection(u64),
    /// The message that the agent was started with.
    First,
}

#[derive(Debug)]
struct Waiting {
    sender: Sender,
    text: String,
    since: Instant,
}

/// Messages waiting and under way.
#[derive(Debug)]
pub(super) struct Deliveries {
    waiting: VecDeque<Waiting>,
    /// When to look again whether the first of them can go.
    look_at: Option<Instant>,
    current: Option<Typing>,
    /// The message to give once the agent is ready.
    first: Option<String>,
    /// Output there was when the first message was refused.
    first_refused_at: Option<u64>,
    /// Text was put into the input line, by a person or by us, and not sent.
    unsent: bool,
    /// What a person typed while a message was between its paste and its Enter.
    held: Vec<u8>,
}

impl Deliveries {
    pub(super) fn new(first: Option<String>) -> Self {
        Self {
            waiting: VecDeque::new(),
            look_at: None,
            current: None,
            first,
            first_refused_at: None,
            unsent: false,
            held: Vec::new(),
        }
    }

    /// A message is under way.
    pub(super) fn typing(&self) -> bool {
        self.current.is_some()
    }

    /// The agent's own hook says that a prompt arrived.
    pub(super) fn confirm(&mut self, now: Instant) {
        if let Some(typing) = &mut self.current {
            typing.confirm(now);
        }
    }

    /// A first message waits for the agent to be ready.
    pub(super) fn has_first(&self) -> bool {
        self.first.is_some()
    }

    /// A message has been pasted and not sent yet: nobody else may type now.
    pub(super) fn holds(&self) -> bool {
        self.current.as_ref().is_some_and(Typing::settles)
    }

    /// Keeps what a person types until the message is sent. `false`: it is too much.
    pub(super) fn hold(&mut self, bytes: &[u8]) -> bool {
        let fits = self.held.len() + bytes.len() <= INPUT_MAX;
        if fits {
            self.held.extend_from_slice(bytes);
        }
        fits
    }

    /// A person typed: is something left in the input line?
    pub(super) fn person_typed(&mut self, bytes: &[u8]) {
        const CTRL_C: u8 = 0x03;
        const CTRL_U: u8 = 0x15;
        if memchr::memmem::find(bytes, b"\x1b[200~").is_some() {
            self.unsent = !bytes.ends_with(b"\r");
            return;
        }
        let ends = |byte: &u8| matches!(*byte, b'\r' | b'\n' | CTRL_C | CTRL_U);
        match bytes.iter().rposition(ends) {
            Some(last) => self.unsent = last + 1 < bytes.len(),
            None => self.unsent |= bytes.iter().any(|byte| *byte >= b' ') && !bytes.starts_with(b"\x1b"),
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        match &self.current {
            Some(typing) => Some(typing.look_at),
            None => self.look_at,
        }
    }
}

/// An answer about a message of which nothing was typed.
fn refused(why: impl Into<String>) -> SendAnswer {
    SendAnswer { outcome: Outcome::Refused, why: Some(why.into()), enters: 0, ms: 0 }
}

impl Shim {
    /// Takes a message in. `Some`: it is refused already. `Err`: too many wait.
    pub(super) fn enqueue(&mut self, id: u64, text: &str, now: Instant) -> Result<Option<SendAnswer>, ProtocolError> {
        if self.deliveries.waiting.len() >= WAITING_MAX {
            return Err(ProtocolError {
                error: "busy".to_owned(),
                message: format!("{WAITING_MAX} messages wait for this agent already: send later"),
            });
        }
        let text = clean(text);
        if text.trim().is_empty() {
            return Ok(Some(refused("the text is empty")));
        }
        if text.len() > TEXT_MAX {
            return Ok(Some(refused(format!(
                "the text has {} bytes and a message at most {TEXT_MAX}: put it into a file and send its path",
                text.len()
            ))));
        }
        self.deliveries.waiting.push_back(Waiting { sender: Sender::Connection(id), text, since: now });
        self.deliveries.look_at = Some(now);
        Ok(None)
    }

    /// Brings messages as far as they can come now.
    pub(super) fn tick_deliveries(&mut self, now: Instant) {
        self.queue_first_message(now);
        if self.deliveries.current.as_ref().is_some_and(|typing| typing.is_due(now, self.bytes)) {
            self.step_delivery(now);
        }
        while self.deliveries.current.is_none() && self.deliveries.look_at.is_some_and(|at| at <= now) {
            self.deliveries.look_at = None;
            let Some(front) = self.deliveries.waiting.pop_front() else { break };
            if let Sender::Connection(id) = front.sender
                && !self.server.is_connected(id)
            {
                // Its sender left before anything was typed, and would never know.
                self.deliveries.look_at = Some(now);
                continue;
            }
            match self.admit(&front.text, front.since, now) {
                Admission::Go { busy } => {
                    self.paste(front.sender, &front.text, busy, now);
                }
                Admission::Wait { until } => {
                    self.deliveries.look_at = Some(until);
                    self.deliveries.waiting.push_front(front);
                }
                Admission::Refuse { why } => {
                    self.conclude(front.sender, Some(front.text), refused(why), now);
                    self.deliveries.look_at = Some(now);
                }
            }
        }
    }

    fn queue_first_message(&mut self, now: Instant) {
        if self.deliveries.first.is_none() || !self.ready.seen || self.stop.is_some() {
            return;
        }
        if let Some(bytes) = self.deliveries.first_refused_at {
            // Nothing has changed, or it is changing now.
            if bytes == self.bytes {
                return;
            }
            let settled = self.last_output + TRY_AGAIN;
            if settled > now {
                self.deliveries.look_at = Some(self.deliveries.look_at.map_or(settled, |at| at.min(settled)));
                return;
            }
        }
        let Some(text) = self.deliveries.first.take() else { return };
        let text = clean(&text);
        if text.trim().is_empty() {
            return;
        }
        self.deliveries.waiting.push_front(Waiting { sender: Sender::First, text, since: now });
        self.deliveries.look_at = Some(now);
    }

    /// Tells the sender what became of its message.
    fn conclude(&mut self, sender: Sender, untyped: Option<String>, answer: SendAnswer, now: Instant) {
        match (sender, untyped) {
            (Sender::Connection(id), _) => self.server.answer(id, &answer, now),
            (Sender::First, Some(text)) if self.stop.is_none() => {
                self.deliveries.first = Some(text);
                self.deliveries.first_refused_at = Some(self.bytes);
            }
            (Sender::First, _) => {
                if !matches!(answer.outcome, Outcome::Confirmed | Outcome::Submitted | Outcome::Queued) {
                    let why = answer.why.unwrap_or_default();
                    report(format_args!("the first message: {:?}: {why}", answer.outcome));
                }
            }
        }
    }

    /// The agent is being stopped: nothing more is typed.
    pub(super) fn cancel_deliveries(&mut self) {
        self.end_deliveries("the agent is being stopped");
    }

    /// The agent has ended.
    pub(super) fn abandon_deliveries(&mut self) {
        self.end_deliveries("the agent has ended");
    }

    fn end_deliveries(&mut self, why: &str) {
        let now = Instant::now();
        self.deliveries.first = None;
        if let Some(typing) = self.deliveries.current.take() {
            let answer = typing.answer(Outcome::Unknown, Some(why.to_owned()), now);
            self.conclude(typing.sender, None, answer, now);
        }
        while let Some(waiting) = self.deliveries.waiting.pop_front() {
            self.conclude(waiting.sender, None, refused(why), now);
        }
    }
}
