//! Agents that want more than their roster lets them have, under systemd.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::watched::{Watched, canary, command};
use crate::world::Manager;

/// The file that says how much memory the group of `pid` may have. `None`: this machine gives user managers no say over memory.
fn memory_limit(pid: u64) -> Option<PathBuf> {
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let files = groups.lines().filter_map(|line| {
        let (controllers, group) = line.split_once(':')?.1.split_once(':')?;
        let group = group.trim_start_matches('/');
        match controllers {
            "memory" => Some(Path::new("/sys/fs/cgroup/memory").join(group).join("memory.limit_in_bytes")),
            "" => Some(Path::new("/sys/fs/cgroup").join(group).join("memory.max")),
            _ => None,
        }
    });
    files.into_iter().find(|file| file.exists())
}

const LIMIT: &str = "limits memory=\"96M\";";
const BOMB: &str = "python3 -c 'held = [bytearray(1 << 20) for _ in range(4096)]'";

/// Who takes more memory than it may have is ended, and nobody else; a tool of its own that does costs only the tool.
#[test]
fn a_memory_bomb_goes_off_in_its_own_agent() {
    let tool = format!("{BOMB}; echo the tool ended with $?; exec sleep 100000");
    let lit = "until [ -e lit ]; do sleep 0.05; done";
    let agents = command("bomb", LIMIT, &format!("{lit}; exec {BOMB}"))
        + &command("tool", LIMIT, &format!("{lit}; {tool}"))
        + &canary("other", "", "repeat 100000 { wait; };");
    let fleet = Watched::new(Manager::Systemd, &agents);
    fleet.is("other", "idle");
    let names = ["tool", "other"];
    let pids = || (fleet.pid(), names.map(|name| (fleet.world.pid(name), fleet.child(name))));
    let (before, bomb) = (pids(), fleet.world.pid("bomb"));
    let file =
        memory_limit(bomb).filter(|file| fs::read_to_string(file).is_ok_and(|limit| limit.trim() == "100663296"));
    if file.is_none() {
        // Nothing would hold the bomb but the machine's own memory.
        let why = "not lit: user managers have no say over memory here, so no limit of a unit's holds it";
        writeln!(std::io::stderr(), "{why}").unwrap();
        return fleet.destroy();
    }
    fs::write(fleet.world.folder.join("lit"), "").unwrap();
    fleet.until("tool", "its tool is ended and it goes on", || fleet.log("tool").contains("the tool ended with 137"));
    fleet.wait_decided("bomb", "restart", "signal 9, out of memory");
    fleet.comes_back("bomb", bomb);
    assert!(!fleet.deaths("bomb").is_empty());
    assert_eq!(pids(), before);
    fleet.destroy();
}
