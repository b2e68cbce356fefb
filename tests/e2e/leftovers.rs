//! Nothing stays where it should not: secrets of killed shims, units of a manager that was left, folders of an apply that
//! came to nothing.

use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::{As, LONG, output, wait_for};
use crate::world::{Manager, World};

fn roster(agents: &str) -> String {
    format!(
        "fleet \"shop\" version=1 supervise=#false\nfloor \"exempt\" reason=\"x\"\ndefaults {{ runtime \"canary\"; stop-timeout \"5s\"; restart \"never\"; }}\n{agents}"
    )
}

const SECRET: &str = "agent \"one\" { role \"coder\"; secret \"KEY\" from=\"file:key\"; }\n";
const OTHER: &str = "agent \"two\" { role \"coder\"; }\n";

/// Kills the shim of `one`, so that it cannot tidy up.
fn kill_shim(world: &World) {
    let pid = world.pid("one");
    kill(Pid::from_raw(i32::try_from(pid).unwrap()), Signal::SIGKILL).unwrap();
    wait_for("its end is seen", || world.agent("one")["state"] == "stopped");
}

#[test]
fn credentials_of_a_killed_shim_go_with_stop_removal_and_destroy() {
    for kind in [Manager::Systemd, Manager::Local] {
        let world = World::new(As::User, kind);
        fs::write(world.folder.join("key"), "value-of-a-canary\n").unwrap();
        let sockets = world.manager.variable("XDG_RUNTIME_DIR").join("fleet/shop");
        let secrets = sockets.join("one.secrets");
        let is_gone = || !secrets.exists() && !sockets.join("one.sock").exists();
        world.roster(&roster(&format!("{SECRET}{OTHER}")));
        world.apply(&[], 0);
        assert!(secrets.join("KEY").exists(), "the credential file is not where this test looks");
        kill_shim(&world);
        world.fleet(&["stop", "one"], 0);
        assert!(is_gone(), "stop left credentials under {kind:?}");
        world.fleet(&["start", "one"], 0);
        kill_shim(&world);
        world.roster(&roster(OTHER));
        world.apply(&["--yes"], 0);
        assert!(is_gone(), "removal left credentials under {kind:?}");
        world.roster(&roster(&format!("{SECRET}{OTHER}")));
        world.apply(&[], 0);
        kill_shim(&world);
        world.fleet(&["destroy", "--yes"], 0);
        assert!(!sockets.exists(), "destroy left {}", sockets.display());
    }
}

#[test]
fn a_fleet_moves_between_managers_and_leaves_nothing_behind() {
    let mut world = World::new(As::User, Manager::Systemd);
    world.roster(&roster(OTHER));
    world.apply(&[], 0);
    world.wait_for_state("two", &["idle"]);
    let before = world.pid("two");
    world.kind = Manager::Local;
    let said = world.apply(&[], 6);
    assert!(said.contains("moves from systemd to the local manager"), "{said}");
    world.apply(&["--yes"], 0);
    assert_ne!(world.pid("two"), before);
    assert_eq!(world.loaded_units(), "", "systemd still knows the fleet");
    world.assert_nothing_to_do();
    world.wait_for_state("two", &["idle"]);
    world.kind = Manager::Systemd;
    world.apply(&["--yes"], 0);
    world.wait_for_state("two", &["idle"]);
    world.assert_nothing_to_do();
    world.fleet(&["destroy", "--yes"], 0);
    assert_eq!(world.loaded_units(), "");
}

#[test]
fn a_pending_restart_is_forgotten_when_it_is_not_needed_any_more() {
    let world = World::new(As::User, Manager::Local);
    world.roster(&roster(OTHER));
    world.apply(&[], 0);
    world.wait_for_state("two", &["idle"]);
    let changed = OTHER.replace("role", "env \"A\" \"1\"; role");
    world.roster(&roster(&changed));
    // Left for later, it interrupts nobody and needs no word.
    let said = world.apply(&["--restart=never"], 0);
    assert!(said.contains("Nobody's work is interrupted") && said.contains("pending"), "{said}");
    assert!(world.agent("two")["pending"].is_string());
    // At once, it does.
    let said = world.apply(&["--restart=now"], 6);
    assert!(said.contains("--yes"), "{said}");
    world.roster(&roster(OTHER));
    world.apply(&[], 0);
    assert!(world.agent("two")["pending"].is_null(), "{}", world.agent("two"));
    world.assert_nothing_to_do();
    world.fleet(&["destroy", "--yes"], 0);
}

