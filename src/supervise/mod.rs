//! events → [`Machine`] → decisions. Pure: time is passed in, effects are values, and their results are events.
//!
//! Every rule of supervision lives here, in a file of its own: `life` (runs and ends), `launch` (starts, waves, caps),
//! `restart` (budget, back-off, quarantine), `look` (signals), `stall` (the ladder), `sight` (from what is known to a state),
//! `limit` (what providers refuse), `chain` (which model is used), `queue` (messages), `clock` (jumps and suspends). Deadlines stand in one table, `timers`.
//! `docs/supervisor.md` says it for users.
//!
//! Whoever drives it keeps each [`Decision`] in the journal before the effects in it leave, and answers each effect with
//! [`Event::Effect`] exactly once.

mod agent;
mod batch;
mod chain;
pub mod clock;
pub mod decision;
pub mod event;
mod launch;
mod life;
mod limit;
mod look;
pub mod memory;
pub mod message;
pub mod policy;
mod queue;
mod repetition;
mod request;
mod restart;
pub mod screen;
mod sight;
mod stall;
pub mod standing;
mod timers;

use std::collections::{BTreeMap, BTreeSet};

use agent::Agent;
use batch::Batch;
use clock::{Millis, Moment};
use decision::{Decision, EffectId, Level, Rule};
use event::{AgentEvent, EffectResult, Event};
use memory::Memory;
use message::{Message, MessageState};
use policy::{FleetPolicy, Spend};
use queue::waiting;
use standing::Standing;
use timers::{Timer, Timers};

use crate::ids::AgentName;

/// A clock that differs from the others by more than this has jumped, in milliseconds.
const JUMP: Millis = 2_000;
/// After a jump or a suspend nothing destructive happens for so long, in milliseconds.
const GRACE: Millis = 60_000;

/// What a journal remembers for a machine that starts.
#[derive(Debug, Clone, Default)]
pub struct Remembered {
    pub memories: BTreeMap<AgentName, Memory>,
    /// Those that wait, in the order in which they came.
    pub queued: Vec<Message>,
    /// The first effect's number.
    pub next_effect: EffectId,
    /// Why destructive steps pause.
    pub journal_lost: Option<String>,
}

/// Supervises one fleet.
#[derive(Debug)]
pub struct Machine {
    /// Boxed: a map of large values is half empty, and a new roster moves them.
    agents: BTreeMap<AgentName, Box<Agent>>,
    /// Kept for agents that the roster does not name (yet).
    memories: BTreeMap<AgentName, Memory>,
    queued: Vec<Message>,
    spend: Spend,
    timers: Timers,
    batch: Batch,
    /// About whom anything can have changed since the last assessment.
    touched: BTreeSet<AgentName>,
    /// Agents that want a start, and those whose start has left: looked at with each change of a state, in a fleet of whatever size.
    waits: BTreeSet<AgentName>,
    starting: BTreeSet<AgentName>,
    next_effect: EffectId,
    last: Option<Moment>,
    /// When it was given its first event.
    began: Millis,
    /// Nothing destructive until then.
    grace_until: Millis,
    journal_lost: Option<String>,
    /// Every agent was looked at once: from then on what is missing is started.
    looked: bool,
}

/// What is known of one agent, for those who look.
#[derive(Debug, Clone, PartialEq)]
pub struct View<'a> {
    pub standing: &'a Standing,
    pub memory: &'a Memory,
    /// The shim's pid.
    pub pid: Option<u32>,
    /// When the run began, in milliseconds since the epoch.
    pub started: Option<Millis>,
    /// Messages that wait.
    pub queued: usize,
    pub viewers: u32,
    pub last_line: Option<&'a str>,
    pub restart_pending: bool,
    /// Which model it uses and how it came to that, when it is not its first.
    pub fell_back: Option<String>,
    /// Of one that does not run: nobody expects it to.
    pub is_at_rest_by_wish: bool,
}

impl Machine {
    /// A machine that knows what its predecessor wrote down, and has seen nothing.
    #[must_use]
    pub fn new(remembered: Remembered) -> Self {
        Self {
            agents: BTreeMap::new(),
            memories: remembered.memories,
            queued: remembered.queued,
            spend: Spend::default(),
            timers: Timers::default(),
            batch: Batch::default(),
            touched: BTreeSet::new(),
            waits: BTreeSet::new(),
            starting: BTreeSet::new(),
            next_effect: remembered.next_effect,
            last: None,
            began: 0,
            grace_until: 0,
            journal_lost: remembered.journal_lost,
            looked: false,
        }
    }

