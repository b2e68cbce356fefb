//! A supervisor that does nothing any more, under systemd.

use std::fs;

use nix::sys::signal::Signal;

use crate::support::{As, LONG, output, wait_for};
use crate::watched::{HEAD, Watched, canary, strike};
use crate::world::{Manager, World};

/// Shorter than what is rendered, as a person may have it.
const OWN: &str = "[Service]\nWatchdogSec=3s\nTimeoutAbortSec=1s\n";

#[test]
fn one_that_hangs_is_replaced_and_no_agent_notices() {
    let world = World::new(As::User, Manager::Systemd);
    let unit = "fleet-shop-supervisor.service";
    let folder = world.manager.unit_folder().join(format!("{unit}.d"));
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("own.conf"), OWN).unwrap();
    world.roster(&format!(
        "{HEAD}{}{}",
        canary("listens", "", "repeat 100000 { wait; };"),
        canary("works", "", "busy \"10h\";")
    ));
    world.apply(&["--yes"], 0);
    let fleet = Watched { world };
    fleet.is("listens", "idle");
    fleet.is("works", "working");
    let pids = || ["listens", "works"].map(|name| (fleet.world.pid(name), fleet.child(name)));
    let (before, hangs) = (pids(), fleet.pid());
    // One that lives is left alone: three times its patience.
    let shown = |property: &str| {
        let mut command = fleet.world.manager.command("systemctl");
        command.args(["--user", "show", unit, "--value", "--property", property]);
        String::from_utf8(output(&mut command, LONG).stdout).unwrap().trim().to_owned()
    };
    assert_eq!(shown("WatchdogUSec"), "3s");
    let fed = || shown("WatchdogTimestampMonotonic").parse::<u64>().unwrap();
    let first = fed();
    wait_for("it is heard of for longer than the manager's patience", || fed() > first + 4_000_000);
    assert_eq!((fleet.pid(), shown("NRestarts").as_str()), (hangs, "0"));
    strike(hangs, Signal::SIGSTOP);
    wait_for("another one", || fleet.world.status()["supervisor"]["pid"].as_u64().is_some_and(|pid| pid != hangs));
    assert_eq!(shown("NRestarts"), "1");
    assert_eq!(pids(), before);
    let (id, _) = fleet.send("listens", "after-the-hang", "30");
    assert_eq!(fleet.log("listens").matches("got: after-the-hang").count(), 1, "{:?}", fleet.message(&id));
    fs::remove_dir_all(folder).unwrap();
    fleet.destroy();
}
