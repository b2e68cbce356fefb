//! Messages: durable, in order, at most once.

use super::Machine;
use super::agent::{Phase, Waiting};
use super::clock::{Millis, Moment};
use super::decision::{Act, Level, Rule};
use super::event::{Caller, Delivered, EffectResult, Shows};
use super::look::BEFORE;
use super::message::{Message, MessageId, MessageState};
use super::policy::Lifecycle;
use super::timers::Timer;
use crate::ids::AgentName;
use crate::manifest::BusyInput;

/// Messages that may wait for one agent.
pub const QUEUE_MAX: usize = 100;
/// Longest text, in bytes: what the shim takes.
pub const TEXT_MAX: usize = 256 * 1024;
/// Messages an agent may send within an hour where the roster names no cap: more than any conversation, less than a loop.
pub const PER_HOUR: u32 = 120;
/// One hour, in milliseconds.
const HOUR: Millis = 3_600_000;
/// Between two tries when the shim did not take it, in milliseconds: doubled each time up to the longest.
const AGAIN: Millis = 5_000;
const AGAIN_MAX: Millis = 5 * 60_000;
/// Messages that are remembered after their end, so that asking twice is one message.
const RECENT: usize = 64;

/// A message in the queue, with its end on the clock that stands still in suspend.
pub(super) fn waiting(message: Message, now: Moment) -> Waiting {
    let left = message.created.saturating_add(message.ttl_ms).saturating_sub(now.wall).min(message.ttl_ms);
    Waiting { until: now.awake.saturating_add(left), message }
}

impl Machine {
    /// Somebody sends.
    pub(super) fn send(&mut self, now: Moment, message: Message) {
        if self.is_known(&message) {
            return;
        }
        if let Some(why) = self.refusal(now, &message) {
            self.refuse(now, message, &why);
            return;
        }
        if let Caller::Agent { agent: from } = &message.from {
            let from = from.clone();
            self.with(&from, |agent| agent.memory.messages.push_back(now.wall));
            self.decide(Some(&from), Rule::Message, format!("sends to {}", message.to), vec![]);
        }
        self.enqueue(now, message);
    }

    /// Why a message is not taken.
    fn refusal(&mut self, now: Moment, message: &Message) -> Option<String> {
        let Some(agent) = self.agents.get(&message.to) else {
            return Some(format!("this fleet has no agent {}", message.to));
        };
        if message.text.len() > TEXT_MAX {
            return Some(format!("it is {} bytes long; the limit is {TEXT_MAX}", message.text.len()));
        }
        if agent.queue.len() >= QUEUE_MAX {
            return Some(format!("{QUEUE_MAX} messages wait for {} already", message.to));
        }
        let Caller::Agent { agent: from } = &message.from else { return None };
        if *from == message.to {
            return Some("an agent does not send to itself".to_owned());
        }
        let hour = now.wall.saturating_sub(HOUR);
        let fleet = self.spend.messages_per_hour;
        let all: usize =
            self.agents.values().map(|agent| agent.memory.messages.iter().filter(|at| **at > hour).count()).sum();
        let sender = self.agents.get_mut(from)?;
        sender.memory.messages.retain(|at| *at > hour && *at <= now.wall);
        let cap = sender.policy.spend.messages_per_hour.unwrap_or(PER_HOUR);
        let own = sender.memory.messages.len();
        let why = if own >= cap as usize {
            format!("{from} has sent {cap} messages within an hour, which is its cap")
        } else if fleet.is_some_and(|cap| all >= cap as usize) {
            format!("the fleet's agents have sent {all} messages within an hour, which is its cap")
        } else {
            return None;
        };
        if sender.memory.talked.is_none_or(|at| at > now.wall || now.wall - at >= HOUR) {
            sender.memory.talked = Some(now.wall);
            self.notify(Some(from), Rule::Spend, Level::Action, why.clone());
        }
        Some(why)
    }

    fn refuse(&mut self, now: Moment, mut message: Message, why: &str) {
        message.state = MessageState::Refused;
        why.clone_into(&mut message.why);
        message.changed = now.wall;
        let to = message.to.clone();
        let known = self.agents.contains_key(&to).then_some(&to);
        self.decide(known, Rule::Message, format!("a message to {to} is refused: {why}"), vec![]);
        self.attach_message(message);
    }

