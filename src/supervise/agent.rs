//! What the machine knows of one agent.

use std::collections::{BTreeSet, VecDeque};

use super::clock::{Millis, Moment};
use super::decision::EffectId;
use super::event::{End, Reading, Report, Run, Shows, Wanted};
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
    pub descendants: Option<BTreeSet<(u32, u64)>>,
}

/// Why a probe is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// To have something to compare.
    Sample,
    /// To climb a rung.
    Rung,
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
    pub ready: bool,
    pub screen: Option<Reading>,
    /// Output came since the screen was read.
    pub moved: bool,
    pub active_at: Option<Millis>,
    pub bytes: u64,
    pub report: Option<Report>,
    pub report_at: Option<Millis>,
    pub typed_at: Option<Millis>,
    pub typing: bool,
    pub viewers: u32,
    pub unreachable: Option<String>,
    /// The last sign that it gets on.
    pub progress_at: Millis,
    pub look: Option<Look>,
    /// Processes that are there while it stands idle: servers of its own, no tools.
    pub resident: Option<BTreeSet<(u32, u64)>>,
    /// A tool of its own was seen running in this run.
    pub had_tools: bool,
    pub probe: Option<(EffectId, Asked)>,
    /// Until then a change of the screen is our own typing.
    pub own_typing_until: Millis,
    /// Digests of the last settled screens, newest last.
    pub pictures: VecDeque<String>,
    /// It has been given something to do and has not said that it is done.
    pub owes: bool,

    pub queue: VecDeque<Message>,
    pub delivering: Option<(EffectId, MessageId)>,
    /// The message that is being delivered.
    pub sending: Option<Message>,
    pub stop_effect: Option<EffectId>,
    pub restart_pending: bool,
    /// Wants a start: why.
    pub start: Option<String>,
    pub stop_tries: u32,
    /// Somebody was told that it waits, is limited, blocked or capped.
    pub told: Option<&'static str>,
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
            ready: false,
            screen: None,
            moved: false,
            active_at: None,
            bytes: 0,
            report: None,
            report_at: None,
            typed_at: None,
            typing: false,
            viewers: 0,
            unreachable: None,
            progress_at: now.awake,
            look: None,
            resident: None,
            had_tools: false,
            probe: None,
            own_typing_until: 0,
            pictures: VecDeque::new(),
            owes: false,
            queue: VecDeque::new(),
            delivering: None,
            sending: None,
            stop_effect: None,
            restart_pending: false,
            start: None,
            stop_tries: 0,
            told: None,
            announced: None,
        }
    }

    /// Forgets what belonged to the run before.
    pub(super) fn begin_run(&mut self, now: Moment) {
        self.begun = now.awake;
        self.ready = false;
        self.screen = None;
        self.moved = false;
        self.active_at = None;
        self.bytes = 0;
        self.report = None;
        self.report_at = None;
        self.typed_at = None;
        self.typing = false;
        self.viewers = 0;
        self.unreachable = None;
        self.progress_at = now.awake;
        self.look = None;
        self.resident = None;
        self.had_tools = false;
        self.probe = None;
        self.own_typing_until = 0;
        self.pictures.clear();
        self.stop_tries = 0;
        self.told = None;
    }

    pub(super) fn run(&self) -> Option<&Run> {
        match &self.phase {
            Phase::Running(run) | Phase::Stopping { run, .. } => Some(run),
            _ => None,
        }
    }

    pub(super) fn is_running(&self) -> bool {
        matches!(self.phase, Phase::Running(_))
    }

    /// What its screen shows, as far as that still holds.
    pub(super) fn shows(&self) -> &Shows {
        const NOTHING: &Shows = &Shows::Nothing;
        match &self.screen {
            // What asks a person or names a limit stays until another look says otherwise: a blinking cursor is output.
            Some(reading) if !self.moved || sticks(&reading.shows) => &reading.shows,
            _ => NOTHING,
        }
    }
}

/// Whether output alone does not end it.
pub(super) fn sticks(shows: &Shows) -> bool {
    matches!(shows, Shows::Dialog { .. } | Shows::Limit { .. } | Shows::Fatal { .. })
}
