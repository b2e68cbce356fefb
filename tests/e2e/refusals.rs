//! A service manager that refuses its n-th request, for every n: what the refusal stops, what goes on all the same, and
//! that the next apply finishes it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fleet::apply::execute::Apply;
use fleet::apply::generation::{FORMAT, Kept, Record};
use fleet::apply::idle::{Options, RestartMode};
use fleet::apply::managers::Chosen;
use fleet::apply::observe;
use fleet::apply::outcome::{Outcome, Report};
use fleet::apply::state::State;
use fleet::ids::{AgentName, FleetId, UnitName};
use fleet::plan::{self, Action, Plan};
use fleet::render::Artifact;
use fleet::resolve::{Fleet, HostFacts};
use fleet::system::lock::Holder;
use fleet::system::proc::is_alive;
use fleet::system::service::local::LocalManager;
use fleet::system::service::{ActiveState, ManagerError, ManagerKind, ServiceManager, UnitState};

use crate::compile::compile_on;
use crate::support::{As, UserManager, part};

/// What the manager was asked, and what it refuses.
#[derive(Debug, Default)]
struct Requests {
    asked: Mutex<Vec<String>>,
    /// The number of the request that is refused, from 0.
    refuses: Mutex<Option<usize>>,
    refused: Mutex<Option<String>>,
    target_is_up: AtomicBool,
}

impl Requests {
    /// Counts one request, and refuses it when its turn has come.
    fn ask(&self, action: String) -> Result<(), ManagerError> {
        let number = self.asked.lock().unwrap().len();
        self.asked.lock().unwrap().push(action.clone());
        if *self.refuses.lock().unwrap() != Some(number) {
            return Ok(());
        }
        *self.refused.lock().unwrap() = Some(action.clone());
        Err(ManagerError { action, message: "refused by the test".to_owned(), help: None })
    }
}

/// The local manager, which as `kind` systemd also has a target and reads units. Each unit of a request counts as one, so
/// that one agent can fail beside others.
#[derive(Debug)]
struct Refusing {
    kind: ManagerKind,
    inner: LocalManager,
    requests: Arc<Requests>,
}

impl Refusing {
    fn each(
        &self,
        verb: &str,
        units: &[UnitName],
        forward: impl Fn(&[UnitName]) -> Vec<Result<(), ManagerError>>,
    ) -> Vec<Result<(), ManagerError>> {
        let each = |unit: &UnitName| {
            self.requests.ask(format!("{verb} {unit}"))?;
            if unit.agent_of(&self.inner.fleet).is_none() {
                self.requests.target_is_up.store(verb == "start", Ordering::Relaxed);
                return Ok(());
            }
            forward(std::slice::from_ref(unit)).remove(0)
        };
        units.iter().map(each).collect()
    }
}

impl ServiceManager for Refusing {
    fn kind(&self) -> ManagerKind {
        self.kind
    }

    fn observe(&self, fleet: &FleetId) -> Result<Vec<UnitState>, ManagerError> {
        self.requests.ask("observe".to_owned())?;
        let mut units = self.inner.observe(fleet)?;
        if self.requests.target_is_up.load(Ordering::Relaxed) {
            units.push(UnitState { unit: UnitName::target(fleet), active: ActiveState::Active, sub: String::new() });
        }
        Ok(units)
    }

    fn reload(&self) -> Result<(), ManagerError> {
        self.requests.ask("reload".to_owned())
    }

    fn start_many(&self, units: &[UnitName], timeout: Duration) -> Vec<Result<(), ManagerError>> {
        self.each("start", units, |units| self.inner.start_many(units, timeout))
    }

    fn stop_many(&self, units: &[UnitName], timeout: Duration) -> Vec<Result<(), ManagerError>> {
        self.each("stop", units, |units| self.inner.stop_many(units, timeout))
    }
}

/// One machine: its folders and its manager.
struct Machine {
    host: HostFacts,
    folder: PathBuf,
    kind: ManagerKind,
    requests: Arc<Requests>,
}

/// A compiled roster, and where its fleet is.
struct Target {
    fleet: Fleet,
    artifacts: Vec<Artifact>,
    state: State,
}

