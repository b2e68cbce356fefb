//! The fleet's supervisor: seen, started last, stopped first.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

use super::ApplyError;
use super::effects::{sync, write};
use super::execute::{Apply, START_TIMEOUT};
use super::managers::Chosen;
use super::outcome::{Outcome, Report};
use super::state::State;
use crate::ids::UnitName;
use crate::plan::live::{LiveSupervisor, LiveUnit};
use crate::plan::supervisor::Act;
use crate::plan::{FileChange, Ledger, Plan};
use crate::supervise::policy::{self, FleetPolicy};
use crate::system::fs;
use crate::system::lock::{self, Holder};
use crate::system::service::ManagerError;

/// Longest wait for its end: systemd kills it after 20 s.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);
/// Largest `supervise.json` that is read, in bytes.
const POLICY_CAP: u64 = 16 << 20;
/// What a supervisor writes into the state folder while it lives.
const RECORDS: &[&str] = &["supervisor.lock", "supervisor.lock.json", "supervisor.err", "supervisor.err.1"];
/// What the names of the journal's files begin with: the database, its log, its lock, damaged ones.
const JOURNAL: &str = "journal.";

/// Whether a supervisor has the fleet. One look at its lock.
#[must_use]
pub fn supervises(state: &State) -> bool {
    lock::is_held(&state.paths.supervisor_lock())
}

/// Who supervises, as far as it has said.
#[must_use]
pub fn who(state: &State) -> Option<Holder> {
    let path = state.paths.supervisor_lock();
    lock::is_held(&path).then(|| lock::holder(&path)).flatten()
}

/// What is so; `unit` as the manager tells it.
pub(super) fn observe(state: &State, unit: Option<LiveUnit>) -> LiveSupervisor {
    let supervises = supervises(state);
    let is_stale = supervises && who(state).is_some_and(|holder| runs_another_copy(state, holder.pid));
    LiveSupervisor { supervises, unit, is_stale }
}

/// A copy is renamed into place, so a process that was started from an earlier one runs another file.
fn runs_another_copy(state: &State, pid: u32) -> bool {
    let file = |path: &std::path::Path| std::fs::metadata(path).ok().map(|found| (found.dev(), found.ino()));
    let own = file(&state.paths.bin().join("fleet"));
    let its = file(std::path::Path::new(&format!("/proc/{pid}/exe")));
    own.is_some() && its.is_some() && own != its
}

/// What it goes by, as it stands on disk. A damaged file, or a newer fleet's, says nothing.
pub(super) fn on_disk(state: &State) -> Option<FleetPolicy> {
    let bytes = fs::read_optional(&state.paths.supervise(), POLICY_CAP).ok()??;
    let found: FleetPolicy = serde_json::from_slice(&bytes).ok()?;
    (found.format <= policy::FORMAT).then_some(found)
}

/// Stops it. A fleet without one is a success.
pub(super) fn stop(state: &State, chosen: &Chosen) -> Result<(), ManagerError> {
    let unit = UnitName::supervisor(&state.fleet);
    chosen.manager.stop(&unit, STOP_TIMEOUT)?;
    match who(state) {
        None => Ok(()),
        Some(holder) => Err(ManagerError {
            action: format!("stop {unit}"),
            message: format!("another supervisor has the fleet: {holder}"),
            help: Some(format!("it was started by hand: end it, `kill {}`", holder.pid)),
        }),
    }
}

/// Removes what it wrote.
pub(super) fn clear(state: &State) -> Result<(), fs::FsError> {
    let entries = std::fs::read_dir(&state.paths.state).into_iter().flatten().flatten();
    let journal = entries.map(|entry| entry.path()).filter(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with(JOURNAL) && path.is_file()
    });
    for path in journal.chain(RECORDS.iter().map(|name| state.paths.state.join(name))) {
        fs::remove_unsynced(&path)?;
    }
    // One that was killed leaves its socket.
    fs::remove_unsynced(&state.paths.runtime.join("supervisor.sock"))?;
    let inbox = state.paths.state.join("inbox");
    match std::fs::remove_dir_all(&inbox) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(fs::FsError::io("remove", &inbox, &error)),
        _ => Ok(()),
    }
}

impl Apply<'_> {
    /// One that goes, or moves to the other manager, goes before anything else: it would start agents that are stopped.
    pub(super) fn stop_supervisor(&self, plan: &Plan, report: &mut Report) {
        let goes = plan.supervisor.as_ref().is_some_and(|change| change.act == Act::Stop);
        if !goes && (self.old.is_none() || plan.supervisor.is_none()) {
            return;
        }
        (self.progress)("stopping the supervisor");
        report.supervisor = Some(match stop(self.state, self.old.unwrap_or(self.chosen)) {
            Ok(()) => Outcome::Done("stopped".to_owned()),
            Err(error) => Outcome::Failed { what: error.to_string(), help: error.help },
        });
    }

    /// What it goes by is written when all else is done: it would start new agents beside this apply.
    pub(super) fn write_supervision(plan: &Plan, ledger: &mut Ledger) -> Result<(), ApplyError> {
        let last: Vec<FileChange> = plan.files.iter().filter(|change| change.is_supervision()).cloned().collect();
        let mut folders = BTreeSet::new();
        write(&last, &mut ledger.files, &mut folders)?;
        Ok(sync(&folders)?)
    }

    /// Last of all, so that it finds what it shall look after.
    pub(super) fn start_supervisor(&self, plan: &Plan, report: &mut Report) {
        let Some(change) = plan.supervisor.as_ref().filter(|change| change.act != Act::Stop) else { return };
        if matches!(report.supervisor, Some(Outcome::Failed { .. })) {
            return;
        }
        (self.progress)("starting the supervisor");
        let restarts = change.act == Act::Restart && self.old.is_none();
        let stopped = if restarts { stop(self.state, self.chosen) } else { Ok(()) };
        let unit = UnitName::supervisor(&self.fleet.id);
        let started = stopped.and_then(|()| self.chosen.manager.start(&unit, START_TIMEOUT));
        report.supervisor = Some(match started {
            Ok(()) => Outcome::Done(if restarts { "restarted" } else { "started" }.to_owned()),
            Err(error) => {
                let words = self.state.paths.state.join("supervisor.err");
                let help =
                    format!("the agents go on; its words are in {}, `fleet apply` tries again", words.display());
                Outcome::Failed { what: error.to_string(), help: Some(help) }
            }
        });
    }
}