    /// Takes one event in.
    pub fn handle(&mut self, now: Moment, event: Event) {
        self.watch_clocks(now);
        match event {
            Event::Policy { policy } => self.take_policy(now, *policy),
            Event::Agent { agent, what } => self.about(now, &agent, what),
            Event::Request { request } => self.request(now, request),
            Event::Effect { id, result } => self.answered(now, id, result),
            Event::Relisted => self.relisted(now),
            Event::JournalLost { why } => {
                if self.journal_lost.replace(why.clone()).as_ref() != Some(&why) {
                    let text = format!("{why}; no agent is stopped or restarted until `fleet clear --journal-lost`");
                    self.notify(None, Rule::JournalLost, Level::Urgent, text);
                }
            }
        }
        self.settle(now);
    }

    /// When [`on_deadline`](Self::on_deadline) is to be called next, on the clock that stands still in suspend.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Millis> {
        self.timers.next()
    }

    /// Does what is due.
    pub fn on_deadline(&mut self, now: Moment) {
        self.watch_clocks(now);
        self.settle(now);
        while let Some((agent, timer)) = self.timers.due(now.awake) {
            self.fire(now, &agent, timer);
            self.settle(now);
        }
    }

    /// What was decided since the last call, in order.
    pub fn drain(&mut self) -> Vec<Decision> {
        self.batch.take()
    }

    /// Every agent, by name.
    pub fn agents(&self) -> impl Iterator<Item = (&AgentName, View<'_>)> {
        self.agents.iter().map(|(name, agent)| (name, view(agent)))
    }

    /// One agent.
    #[must_use]
    pub fn agent(&self, name: &AgentName) -> Option<View<'_>> {
        self.agents.get(name).map(|agent| view(agent))
    }

    /// Why destructive steps pause, when they do.
    #[must_use]
    pub fn journal_lost(&self) -> Option<&str> {
        self.journal_lost.as_deref()
    }

    fn fire(&mut self, now: Moment, name: &AgentName, timer: Timer) {
        self.touched.insert(name.clone());
        match timer {
            Timer::Look if self.stands_as_known(name) => {}
            Timer::Sample | Timer::Look => self.sample(now, name),
            Timer::Rung => self.rung_due(now, name),
            Timer::Healthy => self.healthy(now, name),
            Timer::BackOff => self.start_waiting(now),
            Timer::Limit => self.limit_over(now, name),
            Timer::Expiry => self.expire(now, name),
            Timer::Delivery => self.deliver(now, name),
            Timer::IdleStop => self.idle_stop(now, name),
            Timer::Stop => self.stop_again(now, name),
            Timer::Start => self.start_overdue(now, name),
            Timer::Digest => self.digest(now, name),
            Timer::Probe => self.probed(now, name, EffectResult::Unknown),
            Timer::Announced => self.announced_in_vain(now, name),
            Timer::Fallback => self.fallback_due(now, name),
        }
    }

    fn about(&mut self, now: Moment, name: &AgentName, what: AgentEvent) {
        if !self.agents.contains_key(name) {
            return;
        }
        self.touched.insert(name.clone());
        match what {
            AgentEvent::Running { run } => self.runs(now, name, run),
            AgentEvent::Ended { end } => self.ended(now, name, Some(end)),
            AgentEvent::Absent { lost } => self.absent(now, name, lost),
            AgentEvent::Wanted { wanted } => self.wants(now, name, wanted),
            AgentEvent::RestartPending { pending } => self.with(name, |agent| agent.restart_pending = pending),
            AgentEvent::Ready => self.with(name, |agent| agent.ready = agent.run().is_some()),
            AgentEvent::Activity { bytes } => self.activity(now, name, bytes),
            AgentEvent::Screen { reading } => self.read(now, name, reading),
            AgentEvent::Viewers { viewers, typing } => self.viewers(now, name, viewers, typing),
            AgentEvent::Report { report } => self.reported(now, name, report),
            AgentEvent::Refused { why } => {
                let new = self
                    .agents
                    .get_mut(name)
                    .is_some_and(|agent| agent.refused.replace(why.clone()) != Some(why.clone()));
                if new {
                    self.decide(Some(name), Rule::Refused, format!("a report was not believed: {why}"), vec![]);
                }
            }
            AgentEvent::Reachable { reachable, why } => self.reachable(now, name, (!reachable).then_some(why)),
            AgentEvent::HalfStarted => self.half_started(now, name),
            AgentEvent::OutOfMemory => {
                let text = format!("{name}: the kernel ended a process of its for want of memory");
                self.notify(Some(name), Rule::State, Level::Warning, text);
            }
        }
    }

    /// A new roster: agents come, go and change their settings; what is known of the others stays.
    fn take_policy(&mut self, now: Moment, policy: FleetPolicy) {
        self.spend = policy.spend;
        let names: BTreeSet<AgentName> = policy.agents.iter().map(|agent| agent.name.clone()).collect();
        let gone: Vec<AgentName> = self.agents.keys().filter(|name| !names.contains(*name)).cloned().collect();
        for name in gone {
            self.timers.clear_all(&name);
            self.let_go(now, &name);
        }
        for settings in policy.agents {
            let name = settings.name.clone();
            if let Some(agent) = self.agents.get_mut(&name) {
                agent.policy = settings;
            } else {
                let memory = self.memories.remove(&name).unwrap_or_default();
                let mut agent = Agent::new(settings, memory, now);
                let (own, others): (Vec<Message>, Vec<Message>) =
                    std::mem::take(&mut self.queued).into_iter().partition(|message| message.to == name);
                self.queued = others;
                agent.queue = own.into_iter().map(|message| waiting(message, now)).collect();
                self.agents.insert(name.clone(), Box::new(agent));
                self.arm_expiry(now, &name);
            }
            self.place_model(&name);
            self.touched.insert(name.clone());
            self.arm_digest(now, &name);
            self.arm_stall(now, &name);
            self.uncap(&name);
        }
        self.start_waiting(now);
    }

    /// Forgets an agent that the roster does not name any more, but not what is written down of it.
    fn let_go(&mut self, now: Moment, name: &AgentName) {
        if let Some(mut sending) = self.agents.get_mut(name).and_then(|agent| agent.sending.take()) {
            sending.message.state = MessageState::Unknown;
            "its agent left the roster while it was typed".clone_into(&mut sending.message.why);
            sending.message.changed = now.wall;
            let reason = format!("a message is unknown: {}", sending.message.why);
            self.keep_message(name, Rule::Message, reason, sending.message);
        }
        if let Some(agent) = self.agents.remove(name) {
            self.queued.extend(agent.queue.into_iter().map(|waiting| waiting.message));
            self.memories.insert(name.clone(), agent.memory);
        }
        self.waits.remove(name);
        self.starting.remove(name);
    }

    /// Notices a clock that ran away and a machine that slept.
    fn watch_clocks(&mut self, now: Moment) {
        let Some(last) = self.last.replace(now) else {
            self.began = now.awake;
            return;
        };
        let step = |from: Millis, to: Millis| i128::from(to) - i128::from(from);
        let awake = step(last.awake, now.awake);
        let slept = step(last.boot, now.boot) - awake;
        let jumped = step(last.wall, now.wall) - step(last.boot, now.boot);
        let limit = i128::from(JUMP);
        if slept <= limit && jumped.abs() <= limit {
            return;
        }
        self.grace_until = now.awake + GRACE;
        let what = if slept > limit {
            format!("the machine slept for {} s", slept / 1_000)
        } else {
            format!("the clock jumped by {} s", jumped / 1_000)
        };
        let reason = format!("{what}: nobody counts as stuck for {} s", GRACE / 1_000);
        self.decide(None, Rule::Clock, reason, vec![]);
        let by = if jumped.abs() > limit { jumped } else { 0 };
        self.memories.values_mut().for_each(|memory| memory.shift(by));
        let names: Vec<AgentName> = self.agents.keys().cloned().collect();
        for name in names {
            let Some(agent) = self.agents.get_mut(&name) else { continue };
            agent.memory.shift(by);
            agent.jumped += by;
            agent.standing.since = agent.memory.standing.as_ref().map_or(agent.standing.since, |known| known.since);
            // Waits stand on a clock that stood still.
            if let Some(until) = &mut agent.memory.back_off_until {
                *until = until.saturating_add(Millis::try_from(slept.max(0)).unwrap_or(0));
            }
            if by != 0 && !(agent.memory.restarts.is_empty() && agent.memory.back_off_until.is_none()) {
                self.decide(
                    Some(&name),
                    Rule::Clock,
                    format!("{what}: the times of its restarts move along"),
                    vec![],
                );
            }
            self.touched.insert(name.clone());
            self.arm_stall(now, &name);
            // What a provider names is a time of the wall.
            self.arm_limit(now, &name);
        }
    }

    fn with(&mut self, name: &AgentName, change: impl FnOnce(&mut Agent)) {
        if let Some(agent) = self.agents.get_mut(name) {
            self.touched.insert(name.clone());
            change(agent);
        }
    }
}

fn view(agent: &Agent) -> View<'_> {
    View {
        standing: &agent.standing,
        memory: &agent.memory,
        pid: agent.run().map(|run| run.pid),
        started: agent.run().map(|run| run.started),
        queued: agent.queue.len(),
        viewers: agent.viewers,
        last_line: agent.screen.as_ref().map(|reading| reading.last_line.as_str()),
        restart_pending: agent.restart_pending,
        fell_back: agent.fell_back(),
        is_at_rest_by_wish: sight::is_at_rest_by_wish(agent),
    }
}
