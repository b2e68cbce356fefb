//! The agent's environment, and its program on the agent's own `PATH`.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::StartError;
use super::secrets::Secrets;
use crate::manifest::{Manifest, SecretSource};
use crate::system::service::local::KEEPER;

/// Variables that speak of the shim's own process, of its manager, or of a terminal that is not the agent's.
const NOT_INHERITED: &[&str] = &[
    "NOTIFY_SOCKET",
    "INVOCATION_ID",
    "JOURNAL_STREAM",
    "TMUX",
    "TMUX_PANE",
    "STY",
    "MANAGERPID",
    "SYSTEMD_EXEC_PID",
    KEEPER,
];
const NOT_INHERITED_PREFIXES: &[&str] = &["WATCHDOG_", "LISTEN_", "TERM_PROGRAM"];

/// Where programs are looked for when the agent has no `PATH` (the default of execvp(3)).
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// What the agent gets, from what the shim got.
pub(super) fn build(
    inherited: impl Iterator<Item = (OsString, OsString)>,
    manifest: &Manifest,
    nonce: &str,
    secrets: &Secrets,
) -> BTreeMap<OsString, OsString> {
    let launch = &manifest.launch;
    let dropped = |name: &OsStr| {
        let bytes = name.as_bytes();
        let is = |other: &str| bytes == other.as_bytes();
        NOT_INHERITED.iter().any(|other| is(other))
            || NOT_INHERITED_PREFIXES.iter().any(|prefix| bytes.starts_with(prefix.as_bytes()))
            || launch.unset.iter().any(|other| is(other))
            || launch.secrets.iter().any(|secret| matches!(&secret.from, SecretSource::Env(other) if is(other)))
    };
    let mut environment: BTreeMap<OsString, OsString> = inherited.filter(|(name, _)| !dropped(name)).collect();
    let mut set = |name: &str, value: &OsStr| environment.insert(name.into(), value.to_owned());
    set("TERM", launch.terminal.term.as_ref());
    set("COLORTERM", "truecolor".as_ref());
    set("FLEET_ID", manifest.fleet.as_str().as_ref());
    set("FLEET_AGENT", manifest.agent.as_str().as_ref());
    set("FLEET_FILE", manifest.roster.as_os_str());
    set("FLEET_AGENT_DIR", manifest.folder.as_os_str());
    set("FLEET_SOCKET", manifest.socket.as_os_str());
    set("FLEET_RUN_NONCE", nonce.as_ref());
    environment.extend(secrets.variables());
    environment
}

/// The program of `argv[0]`, as the agent itself would find it.
pub(super) fn find_program(
    name: &str,
    environment: &BTreeMap<OsString, OsString>,
    dir: &Path,
) -> Result<PathBuf, StartError> {
    if name.is_empty() {
        return Err(StartError::config("the manifest's argv starts with an empty word: apply the roster again"));
    }
    if name.contains('/') {
        let program = dir.join(name);
        return if runs(&program) {
            Ok(program)
        } else {
            Err(StartError::config(format!(
                "{} is not an executable file: install the agent there, or correct its command in the roster",
                program.display()
            )))
        };
    }
    let path = environment.get(OsStr::new("PATH")).map_or(OsStr::new(DEFAULT_PATH), OsString::as_os_str);
    std::env::split_paths(path).map(|folder| dir.join(folder).join(name)).find(|program| runs(program)).ok_or_else(
        || {
            StartError::config(format!(
                "{name} is not on the agent's PATH ({}): install it, or give the agent another PATH in the roster",
                path.display()
            ))
        },
    )
}

fn runs(program: &Path) -> bool {
    program.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}
