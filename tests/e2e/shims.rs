//! The real shim under every service manager: what its ends look like from outside.

use std::fs;
use std::path::{Path, PathBuf};

use fleet::ids::{AgentName, FleetId, UnitName};
use fleet::manifest::{ExitRecord, ProcessId, RunRecord};
use fleet::system::proc::{Handle, is_alive};
use fleet::system::service::detect::open_systemd;
use fleet::system::service::local::LocalManager;
use fleet::system::service::{ActiveState, ManagerKind, ServiceManager};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use crate::manifest::manifest;
use crate::support::{As, LONG, UserManager, forget, part, wait_for};

#[test]
fn a_shim_under_systemd() {
    each("shims::a_shim_under_systemd", |base| {
        let manager = open_systemd().unwrap();
        assert_eq!(manager.kind(), ManagerKind::Systemd);
        all_ends(manager.as_ref(), base);
    });
}

#[test]
fn a_shim_under_local() {
    each("shims::a_shim_under_local", |base| {
        let manager =
            LocalManager { state: base.join("home/state"), fleet: fleet(), shim: base.join("bin/fleet-shim") };
        all_ends(&manager, base);
    });
}

fn each(test: &str, inside: impl Fn(&Path)) {
    if part().is_some() {
        inside(&PathBuf::from(std::env::var_os("FLEET_E2E_BASE").unwrap()));
        return forget(&fleet());
    }
    for who in As::all() {
        let manager = UserManager::start(*who);
        manager.install(Path::new(env!("CARGO_BIN_EXE_fleet-shim")));
        manager.run_part(test, "inside");
    }
}

fn fleet() -> FleetId {
    FleetId::new(&format!("shim{}", std::process::id())).unwrap()
}

/// One agent: its folder and its unit.
struct Agent {
    folder: PathBuf,
    unit: UnitName,
    unit_file: PathBuf,
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.unit_file);
        // Nothing is left in a manager that is a person's own when a test fails.
        let run: Option<RunRecord> =
            fs::read(self.folder.join("run.json")).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        if let Some(Ok(Some(handle))) = run.map(|run| Handle::open(&run.shim)) {
            let _ = handle.signal(Signal::SIGTERM);
        }
    }
}

impl Agent {
    fn new(base: &Path, name: &str, argv: &[&str]) -> Self {
        let folder = base.join("home/state/agents").join(name);
        fs::create_dir_all(&folder).unwrap();
        let unit = UnitName::agent(&fleet(), &AgentName::new(name).unwrap());
        let mut manifest = manifest(&fleet(), name, &folder, &base.join("home/s").join(name), argv);
        manifest["policy"]["stop_timeout_ms"] = json!(1000);
        fs::write(folder.join("manifest.json"), manifest.to_string()).unwrap();
        let config = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from);
        let config = config.unwrap_or_else(|| Path::new(&std::env::var_os("HOME").unwrap()).join(".config"));
        let unit_file = config.join("systemd/user").join(unit.as_str());
        fs::create_dir_all(unit_file.parent().unwrap()).unwrap();
        let text = format!(
            "[Unit]\nStartLimitIntervalSec=0\n[Service]\nType=notify\nNotifyAccess=main\nKillMode=mixed\n\
             SuccessExitStatus=143 SIGTERM\nTimeoutStopSec=20\nExecStart={} {}\n",
            base.join("bin/fleet-shim").display(),
            folder.join("manifest.json").display()
        );
        fs::write(&unit_file, text).unwrap();
        Self { folder, unit, unit_file }
    }

    fn run(&self) -> RunRecord {
        serde_json::from_slice(&fs::read(self.folder.join("run.json")).unwrap()).unwrap()
    }

    fn exit(&self) -> ExitRecord {
        serde_json::from_slice(&fs::read(self.folder.join("exit.json")).unwrap()).unwrap()
    }

    fn state(&self, manager: &dyn ServiceManager) -> ActiveState {
        let units = manager.observe(&fleet()).unwrap();
        units.into_iter().find(|state| state.unit == self.unit).map_or(ActiveState::Inactive, |state| state.active)
    }
}

fn hit(process: &ProcessId, signal: Signal) {
    kill(Pid::from_raw(process.pid.cast_signed()), signal).unwrap();
}

fn all_ends(manager: &dyn ServiceManager, base: &Path) {
    let sleeper = ["sh", "-c", "echo hello; sleep 100000"];
    let lead = Agent::new(base, "lead", &sleeper);
    let deaf = Agent::new(base, "deaf", &["sh", "-c", "trap '' TERM; echo hello; while :; do sleep 1000; done"]);
    let done = Agent::new(base, "done", &["sh", "-c", "exit 0"]);
    let absent = Agent::new(base, "absent", &["no-such-agent"]);
    manager.reload().unwrap();

    // Running: the record names live processes, and the output is in the log.
    manager.start_many(&[lead.unit.clone(), deaf.unit.clone()], LONG).into_iter().collect::<Result<(), _>>().unwrap();
    assert_eq!(lead.state(manager), ActiveState::Active);
    let run = lead.run();
    assert!(is_alive(&run.shim) && is_alive(&run.child));
    assert_eq!(run.invocation.is_some(), manager.kind() == ManagerKind::Systemd);
    for agent in [&lead, &deaf] {
        wait_for("the first words in the log", || {
            fs::read_to_string(agent.folder.join("log")).is_ok_and(|log| log.contains("hello"))
        });
    }

    // Stopped on request, politely and otherwise.
    let runs = [lead.run(), deaf.run()];
    manager.stop_many(&[lead.unit.clone(), deaf.unit.clone()], LONG).into_iter().collect::<Result<(), _>>().unwrap();
    for run in &runs {
        assert!(!is_alive(&run.shim) && !is_alive(&run.child));
    }
    assert!(lead.exit().stop_requested);
    assert_eq!(lead.state(manager), ActiveState::Inactive);
    assert_eq!(deaf.exit().signal, Some(9));
    assert_ne!(deaf.state(manager), ActiveState::Active);

    // Killed from outside: a failure, and it can be started again at once, as often as that happens.
    manager.start(&lead.unit, LONG).unwrap();
    for _ in 0..5 {
        hit(&lead.run().child, Signal::SIGKILL);
        wait_for("failed", || lead.state(manager) == ActiveState::Failed);
        let exit = lead.exit();
        assert_eq!((exit.signal, exit.stop_requested), (Some(9), false));
        manager.start(&lead.unit, LONG).unwrap();
    }

    // The shim is killed: the agent goes with it.
    let run = lead.run();
    hit(&run.shim, Signal::SIGKILL);
    wait_for("the agent's end", || !is_alive(&run.child));
    wait_for("failed", || lead.state(manager) == ActiveState::Failed);

    // Finished at once: that it was started is no failure.
    manager.start(&done.unit, LONG).unwrap();
    wait_for("finished", || done.state(manager) == ActiveState::Inactive);
    assert_eq!(done.exit().code, Some(0));

    // Nothing to run.
    let error = manager.start(&absent.unit, LONG).unwrap_err();
    assert!(error.message.contains("status 78"), "{error}");
    if manager.kind() == ManagerKind::Local {
        assert!(error.message.contains("no-such-agent"), "{error}");
    }
}
