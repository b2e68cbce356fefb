//! What must hold after every event, whatever happens. It sees what goes in and what comes out, and nothing of the machine's
//! inside.

use std::collections::{BTreeMap, BTreeSet};

use fleet::ids::AgentName;
use fleet::supervise::Machine;
use fleet::supervise::clock::{Millis, Moment};
use fleet::supervise::decision::{Act, Decision, EffectId, Level, Rule};
use fleet::supervise::event::{
    AgentEvent, Delivered, EffectResult, Event, Probe, ReportKind, Request, Shows, Wanted,
};
use fleet::supervise::message::{MessageId, MessageState};
use fleet::supervise::policy::{AgentPolicy, FleetPolicy};
use fleet::supervise::standing::State;

const GRACE: Millis = 60_000;

#[derive(Debug, Default)]
struct Known {
    policy: Option<AgentPolicy>,
    held: bool,
    /// Of the run: when it was first seen, the last picture and since when, the looks at it.
    run: Option<(u32, u64)>,
    /// When the newest run began of which anything was told, in milliseconds since the epoch.
    newest: Millis,
    begun: Millis,
    picture: Option<String>,
    picture_since: Millis,
    /// Until then a change is fleet's own typing.
    own: Millis,
    shows: Option<Shows>,
    report: Option<ReportKind>,
    typing: bool,
    typed: Option<Millis>,
    probes: Vec<(Millis, Probe)>,
    calm: Option<BTreeSet<(u32, u64)>>,
    quarantined: bool,
    escalations: u32,
    /// Starts after a death since the last pardon, by the clock that goes on in suspend.
    restarts: Vec<Millis>,
    last: Option<(Rule, String, Option<State>)>,
    /// The order in which messages were taken.
    accepted: Vec<MessageId>,
    delivered: Option<usize>,
}

#[derive(Debug, Default)]
pub struct Invariants {
    agents: BTreeMap<AgentName, Known>,
    probes: BTreeMap<EffectId, AgentName>,
    deliveries: BTreeMap<EffectId, (AgentName, MessageId)>,
    /// Typed, or perhaps typed: never again.
    typed: BTreeSet<MessageId>,
    /// Given to a shim that has not answered.
    sending: BTreeSet<MessageId>,
    effects: BTreeSet<EffectId>,
    lost: bool,
    grace: Millis,
    last: Option<Moment>,
}

impl Invariants {
    pub fn new(policy: &FleetPolicy) -> Self {
        let mut new = Self::default();
        new.policy(policy);
        new
    }

    fn policy(&mut self, policy: &FleetPolicy) {
        for agent in &policy.agents {
            self.agents.entry(agent.name.clone()).or_default().policy = Some(agent.clone());
        }
    }

    pub fn crash(&mut self) {
        self.probes.clear();
        self.deliveries.clear();
        let lost = std::mem::take(&mut self.sending);
        self.typed.extend(lost);
        for known in self.agents.values_mut() {
            known.last = None;
            known.own = 0;
            known.probes.clear();
            known.report = None;
            known.typing = false;
            known.shows = None;
        }
        self.last = None;
    }

    /// A clock that is set while no supervisor runs moves the window of the budget.
    pub fn set_unseen(&mut self) {
        self.agents.values_mut().for_each(|known| known.restarts.clear());
    }

    pub fn event(&mut self, now: Moment, event: &Event) {
        self.clocks(now);
        match event {
            Event::Policy { policy } => self.policy(policy),
            Event::Agent { agent, what } => self.about(now, agent, what),
            Event::Effect { id, result } => self.answer(now, *id, result),
            Event::Request { request: Request::Clear { agents, .. } } => {
                for (name, known) in &mut self.agents {
                    if agents.is_empty() || agents.contains(name) {
                        known.restarts.clear();
                        known.quarantined = false;
                    }
                }
            }
            Event::Request { request: Request::ClearJournalLost } => self.lost = false,
            Event::JournalLost { .. } => self.lost = true,
            Event::Request { .. } | Event::Relisted => {}
        }
    }

    pub fn clocks(&mut self, now: Moment) {
        let Some(last) = self.last.replace(now) else { return };
        let step = |from: Millis, to: Millis| i128::from(to) - i128::from(from);
        let slept = step(last.boot, now.boot) - step(last.awake, now.awake);
        let jumped = step(last.wall, now.wall) - step(last.boot, now.boot);
        if slept > 2_000 || jumped.abs() > 2_000 {
            self.grace = now.awake + GRACE;
        }
    }

