//! What happens to one agent.

use std::collections::{BTreeSet, VecDeque};

use fleet::supervise::clock::Millis;
use fleet::supervise::event::{AgentEvent, Delivered, ReportKind};
use fleet::supervise::message::Message;

use super::agent::{Agent, Busy, Doing, Hang, Kind, Life};
use super::{Happening, World};
use crate::bench::{HOUR, MINUTE, SECOND};
use crate::chance::Chance;

impl Agent {
    pub fn new(name: String, kind: Kind, chance: &mut Chance) -> Self {
        let servers =
            if chance.odds(40_000) { BTreeSet::from([(500_000, 7), (500_001, 8)]) } else { BTreeSet::new() };
        Self {
            name,
            kind,
            hooks: chance.odds(50_000),
            cadence: chance.between(SECOND, 9 * SECOND),
            life: None,
            end: None,
            servers,
            login: false,
            held: false,
            starting: 0,
            starts: 0,
            hangs: 0,
        }
    }
}

impl World {
    /// A process of it is there.
    pub(super) fn comes(&mut self, at: usize) {
        let now = self.now();
        let agent = &mut self.agents[at];
        agent.starting = agent.starting.saturating_sub(1);
        if agent.life.is_some() || agent.held {
            return;
        }
        agent.starts += 1;
        let run = self.bench.next_run();
        let pid = run.pid;
        let agent = &mut self.agents[at];
        agent.end = None;
        agent.life = Some(Life {
            run: run.clone(),
            since: now.awake,
            doing: Doing::Booting,
            picture: 1_000_000 * u64::from(agent.starts),
            drawn: false,
            bytes: 0,
            cpu: 0,
            cpu_at: now.awake,
            output_at: None,
            typing: false,
            touched: None,
            kept: VecDeque::new(),
            hung: None,
            warned: false,
            blurred: false,
            stopping: false,
            echo: 0,
            calm: agent.servers.is_empty(),
            slack: 0,
            epoch: 0,
            plan: 0,
            said: None,
        });
        let kind = agent.kind;
        self.tell(at, AgentEvent::Running { run });
        let boot = match kind {
            Kind::SlowStart => self.chance.between(SECOND, 600 * SECOND),
            Kind::SlowCrash => 20 * SECOND,
            _ => self.chance.between(SECOND, 20 * SECOND),
        };
        self.at(now.awake + boot, Happening::Next(at, 0));
        let dies = match kind {
            Kind::CrashAtOnce => Some(1),
            Kind::CrashAfterOne => Some(SECOND),
            Kind::CrashAfter31 => Some(31 * SECOND),
            Kind::SlowCrash => Some(40 * SECOND),
            _ => self.chance.odds(5_000).then(|| self.chance.between(SECOND, 50 * HOUR)),
        };
        if let Some(dies) = dies {
            self.at(now.awake + dies, Happening::Ends(at, pid, 1));
        }
    }

    pub(super) fn ends(&mut self, at: usize, pid: u32, code: Option<i32>) {
        let agent = &mut self.agents[at];
        if agent.life.as_ref().is_none_or(|life| life.run.pid != pid) {
            return;
        }
        let life = agent.life.take().unwrap();
        if life.hung.is_some() {
            self.tally.hangs += 1;
            self.tally.stopped += u32::from(life.stopping);
        }
        let end = self.end(life.run.started, code);
        self.agents[at].end = Some(end.clone());
        // Some word of it gets lost; looking at all of them finds it.
        if !self.chance.odds(5_000) {
            self.tell(at, AgentEvent::Ended { end });
        }
    }

