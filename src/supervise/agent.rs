//! What the machine knows of one agent.

use std::collections::{BTreeSet, VecDeque};

use super::clock::{Millis, Moment};
use super::decision::EffectId;
use super::event::{End, Reading, Report, ReportKind, Run, Shows, Wanted};
use super::memory::Memory;
use super::message::{Message, MessageId};
use super::policy::AgentPolicy;
use super::standing::{Standing, State};

/// Where its process is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Phase {
    /// Nobody has looked yet.
    Unseen,
    /// Not there; how it ended, when that is known.
    Gone(Option<End>),
    /// A start has left.
    Starting(EffectId),
    Running(Run),
    /// A stop has left.
    Stopping {
        run: Run,
        why: String,
    },
}

/// A look, kept to compare the next one with.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Look {
    pub at: Millis,
    pub cpu_ms: Option<u64>,
}

/// Why a probe is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// To have something to compare.
    Sample,
    /// To climb a rung.
    Rung,
}

/// The same call of a tool, or the same words, with nothing else between.
#[derive(Debug, Clone)]
pub(super) struct Again {
    /// Of a call its tool and mark, of words the words.
    pub what: String,
    pub is_call: bool,
    pub times: u32,
    /// Of the first, on the clock that stands still in suspend.
    pub since: Millis,
}

/// A message in the queue.
#[derive(Debug, Clone)]
pub(super) struct Waiting {
    pub message: Message,
    /// On the clock that stands still in suspend, so that a clock that is set ages no message.
    pub until: Millis,
}

#[derive(Debug, Clone)]
pub(super) struct Agent {
    pub policy: AgentPolicy,
    pub wanted: Wanted,
    pub memory: Memory,
    /// As the journal has it.
    pub saved: Memory,
    pub phase: Phase,
    pub standing: Standing,

    // Of this run; times on the clock that stands still in suspend.
    pub begun: Millis,
    /// How far the clock on the wall was set on meanwhile.
    pub jumped: i128,
    /// It ran when the supervisor came, and has not been looked at since.
    pub adopted: bool,
    /// It was just looked at for the first time since then.
    pub first_look: bool,
    pub ready: bool,
    pub screen: Option<Reading>,
    pub read_at: Millis,
    /// Digest of the last picture, also from before the supervisor came.
    pub picture: Option<String>,
    /// Output came since the screen was read.
    pub moved: bool,
    /// What comes out changes nothing on the picture: a clock, a cursor.
    pub noise: bool,
    /// Looks in a row that found nothing new.
    pub fruitless: u32,
    pub active_at: Option<Millis>,
    pub bytes: u64,
    pub report: Option<Report>,
    pub report_at: Option<Millis>,
    /// Why its last report was not believed.
    pub refused: Option<String>,
    pub typed_at: Option<Millis>,
    pub typing: bool,
    pub viewers: u32,
    pub unreachable: Option<String>,
    /// The last sign that it gets on.
    pub progress_at: Millis,
    /// The last look, and the first one since the last rung or progress.
    pub look: Option<Look>,
    pub base: Option<Look>,
    /// Processes that are there while it stands idle: servers of its own, no tools.
    pub resident: Option<BTreeSet<(u32, u64)>>,
    /// A tool of its own was seen running in this run.
    pub had_tools: bool,
    pub probe: Option<(EffectId, Asked)>,
    /// Until then a change of the screen is our own typing.
    pub own_typing_until: Millis,
    /// It took the nudge: what it does now is its answer.
    pub nudge_taken: bool,
    /// No rung is climbed before.
    pub spared_until: Millis,
    /// It was, or may have been, alive then: a tool ran, processor time was spent, or its picture changed while fleet typed.
    pub alive_at: Millis,
    /// Nothing was expected of it when that was last asked.
    pub exempt: bool,
    /// Digests of the last settled screens, newest last.
    pub pictures: VecDeque<String>,
    /// What it does again and again, by its own word.
    pub again: Option<Again>,
    /// It has been given something to do and has not said that it is done.
    pub owes: bool,
    /// Limits in a row that should have ended and had not.
    pub limits: u32,
    /// The picture of a limit that is over.
    pub limit_passed: Option<String>,

    pub queue: VecDeque<Waiting>,
    pub delivering: Option<(EffectId, MessageId)>,
    /// The message that is being delivered.
    pub sending: Option<Waiting>,
    /// Deliveries in a row that the shim did not take.
    pub refusals: u32,
    pub stop_effect: Option<EffectId>,
    pub restart_pending: bool,
    /// The start it waits for is the last of its restarts.
    pub counted: bool,
    /// Wants a start: why.
    pub start: Option<String>,
    pub stop_tries: u32,
    /// The run that was lost while nobody looked.
    pub lost: Option<Run>,
    /// Its end was acted upon without a record, which may still come.
    pub unrecorded: bool,
    /// A command of fleet's acts on it.
    pub announced: Option<String>,
}

