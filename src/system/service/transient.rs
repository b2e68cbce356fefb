//! Units that no file describes: started now, forgotten when they end (systemd-run(1)).

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use super::ManagerError;
use crate::ids::UnitName;
use crate::system::process::{self, Invocation, ProcessError};

/// Starts `argv`, a program that goes into the background by itself, in a control group of its own: never the caller's.
///
/// # Errors
/// When the user manager does not answer, or the program did not come up within `timeout`.
pub fn start(
    unit: &UnitName,
    description: &str,
    folder: &Path,
    argv: &[OsString],
    timeout: Duration,
) -> Result<(), ManagerError> {
    let action = format!("start {unit}");
    let fail = |message: String| {
        let help = "is the user manager running? `systemctl --user status` tells; `fleet doctor` looks at the rest";
        ManagerError::new(action.clone(), message, help)
    };
    let fixed = [
        "systemd-run",
        "--user",
        "--quiet",
        "--no-ask-password",
        "--collect",
        &format!("--unit={unit}"),
        &format!("--description={description}"),
        "--property=Type=forking",
        "--property=TimeoutStopSec=5s",
        "--property=UMask=0077",
    ];
    let mut words: Vec<OsString> = fixed.into_iter().map(OsString::from).collect();
    let mut place = OsString::from("--working-directory=");
    place.push(folder);
    words.extend([place, "--".into()]);
    words.extend(argv.iter().map(undollared));
    match process::run(&Invocation::new(words, timeout)) {
        Ok(finished) if finished.status.success() => Ok(()),
        Ok(finished) => {
            let said = String::from_utf8_lossy(&finished.stderr);
            let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
            Err(fail(if lines.is_empty() { finished.status.to_string() } else { lines.join("; ") }))
        }
        Err(ProcessError::NotFound { program }) => {
            Err(ManagerError::new(action, format!("{program}: no such program"), "install the package systemd"))
        }
        Err(error) => Err(fail(error.to_string())),
    }
}

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
    let status =
        command.arg("--").args(argv.iter().map(undollared)).status().map_err(|error| failed(error.to_string()))?;
    match status.code() {
        Some(_) => Ok(status),
        None => Err(failed(status.to_string())),
    }
}

/// systemd expands variables in the words of a service.
fn undollared(word: &OsString) -> OsString {
    match word.to_str() {
        Some(text) => text.replace('$', "$$").into(),
        None => word.clone(),
    }
}
