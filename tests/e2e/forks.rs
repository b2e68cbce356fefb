//! What a supervisor starts: agents, where no service manager does, and nothing else.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Stdio;

use nix::sys::signal::Signal;

use crate::support::{LONG, output, wait_for};
use crate::watched::{Watched, canary, strike};
use crate::world::Manager;

/// Processes that were made by `pid` and its threads, by what strace wrote of each in a file of its own.
fn forks(traces: &Path, pid: u64) -> Vec<String> {
    let (mut known, mut todo, mut found) = (BTreeSet::new(), vec![pid], Vec::new());
    while let Some(thread) = todo.pop() {
        if !known.insert(thread) {
            continue;
        }
        let text = fs::read_to_string(traces.join(format!("trace.{thread}"))).unwrap_or_default();
        for line in text.lines().filter(|line| !line.starts_with("execve(")) {
            let Some((call, made)) = line.rsplit_once(" = ") else { continue };
            match made.trim().parse() {
                Ok(thread) if call.contains("CLONE_THREAD") => todo.push(thread),
                Ok(0) | Err(_) => {}
                Ok(_) => found.push(line.to_owned()),
            }
        }
    }
    assert!(known.len() > 1, "a supervisor has threads: {known:?}");
    found
}

/// What it starts while it restarts one agent and carries messages, takes a new roster, is asked, and stands idle.
fn story(kind: Manager) -> Vec<String> {
    let listens = "repeat 100000 { wait; };";
    let names = ["a", "b", "c"];
    let agents = names.map(|name| canary(name, "", listens)).concat();
    let fleet = Watched::new(kind, &agents);
    for name in names {
        fleet.is(name, "idle");
    }
    let traces = fleet.world.manager.base.join("tmp/traces");
    assert!(fleet.world.manager.command("mkdir").arg(&traces).status().unwrap().success());
    if kind == Manager::Systemd {
        let mut stop = fleet.world.manager.command("systemctl");
        assert!(output(stop.args(["--user", "stop", "fleet-shop-supervisor.service"]), LONG).status.success());
    } else {
        strike(fleet.pid(), Signal::SIGTERM);
    }
    wait_for("it is gone", || fleet.world.status()["supervisor"]["running"] != true);
    let mut strace = fleet.world.manager.command("strace");
    // Whoever is started is let go: only what the supervisor itself does matters.
    strace.args(["-ff", "-qq", "-b", "execve", "-e", "trace=clone,clone3,fork,vfork", "-e", "signal=none", "-o"]);
    // The fleet's own copy: another one would be replaced by the apply.
    let program = fleet.state().join("bin/fleet");
    strace.arg(traces.join("trace")).arg("--").arg(program).args(["supervise", "--fleet", "shop"]);
    let mut strace = strace.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_for("another one", || fleet.world.status()["supervisor"]["running"] == true);
    let (own, before) = (fleet.pid(), fleet.world.pid("c"));
    strike(fleet.child("c"), Signal::SIGKILL);
    fleet.comes_back("c", before);
    for (at, name) in names.iter().cycle().take(6).enumerate() {
        fleet.is(name, "idle");
        let text = format!("word-{at}-end");
        fleet.send(name, &text, "30");
        assert_eq!(fleet.log(name).matches(&format!("got: {text}")).count(), 1);
    }
    fleet.roster(&(agents + &canary("d", "", listens)));
    fleet.world.apply(&["--yes"], 0);
    for name in ["a", "b", "c", "d"] {
        fleet.is(name, "idle");
    }
    strike(own, Signal::SIGTERM);
    assert!(strace.wait().unwrap().success());
    let found = forks(&traces, own);
    fleet.destroy();
    found
}

#[test]
fn under_systemd_it_starts_nothing() {
    assert_eq!(story(Manager::Systemd), Vec::<String>::new());
}

#[test]
fn locally_it_starts_agents_only() {
    let found = story(Manager::Local);
    assert_eq!(found.len(), 1, "one agent was started: {found:#?}");
}
