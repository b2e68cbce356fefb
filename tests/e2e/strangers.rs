//! What is not a fleet's stays as it is, whatever the fleet does: other people's files, units and tmux, and the next fleet
//! with a look-alike id.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use fleet::system::proc;
use serde_json::Value;

use crate::random::samples;
use crate::seeded::Seeded;
use crate::support::{As, LONG, output, wait_for};
use crate::world::{Manager, World};

const FLEETS: [&str; 3] = ["shop", "shop2", "shopper"];
/// `x` has the unit of a stranger, in fleet `shop`.
const AGENTS: [&str; 5] = ["a", "b", "c-d", "x", "view"];

/// Everything that looks like fleet's and is not, made by the user. `$1` is the folder of units, `$2` the state base,
/// `$3` the runtime base, `$4` the working folder.
const STRANGERS: &str = r#"
set -e
umask 077
unit() { printf '[Unit]\nDescription=%s\n[Service]\nExecStart=sleep 100000\n%s\n' "$1" "$3" >"$2"; }
mkdir -p "$1/fleet-shop-x.service.d" "$1/default.target.wants"
unit 'a deployment tool' "$1/fleet-shop.service" ''
unit 'a stranger' "$1/fleet-shop-x.service" ''
unit 'another fleet' "$1/fleet-shopping-a.service" '[X-Fleet]
Fleet=shopping'
unit 'the mark of shop, in no ledger' "$1/fleet-shop-lost.service" '[X-Fleet]
Fleet=shop'
printf '[Service]\nNice=1\n' >"$1/fleet-shop-x.service.d/own.conf"
ln -s "$1/fleet-shop.service" "$1/default.target.wants/fleet-shop.service"
mkdir -p "$2/fleet/shop/agents/a" "$2/fleet/shopold/agents/a" "$3/fleet/shop"
echo notes >"$2/fleet/notes"
echo mine >"$2/fleet/shop/mine"
echo 'A=1' >"$2/fleet/shop/agents/a/local.env"
echo '{}' >"$2/fleet/shopold/ledger.json"
echo log >"$2/fleet/shopold/agents/a/log"
echo keep >"$3/fleet/shop/keep"
tmux -f /dev/null -S "$4/own.tmux" new-session -d -s fleet-shop -n lead 'sleep 100000'
tmux -S "$4/own.tmux" new-session -d -s shop -n a 'sleep 100000'
tmux -S "$4/own.tmux" new-session -d -s view -n fleet 'sleep 100000'
"#;

type Print = (u64, i64, i64, Vec<u8>);

struct Street {
    world: World,
    foreign: BTreeMap<PathBuf, Print>,
    tmux: String,
    main: Option<String>,
    /// Most rosters want a supervisor, instead of none.
    supervised: bool,
}

impl Street {
    fn new(kind: Manager, supervised: bool) -> Self {
        let world = World::new(As::User, kind);
        for fleet in FLEETS {
            let status = world.manager.command("mkdir").arg(world.folder.join(fleet)).status().unwrap();
            assert!(status.success());
        }
        let before: BTreeSet<PathBuf> = prints(&world).into_keys().collect();
        let mut command = world.manager.command("sh");
        command.args(["-c", STRANGERS, "strangers"]).arg(world.manager.unit_folder());
        command.arg(world.manager.variable("XDG_STATE_HOME")).arg(world.manager.variable("XDG_RUNTIME_DIR"));
        assert!(output(command.arg(&world.folder), LONG).status.success());
        if kind == Manager::Systemd {
            systemctl(&world, &["daemon-reload"]);
            systemctl(&world, &["start", "fleet-shop-x.service", "fleet-shop-lost.service"]);
        }
        let mut foreign = prints(&world);
        foreign.retain(|path, _| !before.contains(path));
        assert!(foreign.len() > 10, "{foreign:?}");
        let (tmux, main) = (tmux(&world), main_pids(&world));
        Self { world, foreign, tmux, main, supervised }
    }

    fn assert_untouched(&self, what: &str) {
        let now = prints(&self.world);
        for (path, print) in &self.foreign {
            assert_eq!(now.get(path), Some(print), "{} after {what}", path.display());
        }
        assert_eq!(main_pids(&self.world), self.main, "after {what}");
        assert_eq!(tmux(&self.world), self.tmux, "after {what}");
    }