#[test]
fn an_apply_that_comes_to_nothing_leaves_nothing() {
    let world = World::new(As::User, Manager::Local);
    world.roster(&roster(OTHER));
    let alone = world.folder.join("alone");
    fs::create_dir(&alone).unwrap();
    // By another process: a file this one has open for writing may be inherited by a sibling test's child (ETXTBSY).
    assert!(std::process::Command::new("cp").arg(world.program()).arg(&alone).status().unwrap().success());
    let mut command = world.manager.command(alone.join("fleet"));
    let said = output(command.args(["apply", "--manager=local"]).current_dir(&world.folder), LONG);
    assert_eq!(said.status.code(), Some(1));
    let text = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(text.contains("fleet-shim") && text.contains("beside"), "{text}");
    assert!(!world.state_folder().join("shop").exists());
}

/// What fleet itself stopped is not "stopped by hand", however the restart went.
#[test]
fn a_restart_that_fails_is_taken_up_again() {
    for kind in [Manager::Systemd, Manager::Local] {
        let world = World::new(As::User, kind);
        let key = world.folder.join("key");
        fs::write(&key, "value-of-a-canary\n").unwrap();
        world.roster(&roster(SECRET));
        world.apply(&[], 0);
        world.roster(&roster(&SECRET.replace("role", "env \"A\" \"1\"; role")));
        fs::remove_file(&key).unwrap();
        let said = world.apply(&["--yes", "--restart=now"], 3);
        assert!(said.contains("failed") && said.contains("key"), "{said}");
        assert_eq!(world.agent("one")["healthy"], false, "{}", world.agent("one"));
        fs::write(&key, "value-of-a-canary\n").unwrap();
        let said = world.apply(&[], 0);
        assert!(said.contains("not finished"), "{said}");
        world.wait_for_state("one", &["idle"]);
        world.assert_nothing_to_do();
        world.fleet(&["destroy", "--yes"], 0);
    }
}

/// An agent that is idle now is restarted now, not when the last of the others has become idle too.
#[test]
fn the_idle_are_not_kept_waiting_for_the_busy() {
    let world = World::new(As::User, Manager::Local);
    let busy = "agent \"busy\" { role \"coder\"; runtime \"canary\" { script { busy \"1h\"; }; }; }\n";
    world.roster(&roster(&format!("{OTHER}{busy}")));
    world.apply(&[], 0);
    world.wait_for_state("two", &["idle"]);
    let (idle, other) = (world.pid("two"), world.pid("busy"));
    let changed = format!("{OTHER}{busy}").replace("role", "env \"A\" \"1\"; role");
    world.roster(&roster(&changed));
    let mut apply = world.command(&["apply", "--manager=local", "--yes", "--wait=600"]);
    let mut apply = apply.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap();
    wait_for("the idle one is restarted while the other is waited for", || {
        world.agent("two")["pid"].as_u64().is_some_and(|pid| pid != idle)
    });
    assert_eq!(world.pid("busy"), other);
    assert!(apply.try_wait().unwrap().is_none(), "the apply did not wait for the busy one");
    apply.kill().unwrap();
    apply.wait().unwrap();
    // Killed in the middle of its wait, it left nothing that the next one cannot finish.
    world.apply(&["--yes", "--restart=now"], 0);
    assert_ne!(world.pid("busy"), other);
    world.assert_nothing_to_do();
    world.fleet(&["destroy", "--yes"], 0);
}

