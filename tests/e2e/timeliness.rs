//! When a supervisor decides, and what each decision waits for.

use std::fs;
use std::time::{Duration, SystemTime};

use fleet::supervise::event::{Caller, Request};

use crate::simulated::{Simulated, settled};
use crate::support::wait_for;

/// `restart "never"`: what is simulated has no process of its own that could be stopped.
pub const HEAD: &str = "fleet \"shop\" version=1 supervise=#true\nfloor \"exempt\" reason=\"x\"\n\
    defaults { stop-timeout \"2s\"; restart \"never\"; }\n";

fn wall() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap()
}

/// Shows all agents a turn that runs and then stands still, each `apart` from the one before, and returns how much later than
/// `after` each was found to stall; negative: too early.
pub fn lateness(crowd: &Simulated, after: Duration, apart: Duration) -> Vec<i64> {
    let mut shown = Vec::new();
    // What is simulated says at once what a shim says after a pause, and a look must not bring the screen before.
    crowd.have_been_looked_at();
    for name in &crowd.names {
        let begun = wall();
        crowd.shims.tell(name, &settled(&["* working", "a turn that runs"]));
        shown.push((name, begun));
        if let Some(rest) = apart.checked_sub(wall().saturating_sub(begun)) {
            std::thread::sleep(rest);
        }
    }
    let reader = fleet::journal::Reader::open(&crowd.fleet.state()).unwrap().unwrap();
    let late = |name: &str, begun: Duration| {
        let rows = reader.decisions(u64::try_from(begun.as_millis()).unwrap(), Some(name), 1_000).unwrap();
        let first = rows.iter().filter(|row| row.rule == "stall" && row.reason.starts_with("no progress for"));
        let at = first.map(|row| row.at).min()?;
        let due = i64::try_from((begun + after).as_millis()).unwrap();
        Some(i64::try_from(at).unwrap() - due)
    };
    let find = |(name, begun): (&String, Duration)| {
        let mut found = None;
        wait_for(&format!("{name} stalls"), || {
            found = late(name, begun);
            found.is_some()
        });
        found.unwrap()
    };
    shown.into_iter().map(find).collect()
}

/// Times are cut to milliseconds, each.
const CUT: i64 = 1;

#[test]
fn nobody_stalls_too_early() {
    let crowd = Simulated::new(50, HEAD, "stall after=\"1s\";", None);
    let supervisor = crowd.supervise(&[]);
    let late = lateness(&crowd, Duration::from_secs(1), Duration::from_millis(3));
    let early: Vec<_> = late.iter().filter(|late| **late < -CUT).collect();
    assert!(early.is_empty(), "milliseconds: {early:?} of {late:?}");
    crowd.destroy(supervisor);
}

/// One wait for the disk makes a decision durable, and a request that was taken costs none of its own.
#[test]
fn a_decision_waits_for_the_disk_once() {
    const REQUESTS: usize = 20;
    let crowd = Simulated::new(2, HEAD, "", None);
    let log = crowd.fleet.world.manager.base.join("tmp/synced");
    let words = ["-f", "-qq", "--seccomp-bpf", "-e", "trace=/sync", "-e", "signal=none", "-o", log.to_str().unwrap()];
    let supervisor = crowd.supervise(&[&["strace"], &words[..]].concat());
    crowd.all_are("idle");
    let synced = || fs::read_to_string(&log).unwrap().lines().filter(|line| line.ends_with("= 0")).count();
    let mut before = synced();
    wait_for("it is quiet", || {
        std::thread::sleep(Duration::from_millis(300));
        std::mem::replace(&mut before, synced()) == synced()
    });
    // Servers of their own are looked for once, five seconds after the first idle moment: that is decided, and waits for nothing.
    crowd.have_been_looked_at();
    assert_eq!(synced(), before, "{}", fs::read_to_string(&log).unwrap());
    for _ in 0..REQUESTS {
        let agents = [fleet::ids::AgentName::new("w-1").unwrap()].into();
        let file = crowd.fleet.leave(&Request::Clear { agents, caller: Caller::Operator });
        wait_for("it is taken", || !file.exists());
    }
    let after = synced();
    assert_eq!(after - before, REQUESTS, "{}", fs::read_to_string(&log).unwrap());
    crowd.destroy(supervisor);
}
