//! One agent's part of a plan, with everything it rests on.

use std::fmt::Write as _;
use std::path::Path;

use super::ledger::Desired;
use super::live::LiveFile;
use super::show::{Paint, tilde};
use super::{AgentPlan, Ledger, Live, Plan};
use crate::ids::Digest;
use crate::render::{Artifact, Owner};

/// What is compiled, applied, on disk and running of `agent`, and what follows from it.
#[must_use]
pub fn why(
    plan: &Plan,
    agent: &AgentPlan,
    artifacts: &[Artifact],
    live: &Live,
    ledger: Option<&Ledger>,
    home: &Path,
    paint: Paint,
) -> String {
    let mut out = format!("{}  {}\n", paint.bold(agent.name.as_str()), agent.place.as_deref().unwrap_or("removed"));
    let entry = ledger.and_then(|ledger| ledger.agents.get(&agent.name));
    let wanted = match (entry.map(|entry| entry.desired), agent.desired) {
        (None, Desired::Running) => "running (new)",
        (None, Desired::Held) => "held (autostart is off)",
        (Some(_), Desired::Running) => "running",
        (Some(_), Desired::Held) => "held: stopped on purpose",
    };
    let _ = writeln!(out, "wanted    {wanted}");
    let _ = writeln!(out, "now       {}", now(agent, live));
    let _ = writeln!(out, "\nfile              compiled  applied   on disk");
    for artifact in artifacts.iter().filter(|artifact| artifact.owner == Owner::Agent(agent.name.clone())) {
        let applied = entry.and_then(|entry| entry.files.get(&artifact.path));
        let disk = match live.files.get(&artifact.path) {
            None => "-".to_owned(),
            Some(LiveFile::File { digest, .. }) => short(digest),
            Some(LiveFile::Other(what)) => what.clone(),
        };
        let name = artifact.path.file_name().unwrap_or_default().to_string_lossy();
        let same = Some(&artifact.digest) == applied && disk == short(&artifact.digest);
        let mark = if same { "" } else { "  differs" };
        let applied = applied.map_or("-".to_owned(), short);
        let _ = writeln!(out, "{name:<17} {:<9} {applied:<9} {disk}{mark}", short(&artifact.digest));
    }
    if let Some(run) = live.runs.get(&agent.name) {
        let _ = writeln!(out, "\nstarted with manifest {}, at {}", short(&run.manifest), run.started);
    }
    for field in &agent.fields {
        let _ = writeln!(out, "  {}", super::show::field_text(field));
    }
    for conflict in plan.conflicts.iter().filter(|conflict| conflict.path.starts_with(&agent.folder)) {
        let _ = writeln!(out, "  {} is in the way", tilde(&conflict.path, home));
    }
    let withheld = plan.withheld.contains(&agent.name);
    let reason = match (agent.reason.as_str(), &agent.note) {
        ("", _) if withheld => "left out by --only or --exclude".to_owned(),
        ("", None) => "nothing differs".to_owned(),
        ("", Some(note)) => note.clone(),
        (reason, None) => reason.to_owned(),
        (reason, Some(note)) => format!("{reason} ({note})"),
    };
    let _ = writeln!(out, "\n{}  {reason}", paint.bold(agent.process.word()));
    out
}

fn now(agent: &AgentPlan, live: &Live) -> String {
    if let Some(run) = live.runs.get(&agent.name) {
        return format!("runs, pid {} (shim {})", run.child.pid, run.shim.pid);
    }
    if agent.running {
        return "runs, and has not written its record yet".to_owned();
    }
    match live.exits.get(&agent.name) {
        Some(exit) => format!("ended {} ({})", exit.ended, super::agents::ending(exit)),
        None => "does not run".to_owned(),
    }
}

fn short(digest: &Digest) -> String {
    digest.as_str()[..8].to_owned()
}
