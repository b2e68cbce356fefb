//! A fleet with a supervisor: what is rendered, started, restarted and taken away, and that no agent notices.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use fleet::system::proc::identify;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::support::{As, LONG, output, wait_for};
use crate::world::{Manager, World};

const NAMES: [&str; 2] = ["lead", "coder"];

fn roster(supervise: &str, stall: &str) -> String {
    format!(
        "fleet \"shop\" version=1 supervise={supervise}\nfloor \"exempt\" reason=\"x\"\n\
         defaults {{ runtime \"canary\"; stop-timeout \"5s\"; stall after=\"{stall}\"; }}\n\
         agent \"lead\" {{ role \"coder\"; }}\nagent \"coder\" {{ role \"coder\"; after \"lead\"; }}\n"
    )
}

fn both(test: impl Fn(&World)) {
    for kind in [Manager::Systemd, Manager::Local] {
        for who in As::all() {
            test(&World::new(*who, kind));
        }
    }
}

fn state(world: &World) -> PathBuf {
    world.state_folder().join("shop")
}

fn pids(world: &World) -> Vec<u64> {
    NAMES.iter().map(|name| world.pid(name)).collect()
}

fn supervisor(world: &World) -> Option<u64> {
    let status = world.status();
    let now = &status["supervisor"];
    if now["running"] == true { now["pid"].as_u64() } else { None }
}

fn the_supervisor(world: &World) -> u64 {
    supervisor(world).unwrap_or_else(|| panic!("no supervisor: {}", world.status()))
}

fn strike(pid: u64) {
    kill(Pid::from_raw(i32::try_from(pid).unwrap()), Signal::SIGKILL).unwrap();
}

fn restarting(extra: &str) -> String {
    format!(
        "fleet \"shop\" version=1 supervise=#true\nfloor \"exempt\" reason=\"x\"\n\
         defaults {{ runtime \"canary\"; stop-timeout \"5s\"; restart \"on-failure\" delay=\"100ms\"; }}\n\
         agent \"lead\" {{ role \"coder\"; }}\nagent \"coder\" {{ role \"coder\"; after \"lead\"; }}\n{extra}"
    )
}

/// What the plan does to the supervisor.
fn planned(world: &World) -> Value {
    world.plan()[0]["supervisor"]["action"].clone()
}

/// The names in a `.wants` folder.
fn wanted_by(world: &World, target: &str) -> BTreeSet<String> {
    let folder = world.manager.unit_folder().join(format!("{target}.wants"));
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().into_string().unwrap()).collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn shown(world: &World, unit: &str, property: &str) -> String {
    let mut command = world.manager.command("systemctl");
    command.args(["--user", "show", unit, "--value", "--property", property]);
    String::from_utf8(output(&mut command, LONG).stdout).unwrap().trim().to_owned()
}

#[test]
fn an_apply_starts_it_last_and_only_it_is_enabled() {
    both(|world| {
        world.roster(&roster("#true", "10m"));
        assert_eq!(planned(world), "start");
        let said = world.apply(&[], 0);
        assert!(said.contains("done     supervisor  started"), "{said}");
        world.assert_nothing_to_do();
        let status = world.status();
        assert_eq!(status["supervisor"]["running"], true, "{status}");
        let policy: Value = serde_json::from_slice(&fs::read(state(world).join("supervise.json")).unwrap()).unwrap();
        assert_eq!(policy["agents"][1]["after"][0], "lead");
        if world.kind == Manager::Systemd {
            assert_eq!(wanted_by(world, "default.target"), set(&["fleet-shop.target"]));
            assert_eq!(wanted_by(world, "fleet-shop.target"), set(&["fleet-shop-supervisor.service"]));
            assert_eq!(shown(world, "fleet-shop-lead.service", "Restart"), "no");
            assert_eq!(shown(world, "fleet-shop-lead.service", "StartLimitIntervalUSec"), "0");
            assert_eq!(shown(world, "fleet-shop-supervisor.service", "MainPID"), the_supervisor(world).to_string());
        }
        // By hand: neither touches it.
        let own = the_supervisor(world);
        world.fleet(&["stop", "--all"], 0);
        world.fleet(&["start", "lead"], 0);
        assert_eq!(the_supervisor(world), own);
        if world.kind == Manager::Systemd {
            assert_eq!(wanted_by(world, "fleet-shop.target"), set(&["fleet-shop-supervisor.service"]));
        }
        world.assert_nothing_to_do();
        world.fleet(&["destroy", "--yes"], 0);
        assert!(!state(world).exists(), "{:?}", fs::read_dir(state(world)).unwrap().collect::<Vec<_>>());
        assert_eq!(world.loaded_units(), "");
        let left = fs::read_dir(world.manager.unit_folder()).into_iter().flatten().count();
        assert_eq!(left, 0, "units are left");
        assert_eq!(identify(u32::try_from(own).unwrap()), None, "it ended");
    });
}

