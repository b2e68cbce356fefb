//! Any sequence of events, the most unlikely ones too: the invariants hold after each, and from wherever it led, every agent
//! comes to rest.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use fleet::manifest::{BusyInput, ModelName};
use fleet::supervise::clock::Millis;
use fleet::supervise::decision::{Act, Effect};
use fleet::supervise::event::{
    AgentEvent, Caller, Delivered, EffectResult, End, Event, Probe, Report, ReportKind, Request, Run, Shows, Wanted,
};
use fleet::supervise::policy::{Heartbeat, HeartbeatKind, Lifecycle, Link};
use fleet::supervise::standing::{Class, State};
use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestRunner};

use crate::bench::{Bench, HOUR, Log, MINUTE, SECOND, agent, fleet, message, name, reading};
use crate::recorded;

const NAMES: [&str; 3] = ["a0", "a1", "a2"];

/// One thing that may happen.
#[derive(Debug, Clone)]
enum Step {
    Wait(Millis),
    Activity(usize),
    Screen(usize, u8, u8, bool),
    Answer(usize, u8),
    Comes(usize),
    Ends(usize, u8),
    Vanishes(usize),
    Wants(usize, bool),
    Says(usize, u8),
    Types(usize, bool),
    Sends(usize, u8, bool),
    Recalls(u8),
    Announces(usize, bool),
    Pending(usize, bool),
    Answers(usize, bool),
    Relist,
    Crash,
    Sleeps(Millis),
    Jumps(i64),
    Clear,
    Lost(bool),
}

fn step() -> impl Strategy<Value = Step> {
    let who = 0..NAMES.len();
    let span = prop_oneof![0..SECOND, 0..MINUTE, 0..15 * MINUTE, Just(10 * MINUTE), 0..3 * HOUR];
    prop_oneof![
        8 => span.prop_map(Step::Wait),
        3 => who.clone().prop_map(Step::Activity),
        6 => (who.clone(), 0..4_u8, 0..7_u8, any::<bool>()).prop_map(|(at, d, s, settled)| Step::Screen(at, d, s, settled)),
        12 => (0..8_usize, 0..6_u8).prop_map(|(at, how)| Step::Answer(at, how)),
        4 => who.clone().prop_map(Step::Comes),
        4 => (who.clone(), 0..6_u8).prop_map(|(at, how)| Step::Ends(at, how)),
        1 => who.clone().prop_map(Step::Vanishes),
        1 => (who.clone(), any::<bool>()).prop_map(|(at, held)| Step::Wants(at, held)),
        2 => (who.clone(), 0..8_u8).prop_map(|(at, kind)| Step::Says(at, kind)),
        1 => (who.clone(), any::<bool>()).prop_map(|(at, typing)| Step::Types(at, typing)),
        3 => (who.clone(), 0..12_u8, any::<bool>()).prop_map(|(at, id, own)| Step::Sends(at, id, own)),
        1 => (0..12_u8).prop_map(Step::Recalls),
        1 => (who.clone(), any::<bool>()).prop_map(|(at, stop)| Step::Announces(at, stop)),
        1 => (who.clone(), any::<bool>()).prop_map(|(at, pending)| Step::Pending(at, pending)),
        1 => (who, any::<bool>()).prop_map(|(at, reachable)| Step::Answers(at, reachable)),
        1 => Just(Step::Relist),
        2 => Just(Step::Crash),
        1 => (0..9 * HOUR).prop_map(Step::Sleeps),
        1 => prop_oneof![-3_000..3_000_i64, -40_000_000_000..40_000_000_000_i64].prop_map(Step::Jumps),
        1 => Just(Step::Clear),
        1 => any::<bool>().prop_map(Step::Lost),
    ]
}

/// What is true of the agents, as far as anything has to be.
struct Play {
    bench: Bench,
    left: Vec<Effect>,
    runs: [Option<Run>; 3],
    ends: [Option<End>; 3],
    held: [bool; 3],
    /// With which model the first agent is started.
    noted: Option<ModelName>,
}

