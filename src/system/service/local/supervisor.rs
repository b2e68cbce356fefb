//! The fleet's supervisor without systemd: known by the lock it holds as long as it runs.

use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::{LocalManager, ManagerError, Stopping};
use crate::ids::UnitName;
use crate::system::{lock, proc};

impl LocalManager {
    pub(super) fn is_supervisor(&self, unit: &UnitName) -> bool {
        *unit == UnitName::supervisor(&self.fleet)
    }

    pub(super) fn supervisor_lock(&self) -> PathBuf {
        self.state.join("supervisor.lock")
    }

    /// Asks the supervisor to end, if there is one. Agents that it started stay.
    pub(super) fn ask_supervisor(&self, unit: &UnitName) -> Result<Option<Stopping>, ManagerError> {
        let path = self.supervisor_lock();
        if !lock::is_held(&path) {
            return Ok(None);
        }
        let fail = |message: String| {
            let help = format!("see who has it: `fuser {}`", path.display());
            ManagerError::new(format!("stop {unit}"), message, help)
        };
        let deadline = Instant::now() + lock::ENDING;
        let process = loop {
            let holder = lock::holder(&path);
            let named = holder.and_then(|holder| proc::identify(holder.pid));
            if let Some(process) = named.filter(|process| has_open(process.pid, &path)) {
                break process;
            }
            if !lock::is_held(&path) {
                return Ok(None);
            }
            if Instant::now() >= deadline {
                return Err(fail(format!("somebody holds {} and does not say who", path.display())));
            }
            // Neither a name nor an end is told.
            std::thread::sleep(Duration::from_millis(5));
        };
        // A handle on exactly the process that was looked at.
        let Some(handle) = proc::Handle::open(&process).map_err(|error| fail(error.to_string()))? else {
            return Ok(None);
        };
        let alive = handle.signal(nix::sys::signal::Signal::SIGTERM).map_err(|error| fail(error.to_string()))?;
        Ok(alive.then_some(Stopping { shim: process, handle, below: Vec::new(), alone: true }))
    }
}

/// Whether the process has the file at `path` open.
fn has_open(pid: u32, path: &std::path::Path) -> bool {
    let Ok(wanted) = std::fs::metadata(path) else { return false };
    let open = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let mut files = open.filter_map(|entry| std::fs::metadata(entry.path()).ok());
    files.any(|file| (file.dev(), file.ino()) == (wanted.dev(), wanted.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::FleetId;
    use crate::system::lock::Attempt;

    #[test]
    fn one_that_is_ending_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let fleet = FleetId::new("shop").unwrap();
        let manager = LocalManager { state: folder.path().to_owned(), fleet: fleet.clone(), shim: PathBuf::new() };
        let path = manager.supervisor_lock();
        let Attempt::Taken(lock) = lock::try_lock(&path, "the test").unwrap() else { panic!("somebody has it") };
        std::fs::remove_file(folder.path().join("supervisor.lock.json")).unwrap();
        std::thread::scope(|scope| {
            let asked = scope.spawn(|| manager.ask_supervisor(&UnitName::supervisor(&fleet)));
            // It has looked at least once by then, in most runs.
            std::thread::sleep(Duration::from_millis(50));
            drop(lock);
            assert!(asked.join().unwrap().unwrap().is_none());
        });
    }
}
