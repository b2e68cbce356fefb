//! The local manager: for hosts without a user manager. `fleet` starts shims detached, and nobody restarts them.
//!
//! A shim is known by the record it writes (`run.json`), and that record names a process by pid, start time and boot,
//! so another process that got the same pid is never taken for it.

mod notify;
mod start;
mod supervisor;

use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use serde::de::DeserializeOwned;

use super::{ActiveState, ManagerError, ManagerKind, ServiceManager, UnitState};
use crate::ids::{AgentName, FleetId, UnitName};
use crate::manifest::{ExitRecord, FORMAT, ProcessId, RunRecord};
use crate::system::{fs, lock, proc};

/// Set for a shim whose parent, by its own start, shall end what the shim leaves if it is killed.
pub const KEEPER: &str = "FLEET_SHIM_KEEPER";

/// How long a shim without a run record may go on: it says farewell to its viewers after it has removed the record.
const FAREWELL: Duration = Duration::from_secs(2);
/// Largest record that is read, in bytes.
const RECORD_CAP: u64 = 4 << 20;
/// From SIGKILL to the end of a process: the kernel needs no longer unless the disk or a driver hangs.
const KILL: Duration = Duration::from_secs(10);
/// Processes that this one has started and that had not ended when it looked last.
static STARTED: Mutex<Vec<Child>> = Mutex::new(Vec::new());

/// Starts and stops the shims of one fleet.
#[derive(Debug, Clone)]
pub struct LocalManager {
    /// The fleet's state folder; agents are in `agents/<name>/`.
    pub state: PathBuf,
    pub fleet: FleetId,
    /// The program `fleet-shim`; `fleet` lies beside it.
    pub shim: PathBuf,
}

/// What an agent's folder says about its last run.
struct Records {
    run: Option<RunRecord>,
    exit: Option<ExitRecord>,
}

impl LocalManager {
    fn folder(&self, agent: &AgentName) -> PathBuf {
        self.state.join("agents").join(agent.as_str())
    }

    /// The agent behind `unit`, or why there is none.
    fn agent(&self, verb: &str, unit: &UnitName) -> Result<AgentName, ManagerError> {
        unit.agent_of(&self.fleet).ok_or_else(|| {
            ManagerError::new(
                format!("{verb} {unit}"),
                format!("it is not an agent of the fleet {}", self.fleet),
                "without systemd there are only agents and their supervisor: targets and slices belong to systemd",
            )
        })
    }

    /// What the records say. One that is damaged counts as absent: whether a shim lives is told by its lock.
    fn records(&self, agent: &AgentName) -> Records {
        let folder = self.folder(agent);
        Records { run: record(&folder.join("run.json")), exit: record(&folder.join("exit.json")) }
    }

    /// The live shim of `agent`: the one its record names, or, without a good record, the one that holds its lock.
    fn running(&self, agent: &AgentName) -> Option<ProcessId> {
        let recorded = self.records(agent).run.map(|run| run.shim).filter(proc::is_alive);
        recorded.or_else(|| {
            let pid =
                self.is_held(agent).then(|| std::fs::read_to_string(self.folder(agent).join("shim.lock")).ok())??;
            proc::identify(pid.trim().parse().ok()?)
        })
    }

    /// Whether a shim holds the agent this moment.
    fn is_held(&self, agent: &AgentName) -> bool {
        let Ok(file) = std::fs::File::open(self.folder(agent).join("shim.lock")) else { return false };
        matches!(Flock::lock(file, FlockArg::LockSharedNonblock), Err((_, Errno::EWOULDBLOCK)))
    }

    /// Waits, not for long, until no shim holds the agent. Only for the holder of `agents/<name>/lock`: a shim that
    /// started at this very moment would find its own lock taken.
    fn is_free(&self, agent: &AgentName) -> bool {
        let deadline = Instant::now() + FAREWELL;
        while self.is_held(agent) {
            if Instant::now() >= deadline {
                return false;
            }
            // The kernel tells nobody when a lock becomes free without also giving it away.
            std::thread::sleep(Duration::from_millis(2));
        }
        true
    }

