//! Under the local manager, a shim that is killed: what its agent has left is ended, and nothing else is.

use std::fs;
use std::process::{Command, Stdio};

use fleet::manifest::ProcessId;
use fleet::system::proc::{Handle, identify, is_alive};
use nix::sys::signal::Signal;

use crate::support::{As, wait_for};
use crate::world::{Manager, World};

/// In a session of its own, deaf to what a lost terminal and a polite request say. It leaves a child of its own.
const DEAF: &str = "trap '' TERM HUP; sleep 100000 & echo $! >child.tmp; mv child.tmp child; echo $$ >left.tmp; mv left.tmp left; while :; do sleep 1; done";

fn roster() -> String {
    let agent = format!(
        "if [ -s left ] && kill -0 $(cat left) 2>/dev/null; then echo both >overlap; fi; rm -f left child; \
         setsid sh -c '{}' & exec sleep 100000",
        DEAF.replace('\'', "'\\''")
    );
    format!(
        "fleet \"shop\" version=1 supervise=#true\nfloor \"exempt\" reason=\"a test\"\n\
         defaults {{ stop-timeout \"5s\"; restart \"on-failure\" delay=\"100ms\" burst=3 within=\"10m\"; }}\n\
         agent \"coder\" {{ role \"coder\"; runtime \"command\" {{ argv \"sh\" \"-c\" {agent:?}; }}; }}\n"
    )
}

/// The process whose number the agent has written into `file`.
fn written(world: &World, file: &str) -> ProcessId {
    let read = || fs::read_to_string(world.folder.join(file)).ok()?.trim().parse().ok().and_then(identify);
    wait_for(file, || read().is_some());
    read().unwrap()
}

fn kill(process: &ProcessId) {
    Handle::open(process).unwrap().expect("it runs").signal(Signal::SIGKILL).unwrap();
}

/// Processes that this test has started, which nothing of it may outlive.
#[derive(Default)]
struct Own(Vec<ProcessId>);

impl Drop for Own {
    fn drop(&mut self) {
        for handle in self.0.iter().filter_map(|process| Handle::open(process).ok().flatten()) {
            let _ = handle.signal(Signal::SIGKILL);
        }
    }
}

#[test]
fn what_a_killed_shim_leaves_is_ended_before_the_next_run_and_nothing_else() {
    let world = World::new(As::User, Manager::Local);
    world.roster(&roster());
    world.apply(&["--yes"], 0);
    let (left, child) = (written(&world, "left"), written(&world, "child"));
    let mut own = Own(vec![left.clone(), child.clone()]);

    // A look-alike: the same words, the same variables, started after the agent and left alone by its parent, too.
    let folder = tempfile::tempdir().unwrap();
    let look_alike = Command::new("setsid")
        .args(["-f", "sh", "-c", DEAF])
        .current_dir(folder.path())
        .envs([("FLEET_ID", "shop"), ("FLEET_AGENT", "coder")])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(look_alike.success());
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).ok()?.trim().parse().ok().and_then(identify);
    wait_for("the look-alike", || read("left").is_some() && read("child").is_some());
    let foreign = [read("left").unwrap(), read("child").unwrap()];
    own.0.extend(foreign.clone());

    let first = world.pid("coder");
    kill(&identify(u32::try_from(first).unwrap()).unwrap());
    wait_for("the end of what it left", || !is_alive(&left) && !is_alive(&child));
    wait_for("another run", || world.agent("coder")["pid"].as_u64().is_some_and(|pid| pid != first));
    let second = written(&world, "left");
    own.0.push(second.clone());
    assert_ne!(second, left);
    assert!(!world.folder.join("overlap").exists(), "the next run began beside what the last one left");
    let words = fs::read_to_string(world.state_folder().join("shop/agents/coder/shim.err")).unwrap();
    assert!(words.contains("processes of its agent are left") && words.contains(&left.pid.to_string()), "{words}");

    // Without a supervisor that starts it anew it is the same.
    let (third, inner) = (world.pid("coder"), written(&world, "child"));
    own.0.push(inner.clone());
    world.fleet(&["stop", "coder"], 0);
    assert!(!is_alive(&second) && !is_alive(&inner), "a stop leaves nothing");
    world.fleet(&["start", "coder"], 0);
    wait_for("a third run", || world.agent("coder")["pid"].as_u64().is_some_and(|pid| pid != third));
    let shim = world.agent("coder")["pid"].as_u64().unwrap();
    let (left, child) = (written(&world, "left"), written(&world, "child"));
    own.0.extend([left.clone(), child.clone()]);
    kill(&identify(u32::try_from(shim).unwrap()).unwrap());
    world.fleet(&["stop", "coder"], 0);
    wait_for("the end of what it left", || !is_alive(&left) && !is_alive(&child));

    for process in &foreign {
        assert!(is_alive(process), "a stranger was hit");
    }
    world.fleet(&["destroy", "--yes"], 0);
}