    /// Begins something else.
    fn does(&mut self, at: usize, doing: Doing, lasts: Millis) {
        let now = self.now().awake;
        let (slack, epoch) = (self.slack[at], self.epoch);
        let agent = &mut self.agents[at];
        let Some(life) = &mut agent.life else { return };
        life.spend(now);
        life.plan += 1;
        let calm = if agent.kind == Kind::Clock { 3 * MINUTE } else { 15 * SECOND };
        life.calm |= life.doing == Doing::Idle && now > life.since + calm;
        life.since = now;
        life.doing = doing;
        let (plan, pid) = (life.plan, life.run.pid);
        let hang = if let Doing::Hang(hang) = life.doing { Some(hang) } else { None };
        if hang.is_some() {
            // Whoever typed is there for a while longer.
            life.hung = Some(life.touched.map_or(now, |at| now.max(at + 10 * MINUTE)));
            life.slack = slack;
            life.epoch = epoch;
            agent.hangs += 1;
        }
        if hang != Some(Hang::Futex) {
            self.prints(at, true);
        }
        self.at(now.saturating_add(lasts), Happening::Next(at, plan));
        let agent = &self.agents[at];
        let Some(life) = &agent.life else { return };
        if life.moves(agent.kind) {
            self.at(now + agent.cadence, Happening::Draw(at, plan));
        }
        if hang.is_some() {
            self.at(now + 20 * MINUTE, Happening::MustBeWarned(at, pid));
            self.at(now + 30 * MINUTE, Happening::MustBeStopped(at, pid));
        }
    }

    /// Output comes; with `new`, another picture.
    fn prints(&mut self, at: usize, new: bool) {
        let now = self.now().awake;
        let Some(life) = &mut self.agents[at].life else { return };
        life.drawn = true;
        life.picture += u64::from(new);
        life.bytes += 100;
        let told = life.output_at.is_none_or(|before| now >= before + 1_000);
        life.output_at = Some(now);
        let (bytes, pid) = (life.bytes, life.run.pid);
        self.at(now + 2_500, Happening::Settle(at, pid, now));
        if told {
            self.tell(at, AgentEvent::Activity { bytes });
        }
    }

    pub(super) fn draws(&mut self, at: usize, plan: u64) {
        let agent = &self.agents[at];
        let Some(life) = agent.life.as_ref().filter(|life| life.plan == plan) else { return };
        if !life.moves(agent.kind) {
            return;
        }
        let new = life.doing == Doing::Busy(Busy::Streaming);
        let cadence = agent.cadence;
        self.prints(at, new);
        let now = self.now().awake;
        self.at(now + cadence, Happening::Draw(at, plan));
    }

    pub(super) fn settles(&mut self, at: usize, pid: u32, since: Millis) {
        let now = self.now().awake;
        let Some(life) = &self.agents[at].life else { return };
        if life.run.pid == pid && life.output_at == Some(since) {
            let reading = life.reading(now);
            self.tell(at, AgentEvent::Screen { reading });
        }
    }

    /// What it did is over.
    pub(super) fn goes_on(&mut self, at: usize, plan: u64) {
        let now = self.now();
        let Some(life) = self.agents[at].life.as_ref().filter(|life| life.plan == plan) else { return };
        let doing = life.doing.clone();
        let mut chance = self.chance.clone();
        if doing.is_turn() && chance.odds(60_000) {
            let (doing, lasts) = self.agents[at].next(&mut chance, now.wall, true);
            self.does(at, doing, lasts);
            self.report(at, ReportKind::Tool);
        } else if doing.is_turn() || doing == Doing::Booting {
            let kept = self.agents[at].life.as_mut().and_then(|life| life.kept.pop_front());
            let (doing, lasts) = self.agents[at].next(&mut chance, now.wall, kept.is_some());
            let auth = doing == Doing::Auth;
            let idle = doing == Doing::Idle;
            self.does(at, doing, lasts);
            if idle {
                let says = if self.chance.odds(90_000) { ReportKind::Done } else { ReportKind::Idle };
                self.report(at, says);
            }
            if auth {
                self.later(10 * MINUTE, 9 * HOUR, Happening::Login(at));
                self.later(10 * HOUR, 11 * HOUR, Happening::Types(at));
            }
        } else {
            // Nobody wants anything of it.
            self.at(now.awake + HOUR, Happening::Next(at, plan));
        }
        self.chance = chance;
    }

