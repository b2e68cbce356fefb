//! `fleet start`, `stop` and `restart`.

use std::collections::{BTreeMap, BTreeSet};

use crate::apply::ApplyError;
use crate::apply::outcome::Outcome;
use crate::apply::power::{self, Verb};
use crate::cli::args::{Global, Power};
use crate::cli::error::{CliError, Exit};
use crate::cli::handover::hand_over;
use crate::cli::target::{self, Target};
use crate::cli::ui::Ui;
use crate::cli::{agents, facts, load};
use crate::ids::AgentName;
use crate::plan::waves;
use crate::units::ManagerKind;

pub fn run(ui: &Ui, global: &Global, args: &Power, verb: Verb) -> Result<Exit, CliError> {
    let target = target::find(global)?;
    if args.agents.is_empty() && !args.all {
        let message = format!("say which agents to {}", verb.word());
        let help = format!("there is {}; or --all", agents::all(&target));
        return Err(CliError::usage(message, help));
    }
    let chosen: BTreeSet<AgentName> = if args.all {
        target.ledger.agents.keys().cloned().collect()
    } else {
        agents::several(&target, &args.agents)?
    };
    // What a stop by hand wants is noted before anybody ends, so it needs no help where there is none.
    let local = target.ledger.manager == ManagerKind::Local;
    if verb != Verb::Start
        && !(verb == Verb::Stop && local)
        && let Some(exit) = hand_over(ui, &target.state, &target.ledger, &|own| chosen.contains(own), false)?
    {
        return Ok(exit);
    }
    let _lock = target.state.lock(&format!("fleet {}", verb.word()))?;
    let manager = target.manager()?;
    // Read again under the lock: an apply may have ended in between.
    let mut ledger = target.state.ledger()?.ok_or_else(|| {
        ApplyError::other(
            format!("fleet {} was destroyed meanwhile", target.state.fleet),
            "`fleet apply` sets it up again",
        )
    })?;
    ui.step(&format!("{} {}", verb.word(), chosen.iter().map(AgentName::as_str).collect::<Vec<_>>().join(", ")));
    let waves = order(global, &target, &chosen);
    let report = power::run(&target.state, &manager, &mut ledger, &waves, verb, args.fresh)?;
    show(ui, &report.agents, args.json);
    if let Some((what, help)) = &report.stopped {
        ui.note(&format!("warning: {what}\n{}", help.as_deref().unwrap_or_default()));
    }
    let failed = report.is_partial();
    Ok(if failed { Exit::Partial } else { Exit::Ok })
}

/// The roster's `after` waves where the roster can be read; else all at once.
fn order(global: &Global, target: &Target, chosen: &BTreeSet<AgentName>) -> Vec<Vec<AgentName>> {
    let pinned = Global { file: Some(target.ledger.roster.clone()), ..global.clone() };
    let fleet = facts::gather().ok().and_then(|facts| load::load(&pinned, &facts).ok()?.fleet);
    let mut waves = fleet.map(|fleet| waves::waves(&fleet, chosen)).unwrap_or_default();
    let known: BTreeSet<&AgentName> = waves.iter().flatten().collect();
    let rest: Vec<AgentName> = chosen.iter().filter(|name| !known.contains(name)).cloned().collect();
    if !rest.is_empty() {
        waves.push(rest);
    }
    waves
}

fn show(ui: &Ui, agents: &BTreeMap<AgentName, Outcome>, json: bool) {
    let width = agents.keys().map(|name| name.as_str().len()).max().unwrap_or(0);
    for (name, outcome) in agents {
        let (word, detail, help) = match outcome {
            Outcome::Done(what) => ("done", what, None),
            Outcome::Failed { what, help } => ("failed", what, help.as_ref()),
            Outcome::Skipped(why) => ("skipped", why, None),
            Outcome::Pending(why) => ("pending", why, None),
        };
        if json {
            ui.out(
                &serde_json::json!({ "format": 1, "agent": name, "outcome": word, "detail": detail, "help": help })
                    .to_string(),
            );
        } else {
            ui.out(&format!("{word:<8} {name:<width$}  {detail}"));
            if let Some(help) = help {
                ui.out(&format!("{:<8} {:<width$}  {help}", "", ""));
            }
        }
    }
}
