//! Carrying a plan out: the consent, the lock, the work, and the closing table.

use std::time::{Duration, Instant};

use super::prepare::{self, Prepared, Wanted};
use crate::apply::destroy;
use crate::apply::execute;
use crate::apply::generation::{self, Record};
use crate::apply::idle::Options;
use crate::apply::inside;
use crate::apply::outcome::{Outcome, Report};
use crate::cli::args::{Carry, Global, When};
use crate::cli::error::{CliError, Exit};
use crate::cli::handover;
use crate::cli::ui::Ui;
use crate::ids::AgentName;
use crate::plan::files::ConflictKind;
use crate::plan::saved::Saved;
use crate::plan::show::{plural, tilde};
use crate::plan::{AgentPlan, Plan};
use crate::system::lock::Holder;

/// What is carried out, and how.
pub struct Task<'a> {
    /// As in `fleet apply`, for whoever meets the lock.
    pub command: &'a str,
    pub wanted: Wanted,
    pub carry: &'a Carry,
    /// The plan that was agreed to; anything else is refused.
    pub saved: Option<&'a Saved>,
}

/// The kernel's clock for files goes in steps of at most ten milliseconds.
const CLOCK_STEP: Duration = Duration::from_millis(20);

/// Plans, asks, and does it.
pub fn run(ui: &Ui, global: &Global, task: &Task<'_>) -> Result<Exit, CliError> {
    let json = task.wanted.shared.json;
    let began = std::time::SystemTime::now();
    let mut prepared = prepare::prepare(ui, global, &task.wanted)?;
    // A plan without anything to do takes no lock and writes nothing, not even the lock's own file.
    let noted = |agent: &AgentPlan| agent.running && prepared.live.unfinished.contains(&agent.name);
    let is_clean = prepared.plan.pending().next().is_none() && !prepared.plan.agents.iter().any(noted);
    let works = prepared.ledger.as_ref().map_or(!prepared.plan.is_empty(), |it| execute::works(&prepared.plan, it));
    let idle = !works && prepared.plan.conflicts.is_empty();
    if task.saved.is_none() && idle && is_clean {
        show(ui, &prepared, json);
        return Ok(Exit::Ok);
    }
    if let Some(saved) = task.saved {
        super::saved::refuse_stale(saved, &prepared, &task.wanted.select)?;
    }
    if let Some(exit) = outside(ui, &prepared, task)? {
        return Ok(exit);
    }
    let since = prepared.state.last_command();
    let asked = Instant::now();
    let lock = prepared.state.lock(task.command)?;
    let waited = asked.elapsed() > CLOCK_STEP;
    // Between the first look and the lock another command may have ended: then what was seen is not what is.
    if waited || since.is_some_and(|since| since + CLOCK_STEP >= began) {
        prepared = prepare::prepare(&Ui::silent(), global, &task.wanted)?;
    }
    if let Some(saved) = task.saved {
        super::saved::refuse_stale(saved, &prepared, &task.wanted.select)?;
    }
    prepared.plan.fresh = task.carry.fresh;
    prepared.plan.restarts_later = matches!(task.carry.restart, When::Never);
    show(ui, &prepared, json);
    let agreed = refuse_conflicts(&prepared, task.carry).and_then(|()| consent(ui, &prepared.plan, task));
    if let Err(error) = agreed {
        if prepared.ledger.is_none() {
            drop(lock);
            destroy::remove_traces(&prepared.state);
        }
        return Err(error);
    }
    let apply = execute::Apply {
        state: &prepared.state,
        fleet: &prepared.fleet,
        artifacts: &prepared.artifacts,
        sources: &prepared.read,
        record: record(task, &prepared.plan),
        chosen: &prepared.chosen,
        old: prepared.old.as_ref(),
        options: Options {
            restart: task.carry.restart.into(),
            wait: Duration::from_secs(task.carry.wait),
            fresh: task.carry.fresh,
        },
        progress: &|text| ui.step(text),
    };
    let report = match apply.run(&prepared.plan, prepared.ledger.clone()) {
        Ok(report) => report,
        Err(error) => {
            // The first apply of a fleet that came to nothing leaves nothing.
            if prepared.state.ledger().is_ok_and(|ledger| ledger.is_none()) {
                drop(lock);
                destroy::remove_traces(&prepared.state);
            }
            return Err(error.into());
        }
    };
    close(ui, &prepared.plan, &report, task);
    Ok(if report.is_partial() { Exit::Partial } else { Exit::Ok })
}

