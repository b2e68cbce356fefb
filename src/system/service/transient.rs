//! A unit that no file describes: started now, forgotten when it ends (systemd-run(1)).

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use super::ManagerError;
use crate::ids::UnitName;
use crate::system::process::{Invocation, ProcessError, run};

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
    match run(&Invocation::new(words, timeout)) {
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

/// systemd expands variables in the words of a service.
fn undollared(word: &OsString) -> OsString {
    match word.to_str() {
        Some(text) => text.replace('$', "$$").into(),
        None => word.clone(),
    }
}
