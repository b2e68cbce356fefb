//! Facts about the host, gathered once.

use std::path::{Path, PathBuf};

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
    // An agent has the service manager's environment, and belongs to the fleet that it sits in all the same.
    let own = || folder("FLEET_AGENT_DIR").as_deref().and_then(state_home_of);
    let state = folder("XDG_STATE_HOME").or_else(own).unwrap_or_else(|| home.join(".local/state"));
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

/// Of an agent's folder, `STATE/fleet/ID/agents/NAME`.
fn state_home_of(agent: &Path) -> Option<PathBuf> {
    let [agents, fleet] = [1, 3].map(|up| agent.ancestors().nth(up).and_then(Path::file_name));
    (agents? == "agents" && fleet? == "fleet").then(|| agent.ancestors().nth(4).map(Path::to_path_buf))?
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::state_home_of;

    #[test]
    fn an_agents_folder_tells_of_its_state_folder() {
        let found = |text: &str| state_home_of(Path::new(text)).map(|path| path.display().to_string());
        assert_eq!(found("/home/ada/own/fleet/shop/agents/coder").as_deref(), Some("/home/ada/own"));
        for other in ["/home/ada/coder", "/", "/a/fleet/shop/agent/coder", "/a/b/shop/agents/coder"] {
            assert_eq!(found(other), None, "{other}");
        }
    }
}
