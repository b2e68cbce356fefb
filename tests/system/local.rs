use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fleet::ids::{AgentName, FleetId, UnitName};
use fleet::manifest::ProcessId;
use fleet::system::proc::{Handle, descendants, identify, is_alive};
use fleet::system::service::local::LocalManager;
use fleet::system::service::{ActiveState, ServiceManager};
use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::manifest::manifest;
use crate::wait::{LONG, wait_for};

/// A state folder and its manager. Ends every shim that the test started when dropped.
struct Bench {
    folder: tempfile::TempDir,
    manager: LocalManager,
}

impl Drop for Bench {
    fn drop(&mut self) {
        let Ok(units) = self.manager.observe(&self.manager.fleet) else { return };
        let active: Vec<UnitName> =
            units.into_iter().filter(|unit| unit.active == ActiveState::Active).map(|unit| unit.unit).collect();
        self.manager.stop_many(&active, Duration::from_secs(5));
    }
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let manager = LocalManager {
            state: folder.path().to_owned(),
            fleet: FleetId::new("shop").unwrap(),
            shim: Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/support/stand-in-shim"),
        };
        Self { folder, manager }
    }

    fn agent(&self, name: &str, behave: &str) -> UnitName {
        let folder = self.at(name);
        fs::create_dir_all(&folder).unwrap();
        let mut text = manifest(&self.manager.fleet, name, &folder, &folder.join("socket"), &["x"]);
        text["behave"] = json!(behave);
        fs::write(folder.join("manifest.json"), text.to_string()).unwrap();
        UnitName::agent(&self.manager.fleet, &AgentName::new(name).unwrap())
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join("agents").join(name)
    }

    fn json(&self, name: &str, file: &str) -> Value {
        serde_json::from_slice(&fs::read(self.at(name).join(file)).unwrap()).unwrap()
    }

    fn pid(&self, name: &str) -> u32 {
        u32::try_from(self.json(name, "run.json")["shim"]["pid"].as_u64().unwrap()).unwrap()
    }

    fn state(&self, name: &str) -> ActiveState {
        let units = self.manager.observe(&self.manager.fleet).unwrap();
        let unit = UnitName::agent(&self.manager.fleet, &AgentName::new(name).unwrap());
        units.into_iter().find(|state| state.unit == unit).unwrap().active
    }
}

#[test]
fn a_shim_starts_detached_with_the_agents_environment_and_stops() {
    let bench = Bench::new();
    let unit = bench.agent("lead", "normal");
    fs::write(bench.at("lead").join("env"), "A=env\nB='two words'\n").unwrap();
    fs::write(bench.at("lead").join("local.env"), "A=local # not a comment\n").unwrap();
    bench.manager.start(&unit, LONG).unwrap();
    assert_eq!(bench.state("lead"), ActiveState::Active);

    let facts = bench.json("lead", "facts.json");
    assert_eq!(facts["env"]["A"], "local # not a comment");
    assert_eq!(facts["env"]["B"], "two words");
    assert_eq!(facts["env"]["PATH"], std::env::var("PATH").unwrap());
    assert_eq!(facts["cwd"], "/");
    assert_eq!(facts["sid"], facts["pid"], "a session of its own");
    assert_eq!(facts["stdin"], "/dev/null");
    let errors = bench.at("lead").join("shim.err");
    assert_eq!(facts["stderr"], errors.canonicalize().unwrap().to_str().unwrap());
    assert_eq!(errors.metadata().unwrap().mode() & 0o7777, 0o600);
    assert_eq!(facts["fds"], json!([0, 1, 2]), "nothing of the caller's stays open");

    let process = identify(bench.pid("lead")).unwrap();
    bench.manager.start(&unit, LONG).unwrap();
    assert_eq!(bench.pid("lead"), process.pid, "a running agent is not started again");

    bench.manager.stop(&unit, LONG).unwrap();
    assert!(!is_alive(&process));
    assert_eq!(bench.state("lead"), ActiveState::Inactive);
    bench.manager.stop(&unit, LONG).unwrap();
}

