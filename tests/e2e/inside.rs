//! Commands that agents run on their own fleet.

use std::fs;

use crate::support::{As, wait_for};
use crate::world::{Manager, World};

/// An agent that does what stands in `do.sh` as soon as there is such a file, once for each file.
fn roster(world: &World, extra: &str) -> String {
    let script = "while :; do if [ -f do.sh ]; then mv -f do.sh done.sh; sh done.sh >said 2>&1; echo $? >code; fi; sleep 0.05; done";
    format!(
        "fleet \"shop\" version=1 supervise=#false\nfloor \"exempt\" reason=\"x\"\ndefaults {{ stop-timeout \"5s\"; restart \"never\"; }}\nagent \"one\" {{ role \"coder\"; path \"{}\" \"/usr/bin\" \"/bin\"; {extra} runtime \"command\" {{ argv \"sh\" \"-c\" {script:?}; }}; }}\nagent \"other\" {{ role \"coder\"; runtime \"canary\"; }}\n",
        world.program().parent().unwrap().display(),
    )
}

/// Lets the agent run `command`, and waits until `done`.
fn run_inside(world: &World, command: &str) {
    for name in ["said", "code"] {
        let _ = fs::remove_file(world.folder.join(name));
    }
    fs::write(world.folder.join("do.tmp"), format!("{command}\n")).unwrap();
    fs::rename(world.folder.join("do.tmp"), world.folder.join("do.sh")).unwrap();
}

fn said(world: &World) -> String {
    fs::read_to_string(world.folder.join("said")).unwrap_or_default()
}

/// The apply outlives the agent that asked for it, and finishes.
#[test]
fn an_apply_that_ends_its_own_agent_goes_on() {
    for who in As::all() {
        let world = World::new(*who, Manager::Systemd);
        world.roster(&roster(&world, ""));
        world.apply(&[], 0);
        let (own, other) = (world.pid("one"), world.pid("other"));
        // Without a word from anybody it does nothing.
        world.roster(&roster(&world, "env \"A\" \"1\";"));
        run_inside(&world, "fleet apply --restart=now </dev/null");
        wait_for("the refusal", || {
            fs::read_to_string(world.folder.join("code")).is_ok_and(|code| code.trim() == "6")
        });
        assert_eq!(world.pid("one"), own);
        run_inside(&world, "fleet apply --restart=now --yes </dev/null");
        wait_for(&format!("the restart: {}", said(&world)), || {
            let agent = world.agent("one");
            agent["pid"].as_u64().is_some_and(|pid| pid != own) && agent["state"] != "stopped"
        });
        wait_for("the apply's end", || {
            world.fleet(&["history"], 0).lines().next().is_some_and(|line| line.contains("done"))
        });
        assert!(said(&world).contains("goes on as the unit fleet-shop-hand-over-"), "{}", said(&world));
        assert_eq!(world.pid("other"), other);
        world.assert_nothing_to_do();
        let before = world.pid("one");
        run_inside(&world, "fleet restart one </dev/null");
        wait_for(&format!("the second restart: {}", said(&world)), || {
            let agent = world.agent("one");
            agent["pid"].as_u64().is_some_and(|pid| pid != before) && agent["state"] != "stopped"
        });
        run_inside(&world, "fleet destroy --yes </dev/null");
        wait_for(&format!("the end of the fleet: {}", said(&world)), || !world.state_folder().join("shop").exists());
    }
}

/// Nobody could carry it to its end there.
#[test]
fn the_local_manager_refuses_what_would_end_the_command() {
    let world = World::new(As::User, Manager::Local);
    world.roster(&roster(&world, ""));
    world.apply(&[], 0);
    let own = world.pid("one");
    world.roster(&roster(&world, "env \"A\" \"1\";"));
    run_inside(&world, "fleet apply --restart=now --yes </dev/null");
    wait_for("the refusal", || fs::read_to_string(world.folder.join("code")).is_ok_and(|code| code.trim() == "6"));
    assert!(said(&world).contains("--exclude one"), "{}", said(&world));
    assert_eq!(world.pid("one"), own);
    run_inside(&world, "fleet stop one");
    wait_for("the stop", || world.agent("one")["state"] == "stopped");
    world.fleet(&["destroy", "--yes"], 0);
}
