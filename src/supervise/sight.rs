//! From what is known of an agent to its state.

use super::agent::{Agent, Phase, sticks};
use super::clock::{Millis, Moment, words};
use super::event::{End, ReportKind, Shows, Wanted};
use super::policy::Lifecycle;
use super::standing::{Class, State};

/// Output so shortly after its word is the end of the turn that said it, in milliseconds: the shim's quiet time.
const QUIET: Millis = 2_500;

/// The state and what it rests on.
pub(super) fn assess(agent: &Agent, now: Moment) -> (State, String) {
    match &agent.phase {
        // Nothing better is known than what the supervisor before knew. What has an end of its own waits for the look.
        Phase::Unseen => match &agent.standing.state {
            State::Working | State::Idle | State::WaitingForHuman | State::Blocked { .. } | State::Stopped => {
                (agent.standing.state.clone(), agent.standing.reason.clone())
            }
            _ => (State::Unknown, "not looked at yet".to_owned()),
        },
        Phase::Gone(end) => at_rest(agent, end.as_ref()),
        Phase::Starting(_) => (State::Starting, "a start is under way".to_owned()),
        Phase::Stopping { why, .. } => (State::Stopping, why.clone()),
        Phase::Running(_) => running(agent, now),
    }
}

fn at_rest(agent: &Agent, end: Option<&End>) -> (State, String) {
    let memory = &agent.memory;
    if let Some(why) = &memory.quarantine {
        return (State::Quarantined, why.clone());
    }
    if agent.wanted == Wanted::Held {
        return (State::Stopped, "held: stopped on purpose".to_owned());
    }
    if let (Some(until), Some(why)) = (memory.back_off_until, &agent.start) {
        return (State::BackingOff { until }, why.clone());
    }
    if let Some(why) = &agent.start {
        return (State::Starting, why.clone());
    }
    let reason = match (end, agent.policy.lifecycle) {
        (_, Lifecycle::OnDemand { .. }) => "on demand: a message starts it".to_owned(),
        (Some(end), _) if end.stop_requested => "stopped (by hand)".to_owned(),
        (Some(end), _) if end.code == Some(0) => "finished (exit 0)".to_owned(),
        (Some(end), _) => format!("ended ({}), and is not to be started again", ending(end)),
        (None, _) if !agent.policy.autostart => "not started: autostart is off".to_owned(),
        (None, _) => "not started".to_owned(),
    };
    (State::Stopped, reason)
}

/// Whether an agent that does not run need not.
pub(super) fn is_at_rest_by_wish(agent: &Agent) -> bool {
    let Phase::Gone(end) = &agent.phase else { return false };
    let asleep = !matches!(agent.policy.lifecycle, Lifecycle::Always);
    let ended = end.as_ref().is_some_and(|end| end.stop_requested || end.code == Some(0));
    agent.memory.quarantine.is_none()
        && (agent.wanted == Wanted::Held || asleep || ended || end.is_none() && !agent.policy.autostart)
}

fn running(agent: &Agent, now: Moment) -> (State, String) {
    if let Some(why) = &agent.unreachable {
        return (State::Unknown, format!("it runs, but its shim does not answer: {why}"));
    }
    let said = agent.report.as_ref().map(|report| report.kind);
    // Until it is looked at, nothing better is known than what the supervisor before knew.
    if agent.is_unseen() {
        let known = &agent.standing;
        if known.state.is_running() && !matches!(known.state, State::Stopping | State::Stalled) {
            return (known.state.clone(), known.reason.clone());
        }
    }
    match agent.shows() {
        Shows::Dialog { text } => return (State::WaitingForHuman, format!("its screen asks: {text}")),
        Shows::Limit { class, until, text } => {
            return (State::RateLimited { class: *class, until: *until }, text.clone());
        }
        Shows::Fatal { class, text } => return (State::Blocked { class: *class }, text.clone()),
        Shows::Nothing | Shows::Busy | Shows::Idle => {}
    }
    let note = |what: &str| {
        let note = agent.report.as_ref().and_then(|report| report.note.as_ref());
        note.map_or_else(|| what.to_owned(), |note| format!("{what}: {note}"))
    };
    match said {
        Some(ReportKind::Waiting) => return (State::WaitingForHuman, note("it says that it waits")),
        Some(ReportKind::Blocked) => {
            return (State::Blocked { class: Class::Reported }, note("it says that it is blocked"));
        }
        _ => {}
    }
    if agent.memory.rung > 0 {
        let span = words(now.awake.saturating_sub(agent.progress_at));
        return (State::Stalled, format!("no progress for {span}"));
    }
    if !agent.ready {
        return (State::Starting, "it has not been seen ready".to_owned());
    }
    match agent.shows() {
        Shows::Busy => return (State::Working, "its screen says that a turn runs".to_owned()),
        Shows::Idle => return (State::Idle, note_idle(agent)),
        _ => {}
    }
    if agent.moved && !agent.noise {
        return (State::Working, "output is coming".to_owned());
    }
    match said {
        Some(ReportKind::Working | ReportKind::Tool | ReportKind::PromptSubmitted | ReportKind::Beat) => {
            (State::Working, note("it says that it works"))
        }
        Some(ReportKind::Idle | ReportKind::Done) => (State::Idle, note_idle(agent)),
        _ => (State::Unknown, "quiet, and nothing on its screen says more".to_owned()),
    }
}

fn note_idle(agent: &Agent) -> String {
    match &agent.report {
        Some(report) if report.kind == ReportKind::Done => match &report.note {
            Some(note) => format!("it says that it is done: {note}"),
            None => "it says that it is done".to_owned(),
        },
        _ => "it waits for input".to_owned(),
    }
}

/// How a run ended, in words.
pub(super) fn ending(end: &End) -> String {
    match (end.code, end.signal) {
        (_, Some(signal)) if end.out_of_memory => format!("signal {signal}, out of memory"),
        (_, Some(signal)) => format!("signal {signal}"),
        (Some(code), None) => format!("exit {code}"),
        (None, None) => "no record".to_owned(),
    }
}

/// Whether the state is one in which nothing is expected of it.
pub(super) fn is_exempt(agent: &Agent, now: Moment) -> bool {
    let typed = agent.typed_at.is_some_and(|at| now.awake < at + agent.policy.stall.after_ms);
    let idle = matches!(agent.shows(), Shows::Idle) || said_idle(agent);
    agent.unreachable.is_some()
        || agent.typing
        || typed
        || sticks(agent.shows())
        || matches!(agent.report.as_ref().map(|report| report.kind), Some(ReportKind::Waiting | ReportKind::Blocked))
        || idle && (agent.policy.idle_ok || !agent.owes)
}

/// Its own last word is that its turn is over.
fn said_idle(agent: &Agent) -> bool {
    let said = agent.report.as_ref().map(|report| report.kind);
    matches!(said, Some(ReportKind::Idle | ReportKind::Done))
        && !matches!(agent.shows(), Shows::Busy)
        && agent.report_at.is_some_and(|at| agent.active_at.is_none_or(|active| active <= at + QUIET))
}