/// Hands the work over when it would end the agent that asked for it.
fn outside(ui: &Ui, prepared: &Prepared, task: &Task<'_>) -> Result<Option<Exit>, CliError> {
    let Some(ledger) = &prepared.ledger else { return Ok(None) };
    if matches!(task.carry.restart, When::Never) && prepared.plan.removed().next().is_none() {
        return Ok(None);
    }
    let ends = |name: &AgentName| {
        let restarts = |agent: &&AgentPlan| agent.name == *name && agent.pending;
        prepared.plan.interrupted().any(|agent| agent.name == *name)
            || prepared.plan.agents.iter().any(|a| restarts(&a))
    };
    if !inside::own_agent(&prepared.state, ledger).is_some_and(|own| ends(&own)) {
        return Ok(None);
    }
    if !task.carry.yes {
        show(ui, prepared, task.wanted.shared.json);
    }
    refuse_conflicts(prepared, task.carry)?;
    consent(ui, &prepared.plan, task)?;
    handover::hand_over(ui, &prepared.state, ledger, &ends, true)
}

fn record(task: &Task<'_>, plan: &Plan) -> Record {
    Record {
        format: generation::FORMAT,
        number: plan.generation + 1,
        by: Holder::this_process(task.command),
        back_to: task.wanted.generation,
        withheld: plan.withheld.iter().map(ToString::to_string).collect(),
        plan: task.saved.map(|saved| saved.id.clone()),
        counts: plan.counts(),
        ended: None,
    }
}

fn show(ui: &Ui, prepared: &Prepared, json: bool) {
    if json {
        prepared.plan.json_lines().iter().for_each(|line| ui.out(line));
    } else {
        ui.out(&prepared.plan.text(&prepared.home, ui.paint()));
    }
}

fn refuse_conflicts(prepared: &Prepared, args: &Carry) -> Result<(), CliError> {
    let path =
        |kind| prepared.plan.conflicts.iter().find(|conflict| conflict.kind == kind).map(|conflict| &conflict.path);
    if let Some(path) = path(ConflictKind::Foreign) {
        let message =
            format!("{} is in the way and is not fleet's; nothing was changed", tilde(path, &prepared.home));
        return Err(CliError::refused(message, "move it away, or give the fleet another id"));
    }
    match path(ConflictKind::EditedByHand) {
        Some(path) if !args.overwrite => {
            let message = format!("{} was edited by hand; nothing was changed", tilde(path, &prepared.home));
            let help = "put the change into the roster (or a systemd drop-in), then `fleet apply --overwrite` replaces the file";
            Err(CliError::refused(message, help))
        }
        _ => Ok(()),
    }
}

/// What interrupts or removes needs a person's word. Without a terminal nobody is asked.
fn consent(ui: &Ui, plan: &Plan, task: &Task<'_>) -> Result<(), CliError> {
    let (args, agreed) = (task.carry, task.saved.is_some());
    if plan.removed().next().is_some() && plan.is_mass_removal() && !args.allow_mass_remove {
        let removed = plural(plan.removed().count(), "agent", "agents");
        let message = format!("this removes {removed} of {}; nothing was changed", plan.known_agents);
        return Err(CliError::refused(
            message,
            "if that is meant, add --allow-mass-remove; `fleet destroy` takes all away",
        ));
    }
    // Whoever agreed to the earlier apply agreed to a restart at idle; one at once is another matter.
    let pending = plan.pending().next().is_some() && matches!(args.restart, When::Now);
    if !(plan.needs_consent() || pending) || args.yes || agreed {
        return Ok(());
    }
    if !ui.is_interactive() || task.wanted.shared.json {
        let message = "this plan interrupts or removes agents and nobody is here to agree; nothing was changed";
        let option = task.wanted.generation.map(|number| format!(" --generation {number}")).unwrap_or_default();
        let help = format!("read `fleet plan{option}`, then run `{} --yes`", again(task));
        return Err(CliError::refused(message, help));
    }
    let mut names: Vec<_> = plan.interrupted().chain(plan.removed()).map(|agent| agent.name.as_str()).collect();
    if pending {
        names.extend(plan.pending().map(|agent| agent.name.as_str()));
    }
    names.sort_unstable();
    names.dedup();
    let question = format!("Type `yes` to interrupt or remove {}; anything else changes nothing:", names.join(", "));
    match ui.ask(&question).as_deref() {
        Some("yes") => Ok(()),
        _ => Err(CliError::refused("not agreed; nothing was changed", "")),
    }
}