    fn about(&mut self, now: Moment, agent: &AgentName, what: &AgentEvent) {
        let Some(known) = self.agents.get_mut(agent) else { return };
        match what {
            AgentEvent::Running { run } if known.run != Some((run.pid, run.start_ticks)) => {
                known.run = Some((run.pid, run.start_ticks));
                known.newest = known.newest.max(run.started);
                if known.quarantined {
                    // Somebody started it by hand, which forgets its restarts.
                    known.restarts.clear();
                }
                known.begun = now.awake;
                known.picture = None;
                known.picture_since = now.awake;
                known.own = 0;
                known.shows = None;
                known.report = None;
                known.typing = false;
                known.typed = None;
                known.probes.clear();
                known.calm = None;
                known.quarantined = false;
            }
            AgentEvent::Absent { lost: Some(run) } => known.newest = known.newest.max(run.started),
            AgentEvent::Ended { end } if end.started > known.newest => {
                known.newest = end.started;
                if known.quarantined {
                    // Somebody started it by hand, and it was gone before it was seen.
                    known.restarts.clear();
                    known.quarantined = false;
                }
            }
            AgentEvent::Wanted { wanted } => known.held = *wanted == Wanted::Held,
            AgentEvent::Screen { reading } => {
                known.see(now, &reading.digest, &reading.shows);
            }
            AgentEvent::Viewers { typing, .. } => {
                if *typing || known.typing {
                    known.typed = Some(now.awake);
                    known.report = None;
                }
                known.typing = *typing;
            }
            AgentEvent::Report { report } if report.kind != ReportKind::Beat => known.report = Some(report.kind),
            _ => {}
        }
    }

    fn answer(&mut self, now: Moment, id: EffectId, result: &EffectResult) {
        if let Some(agent) = self.probes.remove(&id)
            && let EffectResult::Probed { probe } = result
            && let Some(known) = self.agents.get_mut(&agent)
        {
            if let Some(reading) = &probe.reading {
                known.see(now, &reading.digest, &reading.shows);
                if reading.shows == Shows::Idle {
                    known.calm.clone_from(&probe.descendants);
                }
            }
            known.probes.push((now.awake, probe.clone()));
        }
        if let Some((agent, message)) = self.deliveries.remove(&id) {
            self.agents.get_mut(&agent).unwrap().own = now.awake + 5_000;
            self.sending.remove(&message);
            let untyped = matches!(
                result,
                EffectResult::Failed { .. } | EffectResult::Delivered { outcome: Delivered::Refused, .. }
            );
            if !untyped {
                self.typed.insert(message);
            }
        }
    }

    pub fn decision(&mut self, now: Moment, decision: &Decision) {
        self.clocks(now);
        assert!(!decision.reason.trim().is_empty(), "no decision without a reason: {decision:?}");
        for effect in &decision.effects {
            assert!(self.effects.insert(effect.id), "an effect's number comes twice: {decision:?}");
            self.act(now, decision, effect.id, &effect.act);
        }
        let Some(known) = decision.agent.as_ref().and_then(|agent| self.agents.get_mut(agent)) else { return };
        for message in &decision.messages {
            if message.state == MessageState::Queued && !known.accepted.contains(&message.id) {
                known.accepted.push(message.id.clone());
            }
        }
        match decision.rule {
            Rule::Clear => known.restarts.clear(),
            Rule::Restart if decision.reason.starts_with("healthy") => known.restarts.clear(),
            _ => {}
        }
        let repeats = matches!(decision.rule, Rule::Message | Rule::Digest | Rule::Refused | Rule::Clock)
            || decision.effects.iter().any(|effect| matches!(effect.act, Act::Probe { .. } | Act::Start { .. }));
        let state = decision.standing.as_ref().map(|standing| standing.state.clone());
        let words = (decision.rule, decision.reason.clone(), state);
        if !repeats {
            assert_ne!(known.last.as_ref(), Some(&words), "the same is decided twice in a row at {now:?}");
            known.last = Some(words);
        } else if words.2.is_some() {
            known.last = None;
        }
        if decision.effects.iter().any(|effect| matches!(effect.act, Act::Start { .. })) {
            known.last = None;
        }
    }

