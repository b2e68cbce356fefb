//! Carries out a plan, effect by effect. The ledger is saved after each step; a failure stops that agent's remaining
//! steps, not the others.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::effects::{change_links, stop_timeout, write};
use super::generation::{Ended, Kept, Record};
use super::idle::{self, Options};
use super::managers::Chosen;
use super::outcome::{Outcome, Report};
use super::state::{NoteKind, State};
use super::words::Words;
use super::{ApplyError, binaries, observe, verify};
use crate::ids::{AgentName, UnitName};
use crate::plan::files::{FileChange, LinkChange};
use crate::plan::{Action, AgentPlan, Ledger, Plan, Process, waves};
use crate::render::Artifact;
use crate::resolve::Fleet;
use crate::shim::client;
use crate::system::fs;
use crate::system::service::{ManagerKind, ServiceManager};

/// Longest wait for one unit to come up. The shim is up when the agent has been started, not when it is ready.
pub(super) const START_TIMEOUT: Duration = Duration::from_secs(90);
/// Longest wait for a shim's answer.
const SHIM_TIMEOUT: Duration = Duration::from_secs(5);

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
        if !plan.is_empty() {
            if self.old.is_some() {
                self.await_move(plan)?;
            }
            self.prepare(plan, &mut ledger)?;
        }
        // From here on something is done, so a failure is told beside what was.
        if let Err(error) = self.carry_out(plan, &mut ledger, &mut report) {
            let help = error.help();
            report.stopped = Some((error.to_string(), help));
        }
        if !plan.is_empty() {
            self.remember(&report);
        }
        Ok(report)
    }

    fn carry_out(&self, plan: &Plan, ledger: &mut Ledger, report: &mut Report) -> Result<(), ApplyError> {
        if !plan.is_empty() {
            self.stop_removed(plan, report);
            self.leave_manager(plan, ledger, report)?;
            self.write_files(plan, ledger, report)?;
            // Links that go do so before the reload: a loaded target would remember the name behind them.
            Self::links(plan, ledger, report, |change| matches!(change, LinkChange::Remove { .. }));
            if self.reload(plan, report) {
                ledger.reload_due = false;
            }
            self.forget_removed(plan);
            self.start_target(ledger, report);
        }
        self.processes(plan, ledger, report);
        if !plan.is_empty() {
            Self::links(plan, ledger, report, |change| matches!(change, LinkChange::Write { .. }));
            ledger.settle(self.artifacts, |name| report.has_failed(name) || plan.withheld.contains(name));
            report.generation = ledger.generation;
            self.state.save(ledger)?;
        }
        Ok(())
    }

    /// Everything that can fail without a trace comes first: space for the new generation, and systemd's own opinion
    /// of the units.
    fn prepare(&self, plan: &Plan, ledger: &mut Ledger) -> Result<(), ApplyError> {
        binaries::refresh(&self.state.paths.bin())?;
        fs::ensure_private_dir(&self.state.paths.state.join("agents"))?;
        self.state.sweep();
        let folder = self.state.save_generation(&self.record, self.sources, self.artifacts)?;
        if plan.writes_units() {
            (self.progress)("checking the units");
            verify::units(&folder.join("units"))?;
        }
        for agent in plan.agents.iter().filter(|agent| agent.action == Action::Add) {
            // What an earlier agent of that name left says nothing about this one.
            self.state.forget_runs(&agent.name)?;
        }
        ledger.roster.clone_from(&self.fleet.roster);
        ledger.announce(plan);
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

    fn running_manager(&self) -> &dyn ServiceManager {
        self.old.unwrap_or(self.chosen).manager.as_ref()
    }

    fn unit(&self, agent: &AgentName) -> UnitName {
        UnitName::agent(&self.fleet.id, agent)
    }

    fn stop_removed(&self, plan: &Plan, report: &mut Report) {
        let names: Vec<&AgentName> =
            plan.removed().filter(|agent| agent.process == Process::Stop).map(|agent| &agent.name).collect();
        for name in &names {
            // Put back into the roster after a crash, it is an agent that was not stopped by hand.
            if let Err(error) = self.state.note_pending(name, NoteKind::Unfinished, "it was being removed") {
                report.put(name, Outcome::Failed { what: error.to_string(), help: error.help() });
            }
        }
        self.stop(&names, report);
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

    /// Replaces the live files.
    ///
    /// # Errors
    /// When the ledger cannot be saved: fleet does not go on without knowing what it owns.
    fn write_files(&self, plan: &Plan, ledger: &mut Ledger, report: &mut Report) -> Result<(), ApplyError> {
        for agent in &plan.agents {
            if report.has_failed(&agent.name) || (agent.files.is_empty() && agent.action != Action::Remove) {
                continue;
            }
            let mut files = ledger.agents.get(&agent.name).map(|entry| entry.files.clone()).unwrap_or_default();
            let result = self.write_agent(agent, &mut files);
            if let Some(entry) = ledger.agents.get_mut(&agent.name) {
                entry.files = files;
            }
            match result {
                Ok(()) if agent.action == Action::Remove => {
                    let _ = self.state.clear_runtime(&agent.name);
                    report.put(&agent.name, Outcome::Done("removed".to_owned()));
                    // A link that stays is found again by the next plan.
                    let _ = change_links(&agent.links, &mut BTreeMap::new());
                    ledger.agents.remove(&agent.name);
                }
                Ok(()) => {}
                Err(error) => {
                    let help = error.help();
                    report.put(&agent.name, Outcome::Failed { what: error.to_string(), help });
                }
            }
            self.state.save(ledger)?;
            if agent.action == Action::Remove && !report.has_failed(&agent.name) {
                // Only now: until the ledger has let the agent go, the note tells what happened to it.
                let _ = fs::remove_file_if_present(&self.state.pending_path(&agent.name));
            }
        }
        let mut files = std::mem::take(&mut ledger.files);
        let result = plan.files.iter().try_for_each(|change| write(change, &mut files));
        ledger.files = files;
        self.state.save(ledger)?;
        result
    }

    fn write_agent(
        &self,
        agent: &AgentPlan,
        files: &mut BTreeMap<std::path::PathBuf, crate::ids::Digest>,
    ) -> Result<(), ApplyError> {
        if agent.action != Action::Remove {
            let folder = self.state.paths.agent(&agent.name);
            fs::ensure_private_dir(&folder)?;
            fs::ensure_private_dir(&folder.join("files"))?;
        }
        agent.files.iter().try_for_each(|change| write(change, files))
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

    /// A failed unit keeps its name in the manager's list although its file is gone.
    fn forget_removed(&self, plan: &Plan) {
        let gone = plan.agents.iter().filter(|agent| agent.action == Action::Remove || self.old.is_some());
        let units: Vec<UnitName> = gone.map(|agent| self.unit(&agent.name)).collect();
        if !units.is_empty() {
            self.running_manager().reset_failed(&units);
        }
    }

    /// The target is what a boot, and `systemctl --user stop`, act on. A manager starts it alone, so that starting it
    /// starts no agent.
    fn start_target(&self, ledger: &Ledger, report: &mut Report) {
        if self.chosen.manager.kind() != ManagerKind::Systemd || !observe::wants_running(ledger) {
            return;
        }
        let target = UnitName::target(&self.fleet.id);
        let active = self.chosen.manager.observe(&self.fleet.id).is_ok_and(|units| {
            units
                .iter()
                .any(|state| state.unit == target && state.active == crate::system::service::ActiveState::Active)
        });
        if active {
            return;
        }
        if let Err(error) = self.chosen.manager.start(&target, START_TIMEOUT) {
            for name in ledger.agents.keys() {
                report.put(name, Outcome::Skipped(format!("the fleet's target did not start: {error}")));
            }
        }
    }

    fn processes(&self, plan: &Plan, ledger: &mut Ledger, report: &mut Report) {
        for agent in plan.agents.iter().filter(|agent| !agent.pending && agent.process != Process::Restart) {
            self.state.strike_restart(&agent.name);
        }
        for agent in plan.agents.iter().filter(|agent| agent.process == Process::Live) {
            if !report.has_failed(&agent.name) {
                self.tell(&agent.name, report);
            }
        }
        let restarts: Vec<&AgentPlan> = plan
            .agents
            .iter()
            .filter(|agent| agent.process == Process::Restart || (agent.pending && agent.process == Process::Keep))
            .filter(|agent| !report.has_failed(&agent.name))
            .collect();
        let moving = self.old.is_some();
        let starts: BTreeSet<AgentName> = plan
            .agents
            .iter()
            .filter(|agent| agent.process == Process::Start || (moving && agent.process == Process::Restart))
            .filter(|agent| !report.has_failed(&agent.name))
            .map(|agent| agent.name.clone())
            .collect();
        for wave in waves::waves(self.fleet, &starts) {
            // One that is on its way out is waited for.
            let ending =
                |name: &AgentName| plan.agents.iter().any(|agent| agent.name == *name && agent.running && !moving);
            let (stopping, resting): (Vec<_>, Vec<_>) = wave.into_iter().partition(ending);
            self.start_wave(&stopping, true, report);
            self.start_wave(&resting, false, report);
        }
        if !moving {
            let names: Vec<&AgentName> = restarts.iter().map(|agent| &agent.name).collect();
            // Each is restarted in the moment it is seen idle: a minute later it may be at work again.
            let later = idle::each_idle(self.state, &names, self.options, self.progress, &mut |idle| {
                let batch: BTreeSet<AgentName> = idle.iter().map(|name| (*name).clone()).collect();
                for wave in waves::waves(self.fleet, &batch) {
                    self.start_wave(&wave, true, report);
                }
            });
            for (name, why) in later {
                match self.state.note_pending(name, NoteKind::Restart, &why) {
                    Ok(()) => report.put(name, Outcome::Pending(why)),
                    Err(error) => report.put(name, Outcome::Failed { what: error.to_string(), help: error.help() }),
                }
            }
        }
        for agent in &plan.agents {
            if agent.action == Action::Add || agent.action == Action::Change {
                let done = if agent.process == Process::Keep { "files written" } else { agent.process.word() };
                if !report.agents.contains_key(&agent.name) {
                    report.put(&agent.name, Outcome::Done(done.to_owned()));
                }
            }
            if let Some(entry) = ledger.agents.get_mut(&agent.name) {
                entry.desired = agent.desired;
            }
        }
    }

    fn tell(&self, name: &AgentName, report: &mut Report) {
        match client::reload(&self.state.paths.socket(name), SHIM_TIMEOUT) {
            Ok(()) => report.put(name, Outcome::Done("live".to_owned())),
            Err(error) => {
                let what = format!("its shim did not take the new policy: {error}");
                report.put(name, Outcome::Failed { what, help: Some("run `fleet apply` again".to_owned()) });
            }
        }
    }

    /// Starts agents side by side, after stopping them when it is a restart.
    fn start_wave(&self, wave: &[AgentName], restart: bool, report: &mut Report) {
        let mut locks = Vec::new();
        let mut held: Vec<&AgentName> = Vec::new();
        for name in wave {
            let noted = self.state.note_pending(name, NoteKind::Unfinished, "it is being started");
            match noted.and_then(|()| self.state.lock_agent(name, "fleet apply")) {
                Ok(lock) => {
                    locks.push(lock);
                    held.push(name);
                }
                Err(error) => report.put(name, Outcome::Failed { what: error.to_string(), help: error.help() }),
            }
        }
        if restart {
            self.stop(&held, report);
        }
        held.retain(|name| !report.has_failed(name));
        if held.is_empty() {
            return;
        }
        (self.progress)(&format!("starting {}", list(&held)));
        let units: Vec<_> = held.iter().map(|name| self.unit(name)).collect();
        let words: Vec<_> = held.iter().map(|name| Words::listen(self.state, name)).collect();
        let results = self.chosen.manager.start_many(&units, START_TIMEOUT);
        for ((name, result), words) in held.iter().zip(results).zip(words) {
            match result {
                Ok(()) => {
                    let _ = fs::remove_file_if_present(&self.state.pending_path(name));
                    let word = if restart { "restarted" } else { "started" };
                    report.put(name, Outcome::Done(word.to_owned()));
                }
                Err(error) => {
                    let help = error.help.clone();
                    report.put(name, Outcome::Failed { what: words.after(error.to_string()), help });
                }
            }
        }
    }

    /// Changes the links that `which` chooses.
    fn links(plan: &Plan, ledger: &mut Ledger, report: &mut Report, which: fn(&LinkChange) -> bool) {
        let chosen = |changes: &[LinkChange]| -> Vec<LinkChange> {
            changes.iter().filter(|change| which(change)).cloned().collect()
        };
        for agent in &plan.agents {
            let Some(entry) = ledger.agents.get_mut(&agent.name) else { continue };
            if let Err(error) = change_links(&chosen(&agent.links), &mut entry.links) {
                report.put(&agent.name, Outcome::Failed { what: error.to_string(), help: error.help });
            }
        }
        let mut links = std::mem::take(&mut ledger.links);
        if let Err(error) = change_links(&chosen(&plan.links), &mut links) {
            for name in ledger.agents.keys() {
                report.put(name, Outcome::Failed { what: error.to_string(), help: error.help.clone() });
            }
        }
        ledger.links = links;
    }
}

fn list(names: &[&AgentName]) -> String {
    match names {
        [one] => one.to_string(),
        [first, .., last] if names.len() > 3 => format!("{} agents, {first} to {last}", names.len()),
        more => more.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", "),
    }
}
