//! `fleet why`: how an agent came to be where it is.

use crate::cli::args::{Global, Why};
use crate::cli::error::{CliError, Exit};
use crate::cli::looking::deaths::{self, Death};
use crate::cli::looking::story::{self, Step};
use crate::cli::looking::time::Clock;
use crate::cli::looking::{sources, text};
use crate::cli::ui::Ui;
use crate::cli::{agents, target};
use crate::driver::words::Status;
use crate::ids::AgentName;
use crate::plan::show::{Paint, plural, tilde};
use crate::supervise::clock::Millis;
use crate::supervise::standing::{Standing, State};

/// Decisions that are read for so many steps: some of them fold into one.
const PER_STEP: usize = 20;
/// Deaths that are named.
const DEATHS: usize = 5;
/// Columns of a line, at least.
const NARROW: usize = 40;

/// Who says where the agent stands.
enum Says {
    /// The supervisor, at this moment.
    Supervisor,
    /// The journal; when its last row was written, in milliseconds since the epoch.
    Journal(Option<Millis>),
    Nobody,
}

pub fn run(ui: &Ui, global: &Global, args: &Why) -> Result<Exit, CliError> {
    let target = target::find_quietly(global)?;
    let name = agents::one(&target, &args.agent)?;
    let clock = Clock::read();
    let status = sources::status(&target);
    let journal = if status.is_some() { sources::journal(&target)? } else { Some(sources::the_journal(&target)?) };
    let decisions = match &journal {
        Some(reader) => reader.decisions(0, Some(name.as_str()), args.limit.saturating_mul(PER_STEP).max(1))?,
        None => Vec::new(),
    };
    let decisions: Vec<_> = decisions.into_iter().filter(|row| !row.is_only_a_look()).collect();
    let (standing, says) = standing(&name, status.as_ref(), journal.as_ref())?;
    let deaths = deaths::of(&target.state.paths.agent(&name));
    if args.json {
        let kept = decisions.len().saturating_sub(args.limit);
        let deaths: Vec<_> = deaths.iter().map(Death::json).collect();
        ui.out(&ui.json_line(&serde_json::json!({
            "agent": name,
            "standing": standing,
            "from": match says {
                Says::Supervisor => "supervisor",
                Says::Journal(_) => "journal",
                Says::Nobody => "nobody",
            },
            "written": if let Says::Journal(at) = says { at } else { None },
            "decisions": &decisions[kept..],
            "deaths": deaths,
        })));
        return Ok(Exit::Ok);
    }
    let mut lines = head(&name, standing.as_ref(), &says, &clock, ui.paint());
    lines.extend(lost(status.as_ref(), journal.as_ref()));
    lines.extend(waiting(&name, status.as_ref()));
    lines.extend(fell_back(&name, status.as_ref(), journal.as_ref())?);
    let steps = story::tell(&decisions);
    let told = &steps[steps.len().saturating_sub(args.limit)..];
    lines.push(String::new());
    if told.is_empty() {
        lines.push("Nothing was decided about it.".to_owned());
    } else {
        lines.push("How it came to that, newest last:".to_owned());
        lines.extend(told.iter().flat_map(|step| written(step, &clock, ui)));
    }
    lines.extend(died(&name, &deaths, &clock));
    lines.extend(standing.as_ref().and_then(|standing| next(&name, &standing.state)).map(|next| format!("\n{next}")));
    ui.out(&lines.join("\n"));
    Ok(Exit::Ok)
}

fn standing(
    name: &AgentName,
    status: Option<&Status>,
    journal: Option<&crate::journal::Reader>,
) -> Result<(Option<Standing>, Says), CliError> {
    if let Some(row) = status.and_then(|status| sources::row(status, name.as_str())) {
        return Ok((Some(row.standing.clone()), Says::Supervisor));
    }
    let Some(reader) = journal else { return Ok((None, Says::Nobody)) };
    let last = reader.trail(None, 1)?.pop().map(|row| match row {
        crate::journal::rows::TrailRow::Event(row) => row.at,
        crate::journal::rows::TrailRow::Decision(row) => row.at,
    });
    let memory = reader.memories()?.remove(name);
    let standing = memory.and_then(|memory| memory.standing);
    let says = if standing.is_some() { Says::Journal(last) } else { Says::Nobody };
    Ok((standing, says))
}

/// Where it stands, and who says so.
fn head(name: &AgentName, standing: Option<&Standing>, says: &Says, clock: &Clock, paint: Paint) -> Vec<String> {
    let mut lines = Vec::new();
    match standing {
        Some(standing) => {
            let until = match standing.state {
                State::RateLimited { until: Some(until), .. } | State::BackingOff { until } => {
                    format!(" until {}", clock.time(until))
                }
                _ => String::new(),
            };
            let state = paint.bold(&format!("{name} is {}{until}", standing.state.word()));
            lines.push(format!("{state}, since {} ({}):", clock.age(standing.since), clock.time(standing.since)));
            lines.push(format!("  {}", text::line(&standing.reason)));
        }
        None => lines.push(paint.bold(&format!("Where {name} stands is not known."))),
    }
    if let Says::Journal(at) = says {
        let when = at.map(|at| format!(", last written {} ago", clock.age(at))).unwrap_or_default();
        lines.push(format!(
            "The supervisor does not answer: that is what its journal has{when}. `fleet status` looks at the agent itself."
        ));
    }
    lines
}

