//! One agent: its files, its fields, and what has to happen to its process.

use std::borrow::Cow;

use super::fields::{self, Class, FieldChange};
use super::files::{self, Conflict, ConflictKind};
use super::ledger::{Desired, Ledger, LedgerAgent};
use super::live::Live;
use super::{Action, AgentPlan, Process, link_to, rename, worktree};
use crate::ids::{AgentName, UnitName};
use crate::manifest::{ExitRecord, Manifest, ModelName, RestartWhen};
use crate::render::{Artifact, FileKind};
use crate::resolve::{Agent, Fleet};
use crate::units::ManagerKind;

/// Plans an agent that the roster declares.
pub(super) fn plan(
    fleet: &Fleet,
    agent: &Agent,
    artifacts: &[&Artifact],
    live: &Live,
    ledger: &Ledger,
    manager: ManagerKind,
    conflicts: &mut Vec<Conflict>,
) -> AgentPlan {
    let known = ledger.agents.get(&agent.name);
    let desired = match known {
        Some(entry) => entry.desired,
        None if agent.was.is_some() => {
            let own = if agent.policy.autostart { Desired::Running } else { Desired::Held };
            rename::inherited(fleet, agent, ledger).unwrap_or(own)
        }
        None if agent.policy.autostart => Desired::Running,
        None => Desired::Held,
    };
    let none = std::collections::BTreeMap::new();
    let written = known.map_or(&none, |entry| &entry.files);
    let files = files::changes(artifacts, written, ledger, live, &fleet.id, conflicts);
    let no_links = std::collections::BTreeMap::new();
    let wanted = links(fleet, agent, desired, manager);
    let owned = known.map_or(&no_links, |entry| &entry.links);
    let mut links = files::link_changes(&wanted, owned, live, conflicts);
    links.extend(files::gone_links(&wanted, owned, live));
    let same = live.unchanged.contains(&agent.name);
    let new = if same { None } else { compiled(artifacts) };
    let running = live.is_running(&agent.name);
    let next = new.as_ref().map(|new| next_start(&agent.name, new, live));
    let next = next.as_deref();
    let changed = changed_fields(&agent.name, new.as_ref(), live);
    let restarts = changed.iter().any(|field| field.effect == Class::Restart);
    let worktree = worktree::plan(agent, known, live);
    if let Some(path) = worktree.foreign {
        conflicts.push(Conflict { path, kind: ConflictKind::Foreign });
    }
    let settled = files.is_empty() && worktree.change.is_none();
    let pending = running && restarts && live.pending.contains(&agent.name) && settled;
    let moves = ledger.manager != manager && known.is_some();
    let Verdict { process, reason, note } = if running {
        if live.stopping.contains(&agent.name) && desired == Desired::Running {
            Verdict::act(Process::Start, "it is stopping, and is started again when it has ended")
        } else if moves {
            Verdict::act(Process::Restart, "it moves to the other service manager")
        } else if pending {
            Verdict::note(
                "a restart is pending: `fleet apply` tries again when it is idle, `--restart=now` does not wait",
            )
        } else if worktree.is_lost && desired == Desired::Running {
            let what = what_becomes_of_it(live.conversations.get(&agent.name), next);
            Verdict::act(Process::Restart, format!("its worktree is not there any more; a restart {what}"))
        } else if restarts && desired == Desired::Running {
            let what = what_becomes_of_it(live.conversations.get(&agent.name), next);
            let why = left_chain(&agent.name, new.as_ref(), live)
                .map_or("it runs with other settings".to_owned(), |model| {
                    format!("{model}, which it runs with, left its chain")
                });
            Verdict::act(Process::Restart, format!("{why}; a restart {what}"))
        } else if files.iter().any(|change| !change.is_unit()) {
            Verdict::act(Process::Live, "applied without touching the process")
        } else if !files.is_empty() || !links.is_empty() {
            Verdict::act(Process::Keep, "its unit file changes; the process is not touched")
        } else if desired == Desired::Held {
            Verdict::note("runs although it is held: started by hand")
        } else {
            Verdict::quiet()
        }
    } else {
        let watched = fleet.supervise && ledger.is_supervised() && live.supervisor.supervises;
        at_rest(agent, live, desired, known.is_some(), restarts && !files.is_empty(), watched)
    };
    let reason = if reason.is_empty() && !(files.is_empty() && links.is_empty()) {
        "its files change; it does not run".to_owned()
    } else {
        reason
    };
    let note = note.or(worktree.note);
    let changes = process != Process::Keep || !files.is_empty() || !links.is_empty() || worktree.change.is_some();
    let action = match (known, changes) {
        (None, _) => Action::Add,
        (Some(_), true) => Action::Change,
        (Some(_), false) => Action::None,
    };
    AgentPlan {
        name: agent.name.clone(),
        unit: agent.unit(&fleet.id),
        folder: fleet.paths.agent(&agent.name),
        socket: fleet.paths.socket(&agent.name),
        place: Some(agent.place.clone()),
        action,
        process,
        reason,
        fields: if known.is_some() { changed } else { Vec::new() },
        files,
        links,
        running,
        pending,
        desired,
        note,
        worktree: worktree.change,
        is_new: known.is_none(),
        was: None,
        heir: None,
    }
}