impl Machine {
    fn new(kind: ManagerKind) -> Self {
        let folder = |name: &str| PathBuf::from(std::env::var_os(name).unwrap());
        let base = folder("FLEET_E2E_BASE").join(if kind == ManagerKind::Local { "l" } else { "s" });
        let made = |name: &str| {
            fs::create_dir_all(base.join(name)).unwrap();
            base.join(name)
        };
        let host = HostFacts {
            home: folder("HOME"),
            hostname: "e2e".to_owned(),
            state_base: base.join("state"),
            data_base: base.join("data"),
            runtime_base: Some(base.join("run")),
            unit_base: made("units"),
            memory: None,
        };
        Self { host, folder: made("work"), kind, requests: Arc::default() }
    }

    fn compile(&self, colour: &str, last: &str) -> Target {
        let text = format!(
            "fleet \"shop\" version=1 supervise=#false\nfloor \"exempt\" reason=\"x\"\ndefaults {{ runtime \"canary\"; stop-timeout \"5s\"; restart \"never\"; dir {:?}; }}\nagent \"keep\" {{ role \"coder\"; }}\nagent \"edit\" {{ role \"coder\"; env \"COLOUR\" \"{colour}\"; }}\nagent \"{last}\" {{ role \"coder\"; after \"keep\"; }}\n",
            self.folder.display()
        );
        let compiled = compile_on(&self.host, &text, &[]);
        let artifacts = compiled.artifacts((self.kind == ManagerKind::Systemd).then_some(252));
        let fleet = compiled.fleet.unwrap();
        let state = State::new(fleet.id.clone(), fleet.paths.clone());
        Target { fleet, artifacts, state }
    }

    fn manager(&self, target: &Target) -> Refusing {
        let inner = LocalManager {
            state: target.state.paths.state.clone(),
            fleet: target.fleet.id.clone(),
            shim: target.state.paths.bin().join("fleet-shim"),
        };
        Refusing { kind: self.kind, inner, requests: Arc::clone(&self.requests) }
    }

    fn plan(&self, target: &Target) -> Plan {
        self.requests.refuses.lock().unwrap().take();
        let ledger = target.state.ledger().expect("the ledger on disk can be read");
        let live =
            observe::observe(&target.state, &target.artifacts, ledger.as_ref(), &self.manager(target)).unwrap();
        plan::plan(&target.fleet, &target.artifacts, &live, ledger.as_ref(), self.kind)
    }

    /// Plans and applies, with the request of number `refuses` refused.
    fn apply(&self, target: &Target, refuses: Option<usize>) -> Report {
        let _lock = target.state.lock("the test").unwrap();
        let plan = self.plan(target);
        assert!(plan.conflicts.is_empty(), "{:?}", plan.conflicts);
        self.requests.asked.lock().unwrap().clear();
        *self.requests.refused.lock().unwrap() = None;
        *self.requests.refuses.lock().unwrap() = refuses;
        let systemd = (self.kind == ManagerKind::Systemd).then_some(252);
        let chosen = Chosen { manager: Arc::new(self.manager(target)), systemd, stops_at_logout: None };
        let record = Record {
            format: FORMAT,
            number: plan.generation + 1,
            by: Holder::this_process("the test"),
            back_to: None,
            withheld: Vec::new(),
            plan: None,
            counts: plan.counts(),
            ended: None,
        };
        let apply = Apply {
            state: &target.state,
            fleet: &target.fleet,
            artifacts: &target.artifacts,
            sources: &Kept::default(),
            record,
            chosen: &chosen,
            old: None,
            options: Options { restart: RestartMode::Now, fresh: false, wait: Duration::ZERO },
            progress: &|_| {},
        };
        apply.run(&plan, target.state.ledger().unwrap()).expect("a refusal is told in the report")
    }

    /// Applies with a manager that refuses nothing, after which nothing may be left to do.
    fn converge(&self, target: &Target, after: &str) {
        let report = self.apply(target, None);
        assert!(!report.is_partial(), "{after}: {report:?}");
        let plan = self.plan(target);
        let left: Vec<_> = plan.agents.iter().filter(|agent| agent.action != Action::None).collect();
        assert!(plan.is_empty() && plan.conflicts.is_empty(), "{after}: {left:#?}");
        assert!(plan.agents.iter().all(|agent| agent.running), "{after}: {:#?}", plan.agents);
        let notes = fs::read_dir(target.state.paths.state.join("pending")).into_iter().flatten().count();
        assert_eq!(notes, 0, "{after}: a note is left");
    }
}

fn name(text: &str) -> AgentName {
    AgentName::new(text).unwrap()
}

/// The agent's shim, when it lives.
fn pid(target: &Target, agent: &str) -> Option<u32> {
    target.state.run(&name(agent)).filter(|run| is_alive(&run.shim)).map(|run| run.shim.pid)
}

