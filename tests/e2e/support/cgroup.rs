//! Control groups of a test's own. A user manager that is started in the root group takes the whole machine for its own
//! and moves every process into a scope, so it never starts anywhere else.

use std::fs;
use std::os::unix::fs::{OpenOptionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use fleet::system::proc::{Handle, identify};
use nix::sys::signal::Signal;

use super::user::Account;

const ROOT: &str = "/sys/fs/cgroup";
/// Version 1 hierarchies that systemd uses, and the version 2 tree beside them.
const HIERARCHIES: &[&str] =
    &["systemd", "unified", "cpu", "cpuacct", "memory", "pids", "blkio", "devices", "freezer"];
const PREFIX: &str = "fleet-e2e-";

static COUNTER: AtomicU32 = AtomicU32::new(0);

/// The same group in every hierarchy.
pub struct Cgroups {
    groups: Vec<PathBuf>,
}

/// The writable tops of all hierarchies.
fn tops() -> Vec<PathBuf> {
    let root = Path::new(ROOT);
    let mut tops: Vec<PathBuf> = HIERARCHIES.iter().map(|name| root.join(name)).collect();
    if root.join("cgroup.controllers").exists() {
        tops.push(root.to_owned());
    }
    tops.retain(|top| nix::unistd::access(&top.join("cgroup.procs"), nix::unistd::AccessFlags::W_OK).is_ok());
    tops
}

pub fn procs_file(cgroup: &Path) -> fs::File {
    let path = cgroup.join("cgroup.procs");
    let options = fs::OpenOptions::new().write(true).custom_flags(nix::libc::O_CLOEXEC).clone();
    options.open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

impl Cgroups {
    /// Makes the group, given to `owner` when there is one.
    pub fn make(suffix: &str, owner: Option<&Account>) -> Self {
        sweep();
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}{}-{number}{suffix}", std::process::id());
        let mut groups = Vec::new();
        for top in tops() {
            let group = top.join(&name);
            if fs::create_dir(&group).is_err() {
                continue;
            }
            if let Some(owner) = owner {
                for file in ["", "cgroup.procs", "tasks", "cgroup.subtree_control", "cgroup.threads"] {
                    // Which of them exist depends on the version.
                    let _ = chown(group.join(file), Some(owner.uid), Some(owner.gid));
                }
            }
            groups.push(group);
        }
        // A manager finds its own place by these; one that is missing would make it take the hierarchy's root.
        let mut needed: Vec<_> = ["systemd", "unified", ""].iter().map(|name| Path::new(ROOT).join(name)).collect();
        needed.retain(|top| top.join("cgroup.procs").exists());
        assert!(
            !needed.is_empty() && needed.iter().all(|top| groups.contains(&top.join(&name))),
            "no control group can be made in all of {needed:?}, and a user manager must not start without its own: run \
             the tests where root may write there (a container needs `--privileged` or a delegated cgroup)"
        );
        Self { groups }
    }

    pub fn procs(&self) -> &[PathBuf] {
        &self.groups
    }

    /// Kills what is still inside and removes the groups.
    pub fn end(&self) {
        for group in &self.groups {
            end(group);
        }
    }
}

/// Every group below and including `group`, deepest first.
fn tree(group: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(group).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.extend(tree(&entry.path()));
        }
    }
    found.push(group.to_owned());
    found
}

fn end(group: &Path) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while group.exists() && Instant::now() < deadline {
        for group in tree(group) {
            for pid in fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default().lines() {
                let process = pid.parse().ok().and_then(identify);
                if let Some(Ok(Some(handle))) = process.as_ref().map(Handle::open) {
                    let _ = handle.signal(Signal::SIGKILL);
                    let _ = handle.wait_until(deadline);
                }
            }
            let _ = fs::remove_dir(&group);
        }
    }
}

/// Removes the groups of test processes that were killed.
fn sweep() {
    for top in tops() {
        for entry in fs::read_dir(&top).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let owner =
                name.to_str().and_then(|name| name.strip_prefix(PREFIX)).and_then(|rest| rest.split('-').next());
            if let Some(pid) = owner.and_then(|pid| pid.parse().ok())
                && identify(pid).is_none()
            {
                end(&entry.path());
            }
        }
    }
}