struct Verdict {
    process: Process,
    reason: String,
    note: Option<String>,
}

impl Verdict {
    fn act(process: Process, reason: impl Into<String>) -> Self {
        Self { process, reason: reason.into(), note: None }
    }

    fn note(note: impl Into<String>) -> Self {
        Self { process: Process::Keep, reason: String::new(), note: Some(note.into()) }
    }

    fn quiet() -> Self {
        Self { process: Process::Keep, reason: String::new(), note: None }
    }
}

/// An agent that does not run: only a failed one, or one that never ran, is started.
///
/// Of a fleet that is `watched` the failed are the supervisor's: it starts them within their budget, and an apply that
/// did so would undo a quarantine.
fn at_rest(agent: &Agent, live: &Live, desired: Desired, known: bool, changed: bool, watched: bool) -> Verdict {
    let start = |reason: String| Verdict::act(Process::Start, reason);
    let failed = |how: String| {
        if watched {
            let why = format!("{how}: its supervisor starts it again, or says why not: `fleet why {}`", agent.name);
            Verdict::note(why)
        } else {
            start(how)
        }
    };
    if desired == Desired::Held {
        let how = format!("`fleet start {}` starts it", agent.name);
        if known {
            return Verdict::note(format!("held; {how}"));
        }
        return Verdict { reason: format!("not started: autostart is off; {how}"), ..Verdict::quiet() };
    }
    if !known {
        return start("new".to_owned());
    }
    // Whoever starts or restarts an agent notes it first and strikes the note out when it runs.
    if live.unfinished.contains(&agent.name) {
        return start("it was to be started, and that was not finished".to_owned());
    }
    if live.is_backing_off(&agent.name) {
        return Verdict::note("failed; systemd starts it again after its delay");
    }
    // The run record outlives a shim that was killed; the exit record beside it is then of an earlier run.
    if live.vanished.contains(&agent.name) {
        return failed("its process is gone without an exit record".to_owned());
    }
    let Some(exit) = live.exits.get(&agent.name) else {
        // As a boot does: what it would not start, the next apply does not start either.
        if !agent.policy.autostart {
            let name = &agent.name;
            return Verdict::note(format!(
                "not started since the boot: autostart is off; `fleet start {name}` starts it"
            ));
        }
        return start("it does not run".to_owned());
    };
    if changed {
        return start(format!("changed since it ended ({})", ending(exit)));
    }
    if exit.stop_requested {
        return Verdict::note(format!("stopped by hand; `fleet start {}` starts it", agent.name));
    }
    match (exit.code, agent.policy.restart.when) {
        (Some(0), RestartWhen::OnFailure | RestartWhen::Never) => {
            Verdict::note(format!("finished (exit 0); `fleet start {}` starts it again", agent.name))
        }
        _ => failed(format!("it failed ({})", ending(exit))),
    }
}

/// What a restart does to the conversation of an agent.
pub(super) fn what_becomes_of_it(
    talk: Option<&(String, std::path::PathBuf)>,
    new: Option<&Manifest>,
) -> &'static str {
    let resumes = |new: &Manifest| {
        new.policy.resume.is_some()
            && talk.is_some_and(|(runtime, dir)| *runtime == new.launch.runtime && *dir == new.launch.dir)
    };
    if new.is_some_and(resumes) { RESUMES } else { "loses the conversation" }
}

