//! Which events are kept, and in which words.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use crate::ids::AgentName;
use crate::supervise::decision::{Act, Decision, Effect};
use crate::supervise::event::{AgentEvent, EffectResult, Event, ReportKind, Request, Shows};
use crate::supervise::memory::Memory;

/// Longest event that is kept whole, in bytes of JSON.
const EVENT_CAP: usize = 256 << 10;

/// Whether an event is history, not telemetry: what comes at every line of output, every beat, every tool call or every
/// relist is heard by the machine and not kept. What it decides is.
#[must_use]
pub fn is_worth_keeping(event: &Event) -> bool {
    match event {
        Event::Relisted | Event::Effect { result: EffectResult::Probed { .. }, .. } => false,
        Event::Agent { what, .. } => match what {
            AgentEvent::Ready | AgentEvent::Activity { .. } | AgentEvent::Viewers { .. } => false,
            AgentEvent::Screen { reading } => {
                matches!(reading.shows, Shows::Dialog { .. } | Shows::Limit { .. } | Shows::Fatal { .. })
            }
            AgentEvent::Report { report } => !matches!(report.kind, ReportKind::Beat | ReportKind::Tool),
            _ => true,
        },
        _ => true,
    }
}

/// Whether the event must be on the disk before it is acted on: what somebody was told is accepted, and what became of an
/// effect. The rest can be seen again.
pub(super) fn must_be_durable(event: &Event) -> bool {
    match event {
        Event::Request { .. } | Event::JournalLost { .. } => true,
        Event::Effect { result, .. } => !matches!(result, EffectResult::Probed { .. }),
        Event::Policy { .. } | Event::Agent { .. } | Event::Relisted => false,
    }
}

/// Whether a decision does nothing but look. After a power cut nobody runs who could have been looked at.
pub(super) fn is_only_a_look(decision: &Decision) -> bool {
    let looks = |effect: &Effect| matches!(effect.act, Act::Probe { .. });
    !decision.effects.is_empty() && decision.effects.iter().all(looks) && decision.messages.is_empty()
}

/// An event as its row has it.
pub(super) struct Kept {
    pub(super) kind: &'static str,
    pub(super) agent: Option<AgentName>,
    pub(super) json: String,
}

impl Kept {
    pub(super) fn of(event: &Event) -> serde_json::Result<Self> {
        let kind = kind(event);
        let json = match event {
            // `apply` keeps the policy itself; a thousand agents' would be half a megabyte a start.
            Event::Policy { policy } => {
                serde_json::json!({"event": "policy", "fleet": policy.fleet, "agents": policy.agents.len()})
                    .to_string()
            }
            _ => serde_json::to_string(event)?,
        };
        let json = match json.len() {
            long if long > EVENT_CAP => serde_json::json!({"event": kind, "cut": long}).to_string(),
            _ => json,
        };
        Ok(Self { kind, agent: agent(event).cloned(), json })
    }
}

/// The word people see and filter by.
fn kind(event: &Event) -> &'static str {
    match event {
        Event::Policy { .. } => "policy",
        Event::Relisted => "relisted",
        Event::JournalLost { .. } => "journal-lost",
        Event::Effect { .. } => "effect",
        Event::Request { request } => match request {
            Request::Send { .. } => "send",
            Request::Recall { .. } => "recall",
            Request::Clear { .. } => "clear",
            Request::ClearJournalLost => "clear-journal-lost",
            Request::Announce { .. } => "announce",
            Request::Proposed { .. } => "proposed",
            Request::Accepted { .. } => "accepted",
        },
        Event::Agent { what, .. } => match what {
            AgentEvent::Running { .. } => "running",
            AgentEvent::Ended { .. } => "ended",
            AgentEvent::Absent { .. } => "absent",
            AgentEvent::Wanted { .. } => "wanted",
            AgentEvent::RestartPending { .. } => "restart-pending",
            AgentEvent::Ready => "ready",
            AgentEvent::Activity { .. } => "activity",
            AgentEvent::Screen { .. } => "screen",
            AgentEvent::Viewers { .. } => "viewers",
            AgentEvent::Report { .. } => "report",
            AgentEvent::Refused { .. } => "refused",
            AgentEvent::Reachable { .. } => "reachable",
            AgentEvent::OutOfMemory => "out-of-memory",
            AgentEvent::HalfStarted => "half-started",
        },
    }
}

fn agent(event: &Event) -> Option<&AgentName> {
    match event {
        Event::Agent { agent, .. }
        | Event::Request {
            request:
                Request::Announce { agent, .. } | Request::Proposed { agent, .. } | Request::Accepted { agent, .. },
        } => Some(agent),
        Event::Request { request: Request::Send { message } } => Some(&message.to),
        Event::Request { request: Request::Clear { agents, .. } } if agents.len() == 1 => agents.first(),
        _ => None,
    }
}

/// What a relist says again and again. Of these the same as before is no news.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    Presence,
    Wanted,
    Pending,
    Reachable,
    Screen,
    Refused,
}

