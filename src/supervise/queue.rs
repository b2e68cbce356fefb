//! Messages: durable, in order, at most once.

use super::Machine;
use super::agent::Phase;
use super::clock::{Millis, Moment};
use super::decision::{Act, Level, Rule};
use super::event::{Caller, Delivered, EffectResult, Shows};
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
/// Between two tries when the shim did not take it, in milliseconds.
const AGAIN: Millis = 5_000;

impl Machine {
    /// Somebody sends.
    pub(super) fn send(&mut self, now: Moment, message: Message) {
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
        if sender.told != Some("talks") {
            sender.told = Some("talks");
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
        let Some(agent) = self.agents.get_mut(&name) else { return };
        let twice = agent.queue.iter().any(|known| known.id == message.id)
            || agent.delivering.as_ref().is_some_and(|(_, id)| *id == message.id);
        if twice {
            return;
        }
        agent.queue.push_back(message.clone());
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
        let Some(mut message) = agent.queue.pop_front() else { return };
        message.state = MessageState::Sending;
        message.changed = now.wall;
        let act = Act::Deliver { agent: name.clone(), message: message.clone() };
        let id =
            self.decide(Some(name), Rule::Message, format!("types a message from {}", message.from), vec![act])[0];
        self.attach_message(message.clone());
        self.typed_by_fleet(now, name);
        self.with(name, |agent| {
            agent.delivering = Some((id, message.id.clone()));
            agent.sending = Some(message);
        });
    }

    /// The shim's word on a message.
    pub(super) fn delivered(&mut self, now: Moment, name: &AgentName, result: EffectResult) {
        let Some(agent) = self.agents.get_mut(name) else { return };
        agent.delivering = None;
        let Some(mut message) = agent.sending.take() else { return };
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
                agent.queue.push_front(message.clone());
                self.timers.set(name, Timer::Delivery, now.awake + AGAIN);
                self.arm_expiry(now, name);
            }
            MessageState::Unknown => {}
            _ => {
                agent.owes = true;
                if message.from != Caller::Fleet {
                    agent.memory.nudged = false;
                }
            }
        }
        self.typed_by_fleet(now, name);
        self.keep_message(name, Rule::Message, reason, message);
        self.arm_stall(now, name);
        self.deliver(now, name);
    }

    /// Sets the deadline of the message that is too old first.
    pub(super) fn arm_expiry(&mut self, now: Moment, name: &AgentName) {
        let Some(agent) = self.agents.get(name) else { return };
        let first =
            agent.queue.iter().map(|message| (message.created + message.ttl_ms).saturating_sub(now.wall)).min();
        match first {
            Some(left) => self.timers.set(name, Timer::Expiry, now.awake + left),
            None => self.timers.clear(name, Timer::Expiry),
        }
    }

    /// Lets go of what waited for too long.
    pub(super) fn expire(&mut self, now: Moment, name: &AgentName) {
        let Some(agent) = self.agents.get_mut(name) else { return };
        let (old, rest): (Vec<Message>, Vec<Message>) = std::mem::take(&mut agent.queue)
            .into_iter()
            .partition(|message| message.created.saturating_add(message.ttl_ms) <= now.wall);
        agent.queue = rest.into();
        for mut message in old {
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
        let holder = self.agents.iter().find(|(_, agent)| agent.queue.iter().any(|message| message.id == *id));
        let Some(name) = holder.map(|(name, _)| name.clone()) else { return };
        let Some(agent) = self.agents.get_mut(&name) else { return };
        let Some(at) = agent.queue.iter().position(|message| message.id == *id) else { return };
        let Some(mut message) = agent.queue.remove(at) else { return };
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
        Shows::Busy => agent.policy.busy_input == BusyInput::Queue,
        Shows::Nothing => match agent.policy.busy_input {
            BusyInput::Queue => true,
            // What cannot be seen idle is taken for it when it is quiet.
            BusyInput::Steer | BusyInput::Refuse => !agent.moved && !agent.policy.shows_idle,
        },
    }
}
