//! `fleet show`.

use super::saved;
use crate::cli::args::Show;
use crate::cli::error::{CliError, Exit};
use crate::cli::ui::Ui;

pub fn run(ui: &Ui, args: &Show) -> Result<Exit, CliError> {
    let saved = saved::read(&args.file)?;
    if args.json {
        saved.lines.iter().for_each(|line| ui.out(&line.to_string()));
    } else {
        ui.out(&format!("A plan of {}, made on {} by fleet {}.\n", saved.made, saved.host, saved.version));
        ui.out(&saved.text);
    }
    Ok(Exit::Ok)
}
