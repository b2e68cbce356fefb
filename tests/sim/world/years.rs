//! Ten thousand hours of agents' lives.

use super::World;
use super::agent::Kind;
use crate::bench::HOUR;

const KINDS: &[Kind] = &[
    Kind::Orchestrator,
    Kind::Worker,
    Kind::Worker,
    Kind::Worker,
    Kind::Worker,
    Kind::SlowStart,
    Kind::CrashAtOnce,
    Kind::CrashAfterOne,
    Kind::CrashAfter31,
    Kind::SlowCrash,
    Kind::Limited,
    Kind::Limited,
    Kind::Unauthorised,
    Kind::Asking,
    Kind::Mute,
    Kind::Clock,
];

/// Lets worlds live, and looks at what was counted: a world in which nothing happened proves nothing.
fn live(seeds: std::ops::Range<u64>, rough: bool) {
    const HOURS: u64 = 100;
    let agents = KINDS.len() as u64;
    for seed in seeds {
        let mut world = World::new(seed, KINDS, rough);
        world.run(HOURS * HOUR);
        let tally = &world.tally;
        assert!(tally.hangs >= 3 && tally.warned >= 3 && tally.stopped >= 3, "{tally:?}");
        assert!(tally.typed >= 100 && tally.quarantines >= 10 && tally.nudges >= 3, "{tally:?}");
        assert!(!rough || tally.crashes >= 10 && tally.jumps >= 5, "{tally:?}");
        // People and journals are not flooded: an agent that does nothing new decides nothing.
        assert!(tally.decisions < HOURS * agents * 25, "{tally:?}");
        assert!(tally.starts < 600, "{tally:?}");
    }
}

// 16 agents for 100 hours each: seven worlds are 11,200 hours. One test for two or three of them, so that they run side by
// side.

#[test]
fn quiet_worlds() {
    live(0..3, false);
}

#[test]
fn rough_worlds() {
    live(100..102, true);
}

#[test]
fn more_rough_worlds() {
    live(102..104, true);
}
