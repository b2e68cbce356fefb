//! Small faults of a supervised fleet, each as it was found.

use std::fs;
use std::process::Stdio;

use fleet::system::proc::identify;
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::wait_for;
use crate::watched::{Watched, canary, command, strike};
use crate::world::Manager;

const LISTENS: &str = "repeat 100000 { wait; };";

#[test]
fn a_second_supervisor_says_who_runs_and_a_death_that_was_none_what_to_look_at() {
    let fleet = Watched::new(Manager::Local, &(canary("a", "", LISTENS) + &canary("dead", "", "exit 3")));
    let said = fleet.world.fleet(&["supervise"], 4);
    assert!(said.contains("has a supervisor already") && said.contains(&format!("pid {}", fleet.pid())), "{said}");
    assert!(said.contains("`fleet status`") && !said.contains("wait until it is done"), "{said}");

    let said = fleet.world.fleet(&["logs", "a", "--death", "1"], 1);
    assert!(said.contains("has not died") && said.contains("`fleet why a`") && !said.contains("newest 20"), "{said}");
    fleet.wait_decided("dead", "rapid-death", "does not work");
    let said = fleet.world.fleet(&["logs", "dead", "--death", "19"], 1);
    assert!(said.contains("`--death 1` is the last one, ") && said.contains(" the first that is kept"), "{said}");

    // What nobody has read is counted by the agent that it is about.
    let unread = |name: &str| fleet.world.agent(name)["unread"].clone();
    assert_eq!(unread("a"), 0);
    assert!(unread("dead").as_u64().unwrap() >= 1, "{}", fleet.world.status());
    fleet.world.fleet(&["messages"], 0);
    assert_eq!(unread("dead"), 0);
    fleet.world.fleet(&["destroy", "--yes"], 0);
}

#[test]
fn the_log_shows_the_start_and_the_end_of_every_run() {
    let script = "echo run $(cat n 2>/dev/null || echo 1); echo 2 >n; if [ -f stay ]; then sleep 100000; fi; exit 7";
    let fleet = Watched::new(Manager::Local, &command("a", "", script));
    fleet.wait_decided("a", "rapid-death", "does not work");
    let folder = fleet.world.folder.clone();
    fs::write(folder.join("stay"), "").unwrap();
    fleet.clear("a");
    wait_for("it stays", || fleet.world.agent("a")["pid"].is_u64());
    let said = || fleet.world.fleet(&["logs", "a"], 0);
    let kinds = |said: &str| -> Vec<&'static str> {
        let kind = |line: &str| match line {
            line if line.starts_with("[fleet: it started, ") => "start",
            line if line.starts_with("[fleet: it ended: exit 7, ") => "end",
            line if line.starts_with("[fleet: its shim was killed") => "killed",
            line if line.starts_with("run ") => "run",
            line => panic!("{line}"),
        };
        said.lines().map(kind).collect()
    };
    let over = ["start", "run", "end"];
    wait_for("its words", || said().lines().last().is_some_and(|line| line.starts_with("run ")));
    assert_eq!(kinds(&said()), [&over[..], &over, &over, &["start", "run"]].concat(), "{}", said());
    // A shim that is killed notes no end, and moves nobody's.
    strike(fleet.world.pid("a"), Signal::SIGKILL);
    wait_for("another run", || kinds(&said()).iter().filter(|kind| **kind == "start").count() == 5);
    wait_for("its words", || said().lines().last().is_some_and(|line| line.starts_with("run ")));
    let all = [&over[..], &over, &over, &["start", "run", "killed"], &["start", "run"]].concat();
    assert_eq!(kinds(&said()), all, "{}", said());
    fleet.world.fleet(&["destroy", "--yes"], 0);
    assert!(!fleet.state().exists(), "destroy leaves nothing of it");
}

#[test]
fn what_a_supervisor_says_is_bounded() {
    let fleet = Watched::new(Manager::Local, &canary("a", "", LISTENS));
    let (now, elder) = (fleet.state().join("supervisor.err"), fleet.state().join("supervisor.err.1"));
    let old = fleet.pid();
    strike(old, Signal::SIGKILL);
    wait_for("its end", || fleet.world.status()["supervisor"]["running"] != true);
    // A long life of words.
    fs::write(&now, "an old word\n".repeat(50_000)).unwrap();
    fleet.world.apply(&["--yes"], 0);
    assert!(fs::metadata(&now).unwrap().len() < 10_000, "it begins anew");
    assert!(fs::read_to_string(&elder).unwrap().starts_with("an old word"));
    // While it runs, too: a refused file in the inbox is one line each.
    let why = "x".repeat(200);
    for number in 0..3_000 {
        fs::write(fleet.state().join(format!("inbox/{number}-{why}.json")), "{}").unwrap();
    }
    wait_for("the words of each", || {
        let elder = fs::read_to_string(&elder).unwrap_or_default();
        elder.contains("is refused") && fs::metadata(&now).is_ok_and(|now| now.len() < 300_000)
    });
    wait_for("all are refused", || {
        let left = fs::read_dir(fleet.state().join("inbox")).into_iter().flatten().flatten();
        left.filter(|entry| entry.path().is_file()).count() == 0
    });
    let said = [&now, &elder].map(|path| fs::metadata(path).unwrap().len());
    assert!(said.iter().all(|length| *length < 300_000), "{said:?}");
    fleet.world.fleet(&["destroy", "--yes"], 0);
    assert!(!fleet.state().exists());
}

#[test]
fn a_restart_that_is_killed_halfway_is_finished_by_the_supervisor() {
    // It takes its time to end, so that the command can be killed meanwhile.
    let slow = "trap 'echo bye; sleep 1; exit 0' TERM; echo here; while :; do sleep 0.1; done";
    let fleet = Watched::new(Manager::Local, &command("slow", "", slow));
    wait_for("it runs", || fleet.world.agent("slow")["pid"].is_u64());
    let first = fleet.world.pid("slow");
    let note = fleet.state().join("pending/slow.json");
    let mut restart = fleet.world.command(&["restart", "slow"]);
    let mut restart = restart.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_for("its note", || note.exists());
    wait_for("the stop", || fleet.log("slow").contains("bye"));
    restart.kill().unwrap();
    restart.wait().unwrap();
    wait_for("its end", || identify(u32::try_from(first).unwrap()).is_none());
    wait_for("another run", || fleet.world.agent("slow")["pid"].as_u64().is_some_and(|pid| pid != first));
    assert_eq!(fleet.count("slow", "start", "a command that was killed had begun to start it"), 1);
    wait_for("the note is struck out", || !note.exists());
    assert_eq!(fleet.world.agent("slow")["healthy"], Value::Bool(true));
    fleet.world.fleet(&["destroy", "--yes"], 0);
}
