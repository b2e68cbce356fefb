//! Figures of a supervisor with a thousand simulated shims that speak the real protocol: `scripts/supervisor-figures` builds for
//! release and prints them. Times depend on what else the machine does, so processor time stands beside them.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use fleet::driver::words::{Answer, Ask};
use fleet::journal::Reader;
use fleet::shim::protocol::Event;
use fleet::supervise::event::{Caller, Request};
use serde_json::json;

use crate::simulated::{Simulated, settled};
use crate::support::{LONG, wait_for};
use crate::timeliness::{HEAD, lateness};
use crate::watched::{rss, switches};

const AGENTS: usize = 1_000;

#[expect(clippy::print_stdout, reason = "figures are for people")]
fn say(text: &str) {
    println!("{text}");
}

/// The release build to measure.
fn programs() -> PathBuf {
    PathBuf::from(std::env::var("FLEET_FIGURES_BIN").expect("scripts/supervisor-figures says where"))
}

fn cpu_ms(pid: u64) -> u64 {
    fleet::system::proc::stat(u32::try_from(pid).unwrap()).unwrap().cpu_ticks * 10
}

/// What of its memory is its own, and what are pages of its program.
fn parts(pid: u64) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let of = |line: &&str| ["RssAnon", "RssFile", "Threads"].iter().any(|word| line.starts_with(word));
    status
        .lines()
        .filter(of)
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect::<Vec<_>>()
        .join(", ")
}

fn spread(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |part: usize| times[(times.len() * part / 100).min(times.len() - 1)];
    say(&format!("{what}: p50 {:.2?}, p90 {:.2?}, p99 {:.2?} of {}", at(50), at(90), at(99), times.len()));
}

/// Context switches of all threads since `before`. A thread that ended meanwhile takes its count with it.
fn woken(own: u64, before: &std::collections::BTreeMap<std::ffi::OsString, u64>) -> u64 {
    switches(own).iter().map(|(thread, count)| count - before.get(thread).copied().unwrap_or(0)).sum()
}

/// Requests in the inbox: each is gone once its decision is on the disk. In turn with them, what an fsync of as many bytes costs here by
/// itself, without which no figure of a durable decision says anything.
fn decided(crowd: &Simulated, count: usize) -> (Vec<Duration>, Vec<Duration>) {
    let mut file = fs::File::create(crowd.fleet.world.manager.base.join("sync")).unwrap();
    let mut sync = || {
        file.write_all(&[1; 12 << 10]).unwrap();
        let begun = Instant::now();
        file.sync_all().unwrap();
        begun.elapsed()
    };
    let decide = |_| {
        let agents = [fleet::ids::AgentName::new("w-1").unwrap()].into();
        let begun = Instant::now();
        let file = crowd.fleet.leave(&Request::Clear { agents, caller: Caller::Operator });
        let put = begun.elapsed();
        while file.exists() {
            std::thread::yield_now();
        }
        (begun.elapsed().checked_sub(put).unwrap(), sync())
    };
    (0..count).map(decide).unzip()
}

#[test]
#[ignore = "figures take minutes and a quiet machine: scripts/supervisor-figures"]
fn figures_of_a_supervisor() {
    let crowd = Simulated::new(AGENTS - 1, HEAD, "stall after=\"20s\";", Some(&programs()));
    let names = &crowd.names;
    let mut child: Option<Child> = None;
    let (mut starts, mut spent) = (Vec::new(), 0);
    for _ in 0..5 {
        if let Some(mut old) = child.take() {
            Child::kill(&mut old).unwrap();
            old.wait().unwrap();
        }
        let begun = Instant::now();
        let new = crowd.supervise(&[]);
        starts.push(begun.elapsed());
        spent = cpu_ms(crowd.pid());
        child = Some(new);
    }
    spread(&format!("start to caught up with {AGENTS} (processor time {spent} ms)"), starts);
    let child = child.unwrap();
    let own = crowd.pid();
    crowd.all_are("idle");

    let time = |words: &[&str]| {
        let run = |_| {
            let begun = Instant::now();
            let mut command = crowd.fleet.world.command(words);
            command.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
            begun.elapsed()
        };
        (0..21).map(run).collect::<Vec<_>>()
    };
    spread("fleet --version, a whole process", time(&["--version"]));
    let before = cpu_ms(own);
    spread(&format!("fleet status of {AGENTS}, a whole process"), time(&["status"]));
    say(&format!("  the supervisor's processor time for one of them: {} ms", (cpu_ms(own) - before) / 21));
    let (decisions, syncs) = decided(&crowd, 300);
    spread("file event to durable decision", decisions);
    spread("  an fsync of 12 kB by itself, between them", syncs);

    // Each is looked at once, some seconds after it stood idle first: for servers of its own.
    crowd.have_been_looked_at();
    // Over a relist, and over many times the pause between two looks at one whose screen moves.
    let (before, spent, begun) = (switches(own), cpu_ms(own), Instant::now());
    let (mut last, mut awake) = (before.clone(), 0);
    while begun.elapsed() < Duration::from_mins(6) {
        std::thread::sleep(Duration::from_secs(1));
        let now = switches(own);
        awake += usize::from(now != last);
        last = now;
    }
    say(&format!(
        "six quiet minutes: awake in {awake} seconds, {} context switches, {} ms processor time, {} kB RSS ({})",
        woken(own, &before),
        cpu_ms(own) - spent,
        rss(own),
        parts(own)
    ));

    let (mut sizes, spent) = (Vec::new(), cpu_ms(own));
    for round in 0..5 {
        for step in 0..20 {
            for name in names.iter().take(900) {
                crowd.shims.tell(name, &settled(&[&format!("line {round} {step}"), ">"]));
            }
        }
        for name in names.iter().take(900) {
            crowd.shims.tell(name, &settled(&[&format!("round-{round}")]));
        }
        wait_for("it has taken them", || {
            let last = |row: &&fleet::driver::words::Row| row.last_line == Some(format!("round-{round}"));
            crowd.status().is_some_and(|status| status.agents.iter().filter(last).count() == 900)
        });
        sizes.push(rss(own));
    }
    say(&format!(
        "RSS in kB after each of five times 18,000 screens: {sizes:?} ({} ms processor time)",
        cpu_ms(own) - spent
    ));
    let reader = Reader::open(&crowd.fleet.state()).unwrap().unwrap();
    let mut known = Vec::new();
    for name in names.iter().rev().take(40) {
        let seen = reader.last_seq().unwrap();
        let begun = Instant::now();
        crowd.dies(name);
        while reader.last_seq().unwrap() == seen {
            assert!(begun.elapsed() < LONG, "never known");
        }
        known.push(begun.elapsed());
    }
    spread("death to known (and written)", known);
    crowd.destroy(child);
}