    /// Everything of `fleet`, but for what agents write at work, with the processes of its agents.
    fn of(&self, fleet: &str) -> (BTreeMap<PathBuf, Print>, Vec<u64>) {
        let mut own = prints(&self.world);
        own.retain(|path, _| !self.foreign.contains_key(path) && is_of(path, fleet));
        let runs = own.iter().filter(|(path, _)| path.ends_with("run.json"));
        let pid = |text: &[u8]| serde_json::from_slice::<Value>(text).unwrap()["shim"]["pid"].as_u64().unwrap();
        let pids = runs.map(|(_, print)| pid(&print.3)).collect();
        (own, pids)
    }

    fn roster(&self, fleet: &str, random: &mut Seeded) -> bool {
        let supervised = self.supervised && random.below(4) > 0;
        let mut text = format!(
            "fleet \"{fleet}\" version=1 supervise=#{supervised}\nfloor \"exempt\" reason=\"x\"\ndefaults {{ stop-timeout \"5s\"; restart \"never\"; runtime \"command\" {{ argv \"sleep\" \"100000\"; }}; }}\norchestrator \"lead\"\n"
        );
        let mut has_stranger = false;
        for name in AGENTS {
            // The one that cannot be is wanted less often.
            if random.below(if name == "x" { 6 } else { 2 }) == 0 {
                has_stranger |= name == "x" && fleet == "shop";
                text += &format!("agent \"{name}\" {{ role \"coder\"; env \"A\" \"{}\"; }}\n", random.below(3));
            }
        }
        fs::write(self.world.folder.join(fleet).join("fleet.kdl"), text).unwrap();
        has_stranger
    }

    /// Runs fleet in the folder of `fleet`, and returns what it said and its exit status.
    fn run(&self, fleet: &str, words: &[&str]) -> (String, i32) {
        let mut command = self.world.command(words);
        let said = output(command.current_dir(self.world.folder.join(fleet)), LONG);
        let text = String::from_utf8_lossy(&said.stdout).into_owned() + &String::from_utf8_lossy(&said.stderr);
        (text, said.status.code().unwrap())
    }

    fn is_applied(&self, fleet: &str) -> bool {
        self.world.state_folder().join(fleet).join("ledger.json").exists()
    }

    /// One thing that people do with `fleet`.
    fn step(&self, fleet: &str, random: &mut Seeded) -> String {
        let manager = format!("--manager={}", self.world.kind.word());
        let is_applied = self.is_applied(fleet);
        let choice = if is_applied { random.below(12) } else { 0 };
        let (words, expected): (Vec<&str>, &[i32]) = match choice {
            0..=4 => {
                let meets = self.roster(fleet, random) && self.world.kind == Manager::Systemd;
                let words = vec!["apply", &manager, "--yes", "--restart=now", "--allow-mass-remove"];
                (words, if meets { &[6] } else { &[0] })
            }
            5 | 6 => (vec!["destroy", "--yes"], &[0]),
            7 => (vec!["stop", "lead"], &[0]),
            8 => (vec!["start", "--all"], &[0]),
            // Without an earlier generation there is nowhere to go.
            9 => (vec!["rollback", "--yes", "--restart=now", "--allow-mass-remove"], &[0, 1]),
            10 => (vec!["view", "--no-attach"], &[0]),
            _ => (vec!["view", "--kill"], &[0]),
        };
        let (said, code) = self.run(fleet, &words);
        assert!(expected.contains(&code), "{fleet}: {words:?} ended with {code}:\n{said}");
        format!("{fleet}: {words:?}:\n{said}")
    }
}

fn is_of(path: &Path, fleet: &str) -> bool {
    let text = path.to_str().unwrap();
    let unit = format!("/fleet-{fleet}");
    text.contains(&format!("/fleet/{fleet}/"))
        || text
            .split_once(&unit)
            .is_some_and(|(_, rest)| rest.starts_with(['-', '.']) && text.contains("/systemd/user/"))
}