#[test]
fn a_shim_that_ends_before_it_is_ready_is_quoted() {
    let bench = Bench::new();
    let unit = bench.agent("lead", "exit-early");
    fs::write(bench.at("lead").join("shim.err"), "words of an earlier run\n").unwrap();
    let error = bench.manager.start(&unit, LONG).unwrap_err();
    assert!(error.message.contains("status 7"), "{error}");
    assert!(error.message.contains("no such agent: banana"), "{error}");
    assert!(error.message.contains("looking for the agent"), "{error}");
    assert!(!error.message.contains("earlier run"), "{error}");
    assert!(error.help.unwrap().contains("shim.err"));
}

#[test]
fn a_shim_that_is_never_ready_is_killed_with_its_tree() {
    let bench = Bench::new();
    let unit = bench.agent("lead", "never-ready");
    let error = bench.manager.start(&unit, Duration::from_secs(3)).unwrap_err();
    assert!(error.message.contains("not ready within 3s, so it was killed"), "{error}");
    let facts = bench.json("lead", "facts.json");
    for key in ["pid", "child"] {
        assert_eq!(identify(u32::try_from(facts[key].as_u64().unwrap()).unwrap()), None, "{key}");
    }
    assert_eq!(bench.state("lead"), ActiveState::Failed);
}

#[test]
fn a_shim_that_ignores_the_stop_is_killed_with_everything_below_it() {
    let bench = Bench::new();
    let unit = bench.agent("lead", "stubborn");
    bench.manager.start(&unit, LONG).unwrap();
    let shim = identify(bench.pid("lead")).unwrap();
    // The agent's shell, its setsid'ed shell and that one's two children.
    wait_for("the whole tree", || descendants(shim.pid).len() == 4);
    let below = descendants(shim.pid);
    bench.manager.stop(&unit, Duration::from_millis(200)).unwrap();
    for process in below.iter().chain([&shim]) {
        assert!(!is_alive(process), "{process:?}");
    }
}

#[test]
fn what_outlives_the_shim_is_killed_after_it() {
    let bench = Bench::new();
    let unit = bench.agent("lead", "leaky");
    bench.manager.start(&unit, LONG).unwrap();
    let shim = bench.pid("lead");
    wait_for("the whole tree", || descendants(shim).len() == 4);
    let below = descendants(shim);
    bench.manager.stop(&unit, LONG).unwrap();
    wait_for("the end of all below", || !below.iter().any(is_alive));
}

#[test]
fn the_end_of_an_agent_shows_in_its_state() {
    let bench = Bench::new();
    let unit = bench.agent("lead", "normal");
    bench.manager.start(&unit, LONG).unwrap();
    let pid = Pid::from_raw(bench.pid("lead").cast_signed());
    kill(pid, Signal::SIGUSR1).unwrap();
    wait_for("failed by itself", || bench.state("lead") == ActiveState::Failed);
    assert!(!bench.at("lead").join("run.json").exists());

    bench.manager.start(&unit, LONG).unwrap();
    assert_eq!(bench.state("lead"), ActiveState::Active, "an old exit record means nothing while it runs");
    let shim = bench.pid("lead");
    wait_for("the whole tree", || descendants(shim).len() == 4);
    let below = descendants(shim);
    kill(Pid::from_raw(shim.cast_signed()), Signal::SIGKILL).unwrap();
    wait_for("its shim was killed", || bench.state("lead") == ActiveState::Failed);
    // What a killed shim leaves behind is this test's to end.
    for process in below {
        if let Ok(Some(handle)) = Handle::open(&process) {
            handle.signal(Signal::SIGKILL).unwrap();
        }
    }
}

