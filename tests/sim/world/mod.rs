//! A world of simulated agents around one machine: it tells what a real driver and real shims would tell, and judges what the
//! machine does by what is true.

mod agent;
mod life;
mod outside;
mod years;

use std::collections::{BTreeMap, BTreeSet};

use fleet::supervise::clock::{Millis, Moment};
use fleet::supervise::decision::{Act, Effect, Level, Rule};
use fleet::supervise::event::{AgentEvent, Caller, Delivered, EffectResult, End, Event, Report, ReportKind, Request};
use fleet::supervise::message::Message;
use fleet::supervise::policy::{FleetPolicy, Spend};

use crate::bench::{Bench, HOUR, MINUTE, SECOND, message, name};
use crate::chance::Chance;
use agent::{Agent, Kind};

/// What comes at a time of its own.
#[derive(Debug, Clone)]
enum Happening {
    /// What an agent does ends, if that is still its plan.
    Next(usize, u64),
    Draw(usize, u64),
    Settle(usize, u32, Millis),
    /// It ends by itself.
    Ends(usize, u32, i32),
    /// A shim that was asked to stop it has done so.
    Stopped(usize, u32),
    /// A start has come about.
    Comes(usize),
    Types(usize),
    TypesNoMore(usize, u32),
    Login(usize),
    /// Its text reaches the agent.
    Typed(usize, Box<Message>, u64, u64),
    Answer(u64, u64, Box<EffectResult>),
    Work(usize),
    Hold(usize),
    Release(usize),
    Relist,
    Crash,
    Back,
    Suspend,
    Step,
    Clear,
    MustBeWarned(usize, u32),
    MustBeStopped(usize, u32),
}

/// What was counted.
#[derive(Debug, Default)]
pub struct Tally {
    pub events: u64,
    pub hangs: u32,
    pub warned: u32,
    pub stopped: u32,
    pub starts: u32,
    pub quarantines: u32,
    pub crashes: u32,
    pub jumps: u32,
    pub nudges: u32,
    pub typed: u32,
    pub decisions: u64,
}

pub struct World {
    bench: Bench,
    chance: Chance,
    agents: Vec<Agent>,
    queue: BTreeMap<(Millis, u64), Happening>,
    number: u64,
    up: bool,
    /// Counts the supervisors.
    epoch: u64,
    /// Time by which deadlines move: outages, jumps, looks that failed.
    slack: Vec<Millis>,
    down_since: Millis,
    typed: BTreeSet<String>,
    works: Vec<u32>,
    nudges: Vec<u32>,
    rough: bool,
    pub tally: Tally,
}

impl World {
    /// `rough`: supervisors crash, clocks jump, answers get lost.
    pub fn new(seed: u64, kinds: &[Kind], rough: bool) -> Self {
        let mut chance = Chance(seed);
        let mut policies = Vec::new();
        let mut agents = Vec::new();
        for (at, kind) in kinds.iter().enumerate() {
            let text = format!("a{at}");
            let mut policy = crate::bench::agent(&text);
            policy.idle_ok = *kind == Kind::Orchestrator;
            if *kind == Kind::Orchestrator {
                policy.kind = fleet::manifest::AgentKind::Orchestrator;
            }
            policy.fallbacks = u32::from(*kind == Kind::Limited && chance.odds(50_000));
            policies.push(policy);
            agents.push(Agent::new(text, *kind, &mut chance));
        }
        let policy = FleetPolicy { spend: Spend::default(), ..crate::bench::fleet(policies) };
        let mut bench = Bench::new(policy);
        bench.logs = false;
        bench.log.clear();
        bench.decisions.clear();
        let count = agents.len();
        let mut world = Self {
            bench,
            chance,
            agents,
            queue: BTreeMap::new(),
            number: 0,
            up: true,
            epoch: 0,
            slack: vec![0; count],
            down_since: 0,
            typed: BTreeSet::new(),
            works: vec![0; count],
            nudges: vec![0; count],
            rough,
            tally: Tally::default(),
        };
        world.found();
        for at in 0..count {
            world.later(MINUTE, 60 * MINUTE, Happening::Work(at));
            world.later(HOUR, 20 * HOUR, Happening::Types(at));
            world.later(10 * HOUR, 100 * HOUR, Happening::Hold(at));
        }
        world.later(5 * MINUTE, 5 * MINUTE, Happening::Relist);
        world.later(HOUR, 6 * HOUR, Happening::Clear);
        if rough {
            world.later(MINUTE, 2 * HOUR, Happening::Crash);
            world.later(HOUR, 20 * HOUR, Happening::Suspend);
            world.later(HOUR, 20 * HOUR, Happening::Step);
        }
        world
    }

    fn now(&self) -> Moment {
        self.bench.now
    }

    fn at(&mut self, when: Millis, what: Happening) {
        self.number += 1;
        self.queue.insert((when, self.number), what);
    }

    fn later(&mut self, least: Millis, most: Millis, what: Happening) {
        let when = self.now().awake + self.chance.between(least, most);
        self.at(when, what);
    }

