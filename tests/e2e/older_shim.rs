//! Agents whose shims are older than their supervisor: `fleet apply` refreshes the programs and touches no agent, so those
//! that run go on with what they were started with.

use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::Signal;

use crate::support::{As, wait_for};
use crate::watched::{HEAD, Watched, canary, strike};
use crate::world::{Manager, World};

/// The programs of this build, with another shim: one that speaks the first words only, or that of `FLEET_E2E_OLD_SHIM`.
fn with_an_old_shim() -> World {
    let mut world = World::new(As::User, Manager::Local);
    let played = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/support/first-shim");
    let shim = std::env::var_os("FLEET_E2E_OLD_SHIM").map_or(played, PathBuf::from);
    let folder = world.manager.base.join("old");
    std::fs::create_dir(&folder).unwrap();
    // By another process: see `UserManager::install`.
    for (from, name) in [(Path::new(env!("CARGO_BIN_EXE_fleet")), "fleet"), (&shim, "fleet-shim")] {
        let status = Command::new("install").arg("-m755").arg(from).arg(folder.join(name)).status().unwrap();
        assert!(status.success(), "cannot copy {}", from.display());
    }
    world.install_from(&folder);
    world
}

#[test]
fn an_older_shim_is_understood() {
    let world = with_an_old_shim();
    let names = ["a", "b"];
    let agents = names.map(|name| canary(name, "", "repeat 100000 { wait; };")).concat();
    world.roster(&format!("{HEAD}{agents}"));
    world.apply(&["--yes"], 0);
    let fleet = Watched { world };
    for name in names {
        fleet.is(name, "idle");
    }
    let arrives = |text: &str| {
        let (id, outcome) = fleet.send("a", text, "30");
        assert_eq!(
            (outcome.as_str(), fleet.log("a").matches(&format!("got: {text}")).count()),
            ("submitted", 1),
            "{id}"
        );
    };
    arrives("first");
    let (before, old) = (fleet.world.pid("a"), fleet.pid());
    // Another supervisor, to which nobody says how things stand.
    strike(old, Signal::SIGKILL);
    wait_for("it is gone", || fleet.world.status()["supervisor"]["running"] != true);
    fleet.world.apply(&["--yes"], 0);
    fleet.is("a", "idle");
    arrives("second");
    assert_eq!(fleet.world.pid("a"), before);
    // Ends are seen, and what they were.
    strike(fleet.child("a"), Signal::SIGKILL);
    fleet.comes_back("a", before);
    assert_eq!(fleet.count("a", "restart", "signal 9"), 2, "decided and started: {:#?}", fleet.decided("a"));
    fleet.is("a", "idle");
    fleet.world.fleet(&["stop", "b"], 0);
    fleet.is("b", "stopped");
    fleet.world.assert_nothing_to_do();
    fleet.destroy();
}
