//! `fleet rollback`.

use super::carry::{self, Task};
use super::prepare::Wanted;
use crate::cli::args::{Global, Rollback, Shared};
use crate::cli::error::{CliError, Exit};
use crate::cli::target;
use crate::cli::ui::Ui;

pub fn run(ui: &Ui, global: &Global, args: &Rollback) -> Result<Exit, CliError> {
    let target = target::find_quietly(global)?;
    let kept = target.state.sourced_generations();
    let now = target.ledger.generation;
    let number = match args.generation {
        Some(number) => number,
        None => *kept.iter().rev().find(|number| **number < now).ok_or_else(|| {
            CliError::failed(
                format!("fleet {} has no generation before {now} to go back to", target.ledger.fleet),
                "`fleet history` lists what is kept",
            )
        })?,
    };
    let shared = Shared { json: args.json, ..Shared::default() };
    let wanted = Wanted { shared, generation: Some(number), ..Wanted::default() };
    let exit = carry::run(ui, global, &Task { command: "fleet rollback", wanted, carry: &args.carry, saved: None })?;
    if exit == Exit::Ok && !args.json {
        let roster = target.ledger.roster.display();
        ui.note(&format!("{roster} was not touched: the next `fleet apply` brings back what it says."));
    }
    Ok(exit)
}
