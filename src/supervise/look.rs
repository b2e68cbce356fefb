//! What is seen of an agent, and what of that counts as a signal.
//!
//! A signal counts only where this run has shown that it can give it: what never spoke is absent, not stale. Four are told
//! apart, because each can fail by itself: the *screen* (bytes and picture are one source), its own *beats*, *processor
//! time*, and *tools* below it.

use std::collections::BTreeSet;

use super::Machine;
use super::agent::{Agent, Asked, Look, sticks};
use super::clock::{Millis, Moment, words};
use super::decision::{Act, Rule};
use super::event::{EffectResult, Probe, Reading, Report, ReportKind, Shows};
use super::policy::HeartbeatKind;
use super::repetition;
use super::sight::is_exempt;
use super::standing::State;
use super::timers::Timer;
use crate::ids::AgentName;

/// So many equal screens in a row, with output between them, are a loop.
const PICTURES: usize = 3;
/// Between the look before a rung and the rung itself, in milliseconds.
pub(super) const BEFORE: Millis = 3_000;
/// A look this old tells nothing of now, and one this young nothing yet, in milliseconds.
const OLD: Millis = 60_000;
const YOUNG: Millis = 100;
/// A look that takes longer never comes back, in milliseconds.
const PROBE_LIMIT: Millis = 20_000;
/// What fleet typed is on the screen after this time, in milliseconds: until then a change is its own doing.
const OWN_TYPING: Millis = 5_000;
/// Spending this share of one processor, in per mille, is work. A spinner takes some 20.
const WORKS: u64 = 100;
/// A heartbeat that is missing so many times is stale.
const MISSED: u64 = 3;
/// A question that is still drawn is looked at again after this time at the latest, in milliseconds.
const ASKS: Millis = 120_000;
/// An agent that stands idle so long has started what it keeps, in milliseconds.
const CALM: Millis = 5_000;