    /// A turn begins.
    fn turn(&mut self, at: usize) {
        let now = self.now();
        let mut chance = self.chance.clone();
        let (doing, lasts) = self.agents[at].next(&mut chance, now.wall, true);
        self.chance = chance;
        self.report(at, ReportKind::PromptSubmitted);
        self.does(at, doing, lasts);
    }

    /// Somebody types into it.
    pub(super) fn types(&mut self, at: usize) {
        let Some(life) = &mut self.agents[at].life else { return };
        if life.hung.is_some() || life.doing == Doing::Booting {
            return;
        }
        life.typing = true;
        let pid = life.run.pid;
        self.tell(at, AgentEvent::Viewers { viewers: 1, typing: true });
        self.prints(at, true);
        self.later(2 * SECOND, 5 * MINUTE, Happening::TypesNoMore(at, pid));
    }

    pub(super) fn types_no_more(&mut self, at: usize, pid: u32) {
        let now = self.now().awake;
        let Some(life) = self.agents[at].life.as_mut().filter(|life| life.run.pid == pid) else { return };
        life.typing = false;
        life.touched = Some(now);
        let doing = life.doing.clone();
        let hung = life.hung.is_some();
        self.works[at] += 1;
        self.tell(at, AgentEvent::Viewers { viewers: 0, typing: false });
        if hung {
            return;
        }
        match doing {
            Doing::Idle | Doing::Dialog => self.turn(at),
            Doing::Auth if self.agents[at].login => self.turn(at),
            _ => {}
        }
    }

    /// fleet's text reaches it.
    pub(super) fn typed(&mut self, at: usize, message: Message, id: u64, epoch: u64) {
        let nudge = message.text.starts_with("You have made no progress");
        let Some(life) = &mut self.agents[at].life else {
            let result = fleet::supervise::event::EffectResult::Failed { why: "no shim".to_owned() };
            self.happens(Happening::Answer(id, epoch, Box::new(result)));
            return;
        };
        let refuses = life.typing || matches!(life.doing, Doing::Dialog | Doing::Auth | Doing::Booting);
        if refuses || life.stopping {
            self.outcome(id, epoch, Delivered::Refused);
            return;
        }
        assert!(self.typed.insert(message.id.clone()), "typed twice: {message:?}");
        self.tally.typed += 1;
        if nudge {
            self.tally.nudges += 1;
            self.nudges[at] += 1;
            let allowed = self.works[at] + self.agents[at].starts + self.agents[at].hangs;
            assert!(self.nudges[at] <= allowed, "nudged for nothing: {:?}", self.agents[at]);
        }
        let hooks = self.agents[at].hooks;
        let now = self.now().awake;
        let Some(life) = &mut self.agents[at].life else { return };
        match life.doing {
            Doing::Idle => {
                self.outcome_of_turn(at, id, epoch, hooks, nudge);
            }
            Doing::Limit(_) => {
                self.prints(at, true);
                self.outcome(id, epoch, Delivered::Submitted);
            }
            Doing::Hang(Hang::Frozen | Hang::Futex) => self.outcome(id, epoch, Delivered::Unknown),
            _ => {
                life.echo = now;
                life.kept.push_back(message);
                self.prints(at, true);
                self.outcome(id, epoch, Delivered::Queued);
            }
        }
    }

    fn outcome_of_turn(&mut self, at: usize, id: u64, epoch: u64, hooks: bool, nudge: bool) {
        if nudge {
            // It answers that it is done.
            self.report(at, ReportKind::PromptSubmitted);
            let lasts = self.chance.between(SECOND, 40 * SECOND);
            self.does(at, Doing::Busy(Busy::Streaming), lasts);
        } else {
            self.turn(at);
        }
        self.outcome(id, epoch, if hooks { Delivered::Confirmed } else { Delivered::Submitted });
    }
}
