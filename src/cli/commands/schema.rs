//! `fleet schema`.

use crate::cli::args::Schema;
use crate::cli::error::{CliError, Exit};
use crate::cli::ui::Ui;
use crate::roster::{reference, schema};

#[expect(clippy::unnecessary_wraps, reason = "every command has this shape")]
pub fn run(ui: &Ui, args: &Schema) -> Result<Exit, CliError> {
    ui.out(&if args.json { schema::export::json() } else { reference::markdown() });
    Ok(Exit::Ok)
}
