//! A plan as people read it; `json` is for tools.

mod json;
mod paint;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

pub use paint::{Paint, plural, tilde};
use paint::{shorten, wrapped};

use super::agents::RESUMES;
use super::files::{ConflictKind, FileChange, LinkChange};
use super::{Action, AgentPlan, FieldChange, Plan, Process};
use crate::units::ManagerKind;

/// Tells how a file changes.
pub type Diff<'a> = &'a dyn Fn(&FileChange) -> String;

/// How many of each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    pub add: usize,
    pub change: usize,
    pub remove: usize,
    pub start: usize,
    pub restart: usize,
    pub stop: usize,
    pub live: usize,
    pub refresh: usize,
    pub pending: usize,
    pub conflicts: usize,
    pub interrupted: usize,
}

impl Plan {
    /// The numbers of the last line.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let action = |wanted| self.agents.iter().filter(|agent| agent.action == wanted).count();
        // What people look at the agents through follows them, and is no change of its own.
        let changed = !self.links.is_empty() || self.files.iter().any(|change| !change.is_view());
        let own = usize::from(changed && self.generation > 0);
        let process = |wanted| self.agents.iter().filter(|agent| agent.process == wanted).count();
        let renamed =
            |wanted| self.agents.iter().filter(|agent| agent.was.is_some() && agent.process == wanted).count();
        Counts {
            add: action(Action::Add),
            change: action(Action::Change) + own,
            remove: self.removed().count(),
            start: process(Process::Start) - renamed(Process::Start),
            restart: process(Process::Restart) + renamed(Process::Start),
            stop: process(Process::Stop) - self.renamed().filter(|agent| agent.process == Process::Stop).count(),
            live: process(Process::Live),
            refresh: self.refresh.len(),
            pending: self.pending().count(),
            conflicts: self.conflicts.len(),
            interrupted: self.interrupted().count(),
        }
    }

    /// The one line at the end.
    #[must_use]
    pub fn summary(&self) -> String {
        let counts = self.counts();
        let mut parts = Vec::new();
        for (number, word) in
            [(counts.start, "start"), (counts.restart, "restart"), (counts.stop, "stop"), (counts.live, "live")]
        {
            if number > 0 {
                parts.push(format!("{number} {word}"));
            }
        }
        let inside = if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) };
        let mut line =
            format!("Plan: {} to add, {} to change, {} to remove{inside}.", counts.add, counts.change, counts.remove);
        if counts.refresh > 0 && self.generation > 0 {
            let _ = write!(line, " {} to refresh.", plural(counts.refresh, "binary", "binaries"));
        }
        if counts.pending > 0 {
            let _ = write!(line, " {} pending.", plural(counts.pending, "restart", "restarts"));
        }
        if counts.conflicts > 0 {
            let _ = write!(line, " {}.", plural(counts.conflicts, "conflict", "conflicts"));
        }
        line
    }

    fn verdict(&self) -> String {
        let names: Vec<_> = self.interrupted().map(|agent| agent.name.as_str()).collect();
        match (self.is_empty(), names.as_slice()) {
            (true, []) if self.pending().next().is_some() => {
                let names: Vec<_> = self.pending().map(|agent| agent.name.as_str()).collect();
                let count = plural(names.len(), "restart is", "restarts are");
                format!("Nothing to change; {count} pending from an earlier apply: {}.", names.join(", "))
            }
            (true, _) if !self.conflicts.is_empty() => "Nothing changes, and something is in the way.".to_owned(),
            (true, _) => "Nothing to do: the machine matches the roster.".to_owned(),
            (false, []) => "Nobody's work is interrupted.".to_owned(),
            (false, names) => {
                format!("This interrupts {}: {}.", plural(names.len(), "agent", "agents"), names.join(", "))
            }
        }
    }

    /// The plan for people. `home` is shown as `~`.
    #[must_use]
    pub fn text(&self, home: &Path, paint: Paint) -> String {
        self.text_with(home, paint, None)
    }

    /// The same, with what `diff` says of each file that is written or removed.
    #[must_use]
    pub fn text_with(&self, home: &Path, paint: Paint, diff: Option<Diff<'_>>) -> String {
        let manager = match self.manager {
            ManagerKind::Systemd => "systemd",
            ManagerKind::Local => "local manager",
        };
        let mut out = format!(
            "{}  {}\n{}\n",
            paint.bold(&format!("Fleet {}", self.fleet)),
            paint.dim(&format!("{} · {manager} · generation {}", tilde(&self.roster, home), self.generation)),
            self.verdict()
        );
        if let Some(from) = self.moves_from {
            let from = if from == ManagerKind::Systemd { "systemd" } else { "the local manager" };
            let to = if self.manager == ManagerKind::Systemd { "systemd" } else { "the local manager" };
            let _ = writeln!(out, "\nEvery agent moves from {from} to {to}.");
        }
        let paths = path_lines(&self.files, &self.links, home);
        if self.reload && !self.changes_units() {
            let _ = writeln!(
                out,
                "\n{} systemd reads the units again, which an interrupted apply left undone",
                paint.sign(Action::Change)
            );
        }
        if !paths.is_empty() {
            let _ = writeln!(out, "\n{} the fleet itself", paint.sign(Action::Change));
            push_dim(&mut out, &paths, paint);
            push_diffs(&mut out, &self.files, diff);
        }
        let width = self.agents.iter().map(|agent| agent.name.as_str().len()).max().unwrap_or(0);
        for agent in self.agents.iter().filter(|agent| agent.action != Action::None && agent.heir.is_none()) {
            out.push('\n');
            agent_text(agent, width, (self.restarts_later, self.fresh), home, paint, &mut out);
            push_diffs(&mut out, &agent.files, diff);
        }
        if !self.refresh.is_empty() {
            let names = self.refresh.join(" and ");
            let line = match self.generation {
                0 => format!("copy  {names}: agents are started from copies of their own"),
                _ => format!("refresh  {names}: no agent is touched"),
            };
            let _ = writeln!(out, "\n{} {line}", paint.wrap("36", "^"));
        }
        if let Some(change) = &self.supervisor {
            let (word, reason) = (change.act.word(), change.reason);
            let _ = writeln!(out, "\n{} supervisor  {word}: {reason}; no agent is touched", paint.wrap("36", "^"));
        }
        self.closing(home, paint, &mut out);
        out
    }

    fn closing(&self, home: &Path, paint: Paint, out: &mut String) {
        let mut lines = Vec::new();
        for conflict in &self.conflicts {
            let sign = paint.wrap("31", "!");
            let path = tilde(&conflict.path, home);
            lines.push(match conflict.kind {
                ConflictKind::EditedByHand => {
                    format!("{sign} {path} was edited by hand; `--overwrite` replaces it")
                }
                ConflictKind::Foreign => {
                    format!("{sign} {path} is not fleet's; move it away or choose another fleet id")
                }
            });
        }
        for agent in &self.agents {
            if let Some(note) = &agent.note {
                lines.push(paint.dim(&format!("note: {}: {note}", agent.name)));
            }
        }
        if !self.withheld.is_empty() {
            let names: Vec<String> = self.withheld.iter().map(ToString::to_string).collect();
            let count = plural(names.len(), "agent", "agents");
            let head = format!("note: this is a part of the plan; the changes of {count} are left out: ");
            lines.push(paint.dim(&wrapped(&head, &names)));
        }
        lines.extend(self.notes.iter().map(|note| paint.dim(&format!("note: {note}"))));
        if !self.declared.is_empty() {
            lines.push(paint.dim(&wrapped("note: declared, not enforced yet: ", &self.declared)));
        }
        if !lines.is_empty() {
            let _ = write!(out, "\n{}\n", lines.join("\n"));
        }
        let _ = writeln!(out, "\n{}", paint.bold(&self.summary()));
    }
}

