//! Figures on a real user manager: `scripts/figures` builds for release and prints them. Each stands beside a named thing that
//! is measured in the same run; counts are asserted, times are printed.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::support::{As, LONG, output};
use crate::world::{Manager, World};

/// Agents by `count=`: the figures are of what is live, not of how long a roster is. [`written_out`] is the same fleet with
/// each agent by itself, whose text has to be read and compiled as well.
fn roster(fleet: &str, agents: usize, description: &str) -> String {
    format!(
        "fleet \"{fleet}\" version=1 supervise=#false\nfloor \"exempt\" reason=\"x\"\ndefaults {{ runtime \"canary\" {{ script {{ wait; }}; }}; stop-timeout \"5s\"; restart \"never\"; }}\nagent \"one\" {{ role \"coder\"; {description} }}\nagent \"w\" count={} {{ role \"coder\"; }}\n",
        agents - 1
    )
}

fn written_out(fleet: &str, agents: usize) -> String {
    let short = roster(fleet, agents, "");
    let (head, _) = short.split_once("agent \"w\"").unwrap();
    let each = |number: usize| format!("agent \"w-{number}\" {{ role \"coder\"; }}\n");
    head.to_owned() + &(1..agents).map(each).collect::<String>()
}

fn timed(work: impl FnOnce()) -> Duration {
    let begun = Instant::now();
    work();
    begun.elapsed()
}

fn median(runs: usize, mut work: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = (0..runs).map(|_| timed(&mut work)).collect();
    times.sort();
    times[runs / 2]
}

fn systemctl(world: &World, words: &[&str]) {
    let mut command = world.manager.command("systemctl");
    let said = output(command.arg("--user").args(words), 10 * LONG);
    assert!(said.status.success(), "systemctl {words:?}: {}", String::from_utf8_lossy(&said.stderr));
}

#[expect(clippy::print_stdout, reason = "figures are for people")]
fn say(text: &str) {
    println!("{text}");
}

/// Where the release build is.
fn programs() -> std::path::PathBuf {
    let folder = std::env::var("FLEET_FIGURES_BIN").expect("scripts/figures says where the release build is");
    Path::new(&folder).to_path_buf()
}

/// A first apply beside what it spares a person: a target and its units that the manager has never seen are read (the reload)
/// and started. Starting them once more, when they are loaded, is the second comparison. Each round has a fleet of its own, and
/// all are destroyed at the end: ext4 passes over inodes that went in the last minutes one by one, for whoever makes a file.
fn first_apply(world: &World, fleet: &impl Fn(&World, &[&str])) {
    const AGENTS: usize = 100;
    const ROUNDS: usize = 5;
    let folder = world.manager.unit_folder();
    let aside = |round: usize| folder.with_file_name(format!("aside-{round}"));
    let reload = || systemctl(world, &["daemon-reload"]);
    let (mut first, mut loaded, mut fresh) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let id = format!("big{round}");
        world.roster(&roster(&id, AGENTS, ""));
        // All of them by name: a target is up before those it wants are.
        let names: Vec<String> = (1..AGENTS).map(|number| format!("fleet-{id}-w-{number}.service")).collect();
        let whole = [format!("fleet-{id}.target"), format!("fleet-{id}-one.service")];
        let units: Vec<&str> = whole.iter().chain(&names).map(String::as_str).collect();
        first.push(timed(|| fleet(world, &["apply", "--manager=systemd"])));
        systemctl(world, &[&["stop"], units.as_slice()].concat());
        loaded.push(timed(|| systemctl(world, &[&["start"], units.as_slice()].concat())));
        systemctl(world, &[&["stop"], units.as_slice()].concat());
        std::fs::rename(&folder, aside(round)).unwrap();
        reload();
        std::fs::rename(aside(round), &folder).unwrap();
        fresh.push(timed(|| {
            reload();
            systemctl(world, &[&["start"], units.as_slice()].concat());
        }));
        systemctl(world, &[&["stop"], units.as_slice()].concat());
        std::fs::rename(&folder, aside(round)).unwrap();
        reload();
    }
    for round in 0..ROUNDS {
        std::fs::rename(aside(round), &folder).unwrap();
        reload();
        world.roster(&roster(&format!("big{round}"), AGENTS, ""));
        fleet(world, &["destroy", "--yes"]);
        let _ = std::fs::remove_dir_all(&folder);
    }
    for times in [&mut first, &mut fresh, &mut loaded] {
        times.sort();
    }
    let at = ROUNDS / 2;
    let ratio = |by: &[Duration]| first[at].as_secs_f64() / by[at].as_secs_f64();
    say(&format!(
        "{AGENTS} agents: first apply {:.2?}; by hand: reload and start {:.2?} ({:.2}x), start of loaded units {:.2?} ({:.2}x)",
        first[at],
        fresh[at],
        ratio(&fresh),
        loaded[at],
        ratio(&loaded)
    ));
    say(&format!("  first applies {first:.0?}, by hand {fresh:.0?}"));
}

#[test]
#[ignore = "figures take minutes and a quiet machine: scripts/figures"]
fn figures() {
    let mut world = World::new(As::Root, Manager::Systemd);
    world.install_from(&programs());
    let fleet = |world: &World, words: &[&str]| drop(world.fleet_within(words, 0, 20 * LONG));
    let quiet = |world: &World| median(9, || fleet(world, &["--version"]));
    say(&format!("fleet --version as these tests start it: {:.1?}", quiet(&world)));

    first_apply(&world, &fleet);
    for agents in [100, 1000] {
        world.roster(&roster("big", agents, ""));
        let apply = timed(|| fleet(&world, &["apply", "--manager=systemd"]));
        say(&format!("{agents} agents: first apply {apply:.2?}"));
        let plan = median(15, || fleet(&world, &["plan"]));
        let status = median(15, || fleet(&world, &["status"]));
        let start = quiet(&world);
        say(&format!("{agents} agents: plan {plan:.1?}, status {status:.1?}, fleet --version {start:.1?}"));
        world.roster(&written_out("big", agents));
        let plan = median(15, || fleet(&world, &["plan"]));
        let validate = median(15, || fleet(&world, &["validate"]));
        say(&format!("{agents} agents, each written out: plan {plan:.1?}, of which validate {validate:.1?}"));
        world.roster(&roster("big", agents, ""));
        let calls = world.bus_calls(&["plan"], 0);
        say(&format!("{agents} agents: a plan's calls on the bus: {calls:?}"));
        assert!(calls.values().sum::<u32>() <= 4, "{calls:?}");
        let (mut change, mut hand) = (Vec::new(), Vec::new());
        for round in 0..5 {
            world.roster(&roster(
                "big",
                agents,
                &format!("env \"ROUND\" \"{round}\"; description \"round {round}\";"),
            ));
            change.push(timed(|| fleet(&world, &["apply", "--yes", "--restart=now"])));
            hand.push(timed(|| {
                systemctl(&world, &["daemon-reload"]);
                systemctl(&world, &["restart", "fleet-big-one.service"]);
            }));
        }
        change.sort();
        hand.sort();
        say(&format!(
            "{agents} agents: one changed, apply {:.1?}, reload and restart by hand {:.1?}: {:.2}x",
            change[2],
            hand[2],
            change[2].as_secs_f64() / hand[2].as_secs_f64()
        ));
        let destroy = timed(|| fleet(&world, &["destroy", "--yes"]));
        say(&format!("{agents} agents: destroy {destroy:.2?}"));
    }
}