/// Set in the shell's own files, and unknown to the service manager that starts the supervisor.
#[test]
fn it_finds_a_state_folder_that_only_the_shell_knows_of() {
    for kind in [Manager::Systemd, Manager::Local] {
        let world = World::new(As::User, kind);
        let program = world.program().display().to_string();
        let talks = format!("env -u XDG_STATE_HOME {program} send --wait 0 lead from-inside; exec sleep 100000");
        let talks = format!(
            "agent \"talks\" {{ role \"coder\"; after \"lead\"; runtime \"command\" {{ argv \"sh\" \"-c\" \"{talks}\"; }}; }}\n"
        );
        world.roster(&(roster("#true", "10m") + &talks));
        let elsewhere = world.manager.variable("HOME").join("st ate%h $HOME ü");
        let fleet = |words: &[&str]| {
            let mut command = world.command(words);
            let said = output(command.env("XDG_STATE_HOME", &elsewhere), LONG);
            let text = format!("{}{}", String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
            assert!(said.status.success(), "{words:?}: {text}");
            text
        };
        fleet(&["apply", "--yes", &format!("--manager={}", kind.word())]);
        fleet(&["plan", "--detailed-exitcode"]);
        wait_for("it answers", || fleet(&["status"]).contains("idle"));
        assert!(elsewhere.join("fleet/shop/journal.db").exists());
        // An agent finds its own fleet, too.
        let log = elsewhere.join("fleet/shop/agents/talks/log");
        let said = || fs::read_to_string(&log).unwrap_or_default();
        wait_for("the message of an agent", || ["submitted", "queued"].iter().any(|word| said().contains(word)));
        assert!(!world.state_folder().join("shop").exists());
        fleet(&["destroy", "--yes"]);
    }
}

#[test]
fn a_dead_one_is_noticed_and_comes_back_and_no_agent_notices() {
    both(|world| {
        world.roster(&roster("#true", "10m"));
        world.apply(&[], 0);
        let (agents, first) = (pids(world), the_supervisor(world));
        strike(first);
        if world.kind == Manager::Systemd {
            let killed = Instant::now();
            wait_for("another one", || supervisor(world).is_some_and(|pid| pid != first));
            // A second is promised; this machine runs other builds meanwhile.
            assert!(killed.elapsed() < Duration::from_secs(5), "{:?}", killed.elapsed());
        } else {
            wait_for("it is gone", || world.status()["supervisor"]["running"] == false);
            world.fleet(&["status"], 1);
            let said = world.fleet(&["history"], 0);
            assert!(said.contains("the supervisor does not run"), "{said}");
            assert_eq!(planned(world), "start");
            world.apply(&[], 0);
        }
        assert_ne!(the_supervisor(world), first);
        assert_eq!(pids(world), agents);
        world.assert_nothing_to_do();
        let said = world.fleet(&["history"], 0);
        assert!(!said.contains("supervisor"), "{said}");
        world.fleet(&["destroy", "--yes"], 0);
    });
}

#[test]
fn what_it_goes_by_changes_live() {
    both(|world| {
        world.roster(&roster("#true", "10m"));
        world.apply(&[], 0);
        let before = (pids(world), the_supervisor(world));
        world.roster(&roster("#true", "20m"));
        let plan = world.plan();
        let of_lead = plan.iter().find(|line| line["agent"] == "lead" && line["type"] == "agent").unwrap();
        assert_eq!(of_lead["fields"][0]["name"], "stall after", "{of_lead}");
        assert_eq!(of_lead["fields"][0]["effect"], "live", "{of_lead}");
        assert_eq!((&of_lead["effect"], &of_lead["interrupts"]), (&"none".into(), &false.into()), "{of_lead}");
        assert_eq!(planned(world), Value::Null);
        world.apply(&[], 0);
        assert_eq!((pids(world), the_supervisor(world)), before);
        world.assert_nothing_to_do();
        world.fleet(&["destroy", "--yes"], 0);
    });
}

#[test]
fn a_fleet_gets_one_and_loses_it_and_nobody_is_interrupted() {
    both(|world| {
        world.roster(&roster("#false", "10m"));
        world.apply(&[], 0);
        let agents = pids(world);
        assert_eq!(world.status()["supervisor"], Value::Null);
        let systemd = world.kind == Manager::Systemd;
        for _ in 0..2 {
            world.roster(&roster("#true", "10m"));
            let summary = world.plan().pop().unwrap();
            assert_eq!(summary["interrupted"], 0, "{summary}");
            world.apply(&[], 0);
            assert_eq!(pids(world), agents);
            world.assert_nothing_to_do();
            let own = the_supervisor(world);
            if systemd {
                assert_eq!(wanted_by(world, "fleet-shop.target"), set(&["fleet-shop-supervisor.service"]));
                assert_eq!(shown(world, "fleet-shop-lead.service", "Restart"), "no");
            }
            world.roster(&roster("#false", "10m"));
            assert_eq!(planned(world), "stop");
            world.apply(&[], 0);
            assert_eq!(pids(world), agents);
            world.assert_nothing_to_do();
            assert_eq!(world.status()["supervisor"], Value::Null);
            assert_eq!(identify(u32::try_from(own).unwrap()), None, "it ended");
            assert!(!state(world).join("supervise.json").exists());
            if systemd {
                let links = set(&["fleet-shop-coder.service", "fleet-shop-lead.service"]);
                assert_eq!(wanted_by(world, "fleet-shop.target"), links);
                assert_eq!(shown(world, "fleet-shop-lead.service", "Restart"), "on-failure");
            }
        }
        world.fleet(&["destroy", "--yes"], 0);
        assert!(!state(world).exists());
    });
}

#[test]
fn another_build_restarts_it_and_nobody_else() {
    both(|world| {
        world.roster(&roster("#true", "10m"));
        world.apply(&[], 0);
        let (agents, first) = (pids(world), the_supervisor(world));
        // As an upgrade leaves it that was killed between the copies and the restart.
        let copy = state(world).join("bin/fleet");
        let new = copy.with_file_name("new");
        let copied = world.manager.command("cp").arg("-p").args([&copy, &new]).status().unwrap();
        assert!(copied.success());
        fs::rename(&new, &copy).unwrap();
        assert_eq!(planned(world), "restart");
        world.apply(&[], 0);
        let second = the_supervisor(world);
        assert_ne!(second, first);
        world.assert_nothing_to_do();
        // As an upgrade finds it.
        let mut other = fs::read(&copy).unwrap();
        other.push(0);
        fs::remove_file(&copy).unwrap();
        fs::write(&copy, other).unwrap();
        let plan = world.plan();
        assert_eq!(plan[0]["refresh"][0], "fleet", "{}", plan[0]);
        assert_eq!(planned(world), "restart");
        let said = world.apply(&[], 0);
        assert!(said.contains("refresh  fleet: no agent is touched"), "{said}");
        assert_ne!(the_supervisor(world), second);
        assert_eq!(pids(world), agents);
        world.assert_nothing_to_do();
        world.fleet(&["destroy", "--yes"], 0);
    });
}

#[test]
fn one_that_is_started_by_hand_is_left_alone_and_told_of() {
    let world = World::new(As::User, Manager::Systemd);
    world.roster(&roster("#true", "10m"));
    world.apply(&[], 0);
    let mut command = world.manager.command("systemctl");
    let stopped = output(command.args(["--user", "stop", "fleet-shop-supervisor.service"]), LONG);
    assert!(stopped.status.success(), "{stopped:?}");
    assert_eq!(planned(&world), "start");
    let mut child = world.command(&["supervise", "--fleet", "shop"]).spawn().unwrap();
    let lock = state(&world).join("supervisor.lock.json");
    wait_for("it has the fleet", || lock.exists());
    let plan = world.plan();
    assert!(plan.iter().any(|line| line["text"].as_str().is_some_and(|text| text.contains("by hand"))), "{plan:#?}");
    world.apply(&[], 0);
    world.assert_nothing_to_do();
    let holder: Value = serde_json::from_slice(&fs::read(&lock).unwrap()).unwrap();
    let pid = holder["pid"].as_u64().unwrap();
    kill(Pid::from_raw(i32::try_from(pid).unwrap()), Signal::SIGTERM).unwrap();
    child.wait().unwrap();
    assert_eq!(planned(&world), "start");
    world.apply(&[], 0);
    assert_ne!(the_supervisor(&world), pid);
    world.fleet(&["destroy", "--yes"], 0);
}

/// The half of a supervised fleet that systemd no longer does: who dies by itself is started again, who is stopped on
/// purpose or leaves the roster is not.
#[test]
fn who_dies_comes_back_and_who_is_stopped_does_not() {
    both(|world| {
        world.roster(&restarting("agent \"third\" { role \"coder\"; }\n"));
        world.apply(&[], 0);
        let before = pids(world);
        world.fleet(&["stop", "coder"], 0);
        let third = u32::try_from(world.pid("third")).unwrap();
        world.roster(&restarting(""));
        world.apply(&["--yes"], 0);
        assert_eq!(identify(third), None);
        // Whatever it heard before this death, it has acted upon by the time it has acted upon this one.
        strike(before[0]);
        wait_for("lead is back", || world.agent("lead")["pid"].as_u64().is_some_and(|pid| pid != before[0]));
        assert_eq!(world.agent("coder")["state"], "stopped");
        assert!(!state(world).join("agents/third/run.json").exists());
        world.assert_nothing_to_do();
        world.fleet(&["destroy", "--yes"], 0);
        assert!(!state(world).exists(), "{:?}", fs::read_dir(state(world)).unwrap().collect::<Vec<_>>());
    });
}

/// A boot starts the supervisor alone, and it starts who shall run.
#[test]
fn a_boot_starts_who_ran_and_nobody_else() {
    if !nix::unistd::geteuid().is_root() {
        let why =
            "not run: a person's own manager is not rebooted for a test; as root it runs as the ordinary user too";
        writeln!(std::io::stderr(), "{why}").unwrap();
        return;
    }
    for who in As::all() {
        let mut world = World::new(*who, Manager::Systemd);
        world.roster(&restarting(
            "agent \"off\" { role \"coder\"; autostart #false; }\nagent \"held\" { role \"coder\"; }\n",
        ));
        world.apply(&[], 0);
        world.fleet(&["stop", "held"], 0);
        let before = pids(&world);
        world.manager.reboot();
        for (name, before) in NAMES.iter().zip(before) {
            wait_for("it is back", || world.agent(name)["pid"].as_u64().is_some_and(|pid| pid != before));
        }
        wait_for("they are ready", || NAMES.iter().all(|name| world.agent(name)["state"] == "idle"));
        the_supervisor(&world);
        for name in ["off", "held"] {
            assert_eq!(world.agent(name)["state"], "stopped", "{name} as {who:?}");
        }
        world.assert_nothing_to_do();
        world.fleet(&["destroy", "--yes"], 0);
        world.manager.reboot();
        assert_eq!(world.loaded_units(), "");
    }
}
