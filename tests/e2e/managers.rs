//! What every service manager must do, asked of all three.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fleet::ids::{AgentName, FleetId, UnitName};
use fleet::system::proc::identify;
use fleet::system::service::detect::{detect, open_systemd};
use fleet::system::service::local::LocalManager;
use fleet::system::service::systemctl::SystemctlManager;
use fleet::system::service::systemd::SystemdManager;
use fleet::system::service::{ActiveState, ManagerKind, ServiceManager};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::manifest::manifest;
use crate::support::{As, LONG, UserManager, forget, is_own_manager, part, wait_for};

const STAND_IN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/support/stand-in-shim");
const STAND_IN_SUPERVISOR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/support/stand-in-supervisor");

#[test]
fn systemd_over_the_bus() {
    each("managers::systemd_over_the_bus", |bench| {
        let facts = detect();
        assert!(facts.user_manager, "{facts:?}");
        assert!(facts.version_number().is_some_and(|version| version > 200), "{facts:?}");
        let manager = SystemdManager::connect(&facts.bus.expect("a bus")).unwrap();
        conformance(&manager, bench);
        systemd_only(&manager, bench);
        if is_own_manager() {
            // A bus that goes away is an error with a next step, and soon.
            stop_the_bus();
            let error = manager.observe(&bench.fleet).unwrap_err();
            assert!(error.help.is_some(), "{error}");
            assert!(manager.start(&bench.unit("lead"), LONG).is_err());
        }
    });
}

#[test]
fn systemd_through_systemctl() {
    each("managers::systemd_through_systemctl", |bench| {
        if is_own_manager() {
            // Nothing may need the bus: from here on there is none.
            stop_the_bus();
            let facts = detect();
            assert_eq!(facts.bus, None, "{facts:?}");
            assert!(facts.systemd_answers(), "{facts:?}");
            assert_eq!(open_systemd().unwrap().kind(), ManagerKind::Systemd);
        }
        conformance(&SystemctlManager, bench);
        systemd_only(&SystemctlManager, bench);
    });
}

#[test]
fn local() {
    each("managers::local", |bench| {
        let manager =
            LocalManager { state: bench.state.clone(), fleet: bench.fleet.clone(), shim: bench.shim.clone() };
        conformance(&manager, bench);
    });
}

/// Runs `inside` in the environment of a manager of each user.
fn each(test: &str, inside: impl Fn(&Bench)) {
    if part().is_some() {
        return inside(&Bench::new());
    }
    for who in As::all() {
        let manager = UserManager::start(*who);
        manager.install(Path::new(STAND_IN));
        let supervisor = manager.install(Path::new(STAND_IN_SUPERVISOR));
        fs::rename(&supervisor, supervisor.with_file_name("fleet")).unwrap();
        manager.run_part(test, "inside");
    }
}

