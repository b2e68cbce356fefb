//! The main job, from nothing to nothing, for root and an ordinary user, under both service managers.

use std::fs;
use std::path::Path;

use fleet::system::proc;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::{As, wait_for};
use crate::world::{Manager, World};

const ROSTER: &str = r#"
fleet "shop" version=1 supervise=#false
floor "exempt" reason="a test"
defaults {
    runtime "canary"
    restart "on-failure" delay="1s"
    stop-timeout "5s"
}
orchestrator "lead" { description "before" }
agent "worker" count=2 {
    role "generalist"
    after "lead"
    env "COLOUR" "red"
    runtime "canary" { script { repeat 1000 { busy "1h"; }; }; }
}
"#;

#[test]
fn root_under_systemd() {
    if As::all().contains(&As::Root) {
        life(&World::new(As::Root, Manager::Systemd));
    }
}

#[test]
fn an_ordinary_user_under_systemd() {
    life(&World::new(As::User, Manager::Systemd));
}

#[test]
fn root_under_the_local_manager() {
    if As::all().contains(&As::Root) {
        life(&World::new(As::Root, Manager::Local));
    }
}

#[test]
fn an_ordinary_user_under_the_local_manager() {
    life(&World::new(As::User, Manager::Local));
}

fn life(world: &World) {
    world.roster(ROSTER);
    world.fleet(&["validate"], 0);
    let said = world.apply(&[], 0);
    assert!(said.contains("3 to add") && said.contains("3 done"), "{said}");
    world.wait_for_state("lead", &["idle"]);
    world.wait_for_state("worker-1", &["working"]);
    world.assert_nothing_to_do();
    nothing_is_written_for_nothing(world);
    talks(world);
    live_changes_touch_no_process(world);
    restarts_wait_for_idle(world);
    held_agents_stay_stopped(world);
    the_dead_come_back(world);
    a_failed_start_says_why(world);
    another_roster_is_refused(world);
    removal_needs_a_word(world);
    leaves_nothing(world);
}

fn nothing_is_written_for_nothing(world: &World) {
    let before = world.fingerprint();
    let reload = (world.kind == Manager::Systemd).then(|| world.last_reload());
    world.apply(&[], 0);
    assert_eq!(world.fingerprint(), before, "an apply of nothing wrote something");
    assert_eq!((world.kind == Manager::Systemd).then(|| world.last_reload()), reload);
}

fn talks(world: &World) {
    let said = world.fleet(&["send", "lead", "hello", "there"], 0);
    assert_eq!(said.trim(), "submitted");
    wait_for("the message on the screen", || world.fleet(&["screen", "lead"], 0).contains("got: hello there"));
    world.fleet(&["send", "nobody", "x"], 1);
}

fn live_changes_touch_no_process(world: &World) {
    let pids: Vec<u64> = ["lead", "worker-1", "worker-2"].map(|name| world.pid(name)).to_vec();
    world.roster(&ROSTER.replace("before", "after it").replace("delay=\"1s\"", "delay=\"2s\""));
    let plan = world.plan();
    let lead = plan.iter().find(|line| line["agent"] == "lead" && line["type"] == "agent").unwrap();
    assert_eq!(
        (&lead["action"], &lead["effect"], &lead["interrupts"]),
        (&"change".into(), &"live".into(), &false.into()),
        "{lead}"
    );
    let fields: Vec<_> =
        lead["fields"].as_array().unwrap().iter().map(|field| field["name"].as_str().unwrap()).collect();
    assert_eq!(fields, ["description", "restart delay"]);
    let before = (world.kind == Manager::Systemd).then(|| world.last_reload());
    world.apply(&[], 0);
    if let Some(before) = before {
        assert_ne!(world.last_reload(), before, "the changed units were not read again");
    }
    assert_eq!(["lead", "worker-1", "worker-2"].map(|name| world.pid(name)).to_vec(), pids);
    world.assert_nothing_to_do();
}

fn restarts_wait_for_idle(world: &World) {
    world.wait_for_state("lead", &["idle"]);
    let (lead, worker) = (world.pid("lead"), world.pid("worker-1"));
    let roster = world
        .read_roster()
        .replace("\"red\"", "\"blue\"")
        .replace("orchestrator \"lead\" {", "orchestrator \"lead\" { env \"A\" \"1\"; ");
    world.roster(&roster);
    // Interrupting needs a word, and nobody is here to give it.
    let said = world.apply(&[], 6);
    assert!(said.contains("This interrupts 3 agents") && said.contains("--yes"), "{said}");
    assert_eq!(world.pid("lead"), lead);
    let said = world.apply(&["--yes", "--wait=0"], 0);
    assert!(said.contains("pending"), "{said}");
    assert_ne!(world.pid("lead"), lead, "the idle one is restarted");
    assert_eq!(world.pid("worker-1"), worker, "the busy one goes on");
    // A pending restart is a note, not a change.
    world.assert_nothing_to_do();
    assert!(world.plan().iter().any(|line| line["type"] == "note" && line["agent"] == "worker-1"));
    assert!(world.agent("worker-1")["pending"].is_string());
    world.apply(&["--yes", "--restart=now"], 0);
    assert_ne!(world.pid("worker-1"), worker);
    assert!(world.agent("worker-1")["pending"].is_null());
    world.assert_nothing_to_do();
}