/// One of the first agent's chain.
fn model(text: &str) -> ModelName {
    ModelName { runtime: text.to_owned(), model: None }
}

fn shows(kind: u8, now: Millis) -> Shows {
    let text = "text".to_owned();
    match kind {
        0 => Shows::Nothing,
        1 | 2 => Shows::Busy,
        3 => Shows::Idle,
        4 => Shows::Dialog { text },
        5 => Shows::Limit { class: Class::Rate, until: Some(now.saturating_sub(HOUR)), text },
        _ => Shows::Fatal { class: Class::Auth, text },
    }
}

impl Play {
    fn new() -> Self {
        let mut policies: Vec<_> = NAMES.iter().map(|name| agent(name)).collect();
        policies[0].fallbacks = 2;
        policies[0].chain = ["canary", "second", "third"]
            .map(|text| Link {
                name: model(text),
                heartbeat: Heartbeat { kind: HeartbeatKind::Periodic, every_ms: 15_000 },
                busy_input: BusyInput::Steer,
                shows_idle: text != "third",
                resumes: text != "second",
            })
            .into();
        policies[1].after = vec![name("a0")];
        policies[1].heartbeat.kind = HeartbeatKind::Periodic;
        policies[2].lifecycle = Lifecycle::OnDemand { idle_stop_ms: Some(5 * MINUTE) };
        let mut policy = fleet(policies);
        policy.spend.starts_per_day = Some(60);
        let mut play = Self {
            bench: Bench::new(policy),
            left: vec![],
            runs: [None, None, None],
            ends: [None, None, None],
            held: [false; 3],
            noted: None,
        };
        play.relist();
        play
    }

    fn tell(&mut self, at: usize, what: AgentEvent) {
        self.bench.tell(NAMES[at], what);
    }

    fn relist(&mut self) {
        for at in 0..3 {
            let wanted = if self.held[at] { Wanted::Held } else { Wanted::Running };
            self.tell(at, AgentEvent::Wanted { wanted });
            let what = match (&self.runs[at], &self.ends[at]) {
                (Some(run), _) => AgentEvent::Running { run: run.clone() },
                (None, Some(end)) => AgentEvent::Ended { end: end.clone() },
                (None, None) => AgentEvent::Absent { lost: None },
            };
            self.tell(at, what);
        }
        self.bench.give(Event::Relisted);
    }

    fn comes(&mut self, at: usize) {
        if self.runs[at].is_none() {
            let with = self.noted.clone().unwrap_or_else(|| model("canary"));
            let run = Run { with: (at == 0).then_some(with), ..self.bench.next_run() };
            self.runs[at] = Some(run.clone());
            self.tell(at, AgentEvent::Running { run });
        }
    }

    fn ends(&mut self, at: usize, how: u8) {
        let Some(run) = self.runs[at].take() else { return };
        let now = self.bench.now.wall;
        let end = End {
            code: Some(i32::from(how != 0)),
            signal: None,
            stop_requested: how == 1,
            out_of_memory: false,
            step: "itself".to_owned(),
            started: run.started,
            ended: now,
            screen: vec![],
            shows: if how == 2 { shows(5, now) } else { Shows::Nothing },
        };
        self.ends[at] = Some(end.clone());
        self.tell(at, AgentEvent::Ended { end });
    }

    fn take(&mut self) {
        let acts = self.bench.acts();
        self.left.extend(acts);
    }

