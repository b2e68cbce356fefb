//! What shims tell of their agents, and what their silence means.

use super::live::Live;
use super::shims::Heard;
use super::{Input, clock, reading};
use crate::ids::AgentName;
use crate::shim::protocol;
use crate::supervise::event::{AgentEvent, Event};
use crate::system::proc;

/// How long an end is waited for after its subscription broke.
const ENDING: std::time::Duration = std::time::Duration::from_secs(10);

impl Live {
    pub(super) fn heard(&mut self, agent: &AgentName, heard: Heard) {
        let what = match heard {
            Heard::Connected => AgentEvent::Reachable { reachable: true, why: String::new() },
            Heard::Unreachable(why) => {
                // One that ended before its socket was found has none to tell of its end.
                self.look(agent);
                if !self.subscriptions.contains_key(agent) {
                    return;
                }
                AgentEvent::Reachable { reachable: false, why }
            }
            Heard::Lost => return self.lost(agent),
            Heard::Event(event) => match event {
                protocol::Event::Activity { bytes } => AgentEvent::Activity { bytes },
                protocol::Event::Settled { lines, title, ready, .. } => {
                    self.titles.extend(title.map(|title| (agent.clone(), title)));
                    let screen = self.screen(agent, &lines, true);
                    self.take_in(vec![Event::Agent { agent: agent.clone(), what: screen }]);
                    return self.ready(agent, ready);
                }
                protocol::Event::Now { title, lines, ready, bytes, quiet_ms, viewers, typing } => {
                    self.titles.insert(agent.clone(), title);
                    // Of one that has been quiet for longer, nothing more is said: what it shows now is what it shows.
                    let settled = quiet_ms >= reading::SETTLED;
                    let activity = (!settled).then_some(AgentEvent::Activity { bytes });
                    let screen = self.screen(agent, &lines, settled);
                    let all = activity.into_iter().chain([screen, AgentEvent::Viewers { viewers, typing }]);
                    let event = |what| Event::Agent { agent: agent.clone(), what };
                    let events = all.map(event).collect();
                    self.take_in(events);
                    return self.ready(agent, ready);
                }
                protocol::Event::Title { title } => {
                    self.titles.insert(agent.clone(), title);
                    return;
                }
                protocol::Event::Viewer { viewers, typing } => AgentEvent::Viewers { viewers, typing },
                protocol::Event::Report { report, .. } => return self.word(agent, &report),
                protocol::Event::Refused { why } => AgentEvent::Refused { why },
                protocol::Event::Bell => return,
                // Its records are written by now, where the disk took them.
                protocol::Event::Exit { record, .. } => {
                    self.ends.extend(record.map(|record| (agent.clone(), record)));
                    return self.look(agent);
                }
            },
        };
        self.take_in(vec![Event::Agent { agent: agent.clone(), what }]);
    }

    fn ready(&mut self, agent: &AgentName, ready: bool) {
        if ready {
            self.take_in(vec![Event::Agent { agent: agent.clone(), what: AgentEvent::Ready }]);
        }
    }

    fn screen(&mut self, agent: &AgentName, lines: &[String], settled: bool) -> AgentEvent {
        let reader = self.reader(agent);
        let title = self.titles.get(agent).map_or("", String::as_str);
        AgentEvent::Screen { reading: reading::read(&reader, title, lines, settled, clock::now()) }
    }

    /// A subscription broke: its run ended, or is about to.
    fn lost(&mut self, agent: &AgentName) {
        let Some(subscription) = self.subscriptions.remove(agent) else { return };
        let (pid, start_ticks) = subscription.run;
        self.look(agent);
        // It goes on for a moment, or its shim has dropped a reader that was too slow: the next look tells.
        let process = crate::manifest::ProcessId { pid, start_ticks, boot_id: proc::boot_id().to_owned() };
        if !self.subscriptions.contains_key(agent) {
            return;
        }
        match proc::Handle::open(&process) {
            Ok(Some(handle)) => {
                let (inputs, agent) = (self.inputs.clone(), agent.clone());
                tokio::task::spawn_blocking(move || {
                    // Most end within milliseconds; whoever goes on is subscribed to again by now.
                    let _ = handle.wait_until(std::time::Instant::now() + ENDING);
                    inputs.send(Input::Gone(agent))
                });
            }
            // It ended between the look and now.
            Ok(None) => self.look(agent),
            Err(_) => {}
        }
    }

    /// A shim listens a moment before its record says that it runs.
    pub(super) fn look_at_socket(&mut self, agent: &AgentName, waits: &'static [u64]) {
        if self.subscriptions.contains_key(agent) || !self.state.paths.socket(agent).exists() {
            return;
        }
        self.look(agent);
        if let Some((wait, waits)) = waits.split_first().filter(|_| !self.subscriptions.contains_key(agent)) {
            let (inputs, agent) = (self.inputs.clone(), agent.clone());
            tokio::spawn(async move {
                tokio::time::sleep(std::time::Duration::from_millis(*wait)).await;
                inputs.send(Input::Again { agent, waits })
            });
        }
    }
}
