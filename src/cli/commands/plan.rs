//! `fleet plan`.

use super::prepare;
use crate::cli::args::{Global, Plan};
use crate::cli::error::{CliError, Exit};
use crate::cli::ui::Ui;

pub fn run(ui: &Ui, global: &Global, args: &Plan) -> Result<Exit, CliError> {
    let prepared = prepare::prepare(ui, global, &args.shared)?;
    let plan = &prepared.plan;
    if args.shared.json {
        plan.json_lines().iter().for_each(|line| ui.out(line));
    } else {
        ui.out(&plan.text(&prepared.home, ui.paint()));
    }
    Ok(if args.detailed_exitcode && !plan.is_empty() { Exit::Changes } else { Exit::Ok })
}
