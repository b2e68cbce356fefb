//! One turn: events to the machine, everything into the journal, then effects out.

use super::clock;
use super::control::{self, Asked};
use super::live::{Live, Unwritten, Waiter};
use super::words::{Answer, Ask};
use super::{Input, failpoint, report};
use crate::ids::AgentName;
use crate::journal::inbox;
use crate::supervise::decision::{Act, Decision, EffectId};
use crate::supervise::event::{Caller, Event, Request};
use crate::supervise::message::{Message, MessageState};

/// Between two tries to write a journal that could not be written, in milliseconds.
const AGAIN: u64 = 2_000;
/// Decisions that may wait for the disk. With more of them this process ends: its successor sees the world anew.
const UNWRITTEN_MAX: usize = 20_000;

impl Live {
    /// Takes in what came, does what is due, and lets effects leave.
    pub(super) fn turn(&mut self, inputs: impl Iterator<Item = Input>) {
        for input in inputs {
            self.take_input(input);
        }
        let now = clock::now();
        if self.machine.next_deadline().is_some_and(|at| at <= now.awake) {
            self.machine.on_deadline(now);
        }
        self.commit();
        self.answer_late();
    }

    /// Gives events to the machine, and keeps them for the journal.
    pub(super) fn take_in(&mut self, events: Vec<Event>) {
        for event in events {
            self.events.push(event.clone());
            self.machine.handle(clock::now(), event);
        }
    }

    /// Whom an effect acts on, when what it did can be seen in the records.
    pub(super) fn acting(&mut self, id: EffectId) -> Option<AgentName> {
        self.acting.remove(&id)
    }

    /// Keeps what happened and what was decided; then, and only then, effects leave.
    pub(super) fn commit(&mut self) {
        self.commit_of(None);
    }

    /// Whether it was written.
    fn commit_of(&mut self, request: Option<&str>) -> bool {
        let decisions = self.machine.drain();
        let now = clock::now();
        let mut all = self.unwritten.take().unwrap_or_default();
        if all.again > now.awake && decisions.is_empty() {
            self.unwritten = Some(all);
            return false;
        }
        // Taken whole: what a start or a relist needed of it is not kept.
        let events = std::mem::take(&mut self.events);
        if all.events.is_empty() {
            all.events = events;
        } else {
            all.events.extend(events);
        }
        all.decisions.extend(decisions);
        if all.events.is_empty() && all.decisions.is_empty() && request.is_none() {
            return true;
        }
        failpoint::reach("before-append");
        let written = match request {
            Some(id) => self.journal.append_inbox(id, now.wall, &all.events, &all.decisions).map(drop),
            None => self.journal.append(now.wall, &all.events, &all.decisions).map(drop),
        };
        match written {
            Ok(()) => {
                failpoint::reach("after-append");
                self.let_words_go();
                for decision in all.decisions {
                    self.carry_out(decision);
                }
                true
            }
            Err(error) => {
                let why = error.to_string();
                if all.why != why {
                    report(format_args!("{why}; nothing is done until it can be written"));
                }
                if all.decisions.len() > UNWRITTEN_MAX {
                    report(format_args!("{UNWRITTEN_MAX} decisions wait for the journal: the end of this process"));
                    std::process::abort();
                }
                self.unwritten = Some(Unwritten { why, again: now.awake + AGAIN, ..all });
                false
            }
        }
    }

    fn carry_out(&mut self, decision: Decision) {
        for message in &decision.messages {
            self.tell_waiters(message);
        }
        if let (Some(agent), Some(memory)) = (&decision.agent, &decision.memory) {
            self.mark_quarantine(agent, memory.quarantine.as_deref());
        }
        for effect in decision.effects {
            let agent = effect.act.agent().cloned();
            if let (Some(agent), Act::Start { .. } | Act::Stop { .. }) = (&agent, &effect.act) {
                self.acting.insert(effect.id, agent.clone());
            }
            if let Act::Digest { agent } = &effect.act {
                self.digest(agent);
            }
            let reader = agent.as_ref().map(|agent| self.reader(agent)).unwrap_or_default();
            let pid = agent.as_ref().and_then(|agent| self.machine.agent(agent)?.pid);
            failpoint::reach("before-effect");
            self.effects.leave(effect.id, effect.act, reader, pid);
            failpoint::reach("after-effect");
        }
    }

