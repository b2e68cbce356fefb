//! `fleet destroy`.

use crate::apply::{destroy, observe, state};
use crate::cli::args::{Destroy, Global};
use crate::cli::error::{CliError, Exit};
use crate::cli::facts;
use crate::cli::handover::hand_over;
use crate::cli::target;
use crate::cli::ui::Ui;
use crate::plan::destroy::{Destruction, destruction};
use crate::plan::files::ConflictKind;
use crate::plan::show::{plural, tilde};
use crate::plan::worktree;

pub fn run(ui: &Ui, global: &Global, args: &Destroy) -> Result<Exit, CliError> {
    if args.all {
        return all(ui, args);
    }
    let home = facts::gather()?.home;
    if let Some(left) = target::without_ledger(global)? {
        let lock = left.lock("fleet destroy")?;
        drop(lock);
        destroy::remove_traces(&left);
        ui.out(&format!("Fleet {} is gone: removed what an interrupted command had left.", left.fleet));
        return Ok(Exit::Ok);
    }
    let target = target::find_quietly(global)?;
    if super::view::is_inside(&target) {
        let message = "this is the fleet's own view, which would end in the middle of it; nothing was removed";
        return Err(CliError::refused(message, "leave the view with C-b d, then run `fleet destroy` again"));
    }
    if let Some(exit) = hand_over(ui, &target.state, &target.ledger, &|_| true, false)? {
        return Ok(exit);
    }
    let lock = target.state.lock("fleet destroy")?;
    let manager = target.manager()?;
    let mut ledger = target.state.ledger()?.unwrap_or(target.ledger);
    let live = observe::observe(&target.state, &[], Some(&ledger), manager.manager.as_ref())?;
    let plan = destruction(&ledger, &live);
    let mut said = text(&plan, &target.state.paths.state, &home);
    if target.state.paths.view_socket().exists() {
        said.push_str(" Closes its view.");
    }
    ui.out(&said);
    let edited = plan.conflicts.iter().find(|conflict| conflict.kind == ConflictKind::EditedByHand);
    if let Some(edited) = edited.filter(|_| !args.overwrite) {
        let message = format!("{} was edited by hand; nothing was removed", tilde(&edited.path, &home));
        return Err(CliError::refused(message, "save what you need of it, then add --overwrite"));
    }
    consent(ui, &plan, args)?;
    let done = destroy::run(&target.state, &manager, &mut ledger, &plan, args.keep_logs, &|text| ui.step(text))
        .map_err(|error| {
            let help = error.help().unwrap_or_else(|| "run `fleet destroy` again when that is mended".to_owned());
            CliError::new(Exit::Partial, format!("some of the fleet is still there: {error}"), help)
        })?;
    drop(lock);
    destroy::remove_folder(&target.state);
    ui.out(&format!("Fleet {} is gone: {} stopped.", plan.fleet, plural(done.stopped.len(), "agent", "agents")));
    let worktrees: Vec<_> = ledger.agents.values().filter_map(worktree::kept).filter(|path| path.is_dir()).collect();
    if !worktrees.is_empty() {
        ui.out("Left, because they may hold work: the worktrees (`git worktree remove` takes one away)");
        for path in worktrees {
            ui.out(&format!("  {}", tilde(path, &home)));
        }
    }
    if !done.kept.is_empty() {
        ui.out("Left, because fleet did not write it or was told to keep it:");
        done.kept.iter().for_each(|path| ui.out(&format!("  {}", tilde(path, &home))));
    }
    Ok(Exit::Ok)
}

/// Every fleet of this user, one after the other. One that stays does not keep the others.
fn all(ui: &Ui, args: &Destroy) -> Result<Exit, CliError> {
    let fleets = state::applied(&facts::gather()?.state_base);
    if fleets.is_empty() {
        ui.out("No fleet is applied on this machine.");
        return Ok(Exit::Ok);
    }
    let mut ends = Vec::new();
    for fleet in &fleets {
        let global = Global { file: None, fleet: Some(fleet.to_string()) };
        match run(ui, &global, &Destroy { all: false, ..args.clone() }) {
            Ok(exit) => ends.push(exit),
            Err(error) => {
                ui.error(&error);
                ends.push(error.exit);
            }
        }
    }
    let first = ends[0];
    Ok(if ends.iter().all(|end| *end == first) { first } else { Exit::Partial })
}

/// So many agents are named when many are stopped.
const NAMED: usize = 10;

fn text(plan: &Destruction, state: &std::path::Path, home: &std::path::Path) -> String {
    let names: Vec<_> = plan.stops.iter().map(crate::ids::AgentName::as_str).collect();
    let stops = match names.get(..NAMED) {
        _ if names.is_empty() => "no agent runs".to_owned(),
        // A thousand names hide what else is said.
        Some(first) if names.len() > NAMED => {
            format!("stops {} agents, {} and {} more", names.len(), first.join(", "), names.len() - NAMED)
        }
        _ => format!("stops {}", names.join(", ")),
    };
    let units = plan.files.iter().filter(|change| change.is_unit()).count();
    format!(
        "Destroys fleet {}: {stops}; removes {} and {} with everything fleet keeps in {}.",
        plan.fleet,
        plural(units, "unit", "units"),
        plural(plan.files.len() - units, "file", "files"),
        tilde(state, home)
    )
}

fn consent(ui: &Ui, plan: &Destruction, args: &Destroy) -> Result<(), CliError> {
    if args.yes {
        return Ok(());
    }
    if !ui.is_interactive() {
        let message = "nobody is here to agree; nothing was removed";
        return Err(CliError::refused(message, "run `fleet destroy --yes`"));
    }
    match ui.ask(&format!("Type the fleet's id ({}) to go on:", plan.fleet)) {
        Some(answer) if answer == plan.fleet.as_str() => Ok(()),
        _ => Err(CliError::refused("not agreed; nothing was removed", "")),
    }
}