#[test]
#[ignore = "figures take minutes and a quiet machine: scripts/supervisor-figures"]
fn figures_of_stall_deadlines() {
    const AFTER: Duration = Duration::from_secs(2);
    let crowd = Simulated::new(100, HEAD, "stall after=\"2s\";", Some(&programs()));
    let child = crowd.supervise(&[]);
    let mut late = lateness(&crowd, AFTER, Duration::from_millis(50));
    late.sort_unstable();
    let at = |part: usize| late[(late.len() * part / 100).min(late.len() - 1)];
    say(&format!(
        "a stall deadline is late by: p0 {}, p50 {}, p99 {}, p100 {} ms of {}",
        late[0],
        at(50),
        at(99),
        at(100),
        late.len()
    ));
    assert!(late[0] >= -1, "too early: {late:?}");
    assert!(at(100) <= 100, "more than 100 ms late: {late:?}");
    crowd.destroy(child);
}

/// What twenty agents that work day and night say and do in a day: 288 turns each, every one with a prompt, tools, output and
/// screens; seven messages; two deaths.
fn day(crowd: &Simulated, day: usize) {
    let mut word = 0_u64;
    for turn in 0..288_u64 {
        for name in &crowd.names {
            let mut say = |state: &str, note: Option<&str>| {
                word += 1;
                let said = json!({
                    "event": "report",
                    "report": {"format": 1, "ts": 1, "pid": 1, "nonce": "x", "progress": word, "state": state, "note": note},
                });
                crowd.shims.tell(name, &serde_json::from_value(said).unwrap());
            };
            say("working", None);
            for tool in 0..10 {
                say("working", Some(&format!("tool {tool} of turn {turn}")));
                crowd.shims.tell(name, &Event::Activity { bytes: turn * 1_000 + tool });
            }
            for screen in 0..3 {
                crowd.shims.tell(name, &settled(&["* working", &format!("day {day} turn {turn} screen {screen}")]));
            }
            crowd.shims.tell(name, &settled(&[&format!("day {day} turn {turn} is over"), ">"]));
        }
        if turn % 41 == 0 {
            for name in &crowd.names {
                let id = format!("m-{name}-{day}-{turn}");
                let to = fleet::ids::AgentName::new(name).unwrap();
                let ask = Ask::Send { id, to, text: "go on".to_owned(), ttl_ms: 60_000, wait_ms: 30_000 };
                assert!(matches!(crowd.fleet.ask(ask), Answer::Message { .. }));
            }
        }
        if turn % 144 == 100 {
            for name in &crowd.names {
                crowd.dies(name);
            }
            crowd.all_are("stopped");
            crowd.names.iter().for_each(|name| crowd.runs(name));
            wait_for("all are heard again", || crowd.names.iter().all(|name| crowd.shims.is_heard(name)));
        }
    }
    for name in &crowd.names {
        crowd.shims.tell(name, &settled(&[&format!("the end of day {day}"), ">"]));
    }
    wait_for("it has taken them", || {
        let last = |row: &&fleet::driver::words::Row| row.looked.is_none() && row.standing.state.word() == "idle";
        crowd.status().is_some_and(|status| status.agents.iter().filter(last).count() >= crowd.names.len())
    });
}

#[test]
#[ignore = "figures take minutes and a quiet machine: scripts/supervisor-figures"]
fn figures_of_a_compressed_week() {
    let crowd = Simulated::new(20, HEAD, "", Some(&programs()));
    let child = crowd.supervise(&[]);
    let (own, begun) = (crowd.pid(), Instant::now());
    let mut sizes = Vec::new();
    for number in 0..7 {
        day(&crowd, number);
        sizes.push(rss(own));
    }
    let reader = Reader::open(&crowd.fleet.state()).unwrap().unwrap();
    say(&format!(
        "RSS in kB after each day of a week of twenty agents: {sizes:?} ({:.0?}, {} ms processor time, {} rows)",
        begun.elapsed(),
        cpu_ms(own),
        reader.last_seq().unwrap()
    ));
    assert!(sizes[6] <= sizes[0] + 2_048, "it grows: {sizes:?} kB");
    crowd.destroy(child);
}
