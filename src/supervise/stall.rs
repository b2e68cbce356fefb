//! Is it stuck? Signals, and the ladder: nudge, warn, restart.
//!
//! A signal counts only where this run has shown that it can give it: what never spoke is absent, not stale. Four are told
//! apart, because each can fail by itself: the *screen* (bytes and picture are one source), its own *reports*, *processor
//! time*, and *tools* below it.

use std::collections::BTreeSet;

use super::Machine;
use super::agent::{Agent, Asked, Look};
use super::clock::{Millis, Moment};
use super::decision::{Act, Level, Rule};
use super::event::{EffectResult, Probe, Reading, Report, ReportKind, Shows};
use super::message::Message;
use super::policy::HeartbeatKind;
use super::restart::STALLED;
use super::sight::is_exempt;
use super::timers::Timer;
use crate::ids::AgentName;
use crate::manifest::{AgentKind, BusyInput};

/// So many equal screens in a row, with output between them, are a loop.
const PICTURES: usize = 3;
/// Between the look before a rung and the rung itself, in milliseconds.
const BEFORE: Millis = 3_000;
/// What fleet typed is on the screen after this time, in milliseconds: until then a change is its own doing.
const OWN_TYPING: Millis = 5_000;
/// Spending this share of one processor, in per mille, is work. A spinner takes some 20.
const WORKS: u64 = 100;
/// A heartbeat that is missing so many times is stale.
const MISSED: u64 = 3;

/// What stands for and against its being stuck.
#[derive(Debug, Default, PartialEq)]
struct Evidence {
    stale: Vec<String>,
    /// Why it is not to be ended, whatever is stale.
    spares: Option<String>,
}

impl Machine {
    /// Output came.
    pub(super) fn activity(&mut self, now: Moment, name: &AgentName, bytes: u64) {
        let Some(agent) = self.agents.get_mut(name) else { return };
        if !agent.is_running() {
            return;
        }
        agent.bytes = bytes;
        agent.active_at = Some(now.awake);
        agent.moved = true;
        // A screen that is drawn without a pause never settles: it is looked at now and then, only while it moves.
        let pause = (agent.policy.stall.after_ms / 5).max(1_000);
        let asks = agent.screen.as_ref().is_some_and(|reading| super::agent::sticks(&reading.shows));
        let pause = if asks { pause.min(BEFORE) } else { pause };
        self.timers.ensure(name, Timer::Look, now.awake + pause);
    }

    /// Its screen, read.
    pub(super) fn read(&mut self, now: Moment, name: &AgentName, reading: Reading) {
        let Some(agent) = self.agents.get_mut(name) else { return };
        if agent.run().is_none() {
            return;
        }
        let own = now.awake < agent.own_typing_until;
        let changed = agent.screen.as_ref().is_none_or(|known| known.digest != reading.digest);
        let output = std::mem::replace(&mut agent.moved, !reading.settled);
        if matches!(reading.shows, Shows::Idle | Shows::Busy) {
            agent.ready = true;
        }
        if reading.settled {
            self.timers.clear(name, Timer::Look);
        }
        let agent = self.agents.get_mut(name).expect("looked up above");
        if changed {
            agent.pictures.clear();
        }
        if reading.settled && output {
            agent.pictures.push_back(reading.digest.clone());
        }
        let loops = agent.pictures.len() >= PICTURES && !own && matches!(reading.shows, Shows::Busy | Shows::Nothing);
        let last_line = reading.last_line.clone();
        agent.screen = Some(reading);
        if changed && !own {
            self.progress(now, name);
        } else if loops && self.agents[name].memory.rung == 0 && !is_exempt(&self.agents[name], now) {
            self.with(name, |agent| agent.memory.rung = 1);
            let times = self.agents[name].pictures.len();
            let text = format!("the same screen {times} times in a row, with output between: {last_line}");
            self.decide(Some(name), Rule::Repetition, text, vec![]);
        }
        self.arm_stall(now, name);
    }

