//! `fleet top`.

use crate::cli::args::Global;
use crate::cli::error::{CliError, Exit};
use crate::cli::target;
use crate::cli::ui::Ui;
use crate::driver::client;
use crate::top::{self, Look, Setup};

pub fn run(ui: &Ui, global: &Global) -> Result<Exit, CliError> {
    let target = target::find(global)?;
    let paths = &target.state.paths;
    let setup = Setup {
        fleet: target.state.fleet.clone(),
        socket: client::socket(paths),
        journal: paths.state.clone(),
        look: Look { colour: ui.paint().colour, unicode: ui.is_unicode() },
    };
    let going_on = top::run(&setup).map_err(|error| {
        let help = "`fleet status` prints once what every agent does";
        CliError::failed(error.to_string(), help)
    })?;
    for errand in going_on {
        ui.note(&format!("goes on: {errand}"));
    }
    Ok(Exit::Ok)
}