fn agent_text(
    agent: &AgentPlan,
    width: usize,
    (later, fresh): (bool, bool),
    home: &Path,
    paint: Paint,
    out: &mut String,
) {
    let place = agent.place.as_deref().unwrap_or("-");
    let effect = match agent.process {
        Process::Keep if agent.running => "keeps running",
        Process::Keep => "files only",
        process => process.word(),
    };
    let effect = match (agent.process, later) {
        (Process::Restart, false) => "restart when idle",
        (Process::Restart, true) => "restart later",
        (Process::Start, _) if agent.was.is_some() => "rename, restart",
        _ => effect,
    };
    let _ = writeln!(
        out,
        "{} {}  {effect:<17}  {}  {}",
        paint.sign(agent.action),
        paint.bold(&format!("{:width$}", agent.name)),
        paint.dim(&format!("{place:<13}")),
        if fresh { agent.reason.replace(RESUMES, "begins a new conversation") } else { agent.reason.clone() }
    );
    for field in &agent.fields {
        let _ = writeln!(out, "    {}", field_text(field));
    }
    let worktree = agent.worktree.iter().map(|change| format!("make   {}", change.text(&|path| tilde(path, home))));
    push_dim(out, &worktree.collect::<Vec<_>>(), paint);
    push_dim(out, &path_lines(&agent.files, &agent.links, home), paint);
}

pub(super) fn field_text(field: &FieldChange) -> String {
    let quote = |value: &Option<String>| match value {
        None => "-".to_owned(),
        Some(value) if value.is_empty() || value.contains(char::is_whitespace) => format!("{:?}", shorten(value)),
        Some(value) => shorten(value),
    };
    let effect = match field.effect {
        super::fields::Class::Live => "live",
        super::fields::Class::Restart => "restart",
    };
    match (&field.from, &field.to) {
        (None, None) => format!("{:<17} changed  [{effect}]", field.name),
        (from, to) => format!("{:<17} {} -> {}  [{effect}]", field.name, quote(from), quote(to)),
    }
}

fn push_diffs(out: &mut String, files: &[FileChange], diff: Option<Diff<'_>>) {
    let Some(diff) = diff else { return };
    for text in files.iter().map(diff) {
        for line in text.lines() {
            let _ = writeln!(out, "      {line}");
        }
    }
}

fn push_dim(out: &mut String, lines: &[String], paint: Paint) {
    for line in lines {
        let _ = writeln!(out, "    {}", paint.dim(line));
    }
}

/// Files by what happens to them and by folder, so that each folder is named once.
fn path_lines(files: &[FileChange], links: &[LinkChange], home: &Path) -> Vec<String> {
    let mut groups: BTreeMap<(&str, &Path), Vec<String>> = BTreeMap::new();
    let each = files
        .iter()
        .map(|change| (if matches!(change, FileChange::Write { .. }) { "write" } else { "remove" }, change.path()))
        .chain(links.iter().map(|change| {
            (if matches!(change, LinkChange::Write { .. }) { "link" } else { "unlink" }, change.path())
        }));
    for (verb, path) in each {
        let folder = path.parent().unwrap_or(Path::new("/"));
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        groups.entry((verb, folder)).or_default().push(name);
    }
    let line = |((verb, folder), names): (&(&str, &Path), &Vec<String>)| {
        format!(
            "{verb:<6} {}/{}",
            tilde(folder, home),
            if names.len() == 1 { names[0].clone() } else { format!("{{{}}}", names.join(", ")) }
        )
    };
    groups.iter().map(line).collect()
}