    /// Who looks, and who types.
    pub(super) fn viewers(&mut self, now: Moment, name: &AgentName, viewers: u32, typing: bool) {
        self.with(name, |agent| {
            agent.viewers = viewers;
            if typing || agent.typing {
                agent.typed_at = Some(now.awake);
                agent.progress_at = now.awake;
                agent.owes = true;
            }
            agent.typing = typing;
        });
        self.arm_stall(now, name);
        self.deliver(now, name);
    }

    /// Its own word.
    pub(super) fn reported(&mut self, now: Moment, name: &AgentName, report: Report) {
        let Some(agent) = self.agents.get_mut(name) else { return };
        if agent.run().is_none() {
            return;
        }
        let before = agent.report.as_ref();
        let counted = match (report.progress, before.and_then(|before| before.progress)) {
            (Some(now), Some(before)) => now > before,
            _ => false,
        };
        let new = before.is_none_or(|before| before.kind != report.kind || before.note != report.note);
        let speaks = matches!(report.kind, ReportKind::PromptSubmitted | ReportKind::Tool);
        agent.report_at = Some(now.awake);
        match report.kind {
            ReportKind::Done | ReportKind::Idle => agent.owes = agent.owes && report.kind != ReportKind::Done,
            ReportKind::PromptSubmitted => agent.owes = true,
            _ => {}
        }
        agent.ready = true;
        agent.report = Some(report);
        if counted || new || speaks {
            self.progress(now, name);
        }
        self.arm_stall(now, name);
    }

    /// It gets on: the ladder begins anew.
    pub(super) fn progress(&mut self, now: Moment, name: &AgentName) {
        let Some(agent) = self.agents.get_mut(name) else { return };
        agent.progress_at = now.awake;
        if agent.memory.rung > 0 {
            agent.memory.rung = 0;
            agent.memory.progress_at = Some(now.wall);
            self.decide(Some(name), Rule::Stall, "it gets on again".to_owned(), vec![]);
        }
        self.touched.insert(name.clone());
        self.timers.clear(name, Timer::Sample);
        self.timers.clear(name, Timer::Rung);
        self.arm_stall(now, name);
    }

    /// Sets the ladder's next deadline, or takes it away from those of whom nothing is expected.
    pub(super) fn arm_stall(&mut self, now: Moment, name: &AgentName) {
        let Some(agent) = self.agents.get_mut(name) else { return };
        if !agent.is_running() {
            return;
        }
        if is_exempt(agent, now) {
            // Their time stands still: when they are expected to work again, it begins anew.
            agent.progress_at = now.awake;
            agent.memory.rung = 0;
            self.timers.clear(name, Timer::Sample);
            self.timers.clear(name, Timer::Rung);
            // Whoever typed is exempt for a while only.
            if let Some(typed) = self.agents[name].typed_at.filter(|_| !self.agents[name].typing) {
                let after = self.agents[name].policy.stall.after_ms;
                if now.awake < typed + after {
                    self.timers.set(name, Timer::Rung, typed + after);
                }
            }
            return;
        }
        let after = agent.policy.stall.after_ms;
        let at = (agent.progress_at + after * u64::from(agent.memory.rung + 1)).max(self.grace_until);
        self.timers.set(name, Timer::Rung, at);
        self.timers.set(name, Timer::Sample, at.saturating_sub(BEFORE.min(after / 4)).max(now.awake));
    }

    /// Looks at it, to have something to compare.
    pub(super) fn sample(&mut self, name: &AgentName) {
        self.look(name, Asked::Sample);
    }

    fn look(&mut self, name: &AgentName, asked: Asked) {
        let Some(agent) = self.agents.get(name) else { return };
        if !agent.is_running() || agent.probe.is_some_and(|(_, before)| before == asked) {
            return;
        }
        let why = match asked {
            Asked::Sample => "a look, to compare the next one with",
            Asked::Rung => "a look, before anything is done about it",
        };
        let id = self.decide(Some(name), Rule::Stall, why.to_owned(), vec![Act::Probe { agent: name.clone() }])[0];
        self.with(name, |agent| agent.probe = Some((id, asked)));
    }

