//! The same call of a tool, or the same words, again and again: alive, and not getting on.

use super::Machine;
use super::agent::{Again, Agent};
use super::clock::{Moment, words};
use super::decision::Rule;
use super::event::{Report, ReportKind};
use super::sight::is_exempt;
use crate::ids::AgentName;

/// So many in a row are a loop.
const TIMES: u32 = 3;

/// Counts a word that is no beat. Whether it is one more of the same: that is no progress.
pub(super) fn count(agent: &mut Agent, report: &Report, now: Moment) -> bool {
    let (what, is_call) = match (report.kind, &report.call, &report.note) {
        (ReportKind::Tool, Some(call), _) => (call, true),
        // The end of a call says nothing of the next one.
        (ReportKind::Tool, None, _) => return agent.again.as_ref().is_some_and(|again| again.times > 1),
        (ReportKind::Working, _, Some(note)) => (note, false),
        _ => {
            agent.again = None;
            return false;
        }
    };
    match &mut agent.again {
        Some(again) if again.what == *what && again.is_call == is_call => {
            again.times = again.times.saturating_add(1);
            true
        }
        // Words beside a call that repeats are no other work.
        Some(again) if again.is_call && again.times > 1 && !is_call => true,
        _ => {
            agent.again = Some(Again { what: what.clone(), is_call, times: 1, since: now.awake });
            false
        }
    }
}

/// What it does again and again, when it has for so long that it does not get on.
pub(super) fn loops(agent: &Agent, now: Moment) -> Option<&Again> {
    let long = |again: &&Again| now.awake.saturating_sub(again.since) >= agent.policy.stall.after_ms / 2;
    agent.again.as_ref().filter(|again| again.times >= TIMES).filter(long)
}

impl Machine {
    /// A loop is the first rung at once, as three equal screens are.
    pub(super) fn repeated(&mut self, now: Moment, name: &AgentName) {
        let Some(agent) = self.agents.get(name) else { return };
        let Some(again) = loops(agent, now).filter(|_| agent.memory.rung == 0 && !is_exempt(agent, now)) else {
            return;
        };
        let span = words(now.awake.saturating_sub(again.since));
        let times = again.times;
        let text = if again.is_call {
            let tool = again.what.rsplit_once(' ').map_or(again.what.as_str(), |(tool, _)| tool);
            format!("the same call of {tool} {times} times in a row, for {span}")
        } else {
            format!("the same words {times} times in a row, for {span}: {}", again.what)
        };
        self.with(name, |agent| agent.memory.rung = 1);
        self.decide(Some(name), Rule::Repetition, text, vec![]);
        self.touched.insert(name.clone());
        self.arm_stall(now, name);
    }
}
