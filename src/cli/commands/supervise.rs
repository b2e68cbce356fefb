//! `fleet supervise`.

use crate::cli::args::Global;
use crate::cli::error::{CliError, Exit};
use crate::cli::target;
use crate::driver;

pub fn run(global: &Global) -> Result<Exit, CliError> {
    driver::run(&target::find_quietly(global)?.state)?;
    Ok(Exit::Ok)
}
