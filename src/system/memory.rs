//! Memory: how the allocator gets it, and what the kernel did for want of it.

use std::fs;
use std::path::{Path, PathBuf};

use nix::libc;

use crate::ids::UnitName;

/// Makes the heap grow by megabytes and never shrink, for a process that reads a thousand agents and ends (mallopt(3)).
pub fn grow_in_large_steps() {
    const STEP: libc::c_int = 8 << 20;
    #[cfg(target_env = "gnu")]
    for (setting, value) in [(libc::M_TOP_PAD, STEP), (libc::M_TRIM_THRESHOLD, libc::c_int::MAX)] {
        // SAFETY: has no precondition; a value that is refused changes nothing.
        unsafe { libc::mallopt(setting, value) };
    }
}

/// How many processes of this process's control group the kernel has ended for want of memory, ever. `None`: the group is not
/// that of `unit`, so that others are in it, too, or nobody counts.
///
/// systemd tells of it only on unified hierarchies, and of units with `OOMPolicy=continue` not at all.
#[must_use]
pub fn oom_kills(unit: &UnitName) -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    count(&fs::read_to_string(counter(&groups, unit)?).ok()?)
}

/// The file with the count, by what `/proc/self/cgroup` says (cgroups(7)): one line for each hierarchy.
fn counter(groups: &str, unit: &UnitName) -> Option<PathBuf> {
    let at = |base: &str, group: &str, file: &str| Path::new(base).join(group.trim_start_matches('/')).join(file);
    let files = groups.lines().filter_map(|line| {
        let (controllers, group) = line.split_once(':')?.1.split_once(':')?;
        if !Path::new(group).ends_with(unit.as_str()) {
            return None;
        }
        if controllers.is_empty() {
            Some(at("/sys/fs/cgroup", group, "memory.events"))
        } else {
            let is_memory = controllers.split(',').any(|controller| controller == "memory");
            is_memory.then(|| at("/sys/fs/cgroup/memory", group, "memory.oom_control"))
        }
    });
    files.into_iter().find(|file| file.exists())
}

/// Both versions' files have a line of it among others.
fn count(text: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix("oom_kill "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::count;

    #[test]
    fn the_count_is_found_in_the_files_of_both_versions() {
        assert_eq!(count("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"), Some(3));
        assert_eq!(count("low 0\nhigh 2\nmax 9\noom 2\noom_kill 1\noom_group_kill 0\n"), Some(1));
        assert_eq!(count("oom_kill_disable 0\nunder_oom 0\n"), None);
    }
}