#[test]
fn a_reused_pid_is_not_the_shim() {
    let bench = Bench::new();
    let unit = bench.agent("lead", "normal");
    bench.manager.start(&unit, LONG).unwrap();
    let mut record = bench.json("lead", "run.json");
    bench.manager.stop(&unit, LONG).unwrap();
    let mut bystander = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
    let identity = identify(bystander.id()).unwrap();
    record["shim"] = serde_json::to_value(ProcessId { start_ticks: identity.start_ticks - 1, ..identity }).unwrap();
    fs::write(bench.at("lead").join("run.json"), record.to_string()).unwrap();
    fs::remove_file(bench.at("lead").join("exit.json")).unwrap();
    assert_eq!(bench.state("lead"), ActiveState::Failed);
    bench.manager.stop(&unit, LONG).unwrap();
    assert!(identify(bystander.id()).is_some(), "a bystander was hit");
    record["shim"]["boot_id"] = json!("another boot");
    fs::write(bench.at("lead").join("run.json"), record.to_string()).unwrap();
    assert_eq!(bench.state("lead"), ActiveState::Inactive, "the machine went down with it");
    bystander.kill().unwrap();
    bystander.wait().unwrap();
}

#[test]
fn a_shim_without_a_record_is_not_taken_for_stopped() {
    let bench = Bench::new();
    let unit = bench.agent("lead", "normal");
    let file = fs::File::create(bench.at("lead").join("shim.lock")).unwrap();
    let lock = Flock::lock(file, FlockArg::LockExclusiveNonblock).unwrap();
    let error = bench.manager.stop(&unit, LONG).unwrap_err();
    assert!(error.message.contains("shim.lock"), "{error}");
    drop(lock);
    bench.manager.stop(&unit, LONG).unwrap();
}

#[test]
fn many_are_started_together_and_each_has_its_own_outcome() {
    let bench = Bench::new();
    let units = [
        bench.agent("a", "normal"),
        bench.agent("b", "exit-early"),
        bench.agent("c", "normal"),
        UnitName::target(&bench.manager.fleet),
    ];
    let results = bench.manager.start_many(&units, LONG);
    assert!(results[0].is_ok() && results[2].is_ok(), "{results:?}");
    assert!(results[1].as_ref().unwrap_err().action.contains("fleet-shop-b.service"));
    assert!(results[3].as_ref().unwrap_err().message.contains("not an agent"));
    let results = bench.manager.stop_many(&units[..3], LONG);
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    assert_eq!(bench.state("a"), ActiveState::Inactive);
    assert_eq!(bench.state("c"), ActiveState::Inactive);
}

/// A damaged record hides nobody: the shim's lock tells who runs, and whoever runs can be stopped.
#[test]
fn a_damaged_record_is_none() {
    let bench = Bench::new();
    let unit = bench.agent("lead", "normal");
    let damage = || {
        for (text, name) in [("{\"format\":2}", "exit.json"), ("{", "run.json")] {
            fs::write(bench.at("lead").join(name), text).unwrap();
        }
    };
    damage();
    assert_eq!(bench.state("lead"), ActiveState::Inactive);
    bench.manager.start(&unit, LONG).unwrap();
    assert_eq!(bench.state("lead"), ActiveState::Active);
    let other = FleetId::new("other").unwrap();
    assert!(bench.manager.observe(&other).unwrap().is_empty());
    bench.manager.stop(&unit, LONG).unwrap();
    assert_ne!(bench.state("lead"), ActiveState::Active);
}

#[test]
fn a_missing_manifest_or_shim_is_named() {
    let mut bench = Bench::new();
    let unit = UnitName::agent(&bench.manager.fleet, &AgentName::new("ghost").unwrap());
    assert!(bench.manager.start(&unit, LONG).unwrap_err().message.contains("manifest.json is missing"));
    let unit = bench.agent("lead", "normal");
    bench.manager.shim = PathBuf::from("/nowhere/fleet-shim");
    let error = bench.manager.start(&unit, LONG).unwrap_err();
    assert!(error.message.contains("/nowhere/fleet-shim cannot be started"), "{error}");
}