#[test]
fn every_refusal_of_the_local_manager_is_told_and_mended() {
    run("refusals::every_refusal_of_the_local_manager_is_told_and_mended", ManagerKind::Local);
}

#[test]
fn every_refusal_of_a_manager_with_units_is_told_and_mended() {
    run("refusals::every_refusal_of_a_manager_with_units_is_told_and_mended", ManagerKind::Systemd);
}

fn run(test: &str, kind: ManagerKind) {
    if part().is_some() {
        return story(&Machine::new(kind));
    }
    let manager = UserManager::start(As::User);
    manager.install(Path::new(env!("CARGO_BIN_EXE_fleet")));
    manager.install(Path::new(env!("CARGO_BIN_EXE_fleet-shim")));
    manager.run_part(test, "inside");
}

fn story(machine: &Machine) {
    let (before, after) = (machine.compile("red", "left"), machine.compile("blue", "right"));
    machine.converge(&before, "the first apply");
    let mut seen = Vec::new();
    for refuses in 0.. {
        // What is up already is not started again, so the target is taken down to be asked for each time.
        machine.requests.target_is_up.store(false, Ordering::Relaxed);
        let (keep, edit) = (pid(&before, "keep"), pid(&before, "edit"));
        let report = machine.apply(&after, Some(refuses));
        let Some(refused) = machine.requests.refused.lock().unwrap().clone() else {
            assert!(!report.is_partial(), "{report:?}");
            break;
        };
        let what = format!("after `{refused}` was refused: {report:#?}");
        assert!(after.state.ledger().unwrap().is_some(), "{what}");
        assert_eq!(pid(&after, "keep"), keep, "{what}");
        let failed = |agent: &str| report.has_failed(&name(agent));
        let done = |agent: &str| matches!(report.agents.get(&name(agent)), Some(Outcome::Done(_)));
        // Of those that are not refused, everybody comes to his end.
        let unit = |agent: &str| refused.ends_with(UnitName::agent(&after.fleet.id, &name(agent)).as_str());
        for agent in ["edit", "left", "right"].into_iter().filter(|_| refused.contains(".service")) {
            assert_eq!((failed(agent), done(agent)), (unit(agent), !unit(agent)), "{agent} {what}");
        }
        assert_eq!(report.is_partial(), refused != "observe", "{what}");
        let ledger = after.state.ledger().unwrap().unwrap();
        match refused.split(' ').next().unwrap() {
            // Who does not stop keeps his files and is not started again.
            "stop" if unit("left") => {
                assert!(pid(&before, "left").is_some() && ledger.agents.contains_key(&name("left")), "{what}");
                assert!(after.state.manifest(&name("left")).is_some(), "{what}");
            }
            "stop" => assert!(unit("edit") && pid(&after, "edit") == edit, "{what}"),
            "start" if unit("right") => assert_eq!(pid(&after, "right"), None, "{what}"),
            "start" if unit("edit") => assert_eq!(pid(&after, "edit"), None, "{what}"),
            // What the manager has not read is not started.
            "reload" => assert!(failed("right") && pid(&after, "right").is_none(), "{what}"),
            _ => {}
        }
        if !unit("right") && refused != "reload" {
            assert!(pid(&after, "right").is_some(), "{what}");
        }
        if !unit("left") {
            assert!(pid(&before, "left").is_none() && !ledger.agents.contains_key(&name("left")), "{what}");
        }
        machine.converge(&after, &what);
        assert_eq!(pid(&after, "keep"), keep, "{what}");
        seen.push(refused);
        machine.converge(&before, "the way back");
    }
    let agents = ["stop fleet-shop-left", "start fleet-shop-right", "stop fleet-shop-edit", "start fleet-shop-edit"];
    let units = ["reload", "observe", "start fleet-shop.target"];
    let kind = machine.kind;
    let expected = agents.iter().chain(units.iter().filter(|_| kind == ManagerKind::Systemd));
    for words in expected {
        assert!(seen.iter().any(|refused| refused.starts_with(words)), "`{words}` was never asked: {seen:?}");
    }
    // The agents end with the test.
    machine.requests.refuses.lock().unwrap().take();
    let manager = machine.manager(&after);
    let units: Vec<_> = ["keep", "edit", "right"].map(|agent| UnitName::agent(&after.fleet.id, &name(agent))).into();
    assert!(manager.stop_many(&units, Duration::from_secs(30)).iter().all(Result::is_ok));
}