/// What stands for and against its being stuck.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Evidence {
    pub stale: Vec<String>,
    /// Why it is not to be ended, whatever is stale.
    pub spares: Option<String>,
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
        agent.limit_passed = None;
        let pause = look_pause(agent);
        self.timers.ensure(name, Timer::Look, now.awake + pause);
    }

    /// Its screen, read.
    pub(super) fn read(&mut self, now: Moment, name: &AgentName, mut reading: Reading) {
        let Some(agent) = self.agents.get_mut(name) else { return };
        if agent.run().is_none() {
            return;
        }
        let own = now.awake < agent.own_typing_until;
        // That nothing was drawn yet is no progress.
        let blank = agent.picture.is_none() && reading.last_line.is_empty();
        let changed = agent.picture.as_ref() != Some(&reading.digest) && !blank;
        let output = std::mem::replace(&mut agent.moved, !reading.settled);
        let first = agent.screen.is_none();
        if matches!(reading.shows, Shows::Limit { .. }) && agent.limit_passed.as_ref() == Some(&reading.digest) {
            // The same words of a limit that is over, and nothing new since.
            reading.shows = Shows::Idle;
        } else if matches!(reading.shows, Shows::Idle | Shows::Busy) {
            agent.ready = true;
            agent.limits = 0;
        }
        if reading.settled && !agent.shows_idle() {
            // A program of which no pattern tells more is ready when it has drawn something and waits.
            agent.ready |= !reading.last_line.is_empty();
        }
        if changed {
            agent.pictures.clear();
            agent.fruitless = 0;
            agent.noise = false;
        } else if output || !reading.settled {
            agent.fruitless = agent.fruitless.saturating_add(1);
            agent.noise = matches!(reading.shows, Shows::Busy | Shows::Idle);
        }
        agent.read_at = now.awake;
        if reading.settled && output {
            agent.pictures.push_back(reading.digest.clone());
            if agent.pictures.len() > PICTURES {
                agent.pictures.pop_front();
            }
        }
        let quiet = now.awake.saturating_sub(agent.progress_at) >= agent.policy.stall.after_ms / 2;
        let loops = agent.pictures.len() >= PICTURES
            && !own
            && quiet
            && matches!(reading.shows, Shows::Busy | Shows::Nothing);
        let last_line = reading.last_line.clone();
        agent.first_look = first && agent.adopted;
        agent.picture = Some(reading.digest.clone());
        if reading.settled {
            self.timers.clear(name, Timer::Look);
        }
        let agent = self.agents.get_mut(name).expect("looked up above");
        if reading.shows == Shows::Idle && !own && std::mem::take(&mut agent.nudge_taken) {
            // It took the nudge, had its turn and stands idle again: that was its answer.
            agent.owes = false;
        }
        agent.screen = Some(reading);
        if changed && own {
            agent.alive_at = now.awake;
        }
        if changed {
            self.try_again(name);
        }
        // A call that is made again and again draws itself anew each time.
        let circles = repetition::loops(&self.agents[name], now).is_some();
        if changed && !own && !circles {
            self.progress(now, name);
            if self.agents[name].first_look {
                let reason = "its screen is another than the supervisor before saw".to_owned();
                self.decide(Some(name), Rule::State, reason, vec![]);
            }
        } else if !changed && loops && self.agents[name].memory.rung == 0 && !is_exempt(&self.agents[name], now) {
            self.with(name, |agent| agent.memory.rung = 1);
            let text = format!("the same screen {PICTURES} times in a row, with output between: {last_line}");
            self.decide(Some(name), Rule::Repetition, text, vec![]);
        }
        self.touched.insert(name.clone());
        self.arm_stall(now, name);
    }

    /// Who looks, and who types.
    pub(super) fn viewers(&mut self, now: Moment, name: &AgentName, viewers: u32, typing: bool) {
        self.with(name, |agent| {
            agent.viewers = viewers;
            if typing || agent.typing {
                agent.typed_at = Some(now.awake);
                agent.owes = true;
                agent.noise = false;
                agent.memory.nudged = false;
                agent.nudge_taken = false;
                agent.answered_by_message();
            }
            agent.typing = typing;
        });
        self.arm_stall(now, name);
    }

    /// Its own word.
    pub(super) fn reported(&mut self, now: Moment, name: &AgentName, mut report: Report) {
        let Some(agent) = self.agents.get_mut(name) else { return };
        if agent.run().is_none() {
            return;
        }
        let before = agent.report.as_ref();
        let counted = match (report.progress, before.and_then(|before| before.progress)) {
            (Some(now), Some(before)) => now > before,
            _ => false,
        };
        let beat = report.kind == ReportKind::Beat;
        if let Some(before) = before.filter(|_| beat) {
            // A beat says that it lives; what it said of its work still holds.
            report.kind = before.kind;
            report.note.clone_from(&before.note);
        }
        let new = before.is_none_or(|before| before.kind != report.kind || before.note != report.note);
        let speaks = !beat && matches!(report.kind, ReportKind::PromptSubmitted | ReportKind::Tool);
        // Its hook says that it took what fleet typed.
        let echo = report.kind == ReportKind::PromptSubmitted && now.awake < agent.own_typing_until;
        // What a new supervisor reads of an old word is no news.
        let age = now.wall.saturating_sub(report.at);
        let old = agent.adopted && before.is_none() && age > OWN_TYPING;
        agent.report_at = Some(now.awake.saturating_sub(if old { age } else { 0 }));
        if !beat {
            agent.noise = false;
            match report.kind {
                ReportKind::Done => agent.owes = false,
                ReportKind::PromptSubmitted => agent.owes |= !echo,
                _ => {}
            }
        }
        agent.ready = true;
        // What fleet typed starts nothing new.
        let again = !beat && !echo && repetition::count(agent, &report, now);
        agent.report = Some(report);
        if !again && (counted || ((new || speaks) && !echo && !old)) {
            self.progress(now, name);
        }
        if again {
            self.repeated(now, name);
        }
        self.arm_stall(now, name);
    }

    /// Whether a look would tell nothing: nothing is expected of it, what its screen shows is known, and so are the servers of its
    /// own.
    pub(super) fn stands_as_known(&self, name: &AgentName) -> bool {
        self.agents.get(name).is_some_and(|agent| {
            let servers = agent.resident.is_some() || agent.standing.state != State::Idle;
            agent.exempt && agent.screen.is_some() && !agent.moved && servers
        })
    }

    /// Looks at it, to have something to compare.
    pub(super) fn sample(&mut self, now: Moment, name: &AgentName) {
        self.look(now, name, Asked::Sample);
    }

    pub(super) fn look(&mut self, now: Moment, name: &AgentName, asked: Asked) {
        let Some(agent) = self.agents.get_mut(name) else { return };
        if !agent.is_running() {
            return;
        }
        if let Some((_, under_way)) = &mut agent.probe {
            // One look answers both.
            if asked == Asked::Rung {
                *under_way = Asked::Rung;
            }
            return;
        }
        let why = match asked {
            Asked::Sample => "a look, to compare the next one with",
            Asked::Rung => "a look, before anything is done about it",
        };
        let id = self.decide(Some(name), Rule::Stall, why.to_owned(), vec![Act::Probe { agent: name.clone() }])[0];
        self.with(name, |agent| agent.probe = Some((id, asked)));
        self.timers.set(name, Timer::Probe, now.awake + PROBE_LIMIT);
    }

    /// A look came back, or never will.
    pub(super) fn probed(&mut self, now: Moment, name: &AgentName, result: EffectResult) {
        let Some((_, asked)) = self.agents.get_mut(name).and_then(|agent| agent.probe.take()) else { return };
        self.timers.clear(name, Timer::Probe);
        let probe = match result {
            EffectResult::Probed { probe } => probe,
            // Nothing learnt: nothing destructive follows from it.
            _ => Probe::default(),
        };
        let Some(agent) = self.agents.get_mut(name) else { return };
        if let Some(bytes) = probe.bytes.filter(|bytes| *bytes != agent.bytes) {
            agent.bytes = bytes;
        }
        let progress = agent.progress_at;
        if let Some(reading) = probe.reading.clone() {
            self.read(now, name, reading);
        }
        let Some(agent) = self.agents.get_mut(name) else { return };
        if !agent.is_running() {
            return;
        }
        let idle = probe.reading.as_ref().is_some_and(|reading| reading.shows == Shows::Idle);
        if idle && probe.descendants.is_some() {
            agent.resident.clone_from(&probe.descendants);
        }
        let tools = tools(agent, &probe);
        agent.had_tools |= !tools.is_empty();
        let evidence = evidence(agent, &probe, &tools, now);
        if evidence.spares.is_some() {
            agent.alive_at = now.awake;
        }
        let look = Look { at: now.awake, cpu_ms: probe.cpu_ms };
        if agent.base.is_none() || agent.progress_at != progress {
            agent.base = Some(look.clone());
        }
        agent.look = Some(look);
        if agent.moved {
            let pause = look_pause(agent);
            self.timers.ensure(name, Timer::Look, now.awake + pause);
        }
        let due = self.rung_at(name);
        if asked == Asked::Rung && now.awake >= due && !is_exempt(&self.agents[name], now) {
            self.climb(now, name, evidence);
        } else {
            self.arm_stall(now, name);
        }
    }

    /// What stands idle is looked at once: the processes it has then are servers of its own, no tools.
    pub(super) fn look_for_residents(&mut self, now: Moment, name: &AgentName) {
        let Some(agent) = self.agents.get(name) else { return };
        if agent.standing.state == State::Idle && agent.is_running() && agent.resident.is_none() {
            self.timers.ensure(name, Timer::Look, now.awake + CALM);
        }
    }

    /// fleet typed: what changes on the screen for a moment is no progress.
    pub(super) fn typed_by_fleet(&mut self, now: Moment, name: &AgentName) {
        self.with(name, |agent| agent.own_typing_until = now.awake + OWN_TYPING);
    }
}

