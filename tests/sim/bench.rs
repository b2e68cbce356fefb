//! A machine on the bench: its journal is kept as the real one keeps it, and every decision passes the invariants.

use std::collections::{BTreeMap, BTreeSet};

use fleet::ids::{AgentName, FleetId};
use fleet::manifest::{AgentKind, BusyInput, RestartPolicy, RestartWhen};
use fleet::supervise::clock::{Millis, Moment};
use fleet::supervise::decision::{Act, Decision, Effect, EffectId};
use fleet::supervise::event::{AgentEvent, Caller, Event, Reading, Request, Run, Shows};
use fleet::supervise::memory::Memory;
use fleet::supervise::message::{Message, MessageId, MessageState};
use fleet::supervise::policy::{AgentPolicy, FORMAT, FleetPolicy, Heartbeat, HeartbeatKind, Lifecycle, Spend, Stall};
use fleet::supervise::standing::State;
use fleet::supervise::{Machine, Remembered};

use crate::invariants::Invariants;

pub const SECOND: Millis = 1_000;
pub const MINUTE: Millis = 60 * SECOND;
pub const HOUR: Millis = 60 * MINUTE;
/// Some moment of 2026, in milliseconds since the epoch.
pub const EPOCH: Millis = 1_780_000_000_000;

pub fn name(text: &str) -> AgentName {
    AgentName::new(text).unwrap()
}

pub fn agent(text: &str) -> AgentPolicy {
    AgentPolicy {
        name: name(text),
        kind: AgentKind::Agent,
        role: None,
        group: None,
        may: BTreeSet::new(),
        runtime: "canary".to_owned(),
        after: vec![],
        autostart: true,
        restart: RestartPolicy {
            when: RestartWhen::OnFailure,
            delay_ms: 15 * SECOND,
            max_delay_ms: 10 * MINUTE,
            burst: 5,
            within_ms: HOUR,
            healthy_ms: 30 * MINUTE,
        },
        stop_timeout_ms: 10 * SECOND,
        stall: Stall { after_ms: 10 * MINUTE, nudge: true },
        heartbeat: Heartbeat { kind: HeartbeatKind::Events, every_ms: 15 * SECOND },
        idle_ok: false,
        busy_input: BusyInput::Queue,
        shows_idle: true,
        spend: Spend::default(),
        lifecycle: Lifecycle::Always,
        fallbacks: 0,
        chain: vec![],
        digest_ms: None,
    }
}

pub fn fleet(agents: Vec<AgentPolicy>) -> FleetPolicy {
    FleetPolicy { format: FORMAT, fleet: FleetId::new("sim").unwrap(), spend: Spend::default(), agents }
}

pub fn message(id: &str, to: &str, from: Caller, now: Moment) -> Message {
    Message {
        id: id.to_owned(),
        to: name(to),
        from,
        text: "do this".to_owned(),
        created: now.wall,
        ttl_ms: HOUR,
        state: MessageState::Queued,
        why: String::new(),
        changed: now.wall,
    }
}

pub fn reading(digest: &str, shows: Shows) -> Reading {
    Reading { digest: digest.to_owned(), shows, last_line: digest.to_owned(), settled: true }
}

/// Events with their moments; `None`: the supervisor died.
pub type Log = Vec<(Moment, Option<Event>)>;

/// What a journal holds.
#[derive(Debug, Clone, Default)]
pub struct Journal {
    pub memories: BTreeMap<AgentName, Memory>,
    pub messages: BTreeMap<MessageId, Message>,
    /// In the order in which they came.
    pub order: Vec<MessageId>,
    pub pending: BTreeMap<EffectId, Act>,
    pub next_effect: EffectId,
    pub lost: Option<String>,
}

impl Journal {
    fn keep(&mut self, decision: &Decision) {
        if let (Some(agent), Some(memory)) = (&decision.agent, &decision.memory) {
            let text = serde_json::to_string(memory).unwrap();
            let read: Memory = serde_json::from_str(&text).unwrap();
            assert_eq!(&read, &**memory, "a memory survives its JSON");
            self.memories.insert(agent.clone(), read);
        }
        for message in &decision.messages {
            let known = self.messages.insert(message.id.clone(), message.clone());
            if known.is_none_or(|known| known.state == MessageState::Refused) {
                self.order.retain(|id| *id != message.id);
                self.order.push(message.id.clone());
            }
        }
        for effect in &decision.effects {
            self.next_effect = self.next_effect.max(effect.id + 1);
            self.pending.insert(effect.id, effect.act.clone());
        }
    }
}

