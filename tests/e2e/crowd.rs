//! Fifty agents and a roster that changes at random: whoever a plan does not interrupt is not interrupted.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::random::samples;
use crate::seeded::Seeded;
use crate::support::{As, LONG, output};
use crate::world::{Manager, World};

const HEAD: &str = "floor \"exempt\" reason=\"x\"\ndefaults { runtime \"canary\"; stop-timeout \"5s\"; restart \"never\"; }\norchestrator \"lead\"\n";

const CROWD: u64 = 50;
const ROUNDS: usize = 6;

/// What the test varies of an agent. The name is the key of the map it is in.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Agent {
    /// Live.
    memory: u64,
    /// Live.
    description: u64,
    /// A restart.
    colour: u64,
    was: Option<String>,
}

type Crowd = BTreeMap<String, Agent>;

fn text(supervised: bool, crowd: &Crowd) -> String {
    let mut text = format!("fleet \"shop\" version=1 supervise=#{supervised}\n{HEAD}");
    for (name, agent) in crowd {
        let was = agent.was.as_ref().map(|was| format!("was \"{was}\"; ")).unwrap_or_default();
        writeln!(
            text,
            "agent \"{name}\" {{ {was}role \"coder\"; after \"lead\"; description \"number {}\"; limits memory=\"{}M\"; env \"COLOUR\" \"{}\"; }}",
            agent.description, agent.memory, agent.colour
        )
        .unwrap();
    }
    text
}

/// What a plan must say, worked out here without fleet: `(action, effect)` by agent.
fn expected(before: &Crowd, after: &Crowd) -> BTreeMap<String, (String, String)> {
    let mut all = BTreeMap::new();
    let mut say = |name: &str, action: &str, effect: &str| {
        all.insert(name.to_owned(), (action.to_owned(), effect.to_owned()));
    };
    for name in before.keys().filter(|name| !after.contains_key(*name)) {
        say(name, "remove", "stop");
    }
    for (name, agent) in after {
        match before.get(name) {
            None if heir_of(agent, before, after).is_some() => say(name, "change", "start"),
            None => say(name, "add", "start"),
            Some(old) if old.colour != agent.colour => say(name, "change", "restart"),
            Some(old) if (old.memory, old.description) != (agent.memory, agent.description) => {
                say(name, "change", "live");
            }
            Some(_) => {}
        }
    }
    all
}

fn heir_of<'a>(agent: &'a Agent, before: &Crowd, after: &Crowd) -> Option<&'a String> {
    agent.was.as_ref().filter(|was| before.contains_key(*was) && !after.contains_key(*was))
}

fn change(crowd: &mut Crowd, random: &mut Seeded, next: &mut u64) {
    for _ in 0..12 {
        let names: Vec<String> = crowd.keys().cloned().collect();
        let name = random.pick(&names).clone();
        let mut fresh = || {
            *next += 1;
            format!("a{next}")
        };
        match random.below(6) {
            0 => crowd.get_mut(&name).unwrap().memory = 64 + random.below(64),
            1 => crowd.get_mut(&name).unwrap().description += 1,
            2 => crowd.get_mut(&name).unwrap().colour += 1,
            3 => drop(crowd.remove(&name)),
            4 => drop(crowd.insert(fresh(), Agent { memory: 64, description: 0, colour: 0, was: None })),
            // Of one that is not applied under its name yet, the new agent is no heir, and a plain addition.
            _ => {
                let agent = crowd.remove(&name).unwrap();
                crowd.insert(fresh(), Agent { was: Some(name), ..agent });
            }
        }
    }
}

fn pids(world: &World) -> BTreeMap<String, u64> {
    let status = world.status();
    let agents = status["agents"].as_array().unwrap().iter();
    agents
        .map(|agent| {
            (agent["name"].as_str().unwrap().to_owned(), agent["pid"].as_u64().unwrap_or_else(|| panic!("{agent}")))
        })
        .collect()
}

fn planned(world: &World) -> BTreeMap<String, (String, String)> {
    let word = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let lines = world.plan().into_iter().filter(|line| line["type"] == "agent");
    lines.map(|line| (word(&line["agent"]), (word(&line["action"]), word(&line["effect"])))).collect()
}

/// What systemd itself says of the agents' limits and processes.
fn assert_systemd_says(world: &World, crowd: &Crowd, pids: &BTreeMap<String, u64>) {
    let mut command = world.manager.command("systemctl");
    command.args(["--user", "show", "--property=Id,MemoryMax,MainPID,Description"]);
    command.args(crowd.keys().map(|name| format!("fleet-shop-{name}.service")));
    let said = String::from_utf8(output(&mut command, LONG).stdout).unwrap();
    let units: Vec<BTreeMap<&str, &str>> =
        said.split("\n\n").map(|unit| unit.lines().filter_map(|line| line.split_once('=')).collect()).collect();
    assert_eq!(units.len(), crowd.len(), "{said}");
    for unit in units {
        let name = unit["Id"].strip_prefix("fleet-shop-").unwrap().strip_suffix(".service").unwrap();
        let agent = &crowd[name];
        assert_eq!(unit["MemoryMax"], (agent.memory << 20).to_string(), "{name}");
        assert_eq!(unit["MainPID"], pids[name].to_string(), "{name}");
        assert!(unit["Description"].contains(&format!("number {}", agent.description)), "{unit:?}");
    }
}

