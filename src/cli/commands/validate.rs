//! `fleet validate`.

use crate::cli::args::{Global, Json};
use crate::cli::error::{CliError, Exit};
use crate::cli::ui::Ui;
use crate::cli::{facts, load};
use crate::plan::show::plural;

pub fn run(ui: &Ui, global: &Global, args: &Json) -> Result<Exit, CliError> {
    let facts = facts::gather()?;
    let loaded = load::load(global, &facts)?;
    if args.json {
        ui.diagnostics_json(&loaded.diagnostics, &loaded.sources);
    } else {
        ui.diagnostics(&loaded.diagnostics, &loaded.sources);
    }
    let Some(fleet) = &loaded.fleet else { return Ok(Exit::Failed) };
    if !args.json {
        ui.out(&format!("Fleet {} is valid: {}.", fleet.id, plural(fleet.agents.len(), "agent", "agents")));
    }
    Ok(Exit::Ok)
}