fn held_agents_stay_stopped(world: &World) {
    let said = world.fleet(&["stop"], 64);
    assert!(said.contains("worker-1") && said.contains("--all"), "{said}");
    world.fleet(&["stop", "worker"], 0);
    for name in ["worker-1", "worker-2"] {
        assert_eq!(world.agent(name)["state"], "stopped", "{}", world.agent(name));
    }
    world.assert_nothing_to_do();
    world.apply(&[], 0);
    assert_eq!(world.agent("worker-1")["state"], "stopped", "apply started a held agent");
    world.fleet(&["start", "worker-1", "worker-2"], 0);
    world.wait_for_state("worker-1", &["working"]);
    world.assert_nothing_to_do();
    let before = world.pid("worker-2");
    world.fleet(&["restart", "worker-2"], 0);
    assert_ne!(world.pid("worker-2"), before);
}

fn the_dead_come_back(world: &World) {
    world.wait_for_state("worker-2", &["working"]);
    let before = world.pid("worker-2");
    let shim = Pid::from_raw(i32::try_from(before).unwrap());
    kill(shim, Signal::SIGKILL).unwrap();
    match world.kind {
        // systemd's own restart policy.
        Manager::Systemd => wait_for("systemd starts it again", || {
            world.agent("worker-2")["pid"].as_u64().is_some_and(|pid| pid != before)
        }),
        // Nobody restarts; the next plan says so.
        Manager::Local => {
            wait_for("its end is seen", || world.agent("worker-2")["state"] == "stopped");
            let plan = world.plan();
            let line = plan.iter().find(|line| line["agent"] == "worker-2" && line["type"] == "agent").unwrap();
            assert_eq!((&line["effect"], &line["interrupts"]), (&"start".into(), &false.into()), "{line}");
            world.apply(&[], 0);
        }
    }
    world.wait_for_state("worker-2", &["working"]);
    world.assert_nothing_to_do();
}

fn another_roster_is_refused(world: &World) {
    let other = world.folder.join("other.kdl");
    fs::write(&other, ROSTER).unwrap();
    let path = other.to_str().unwrap();
    for command in ["plan", "apply"] {
        let said = world.fleet(&[command, "--file", path], 6);
        assert!(said.contains("another roster") && said.contains("--move-roster"), "{said}");
    }
    fs::remove_file(other).unwrap();
}

fn removal_needs_a_word(world: &World) {
    let pid = world.pid("worker-2");
    let roster = world.read_roster();
    world.roster(&roster.replace("count=2", "count=1"));
    world.apply(&[], 6);
    assert_eq!(world.pid("worker-2"), pid);
    let said = world.apply(&["--yes"], 0);
    assert!(said.contains("removed"), "{said}");
    assert!(!proc_exists(pid), "the removed agent's shim is still there");
    let units = world.loaded_units();
    assert!(!units.contains("worker-2"), "{units}");
    world.assert_nothing_to_do();
    // All but one at once is a mistake more often than a wish.
    let lone = "fleet \"shop\" version=1 supervise=#false\nfloor \"exempt\" reason=\"x\"\nagent \"new\" { role \"coder\"; runtime \"canary\"; }\n";
    world.roster(lone);
    let said = world.apply(&["--yes"], 6);
    assert!(said.contains("--allow-mass-remove"), "{said}");
    world.roster(&roster.replace("count=2", "count=1"));
}

fn leaves_nothing(world: &World) {
    let pids: Vec<u64> = ["lead", "worker-1"].map(|name| world.pid(name)).to_vec();
    world.fleet(&["destroy"], 6);
    assert!(pids.iter().all(|pid| proc_exists(*pid)));
    world.fleet(&["destroy", "--yes"], 0);
    assert!(!pids.iter().any(|pid| proc_exists(*pid)), "a shim outlived the fleet");
    assert_eq!(world.loaded_units(), "");
    let left: Vec<_> = world.fingerprint().into_keys().filter(|path| is_fleets(path)).collect();
    assert!(left.is_empty(), "left behind: {left:?}");
    let sockets = world.manager.variable("XDG_RUNTIME_DIR").join("fleet");
    assert!(!sockets.exists(), "left behind: {}", sockets.display());
    world.fleet(&["status"], 1);
}

/// A start that fails says why, in the shim's own words, and harms nobody else.
fn a_failed_start_says_why(world: &World) {
    let missing = world.folder.join("missing-secret");
    let line = format!(
        "agent \"poor\" {{ role \"coder\"; runtime \"canary\"; secret \"T\" from=\"file:{}\"; }}\n",
        missing.display()
    );
    let roster = world.read_roster();
    world.roster(&(roster.clone() + &line));
    let before = world.pid("lead");
    let said = world.apply(&[], 3);
    assert!(said.contains("missing-secret") && said.contains("1 failed"), "{said}");
    assert_eq!(world.pid("lead"), before);
    assert_eq!(world.agent("poor")["healthy"], false, "{}", world.agent("poor"));
    // Once the cause is gone, the same command goes on.
    fs::write(&missing, "value-of-a-canary\n").unwrap();
    world.apply(&[], 0);
    world.wait_for_state("poor", &["idle"]);
    world.assert_nothing_to_do();
    world.roster(&roster);
    world.apply(&["--yes"], 0);
    fs::remove_file(missing).unwrap();
}

fn is_fleets(path: &Path) -> bool {
    path.to_string_lossy().contains("fleet")
}

fn proc_exists(pid: u64) -> bool {
    proc::identify(u32::try_from(pid).unwrap()).is_some()
}
