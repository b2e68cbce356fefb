//! What people do, and what a supervisor that begins is told.

use fleet::supervise::event::{AgentEvent, Event, Report, Request, Wanted};

use super::{Happening, World};
use crate::bench::{HOUR, MINUTE, SECOND, name};

impl World {
    pub(super) fn hold(&mut self, at: usize) {
        let agent = name(&self.agents[at].name);
        self.agents[at].held = true;
        self.emit(Event::Request { request: Request::Announce { agent, verb: "stop".to_owned() } });
        self.tell(at, AgentEvent::Wanted { wanted: Wanted::Held });
        if let Some(life) = &self.agents[at].life {
            let pid = life.run.pid;
            self.later(100, 5_000, Happening::Stopped(at, pid));
        }
        self.later(MINUTE, 10 * HOUR, Happening::Release(at));
    }

    pub(super) fn release(&mut self, at: usize) {
        let agent = name(&self.agents[at].name);
        self.agents[at].held = false;
        self.emit(Event::Request { request: Request::Announce { agent, verb: "start".to_owned() } });
        self.tell(at, AgentEvent::Wanted { wanted: Wanted::Running });
        if self.agents[at].life.is_none() {
            self.agents[at].starting += 1;
            self.later(50, 1_000, Happening::Comes(at));
        }
        self.later(20 * HOUR, 200 * HOUR, Happening::Hold(at));
    }

    /// A new supervisor.
    pub(super) fn back(&mut self) {
        let down = self.now().awake - self.down_since + 30 * SECOND;
        self.slack.iter_mut().for_each(|slack| *slack += down);
        self.up = true;
        self.epoch += 1;
        self.bench.crash();
        self.take_up();
        self.found();
        let now = self.now().awake;
        for at in 0..self.agents.len() {
            let Some(life) = &self.agents[at].life else { continue };
            let (reading, said, typing) = (life.reading(now), life.said, life.typing);
            if reading.settled {
                self.tell(at, AgentEvent::Screen { reading });
            }
            if let Some((kind, when)) = said {
                let report = Report { kind, progress: None, note: None, call: None, at: when };
                self.tell(at, AgentEvent::Report { report });
            }
            self.tell(at, AgentEvent::Viewers { viewers: u32::from(typing), typing });
        }
        self.later(MINUTE, 6 * HOUR, Happening::Crash);
    }

    /// What a look at every agent finds.
    pub(super) fn found(&mut self) {
        for at in 0..self.agents.len() {
            let wanted = if self.agents[at].held { Wanted::Held } else { Wanted::Running };
            self.tell(at, AgentEvent::Wanted { wanted });
            let what = match (&self.agents[at].life, &self.agents[at].end) {
                (Some(life), _) => AgentEvent::Running { run: life.run.clone() },
                (None, Some(end)) => AgentEvent::Ended { end: end.clone() },
                (None, None) => AgentEvent::Absent { lost: None },
            };
            self.tell(at, what);
        }
        self.emit(Event::Relisted);
    }
}
