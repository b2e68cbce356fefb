//! What a boot, a drop-in and an uninstall do.

use std::fs;
use std::io::Write as _;

use crate::support::{As, LONG, output, wait_for};
use crate::world::{Manager, World};

const HEAD: &str = "fleet \"shop\" version=1 supervise=#false\nfloor \"exempt\" reason=\"x\"\ndefaults { runtime \"canary\"; stop-timeout \"5s\"; }\n";

fn roster() -> String {
    let agents = "agent \"on\" { role \"coder\"; }\nagent \"off\" { role \"coder\"; autostart #false; }\nagent \"held\" { role \"coder\"; }\n";
    format!("{HEAD}{agents}")
}

/// A boot brings back what ran and leaves alone what was stopped on purpose, and a plan has nothing to add.
#[test]
fn a_boot_starts_what_ran_and_nothing_else() {
    if !nix::unistd::geteuid().is_root() {
        let why =
            "not run: a person's own manager is not rebooted for a test; as root it runs as the ordinary user too";
        writeln!(std::io::stderr(), "{why}").unwrap();
        return;
    }
    for who in As::all() {
        let mut world = World::new(*who, Manager::Systemd);
        world.roster(&roster());
        world.apply(&[], 0);
        world.fleet(&["start", "off"], 0);
        world.fleet(&["stop", "held"], 0);
        let before = world.pid("on");
        world.manager.reboot();
        wait_for("the agent is back", || world.agent("on")["pid"].as_u64().is_some_and(|pid| pid != before));
        world.wait_for_state("on", &["idle"]);
        for name in ["off", "held"] {
            assert_eq!(world.agent(name)["state"], "stopped", "{name} as {who:?}");
        }
        assert!(world.agent("held")["reason"].as_str().unwrap().starts_with("held"), "{}", world.agent("held"));
        // What a boot does not start, the next apply does not start either.
        world.assert_nothing_to_do();
        world.fleet(&["destroy", "--yes"], 0);
        world.manager.reboot();
        assert_eq!(world.loaded_units(), "");
    }
}

#[test]
fn drop_ins_are_named_and_left_alone() {
    let world = World::new(As::User, Manager::Systemd);
    world.roster(&roster());
    world.apply(&[], 0);
    let folder = world.manager.unit_folder().join("fleet-shop-on.service.d");
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join("mine.conf");
    fs::write(&file, "[Service]\nNice=5\n").unwrap();
    let prefix = world.manager.unit_folder().join("fleet-shop-.service.d");
    fs::create_dir_all(&prefix).unwrap();
    fs::write(prefix.join("all.conf"), "[Service]\nNice=4\n").unwrap();
    let foreign = world.manager.unit_folder().join("fleet-shopper-.service.d");
    fs::create_dir_all(&foreign).unwrap();
    fs::write(foreign.join("other.conf"), "[Service]\nNice=3\n").unwrap();
    let said = world.fleet(&["plan"], 0);
    assert!(said.contains("mine.conf counts: it sets Nice of fleet-shop-on.service"), "{said}");
    assert!(said.contains("all.conf counts: it sets Nice of 3 units"), "{said}");
    assert!(!said.contains("other.conf"), "{said}");
    world.assert_nothing_to_do();
    world.fleet(&["restart", "on"], 0);
    let mut show = world.manager.command("systemctl");
    let shown = output(show.args(["--user", "show", "--property=Nice", "--value", "fleet-shop-on.service"]), LONG);
    assert_eq!(String::from_utf8_lossy(&shown.stdout).trim(), "5");
    world.fleet(&["destroy", "--yes"], 0);
    assert!(file.exists(), "a drop-in of the user's is gone");
    for folder in [folder, prefix, foreign] {
        fs::remove_dir_all(folder).unwrap();
    }
}

#[test]
fn an_uninstall_takes_every_fleet_away() {
    let world = World::new(As::User, Manager::Local);
    world.roster(&roster());
    world.apply(&[], 0);
    let second = world.folder.join("second");
    assert!(world.manager.command("mkdir").arg(&second).status().unwrap().success());
    fs::write(second.join("fleet.kdl"), roster().replace("\"shop\"", "\"mill\"")).unwrap();
    let file = second.join("fleet.kdl").display().to_string();
    world.apply(&["--file", &file], 0);
    let pids: Vec<u64> = ["shop", "mill"]
        .iter()
        .map(|fleet| {
            let said = output(&mut world.command(&["status", "--json", "--fleet", fleet]), LONG);
            let status: serde_json::Value = serde_json::from_slice(&said.stdout).unwrap();
            status["agents"].as_array().unwrap().iter().find_map(|agent| agent["pid"].as_u64()).unwrap()
        })
        .collect();
    world.fleet(&["destroy", "--all"], 6);
    let said = world.fleet(&["destroy", "--all", "--yes"], 0);
    assert!(said.contains("Fleet shop is gone") && said.contains("Fleet mill is gone"), "{said}");
    assert!(!world.state_folder().exists());
    for pid in pids {
        wait_for("its shim is gone", || !std::path::Path::new(&format!("/proc/{pid}")).exists());
    }
    world.fleet(&["destroy", "--all", "--yes"], 0);
}
