//! What happened, in words.

use serde_json::Value;

use super::text;
use crate::journal::rows::EventRow;
use crate::supervise::event::{AgentEvent, EffectResult, Event, ReportKind, Request, Shows};

/// One line about an event. One of a later version, or one that was cut, is shown as it is kept.
pub fn words(row: &EventRow) -> String {
    match serde_json::from_value::<Event>(row.event.clone()) {
        Ok(event) => text::line(&known(&event)),
        Err(_) => raw(&row.event),
    }
}

/// What the journal has, without what its other columns say.
fn raw(event: &Value) -> String {
    let Some(fields) = event.as_object() else { return text::line(&event.to_string()) };
    let said = fields.iter().filter(|(name, _)| *name != "event" && *name != "agent");
    let said: Vec<String> = said.map(|(name, value)| format!("{name}={value}")).collect();
    text::line(&said.join(" "))
}

fn known(event: &Event) -> String {
    match event {
        Event::Policy { policy } => format!("the roster's word on {} agents", policy.agents.len()),
        Event::Relisted => "every agent was looked at".to_owned(),
        Event::JournalLost { why } => why.clone(),
        Event::Effect { id, result } => format!("effect {id}: {}", ended(result)),
        Event::Request { request } => asked(request),
        Event::Agent { what, .. } => about(what),
    }
}

fn ended(result: &EffectResult) -> String {
    match result {
        EffectResult::Done => "done".to_owned(),
        EffectResult::Failed { why } => format!("failed: {why}"),
        EffectResult::Withheld { why } => format!("not tried: {why}"),
        EffectResult::Unknown => "nobody knows what came of it".to_owned(),
        EffectResult::Probed { .. } => "looked".to_owned(),
        EffectResult::Delivered { outcome, why } => {
            let why = why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
            format!("{}{why}", format!("{outcome:?}").to_lowercase())
        }
    }
}

fn asked(request: &Request) -> String {
    match request {
        Request::Send { message } => {
            format!("{} from {}: {}", message.id, message.from, text::shorten(message.text.trim(), 80))
        }
        Request::Recall { id } => format!("{id} is to be taken back"),
        Request::Clear { agents, caller } if agents.is_empty() => format!("all agents, by {caller}"),
        Request::Clear { agents, caller } => {
            let names: Vec<&str> = agents.iter().map(crate::ids::AgentName::as_str).collect();
            format!("{}, by {caller}", names.join(", "))
        }
        Request::ClearJournalLost => "the loss of the journal".to_owned(),
        Request::Announce { verb, .. } => format!("`fleet {verb}` is about to act on it"),
        Request::Proposed { id, kind, title, .. } => format!("{kind} {id}: {title}"),
        Request::Accepted { id, title, .. } => format!("{id}: {title}"),
    }
}

fn about(what: &AgentEvent) -> String {
    match what {
        AgentEvent::Running { run } => {
            format!("pid {}{}", run.pid, if run.resumed { ", goes on with its conversation" } else { "" })
        }
        AgentEvent::Ended { end } => {
            let how = match (end.code, end.signal) {
                (_, Some(signal)) => format!("signal {signal}"),
                (Some(code), None) => format!("exit {code}"),
                (None, None) => "no record of how".to_owned(),
            };
            let asked =
                if end.stop_requested { format!(", asked to, at the step `{}`", end.step) } else { String::new() };
            let last = end.screen.last().map(|line| format!("; its last line: {line}")).unwrap_or_default();
            format!("{how}{asked}{last}")
        }
        AgentEvent::Absent { lost: Some(run) } => format!("pid {} vanished without a word", run.pid),
        AgentEvent::Absent { lost: None } => "does not run".to_owned(),
        AgentEvent::Wanted { wanted } => format!("{wanted:?}").to_lowercase(),
        AgentEvent::RestartPending { pending: true } => "waits for an idle moment".to_owned(),
        AgentEvent::RestartPending { pending: false } => "does not wait any more".to_owned(),
        AgentEvent::Ready => "ready for input".to_owned(),
        AgentEvent::Activity { bytes } => format!("{bytes} bytes of output"),
        AgentEvent::Screen { reading } => match &reading.shows {
            Shows::Nothing | Shows::Busy | Shows::Idle => reading.last_line.clone(),
            Shows::Dialog { text } => format!("a question: {text}"),
            Shows::Limit { class, text, .. } => format!("a limit ({}): {text}", class.word()),
            Shows::Fatal { class, text } => format!("cannot go on ({}): {text}", class.word()),
        },
        AgentEvent::Viewers { viewers, typing } => {
            format!("{viewers} look at it{}", if *typing { ", and somebody types" } else { "" })
        }
        AgentEvent::Report { report } => {
            let word = match report.kind {
                ReportKind::Beat => "a beat",
                ReportKind::PromptSubmitted => "a prompt was taken",
                ReportKind::Tool => "a tool",
                ReportKind::Working => "works",
                ReportKind::Idle => "its turn is over",
                ReportKind::Waiting => "waits for a person",
                ReportKind::Done => "done",
                ReportKind::Blocked => "blocked",
            };
            report.note.as_ref().map_or(word.to_owned(), |note| format!("{word}: {note}"))
        }
        AgentEvent::Refused { why } => format!("a report was not believed: {why}"),
        AgentEvent::Reachable { reachable: true, .. } => "its shim answers".to_owned(),
        AgentEvent::Reachable { reachable: false, why } => format!("its shim does not answer: {why}"),
        AgentEvent::HalfStarted => "a command that was killed had begun to start it".to_owned(),
        AgentEvent::OutOfMemory => "the kernel ended something for want of memory".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(event: Value) -> String {
        words(&EventRow { seq: 1, at: 1, agent: None, kind: String::new(), event })
    }

    #[test]
    fn events_are_words() {
        let end = json!({"code": 3, "signal": null, "stop_requested": false, "step": "itself", "started": 1, "ended": 2,
            "screen": ["first", "last \u{1b}[1m"]});
        let ended = json!({"event": "agent", "agent": "a", "what": {"what": "ended", "end": end}});
        assert_eq!(said(ended), "exit 3; its last line: last \\u{1b}[1m");
        assert_eq!(
            said(json!({"event": "effect", "id": 7, "result": {"result": "failed", "why": "x"}})),
            "effect 7: failed: x"
        );
        // Of a later version, or cut: as it is kept.
        assert_eq!(said(json!({"event": "news", "agent": "a", "what": 3})), "what=3");
        assert_eq!(said(json!({"event": "send", "cut": 300_000})), "cut=300000");
    }
}