    fn answer(&mut self, at: usize, how: u8) {
        self.take();
        if self.left.is_empty() {
            return;
        }
        let effect = self.left.remove(at % self.left.len());
        if how != 5 {
            self.notes(&effect.act);
        }
        let now = self.bench.now;
        let result = match (&effect.act, how) {
            (_, 5) => EffectResult::Failed { why: "it failed".to_owned() },
            (Act::Probe { .. }, _) => EffectResult::Probed {
                probe: Probe {
                    cpu_ms: (how != 4).then_some(if how == 3 { now.awake } else { 7 }),
                    descendants: (how != 2)
                        .then(|| if how == 1 { BTreeSet::from([(9, 9)]) } else { BTreeSet::new() }),
                    reading: (how != 4).then(|| reading("p1", shows(1, now.wall))),
                    bytes: Some(3),
                },
            },
            (Act::Deliver { .. }, _) => {
                let outcome = match how {
                    0 => Delivered::Confirmed,
                    1 => Delivered::Submitted,
                    2 => Delivered::Queued,
                    3 => Delivered::Refused,
                    _ => Delivered::Unknown,
                };
                EffectResult::Delivered { outcome, why: None }
            }
            _ => EffectResult::Done,
        };
        self.bench.give(Event::Effect { id: effect.id, result });
    }

    fn notes(&mut self, act: &Act) {
        if let Act::Fallback { note, .. } = act {
            self.noted = note.as_ref().map(|note| note.to.clone());
        }
    }

    fn step(&mut self, step: &Step) {
        let now = self.bench.now;
        match *step {
            Step::Wait(span) => self.bench.wait(span),
            Step::Activity(at) => self.tell(at, AgentEvent::Activity { bytes: now.awake }),
            Step::Screen(at, digest, kind, settled) => {
                let mut reading = reading(&format!("p{digest}"), shows(kind, now.wall));
                reading.settled = settled;
                self.tell(at, AgentEvent::Screen { reading });
            }
            Step::Answer(at, how) => self.answer(at, how),
            Step::Comes(at) => self.comes(at),
            Step::Ends(at, how) => self.ends(at, how),
            Step::Vanishes(at) => {
                let lost = self.runs[at].take();
                self.tell(at, AgentEvent::Absent { lost });
            }
            Step::Wants(at, held) => {
                self.held[at] = held;
                self.tell(at, AgentEvent::Wanted { wanted: if held { Wanted::Held } else { Wanted::Running } });
            }
            Step::Says(at, kind) => {
                let kinds = [
                    ReportKind::Beat,
                    ReportKind::PromptSubmitted,
                    ReportKind::Tool,
                    ReportKind::Working,
                    ReportKind::Idle,
                    ReportKind::Waiting,
                    ReportKind::Done,
                    ReportKind::Blocked,
                ];
                let kind = kinds[usize::from(kind)];
                self.tell(
                    at,
                    AgentEvent::Report {
                        report: Report { kind, progress: Some(1), note: None, call: None, at: now.wall },
                    },
                );
            }
            Step::Types(at, typing) => self.tell(at, AgentEvent::Viewers { viewers: 1, typing }),
            Step::Sends(at, id, own) => {
                let from = if own { Caller::Agent { agent: name(NAMES[0]) } } else { Caller::Operator };
                let message = message(&format!("m-{id:016x}"), NAMES[at], from, now);
                self.bench.ask(Request::Send { message });
            }
            Step::Recalls(id) => self.bench.ask(Request::Recall { id: format!("m-{id:016x}") }),
            Step::Announces(at, stop) => {
                let verb = if stop { "stop" } else { "restart" }.to_owned();
                self.bench.ask(Request::Announce { agent: name(NAMES[at]), verb });
            }
            Step::Pending(at, pending) => self.tell(at, AgentEvent::RestartPending { pending }),
            Step::Answers(at, reachable) => {
                self.tell(at, AgentEvent::Reachable { reachable, why: "time-out".to_owned() });
            }
            Step::Relist => self.relist(),
            Step::Crash => {
                self.left.clear();
                // Whatever note may not have been written is written again.
                for act in self.bench.journal.pending.values().cloned().collect::<Vec<_>>() {
                    self.notes(&act);
                }
                self.bench.crash();
                self.relist();
            }
            Step::Sleeps(span) => {
                self.bench.now.boot += span;
                self.bench.now.wall += span;
            }
            Step::Jumps(by) => self.bench.now.wall = now.wall.checked_add_signed(by).unwrap_or(now.wall),
            Step::Clear => {
                self.bench.ask(Request::Clear { agents: BTreeSet::new(), caller: Caller::Operator });
            }
            Step::Lost(true) => self.bench.give(Event::JournalLost { why: "damaged".to_owned() }),
            Step::Lost(false) => self.bench.ask(Request::ClearJournalLost),
        }
        self.bench.due();
        let view = self.bench.machine.agent(&name("a0")).unwrap();
        let noted = view.memory.fell_back.as_ref().map(|note| note.to.clone());
        let place = ["canary", "second", "third"].map(model).into_iter().nth(view.memory.model as usize);
        assert_eq!(noted, place.filter(|_| view.memory.model > 0), "{:?}", view.memory);
    }