    /// Tells the supervisor, if there is one.
    fn emit(&mut self, event: Event) {
        if self.up {
            self.tally.events += 1;
            self.bench.give(event);
            self.take_up();
        }
    }

    fn tell(&mut self, at: usize, what: AgentEvent) {
        let agent = name(&self.agents[at].name);
        self.emit(Event::Agent { agent, what });
    }

    fn report(&mut self, at: usize, kind: ReportKind) {
        if !self.agents[at].hooks {
            return;
        }
        let wall = self.now().wall;
        if let Some(life) = &mut self.agents[at].life {
            life.said = Some((kind, wall));
        }
        self.tell(
            at,
            AgentEvent::Report { report: Report { kind, progress: None, note: None, call: None, at: wall } },
        );
    }

    pub fn run(&mut self, span: Millis) {
        let end = self.now().awake + span;
        loop {
            let deadline = self.bench.machine.next_deadline().filter(|_| self.up);
            let happening = self.queue.first_key_value().map(|((at, _), _)| *at);
            let at = deadline.into_iter().chain(happening).min().unwrap().max(self.now().awake);
            if at > end {
                return;
            }
            let span = at - self.now().awake;
            self.bench.skip(span);
            if deadline.is_some_and(|deadline| deadline <= at) {
                self.bench.due();
                self.take_up();
            } else {
                let (_, what) = self.queue.pop_first().unwrap();
                self.happens(what);
            }
        }
    }

    /// What the machine decided begins.
    fn take_up(&mut self) {
        let decisions = std::mem::take(&mut self.bench.decisions);
        self.tally.decisions += decisions.len() as u64;
        for decision in &decisions {
            let at = decision.agent.as_ref().map(|agent| agent.as_str()[1..].parse::<usize>().unwrap());
            for effect in &decision.effects {
                self.judge(at, decision.rule, &effect.act);
                self.begin(effect);
            }
        }
        self.bench.left.clear();
    }

    fn judge(&mut self, at: Option<usize>, rule: Rule, act: &Act) {
        match act {
            Act::Stop { .. } if rule == Rule::Stall => {
                let agent = &self.agents[at.unwrap()];
                let hung = agent.life.as_ref().and_then(|life| life.hung);
                assert!(hung.is_some(), "a false kill at {:?}: {agent:?}", self.bench.now);
            }
            Act::Notify { level: Level::Warning, .. } if rule == Rule::Stall => {
                if let Some(life) = &mut self.agents[at.unwrap()].life {
                    life.warned = true;
                }
            }
            Act::Notify { .. } if matches!(rule, Rule::Quarantine | Rule::RapidDeath) => self.tally.quarantines += 1,
            _ => {}
        }
    }

    fn begin(&mut self, effect: &Effect) {
        let (id, epoch) = (effect.id, self.epoch);
        let index = |agent: &fleet::ids::AgentName| agent.as_str()[1..].parse::<usize>().unwrap();
        let answer = |result| Happening::Answer(id, epoch, Box::new(result));
        match &effect.act {
            Act::Deliver { agent, message } => {
                let at = index(agent);
                self.later(300, 2_000, Happening::Typed(at, Box::new(message.clone()), id, epoch));
            }
            Act::Probe { agent } => {
                let at = index(agent);
                let now = self.now().awake;
                if self.rough && self.chance.odds(1_000) {
                    // A look that fails, or never comes back.
                    self.slack[at] += 15 * MINUTE;
                    if let Some(life) = &mut self.agents[at].life {
                        life.blurred = true;
                    }
                    if self.chance.odds(50_000) {
                        self.later(1, 900, answer(EffectResult::Failed { why: "the shim is slow".to_owned() }));
                    }
                    return;
                }
                let result = match self.agents[at].probe(now) {
                    Some(probe) => EffectResult::Probed { probe },
                    None => EffectResult::Failed { why: "no shim".to_owned() },
                };
                self.later(0, 50, answer(result));
            }
            Act::Start { agent, .. } => {
                let at = index(agent);
                self.tally.starts += 1;
                assert!(self.agents[at].life.is_none(), "started twice: {:?}", self.agents[at]);
                self.agents[at].starting += 1;
                assert!(self.agents[at].starting < 2 || self.rough, "two starts at once: {:?}", self.agents[at]);
                self.later(50, 1_000, Happening::Comes(at));
                self.later(50, 1_000, answer(EffectResult::Done));
            }
            Act::Stop { agent } => {
                let at = index(agent);
                if let Some(life) = &mut self.agents[at].life {
                    life.stopping = true;
                    let pid = life.run.pid;
                    self.later(100, 10 * SECOND, Happening::Stopped(at, pid));
                }
                self.later(1, 50, answer(EffectResult::Done));
            }
            Act::Snapshot { .. } | Act::Fallback { .. } | Act::Notify { .. } | Act::Digest { .. } => {
                self.later(0, 20, answer(EffectResult::Done));
            }
        }
    }

