//! Facts about the host, gathered once.

use std::path::PathBuf;

use super::error::CliError;
use crate::resolve::HostFacts;
use crate::system::proc;

/// Reads the environment and `/proc`.
pub fn gather() -> Result<HostFacts, CliError> {
    let folder = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = folder("HOME")
        .or_else(|| nix::unistd::User::from_uid(nix::unistd::getuid()).ok().flatten().map(|user| user.dir))
        .ok_or_else(|| {
            CliError::failed("there is no home folder: HOME is not set to an absolute path", "set HOME")
        })?;
    let state = folder("XDG_STATE_HOME").unwrap_or_else(|| home.join(".local/state"));
    let data = folder("XDG_DATA_HOME").unwrap_or_else(|| home.join(".local/share"));
    let config = folder("XDG_CONFIG_HOME").unwrap_or_else(|| home.join(".config"));
    // A login over ssh or through su may lack the variable although the folder is there (systemd issue 34849).
    let runtime = folder("XDG_RUNTIME_DIR")
        .or_else(|| Some(PathBuf::from(format!("/run/user/{}", nix::unistd::getuid()))))
        .filter(|path| path.is_dir());
    let known = [Some(&home), Some(&state), Some(&data), Some(&config), runtime.as_ref()];
    if let Some(odd) = known.into_iter().flatten().find(|path| path.to_str().is_none()) {
        let message = format!("the path {} is not UTF-8 text, which fleet's files are written in", odd.display());
        return Err(CliError::failed(message, "set HOME or the XDG folders to paths that are"));
    }
    let hostname = proc::hostname();
    Ok(HostFacts {
        state_base: state.join("fleet"),
        data_base: data.join("fleet"),
        runtime_base: runtime.map(|path| path.join("fleet")),
        unit_base: config.join("systemd/user"),
        home,
        hostname,
        memory: memory(),
    })
}

fn memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let kilobytes: u64 = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?
        .trim()
        .strip_suffix("kB")?
        .trim()
        .parse()
        .ok()?;
    Some(kilobytes << 10)
}