/// Files and links below everything that fleet writes to.
fn prints(world: &World) -> BTreeMap<PathBuf, Print> {
    let mut found = BTreeMap::new();
    let runtime = world.manager.variable("XDG_RUNTIME_DIR").join("fleet");
    let mut folders = vec![world.manager.variable("XDG_STATE_HOME"), runtime, world.manager.unit_folder()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let (path, name) = (entry.path(), entry.file_name().into_string().unwrap());
            let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
            if metadata.is_dir() {
                folders.push(path);
                continue;
            }
            // What agents and supervisors write at work.
            if ["heartbeat", "shim.err"].contains(&name.as_str()) || name.starts_with("journal.") {
                continue;
            }
            // Not the copies of fleet's programs.
            let is_text = metadata.is_file() && metadata.len() < 1 << 20;
            let content = if is_text { fs::read(&path).unwrap_or_default() } else { Vec::new() };
            found.insert(path, (metadata.ino(), metadata.mtime(), metadata.mtime_nsec(), content));
        }
    }
    found
}

fn systemctl(world: &World, words: &[&str]) -> String {
    let said = output(world.manager.command("systemctl").arg("--user").args(words), LONG);
    assert!(said.status.success(), "{words:?}: {}", String::from_utf8_lossy(&said.stderr));
    String::from_utf8(said.stdout).unwrap()
}

/// The strangers' processes.
fn main_pids(world: &World) -> Option<String> {
    let words = ["show", "--property=Id,MainPID,ActiveState", "fleet-shop-x.service", "fleet-shop-lost.service"];
    (world.kind == Manager::Systemd).then(|| systemctl(world, &words))
}

fn tmux(world: &World) -> String {
    let mut command = world.manager.command("tmux");
    command.arg("-S").arg(world.folder.join("own.tmux"));
    command.args([
        "list-panes",
        "-a",
        "-F",
        "#{pid} #{session_id} #{session_name} #{window_id} #{window_name} #{pane_pid}",
    ]);
    String::from_utf8(output(&mut command, LONG).stdout).unwrap()
}

fn live_on_a_street(kind: Manager, supervised: bool, seed: u64, rounds: usize) {
    let street = Street::new(kind, supervised);
    let mut random = Seeded(seed);
    let mut destroys = 0;
    for round in 0..rounds {
        let fleet = *random.pick(&FLEETS);
        let others: Vec<&str> = FLEETS.into_iter().filter(|other| *other != fleet).collect();
        let before: Vec<_> = others.iter().map(|other| street.of(other)).collect();
        let was_applied = street.is_applied(fleet);
        let said = street.step(fleet, &mut random);
        let what = format!("round {round}, {said}");
        street.assert_untouched(&what);
        for (other, before) in others.iter().zip(before) {
            let now = street.of(other);
            assert_eq!(now.1, before.1, "the agents of {other} after {what}");
            assert!(now == before, "files of {other} after {what}");
            for pid in now.1 {
                assert!(proc::identify(u32::try_from(pid).unwrap()).is_some(), "{pid} of {other} after {what}");
            }
        }
        if was_applied && !street.is_applied(fleet) {
            destroys += 1;
            let (left, _) = street.of(fleet);
            assert!(left.is_empty(), "{:?} after {what}", left.keys());
        }
    }
    assert!(destroys > rounds / 20, "only {destroys} destroys");
    let (said, code) = street.run("shop", &["destroy", "--all", "--yes"]);
    // Somebody's own broken ledger keeps one fleet from going, and that one only.
    assert!(code == 3 && said.contains("shopold"), "{code}: {said}");
    street.assert_untouched(&said);
    let stays = |path: &PathBuf| street.foreign.contains_key(path) || path.ends_with("own.tmux");
    wait_for("nothing of the fleets is left", || {
        prints(&street.world).keys().filter(|path| FLEETS.iter().any(|fleet| is_of(path, fleet))).all(stays)
    });
    let mut end = street.world.manager.command("tmux");
    let _ = output(end.arg("-S").arg(street.world.folder.join("own.tmux")).arg("kill-server"), LONG);
    if kind == Manager::Systemd {
        systemctl(&street.world, &["stop", "fleet-shop-x.service", "fleet-shop-lost.service"]);
    }
}

#[test]
fn strangers_are_untouched_by_what_fleets_do_locally() {
    live_on_a_street(Manager::Local, false, 3, 160);
}

#[test]
fn strangers_are_untouched_by_what_fleets_do_under_systemd() {
    live_on_a_street(Manager::Systemd, false, 4, 40);
}

#[test]
fn strangers_are_untouched_by_what_supervised_fleets_do_locally() {
    live_on_a_street(Manager::Local, true, 5, samples(40, 160));
}

#[test]
fn strangers_are_untouched_by_what_supervised_fleets_do_under_systemd() {
    live_on_a_street(Manager::Systemd, true, 6, samples(15, 40));
}