    /// The time of a rung has come.
    pub(super) fn rung_due(&mut self, now: Moment, name: &AgentName) {
        let Some(agent) = self.agents.get(name) else { return };
        let after = agent.policy.stall.after_ms;
        let due = (agent.progress_at + after * u64::from(agent.memory.rung + 1)).max(self.grace_until);
        if is_exempt(agent, now) || now.awake < due {
            self.arm_stall(now, name);
            return;
        }
        self.look(name, Asked::Rung);
    }

    /// A look came back.
    pub(super) fn probed(&mut self, now: Moment, name: &AgentName, result: EffectResult) {
        let Some((_, asked)) = self.agents.get_mut(name).and_then(|agent| agent.probe.take()) else { return };
        let probe = match result {
            EffectResult::Probed { probe } => probe,
            // Nothing learnt: nothing destructive follows from it.
            _ => Probe::default(),
        };
        let Some(agent) = self.agents.get_mut(name) else { return };
        if let Some(bytes) = probe.bytes.filter(|bytes| *bytes != agent.bytes) {
            agent.bytes = bytes;
            agent.active_at = Some(now.awake);
        }
        if let Some(reading) = probe.reading.clone() {
            self.read(now, name, reading);
        }
        let Some(agent) = self.agents.get_mut(name) else { return };
        if !agent.is_running() {
            return;
        }
        let tools = tools(agent, &probe);
        agent.had_tools |= !tools.is_empty();
        if matches!(agent.shows(), Shows::Idle) {
            agent.resident.clone_from(&probe.descendants);
        }
        let evidence = evidence(agent, &probe, &tools, now);
        agent.look = Some(Look { at: now.awake, cpu_ms: probe.cpu_ms, descendants: probe.descendants });
        let after = agent.policy.stall.after_ms;
        let due = agent.progress_at + after * u64::from(agent.memory.rung + 1);
        if agent.moved {
            self.timers.ensure(name, Timer::Look, now.awake + (after / 5).max(1_000));
        }
        if asked == Asked::Rung && now.awake >= due && !is_exempt(&self.agents[name], now) {
            self.climb(now, name, evidence);
        } else {
            self.arm_stall(now, name);
        }
    }

    fn climb(&mut self, now: Moment, name: &AgentName, evidence: Evidence) {
        let agent = self.agents.get_mut(name).expect("the caller has looked it up");
        let minutes = now.awake.saturating_sub(agent.progress_at) / 60_000;
        let rung = agent.memory.rung + 1;
        let stale = evidence.stale.join(", ");
        let what = format!("no progress for {minutes} min ({stale})");
        let idle = matches!(agent.shows(), Shows::Idle);
        match rung {
            1 => {
                agent.memory.rung = 1;
                agent.memory.progress_at = Some(now.wall);
                self.nudge(now, name, &what);
            }
            2 => {
                agent.memory.rung = 2;
                self.warn(now, name, &what);
            }
            _ => {
                let spared = evidence
                    .spares
                    .or_else(|| idle.then(|| "its screen takes input, so a restart would help nothing".to_owned()));
                let spared = spared.or_else(|| {
                    (evidence.stale.len() < 2).then(|| "fewer than two independent signals are stale".to_owned())
                });
                let spared = spared.or_else(|| self.journal_lost.clone());
                if let Some(why) = spared {
                    // Once in words; then it is only looked at again.
                    if self.agents[name].told != Some("spared") {
                        self.with(name, |agent| agent.told = Some("spared"));
                        self.decide(Some(name), Rule::Stall, format!("{what}; not restarted: {why}"), vec![]);
                    }
                    let again = self.agents[name].policy.stall.after_ms;
                    self.timers.set(name, Timer::Rung, now.awake + again);
                    self.timers.set(name, Timer::Sample, now.awake + again - BEFORE.min(again / 4));
                    return;
                }
                self.with(name, |agent| agent.memory.restarting = Some(STALLED.to_owned()));
                self.stop(now, name, Rule::Stall, what, true);
                return;
            }
        }
        self.arm_stall(now, name);
    }