/// A screen that is drawn without a pause never settles: it is looked at now and then, only while it moves. Sooner where more
/// hangs on it, and ever more seldom while nothing is new.
fn look_pause(agent: &Agent) -> Millis {
    let longest = (agent.policy.stall.after_ms / 5).max(1_000);
    let asks = agent.screen.as_ref().is_some_and(|reading| sticks(&reading.shows));
    // A question stands outside the ladder, so `stall after` says nothing of it.
    let longest = if asks { longest.max(ASKS) } else { longest };
    if asks || !agent.ready { (BEFORE << agent.fruitless.min(16)).min(longest) } else { longest }
}

/// Processes below it that are not there while it stands idle.
fn tools(agent: &Agent, probe: &Probe) -> BTreeSet<(u32, u64)> {
    let resident = agent.resident.as_ref();
    let all = probe.descendants.iter().flatten();
    all.filter(|process| resident.is_none_or(|resident| !resident.contains(process))).copied().collect()
}

/// Processor time since an earlier look, in per mille of one processor.
fn share(look: &Look, cpu: u64, now: Moment) -> Option<u64> {
    let time = now.awake.saturating_sub(look.at);
    let before = look.cpu_ms.filter(|_| time >= YOUNG)?;
    Some(cpu.saturating_sub(before) * 1_000 / time)
}