fn lost(status: Option<&Status>, journal: Option<&crate::journal::Reader>) -> Option<String> {
    let why = match status {
        Some(status) => status.journal_lost.clone(),
        None => journal.and_then(|reader| reader.paused().ok().flatten()),
    };
    why.map(|why| {
        format!("Nothing is restarted: {}; `fleet clear --journal-lost` lets the supervisor go on.", text::line(&why))
    })
}

/// Which model it uses, when it is not its first.
fn fell_back(
    name: &AgentName,
    status: Option<&Status>,
    journal: Option<&crate::journal::Reader>,
) -> Result<Option<String>, CliError> {
    let how = match (status, journal) {
        (Some(status), _) => sources::row(status, name.as_str()).and_then(|row| row.fell_back.clone()),
        (None, Some(reader)) => {
            let note = reader.memories()?.remove(name).and_then(|memory| memory.fell_back);
            note.map(|note| format!("fell back from {} to {}: {}", note.from, note.to, note.why))
        }
        (None, None) => None,
    };
    Ok(how.map(|how| format!("  It {}; `fleet clear {name}` takes its first model again.", text::line(&how))))
}

fn waiting(name: &AgentName, status: Option<&Status>) -> Option<String> {
    let queued = status.and_then(|status| sources::row(status, name.as_str()))?.queued;
    (queued > 0)
        .then(|| format!("  {} for it: `fleet messages {name}`", plural(queued, "message waits", "messages wait")))
}

/// A step, as wide as the terminal.
fn written(step: &Step, clock: &Clock, ui: &Ui) -> Vec<String> {
    let head = format!("  {}  {:<17}  ", clock.time(step.at), step.rule);
    let blank = " ".repeat(head.chars().count());
    let width = ui.width().saturating_sub(head.chars().count()).max(NARROW);
    let mut lines = Vec::new();
    for (number, part) in text::wrap(&step.text, width).into_iter().enumerate() {
        lines.push(if number == 0 { format!("{head}{part}") } else { format!("{blank}{part}") });
    }
    for effect in &step.bad {
        let parts = text::wrap(&format!("→ {effect}"), width);
        lines.extend(parts.iter().map(|part| ui.paint().bad(&format!("{blank}{part}"))));
    }
    lines
}

fn died(name: &AgentName, deaths: &[Death], clock: &Clock) -> Vec<String> {
    if deaths.is_empty() {
        return Vec::new();
    }
    let home = std::env::var_os("HOME").map(std::path::PathBuf::from).unwrap_or_default();
    let mut lines =
        vec![String::new(), "Kept of its deaths (screen, end of the log, exit record), newest last:".to_owned()];
    for (number, death) in deaths.iter().enumerate().skip(deaths.len().saturating_sub(DEATHS)) {
        let back = deaths.len() - number;
        lines.push(format!("  {}  {}", clock.time(death.at), text::shorten(&death.why, 100)));
        lines.push(format!("    {}  (`fleet logs {name} --death {back}`)", tilde(&death.folder, &home)));
    }
    lines
}

/// What a person can do about it.
fn next(name: &AgentName, state: &State) -> Option<String> {
    Some(match state {
        State::Quarantined => format!("`fleet clear {name}` lets it start again."),
        State::WaitingForHuman => format!("`fleet attach {name}` and answer."),
        State::Blocked { .. } | State::Stalled | State::Unknown => {
            format!("`fleet screen {name}` shows its screen, `fleet attach {name}` opens it.")
        }
        State::BackingOff { .. } => format!("`fleet clear {name}` does not wait."),
        State::Stopped => format!("`fleet start {name}` starts it."),
        State::Starting | State::Working | State::Idle | State::RateLimited { .. } | State::Stopping => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::looking::time::tests::noon;

    #[test]
    fn the_present_comes_first_with_who_says_so() {
        let (name, clock) = (AgentName::new("coder").unwrap(), noon());
        let standing = Standing {
            state: State::BackingOff { until: clock.now + 30_000 },
            reason: "it ended \u{1b}(exit 3)".to_owned(),
            since: clock.now - 120_000,
        };
        let paint = Paint { colour: false };
        let said = head(&name, Some(&standing), &Says::Supervisor, &clock, paint);
        assert_eq!(said, ["coder is backing-off until 14:00:30, since 2m (13:58:00):", "  it ended \\u{1b}(exit 3)"]);
        let said = head(&name, Some(&standing), &Says::Journal(Some(clock.now - 3_600_000)), &clock, paint);
        assert!(said[2].contains("does not answer") && said[2].contains("last written 1h ago"), "{said:?}");
        assert_eq!(head(&name, None, &Says::Nobody, &clock, paint), ["Where coder stands is not known."]);
    }

    #[test]
    fn every_state_that_needs_somebody_says_what_to_do() {
        let name = AgentName::new("coder").unwrap();
        assert!(next(&name, &State::Quarantined).unwrap().contains("fleet clear coder"));
        assert_eq!(next(&name, &State::Working), None);
    }
}
