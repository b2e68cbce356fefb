//! systemd's own opinion of the rendered units, before they are put into place.

use std::path::Path;
use std::time::Duration;

use super::ApplyError;
use crate::system::process::{self, Invocation};

/// Longest wait for `systemd-analyze`. It takes 0.1 s for 31 units.
const TIMEOUT: Duration = Duration::from_mins(1);

/// Lets `systemd-analyze verify` read the units in `folder`. Its warnings fail: an unknown directive is one that is not
/// enforced. Without the program the check is left out; the tests run it.
///
/// # Errors
/// When systemd would not take a unit as it is. Nothing was put into place then.
pub(super) fn units(folder: &Path) -> Result<(), ApplyError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let Some(program) = crate::system::proc::find_program("systemd-analyze", &path) else { return Ok(()) };
    let Ok(entries) = std::fs::read_dir(folder) else { return Ok(()) };
    let mut argv = vec![
        program.into_os_string(),
        "--user".into(),
        // With `no`, warnings about the units themselves fail and those about units they refer to do not.
        "--recursive-errors=no".into(),
        "verify".into(),
    ];
    argv.extend(entries.filter_map(|entry| Some(entry.ok()?.path().into_os_string())));
    let mut invocation = Invocation::new(argv, TIMEOUT);
    // It would start every generator of the user's environment first, which takes longer than the rest and says nothing of
    // units (seen with systemd 252: 37 ms, without them 24).
    invocation.env.push(("SYSTEMD_ENVIRONMENT_GENERATOR_PATH".into(), "/nonexistent".into()));
    let finished = process::run(&invocation).map_err(|error| {
        ApplyError::other(format!("systemd-analyze verify: {error}"), "nothing was changed; run the command again")
    })?;
    if finished.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&finished.stderr).trim().to_owned();
    let help = "nothing was changed; this is a fault in fleet: please report it with the roster that caused it";
    Err(ApplyError::other(format!("systemd does not accept the rendered units:\n{words}"), help))
}