fn evidence(agent: &Agent, probe: &Probe, tools: &BTreeSet<(u32, u64)>, now: Moment) -> Evidence {
    let mut evidence = Evidence::default();
    let circles = repetition::loops(agent, now);
    let quiet = |since: Millis| words(now.awake.saturating_sub(since));
    // The picture is the same as at the last progress, or there would have been progress. What never drew anything says
    // nothing by drawing nothing.
    let drew = agent.active_at.is_some()
        || agent.bytes > 0
        || agent.screen.as_ref().is_some_and(|reading| !reading.last_line.is_empty());
    if drew && probe.reading.is_some() && circles.is_none() {
        evidence.stale.push(format!("the screen stands still for {}", quiet(agent.progress_at)));
    }
    if let Some(at) = agent.report_at.filter(|_| agent.heartbeat().kind == HeartbeatKind::Periodic) {
        let late = now.awake.saturating_sub(at) > MISSED * agent.heartbeat().every_ms;
        if late {
            evidence.stale.push(format!("no beat for {}", quiet(at)));
        } else if agent.report.as_ref().is_some_and(|report| report.progress.is_some()) {
            // Alive, and not getting on.
            evidence.stale.push("it beats, but its counter stands still".to_owned());
        }
    }
    if let Some(cpu) = probe.cpu_ms {
        let recent = agent.look.as_ref().filter(|look| now.awake.saturating_sub(look.at) <= OLD);
        let recent = recent.and_then(|look| share(look, cpu, now));
        let whole = agent.base.as_ref().and_then(|look| share(look, cpu, now));
        if let Some(share) = recent.max(whole).filter(|share| *share >= WORKS) {
            evidence.spares = Some(format!("it spends {} % of a processor", share / 10));
        } else if recent.is_some() {
            evidence.stale.push("it spends no processor time".to_owned());
        }
    }
    if !tools.is_empty() {
        evidence.spares = Some(format!("{} of its tools run", tools.len()));
    } else if agent.had_tools && probe.descendants.is_some() {
        evidence.stale.push("no tool of its runs".to_owned());
    }
    if circles.is_some() {
        evidence.spares = Some("it speaks, though it says the same again and again".to_owned());
    }
    evidence
}
