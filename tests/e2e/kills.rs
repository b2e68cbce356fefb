//! A kill at every single effect of a real command, one after the other, and the same command again.
//!
//! `strace` kills fleet before it carries out its n-th effect, for n from one until the command gets through. Only
//! fleet itself is traced, so what it starts lives or dies by its own rules.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use fleet::system::proc::identify;
use nix::libc::SIGKILL;
use serde_json::Value;

use crate::random::{Random, samples, seed};
use crate::support::{As, LONG, output, wait_for};
use crate::world::{Manager, World};

/// Every call by which fleet changes something that outlives it. Killed before the first write to a file, it leaves it
/// empty; what opens files is not here, for it opens them to read as well. `fsync` and `fchmod` are not, for they come
/// between a write and a rename: a kill before them leaves what a kill before that rename leaves.
const EFFECTS: &str = "rename,renameat,renameat2,unlink,unlinkat,symlink,symlinkat,link,linkat,mkdir,mkdirat,rmdir,\
                       write,writev,pwrite64,copy_file_range,sendfile,ftruncate,bind,connect,sendto,sendmsg,sendmmsg,\
                       kill,tgkill,pidfd_send_signal,execve,execveat,clone,clone3,fork,vfork";

const ROLE: &str = "---\nmay \"code\"\n---\nThe text.\n";

fn head(supervised: bool) -> String {
    format!(
        "fleet \"shop\" version=1 supervise=#{supervised}\nfloor \"exempt\" reason=\"x\"\ndefaults {{ runtime \"canary\"; stop-timeout \"5s\"; restart \"never\"; }}\n"
    )
}

/// One agent that stays as it is, one that changes, one that the other roster does not have.
pub fn roster(supervised: bool, colour: &str, last: &str) -> String {
    let head = head(supervised);
    format!(
        "{head}agent \"keep\" {{ role \"coder\"; }}\nagent \"edit\" {{ role \"special\"; description \"{colour}\"; env \"COLOUR\" \"{colour}\"; }}\nagent \"{last}\" {{ role \"coder\"; after \"keep\"; }}\n"
    )
}

pub fn world(kind: Manager) -> World {
    let world = World::new(As::User, kind);
    // A debug build is mostly debug information, which every first apply would copy and wait for.
    for name in ["fleet", "fleet-shim"] {
        let status = Command::new("strip").arg(world.program().with_file_name(name)).status();
        assert!(status.expect("strip is missing: install the package binutils").success());
    }
    fs::create_dir(world.folder.join("roles")).unwrap();
    fs::write(world.folder.join("roles/special.md"), ROLE).unwrap();
    world
}

/// `fleet` under `strace` with `options`, which traces fleet alone.
fn traced(world: &World, options: &[&str], arguments: &[&str]) -> Output {
    let mut command = world.manager.command("strace");
    command.args(["-qq", "-e", &format!("trace={EFFECTS}"), "-e", "signal=none"]).args(options).arg("--");
    command.arg(world.program()).args(arguments).current_dir(&world.folder).env("LANG", "C.UTF-8");
    output(&mut command, LONG)
}

/// A call, and which of its occurrences: strace counts each call by itself.
pub type Point = (String, usize);

/// Runs `fleet` to its end, and says what it did.
fn points(world: &World, arguments: &[&str]) -> Vec<Point> {
    // Under systemd only what the local manager has not: units, their links, and the bus. The rest is the same there.
    points_of(world, arguments, world.kind == Manager::Local)
}

/// `is_local`: all of them.
pub fn points_of(world: &World, arguments: &[&str], is_local: bool) -> Vec<Point> {
    let log = world.manager.base.join("tmp/effects");
    let said = traced(world, &["-o", log.to_str().unwrap()], arguments);
    assert!(said.status.success(), "{arguments:?}: {said:?}");
    let text = fs::read_to_string(log).unwrap();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let points: Vec<Point> = text
        .lines()
        .filter_map(|line| {
            let (call, rest) = line.split_once('(')?;
            let count = counts.entry(call.to_owned()).or_default();
            *count += 1;
            // A call that failed changed nothing, and neither did words on the terminal.
            let is_word = call == "write" && (rest.starts_with("1, ") || rest.starts_with("2, "));
            let is_effect = !is_word && !rest.contains(" = -1 ");
            let is_other = rest.contains("systemd/user") || call.starts_with("send") || call.starts_with("clone");
            (is_effect && (is_local || is_other)).then(|| (call.to_owned(), *count))
        })
        .collect();
    assert!(points.len() > if is_local { 30 } else { 15 }, "fleet {arguments:?} does more than this: {points:?}");
    points
}

