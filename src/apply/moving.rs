//! A fleet that moves from one service manager to the other, and agents that go on under another name.

use super::ApplyError;
use super::destroy::is_of_runtime;
use super::execute::{Apply, START_TIMEOUT};
use super::idle;
use super::outcome::Report;
use super::state::NoteKind;
use crate::ids::{AgentName, UnitName};
use crate::plan::{Ledger, Plan, Process};
use crate::shim::CONVERSATION;
use crate::system::fs::FsError;
use crate::system::service::ManagerKind;
use std::ffi::OsString;
use std::path::Path;

impl Apply<'_> {
    /// Whoever moves to another manager is stopped and started there, so all have to be idle before anything is changed.
    pub(super) fn await_move(&self, plan: &Plan) -> Result<(), ApplyError> {
        let moving: Vec<&AgentName> =
            plan.agents.iter().filter(|agent| agent.process == Process::Restart).map(|agent| &agent.name).collect();
        idle::all_idle(self.state, &moving, self.options, self.progress).map_err(|(name, why)| {
            ApplyError::refused(
                format!("{name} cannot move to the other service manager now: {why}; nothing was changed"),
                "wait until all are idle, or add --restart=now",
            )
        })
    }

    /// Stops everything under the manager that the fleet leaves, its target and slice too.
    pub(super) fn leave_manager(
        &self,
        plan: &Plan,
        ledger: &mut Ledger,
        report: &mut Report,
    ) -> Result<(), ApplyError> {
        let Some(old) = self.old else { return Ok(()) };
        let moving: Vec<&AgentName> =
            plan.agents.iter().filter(|agent| agent.process == Process::Restart).map(|agent| &agent.name).collect();
        for name in &moving {
            self.state.note_pending(name, NoteKind::Unfinished, "it moves to the other service manager")?;
        }
        self.stop(&moving, report);
        if old.manager.kind() == ManagerKind::Systemd {
            let groups = [UnitName::target(&self.fleet.id), UnitName::slice(&self.fleet.id)];
            for result in old.manager.stop_many(&groups, START_TIMEOUT) {
                if let Err(error) = result {
                    (self.progress)(&error.to_string());
                }
            }
        }
        // Only now: until all have stopped, the fleet is still the old manager's.
        ledger.manager = self.chosen.manager.kind();
        self.state.save(ledger)
    }

    /// Whoever gets another name is stopped and started under it, so it has to be idle before anything is changed.
    pub(super) fn await_renames(&self, plan: &Plan) -> Result<(), ApplyError> {
        for agent in plan.renamed() {
            let Some(heir) = &agent.heir else { continue };
            let new = self.state.paths.agent(heir);
            if let Some(path) = inherited(&agent.folder).map(|name| new.join(name)).find(|path| is_there(path)) {
                return Err(ApplyError::refused(
                    format!(
                        "{heir} cannot take over from {}: {} is of an earlier agent of that name; nothing was changed",
                        agent.name,
                        path.display()
                    ),
                    format!("move {} away, or choose another name", new.display()),
                ));
            }
        }
        let running: Vec<&AgentName> = plan
            .renamed()
            .filter(|agent| agent.process == Process::Stop && self.state.run(&agent.name).is_some())
            .map(|agent| &agent.name)
            .collect();
        if running.is_empty() {
            return Ok(());
        }
        idle::all_idle(self.state, &running, self.options, self.progress).map_err(|(name, why)| {
            ApplyError::refused(
                format!("{name} cannot get its new name now: {why}; nothing was changed"),
                "wait until it is idle, or add --restart=now",
            )
        })
    }
}

/// What an heir takes over from the folder of an agent: the log and whatever else is no record of fleet's.
fn inherited(old: &Path) -> impl Iterator<Item = OsString> {
    let names = std::fs::read_dir(old).into_iter().flatten().flatten().map(|entry| entry.file_name());
    names.filter(|name| {
        let rendered = ["manifest.json", "env", "role.md", "script.json"];
        let word = name.to_string_lossy();
        let record = super::destroy::RECORDS.contains(&word.as_ref()) && word != CONVERSATION;
        !rendered.contains(&word.as_ref()) && !record && !is_of_runtime(&word)
    })
}

fn is_there(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// Moves what an heir takes over. Nothing of the heir's own is replaced.
pub(super) fn take_over(old: &Path, new: &Path) -> Result<(), ApplyError> {
    for name in inherited(old) {
        let (from, to) = (old.join(&name), new.join(&name));
        if !is_there(&to) {
            std::fs::rename(&from, &to).map_err(|error| FsError::io("move", &from, &error))?;
        }
    }
    Ok(())
}

/// Removes the folder of an agent that goes on under another name, as far as only fleet's records are in it.
pub(super) fn leave(folder: &Path) {
    for record in super::destroy::RECORDS {
        let _ = std::fs::remove_file(folder.join(record));
    }
    let names = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.file_name());
    for name in names.filter(|name| is_of_runtime(&name.to_string_lossy())) {
        let _ = std::fs::remove_dir(folder.join(name));
    }
    let _ = std::fs::remove_dir(folder);
}
