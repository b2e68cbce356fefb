//! A machine that is only values: files, links, units, records. It does what `apply` does, effect by effect, and can
//! stop after any of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fleet::ids::{AgentName, Digest};
use fleet::manifest::{Manifest, ProcessId, RunRecord};
use fleet::plan::files::{FileChange, LinkChange};
use fleet::plan::live::{LiveFile, LiveSupervisor, LiveUnit};
use fleet::plan::supervisor::Act;
use fleet::plan::{self, Action, Ledger, Live, Plan, Process};
use fleet::render::supervision::policy;
use fleet::render::{Artifact, unit};
use fleet::resolve::Fleet;
use fleet::units::{ActiveState, ManagerKind};

use super::compile::compile;

/// A compiled roster.
pub struct Target {
    pub fleet: Fleet,
    pub artifacts: Vec<Artifact>,
}

#[derive(Clone)]
pub struct Machine {
    pub live: Live,
    pub ledger: Option<Ledger>,
    pub kind: ManagerKind,
    starts: u32,
    pub reloads: u32,
    /// Unit files have changed since the manager read them.
    pub stale_units: bool,
}

/// How many effects may still happen.
struct Budget(usize);

impl Budget {
    /// Spends one. `Err` when the crash comes instead.
    fn spend(&mut self) -> Result<(), ()> {
        self.0 = self.0.checked_sub(1).ok_or(())?;
        Ok(())
    }
}

impl Machine {
    pub fn new(kind: ManagerKind) -> Self {
        Self { live: Live::default(), ledger: None, kind, starts: 0, reloads: 0, stale_units: false }
    }

    /// A roster compiled for this machine.
    pub fn compile(&self, roster: &str) -> Target {
        let compiled = compile(roster);
        let artifacts = compiled.artifacts((self.kind == ManagerKind::Systemd).then_some(252));
        Target { fleet: compiled.fleet.unwrap(), artifacts }
    }

    pub fn plan(&self, target: &Target) -> Plan {
        plan::plan(&target.fleet, &target.artifacts, &self.live, self.ledger.as_ref(), self.kind)
    }

    /// Applies at most `effects` effects of the plan. Whether it got to the end.
    pub fn apply(&mut self, target: &Target, effects: usize) -> bool {
        let plan = self.plan(target);
        assert!(plan.conflicts.is_empty(), "{:?}", plan.conflicts);
        plan.is_empty() || self.run(&target.fleet, &target.artifacts, &plan, &mut Budget(effects)).is_ok()
    }

    /// Applies all of `plan`.
    pub fn carry_out(&mut self, target: &Target, plan: &Plan) {
        if !plan.is_empty() {
            self.run(&target.fleet, &target.artifacts, plan, &mut Budget(usize::MAX)).unwrap();
        }
    }

    /// Whether nothing is left to do.
    pub fn is_at(&self, target: &Target) -> bool {
        let plan = self.plan(target);
        plan.is_empty() && plan.conflicts.is_empty() && !(self.stale_units && self.kind == ManagerKind::Systemd)
    }