/// Runs `fleet` and kills it before `point`. `false`: it never came there, and succeeded.
pub fn killed_at(world: &World, (call, count): &Point, arguments: &[&str]) -> bool {
    let inject = format!("inject={call}:signal=SIGKILL:when={count}");
    let said = traced(world, &["-o", "/dev/null", "-e", &inject], arguments);
    // strace ends as its program has ended.
    if said.status.signal() == Some(SIGKILL) {
        return true;
    }
    assert_eq!(said.status.code(), Some(0), "{arguments:?}, not killed at {call} {count}: {said:?}");
    false
}

pub fn below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            }
            found.push(entry.path());
        }
    }
    found
}

/// Everything that a roster decides: all files and links but the agents' own records, by content. A file that nobody
/// knows is among them, so that it is seen when one is left.
pub fn rendered(world: &World) -> BTreeMap<PathBuf, Vec<u8>> {
    const RECORDS: &[&str] =
        &["lock", "lock.json", "run.json", "exit.json", "last-screen", "conversation.json", "runs"];
    const OF_A_SUPERVISOR: &[&str] = &["journal.", "supervisor.lock", "supervisor.err"];
    let shop = world.state_folder().join("shop");
    let is_record = |path: &Path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        let own =
            RECORDS.contains(&name) || ["log", "heartbeat", "shim.lock", "shim.err", "ledger.json"].contains(&name);
        let supervisors =
            path.parent() == Some(&*shop) && OF_A_SUPERVISOR.iter().any(|start| name.starts_with(start));
        own || supervisors || path.starts_with(shop.join("generations")) || path.starts_with(shop.join("bin"))
    };
    let paths = below(&shop).into_iter().chain(below(&world.manager.unit_folder()));
    let content = |path: &Path| match fs::read_link(path) {
        Ok(to) => Some(to.into_os_string().into_encoded_bytes()),
        Err(_) => path.is_file().then(|| fs::read(path).unwrap()),
    };
    paths.filter(|path| !is_record(path)).filter_map(|path| Some((path.clone(), content(&path)?))).collect()
}

/// What the ledger says, but for the count of generations.
pub fn ledger(world: &World) -> Value {
    let mut ledger = read_ledger(world);
    ledger["generation"] = Value::Null;
    ledger
}

fn read_ledger(world: &World) -> Value {
    let text = fs::read(world.state_folder().join("shop/ledger.json")).unwrap();
    serde_json::from_slice(&text).unwrap()
}

/// Half-written: its name begins with a dot.
fn is_temporary(path: &Path) -> bool {
    path.file_name().unwrap().as_encoded_bytes().starts_with(b".")
}

/// Half-written files, and folders for one run.
pub fn temporaries(world: &World) -> Vec<PathBuf> {
    let runtime = world.manager.variable("XDG_RUNTIME_DIR");
    let mut found: Vec<_> =
        below(&world.state_folder()).into_iter().chain(below(&world.manager.unit_folder())).collect();
    found.retain(|path| is_temporary(path));
    let starts = fs::read_dir(runtime).unwrap().flatten();
    found.extend(
        starts
            .filter(|entry| entry.file_name().as_encoded_bytes().starts_with(b"fleet-start"))
            .map(|entry| entry.path()),
    );
    found
}

pub fn shim(world: &World, name: &str) -> u32 {
    let text = fs::read(world.state_folder().join("shop/agents").join(name).join("run.json")).unwrap();
    let run: Value = serde_json::from_slice(&text).unwrap();
    u32::try_from(run["shim"]["pid"].as_u64().unwrap()).unwrap()
}

/// One command, what it leads to, and the plan that must be empty then.
pub struct Way {
    pub command: Vec<String>,
    plan: Vec<String>,
    files: BTreeMap<PathBuf, Vec<u8>>,
    ledger: Value,
}

impl Way {
    /// The way to what is there now, by `command`.
    pub fn here(world: &World, command: &str, plan: &str) -> Self {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect();
        Self { command: words(command), plan: words(plan), files: rendered(world), ledger: ledger(world) }
    }

