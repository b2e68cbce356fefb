//! Carries out a plan, effect by effect. The ledger is saved after each step; a failure stops that agent's remaining
//! steps, not the others.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use super::effects::{change_links, put_links, stop_timeout, sync, write};
use super::generation::{Ended, Kept, Record};
use super::idle::Options;
use super::managers::Chosen;
use super::outcome::{Outcome, Report};
use super::state::{NoteKind, State};
use super::writing::Landing;
use super::{ApplyError, binaries, verify};
use crate::ids::{AgentName, UnitName};
use crate::plan::files::{FileChange, LinkChange};
use crate::plan::{Action, AgentPlan, Ledger, Plan, Process};
use crate::render::Artifact;
use crate::resolve::Fleet;
use crate::system::fs;
use crate::system::lock::Lock;
use crate::system::service::{ManagerKind, ServiceManager};

/// Longest wait for one unit to come up. The shim is up when the agent has been started, not when it is ready.
pub(super) const START_TIMEOUT: Duration = Duration::from_secs(90);

/// One run of `apply`.
pub struct Apply<'a> {
    pub state: &'a State,
    pub fleet: &'a Fleet,
    pub artifacts: &'a [Artifact],
    /// What the roster was read from, kept with the generation.
    pub sources: &'a Kept,
    /// How the generation shall be remembered.
    pub record: Record,
    pub chosen: &'a Chosen,
    /// The manager the agents run under now, when it is another one.
    pub old: Option<&'a Chosen>,
    pub options: Options,
    /// Told what happens, for people who wait.
    pub progress: &'a dyn Fn(&str),
}

impl std::fmt::Debug for Apply<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Apply").field("fleet", &self.fleet.id).finish_non_exhaustive()
    }
}

/// Whether there is anything to carry out: what is planned, or the number of what an apply that was killed has done. A rollback
/// to the number before would find the other roster there.
#[must_use]
pub fn works(plan: &Plan, ledger: &Ledger) -> bool {
    !plan.is_empty() || !ledger.expected.is_empty()
}