    fn happens(&mut self, what: Happening) {
        let now = self.now();
        match what {
            Happening::Next(at, plan) => self.goes_on(at, plan),
            Happening::Draw(at, plan) => self.draws(at, plan),
            Happening::Settle(at, pid, since) => self.settles(at, pid, since),
            Happening::Ends(at, pid, code) => self.ends(at, pid, Some(code)),
            Happening::Stopped(at, pid) => self.ends(at, pid, None),
            Happening::Comes(at) => self.comes(at),
            Happening::Types(at) => {
                self.types(at);
                self.later(2 * HOUR, 30 * HOUR, Happening::Types(at));
            }
            Happening::TypesNoMore(at, pid) => self.types_no_more(at, pid),
            Happening::Login(at) => self.agents[at].login = true,
            Happening::Typed(at, message, id, epoch) => self.typed(at, *message, id, epoch),
            Happening::Answer(id, epoch, result) => {
                if epoch == self.epoch {
                    self.emit(Event::Effect { id, result: *result });
                }
            }
            Happening::Work(at) => {
                if self.agents[at].kind != Kind::Orchestrator || self.chance.odds(2_000) {
                    self.works[at] += 1;
                    let id = format!("m-{:016x}", self.chance.next());
                    let message = message(&id, &self.agents[at].name, Caller::Operator, now);
                    self.emit(Event::Request { request: Request::Send { message } });
                }
                self.later(5 * MINUTE, 4 * HOUR, Happening::Work(at));
            }
            Happening::Hold(at) => self.hold(at),
            Happening::Release(at) => self.release(at),
            Happening::Relist => {
                if self.up {
                    self.found();
                }
                self.later(5 * MINUTE, 5 * MINUTE, Happening::Relist);
            }
            Happening::Crash => {
                self.up = false;
                self.down_since = now.awake;
                self.tally.crashes += 1;
                let longest = if self.chance.odds(10_000) { 20 * MINUTE } else { 2 * SECOND };
                self.later(10, longest, Happening::Back);
            }
            Happening::Back => self.back(),
            Happening::Suspend => {
                let span = self.chance.between(SECOND, 9 * HOUR);
                self.bench.now.boot += span;
                self.bench.now.wall += span;
                self.jumped();
                self.later(HOUR, 30 * HOUR, Happening::Suspend);
            }
            Happening::Step => {
                let year = 365 * 24 * HOUR;
                let span = *self.chance.pick(&[SECOND, 3 * SECOND, MINUTE, HOUR, year]);
                let wall = &mut self.bench.now.wall;
                *wall = if self.chance.odds(50_000) { *wall + span } else { *wall - span };
                self.jumped();
                self.later(HOUR, 30 * HOUR, Happening::Step);
            }
            Happening::Clear => {
                let request = Request::Clear { agents: BTreeSet::new(), caller: Caller::Operator };
                self.emit(Event::Request { request });
                self.later(HOUR, 12 * HOUR, Happening::Clear);
            }
            Happening::MustBeWarned(at, pid) => self.must(at, pid, false),
            Happening::MustBeStopped(at, pid) => self.must(at, pid, true),
        }
    }

    fn jumped(&mut self) {
        self.tally.jumps += 1;
        if !self.up {
            self.bench.invariants.set_unseen();
        }
        self.slack.iter_mut().for_each(|slack| *slack += 61 * SECOND);
    }

    fn outcome(&mut self, id: u64, epoch: u64, outcome: Delivered) {
        let result = EffectResult::Delivered { outcome, why: None };
        self.happens(Happening::Answer(id, epoch, Box::new(result)));
    }

    /// A hang whose time is up.
    fn must(&mut self, at: usize, pid: u32, stop: bool) {
        let now = self.now().awake;
        let Some(life) = &self.agents[at].life else { return };
        let Some(hung) = life.hung.filter(|_| life.run.pid == pid && !life.stopping) else { return };
        let after = 10 * MINUTE;
        let rungs = if stop { 3 } else { 2 };
        let since = if stop { hung.max(life.echo) } else { hung };
        // What was last written down of it may be older than the hang: the ladder begins anew then, once.
        let anew = if self.epoch == life.epoch { 0 } else { after };
        let by = since + anew + rungs * after + after / 5 + MINUTE + (self.slack[at] - life.slack);
        let again = |stop| if stop { Happening::MustBeStopped(at, pid) } else { Happening::MustBeWarned(at, pid) };
        if !self.up || now < by {
            self.at(by.max(now + 1_000), again(stop));
            return;
        }
        if !stop {
            assert!(life.warned, "a hang nobody was warned of at {now}: {:?} {:?}", self.agents[at], self.view(at));
            self.tally.warned += 1;
        } else if !life.blurred && life.drawn && life.calm {
            panic!("a hang that nobody ended at {now}: {:?} {:?}", self.agents[at], self.view(at));
        }
    }

    fn view(&self, at: usize) -> String {
        format!("{:?}", self.bench.machine.agent(&name(&self.agents[at].name)))
    }

    fn end(&self, started: Millis, code: Option<i32>) -> End {
        End {
            code: code.or(Some(143)),
            signal: None,
            stop_requested: code.is_none(),
            out_of_memory: false,
            step: if code.is_none() { "term" } else { "itself" }.to_owned(),
            started,
            ended: self.now().wall,
            screen: vec![],
            shows: fleet::supervise::event::Shows::Nothing,
        }
    }
}