fn stop_the_bus() {
    let words = ["--user", "stop", "dbus.socket", "dbus.service"];
    let output = std::process::Command::new("systemctl").args(words).output().unwrap();
    assert!(output.status.success(), "systemctl {words:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// One fleet's folders.
struct Bench {
    fleet: FleetId,
    state: PathBuf,
    units: PathBuf,
    shim: PathBuf,
}

impl Bench {
    fn new() -> Self {
        let base = PathBuf::from(std::env::var_os("FLEET_E2E_BASE").unwrap());
        let config = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from);
        let config = config.unwrap_or_else(|| Path::new(&std::env::var_os("HOME").unwrap()).join(".config"));
        let units = config.join("systemd/user");
        fs::create_dir_all(&units).unwrap();
        let fleet = FleetId::new(&format!("e2e{}", std::process::id())).unwrap();
        Self { fleet, state: base.join("home/state"), units, shim: base.join("bin/stand-in-shim") }
    }

    fn unit(&self, name: &str) -> UnitName {
        UnitName::agent(&self.fleet, &AgentName::new(name).unwrap())
    }

    fn at(&self, name: &str) -> PathBuf {
        self.state.join("agents").join(name)
    }

    fn agent(&self, name: &str, behave: &str) -> UnitName {
        self.agent_with(name, behave, "one")
    }

    fn agent_with(&self, name: &str, behave: &str, word: &str) -> UnitName {
        let folder = self.at(name);
        fs::create_dir_all(&folder).unwrap();
        let group = ["ga", "gb", "gc", "gd"].map(|name| self.at(name));
        let mut text = manifest(&self.fleet, name, &folder, &folder.join("socket"), &["x"]);
        text["behave"] = json!(behave);
        text["group"] = json!(group);
        let manifest = folder.join("manifest.json");
        fs::write(&manifest, text.to_string()).unwrap();
        fs::write(folder.join("env"), format!("WORD={word}\n")).unwrap();
        let unit = self.unit(name);
        let text = format!(
            "[Unit]\nStartLimitIntervalSec=0\n[Service]\nType=notify\nKillMode=mixed\nTimeoutStopSec=2\n\
             Environment=FROM_UNIT={word}\nEnvironmentFile={}\nExecStart={} {}\n{}",
            folder.join("env").display(),
            self.shim.display(),
            manifest.display(),
            // As real agents' units have it: a failed start is then waiting for the next one.
            if behave == "exit-early" { "Restart=on-failure\nRestartSec=1h\n" } else { "" }
        );
        fs::write(self.units.join(unit.as_str()), text).unwrap();
        unit
    }

    fn supervisor(&self) -> UnitName {
        let unit = UnitName::supervisor(&self.fleet);
        let program = self.shim.with_file_name("fleet");
        let text = format!(
            "[Unit]\nStartLimitIntervalSec=0\n[Service]\nType=notify\nKillMode=mixed\nTimeoutStopSec=5\n\
             ExecStart={} supervise --fleet {}\n",
            program.display(),
            self.fleet
        );
        fs::write(self.units.join(unit.as_str()), text).unwrap();
        unit
    }

    /// What the supervisor's sidecar says of `key`, a pid.
    fn supervised_by(&self, key: &str) -> u32 {
        let record: Value =
            serde_json::from_slice(&fs::read(self.state.join("supervisor.lock.json")).unwrap()).unwrap();
        u32::try_from(record[key].as_u64().unwrap()).unwrap()
    }

    fn facts(&self, name: &str) -> Value {
        serde_json::from_slice(&fs::read(self.at(name).join("facts.json")).unwrap()).unwrap()
    }

    fn pid(&self, name: &str) -> u32 {
        let record: Value = serde_json::from_slice(&fs::read(self.at(name).join("run.json")).unwrap()).unwrap();
        u32::try_from(record["shim"]["pid"].as_u64().unwrap()).unwrap()
    }
}

/// The unit's state; one that the manager has forgotten is inactive.
fn state(manager: &dyn ServiceManager, bench: &Bench, unit: &UnitName) -> ActiveState {
    let units = manager.observe(&bench.fleet).unwrap();
    units.into_iter().find(|state| state.unit == *unit).map_or(ActiveState::Inactive, |state| state.active)
}

fn conformance(manager: &dyn ServiceManager, bench: &Bench) {
    let _cleaner = Cleaner { bench };
    assert!(manager.observe(&bench.fleet).unwrap().is_empty());

    let units = [bench.agent("lead", "normal"), bench.agent("mender", "normal"), bench.agent("early", "exit-early")];
    manager.reload().unwrap();
    let results = manager.start_many(&units, LONG);
    assert!(results[0].is_ok() && results[1].is_ok(), "{results:?}");
    let error = results[2].as_ref().unwrap_err();
    assert!(error.action.contains(units[2].as_str()) && error.message.contains("status 7"), "{error}");
    assert!(error.help.is_some());
    assert_eq!(state(manager, bench, &units[0]), ActiveState::Active);
    assert_eq!(state(manager, bench, &units[1]), ActiveState::Active);
    assert_ne!(state(manager, bench, &units[2]), ActiveState::Active);
    assert_eq!(bench.facts("lead")["env"]["WORD"], "one");
    assert!(manager.observe(&FleetId::new("e2e").unwrap()).unwrap().is_empty(), "a fleet whose id begins ours");

    let pid = bench.pid("lead");
    manager.start(&units[0], LONG).unwrap();
    assert_eq!(bench.pid("lead"), pid, "a running agent is not started again");

    kill(Pid::from_raw(pid.cast_signed()), Signal::SIGUSR1).unwrap();
    wait_for("failed by itself", || state(manager, bench, &units[0]) == ActiveState::Failed);
    manager.start(&units[0], LONG).unwrap();
    assert_eq!(state(manager, bench, &units[0]), ActiveState::Active, "a failed unit starts again");

    let pids = [bench.pid("lead"), bench.pid("mender")];
    let ghost = bench.unit("ghost");
    let results = manager.stop_many(&[&units[..], std::slice::from_ref(&ghost)].concat(), LONG);
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    for unit in &units {
        assert!(matches!(state(manager, bench, unit), ActiveState::Inactive | ActiveState::Failed), "{unit}");
    }
    assert_eq!(state(manager, bench, &units[0]), ActiveState::Inactive);
    assert_eq!(pids.map(identify), [None, None], "stop waits for the end");
    manager.stop(&units[0], LONG).unwrap();
    manager.start(&ghost, LONG).unwrap_err();

    // Each says that it is ready only when all four have been started.
    let group = ["ga", "gb", "gc", "gd"].map(|name| bench.agent(name, "together"));
    let results = manager.start_many(&group, LONG);
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    let results = manager.stop_many(&group, LONG);
    assert!(results.iter().all(Result::is_ok), "{results:?}");

    supervisor(manager, bench);

    let stubborn = bench.agent("stubborn", "stubborn");
    manager.start(&stubborn, LONG).unwrap();
    let pid = bench.pid("stubborn");
    // Under systemd the unit's own TimeoutStopSec ends it, under local this time-out.
    let patience = if manager.kind() == ManagerKind::Local { Duration::from_millis(200) } else { LONG };
    manager.stop(&stubborn, patience).unwrap();
    assert_eq!(identify(pid), None);
    assert_ne!(state(manager, bench, &stubborn), ActiveState::Active);

    let never = bench.agent("never", "never-ready");
    let error = manager.start(&never, Duration::from_secs(2)).unwrap_err();
    assert!(error.message.contains("2s"), "{error}");
    manager.stop(&never, LONG).unwrap();
    assert!(!matches!(state(manager, bench, &never), ActiveState::Active | ActiveState::Activating));
}

/// The supervisor is started and stopped by its unit's name, as agents are, and is none of them.
fn supervisor(manager: &dyn ServiceManager, bench: &Bench) {
    let unit = bench.supervisor();
    let lead = bench.agent("lead", "normal");
    manager.reload().unwrap();
    assert_eq!(state(manager, bench, &unit), ActiveState::Inactive);
    manager.stop(&unit, LONG).unwrap();
    let results = manager.start_many(&[lead.clone(), unit.clone()], LONG);
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    assert_eq!(state(manager, bench, &unit), ActiveState::Active);
    assert_eq!(unit.agent_of(&bench.fleet), None);
    let (pid, agent) = (bench.supervised_by("pid"), bench.pid("lead"));
    manager.start(&unit, LONG).unwrap();
    assert_eq!(bench.supervised_by("pid"), pid, "a running one is not started again");

    let below = bench.supervised_by("agent");
    manager.stop(&unit, LONG).unwrap();
    assert_eq!(identify(pid), None, "stop waits for the end");
    assert_eq!(state(manager, bench, &unit), ActiveState::Inactive);
    if manager.kind() == ManagerKind::Local {
        assert!(identify(below).is_some(), "what it has started goes on");
        kill(Pid::from_raw(below.cast_signed()), Signal::SIGKILL).unwrap();
    }

    manager.start(&unit, LONG).unwrap();
    kill(Pid::from_raw(bench.supervised_by("pid").cast_signed()), Signal::SIGKILL).unwrap();
    wait_for("it is gone", || state(manager, bench, &unit) != ActiveState::Active);
    if manager.kind() == ManagerKind::Local {
        kill(Pid::from_raw(bench.supervised_by("agent").cast_signed()), Signal::SIGKILL).unwrap();
    }
    manager.start(&unit, LONG).unwrap();
    let below = bench.supervised_by("agent");
    let results = manager.stop_many(&[unit.clone(), lead.clone()], LONG);
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    assert_eq!(identify(agent), None);
    if manager.kind() == ManagerKind::Local {
        kill(Pid::from_raw(below.cast_signed()), Signal::SIGKILL).unwrap();
    }
}

/// Unit files, targets and what only systemd has.
fn systemd_only(manager: &dyn ServiceManager, bench: &Bench) {
    let _cleaner = Cleaner { bench };
    let lead = bench.agent_with("lead", "normal", "one");
    manager.reload().unwrap();
    manager.start(&lead, LONG).unwrap();
    bench.agent_with("lead", "normal", "two");
    manager.stop(&lead, LONG).unwrap();
    manager.reload().unwrap();
    manager.start(&lead, LONG).unwrap();
    assert_eq!(bench.facts("lead")["env"]["FROM_UNIT"], "two", "a changed unit counts after the reload");

    let target = UnitName::target(&bench.fleet);
    fs::write(bench.units.join(target.as_str()), "[Unit]\nWants=fleet-nobody-home.service\n").unwrap();
    manager.start(&target, LONG).unwrap();
    assert_eq!(state(manager, bench, &target), ActiveState::Active);
    manager.stop(&target, LONG).unwrap();

    // Its file disappears under it: it still runs, and is seen.
    fs::remove_file(bench.units.join(lead.as_str())).unwrap();
    manager.reload().unwrap();
    assert_eq!(state(manager, bench, &lead), ActiveState::Active);
    manager.stop(&lead, LONG).unwrap();
    assert_eq!(state(manager, bench, &lead), ActiveState::Inactive);

    let broken = bench.unit("broken");
    // Type=simple counts as started before the program is executed, so the unit says `exec`.
    fs::write(bench.units.join(broken.as_str()), "[Service]\nType=exec\nExecStart=/nowhere/fleet-shim\n").unwrap();
    manager.reload().unwrap();
    let error = manager.start(&broken, LONG).unwrap_err();
    assert!(error.message.contains("cannot be executed"), "{error}");
    assert_eq!(state(manager, bench, &broken), ActiveState::Failed);
    manager.reset_failed(&[broken.clone(), bench.unit("ghost")]);
    assert_eq!(state(manager, bench, &broken), ActiveState::Inactive);
}

/// Removes the unit files, which belong to the user's own manager when there is no other.
struct Cleaner<'a> {
    bench: &'a Bench,
}

impl Drop for Cleaner<'_> {
    fn drop(&mut self) {
        let own = format!("fleet-{}", self.bench.fleet);
        for entry in fs::read_dir(&self.bench.units).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(&own) {
                let _ = std::process::Command::new("systemctl")
                    .args(["--user", "kill", "--signal=KILL"])
                    .arg(entry.file_name())
                    .output();
                let _ = fs::remove_file(entry.path());
            }
        }
        forget(&self.bench.fleet);
    }
}
