//! `fleet clear`.

use std::collections::BTreeSet;

use crate::cli::agents;
use crate::cli::args::{Clear, Global};
use crate::cli::error::{CliError, Exit};
use crate::cli::looking::time::Clock;
use crate::cli::looking::{sources, text};
use crate::cli::target::{self, Target};
use crate::cli::ui::Ui;
use crate::driver::words::{Answer, Ask};
use crate::ids::AgentName;
use crate::supervise::clock::Millis;
use crate::supervise::event::{Caller, Request};
use crate::supervise::standing::State;
use crate::system::fs;

/// Largest note of a quarantine that is read, in bytes.
const WHY: u64 = 16 << 10;

pub fn run(ui: &Ui, global: &Global, args: &Clear) -> Result<Exit, CliError> {
    let target = target::find_quietly(global)?;
    if args.journal_lost {
        return journal_lost(ui, &target);
    }
    if args.agents.is_empty() && !args.all {
        list(ui, &target, args.json)?;
        return Ok(Exit::Ok);
    }
    // Nobody named stands for all of them.
    let chosen = agents::several(&target, &args.agents)?;
    let whom = if chosen.is_empty() { "every agent".to_owned() } else { joined(&chosen) };
    match sources::ask(&target, Ask::Clear { agents: chosen.clone() })? {
        Some(Answer::Done) => {
            ui.out(&format!(
                "Cleared: {whom}. What was quarantined or waited starts again; `fleet status` shows it."
            ));
        }
        Some(odd) => return Err(sources::odd(&odd)),
        None => {
            let request = Request::Clear { agents: chosen, caller: Caller::Operator };
            sources::leave(&target, Clock::read().now, &request, "to clear a quarantine")?;
            later(ui, &target, &format!("{whom} will be cleared"));
        }
    }
    Ok(Exit::Ok)
}

fn journal_lost(ui: &Ui, target: &Target) -> Result<Exit, CliError> {
    match sources::ask(target, Ask::ClearJournalLost)? {
        Some(Answer::Done) => ui.out("The loss of the journal is cleared: the supervisor restarts agents again."),
        Some(odd) => return Err(sources::odd(&odd)),
        None => {
            let now = Clock::read().now;
            sources::leave(target, now, &Request::ClearJournalLost, "to clear the loss of a journal")?;
            later(ui, target, "the loss of the journal will be cleared");
        }
    }
    Ok(Exit::Ok)
}

fn later(ui: &Ui, target: &Target, what: &str) {
    ui.out(&format!("The supervisor does not run: {what} when it does ({}).", sources::start(target)));
}

fn joined(names: &BTreeSet<AgentName>) -> String {
    names.iter().map(AgentName::as_str).collect::<Vec<_>>().join(", ")
}

/// An agent that waits for `fleet clear`, or for a time.
#[derive(Debug, PartialEq, serde::Serialize)]
struct Held {
    agent: AgentName,
    /// `quarantined backing-off`.
    state: &'static str,
    /// Milliseconds since the epoch.
    since: Option<Millis>,
    /// When it is started again, in milliseconds since the epoch.
    until: Option<Millis>,
    reason: String,
}

fn list(ui: &Ui, target: &Target, json: bool) -> Result<(), CliError> {
    let (held, lost, live) = match sources::status(target) {
        Some(status) => {
            let rows = status.agents.into_iter().map(|row| (row.name, row.standing));
            (
                rows.filter_map(|(name, standing)| held(name, &standing.state, standing.since, standing.reason))
                    .collect(),
                status.journal_lost,
                true,
            )
        }
        None => {
            let reader = sources::journal(target)?;
            let lost = reader.as_ref().map(crate::journal::Reader::paused).transpose()?.flatten();
            (recorded(target), lost, false)
        }
    };
    if json {
        let value = serde_json::json!({ "from": if live { "supervisor" } else { "files" }, "journal_lost": lost, "agents": held });
        ui.out(&ui.json_line(&value));
        return Ok(());
    }
    ui.out(&shown(&held, lost.as_deref(), &Clock::read()));
    if !live {
        ui.note("The supervisor does not answer: these are the quarantines that it left as files.");
    }
    Ok(())
}

fn held(agent: AgentName, state: &State, since: Millis, reason: String) -> Option<Held> {
    let (word, until) = match state {
        State::Quarantined => (state.word(), None),
        State::BackingOff { until } => (state.word(), Some(*until)),
        _ => return None,
    };
    Some(Held { agent, state: word, since: Some(since), until, reason })
}

/// The quarantines that are kept as files: they outlive a journal.
fn recorded(target: &Target) -> Vec<Held> {
    let why =
        |agent: &AgentName| fs::read_optional(&target.state.paths.agent(agent).join("quarantined"), WHY).ok()?;
    let held = |agent: &AgentName| {
        let reason = String::from_utf8_lossy(&why(agent)?).trim_end().to_owned();
        Some(Held { agent: agent.clone(), state: State::Quarantined.word(), since: None, until: None, reason })
    };
    target.ledger.agents.keys().filter_map(held).collect()
}

fn shown(held: &[Held], lost: Option<&str>, clock: &Clock) -> String {
    let mut out = Vec::new();
    if let Some(why) = lost {
        out.push(format!("Nothing is restarted: {}; `fleet clear --journal-lost` ends that.", text::line(why)));
    }
    if held.is_empty() {
        out.push("No agent is quarantined, and none waits for a restart.".to_owned());
        return out.join("\n");
    }
    let width = held.iter().map(|held| held.agent.as_str().len()).max().unwrap_or(0);
    for held in held {
        let when = match (held.until, held.since) {
            (Some(until), _) => format!(" until {}", clock.time(until)),
            (None, Some(since)) => format!(" for {}", clock.age(since)),
            (None, None) => String::new(),
        };
        let state = format!("{}{when}", held.state);
        out.push(format!("{:<width$}  {state:<26}  {}", held.agent.as_str(), text::line(&held.reason)));
    }
    out.push("`fleet clear AGENT` lets one start again, `fleet why AGENT` tells more.".to_owned());
    out.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::looking::time::tests::noon;

    #[test]
    fn who_waits_is_listed_with_the_reason() {
        let clock = noon();
        let name = |text: &str| AgentName::new(text).unwrap();
        let all = [
            held(name("coder"), &State::Quarantined, clock.now - 180_000, "over \u{1b}budget".to_owned()),
            held(name("lead"), &State::BackingOff { until: clock.now + 30_000 }, clock.now, "exit 3".to_owned()),
            held(name("idler"), &State::Idle, clock.now, "fine".to_owned()),
        ];
        let all: Vec<Held> = all.into_iter().flatten().collect();
        assert_eq!(
            shown(&all, Some("a lost journal"), &clock),
            "Nothing is restarted: a lost journal; `fleet clear --journal-lost` ends that.\n\
             coder  quarantined for 3m          over \\u{1b}budget\n\
             lead   backing-off until 14:00:30  exit 3\n\
             `fleet clear AGENT` lets one start again, `fleet why AGENT` tells more."
        );
        assert_eq!(shown(&[], None, &clock), "No agent is quarantined, and none waits for a restart.");
    }
}