impl Agent {
    pub(super) fn new(policy: AgentPolicy, memory: Memory, now: Moment) -> Self {
        let standing = memory.standing.clone().unwrap_or(Standing {
            state: State::Unknown,
            reason: "not looked at yet".to_owned(),
            since: now.wall,
        });
        Self {
            policy,
            wanted: Wanted::Running,
            saved: memory.clone(),
            memory,
            phase: Phase::Unseen,
            standing,
            begun: now.awake,
            jumped: 0,
            adopted: false,
            first_look: false,
            ready: false,
            screen: None,
            read_at: 0,
            picture: None,
            moved: false,
            noise: false,
            fruitless: 0,
            active_at: None,
            bytes: 0,
            report: None,
            report_at: None,
            refused: None,
            typed_at: None,
            typing: false,
            viewers: 0,
            unreachable: None,
            progress_at: now.awake,
            look: None,
            base: None,
            resident: None,
            had_tools: false,
            probe: None,
            own_typing_until: 0,
            nudge_taken: false,
            spared_until: 0,
            alive_at: 0,
            exempt: false,
            pictures: VecDeque::new(),
            again: None,
            owes: false,
            limits: 0,
            limit_passed: None,
            queue: VecDeque::new(),
            delivering: None,
            sending: None,
            refusals: 0,
            stop_effect: None,
            restart_pending: false,
            counted: false,
            start: None,
            stop_tries: 0,
            lost: None,
            unrecorded: false,
            announced: None,
        }
    }

    /// Forgets what belonged to the run before.
    pub(super) fn begin_run(&mut self, now: Moment) {
        let before = std::mem::replace(self, Self::new(self.policy.clone(), Memory::default(), now));
        self.memory = before.memory;
        self.saved = before.saved;
        self.wanted = before.wanted;
        self.standing = before.standing;
        self.owes = before.owes;
        self.queue = before.queue;
        self.delivering = before.delivering;
        self.sending = before.sending;
        self.restart_pending = before.restart_pending;
    }

    /// Puts down what a new supervisor has to know of this run.
    pub(super) fn keep(&mut self, now: Moment) {
        let memory = &mut self.memory;
        memory.owes = self.owes;
        if !matches!(self.phase, Phase::Running(_)) {
            return;
        }
        memory.progress_awake = (!self.exempt).then_some(self.progress_at);
        memory.progress_at = Some(now.wall.saturating_sub(now.awake.saturating_sub(self.progress_at)));
        memory.alive_awake = self.alive_at;
        memory.picture.clone_from(&self.picture);
        memory.ready = self.ready;
        memory.resident.clone_from(&self.resident);
        memory.had_tools = self.had_tools;
    }

    /// Takes up what the supervisor before knew of this run.
    pub(super) fn recall_run(&mut self, now: Moment) {
        self.adopted = true;
        let memory = &self.memory;
        self.progress_at = memory.progress_awake.filter(|at| *at <= now.awake).unwrap_or(now.awake);
        self.alive_at = memory.alive_awake.min(now.awake);
        self.picture.clone_from(&memory.picture);
        self.ready = memory.ready;
        self.owes = memory.owes;
        self.resident.clone_from(&memory.resident);
        self.had_tools = memory.had_tools;
    }

    /// What it waited for has been said to it.
    pub(super) fn answered_by_message(&mut self) {
        let waits = |report: &Report| matches!(report.kind, ReportKind::Waiting | ReportKind::Blocked);
        if self.report.as_ref().is_some_and(waits) {
            self.report = None;
        }
    }

    pub(super) fn run(&self) -> Option<&Run> {
        match &self.phase {
            Phase::Running(run) | Phase::Stopping { run, .. } => Some(run),
            _ => None,
        }
    }

    /// It ran when the supervisor came, and nothing has been seen of it since.
    pub(super) fn is_unseen(&self) -> bool {
        self.adopted && self.screen.is_none() && self.report.is_none()
    }

    pub(super) fn is_running(&self) -> bool {
        matches!(self.phase, Phase::Running(_))
    }

    /// What its screen shows, as far as that still holds.
    pub(super) fn shows(&self) -> &Shows {
        const NOTHING: &Shows = &Shows::Nothing;
        match &self.screen {
            // What asks a person or names a limit stays until another look says otherwise: a blinking cursor is output.
            Some(reading) if !self.moved || self.noise || sticks(&reading.shows) => &reading.shows,
            _ => NOTHING,
        }
    }
}

/// Whether output alone does not end it.
pub(super) fn sticks(shows: &Shows) -> bool {
    matches!(shows, Shows::Dialog { .. } | Shows::Limit { .. } | Shows::Fatal { .. })
}
