//! `fleet status`.

use crate::apply::status::{self, AgentStatus, FleetStatus};
use crate::cli::args::{Global, Json};
use crate::cli::error::{CliError, Exit};
use crate::cli::looking::notices;
use crate::cli::ui::Ui;
use crate::cli::{supervised, target};
use crate::plan::show::Paint;
use crate::units::ManagerKind;

pub fn run(ui: &Ui, global: &Global, args: &Json) -> Result<Exit, CliError> {
    let target = target::find_quietly(global)?;
    let mut now = match supervised::status(&target) {
        Some(now) => now,
        None => status::status(&target.state, &target.ledger, &target.manager()?)?,
    };
    if args.json {
        notices::count(&target, &mut now);
        ui.out(&serde_json::to_string(&now).unwrap_or_default());
    } else {
        ui.out(&text(&now, jiff::Timestamp::now(), ui.paint()));
        notices::show(ui, &target);
    }
    Ok(if now.is_healthy() { Exit::Ok } else { Exit::Failed })
}

fn text(now: &FleetStatus, at: jiff::Timestamp, paint: Paint) -> String {
    let manager = match now.manager {
        ManagerKind::Systemd => "systemd",
        ManagerKind::Local => "local manager",
    };
    let about = format!("{manager} · generation {} · {}", now.generation, now.roster.display());
    let mut lines = vec![format!("{}  {}", paint.bold(&format!("Fleet {}", now.fleet)), paint.dim(&about))];
    if now.supervisor.as_ref().is_some_and(|supervisor| !supervisor.running) {
        lines.push(paint.bad(&format!("! {}", target::UNSUPERVISED)));
    }
    let rows: Vec<[String; 6]> = now.agents.iter().map(|agent| row(agent, at)).collect();
    let heads = ["AGENT", "ROLE", "RUNTIME", "STATE", "AGE", "WHY"].map(str::to_owned);
    let width = |column: usize| rows.iter().chain([&heads]).map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..5).map(width).collect();
    let line = |row: &[String; 6]| {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        format!("{}  {}", cells.join("  "), row[5]).trim_end().to_owned()
    };
    lines.push(paint.dim(&line(&heads)));
    for (row, agent) in rows.iter().zip(&now.agents) {
        lines.push(if agent.healthy { line(row) } else { paint.bad(&line(row)) });
    }
    if let Some(supervisor) = &now.supervisor {
        let paused =
            supervisor.paused.iter().map(|why| format!("nothing is restarted: {why}; `fleet clear --journal-lost`"));
        lines.extend(paused.chain(supervisor.problems.iter().cloned()).map(|line| paint.bad(&format!("! {line}"))));
    }
    for agent in &now.agents {
        if let Some(count) = agent.queued.filter(|count| *count > 0) {
            let messages = if count == 1 { "message waits" } else { "messages wait" };
            lines.push(format!("{count} {messages} for {}: `fleet messages {}`", agent.name, agent.name));
        }
        if let Some(how) = &agent.fell_back {
            lines.push(format!("{} {how}", agent.name));
        }
        if let Some(why) = &agent.pending {
            lines.push(format!("{} is to be restarted: {why}", agent.name));
        }
    }
    lines.join("\n")
}

fn row(agent: &AgentStatus, at: jiff::Timestamp) -> [String; 6] {
    let runtime = agent.runtime.clone().unwrap_or_default();
    let runtime = agent.model.as_ref().map_or(runtime.clone(), |model| format!("{runtime}/{model}"));
    // Not by colour alone, and not by position alone: what is wrong carries a mark.
    let mark = if agent.healthy { "" } else { " !" };
    [
        agent.name.to_string(),
        agent.role.clone().unwrap_or_default(),
        runtime,
        format!("{}{mark}", agent.state),
        agent.since.as_deref().and_then(|since| age(since, at)).unwrap_or_default(),
        agent.reason.clone(),
    ]
}

/// `47s`, `12m`, `3h`, `9d`.
fn age(since: &str, at: jiff::Timestamp) -> Option<String> {
    let seconds = at.as_second() - since.parse::<jiff::Timestamp>().ok()?.as_second();
    Some(match seconds {
        ..60 => format!("{}s", seconds.max(0)),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..172_800 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn ages_are_short_and_never_negative() {
        let at: jiff::Timestamp = "2026-01-02T00:00:00Z".parse().unwrap();
        let age = |since| super::age(since, at).unwrap();
        assert_eq!(age("2026-01-01T23:59:13Z"), "47s");
        assert_eq!(age("2026-01-01T23:00:00Z"), "1h");
        assert_eq!(age("2025-12-20T00:00:00Z"), "13d");
        assert_eq!(age("2027-01-01T00:00:00Z"), "0s");
    }
}