    /// Puts it into the queue of its agent.
    pub(super) fn enqueue(&mut self, now: Moment, message: Message) {
        let name = message.to.clone();
        if self.is_known(&message) {
            return;
        }
        let Some(agent) = self.agents.get_mut(&name) else { return };
        // Of its own the supervisor has said the same to people.
        if message.from == Caller::Fleet && agent.queue.len() >= QUEUE_MAX {
            return;
        }
        agent.memory.recent.push_back(message.id.clone());
        if agent.memory.recent.len() > RECENT {
            agent.memory.recent.pop_front();
        }
        agent.queue.push_back(waiting(message.clone(), now));
        self.decide(Some(&name), Rule::Message, format!("a message from {} waits", message.from), vec![]);
        self.attach_message(message);
        self.touched.insert(name.clone());
        self.arm_expiry(now, &name);
        let agent = &self.agents[&name];
        if matches!(agent.phase, Phase::Gone(_)) && matches!(agent.policy.lifecycle, Lifecycle::OnDemand { .. }) {
            self.want_start(&name, "a message waits for it");
            self.start_waiting(now);
        }
        self.deliver(now, &name);
    }

    /// Whether it was sent before.
    fn is_known(&self, message: &Message) -> bool {
        self.agents.values().any(|agent| {
            agent.memory.recent.contains(&message.id)
                || agent.queue.iter().any(|known| known.message.id == message.id)
                || agent.delivering.as_ref().is_some_and(|(_, id)| *id == message.id)
        })
    }

    /// Another try may fare better than the last: its screen is another.
    pub(super) fn try_again(&mut self, name: &AgentName) {
        if let Some(agent) = self.agents.get_mut(name)
            && agent.refusals > 0
            && agent.delivering.is_none()
        {
            agent.refusals = 0;
            self.timers.clear(name, Timer::Delivery);
            self.touched.insert(name.clone());
        }
    }

    /// Takes a nudge back that waits: the agent gets on without it.
    pub(super) fn recall_nudge(&mut self, now: Moment, name: &AgentName) {
        let Some(id) = self.agents.get_mut(name).and_then(|agent| agent.memory.nudge.clone()) else { return };
        if self.agents[name].queue.iter().any(|waiting| waiting.message.id == id) {
            self.recall(now, &id);
            self.with(name, |agent| {
                agent.memory.nudged = false;
                agent.memory.nudge = None;
            });
        }
    }

    /// Gives the first message of the queue to the shim, if the moment is right.
    pub(super) fn deliver(&mut self, now: Moment, name: &AgentName) {
        let Some(agent) = self.agents.get(name) else { return };
        if agent.queue.is_empty() || agent.delivering.is_some() || !may_type(agent) {
            return;
        }
        if self.timers.has(name, Timer::Delivery) {
            return;
        }
        let agent = self.agents.get_mut(name).expect("looked up above");
        let Some(waiting) = agent.queue.pop_front() else { return };
        let mut message = waiting.message.clone();
        message.state = MessageState::Sending;
        message.changed = now.wall;
        let act = Act::Deliver { agent: name.clone(), message: message.clone() };
        let id =
            self.decide(Some(name), Rule::Message, format!("types a message from {}", message.from), vec![act])[0];
        self.attach_message(message.clone());
        self.typed_by_fleet(now, name);
        self.with(name, |agent| {
            agent.noise = false;
            agent.delivering = Some((id, message.id.clone()));
            agent.sending = Some(Waiting { message, until: waiting.until });
        });
    }