    /// What the inbox holds, each with what it led to in a transaction of its own.
    pub(super) fn inbox(&mut self) {
        // What came before it is not part of it.
        self.commit();
        let read = match inbox::read(&self.state.paths.state, clock::now().wall) {
            Ok(read) => read,
            Err(error) => return report(format_args!("{error}")),
        };
        for refusal in read.refused {
            report(format_args!("inbox/{} is refused: {}", refusal.name, refusal.why));
        }
        for waiting in read.requests {
            if !matches!(self.journal.has_taken(&waiting.id), Ok(true)) {
                if self.unwritten.is_some() {
                    return;
                }
                self.take_in(vec![Event::Request { request: waiting.request.clone() }]);
                failpoint::reach("inbox-taken");
                if !self.commit_of(Some(&waiting.id)) {
                    return;
                }
            }
            failpoint::reach("inbox-written");
            if let Err(error) = inbox::remove(&waiting) {
                report(format_args!("{error}"));
            }
        }
        if read.more {
            let _ = self.inputs.send(Input::Files(super::watch::Changed::Inbox));
        }
    }

    /// Somebody asks.
    pub(super) fn asked(&mut self, asked: Asked) {
        let Asked { ask, pid, answer } = asked;
        let Some(caller) = self.caller(pid) else {
            let why = "who asks cannot be told: its process is gone";
            let _ = answer.send(control::refused(why, "ask again, and wait for the answer"));
            return;
        };
        let reply = match ask {
            Ask::Status => Answer::Status { status: Box::new(self.status()) },
            Ask::WhoAmI => Answer::You { caller: caller_word(&caller) },
            Ask::Send { id, to, text, ttl_ms, wait_ms } => {
                return self.send(Message::new(id, to, caller, text, clock::now(), ttl_ms), wait_ms, answer);
            }
            Ask::Message { id } => match self.journal.message(&id) {
                Ok(Some(message)) => Answer::Message { message: Box::new(message) },
                Ok(None) => control::refused(format!("there is no message {id}"), "`fleet messages` lists them"),
                Err(error) => control::refused(error.to_string(), error.help().unwrap_or_default()),
            },
            Ask::Recall { id } => self.recall(&caller, id),
            Ask::Clear { agents } => {
                if matches!(caller, Caller::Agent { .. }) {
                    control::refused("an agent does not clear quarantines", "ask a person to run `fleet clear`")
                } else {
                    self.request(Request::Clear { agents, caller })
                }
            }
            Ask::ClearJournalLost if matches!(caller, Caller::Agent { .. }) => {
                control::refused("an agent does not clear the loss of a journal", "ask a person to do it")
            }
            Ask::ClearJournalLost => self.request(Request::ClearJournalLost),
            // Otherwise an agent could hide what is said about it.
            Ask::MarkRead { .. } if matches!(caller, Caller::Agent { .. }) => {
                control::refused("an agent does not read notices for people", "they stay unread")
            }
            Ask::MarkRead { notices } => done(self.journal.mark_read(&notices)),
            Ask::Propose { kind, proposal } => match caller {
                Caller::Agent { agent } => self.propose(&agent, &kind, &proposal),
                _ => {
                    control::refused("only an agent proposes", "change the roster itself: `fleet add`, or an editor")
                }
            },
            Ask::CloseProposal { id, state } => self.close_proposal(&caller, &id, &state),
        };
        let _ = answer.send(reply);
    }