impl Apply<'_> {
    /// Carries out `plan`. The caller holds the fleet's lock.
    ///
    /// # Errors
    /// When nothing was changed. Later failures are in the report.
    pub fn run(&self, plan: &Plan, ledger: Option<Ledger>) -> Result<Report, ApplyError> {
        let mut ledger = ledger.unwrap_or_else(|| {
            Ledger::new(self.fleet.id.clone(), self.fleet.roster.clone(), self.chosen.manager.kind())
        });
        let mut report = Report { generation: plan.generation, ..Report::default() };
        let works = works(plan, &ledger);
        if works {
            if self.old.is_some() {
                self.await_move(plan)?;
            }
            self.await_renames(plan)?;
            self.prepare(plan, &mut ledger)?;
        }
        // From here on something is done, so a failure is told beside what was.
        if let Err(error) = self.carry_out(plan, works, &mut ledger, &mut report) {
            let help = error.help();
            report.stopped = Some((error.to_string(), help));
        }
        if works {
            self.remember(&report);
        }
        Ok(report)
    }

    fn carry_out(
        &self,
        plan: &Plan,
        works: bool,
        ledger: &mut Ledger,
        report: &mut Report,
    ) -> Result<(), ApplyError> {
        let mut landing = Landing::default();
        if works {
            self.stop_supervisor(plan, report);
            // Held until the ledger has let them go: a supervisor starts nobody whose lock it cannot have.
            let _locks = self.stop_removed(plan, report);
            self.leave_manager(plan, ledger, report)?;
            self.worktrees(plan, ledger, report)?;
            self.write_files(plan, ledger, report, &mut landing)?;
            // Links that go do so before the reload: a loaded target would remember the name behind them.
            Self::links(plan, ledger, report, |change| matches!(change, LinkChange::Remove { .. }));
            if self.reload(plan, report) {
                ledger.reload_due = false;
            }
            self.forget_removed(plan);
            self.start_target(ledger, report);
        }
        self.processes(plan, ledger, report);
        if works {
            Self::links(plan, ledger, report, |change| matches!(change, LinkChange::Write { .. }));
            Self::write_supervision(plan, ledger)?;
            landing.wait()?;
            ledger.settle(self.artifacts, |name| report.has_failed(name) || plan.withheld.contains(name));
            report.generation = ledger.generation;
            self.state.save(ledger)?;
            self.start_supervisor(plan, report);
        }
        Ok(())
    }

    /// Everything that can fail without a trace comes first: space for the new generation, and systemd's own opinion
    /// of the units.
    fn prepare(&self, plan: &Plan, ledger: &mut Ledger) -> Result<(), ApplyError> {
        let copies = binaries::refresh(&self.state.paths.bin())?;
        fs::ensure_private_dir(&self.state.paths.state.join("agents"))?;
        // A command that was killed may have left some anywhere, and what it was about to do; otherwise a thousand folders
        // need no look.
        let was_killed = !ledger.expected.is_empty() || !self.state.noted().is_empty();
        let touched =
            plan.agents.iter().filter(|agent| agent.action != Action::None).map(|agent| &agent.name).collect();
        self.state.sweep((!was_killed).then_some(&touched));
        let written: Vec<&Artifact> = plan.written().collect();
        let writes_units = plan.writes_units();
        if writes_units {
            (self.progress)("checking the units");
        }
        let check = |units: &Path| if writes_units { verify::units(units, &written) } else { Ok(()) };
        self.state.save_generation(&self.record, self.sources, &written, check)?;
        copies.sync()?;
        for agent in plan.agents.iter().filter(|agent| agent.is_new && agent.action != Action::None) {
            // What an earlier agent of that name left says nothing about this one.
            self.state.forget_runs(&agent.name)?;
        }
        ledger.roster.clone_from(&self.fleet.roster);
        ledger.announce(plan);
        self.state.sweep_notes(ledger);
        self.state.save(ledger)
    }

    /// Notes how it ended. What happened is in the ledger; a record that cannot be written loses only the story of it.
    fn remember(&self, report: &Report) {
        let open = |outcome: &Outcome| !matches!(outcome, Outcome::Done(_));
        let ended = Ended {
            at: jiff::Timestamp::now().to_string(),
            open: report
                .agents
                .iter()
                .filter(|(_, outcome)| open(outcome))
                .map(|(name, _)| name.to_string())
                .collect(),
            stopped: report.stopped.as_ref().map(|(what, _)| what.clone()),
        };
        if let Err(error) = self.state.end_generation(&Record { ended: Some(ended), ..self.record.clone() }) {
            (self.progress)(&format!("the generation's record cannot be written: {error}"));
        }
    }

    pub(super) fn running_manager(&self) -> &dyn ServiceManager {
        self.old.unwrap_or(self.chosen).manager.as_ref()
    }

    pub(super) fn unit(&self, agent: &AgentName) -> UnitName {
        UnitName::agent(&self.fleet.id, agent)
    }

    fn stop_removed(&self, plan: &Plan, report: &mut Report) -> Vec<Lock> {
        let mut names: Vec<&AgentName> = plan
            .removed()
            .chain(plan.renamed())
            .filter(|agent| agent.process == Process::Stop)
            .map(|agent| &agent.name)
            .collect();
        for name in &names {
            // Put back into the roster after a crash, it is an agent that was not stopped by hand.
            if let Err(error) = self.state.note_pending(name, NoteKind::Unfinished, "it was being removed") {
                report.put(name, Outcome::Failed { what: error.to_string(), help: error.help() });
            }
        }
        let mut locks: Vec<Lock> = Vec::new();
        names.retain(|name| match self.state.lock_agent(name, "fleet apply", locks.first()) {
            Ok(lock) => {
                locks.push(lock);
                true
            }
            Err(error) => {
                report.put(name, Outcome::Failed { what: error.to_string(), help: error.help() });
                false
            }
        });
        self.stop(&names, report);
        for agent in &plan.agents {
            if let Some(old) = agent.was.as_ref().filter(|old| report.has_failed(old)) {
                let what = format!("{old}, which it was, did not stop");
                let help = format!("once {old} has stopped, run `fleet apply` again");
                report.put(&agent.name, Outcome::Failed { what, help: Some(help) });
            }
        }
        locks
    }

    /// Stops agents side by side; what does not end is noted as failed.
    pub(super) fn stop(&self, names: &[&AgentName], report: &mut Report) {
        if names.is_empty() {
            return;
        }
        (self.progress)(&format!("stopping {}", list(names)));
        let timeout = names.iter().map(|name| stop_timeout(self.state.manifest(name).as_ref())).max();
        let units: Vec<_> = names.iter().map(|name| self.unit(name)).collect();
        let results = self.running_manager().stop_many(&units, timeout.unwrap_or(START_TIMEOUT));
        for (name, result) in names.iter().zip(results) {
            if let Err(error) = result {
                report.put(name, Outcome::Failed { what: error.to_string(), help: error.help });
            }
        }
    }

    /// Replaces the live files. What each of them holds was announced in the ledger before, so a crash in between leaves no
    /// doubt; what goes is let go of when all are written.
    ///
    /// # Errors
    /// When the ledger cannot be saved: fleet does not go on without knowing what it owns.
    fn write_files(
        &self,
        plan: &Plan,
        ledger: &mut Ledger,
        report: &mut Report,
        landing: &mut Landing,
    ) -> Result<(), ApplyError> {
        let touched = |agent: &&AgentPlan| !agent.files.is_empty() || agent.action == Action::Remove;
        // Whoever has an heir goes after it: the heir takes the log and the worktree over first.
        let (leaving, others): (Vec<_>, Vec<_>) =
            plan.agents.iter().filter(touched).partition(|agent| agent.heir.is_some());
        let mut gone = self.write_agents(&others, ledger, report, landing);
        gone.extend(self.write_agents(&leaving, ledger, report, landing));
        // What the supervisor goes by waits for the end.
        let now: Vec<FileChange> = plan.files.iter().filter(|change| !change.is_supervision()).cloned().collect();
        let mut files = std::mem::take(&mut ledger.files);
        let mut folders = BTreeSet::new();
        let result = write(&now, &mut files, &mut folders);
        let result = result.and(sync(&folders).map_err(ApplyError::from));
        ledger.files = files;
        // Files that are only written are known as announced.
        if plan.removes_files() || !gone.is_empty() || result.is_err() {
            let landed = landing.wait();
            self.state.save(ledger)?;
            landed?;
        }
        for name in gone {
            // Only now: until the ledger has let the agent go, the note tells what happened to it.
            let _ = fs::remove_file_if_present(&self.state.pending_path(name));
        }
        result
    }

    pub(super) fn let_go(&self, agent: &AgentPlan, ledger: &mut Ledger, report: &mut Report) {
        let _ = self.state.clear_runtime(&agent.name);
        let word = match &agent.heir {
            Some(heir) => {
                super::moving::leave(&self.state.paths.agent(&agent.name));
                format!("is now {heir}")
            }
            None => "removed".to_owned(),
        };
        report.put(&agent.name, Outcome::Done(word));
        // A link that stays is found again by the next plan.
        let _ = change_links(&agent.links, &mut BTreeMap::new());
        ledger.agents.remove(&agent.name);
    }

    /// Whether the manager has read what it shall.
    fn reload(&self, plan: &Plan, report: &mut Report) -> bool {
        if !plan.reload {
            return true;
        }
        (self.progress)("reloading the service manager");
        let leaving = self.old.filter(|old| old.manager.kind() == ManagerKind::Systemd);
        let manager = leaving.unwrap_or(self.chosen).manager.as_ref();
        let Err(error) = manager.reload() else { return true };
        for agent in plan.agents.iter().filter(|agent| agent.files.iter().any(FileChange::is_unit)) {
            report.put(&agent.name, Outcome::Failed { what: error.to_string(), help: error.help.clone() });
        }
        false
    }

    /// Changes the links that `which` chooses.
    fn links(plan: &Plan, ledger: &mut Ledger, report: &mut Report, which: fn(&LinkChange) -> bool) {
        let chosen = |changes: &[LinkChange]| -> Vec<LinkChange> {
            changes.iter().filter(|change| which(change)).cloned().collect()
        };
        let mut folders = BTreeSet::new();
        for agent in &plan.agents {
            let Some(entry) = ledger.agents.get_mut(&agent.name) else { continue };
            if let Err(error) = put_links(&chosen(&agent.links), &mut entry.links, &mut folders) {
                report.put(&agent.name, Outcome::Failed { what: error.to_string(), help: error.help });
            }
        }
        let mut links = std::mem::take(&mut ledger.links);
        let own = put_links(&chosen(&plan.links), &mut links, &mut folders);
        if let Err(error) = own.and(sync(&folders)) {
            for name in ledger.agents.keys() {
                report.put(name, Outcome::Failed { what: error.to_string(), help: error.help.clone() });
            }
        }
        ledger.links = links;
    }
}

pub(super) fn list(names: &[&AgentName]) -> String {
    match names {
        [one] => one.to_string(),
        [first, .., last] if names.len() > 3 => format!("{} agents, {first} to {last}", names.len()),
        more => more.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", "),
    }
}
