//! A command that would end the agent in which it runs goes on in a transient unit of its own.

use std::ffi::OsString;

use super::error::{CliError, Exit};
use super::ui::Ui;
use crate::apply::ApplyError;
use crate::apply::inside::{self, HANDED_OVER};
use crate::apply::state::State;
use crate::ids::AgentName;
use crate::plan::Ledger;
use crate::system::service::{ManagerKind, transient};

/// Hands this command over when it would interrupt its own agent, and waits for it. `None`: it may go on itself.
///
/// Its own words and `--yes` go along: whoever gets here has agreed.
pub fn hand_over(
    ui: &Ui,
    state: &State,
    ledger: &Ledger,
    interrupts: &dyn Fn(&AgentName) -> bool,
    agreed: bool,
) -> Result<Option<Exit>, CliError> {
    if std::env::var_os(HANDED_OVER).is_some() {
        return Ok(None);
    }
    let Some(own) = inside::own_agent(state, ledger).filter(|own| interrupts(own)) else { return Ok(None) };
    if ledger.manager == ManagerKind::Local {
        let message =
            format!("this would end {own}, in which the command runs, and with it the command; nothing was changed");
        let help = format!("run it outside the agent, or leave the agent out with `--exclude {own}`");
        return Err(CliError::refused(message, help));
    }
    let program = std::env::current_exe().map_err(|error| {
        CliError::failed(format!("fleet cannot find its own program: {error}"), "run the command outside the agent")
    })?;
    let unit = format!("fleet-{}-hand-over-{}", state.fleet, std::process::id());
    ui.note(&format!("This ends {own}, in which the command runs: it goes on as the unit {unit}."));
    let mut argv: Vec<OsString> = vec!["env".into(), format!("{HANDED_OVER}=1").into(), program.into()];
    argv.extend(std::env::args_os().skip(1));
    if agreed && !std::env::args_os().any(|word| word == "--yes" || word == "-y") {
        argv.push("--yes".into());
    }
    let status = transient::run(&unit, &argv).map_err(ApplyError::from)?;
    let code = u8::try_from(status.code().unwrap_or(1)).unwrap_or(1);
    Ok(Some(Exit::Other(code.into())))
}
