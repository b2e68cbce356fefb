//! The machine's clock is set, a year on and a year back, while a fleet works: nobody is restarted, nobody counts as stuck,
//! what waits still comes, and the journal stays in order.

use std::fs;
use std::path::PathBuf;

use fleet::journal::Reader;
use fleet::system::proc::identify;
use nix::sys::signal::Signal;

use crate::support::{As, LONG, output};
use crate::watched::{HEAD, Watched, canary, strike};
use crate::world::{Manager, World};

const YEAR: i64 = 365 * 24 * 60 * 60;
/// A year on, a year back, and to where it was. In seconds.
const JUMPS: [i64; 3] = [YEAR, -2 * YEAR, YEAR];

/// A clock for whatever is started with it, and for what that starts: `libfaketime` reads it anew for each look.
struct Clock {
    library: PathBuf,
    file: PathBuf,
}

impl Clock {
    fn new(world: &World) -> Self {
        let found = fs::read_dir("/usr/lib").unwrap().flatten().map(|entry| entry.path().join("faketime"));
        let folders = found.chain([PathBuf::from("/usr/lib/faketime")]);
        let library = folders.map(|folder| folder.join("libfaketimeMT.so.1")).find(|library| library.exists());
        let library = library.expect("libfaketimeMT.so.1 is missing: install the package faketime");
        let file = world.manager.base.join("tmp/clock");
        let clock = Self { library, file };
        clock.set(0);
        clock
    }

    /// From now on the clock is so many seconds ahead.
    fn set(&self, ahead: i64) {
        let new = self.file.with_extension("new");
        fs::write(&new, format!("{ahead:+}\n")).unwrap();
        fs::rename(new, &self.file).unwrap();
    }

    /// For env(1): this clock, and no other change than setting one makes.
    fn variables(&self) -> [String; 5] {
        [
            format!("LD_PRELOAD={}", self.library.display()),
            format!("FAKETIME_TIMESTAMP_FILE={}", self.file.display()),
            "FAKETIME_NO_CACHE=1".to_owned(),
            "FAKETIME_DONT_FAKE_MONOTONIC=1".to_owned(),
            "NO_FAKE_STAT=1".to_owned(),
        ]
    }
}

impl Drop for Clock {
    /// Whoever is killed leaves the library's shared memory behind, and a later program of its pid would stumble on it.
    fn drop(&mut self) {
        for entry in fs::read_dir("/dev/shm").into_iter().flatten().flatten() {
            let name = entry.file_name().into_string().unwrap_or_default();
            let pid = name.strip_prefix("faketime_shm_").or_else(|| name.strip_prefix("sem.faketime_sem_"));
            let is_dead = pid.and_then(|pid| pid.parse().ok()).is_some_and(|pid| identify(pid).is_none());
            if is_dead {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

#[test]
fn a_clock_that_is_set_by_a_year_harms_nobody() {
    let world = World::new(As::User, Manager::Local);
    let clock = Clock::new(&world);
    let listens = "repeat 100000 { wait; };";
    // One for each jump: three early deaths in a row would be a quarantine.
    let mortals = ["dies0", "dies1", "dies2"];
    let agents = mortals.map(|name| canary(name, "", listens)).concat()
        + &canary("rests", "stall after=\"5m\";", listens)
        + &canary("works", "stall after=\"5m\";", "busy \"10h\";")
        + &canary("quiet", "stall after=\"5m\";", "wait; hang;");
    world.roster(&format!("{HEAD}{agents}"));
    let mut apply = world.manager.command("env");
    apply.args(clock.variables()).arg(world.program()).args(["apply", "--yes", "--manager=local"]);
    let said = output(apply.current_dir(&world.folder), LONG);
    assert!(said.status.success(), "{said:?}");
    let fleet = Watched { world };
    fleet.is("works", "working");
    for name in mortals.iter().chain(&["rests", "quiet"]) {
        fleet.is(name, "idle");
    }
    fleet.send("quiet", "work", "0");
    fleet.until("quiet", "it has its work", || fleet.log("quiet").contains("got: work"));
    let names = ["rests", "works", "quiet"];
    let pids = || (fleet.pid(), names.map(|name| fleet.world.pid(name)));
    let before = pids();
    let mut ahead = 0;
    for (round, (by, mortal)) in JUMPS.into_iter().zip(mortals).enumerate() {
        ahead += by;
        clock.set(ahead);
        // The next thing that happens shows that the clock was set.
        let text = format!("word-{round}");
        let (id, _) = fleet.send("rests", &text, "30");
        assert_eq!(fleet.log("rests").matches(&format!("got: {text}")).count(), 1, "{:?}", fleet.message(&id));
        fleet.until("rests", "the jump is seen", || jumps(&fleet).len() == round + 1);
        // A wait of a second is a second still, and an early death an early death.
        let old = fleet.world.pid(mortal);
        strike(fleet.child(mortal), Signal::SIGKILL);
        fleet.comes_back(mortal, old);
        let lived = fleet.decided(mortal).into_iter().find(|(_, why)| why.starts_with("it ended (signal 9) "));
        assert!(lived.as_ref().is_some_and(|(_, why)| !why.contains("315360")), "round {round}: {lived:?}");
        fleet.is(mortal, "idle");
        assert_eq!(pids(), before, "round {round}");
        for name in names {
            for rule in ["stall", "restart"] {
                let found =
                    fleet.decided(name).into_iter().filter(|(known, why)| known == rule && !why.contains("a look"));
                assert_eq!(found.collect::<Vec<_>>(), [], "{name}, round {round}");
            }
        }
    }
    let seen = jumps(&fleet);
    assert!(seen.iter().zip(JUMPS).all(|(seen, by)| seen.abs_diff(by) < 3), "{seen:?}");
    // Told in the order in which it happened, whatever the clock said.
    let said = fleet.world.fleet(&["events"], 0);
    let told: Vec<String> = said.lines().filter(|line| line.contains("nobody counts")).map(str::to_owned).collect();
    let words = |(line, by): (&String, &i64)| line.contains(&format!("the clock jumped by {by} s"));
    assert!(told.len() == seen.len() && told.iter().zip(&seen).all(words), "{said}");
    fleet.destroy();
}

/// The jumps that were seen, oldest first, in seconds.
fn jumps(fleet: &Watched) -> Vec<i64> {
    let reader = Reader::open(&fleet.state()).unwrap().unwrap();
    let rows = reader.decisions(0, None, 10_000).unwrap();
    assert!(rows.windows(2).all(|pair| pair[0].seq < pair[1].seq), "{rows:#?}");
    let of_the_fleet = rows.iter().filter(|row| row.agent.is_none() && row.rule == "clock");
    let by = |text: &str| text.strip_prefix("the clock jumped by ")?.split(' ').next()?.parse().ok();
    of_the_fleet.map(|row| by(&row.reason).unwrap_or_else(|| panic!("{row:?}"))).collect()
}
