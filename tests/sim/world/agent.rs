//! What an agent really does, second by second. It knows nothing of the machine.

use std::collections::{BTreeSet, VecDeque};

use fleet::supervise::clock::Millis;
use fleet::supervise::event::{End, Probe, Reading, ReportKind, Run, Shows};
use fleet::supervise::message::Message;
use fleet::supervise::standing::Class;

use crate::bench::{HOUR, MINUTE, SECOND};
use crate::chance::Chance;

/// What kind of agent it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Works in turns of every sort, and hangs now and then.
    Worker,
    /// Takes between 1 and 600 seconds until it is ready.
    SlowStart,
    /// Stands idle for days.
    Orchestrator,
    /// Ends at once, each time.
    CrashAtOnce,
    CrashAfterOne,
    CrashAfter31,
    /// Ends after twice its time to get ready.
    SlowCrash,
    /// Hits limits of its provider.
    Limited,
    /// Its login is no good until somebody puts it right.
    Unauthorised,
    /// Asks its person, who answers after hours.
    Asking,
    /// Never prints anything, and hangs.
    Mute,
    /// Its screen has a clock that is drawn all the time.
    Clock,
}

/// What it does just now.
#[derive(Debug, Clone, PartialEq)]
pub enum Doing {
    Booting,
    Idle,
    /// A turn: what it is busy with.
    Busy(Busy),
    Dialog,
    Limit(Option<Millis>),
    Auth,
    Hang(Hang),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Busy {
    /// New lines all the time.
    Streaming,
    /// A spinner, and nothing else.
    Spinner,
    /// Silent, while a tool of its runs.
    Tool,
    /// Silent, and busy itself.
    Computing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hang {
    Frozen,
    /// Only the spinner turns.
    Spinning,
    /// From its start on: it never printed anything.
    Futex,
}

/// One process of it.
#[derive(Debug, Clone)]
pub struct Life {
    pub run: Run,
    pub since: Millis,
    pub doing: Doing,
    /// Counts the pictures of its screen.
    pub picture: u64,
    pub drawn: bool,
    pub bytes: u64,
    pub cpu: u64,
    pub cpu_at: Millis,
    pub output_at: Option<Millis>,
    pub typing: bool,
    /// Somebody typed last.
    pub touched: Option<Millis>,
    /// Typed while a turn ran.
    pub kept: VecDeque<Message>,
    /// When it must be warned of and be ended, if it hangs.
    pub hung: Option<Millis>,
    pub warned: bool,
    /// A look at it failed: what is asked of the machine is less.
    pub blurred: bool,
    pub stopping: bool,
    /// fleet's text changed its picture while it hung.
    pub echo: Millis,
    /// It stood idle for long enough to see which processes it keeps.
    pub calm: bool,
    /// The slack there was when it began to hang.
    pub slack: Millis,
    /// The supervisor there was.
    pub epoch: u64,
    /// Numbers what was planned, so that what is overtaken is dropped.
    pub plan: u64,
    pub said: Option<(ReportKind, Millis)>,
}

#[derive(Debug)]
pub struct Agent {
    pub name: String,
    pub kind: Kind,
    pub hooks: bool,
    /// How often its screen is drawn while it moves.
    pub cadence: Millis,
    pub life: Option<Life>,
    pub end: Option<End>,
    pub servers: BTreeSet<(u32, u64)>,
    /// Somebody put its login right.
    pub login: bool,
    pub held: bool,
    /// Starts under way.
    pub starting: u32,
    pub starts: u32,
    pub hangs: u32,
}

impl Life {
    pub fn shows(&self) -> Shows {
        if !self.drawn {
            return Shows::Nothing;
        }
        match &self.doing {
            Doing::Booting => Shows::Nothing,
            Doing::Idle => Shows::Idle,
            Doing::Busy(_) | Doing::Hang(_) => Shows::Busy,
            Doing::Dialog => Shows::Dialog { text: "Allow this command?".to_owned() },
            Doing::Limit(until) => {
                Shows::Limit { class: Class::Rate, until: *until, text: "Usage limit reached".to_owned() }
            }
            Doing::Auth => Shows::Fatal { class: Class::Auth, text: "Please run /login".to_owned() },
        }
    }

    pub fn moves(&self, kind: Kind) -> bool {
        match self.doing {
            Doing::Busy(Busy::Streaming | Busy::Spinner) | Doing::Hang(Hang::Spinning) => true,
            _ => kind == Kind::Clock && self.drawn && !matches!(self.doing, Doing::Booting | Doing::Hang(_)),
        }
    }

    pub fn spend(&mut self, now: Millis) {
        let time = now.saturating_sub(self.cpu_at);
        let share = match self.doing {
            Doing::Busy(Busy::Computing) => 900,
            Doing::Busy(Busy::Streaming) => 120,
            Doing::Busy(Busy::Spinner) | Doing::Hang(Hang::Spinning) => 20,
            Doing::Booting => 300,
            // A tool may wait for another machine.
            Doing::Hang(_) | Doing::Busy(Busy::Tool) => 0,
            _ => 3,
        };
        self.cpu += time * share / 1_000;
        self.cpu_at = now;
    }

    pub fn reading(&self, now: Millis) -> Reading {
        let settled = self.output_at.is_none_or(|at| now >= at + 2_500);
        let last_line = if self.drawn { format!("line {}", self.picture) } else { String::new() };
        Reading { digest: format!("{}-{:?}", self.picture, self.shows()), shows: self.shows(), last_line, settled }
    }
}

impl Agent {
    pub fn probe(&mut self, now: Millis) -> Option<Probe> {
        let servers = self.servers.clone();
        let life = self.life.as_mut()?;
        life.spend(now);
        let mut descendants = if life.doing == Doing::Booting { BTreeSet::new() } else { servers };
        if life.doing == Doing::Busy(Busy::Tool) {
            descendants.insert((9_000_000 + u32::try_from(life.picture % 1_000).unwrap(), life.since));
        }
        Some(Probe {
            cpu_ms: Some(life.cpu),
            descendants: Some(descendants),
            reading: Some(life.reading(now)),
            bytes: Some(life.bytes),
        })
    }

    /// What comes after its boot, or after a turn.
    pub fn next(&self, chance: &mut Chance, wall: Millis, turns: bool) -> (Doing, Millis) {
        match self.kind {
            Kind::Mute if self.hangs < 3 => (Doing::Hang(Hang::Futex), Millis::MAX / 4),
            Kind::Unauthorised if !self.login => (Doing::Auth, Millis::MAX / 4),
            _ if !turns => (Doing::Idle, chance.between(MINUTE, 5 * HOUR)),
            Kind::Limited if chance.odds(30_000) => {
                let until = match chance.between(0, 3) {
                    0 => None,
                    1 => Some(wall.saturating_sub(HOUR)),
                    _ => Some(wall + chance.between(MINUTE, 5 * HOUR)),
                };
                let lasts = until.map_or(20 * MINUTE, |until| until.saturating_sub(wall) + 4 * SECOND);
                (Doing::Limit(until), lasts.max(30 * SECOND))
            }
            Kind::Asking if chance.odds(30_000) => (Doing::Dialog, chance.between(MINUTE, 9 * HOUR)),
            Kind::Worker | Kind::SlowStart | Kind::Clock if chance.odds(1_500) => {
                (Doing::Hang(*chance.pick(&[Hang::Frozen, Hang::Spinning])), Millis::MAX / 4)
            }
            _ => match chance.between(0, 9) {
                0 | 1 => (Doing::Busy(Busy::Spinner), chance.between(10 * SECOND, 25 * MINUTE)),
                2 => (Doing::Busy(Busy::Tool), chance.between(5 * SECOND, 90 * MINUTE)),
                3 => (Doing::Busy(Busy::Tool), 25 * MINUTE),
                4 => (Doing::Busy(Busy::Computing), chance.between(5 * SECOND, 60 * MINUTE)),
                _ => (Doing::Busy(Busy::Streaming), chance.between(SECOND, 4 * MINUTE)),
            },
        }
    }
}

impl Doing {
    pub(super) fn is_turn(&self) -> bool {
        matches!(self, Doing::Busy(_) | Doing::Limit(_) | Doing::Dialog)
    }
}
