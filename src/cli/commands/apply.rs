//! `fleet apply`.

use super::carry::{self, Task};
use super::prepare::Wanted;
use super::saved;
use crate::cli::args::{Apply, Global, Select};
use crate::cli::error::{CliError, Exit};
use crate::cli::ui::Ui;

pub fn run(ui: &Ui, global: &Global, args: &Apply) -> Result<Exit, CliError> {
    let mut wanted = Wanted { shared: args.shared.clone(), select: args.select.clone(), ..Wanted::default() };
    let Some(path) = &args.plan else {
        return carry::run(ui, global, &Task { command: "fleet apply", wanted, carry: &args.carry, saved: None });
    };
    let saved = saved::read(path)?;
    saved::check_global(&saved, global)?;
    wanted.select = Select { only: saved.only.clone(), exclude: saved.exclude.clone() };
    wanted.shared.manager = Some(saved.manager.into());
    let global = Global { file: Some(saved.roster.clone()), fleet: None };
    carry::run(ui, &global, &Task { command: "fleet apply", wanted, carry: &args.carry, saved: Some(&saved) })
}