fn level(event: &Event) -> Option<(&AgentName, Level)> {
    let Event::Agent { agent, what } = event else { return None };
    let level = match what {
        AgentEvent::Running { .. } | AgentEvent::Ended { .. } | AgentEvent::Absent { .. } => Level::Presence,
        AgentEvent::Wanted { .. } => Level::Wanted,
        AgentEvent::RestartPending { .. } => Level::Pending,
        AgentEvent::Reachable { .. } => Level::Reachable,
        AgentEvent::Screen { .. } => Level::Screen,
        AgentEvent::Refused { .. } => Level::Refused,
        _ => return None,
    };
    Some((agent, level))
}

fn digest(json: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    json.hash(&mut hasher);
    hasher.finish()
}

fn is_reachable(event: &Event) -> bool {
    matches!(event, Event::Agent { what: AgentEvent::Reachable { reachable: true, .. }, .. })
}

/// The last that was kept of each agent, by level, as digests.
#[derive(Debug, Default)]
pub(super) struct Repeats(BTreeMap<(AgentName, Level), u64>);

/// What becomes the last that was kept when a transaction has succeeded.
pub(super) type Staged = BTreeMap<(AgentName, Level), u64>;

impl Repeats {
    /// Whether the event says something new, after what is `staged` already.
    pub(super) fn is_news(&self, staged: &mut Staged, event: &Event, json: &str) -> bool {
        let Some((agent, level)) = level(event) else { return true };
        let (digest, key) = (digest(json), (agent.clone(), level));
        let known = staged.get(&key).or_else(|| self.0.get(&key));
        if known == Some(&digest) {
            return false;
        }
        // That its shim answers is told of nobody of whom nothing else was.
        let expected = known.is_none() && is_reachable(event);
        staged.insert(key, digest);
        !expected
    }

    /// Runs of which the supervisor before knew are none that begin.
    pub(super) fn know_runs(&mut self, memories: &BTreeMap<AgentName, Memory>) {
        for (agent, memory) in memories {
            let Some(run) = memory.run.clone() else { continue };
            let event = Event::Agent { agent: agent.clone(), what: AgentEvent::Running { run } };
            if let (Some((_, level)), Ok(kept)) = (level(&event), Kept::of(&event)) {
                self.0.insert((agent.clone(), level), digest(&kept.json));
            }
        }
    }

    /// An event without a row was between: what was kept before it is news again.
    pub(super) fn pass(staged: &mut Staged, event: &Event) {
        if let Some((agent, level)) = level(event) {
            staged.insert((agent.clone(), level), 0);
        }
    }

    pub(super) fn commit(&mut self, staged: Staged) {
        self.0.extend(staged);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::supervise::event::{Reading, Report};

    fn about(what: AgentEvent) -> Event {
        Event::Agent { agent: AgentName::new("coder").unwrap(), what }
    }

    fn screen(shows: Shows) -> Event {
        let reading = Reading { digest: "d".to_owned(), shows, last_line: String::new(), settled: true };
        about(AgentEvent::Screen { reading })
    }

    fn report(kind: ReportKind) -> Event {
        about(AgentEvent::Report { report: Report { kind, progress: None, note: None, call: None, at: 1 } })
    }

    #[test]
    fn a_screen_is_kept_when_it_shows_something() {
        let text = || "?".to_owned();
        for shows in [Shows::Nothing, Shows::Busy, Shows::Idle] {
            assert!(!is_worth_keeping(&screen(shows)));
        }
        assert!(is_worth_keeping(&screen(Shows::Dialog { text: text() })));
        let class = crate::supervise::standing::Class::Auth;
        assert!(is_worth_keeping(&screen(Shows::Limit { class, until: None, text: text() })));
        assert!(is_worth_keeping(&screen(Shows::Fatal { class, text: text() })));
    }

    #[test]
    fn beats_and_tools_are_not_kept_and_other_reports_are() {
        for (kind, kept) in [
            (ReportKind::Beat, false),
            (ReportKind::Tool, false),
            (ReportKind::PromptSubmitted, true),
            (ReportKind::Blocked, true),
            (ReportKind::Done, true),
        ] {
            assert_eq!(is_worth_keeping(&report(kind)), kept, "{kind:?}");
        }
    }

    #[test]
    fn an_event_too_long_to_keep_is_cut_to_its_length() {
        let why = "x".repeat(EVENT_CAP);
        let kept = Kept::of(&Event::JournalLost { why }).unwrap();
        let json: serde_json::Value = serde_json::from_str(&kept.json).unwrap();
        assert_eq!(json["event"], "journal-lost");
        assert!(json["cut"].as_u64().unwrap() > EVENT_CAP as u64);
    }

    #[test]
    fn what_was_not_committed_is_still_news() {
        let mut repeats = Repeats::default();
        let event = about(AgentEvent::RestartPending { pending: true });
        let mut staged = Staged::new();
        assert!(repeats.is_news(&mut staged, &event, "1"));
        assert!(!repeats.is_news(&mut staged, &event, "1"), "twice in one transaction");
        assert!(repeats.is_news(&mut Staged::new(), &event, "1"));
        repeats.commit(staged);
        assert!(!repeats.is_news(&mut Staged::new(), &event, "1"));
        assert!(repeats.is_news(&mut Staged::new(), &event, "2"));
    }
}
