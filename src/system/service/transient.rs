//! A command in a transient unit of its own, outside the control group of whoever asks for it (systemd-run(1)).

use std::ffi::OsString;
use std::process::{Command, ExitStatus};

use super::ManagerError;

/// Variables without which a command would not find the same fleet.
const KEPT: &[&str] = &[
    "HOME",
    "PATH",
    "LANG",
    "LC_ALL",
    "TERM",
    "NO_COLOR",
    "COLUMNS",
    "XDG_STATE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_RUNTIME_DIR",
    "FLEET_FILE",
];

/// Runs `argv` as the unit `name`, with the caller's standard streams, and waits for it. Whoever waits may be killed
/// meanwhile; the unit goes on.
///
/// # Errors
/// When the unit cannot be started.
pub fn run(name: &str, argv: &[OsString]) -> Result<ExitStatus, ManagerError> {
    let failed = |what: String| {
        let help = "run the command outside the fleet's agents";
        ManagerError::new(format!("start the transient unit {name}"), what, help)
    };
    let mut command = Command::new("systemd-run");
    command.args(["--user", "--quiet", "--collect", "--pipe", "--wait", "--same-dir"]).arg(format!("--unit={name}"));
    for variable in KEPT {
        if std::env::var_os(variable).is_some() {
            command.arg(format!("--setenv={variable}"));
        }
    }
    let status = command.arg("--").args(argv).status().map_err(|error| failed(error.to_string()))?;
    match status.code() {
        Some(_) => Ok(status),
        None => Err(failed(status.to_string())),
    }
}