    fn run(&mut self, fleet: &Fleet, artifacts: &[Artifact], plan: &Plan, budget: &mut Budget) -> Result<(), ()> {
        let mut ledger =
            self.ledger.clone().unwrap_or_else(|| Ledger::new(fleet.id.clone(), fleet.roster.clone(), self.kind));
        budget.spend()?;
        ledger.announce(plan);
        self.ledger = Some(ledger.clone());
        if plan.supervisor.as_ref().is_some_and(|change| change.act == Act::Stop) {
            budget.spend()?;
            self.live.supervisor = LiveSupervisor::default();
        }
        for agent in plan.removed().filter(|agent| agent.process == Process::Stop) {
            budget.spend()?;
            self.live.runs.remove(&agent.name);
        }
        for agent in &plan.agents {
            for change in &agent.files {
                budget.spend()?;
                let entry = ledger.agents.get_mut(&agent.name).unwrap();
                self.file(change, &mut entry.files);
            }
            if agent.action == Action::Remove {
                for link in &agent.links {
                    self.live.links.remove(link.path());
                }
                ledger.agents.remove(&agent.name);
            }
            budget.spend()?;
            self.ledger = Some(ledger.clone());
        }
        for change in plan.files.iter().filter(|change| !change.is_supervision()) {
            budget.spend()?;
            self.file(change, &mut ledger.files);
        }
        self.ledger = Some(ledger.clone());
        if plan.reload {
            budget.spend()?;
            self.reloads += 1;
            self.stale_units = false;
            ledger.reload_due = false;
        }
        for agent in &plan.agents {
            if matches!(agent.process, Process::Start | Process::Restart) {
                budget.spend()?;
                self.start(&agent.name);
            }
        }
        for agent in &plan.agents {
            let Some(entry) = ledger.agents.get_mut(&agent.name) else { continue };
            for change in &agent.links {
                budget.spend()?;
                link(&mut self.live, change, &mut entry.links);
            }
        }
        for change in &plan.links {
            budget.spend()?;
            link(&mut self.live, change, &mut ledger.links);
        }
        for change in plan.files.iter().filter(|change| change.is_supervision()) {
            budget.spend()?;
            self.file(change, &mut ledger.files);
            self.live.supervision = fleet.supervise.then(|| policy(fleet));
        }
        budget.spend()?;
        ledger.settle(artifacts, |name| plan.withheld.contains(name));
        self.ledger = Some(ledger);
        if plan.supervisor.as_ref().is_some_and(|change| change.act != Act::Stop) {
            budget.spend()?;
            let unit = Some(LiveUnit { active: ActiveState::Active, sub: "running".to_owned() });
            self.live.supervisor = LiveSupervisor { supervises: true, unit, is_stale: false };
        }
        Ok(())
    }

    fn file(&mut self, change: &FileChange, written: &mut BTreeMap<PathBuf, Digest>) {
        self.stale_units |= change.is_unit();
        let manifest = |path: &Path| path.file_name().is_some_and(|name| name == "manifest.json");
        match change {
            FileChange::Write { artifact, .. } => {
                let marked = unit::marked_fleet(&artifact.text);
                self.live
                    .files
                    .insert(artifact.path.clone(), LiveFile::File { digest: artifact.digest.clone(), marked });
                written.insert(artifact.path.clone(), artifact.digest.clone());
                if manifest(&artifact.path) {
                    let manifest: Manifest = serde_json::from_str(&artifact.text).unwrap();
                    self.live.manifests.insert(manifest.agent.clone(), manifest);
                }
            }
            FileChange::Remove { path, .. } => {
                self.live.files.remove(path);
                written.remove(path);
                if manifest(path) {
                    self.live.manifests.retain(|_, manifest| manifest.folder != path.parent().unwrap());
                }
            }
        }
    }

    pub fn start(&mut self, name: &AgentName) {
        self.starts += 1;
        let manifest = &self.live.manifests[name];
        let process = ProcessId { pid: self.starts, start_ticks: 1, boot_id: "boot".to_owned() };
        let run = RunRecord {
            format: 1,
            shim: process.clone(),
            child: process,
            started: "2026-01-01T00:00:00Z".to_owned(),
            manifest: Digest::of(b"manifest"),
            launch: manifest.launch.clone(),
            invocation: None,
            nonce: None,
            keeper: None,
        };
        self.live.runs.insert(name.clone(), run);
        self.live.vanished.remove(name);
        self.live.exits.remove(name);
    }

    pub fn pid(&self, name: &str) -> Option<u32> {
        self.live.runs.get(name).map(|run| run.shim.pid)
    }
}

fn link(live: &mut Live, change: &LinkChange, written: &mut BTreeMap<PathBuf, PathBuf>) {
    match change {
        LinkChange::Write { path, to } => {
            live.links.insert(path.clone(), to.clone());
            written.insert(path.clone(), to.clone());
        }
        LinkChange::Remove { path } => {
            live.links.remove(path);
            written.remove(path);
        }
    }
}