pub struct Bench {
    pub now: Moment,
    pub machine: Machine,
    pub policy: FleetPolicy,
    pub journal: Journal,
    /// Effects that left and nobody took up yet.
    pub left: Vec<Effect>,
    pub decisions: Vec<Decision>,
    pub invariants: Invariants,
    /// Decisions are kept for the test to look at.
    pub keeps: bool,
    /// What happened, to be recorded; `None`: the supervisor died.
    pub log: Log,
    pub logs: bool,
    pids: u32,
}

impl Bench {
    pub fn new(policy: FleetPolicy) -> Self {
        let now = Moment { awake: HOUR, boot: HOUR, wall: EPOCH };
        let mut bench = Self::bare(policy.clone(), now);
        bench.give(Event::Policy { policy: Box::new(policy) });
        bench
    }

    pub fn give(&mut self, event: Event) {
        if self.logs {
            self.log.push((self.now, Some(event.clone())));
        }
        if let Event::Effect { id, .. } = &event {
            self.journal.pending.remove(id);
        }
        match &event {
            Event::JournalLost { why } => self.journal.lost = Some(why.clone()),
            Event::Request { request: Request::ClearJournalLost } => self.journal.lost = None,
            _ => {}
        }
        self.invariants.event(self.now, &event);
        self.machine.handle(self.now, event);
        self.take();
    }

    pub fn tell(&mut self, agent: &str, what: AgentEvent) {
        self.give(Event::Agent { agent: name(agent), what });
    }

    pub fn ask(&mut self, request: Request) {
        self.give(Event::Request { request });
    }

    fn take(&mut self) {
        let decisions = self.machine.drain();
        let decided = !decisions.is_empty();
        for decision in decisions {
            self.journal.keep(&decision);
            self.invariants.decision(self.now, &decision);
            self.left.extend(decision.effects.iter().cloned());
            if self.keeps {
                self.decisions.push(decision);
            }
        }
        if decided {
            self.invariants.views(self.now, &self.machine);
        }
    }

    /// Lets deadlines come until `awake`, without anything else.
    pub fn until(&mut self, awake: Millis) {
        while let Some(at) = self.machine.next_deadline().filter(|at| *at <= awake) {
            self.skip(at.saturating_sub(self.now.awake));
            self.due();
        }
        self.skip(awake.saturating_sub(self.now.awake));
    }

    pub fn wait(&mut self, span: Millis) {
        self.until(self.now.awake + span);
    }

    pub fn skip(&mut self, span: Millis) {
        self.now = self.now.after(span);
    }

    /// What is due now happens.
    pub fn due(&mut self) {
        self.machine.on_deadline(self.now);
        let next = self.machine.next_deadline();
        assert!(next.is_none_or(|next| next > self.now.awake), "due now, and still due: {next:?} {:?}", self.now);
        self.take();
    }

    /// The supervisor dies and another comes. Gives back the numbers of the effects that are without an answer.
    pub fn crash(&mut self) {
        if self.logs {
            self.log.push((self.now, None));
        }
        let logs = std::mem::take(&mut self.logs);
        self.left.clear();
        let mut queued = Vec::new();
        for id in &self.journal.order {
            let message = self.journal.messages.get_mut(id).unwrap();
            match message.state {
                MessageState::Queued => queued.push(message.clone()),
                MessageState::Sending => message.state = MessageState::Unknown,
                _ => {}
            }
        }
        self.invariants.crash();
        self.machine = Machine::new(Remembered {
            memories: self.journal.memories.clone(),
            queued,
            next_effect: self.journal.next_effect,
            journal_lost: self.journal.lost.clone(),
        });
        self.give(Event::Policy { policy: Box::new(self.policy.clone()) });
        for id in std::mem::take(&mut self.journal.pending).into_keys() {
            let result = fleet::supervise::event::EffectResult::Unknown;
            self.give(Event::Effect { id, result });
        }
        self.logs = logs;
    }

    /// A bench on which nothing happened yet, not even a policy.
    pub fn bare(policy: FleetPolicy, now: Moment) -> Self {
        Self {
            now,
            machine: Machine::new(Remembered::default()),
            invariants: Invariants::new(&policy),
            policy,
            journal: Journal::default(),
            left: vec![],
            decisions: vec![],
            keeps: true,
            log: vec![],
            logs: true,
            pids: 100,
        }
    }

    pub fn state(&self, agent: &str) -> State {
        self.machine.agent(&name(agent)).unwrap().standing.state.clone()
    }

    pub fn next_run(&mut self) -> Run {
        self.pids += 1;
        Run { pid: self.pids, start_ticks: self.now.boot / 10, started: self.now.wall, resumed: false, with: None }
    }

    /// Takes the effects that left since the last call.
    pub fn acts(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.left)
    }
}