    /// Goes the way after somebody was killed on it, and looks whether it has led to the same.
    pub fn finish(&self, world: &World, point: &Point) {
        let said = world.fleet(&strs(&self.command), 0);
        let what = format!("{:?}, killed at {point:?}, then:\n{said}", self.command);
        let mut found = rendered(world);
        let mut known = ledger(world);
        if said.contains("Applied") && !said.contains("nothing left to do") {
            // Where readiness is told is swept by whoever starts somebody.
            let late = |path: &PathBuf| path.starts_with(world.state_folder()) || said.contains("started");
            let left = || temporaries(world).into_iter().filter(late).collect::<Vec<_>>();
            // A supervisor writes, too, and takes no longer than that.
            wait_for(&format!("nothing half-written is left: {:?}: {what}", left()), || left().is_empty());
        } else {
            // It was killed after its last effect. Where nothing is to be done nothing is written, and what is left of the
            // bookkeeping goes with the next apply that does something.
            let announced = known.as_object_mut().unwrap().shift_remove("expected");
            for (path, digests) in announced.iter().flat_map(|announced| announced.as_object().unwrap()) {
                // What was announced is known to be fleet's, also where nobody was left to say that it was written.
                let is = &self.ledger["files"][path];
                if digests.as_array().unwrap().contains(is) {
                    known["files"][path] = is.clone();
                }
            }
            found.retain(|path, _| !is_temporary(path));
        }
        for path in self.files.keys().chain(found.keys()) {
            let text = |files: &BTreeMap<PathBuf, Vec<u8>>| {
                files.get(path).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
            };
            assert_eq!(text(&found), text(&self.files), "{}: {what}", path.display());
        }
        let lines = |ledger: &Value| {
            serde_json::to_string_pretty(ledger).unwrap().lines().map(str::to_owned).collect::<Vec<_>>()
        };
        let (found, wanted) = (lines(&known), lines(&self.ledger));
        let odd: Vec<_> = found.iter().filter(|line| !wanted.contains(line)).collect();
        assert!(found == wanted, "the ledger says otherwise {odd:#?}: {what}");
        world.fleet(&strs(&self.plan), 0);
        if world.kind == Manager::Systemd {
            let mut show = world.manager.command("systemctl");
            show.args(["--user", "show", "--property=NeedDaemonReload", "--value", "fleet-shop-edit.service"]);
            let stale = output(&mut show, LONG);
            assert_eq!(String::from_utf8_lossy(&stale.stdout).trim(), "no", "systemd has not read the unit: {what}");
        }
    }
}