    /// Waits until nothing is left of a run whose shim was killed. `false`: something is, even after SIGKILL.
    fn is_over(&self, agent: &AgentName) -> std::io::Result<bool> {
        let Some(run) = self.records(agent).run.filter(|run| !proc::is_alive(&run.shim)) else { return Ok(true) };
        let Some(keeper) = &run.keeper else { return Ok(true) };
        proc::Handle::open(keeper)?.map_or(Ok(true), |keeper| keeper.wait_until(Instant::now() + KILL))
    }

    /// Sends SIGTERM to the live shim of `unit`, if there is one.
    fn ask_to_stop(&self, unit: &UnitName, all: &proc::Table) -> Result<Option<Stopping>, ManagerError> {
        if self.is_supervisor(unit) {
            return self.ask_supervisor(unit);
        }
        let agent = self.agent("stop", unit)?;
        let Some(shim) = self.running(&agent) else {
            let fail = |error: std::io::Error| {
                ManagerError::new(format!("stop {unit}"), error.to_string(), "try again".to_owned())
            };
            if self.is_free(&agent) && self.is_over(&agent).map_err(fail)? {
                return Ok(None);
            }
            let path = self.folder(&agent).join("shim.lock");
            return Err(ManagerError::new(
                format!("stop {unit}"),
                format!("a shim holds {} and has no record in run.json", path.display()),
                format!("its process is named in that file: end it by hand, `kill $(cat {})`", path.display()),
            ));
        };
        let fail = |error: std::io::Error| stop_error(unit, &shim, &error.to_string());
        let Some(handle) = proc::Handle::open(&shim).map_err(fail)? else { return Ok(None) };
        let below = open_all(&all.below(shim.pid));
        let alive = handle.signal(Signal::SIGTERM).map_err(fail)?;
        Ok(alive.then_some(Stopping { shim, handle, below, alone: false }))
    }
}

/// A shim, or the supervisor, that was asked to stop.
struct Stopping {
    shim: ProcessId,
    handle: proc::Handle,
    /// What ran below it then.
    below: Vec<proc::Handle>,
    /// What runs below it goes on: agents do when their supervisor ends.
    alone: bool,
}

/// Handles on those of `processes` that still run.
fn open_all(processes: &[ProcessId]) -> Vec<proc::Handle> {
    processes.iter().filter_map(|process| proc::Handle::open(process).ok().flatten()).collect()
}

impl Stopping {
    /// Waits for the shim's end until `deadline`, then kills it. `false` when not even that ended it.
    fn finish(&self, deadline: Instant) -> std::io::Result<bool> {
        if self.handle.wait_until(deadline)? {
            // What left the agent's process group lives on; systemd would kill it with the control group.
            for process in &self.below {
                process.signal(Signal::SIGKILL)?;
            }
            reap(&self.shim);
            return Ok(true);
        }
        if self.alone { kill(&self.shim, &self.handle) } else { kill_tree(&self.shim, &self.handle) }
    }
}

/// Reads a JSON record of this format. Anything else is no record: the shim's lock tells whether an agent runs.
fn record<T: DeserializeOwned>(path: &Path) -> Option<T> {
    #[derive(serde::Deserialize)]
    struct Head {
        format: u32,
    }
    let bytes = fs::read_optional(path, RECORD_CAP).ok()??;
    let head: Head = serde_json::from_slice(&bytes).ok()?;
    (head.format <= FORMAT).then(|| serde_json::from_slice(&bytes).ok())?
}

/// What the records mean.
fn state_of(records: &Records) -> ActiveState {
    let failed = |exit: &ExitRecord| !exit.stop_requested && (exit.code != Some(0) || exit.signal.is_some());
    match (&records.run, &records.exit) {
        (Some(run), _) if proc::is_alive(&run.shim) => ActiveState::Active,
        // The run ended, and the shim was interrupted before it removed the run's record.
        (Some(run), Some(exit)) if exit.pid == run.child.pid => {
            if failed(exit) {
                ActiveState::Failed
            } else {
                ActiveState::Inactive
            }
        }
        // The machine went down with the agent.
        (Some(run), _) if run.shim.boot_id != proc::boot_id() => ActiveState::Inactive,
        // The shim was killed: it could leave no exit record.
        (Some(_), _) => ActiveState::Failed,
        (None, Some(exit)) if failed(exit) => ActiveState::Failed,
        (None, _) => ActiveState::Inactive,
    }
}