    /// Everybody does what they should: from wherever it is, each agent comes to stand idle or stopped.
    fn comes_to_rest(&mut self) {
        self.step(&Step::Lost(false));
        for at in 0..3 {
            self.tell(at, AgentEvent::RestartPending { pending: false });
            self.tell(at, AgentEvent::Viewers { viewers: 0, typing: false });
            self.tell(at, AgentEvent::Reachable { reachable: true, why: String::new() });
            self.step(&Step::Wants(at, false));
            self.step(&Step::Says(at, 4));
        }
        self.step(&Step::Clear);
        self.take();
        let end = self.bench.now.awake + 100 * HOUR;
        let mut left = std::mem::take(&mut self.left);
        loop {
            for effect in left {
                self.cooperate(&effect);
            }
            self.bench.due();
            for at in 0..3 {
                if self.runs[at].is_some() {
                    self.tell(at, AgentEvent::Screen { reading: reading("rest", Shows::Idle) });
                }
            }
            left = self.bench.acts();
            if !left.is_empty() {
                continue;
            }
            let Some(at) = self.bench.machine.next_deadline().filter(|at| *at <= end) else { break };
            self.bench.until(at);
            left = self.bench.acts();
        }
        for (at, name) in NAMES.iter().enumerate() {
            if self.bench.state(name) == State::Stalled {
                // It was given work, was asked once, and stands idle: its own word is the way out.
                self.step(&Step::Says(at, 6));
            }
            let state = self.bench.state(name);
            assert!(matches!(state, State::Idle | State::Stopped), "{name} has no way out of {state:?}");
        }
    }

    fn cooperate(&mut self, effect: &Effect) {
        let at = effect.act.agent().and_then(|agent| NAMES.iter().position(|name| *name == agent.as_str()));
        let idle = Probe { reading: Some(reading("rest", Shows::Idle)), ..Probe::default() };
        let result = match &effect.act {
            Act::Probe { .. } => EffectResult::Probed { probe: idle },
            Act::Deliver { .. } => EffectResult::Delivered { outcome: Delivered::Confirmed, why: None },
            _ => EffectResult::Done,
        };
        self.notes(&effect.act);
        self.bench.give(Event::Effect { id: effect.id, result });
        match (&effect.act, at) {
            (Act::Start { .. }, Some(at)) => self.comes(at),
            (Act::Stop { .. }, Some(at)) => self.ends(at, 1),
            _ => {}
        }
    }
}

/// Plays it; the log of what failed.
fn play(steps: &[Step], log: &RefCell<Log>) -> Result<(), String> {
    let mut play = Play::new();
    let played = catch_unwind(AssertUnwindSafe(|| {
        for step in steps {
            play.step(step);
        }
        play.comes_to_rest();
    }));
    played.map_err(|panic| {
        log.borrow_mut().clone_from(&play.bench.log);
        let text = panic.downcast_ref::<String>().cloned();
        text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
    })
}

#[test]
fn whatever_happens() {
    // More of them by hand: `SIM_CASES=20000`.
    let cases = std::env::var("SIM_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(400);
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let log = RefCell::new(Vec::new());
    let steps = prop::collection::vec(step(), 1..120);
    let result = TestRunner::new(config).run(&steps, |steps| play(&steps, &log).map_err(TestCaseError::fail));
    if let Err(error) = result {
        recorded::keep(&log.borrow());
        panic!("{error}");
    }
}