    /// Takes a message back: a person any, an agent its own.
    fn recall(&mut self, caller: &Caller, id: String) -> Answer {
        let message = match self.journal.message(&id) {
            Ok(Some(message)) => message,
            Ok(None) => return control::refused(format!("there is no message {id}"), "`fleet messages` lists them"),
            Err(error) => return control::refused(error.to_string(), error.help().unwrap_or_default()),
        };
        if matches!(caller, Caller::Agent { .. }) && *caller != message.from {
            let why = format!("{id} is from {}, and an agent takes back only its own messages", message.from);
            return control::refused(why, "ask whoever sent it");
        }
        self.request(Request::Recall { id })
    }

    fn caller(&self, pid: Option<u32>) -> Option<Caller> {
        control::caller(pid, &self.state.fleet, |pid| {
            let mut shims = self.machine.agents();
            shims.find(|(_, view)| view.pid == Some(pid)).map(|(name, _)| name.clone())
        })
    }

    /// Does what is asked, durably, before it is said to be done.
    fn request(&mut self, request: Request) -> Answer {
        self.take_in(vec![Event::Request { request }]);
        self.commit();
        self.unwritten.as_ref().map_or(Answer::Done, |unwritten| not_written(&unwritten.why))
    }

    fn send(&mut self, message: Message, wait_ms: u64, answer: tokio::sync::oneshot::Sender<Answer>) {
        // Asked twice is sent once.
        if let Ok(Some(known)) = self.journal.message(&message.id) {
            let _ = answer.send(Answer::Message { message: Box::new(known) });
            return;
        }
        // Refused is only what is not taken.
        self.commit();
        if let Some(unwritten) = &self.unwritten {
            let _ = answer.send(not_written(&unwritten.why));
            return;
        }
        let id = message.id.clone();
        self.waiting.push(Waiter { id, until: clock::now().awake + wait_ms, answer });
        self.take_in(vec![Event::Request { request: Request::Send { message: message.clone() } }]);
        self.commit();
        if let Some(why) = self.unwritten.as_ref().map(|unwritten| unwritten.why.clone())
            && let Some(waiter) = self.waiting.pop()
        {
            // It is brought when the journal can be written, unless this process ends before.
            let message = Message { state: MessageState::Unknown, why, ..message };
            let _ = waiter.answer.send(Answer::Message { message: Box::new(message) });
        }
    }

    /// Tells those who wait for the end of this message.
    fn tell_waiters(&mut self, message: &Message) {
        if !message.state.is_final() {
            return;
        }
        let (told, waiting) =
            std::mem::take(&mut self.waiting).into_iter().partition(|waiter| waiter.id == message.id);
        self.waiting = waiting;
        let told: Vec<Waiter> = told;
        for waiter in told {
            let _ = waiter.answer.send(Answer::Message { message: Box::new(message.clone()) });
        }
    }

    /// Tells those who have waited for long enough what is known now.
    fn answer_late(&mut self) {
        let now = clock::now().awake;
        if self.waiting.iter().all(|waiter| waiter.until > now) {
            return;
        }
        let (late, waiting) = std::mem::take(&mut self.waiting).into_iter().partition(|waiter| waiter.until <= now);
        self.waiting = waiting;
        let late: Vec<Waiter> = late;
        for waiter in late {
            let reply = match self.journal.message(&waiter.id) {
                Ok(Some(message)) => Answer::Message { message: Box::new(message) },
                Ok(None) => control::refused("the message was not taken", "send it again"),
                Err(error) => control::refused(error.to_string(), error.help().unwrap_or_default()),
            };
            let _ = waiter.answer.send(reply);
        }
    }
}

fn caller_word(caller: &Caller) -> String {
    match caller {
        Caller::Agent { agent } => agent.to_string(),
        Caller::Operator => "operator".to_owned(),
        Caller::Fleet => "fleet".to_owned(),
    }
}

pub(super) fn not_written(why: &str) -> Answer {
    control::refused(
        format!("the journal cannot be written: {why}"),
        "make room, or look at the state folder; then again",
    )
}

pub(super) fn done(result: Result<(), crate::journal::JournalError>) -> Answer {
    match result {
        Ok(()) => Answer::Done,
        Err(error) => control::refused(error.to_string(), error.help().unwrap_or_default()),
    }
}