fn stop_error(unit: &UnitName, shim: &ProcessId, message: &str) -> ManagerError {
    ManagerError::new(
        format!("stop {unit}"),
        format!("{message} (shim: pid {})", shim.pid),
        format!("see what it waits for: `ps -o pid,stat,wchan:30,cmd -p {}`", shim.pid),
    )
}

/// Kills a process and everything below it.
///
/// The shim adopts every orphan below it (child subreaper), so it is halted first and killed last: nothing can leave
/// its tree meanwhile.
fn kill_tree(root: &ProcessId, handle: &proc::Handle) -> std::io::Result<bool> {
    let deadline = Instant::now() + KILL;
    handle.signal(Signal::SIGSTOP)?;
    loop {
        let below = proc::descendants(root.pid);
        if below.is_empty() || Instant::now() >= deadline {
            break;
        }
        let handles = open_all(&below);
        for handle in &handles {
            handle.signal(Signal::SIGKILL)?;
        }
        for handle in &handles {
            handle.wait_until(deadline)?;
        }
    }
    kill(root, handle)
}

/// Kills a process. `false` when not even that ended it.
fn kill(process: &ProcessId, handle: &proc::Handle) -> std::io::Result<bool> {
    handle.signal(Signal::SIGKILL)?;
    let ended = handle.wait_until(Instant::now() + KILL)?;
    reap(process);
    Ok(ended)
}

/// Collects those of this process's own that have ended since it looked last; nobody else does.
fn collect(new: Option<Child>) {
    let mut started = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
    started.extend(new);
    started.retain_mut(|child| matches!(child.try_wait(), Ok(None)));
}

/// Collects an ended shim that this very process started; any other is its parent's business.
fn reap(process: &ProcessId) {
    let _ = waitpid(Pid::from_raw(process.pid.cast_signed()), Some(WaitPidFlag::WNOHANG));
}

impl ServiceManager for LocalManager {
    fn kind(&self) -> ManagerKind {
        ManagerKind::Local
    }

    fn observe(&self, fleet: &FleetId) -> Result<Vec<UnitState>, ManagerError> {
        if *fleet != self.fleet {
            return Ok(Vec::new());
        }
        let mut units = Vec::new();
        if lock::is_held(&self.supervisor_lock()) {
            units.push(UnitState {
                unit: UnitName::supervisor(fleet),
                active: ActiveState::Active,
                sub: String::new(),
            });
        }
        let folder = self.state.join("agents");
        let fail = |error: std::io::Error| {
            ManagerError::new(
                format!("list {}", folder.display()),
                error.to_string(),
                format!("see who may read it: `ls -ld {}`", folder.display()),
            )
        };
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(units),
            Err(error) => return Err(fail(error)),
        };
        for entry in entries {
            let name = entry.map_err(fail)?.file_name();
            let Some(agent) = name.to_str().and_then(|name| AgentName::new(name).ok()) else { continue };
            let active =
                if self.running(&agent).is_some() { ActiveState::Active } else { state_of(&self.records(&agent)) };
            units.push(UnitState { unit: UnitName::agent(fleet, &agent), active, sub: String::new() });
        }
        units.sort_by(|a, b| a.unit.cmp(&b.unit));
        Ok(units)
    }

    fn reload(&self) -> Result<(), ManagerError> {
        Ok(())
    }

    fn start_many(&self, units: &[UnitName], timeout: Duration) -> Vec<Result<(), ManagerError>> {
        start::start_many(self, units, Instant::now() + timeout, timeout)
    }

    fn stop_many(&self, units: &[UnitName], timeout: Duration) -> Vec<Result<(), ManagerError>> {
        collect(None);
        let deadline = Instant::now() + timeout;
        let all = proc::Table::read();
        // Everyone is asked before anyone is waited for.
        let asked: Vec<_> = units.iter().map(|unit| self.ask_to_stop(unit, &all)).collect();
        let finish = |(unit, asked): (&UnitName, Result<Option<Stopping>, ManagerError>)| {
            let Some(stopping) = asked? else { return Ok(()) };
            match stopping.finish(deadline) {
                Ok(true) => Ok(()),
                Ok(false) => Err(stop_error(unit, &stopping.shim, "it did not end, not even by SIGKILL")),
                Err(error) => Err(stop_error(unit, &stopping.shim, &error.to_string())),
            }
        };
        units.iter().zip(asked).map(finish).collect()
    }
}