/// The command that goes on with what this one began: after a rollback, an apply would turn round.
fn again(task: &Task<'_>) -> String {
    match task.wanted.generation {
        Some(number) => format!("{} {number}", task.command),
        None => task.command.to_owned(),
    }
}

fn close(ui: &Ui, plan: &Plan, report: &Report, task: &Task<'_>) {
    if task.wanted.shared.json {
        for (agent, outcome) in &report.agents {
            let (word, detail) = words(outcome);
            ui.out(&serde_json::json!({ "format": 1, "type": "result", "agent": agent, "outcome": word, "detail": detail }).to_string());
        }
        if let Some(outcome) = &report.supervisor {
            let (word, detail) = words(outcome);
            ui.out(
                &serde_json::json!({ "format": 1, "type": "supervisor", "outcome": word, "detail": detail })
                    .to_string(),
            );
        }
        let stopped = report.stopped.as_ref().map(|(what, _)| what);
        let last = serde_json::json!({
            "format": 1, "type": "applied", "generation": report.generation, "stopped": stopped,
        });
        ui.out(&last.to_string());
        return;
    }
    let width = report.agents.keys().map(|name| name.as_str().len()).max().unwrap_or(0);
    // In the order of the plan, which is the roster's.
    let results = plan.agents.iter().filter_map(|agent| Some((&agent.name, report.agents.get(&agent.name)?)));
    for (name, outcome) in results {
        let (word, detail) = words(outcome);
        ui.out(&format!("{word:<8} {name:<width$}  {detail}"));
        if let Outcome::Failed { help: Some(help), .. } = outcome {
            ui.out(&format!("{:<8} {:<width$}  {help}", "", ""));
        }
    }
    if let Some(outcome) = &report.supervisor {
        let (word, detail) = words(outcome);
        ui.out(&format!("{word:<8} supervisor  {detail}"));
        if let Outcome::Failed { help: Some(help), .. } = outcome {
            ui.out(&format!("{:<8} {help}", ""));
        }
    }
    if let Some((what, help)) = &report.stopped {
        ui.out(&format!("stopped  {what}"));
        if let Some(help) = help {
            ui.out(&format!("         {help}"));
        }
    }
    let count = |wanted: &str| report.agents.values().filter(|outcome| words(outcome).0 == wanted).count();
    let mut parts = Vec::new();
    for word in ["done", "failed", "skipped", "pending"] {
        if count(word) > 0 {
            parts.push(format!("{} {word}", count(word)));
        }
    }
    let parts = if parts.is_empty() { "nothing left to do for any agent".to_owned() } else { parts.join(", ") };
    ui.out(&format!("Applied: {parts}. Generation {}.", report.generation));
    if report.is_partial() {
        ui.out(&format!("Running `{}` again goes on with what is left.", again(task)));
    } else if plan.generation == 0 {
        ui.out("`fleet status` shows what the agents do; `fleet attach NAME` opens one.");
    }
}

fn words(outcome: &Outcome) -> (&'static str, &str) {
    match outcome {
        Outcome::Done(what) => ("done", what),
        Outcome::Failed { what, .. } => ("failed", what),
        Outcome::Skipped(why) => ("skipped", why),
        Outcome::Pending(why) => ("pending", why),
    }
}
