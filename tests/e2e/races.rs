//! Many applies at once, some of them killed at any moment: one at a time, and nothing stays locked.

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Child;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::random::{Random, samples, seed};
use crate::support::{As, LONG};
use crate::world::{Manager, World};

const ROUNDS: usize = 50;
const APPLIES: usize = 8;

#[test]
fn of_many_applies_one_wins_and_a_kill_locks_nobody_out() {
    seeded(Manager::Local, false, ROUNDS);
}

#[test]
fn of_many_applies_under_systemd_one_wins_and_a_kill_locks_nobody_out() {
    seeded(Manager::Systemd, false, samples(15, ROUNDS));
}

#[test]
fn of_many_supervised_applies_one_wins_and_a_kill_locks_nobody_out() {
    seeded(Manager::Local, true, samples(15, ROUNDS));
}

#[test]
fn of_many_supervised_applies_under_systemd_one_wins_and_a_kill_locks_nobody_out() {
    seeded(Manager::Systemd, true, samples(15, ROUNDS));
}

fn seeded(kind: Manager, supervised: bool, rounds: usize) {
    let seed = seed();
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| story(kind, &mut Random::new(seed), supervised, rounds))) {
        let what = panic.downcast_ref::<String>().cloned();
        panic!("with FLEET_E2E_SEED={seed}: {}", what.unwrap_or_else(|| "see above".to_owned()));
    }
}

/// The generation of an apply that has done something.
fn generation(said: &str) -> Option<u32> {
    let last = said.lines().find(|line| line.starts_with("Applied: ") && line.contains(" done"))?;
    last.split_once(" Generation ")?.1.trim_end_matches('.').parse().ok()
}

/// How one apply ended.
struct Ended {
    /// `None`: it was killed.
    code: Option<i32>,
    said: String,
    after: Duration,
}

/// Who says that it holds the fleet.
fn holder(world: &World) -> Option<u32> {
    let text = fs::read(world.state_folder().join("shop/lock.json")).ok()?;
    let holder: Value = serde_json::from_slice(&text).ok()?;
    u32::try_from(holder["pid"].as_u64()?).ok()
}

/// Starts applies at the same moment, kills some, and waits for all.
///
/// `span` is how long an apply takes that has somebody to restart: a kill comes at a moment of it.
fn round(world: &World, random: &mut Random, span: Duration) -> (BTreeSet<u32>, Vec<Ended>) {
    let path = |at: usize| world.folder.join(format!("said-{at}"));
    let begun = Instant::now();
    let mut children: Vec<Child> = (0..APPLIES)
        .map(|at| {
            let said = fs::File::create(path(at)).unwrap();
            let mut command = world.command(&["apply", &manager(world), "--yes", "--restart=now"]);
            command.stdout(said.try_clone().unwrap()).stderr(said).spawn().unwrap()
        })
        .collect();
    let pids = children.iter().map(Child::id).collect();
    let span = u64::try_from(span.as_micros()).unwrap().max(1);
    let mut kills: Vec<Duration> = (0..random.below(4)).map(|_| Duration::from_micros(random.below(span))).collect();
    let mut ends: Vec<Option<Ended>> = children.iter().map(|_| None).collect();
    while ends.iter().any(Option::is_none) {
        let after = begun.elapsed();
        assert!(after < LONG, "an apply hangs");
        let due = kills.len();
        kills.retain(|moment| after < *moment);
        for _ in kills.len()..due {
            // Mostly the winner: whoever has lost is gone soon without it.
            let living: Vec<usize> = (0..APPLIES).filter(|at| ends[*at].is_none()).collect();
            let winner = holder(world).and_then(|pid| living.iter().find(|at| children[**at].id() == pid));
            let anybody = &living[usize::try_from(random.below(living.len() as u64)).unwrap()];
            children[*winner.unwrap_or(anybody)].kill().unwrap();
        }
        for (at, child) in children.iter_mut().enumerate() {
            if ends[at].is_some() {
                continue;
            }
            if let Some(status) = child.try_wait().unwrap() {
                let said = fs::read_to_string(path(at)).unwrap();
                ends[at] = Some(Ended { code: status.code(), said, after });
            }
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    (pids, ends.into_iter().flatten().collect())
}

/// Writes the roster of a round: each has somebody to restart.
fn roster(world: &World, supervised: bool, round: &str) {
    world.roster(&format!(
        "fleet \"shop\" version=1 supervise=#{supervised}\nfloor \"exempt\" reason=\"x\"\ndefaults {{ runtime \"canary\"; stop-timeout \"5s\"; restart \"never\"; }}\nagent \"keep\" {{ role \"coder\"; }}\nagent \"edit\" {{ role \"coder\"; env \"ROUND\" \"{round}\"; }}\n"
    ));
}

fn manager(world: &World) -> String {
    format!("--manager={}", world.kind.word())
}

/// How long an apply takes here that restarts somebody and has no rivals.
fn undisturbed(world: &World, supervised: bool) -> Duration {
    roster(world, supervised, "first");
    world.fleet(&["apply", &manager(world), "--yes"], 0);
    roster(world, supervised, "second");
    let begun = Instant::now();
    world.fleet(&["apply", &manager(world), "--yes", "--restart=now"], 0);
    begun.elapsed()
}

fn story(kind: Manager, random: &mut Random, supervised: bool, rounds: usize) {
    let world = World::new(As::User, kind);
    let span = undisturbed(&world, supervised);
    let supervisor = || world.status()["supervisor"]["pid"].as_u64();
    let unchanged = (world.pid("keep"), supervisor());
    assert_eq!(unchanged.1.is_some(), supervised);
    let mut generations = BTreeSet::new();
    let (mut refused, mut unnamed) = (Vec::new(), 0);
    let mut killed = 0;
    for number in 0..rounds {
        roster(&world, supervised, &number.to_string());
        let (pids, ends) = round(&world, random, span);
        for Ended { code, said, after } in ends {
            match code {
                Some(0) => {
                    // Two at a time would have counted to the same number.
                    if let Some(generation) = generation(&said) {
                        assert!(generations.insert(generation), "round {number}: twice:\n{said}");
                    }
                }
                Some(4) => {
                    let named = said.split_once("`fleet apply` (pid ").and_then(|(_, rest)| rest.split_once(','));
                    match named {
                        Some((pid, _)) => assert!(pids.contains(&pid.parse().unwrap()), "round {number}:\n{said}"),
                        None => unnamed += 1,
                    }
                    refused.push(after);
                }
                None => killed += 1,
                Some(other) => panic!("round {number}: an apply ended with {other}:\n{said}"),
            }
        }
        // Whoever was killed holds nothing: the next one comes through at once.
        let said = world.fleet(&["apply", &manager(&world), "--yes", "--restart=now"], 0);
        if let Some(generation) = generation(&said) {
            assert!(generations.insert(generation), "round {number}: twice:\n{said}");
        }
        world.fleet(&["plan", &manager(&world), "--detailed-exitcode"], 0);
        assert_eq!((world.pid("keep"), supervisor()), unchanged, "round {number}");
    }
    refused.sort_unstable();
    assert!(refused.len() > rounds && killed > rounds / 2, "{} refused, {killed} killed", refused.len());
    assert_eq!(unnamed, 0, "of {} that were refused so many were not told by whom", refused.len());
    let middle = refused[refused.len() / 2];
    assert!(middle < Duration::from_secs(1), "a refusal takes {middle:?}");
    world.assert_nothing_to_do();
    world.fleet(&["destroy", "--yes"], 0);
}
