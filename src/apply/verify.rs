//! systemd's own opinion of the rendered units, before they are put into place.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::Path;
use std::time::Duration;

use super::ApplyError;
use crate::render::{Artifact, FileKind, Owner};
use crate::system::process::{self, Invocation};

/// Longest wait for `systemd-analyze`.
const TIMEOUT: Duration = Duration::from_mins(1);

/// Lets `systemd-analyze verify` read the units in `folder`, copies of those among `artifacts`, each kind once. Its warnings fail: an
/// unknown directive is one that is not enforced. Without the program the check is left out; the tests run it.
///
/// # Errors
/// When systemd would not take a unit as it is. Nothing was put into place then.
pub(super) fn units(folder: &Path, artifacts: &[&Artifact]) -> Result<(), ApplyError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let Some(program) = crate::system::proc::find_program("systemd-analyze", &path) else { return Ok(()) };
    let mut argv = vec![
        program.into_os_string(),
        "--user".into(),
        // With `no`, warnings about the units themselves fail and those about units they refer to do not.
        "--recursive-errors=no".into(),
        "verify".into(),
    ];
    argv.extend(kinds(artifacts).into_iter().map(|name| folder.join(name).into_os_string()));
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

/// The names of the units that differ in more than the name of their agent. What systemd says of one, it says of all of its kind:
/// agents' names are of letters, digits and `-` only, which mean nothing to it. Each takes it 0.2 ms (systemd 252).
fn kinds<'a>(artifacts: &[&'a Artifact]) -> Vec<&'a OsStr> {
    let mut known = BTreeSet::new();
    let units = artifacts.iter().filter(|artifact| artifact.kind == FileKind::Unit);
    let is_new = |artifact: &&&Artifact| match &artifact.owner {
        // No text of a unit has this character.
        Owner::Agent(name) => known.insert(artifact.text.replace(name.as_str(), "\0")),
        Owner::Fleet => true,
    };
    units.filter(is_new).filter_map(|artifact| artifact.path.file_name()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::AgentName;

    #[test]
    fn units_that_differ_in_their_name_only_are_one_kind() {
        let unit =
            |owner: Owner, file: &str, text: &str| Artifact::new(owner, FileKind::Unit, file.into(), text.to_owned());
        let of = |name: &str, text: &str| {
            unit(Owner::Agent(AgentName::new(name).unwrap()), &format!("/u/fleet-shop-{name}.service"), text)
        };
        let all = [
            of("a", "Description=a of shop\nLog=/x/a/log\n"),
            of("b-2", "Description=b-2 of shop\nLog=/x/b-2/log\n"),
            of("c", "Description=c of shop\nLog=/x/c/log\nRestart=no\n"),
            // Its name is in other words as well, so it looks like nobody else.
            of("shop", "Description=shop of shop\nLog=/x/shop/log\n"),
            unit(Owner::Fleet, "/u/fleet-shop.target", "Description=fleet shop\n"),
            unit(Owner::Fleet, "/u/fleet-shop.slice", "Description=fleet shop\n"),
            Artifact::new(Owner::Fleet, FileKind::Role, "/x/role.md".into(), String::new()),
        ];
        let all: Vec<&Artifact> = all.iter().collect();
        let expected = ["a.service", "c.service", "shop.service"].map(|name| format!("fleet-shop-{name}"));
        let expected: Vec<&str> =
            expected.iter().map(String::as_str).chain(["fleet-shop.target", "fleet-shop.slice"]).collect();
        assert_eq!(kinds(&all), expected);
    }
}
