//! The supervisor dies, again and again: no agent notices, no message comes twice, nothing accepted is lost.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use fleet::journal::Reader;
use fleet::supervise::message::MessageState;
use fleet::system::lock;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::random::{Random, seed};
use crate::support::{As, wait_for};
use crate::world::{Manager, World};

const AGENTS: usize = 20;

/// How often it is killed; the script for long runs asks for more.
fn kills() -> usize {
    std::env::var("FLEET_E2E_KILLS").map_or(100, |text| text.parse().unwrap())
}

#[test]
fn a_supervisor_that_is_killed_harms_nobody_under_systemd() {
    story(Manager::Systemd);
}

#[test]
fn a_supervisor_that_is_killed_harms_nobody_locally() {
    story(Manager::Local);
}

fn supervisor(world: &World) -> Option<i32> {
    let status = world.status();
    status["supervisor"]["pid"].as_u64().and_then(|pid| i32::try_from(pid).ok())
}

/// Brings it back where nothing else does, and says how long it was away.
fn come_back(world: &World, dead: i32) -> Duration {
    let begun = Instant::now();
    if world.kind == Manager::Local {
        // Until the kernel has ended its last thread, it holds the fleet.
        let lock = world.state_folder().join("shop/supervisor.lock");
        wait_for("its end", || !lock::is_held(&lock));
    }
    let said = if world.kind == Manager::Local { world.apply(&["--yes"], 0) } else { String::new() };
    let words = format!("another supervisor than {dead}; the apply said:\n{said}");
    wait_for(&words, || supervisor(world).is_some_and(|pid| pid != dead));
    begun.elapsed()
}

fn pids(world: &World) -> BTreeMap<String, u64> {
    let status = world.status();
    let agents = status["agents"].as_array().unwrap();
    agents.iter().map(|agent| (agent["name"].as_str().unwrap().to_owned(), agent["pid"].as_u64().unwrap())).collect()
}

#[expect(clippy::print_stdout, reason = "the seed and the figures of a run, for people")]
fn story(kind: Manager) {
    let seed = seed();
    println!("FLEET_E2E_SEED={seed}");
    let mut random = Random::new(seed);
    let world = World::new(As::User, kind);
    world.roster(&format!(
        "fleet \"shop\" version=1 supervise=#true\nfloor \"exempt\" reason=\"x\"\nagent \"a\" count={AGENTS} {{\n    role \"coder\"\n    stop-timeout \"5s\"\n    runtime \"canary\" {{ script {{ repeat 100000 {{ wait; }}; }}; }}\n}}\n"
    ));
    world.apply(&["--yes"], 0);
    for number in 1..=AGENTS {
        world.wait_for_state(&format!("a-{number}"), &["idle"]);
    }
    let before = pids(&world);
    let mut sent: BTreeMap<String, (String, String)> = BTreeMap::new();
    let mut away = Vec::new();
    for round in 0..kills() {
        let dead = supervisor(&world).expect("one runs");
        // Messages are on their way when it dies.
        let senders: Vec<_> = (0..=random.below(3))
            .map(|at| {
                let agent = format!("a-{}", 1 + random.below(AGENTS as u64));
                let text = format!("token-{round}-{at}-end");
                let mut command = world.command(&["send", "--json", "--wait", "0", &agent, &text]);
                command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::null());
                (agent, text, command.spawn().unwrap())
            })
            .collect();
        let moment = Instant::now() + Duration::from_micros(random.below(60_000));
        while Instant::now() < moment {
            std::hint::spin_loop();
        }
        kill(Pid::from_raw(dead), Signal::SIGKILL).unwrap();
        for (agent, text, child) in senders {
            let said = child.wait_with_output().unwrap();
            let answer: serde_json::Value = serde_json::from_slice(&said.stdout).unwrap_or_default();
            let word = answer["outcome"].as_str().unwrap_or("none").to_owned();
            sent.insert(text, (agent, word));
        }
        away.push(come_back(&world, dead));
        assert_eq!(pids(&world), before, "round {round}: an agent noticed");
    }
    wait_for("every queue is empty", || {
        world.status()["agents"].as_array().unwrap().iter().all(|agent| agent["queued"].as_u64() == Some(0))
    });
    let state = world.state_folder().join("shop");
    let reader = Reader::open(&state).unwrap().expect("a journal");
    wait_for("every message has an end", || {
        reader.messages(None, 100_000).unwrap().iter().all(|message| message.state.is_final())
    });
    let kept: BTreeMap<String, MessageState> =
        reader.messages(None, 100_000).unwrap().into_iter().map(|message| (message.text, message.state)).collect();
    let mut delivered = 0;
    for (text, (agent, word)) in &sent {
        let log = fs::read(state.join("agents").join(agent).join("log")).unwrap();
        let log = String::from_utf8_lossy(&log);
        let times = log.matches(&format!("got: {text}")).count();
        assert!(times <= 1, "{text} came {times} times to {agent}");
        delivered += times;
        if word == "queued" {
            assert!(kept.contains_key(text), "{text} was accepted and is not in the journal");
        }
        match kept.get(text) {
            Some(MessageState::Confirmed | MessageState::Submitted) => {
                assert_eq!(times, 1, "{text} is said to have arrived at {agent}");
            }
            Some(MessageState::Refused | MessageState::Expired) => assert_eq!(times, 0, "{text}: {:?}", kept[text]),
            _ => {}
        }
    }
    assert!(delivered > kills() / 4, "only {delivered} of {} messages arrived", sent.len());
    away.sort_unstable();
    let (middle, last) = (away[away.len() / 2], away[away.len() - 1]);
    println!(
        "{} kills, {} messages, {delivered} arrived; away for {middle:?} (median), {last:?} (longest)",
        kills(),
        sent.len()
    );
    if kind == Manager::Systemd {
        assert!(middle < Duration::from_secs(1), "away for {middle:?}");
    }
    world.assert_nothing_to_do();
    world.fleet(&["destroy", "--yes"], 0);
    assert!(
        !state.exists() || fs::read_dir(&state).unwrap().next().is_none(),
        "destroy leaves {:?}",
        fs::read_dir(&state).unwrap().flatten().map(|entry| entry.file_name()).collect::<Vec<_>>()
    );
}