    fn nudge(&mut self, now: Moment, name: &AgentName, what: &str) {
        let agent = &self.agents[name];
        let busy = matches!(agent.shows(), Shows::Busy);
        // Where typing would cut off the running turn, a nudge does harm.
        let harms = busy && agent.policy.busy_input != BusyInput::Queue;
        let words = if !agent.policy.stall.nudge {
            format!("{what}; the roster wants no nudge")
        } else if agent.memory.nudged {
            format!("{what}; it was nudged already")
        } else if harms {
            format!("{what}; not nudged, because that would interrupt its turn")
        } else {
            format!("{what}; nudged")
        };
        let nudges = words.ends_with("; nudged");
        self.decide(Some(name), Rule::Stall, words, vec![]);
        if nudges {
            self.with(name, |agent| agent.memory.nudged = true);
            let text = "You have made no progress for a while. If you are done, say so with `fleet report done`; if you wait for \
                        somebody, `fleet report waiting --note \"for what\"`; otherwise go on.";
            let message = Message::of_fleet(name, text, now, self.next_effect);
            self.enqueue(now, message);
        }
    }

    fn warn(&mut self, now: Moment, name: &AgentName, what: &str) {
        let text =
            format!("{name} is stalled: {what}; `fleet why {name}` tells more, `fleet attach {name}` shows it");
        let act = Act::Notify { level: Level::Warning, text: text.clone() };
        self.decide(Some(name), Rule::Stall, what.to_owned(), vec![act]);
        let lead = self.agents.iter().find(|(_, agent)| agent.policy.kind == AgentKind::Orchestrator);
        if let Some(lead) = lead.map(|(lead, _)| lead.clone()).filter(|lead| lead != name) {
            let message = Message::of_fleet(&lead, &text, now, self.next_effect);
            self.enqueue(now, message);
        }
    }

    /// fleet typed: what changes on the screen for a moment is no progress.
    pub(super) fn typed_by_fleet(&mut self, now: Moment, name: &AgentName) {
        self.with(name, |agent| agent.own_typing_until = now.awake + OWN_TYPING);
    }
}

/// Processes below it that are not there while it stands idle.
fn tools(agent: &Agent, probe: &Probe) -> BTreeSet<(u32, u64)> {
    let resident = agent.resident.as_ref();
    let all = probe.descendants.iter().flatten();
    all.filter(|process| resident.is_none_or(|resident| !resident.contains(process))).copied().collect()
}

fn evidence(agent: &Agent, probe: &Probe, tools: &BTreeSet<(u32, u64)>, now: Moment) -> Evidence {
    let mut evidence = Evidence::default();
    let quiet = |since: Millis| now.awake.saturating_sub(since) / 60_000;
    // The picture is the same as at the last progress, or there would have been progress.
    if agent.screen.is_some() || agent.active_at.is_some() {
        evidence.stale.push(format!("the screen stands still for {} min", quiet(agent.progress_at)));
    }
    if let Some(at) = agent.report_at {
        let age = now.awake.saturating_sub(at);
        let stale = match agent.policy.heartbeat.kind {
            HeartbeatKind::Periodic => age > MISSED * agent.policy.heartbeat.every_ms,
            HeartbeatKind::Events | HeartbeatKind::None => age >= agent.policy.stall.after_ms,
        };
        if stale {
            evidence.stale.push(format!("no report for {} min", quiet(at)));
        } else if agent.policy.heartbeat.kind == HeartbeatKind::Periodic {
            // It beats, but its counter stands still: alive, and not getting on.
            evidence.stale.push("it beats without progress".to_owned());
        }
    }
    if let (Some(look), Some(cpu)) = (&agent.look, probe.cpu_ms)
        && let Some(before) = look.cpu_ms
    {
        let time = now.awake.saturating_sub(look.at).max(1);
        let share = cpu.saturating_sub(before) * 1_000 / time;
        if share >= WORKS {
            evidence.spares = Some(format!("it spends {} % of a processor", share / 10));
        } else {
            evidence.stale.push("it spends no processor time".to_owned());
        }
    }
    if !tools.is_empty() {
        evidence.spares = Some(format!("{} of its tools run", tools.len()));
    } else if agent.had_tools {
        evidence.stale.push("no tool of its runs".to_owned());
    }
    evidence
}
