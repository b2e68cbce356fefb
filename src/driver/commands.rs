//! Commands that act beside the supervisor, and are killed while they do.

use std::time::{Duration, Instant};

use super::Input;
use super::live::Live;
use crate::ids::AgentName;
use crate::supervise::event::{AgentEvent, Event};
use crate::system::proc;

/// Longest wait for the end of a command; the relist looks again.
const ENDING: Duration = Duration::from_mins(10);
/// Until the next look at a lock whose holder cannot be waited for.
const SOON: Duration = Duration::from_secs(1);

impl Live {
    /// Takes up starts that a killed command has left. While it lives they are its own.
    pub(super) fn half_started(&mut self) {
        let names: Vec<AgentName> = self.policy.agents.iter().map(|agent| agent.name.clone()).collect();
        // One folder says whether there is any note at all.
        let noted = self.state.noted();
        self.half_started.retain(|agent| noted.contains(agent));
        let begun = |agent: &AgentName| noted.contains(agent) && self.state.is_being_started(agent);
        let begun: Vec<AgentName> = names.into_iter().filter(begun).collect();
        if begun.is_empty() {
            return;
        }
        if let Some(holder) = self.state.commander() {
            self.wait_for_its_end(holder.pid);
            return;
        }
        if !self.state.was_cut_off() {
            return;
        }
        let mut events = Vec::new();
        for agent in begun {
            // One that still runs was asked to end, perhaps: this is asked again when it has.
            let is_down = self.machine.agent(&agent).is_some_and(|view| view.pid.is_none());
            // Once for each note: what comes of the start is the machine's business.
            if is_down && self.half_started.insert(agent.clone()) {
                events.push(Event::Agent { agent, what: AgentEvent::HalfStarted });
            }
        }
        self.take_in(events);
    }

    fn wait_for_its_end(&mut self, pid: u32) {
        if self.commander == Some(pid) {
            return;
        }
        let handle = proc::identify(pid).and_then(|process| proc::Handle::open(&process).ok().flatten());
        // It may have ended since; then the lock is free, or somebody else's, at the next look.
        let inputs = self.inputs.clone();
        self.commander = Some(pid);
        tokio::task::spawn_blocking(move || {
            match handle {
                Some(handle) => drop(handle.wait_until(Instant::now() + ENDING)),
                None => std::thread::sleep(SOON),
            }
            inputs.send(Input::CommandOver)
        });
    }
}