pub fn strs(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

/// From red to blue with `apply`, from blue to red with `rollback`, and so on, each killed once at each of its effects,
/// or of each `step` of them one from the `first`.
/// `supervised`: whether the blue fleet is, and the red one.
fn there_and_back(kind: Manager, supervised: [bool; 2], first: usize, step: usize) {
    along(kind, supervised, first, step, |_| String::new());
}

/// The same, with `more` in the roster of a colour.
fn along(kind: Manager, supervised: [bool; 2], first: usize, step: usize, more: impl Fn(&str) -> String) {
    let world = world(kind);
    let of = |supervised, colour, last| roster(supervised, colour, last) + &more(colour);
    let (red, blue) = (of(supervised[1], "red", "left"), of(supervised[0], "blue", "right"));
    // How it looks where nothing was ever killed.
    world.roster(&blue);
    world.apply(&[], 0);
    let mut there = Way::here(&world, "apply --yes --restart=now", "plan --detailed-exitcode");
    world.fleet(&["destroy", "--yes"], 0);
    world.roster(&red);
    world.apply(&[], 0);
    let mut back = Way::here(&world, "rollback 1 --yes --restart=now", "plan --detailed-exitcode --generation 1");
    world.roster(&blue);
    let keep = shim(&world, "keep");
    let (applies, rollbacks) = (points(&world, &strs(&there.command)), points(&world, &strs(&back.command)));
    let supervisor = || world.status()["supervisor"]["pid"].as_u64();
    let before = supervisor();
    assert_eq!(before.is_some(), supervised[1]);
    let (mut killed, mut all) = (0, 0);
    for at in (first..applies.len().max(rollbacks.len())).step_by(step) {
        for (way, points, supervised) in
            [(&mut there, &applies, supervised[0]), (&mut back, &rollbacks, supervised[1])]
        {
            // The shorter of the two is gone to its end once more, to come to the other side.
            let point = points.get(at).unwrap_or(&points[0]);
            killed += usize::from(killed_at(&world, point, &strs(&way.command)));
            all += 1;
            way.finish(&world, point);
            assert_eq!(shim(&world, "keep"), keep, "killed at {point:?}");
            assert!(identify(keep).is_some(), "killed at {point:?}");
            assert_eq!(supervisor().is_some(), supervised, "killed at {point:?}");
        }
        if supervised[0] {
            assert_eq!(supervisor(), before, "killed at {at} of {applies:?} and {rollbacks:?}");
        }
        // Old generations are dropped.
        let red = read_ledger(&world)["generation"].to_string();
        back.command[1].clone_from(&red);
        *back.plan.last_mut().unwrap() = red;
    }
    // How often a call is tried again may differ by one or two.
    assert!(killed + 6 + all / 20 > all, "only {killed} of {all} kills came about");
    world.apply(&["--yes", "--restart=now"], 0);
    assert_eq!(temporaries(&world), Vec::<PathBuf>::new());
    world.fleet(&["destroy", "--yes"], 0);
    assert_eq!(below(&world.state_folder()), Vec::<PathBuf>::new());
}

#[test]
fn an_apply_killed_at_any_effect_is_finished_by_the_next() {
    there_and_back(Manager::Local, [false, false], 0, 2);
}

#[test]
fn an_apply_killed_at_any_other_effect_is_finished_by_the_next() {
    there_and_back(Manager::Local, [false, false], 1, 2);
}

#[test]
fn an_apply_under_systemd_killed_at_any_effect_is_finished_by_the_next() {
    there_and_back(Manager::Systemd, [false, false], 0, 2);
}

#[test]
fn an_apply_under_systemd_killed_at_any_other_effect_is_finished_by_the_next() {
    there_and_back(Manager::Systemd, [false, false], 1, 2);
}

/// One of so many effects in every run; which ones differs from run to run.
#[expect(clippy::print_stdout, reason = "the seed of a run, for people")]
pub fn some(most: usize) -> (usize, usize) {
    let (seed, step) = (seed(), most.div_ceil(samples(1, most)));
    println!("FLEET_E2E_SEED={seed}");
    (usize::try_from(Random::new(seed).below(step as u64)).unwrap(), step)
}

#[test]
fn a_supervised_apply_killed_at_any_effect_is_finished_by_the_next() {
    let (first, step) = some(8);
    there_and_back(Manager::Local, [true, true], first, step);
}

#[test]
fn a_supervised_apply_under_systemd_killed_at_any_effect_is_finished_by_the_next() {
    let (first, step) = some(6);
    there_and_back(Manager::Systemd, [true, true], first, step);
}

#[test]
fn an_apply_that_takes_the_supervisor_or_brings_it_is_finished_by_the_next() {
    let (first, step) = some(8);
    there_and_back(Manager::Local, [false, true], first, step);
}

#[test]
fn an_apply_under_systemd_that_takes_the_supervisor_or_brings_it_is_finished_by_the_next() {
    let (first, step) = some(6);
    there_and_back(Manager::Systemd, [false, true], first, step);
}

/// Many files are written in another order than few: all beside their places, then all into them.
#[test]
fn an_apply_of_many_killed_at_any_effect_is_finished_by_the_next() {
    let (first, step) = some(40);
    along(Manager::Local, [false, false], first, step, |colour| {
        format!("agent \"m\" count=40 {{ role \"coder\"; autostart #false; env \"COLOUR\" \"{colour}\"; }}\n")
    });
}

/// Killed anywhere, it leaves nothing that the same command does not take away.
fn destroy(supervised: bool, first: usize, step: usize) {
    let world = world(Manager::Local);
    let head = head(supervised);
    world.roster(&format!("{head}agent \"edit\" {{ role \"special\"; env \"COLOUR\" \"red\"; }}\n"));
    let destroy = ["destroy", "--yes"];
    world.apply(&[], 0);
    let points = points(&world, &destroy);
    let (mut killed, mut all) = (0, 0);
    for point in points.iter().skip(first).step_by(step) {
        world.apply(&[], 0);
        let mut pids = vec![shim(&world, "edit")];
        let supervisor = world.status()["supervisor"]["pid"].as_u64();
        pids.extend(supervisor.map(|pid| u32::try_from(pid).unwrap()));
        assert_eq!(pids.len(), 1 + usize::from(supervised));
        killed += usize::from(killed_at(&world, point, &destroy));
        all += 1;
        if world.state_folder().join("shop").exists() {
            world.fleet(&destroy, 0);
        }
        let left: Vec<PathBuf> = below(&world.state_folder())
            .into_iter()
            .chain(below(&world.manager.unit_folder()))
            .chain(below(&world.manager.variable("XDG_RUNTIME_DIR").join("fleet")))
            .collect();
        assert_eq!(left, Vec::<PathBuf>::new(), "killed at {point:?}");
        let living: Vec<_> = pids.into_iter().filter(|pid| identify(*pid).is_some()).collect();
        assert_eq!(living, Vec::<u32>::new(), "killed at {point:?}: the shim or the supervisor lives on");
    }
    assert!(killed + 4 > all, "only {killed} of {all} kills came about");
}

#[test]
fn a_destroy_killed_at_any_effect_is_finished_by_the_next() {
    destroy(false, 0, 1);
}

#[test]
fn a_supervised_destroy_killed_at_any_effect_is_finished_by_the_next() {
    let (first, step) = some(6);
    destroy(true, first, step);
}