    /// The shim's word on a message.
    pub(super) fn delivered(&mut self, now: Moment, name: &AgentName, result: EffectResult) {
        let Some(agent) = self.agents.get_mut(name) else { return };
        agent.delivering = None;
        let Some(Waiting { mut message, until }) = agent.sending.take() else { return };
        let (state, why) = match result {
            EffectResult::Delivered { outcome, why } => (
                match outcome {
                    Delivered::Confirmed => MessageState::Confirmed,
                    Delivered::Submitted => MessageState::Submitted,
                    Delivered::Queued => MessageState::Taken,
                    Delivered::Refused => MessageState::Queued,
                    Delivered::Unknown => MessageState::Unknown,
                },
                why.unwrap_or_default(),
            ),
            // The shim was never reached: nothing was typed.
            EffectResult::Failed { why } => (MessageState::Queued, why),
            _ => (MessageState::Unknown, "the supervisor ended while it was typed".to_owned()),
        };
        message.state = state;
        message.why.clone_from(&why);
        message.changed = now.wall;
        let reason = if why.is_empty() {
            format!("a message is {}", state.word())
        } else {
            format!("a message is {}: {why}", state.word())
        };
        match state {
            MessageState::Queued => {
                agent.queue.push_front(Waiting { message: message.clone(), until });
                let pause = (AGAIN << agent.refusals.min(16)).min(AGAIN_MAX);
                agent.refusals += 1;
                self.timers.set(name, Timer::Delivery, now.awake + pause);
                self.arm_expiry(now, name);
            }
            MessageState::Unknown => agent.refusals = 0,
            _ => {
                agent.refusals = 0;
                let took = matches!(state, MessageState::Confirmed | MessageState::Submitted);
                if message.from == Caller::Fleet {
                    agent.nudge_taken |= took && agent.memory.nudge.as_ref() == Some(&message.id);
                } else {
                    agent.owes = true;
                    agent.memory.nudged = false;
                    agent.nudge_taken = false;
                    agent.answered_by_message();
                    // A turn that began is progress; what its program merely keeps is none.
                    if took && agent.is_running() {
                        self.progress(now, name);
                    }
                }
            }
        }
        self.typed_by_fleet(now, name);
        if state != MessageState::Queued && self.agents[name].is_running() {
            // What fleet's typing left on a screen that never settles becomes the picture to compare with.
            self.timers.set(name, Timer::Look, now.awake + BEFORE);
        }
        self.keep_message(name, Rule::Message, reason, message);
        self.arm_stall(now, name);
        self.deliver(now, name);
    }

    /// Sets the deadline of the message that is too old first.
    pub(super) fn arm_expiry(&mut self, now: Moment, name: &AgentName) {
        let Some(agent) = self.agents.get(name) else { return };
        match agent.queue.iter().map(|waiting| waiting.until).min() {
            Some(until) => self.timers.set(name, Timer::Expiry, until.max(now.awake)),
            None => self.timers.clear(name, Timer::Expiry),
        }
    }

    /// Lets go of what waited for too long.
    pub(super) fn expire(&mut self, now: Moment, name: &AgentName) {
        let Some(agent) = self.agents.get_mut(name) else { return };
        let (old, rest): (Vec<Waiting>, Vec<Waiting>) =
            std::mem::take(&mut agent.queue).into_iter().partition(|waiting| waiting.until <= now.awake);
        agent.queue = rest.into();
        for Waiting { mut message, .. } in old {
            message.state = MessageState::Expired;
            message.why = format!("it waited for {} s", message.ttl_ms / 1_000);
            message.changed = now.wall;
            let reason = format!("a message from {} is not delivered any more: {}", message.from, message.why);
            self.keep_message(name, Rule::Message, reason, message);
        }
        self.arm_expiry(now, name);
    }

    /// Takes a message back that has not been typed.
    pub(super) fn recall(&mut self, now: Moment, id: &MessageId) {
        let holds = |agent: &super::agent::Agent| agent.queue.iter().any(|waiting| waiting.message.id == *id);
        let holder = self.agents.iter().find(|(_, agent)| holds(agent));
        let Some(name) = holder.map(|(name, _)| name.clone()) else { return };
        let Some(agent) = self.agents.get_mut(&name) else { return };
        let Some(at) = agent.queue.iter().position(|waiting| waiting.message.id == *id) else { return };
        let Some(Waiting { mut message, .. }) = agent.queue.remove(at) else { return };
        message.state = MessageState::Recalled;
        message.changed = now.wall;
        self.keep_message(&name, Rule::Message, "a message is taken back".to_owned(), message);
        self.arm_expiry(now, &name);
    }
}

/// Whether this is a moment to type.
fn may_type(agent: &super::agent::Agent) -> bool {
    if !agent.is_running() || !agent.ready || agent.unreachable.is_some() || agent.typing {
        return false;
    }
    match agent.shows() {
        Shows::Dialog { .. } | Shows::Limit { .. } | Shows::Fatal { .. } => false,
        Shows::Idle => true,
        Shows::Busy => agent.busy_input() == BusyInput::Queue,
        Shows::Nothing => match agent.busy_input() {
            BusyInput::Queue => true,
            // What cannot be seen idle is taken for it when it is quiet.
            BusyInput::Steer | BusyInput::Refuse => !agent.moved && !agent.shows_idle(),
        },
    }
}
