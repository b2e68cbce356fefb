//! The files of agents: written beside their places, waited for, put there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use super::ApplyError;
use super::effects::{self, StagedFile, sync};
use super::execute::Apply;
use super::outcome::{Outcome, Report};
use super::state::State;
use crate::ids::{AgentName, Digest};
use crate::parallel::in_threads;
use crate::plan::{Action, AgentPlan, FileChange, Ledger};
use crate::system::fs;

/// Threads that write the files of many agents.
const WRITERS: usize = 8;
/// Below so many agents a thread costs more than it saves.
const AGENTS_PER_WRITER: usize = 16;
/// From so many files on, the file system is synced as a whole, twice: that takes one turn of the disk for all of them. Below, what
/// others have written there may be more than what fleet has.
const MANY: usize = 64;

/// What the ledger knows of an agent's files.
type Files = BTreeMap<PathBuf, Digest>;

/// An agent whose files are being written.
struct Written {
    files: Files,
    /// What is still to be put into place.
    staged: Vec<StagedFile>,
    result: Result<(), ApplyError>,
}

impl Apply<'_> {
    /// Writes and removes the files of `agents`, and tells who is gone.
    pub(super) fn write_agents<'p>(
        &self,
        agents: &[&'p AgentPlan],
        ledger: &mut Ledger,
        report: &mut Report,
        landing: &mut Landing,
    ) -> Vec<&'p AgentName> {
        let mut chosen: Vec<(&AgentPlan, Files)> = Vec::new();
        for agent in agents.iter().copied() {
            if report.has_failed(&agent.name) {
                continue;
            }
            if let Some(heir) = agent.heir.as_ref().filter(|heir| report.has_failed(heir)) {
                // Let go of now, its worktree and log would be nobody's.
                report.put(&agent.name, Outcome::Skipped(format!("{heir} has not taken over yet")));
            } else {
                let entry = ledger.agents.get(&agent.name);
                chosen.push((agent, entry.map(|entry| entry.files.clone()).unwrap_or_default()));
            }
        }
        let files: Vec<&PathBuf> = chosen.iter().flat_map(|(agent, _)| &agent.files).map(FileChange::path).collect();
        let disks = (files.len() >= MANY).then(|| self.disks(&files)).transpose();
        let disks = match disks {
            Ok(disks) => disks,
            Err(error) => {
                for (agent, _) in &chosen {
                    report.put(&agent.name, Outcome::Failed { what: error.to_string(), help: error.help() });
                }
                return Vec::new();
            }
        };
        // Side by side where there are many: a disk takes many waits at once.
        let (state, together) = (self.state, disks.is_some());
        let written = in_threads(&chosen, WRITERS, AGENTS_PER_WRITER, |part| {
            let mut shared = BTreeSet::new();
            let one = |(agent, files): &(&AgentPlan, Files)| write_agent(state, agent, files, &mut shared, together);
            (part.iter().map(one).collect::<Vec<_>>(), shared)
        });
        let (written, shared): (Vec<_>, Vec<_>) = written.into_iter().unzip();
        let mut written: Vec<Written> = written.into_iter().flatten().collect();
        let synced = match disks {
            Some(disks) => put_together(disks, &mut written, landing),
            // All agents have their units in one folder.
            None => sync(&shared.into_iter().flatten().collect()),
        };
        let lost =
            |error: &fs::FsError| Err(ApplyError::other(error.to_string(), error.help.clone().unwrap_or_default()));
        let mut gone = Vec::new();
        for ((agent, _), written) in chosen.into_iter().zip(written) {
            if let Some(entry) = ledger.agents.get_mut(&agent.name) {
                entry.files = written.files;
            }
            let result = written.result.and(match &synced {
                Ok(()) => Ok(()),
                Err(error) => lost(error),
            });
            match result {
                Ok(()) if agent.action == Action::Remove => {
                    self.let_go(agent, ledger, report);
                    gone.push(&agent.name);
                }
                Ok(()) => {}
                Err(error) => {
                    let help = error.help();
                    report.put(&agent.name, Outcome::Failed { what: error.to_string(), help });
                }
            }
        }
        gone
    }

    /// Where `files` of agents are: the state folder, and that of units if there are any.
    fn disks(&self, files: &[&PathBuf]) -> Result<fs::Disks, ApplyError> {
        let paths = &self.state.paths;
        let mut folders = vec![paths.state.as_path()];
        if files.iter().any(|path| path.starts_with(&paths.units)) {
            let fail = |error| fs::FsError::io("make", &paths.units, &error);
            std::fs::create_dir_all(&paths.units).map_err(fail)?;
            folders.push(&paths.units);
        }
        Ok(fs::Disks::open(&folders)?)
    }
}

/// Waits until all is on the disk, and puts it into place.
fn put_together(disks: fs::Disks, written: &mut [Written], landing: &mut Landing) -> Result<(), fs::FsError> {
    disks.sync()?;
    for one in written {
        let staged = std::mem::take(&mut one.staged);
        if let Err(error) = effects::put(staged, &mut one.files) {
            one.result = Err(error);
        }
    }
    landing.begin(disks);
    Ok(())
}

/// Files that are in their places while the disk has not said so yet. Until it has, the ledger knows them as announced.
#[derive(Debug, Default)]
pub(super) struct Landing(Vec<JoinHandle<Result<(), fs::FsError>>>);

impl Landing {
    fn begin(&mut self, disks: fs::Disks) {
        self.0.push(std::thread::spawn(move || disks.sync()));
    }

    /// Waits for the disk.
    ///
    /// # Errors
    /// When it refuses.
    pub(super) fn wait(&mut self) -> Result<(), fs::FsError> {
        let mut all = std::mem::take(&mut self.0).into_iter();
        all.try_for_each(|one| one.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    }
}

/// Writes and removes the files of `agent`, whose `files` the ledger knows; `together`, all but the last step. Folders that are not
/// its own are left in `shared`, to be synced once for all.
fn write_agent(
    state: &State,
    agent: &AgentPlan,
    files: &Files,
    shared: &mut BTreeSet<PathBuf>,
    together: bool,
) -> Written {
    let folder = state.paths.agent(&agent.name);
    let mut files = files.clone();
    let mut folders = BTreeSet::new();
    let staged = make_folders(state, agent, &folder).and_then(|()| {
        let staged = effects::stage(&agent.files, &mut files, &mut folders, together)?;
        if together {
            return Ok(staged);
        }
        effects::put(staged, &mut files).map(|()| Vec::new())
    });
    let (own, others): (BTreeSet<_>, BTreeSet<_>) = folders.into_iter().partition(|path| path.starts_with(&folder));
    let synced = if together { Ok(()) } else { sync(&own).map_err(ApplyError::from) };
    shared.extend(others);
    match staged.and_then(|staged| synced.map(|()| staged)) {
        Ok(staged) => Written { files, staged, result: Ok(()) },
        Err(error) => Written { files, staged: Vec::new(), result: Err(error) },
    }
}

fn make_folders(state: &State, agent: &AgentPlan, folder: &Path) -> Result<(), ApplyError> {
    if agent.action == Action::Remove {
        return Ok(());
    }
    fs::ensure_private_dir(folder)?;
    fs::ensure_private_dir(&folder.join("files"))?;
    match &agent.was {
        Some(old) => super::moving::take_over(&state.paths.agent(old), folder),
        None => Ok(()),
    }
}