/// Applies all of the roster, or the part that `--only` names, and holds every process against what was to happen.
fn apply(
    world: &World,
    applied: &Crowd,
    wanted: &Crowd,
    pids_before: &BTreeMap<String, u64>,
    only: Option<&[String]>,
) {
    let changes = expected(applied, wanted);
    assert_eq!(planned(world), changes, "the plan says something else than the roster");
    let is_chosen = |name: &String| {
        let Some(only) = only else { return true };
        let halves = wanted.iter().filter_map(|(new, agent)| Some((new, heir_of(agent, applied, wanted)?)));
        only.contains(name)
            || halves
                .into_iter()
                .any(|(new, old)| (new == name && only.contains(old)) || (old == name && only.contains(new)))
    };
    let words = only.map(|only| format!("--only={}", only.join(",")));
    let mut arguments = vec!["--yes", "--restart=now"];
    arguments.extend(words.as_deref());
    let said = world.apply(&arguments, 0);
    let pids_after = pids(world);
    for (name, before) in pids_before {
        let kept = pids_after.get(name) == Some(before);
        match changes.get(name).filter(|_| is_chosen(name)).map(|(_, effect)| effect.as_str()) {
            None | Some("live") => assert!(kept, "{name} was interrupted without a word:\n{said}"),
            Some("stop") => assert!(!pids_after.contains_key(name), "{name} is still there:\n{said}"),
            Some(effect) => assert!(!kept && pids_after.contains_key(name), "{name}, {effect}:\n{said}"),
        }
    }
    let new: BTreeSet<_> = pids_after.keys().filter(|name| !pids_before.contains_key(*name)).collect();
    let due: BTreeSet<_> = changes.keys().filter(|name| is_chosen(name) && !applied.contains_key(*name)).collect();
    assert_eq!(new, due, "{said}");
    let rest: BTreeMap<_, _> = changes.into_iter().filter(|(name, _)| !is_chosen(name)).collect();
    assert_eq!(planned(world), rest, "after {arguments:?}");
}

fn crowd_of(who: As, seed: u64, supervised: bool, rounds: usize) {
    let world = World::new(who, Manager::Systemd);
    let mut random = Seeded(seed);
    let mut next = CROWD;
    let agent = Agent { memory: 64, description: 0, colour: 0, was: None };
    let mut applied: Crowd = (1..=CROWD).map(|n| (format!("a{n}"), agent.clone())).collect();
    world.roster(&text(supervised, &applied));
    world.apply(&[], 0);
    world.assert_nothing_to_do();
    let unchanged = || (world.pid("lead"), world.status()["supervisor"]["pid"].as_u64());
    let before_all = unchanged();
    assert_eq!(before_all.1.is_some(), supervised);
    for round in 0..rounds {
        let mut wanted = applied.clone();
        change(&mut wanted, &mut random, &mut next);
        world.roster(&text(supervised, &wanted));
        let before = pids(&world);
        let changed: Vec<String> = expected(&applied, &wanted).into_keys().collect();
        let part: Vec<String> = changed.iter().filter(|_| random.below(2) == 0).cloned().collect();
        if round % 2 == 1 && !part.is_empty() {
            apply(&world, &applied, &wanted, &before, Some(&part));
            world.apply(&["--yes", "--restart=now"], 0);
        } else {
            apply(&world, &applied, &wanted, &before, None);
        }
        world.assert_nothing_to_do();
        let now = pids(&world);
        // Over the part and the rest together: who was not named is the process it was.
        for name in before.keys().filter(|name| *name != "lead" && !changed.contains(name)) {
            assert_eq!(now[name], before[name], "{name}, round {round}");
        }
        assert_eq!(unchanged(), before_all);
        assert_systemd_says(&world, &wanted, &now);
        applied = wanted;
    }
    world.fleet(&["destroy", "--yes"], 0);
    assert_eq!(world.loaded_units(), "");
}

#[test]
fn nobody_of_fifty_is_interrupted_unnamed_as_root() {
    if As::all().contains(&As::Root) {
        crowd_of(As::Root, 1, false, ROUNDS);
    }
}

#[test]
fn nobody_of_fifty_is_interrupted_unnamed_as_a_user() {
    crowd_of(As::User, 2, false, ROUNDS);
}

#[test]
fn nobody_of_fifty_supervised_is_interrupted_unnamed() {
    crowd_of(As::User, 5, true, samples(2, ROUNDS));
}