    fn act(&mut self, now: Moment, decision: &Decision, id: EffectId, act: &Act) {
        let lost = self.lost;
        let Some(name) = act.agent().or(decision.agent.as_ref()) else { return };
        let Some(known) = self.agents.get_mut(name) else { return };
        match act {
            Act::Probe { .. } => {
                self.probes.insert(id, name.clone());
            }
            Act::Stop { .. } => {
                assert!(!lost || decision.rule == Rule::State, "stopped with a lost journal: {decision:?}");
                if decision.rule == Rule::Stall {
                    known.may_be_ended(now, self.grace, decision);
                }
            }
            Act::Start { .. } => {
                assert!(!known.held, "held stays held: {decision:?}");
                assert!(!known.quarantined, "quarantined stays so: {decision:?}");
                let policy = known.policy.as_ref().unwrap();
                if decision.reason.contains("; restart ") {
                    known.restarts.push(now.boot);
                    let within = policy.restart.within_ms;
                    // A start comes a moment after the wait that was counted.
                    let count = known.restarts.iter().filter(|at| now.boot - **at + 2_000 < within).count();
                    assert!(count <= policy.restart.burst as usize, "{count} restarts in {within} ms: {decision:?}");
                }
            }
            Act::Deliver { message, .. } => {
                assert!(!self.typed.contains(&message.id), "typed twice: {decision:?}");
                assert!(self.sending.insert(message.id.clone()), "typed twice at once: {decision:?}");
                self.deliveries.insert(id, (name.clone(), message.id.clone()));
                let at = known.accepted.iter().position(|known| *known == message.id);
                assert!(at.is_some(), "never accepted: {decision:?}");
                assert!(known.delivered <= at, "out of order: {decision:?}");
                known.delivered = at;
                known.own = Millis::MAX;
            }
            Act::Notify { level, .. } if matches!(decision.rule, Rule::Quarantine | Rule::RapidDeath) => {
                assert_eq!(*level, Level::Action);
                assert!(!known.quarantined, "escalated twice: {decision:?}");
                known.quarantined = true;
                known.escalations += 1;
            }
            _ => {}
        }
    }

    pub fn views(&mut self, now: Moment, machine: &Machine) {
        for (name, view) in machine.agents() {
            let standing = view.standing;
            assert!(!standing.reason.is_empty(), "{name}: {:?} without a reason", standing.state);
            if matches!(standing.state, State::BackingOff { .. } | State::RateLimited { .. } | State::Stopping) {
                assert!(machine.next_deadline().is_some(), "{name}: {:?} without an end at {now:?}", standing.state);
            }
            if standing.state == State::Quarantined {
                let known = &self.agents[name];
                assert!(known.quarantined && known.escalations > 0, "{name} is quarantined in silence");
            }
        }
    }
}

impl Known {
    fn see(&mut self, now: Moment, digest: &str, shows: &Shows) {
        if self.picture.as_deref() != Some(digest) {
            self.picture = Some(digest.to_owned());
            if now.awake >= self.own {
                self.picture_since = now.awake;
            }
        }
        self.shows = Some(shows.clone());
    }

    /// Two present signals agree, nothing speaks against it, and the time is up.
    fn may_be_ended(&self, now: Moment, grace: Millis, decision: &Decision) {
        let after = self.policy.as_ref().unwrap().stall.after_ms;
        let ctx = format!("{decision:?} at {now:?}: {self:?}");
        assert!(now.awake >= grace, "in a grace: {ctx}");
        assert!(now.awake >= self.picture_since + 3 * after, "too early: {ctx}");
        assert!(!self.typing && self.typed.is_none_or(|at| now.awake >= at + after), "somebody types: {ctx}");
        assert!(
            !matches!(self.report, Some(ReportKind::Waiting | ReportKind::Blocked)),
            "it said that it waits: {ctx}"
        );
        let exempt = Some(&self.shows).is_some_and(|shows| {
            matches!(shows, Some(Shows::Dialog { .. } | Shows::Limit { .. } | Shows::Fatal { .. } | Shows::Idle))
        });
        assert!(!exempt, "exempt: {ctx}");
        let [.., (then, before), (at, last)] = &self.probes[..] else { panic!("without two looks: {ctx}") };
        assert_eq!(*at, now.awake, "an old look: {ctx}");
        let mut stale = u32::from(last.reading.is_some());
        if let (Some(cpu), Some(before)) = (last.cpu_ms, before.cpu_ms) {
            assert!(cpu.saturating_sub(before) * 10 < (at - then).max(1), "it spends processor time: {ctx}");
            stale += 1;
        }
        if let Some(descendants) = &last.descendants {
            let calm = self.calm.clone().unwrap_or_default();
            assert!(descendants.is_subset(&calm), "a tool runs: {ctx}");
            stale += 1;
        }
        if self.policy.as_ref().unwrap().heartbeat.kind == fleet::supervise::policy::HeartbeatKind::Periodic {
            stale += 1;
        }
        assert!(stale >= 2, "fewer than two signals: {ctx}");
    }
}