/// As it stands in reasons, where `--fresh` is no part of the plan yet.
pub const RESUMES: &str = "resumes the conversation";

/// How a run ended, in words.
#[must_use]
pub fn ending(exit: &ExitRecord) -> String {
    match (exit.code, exit.signal) {
        (Some(code), _) => format!("exit {code}"),
        (None, Some(signal)) if exit.out_of_memory => format!("signal {signal}, out of memory"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "no status".to_owned(),
    }
}

pub(super) fn compiled(artifacts: &[&Artifact]) -> Option<Manifest> {
    let file = artifacts.iter().find(|artifact| artifact.kind == FileKind::Manifest)?;
    serde_json::from_slice(file.text.as_bytes()).ok()
}

/// The manifest as it is for the agent's next start: with the model that is noted, or with the first.
fn next_start<'a>(name: &AgentName, new: &'a Manifest, live: &Live) -> Cow<'a, Manifest> {
    live.models.get(name).and_then(|model| new.using(model)).unwrap_or(Cow::Borrowed(new))
}

/// The model that the agent runs with, where it is one of a chain that has lost it.
fn left_chain(name: &AgentName, new: Option<&Manifest>, live: &Live) -> Option<ModelName> {
    let runs = live.runs.get(name)?.launch.name();
    let had = live.manifests.get(name)?;
    (!had.fallbacks.is_empty() && had.using(&runs).is_some() && new?.using(&runs).is_none()).then_some(runs)
}

/// What differs from what the agent runs with, or, at rest, from what it was last given. Whoever runs with a model of the
/// chain is compared with that one, whichever it is.
fn changed_fields(name: &AgentName, new: Option<&Manifest>, live: &Live) -> Vec<FieldChange> {
    let Some(new) = new else { return Vec::new() };
    let on_disk = live.manifests.get(name);
    let next = next_start(name, new, live);
    let mut changed = match (live.runs.get(name), on_disk) {
        (Some(run), _) => fields::launch(&run.launch, &new.using(&run.launch.name()).unwrap_or(next).launch),
        (None, Some(old)) => fields::launch(&next_start(name, old, live).launch, &next.launch),
        (None, None) => Vec::new(),
    };
    if let Some(old) = on_disk {
        changed.extend(fields::identity(old, new));
        changed.extend(fields::policy(&old.policy, &new.policy));
    }
    changed
}

/// The link that starts the agent with its fleet: not for one that is held or not started by itself, and none where a
/// supervisor starts them.
fn links(
    fleet: &Fleet,
    agent: &Agent,
    desired: Desired,
    manager: ManagerKind,
) -> Vec<(std::path::PathBuf, std::path::PathBuf)> {
    if manager != ManagerKind::Systemd || fleet.supervise || desired == Desired::Held || !agent.policy.autostart {
        return Vec::new();
    }
    let unit = agent.unit(&fleet.id);
    vec![(fleet.paths.wants(UnitName::target(&fleet.id).as_str(), &unit), link_to(&unit))]
}

/// Plans an agent that the roster no longer declares. Its log and records stay.
pub(super) fn removal(
    name: &AgentName,
    entry: &LedgerAgent,
    ledger: &Ledger,
    live: &Live,
    conflicts: &mut Vec<Conflict>,
) -> AgentPlan {
    let gone = entry.files.iter();
    let files = gone.filter_map(|(path, digest)| files::removal(path, digest, ledger, live, conflicts)).collect();
    let running = live.is_running(name) || live.is_backing_off(name);
    AgentPlan {
        name: name.clone(),
        unit: entry.unit.clone(),
        folder: entry.folder.clone(),
        socket: entry.socket.clone(),
        place: None,
        action: Action::Remove,
        process: if running { Process::Stop } else { Process::Keep },
        reason: match worktree::kept(entry) {
            Some(path) => format!("no longer in the roster; its log and {} stay", path.display()),
            None => "no longer in the roster; its log stays".to_owned(),
        },
        fields: Vec::new(),
        files,
        links: files::link_changes(&[], &entry.links, live, conflicts),
        running,
        pending: false,
        desired: entry.desired,
        note: None,
        worktree: None,
        is_new: false,
        was: None,
        heir: None,
    }
}