/// Who stopped the target by hand did not ask for anything to be started.
#[test]
fn an_apply_starts_nobody_whom_the_target_stopped() {
    let world = World::new(As::User, Manager::Systemd);
    world.roster(&roster(OTHER));
    world.apply(&[], 0);
    let mut stop = world.manager.command("systemctl");
    assert!(output(stop.args(["--user", "stop", "fleet-shop.target"]), LONG).status.success());
    wait_for("the agent follows its target", || world.agent("two")["state"] == "stopped");
    world.roster(&roster(&OTHER.replace("role", "description \"changed\"; role")));
    world.apply(&[], 0);
    assert_eq!(world.agent("two")["state"], "stopped", "{}", world.agent("two"));
    world.fleet(&["start", "two"], 0);
    assert!(world.fleet(&["start", "two"], 0).contains("runs already"));
    world.fleet(&["destroy", "--yes"], 0);
}

/// A shell without the variable (cron, su) must not make every agent look changed.
#[test]
fn a_shell_without_a_runtime_folder_plans_the_same() {
    let world = World::new(As::User, Manager::Local);
    world.roster(&roster(OTHER));
    world.apply(&[], 0);
    let mut plan = world.command(&["plan", "--detailed-exitcode"]);
    let said = output(plan.env_remove("XDG_RUNTIME_DIR"), LONG);
    assert_eq!(said.status.code(), Some(0), "{}", String::from_utf8_lossy(&said.stdout));
    world.fleet(&["destroy", "--yes"], 0);
}

/// The manager's queue of notifications is short (`net.unix.max_dgram_qlen`, often 10): none may be lost.
#[test]
fn many_agents_are_ready_at_once() {
    let world = World::new(As::User, Manager::Systemd);
    let many: String = (0..60).map(|n| format!("agent \"a{n}\" {{ role \"coder\"; }}\n")).collect();
    world.roster(&roster(&many));
    let said = world.apply(&[], 0);
    assert!(said.contains("60 done"), "{said}");
    world.fleet(&["destroy", "--yes"], 0);
}

/// A restart that waits is no wish to start an agent that has ended by itself.
#[test]
fn a_pending_restart_does_not_wake_the_finished() {
    let world = World::new(As::User, Manager::Local);
    let agent = |colour: &str| {
        format!(
            "agent \"two\" {{ role \"coder\"; env \"A\" \"{colour}\"; runtime \"canary\" {{ script {{ wait; busy \"1s\"; exit 0; }}; }}; }}\n"
        )
    };
    world.roster(&roster(&agent("red")));
    world.apply(&[], 0);
    world.wait_for_state("two", &["idle"]);
    world.roster(&roster(&agent("blue")));
    world.apply(&["--restart=never"], 0);
    world.fleet(&["send", "two", "that is all"], 0);
    wait_for("it has finished", || world.agent("two")["reason"].as_str().unwrap().contains("finished"));
    world.assert_nothing_to_do();
    world.apply(&[], 0);
    assert_eq!(world.agent("two")["state"], "stopped", "a finished agent was started");
    world.fleet(&["destroy", "--yes"], 0);
}

/// Killed while the agents it restarts are stopping, it leaves work that the next apply finds, also at that very moment.
#[test]
fn a_restart_killed_while_agents_stop_is_finished_by_the_next_apply() {
    for kind in [Manager::Systemd, Manager::Local] {
        let world = World::new(As::User, kind);
        let stubborn = "agent \"two\" { role \"coder\"; stop-timeout \"3s\"; runtime \"canary\" { script { ignore \"TERM\"; print \"deaf\"; hang; }; }; }\n";
        world.roster(&roster(stubborn));
        world.apply(&[], 0);
        wait_for("it ignores the signal", || world.fleet(&["screen", "two"], 0).contains("deaf"));
        let before = world.pid("two");
        let mut restart = world.command(&["restart", "two"]);
        let mut restart = restart.stdout(std::process::Stdio::null()).spawn().unwrap();
        world.wait_for_state("two", &["stopping"]);
        restart.kill().unwrap();
        restart.wait().unwrap();
        world.apply(&[], 0);
        wait_for("it runs again", || world.agent("two")["pid"].as_u64().is_some_and(|pid| pid != before));
        wait_for("it is not on its way out", || world.agent("two")["state"] != "stopping");
        world.assert_nothing_to_do();
        assert_ne!(world.pid("two"), before);
        world.fleet(&["destroy", "--yes"], 0);
    }
}
