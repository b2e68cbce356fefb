//! A plan in a file: what was seen when it was made, so that whoever applies it later applies just that, or nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::files::{FileChange, LinkChange};
use super::{Ledger, Live, Plan};
use crate::ids::{AgentName, Digest, FleetId};
use crate::units::{ActiveState, ManagerKind};

/// The number a saved plan carries. A fleet refuses any other: a plan lives for hours, not for releases.
pub const FORMAT: u32 = 1;

/// How a saved plan begins; then comes the digest of all that follows the first line.
const MAGIC: &str = "fleet-plan";

/// A saved plan. It holds references to secrets at the most, never their values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Saved {
    /// Tells two plans apart that say the same.
    pub id: String,
    pub fleet: FleetId,
    /// RFC 3339, UTC.
    pub made: String,
    pub host: String,
    pub user: String,
    /// fleet's own version.
    pub version: String,
    pub manager: ManagerKind,
    pub roster: PathBuf,
    /// Agents and groups as `--only` and `--exclude` named them.
    pub only: Vec<String>,
    pub exclude: Vec<String>,
    /// Every file the roster was read from.
    pub inputs: BTreeMap<PathBuf, Digest>,
    /// The ledger, when there was one.
    pub ledger: Option<Digest>,
    pub generation: u64,
    /// What each agent did.
    pub observed: BTreeMap<AgentName, String>,
    /// What is written, with which content, and removed.
    pub effects: BTreeMap<PathBuf, String>,
    /// The plan's lines for tools.
    pub lines: Vec<serde_json::Value>,
    /// The plan for people.
    pub text: String,
}

/// Where and when a plan was made, which the plan itself does not know.
#[derive(Debug, Clone)]
pub struct Circumstances<'a> {
    pub id: String,
    pub made: String,
    pub host: String,
    pub user: String,
    pub only: &'a [String],
    pub exclude: &'a [String],
    pub inputs: &'a BTreeMap<PathBuf, String>,
    pub home: &'a Path,
}

impl Saved {
    /// Takes down `plan` with everything it rests on.
    #[must_use]
    pub fn new(plan: &Plan, live: &Live, ledger: Option<&Ledger>, about: &Circumstances<'_>) -> Self {
        let parse = |line: &String| serde_json::from_slice(line.as_bytes()).unwrap_or_default();
        Self {
            id: about.id.clone(),
            fleet: plan.fleet.clone(),
            made: about.made.clone(),
            host: about.host.clone(),
            user: about.user.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            manager: plan.manager,
            roster: plan.roster.clone(),
            only: about.only.to_vec(),
            exclude: about.exclude.to_vec(),
            inputs: about.inputs.iter().map(|(path, text)| (path.clone(), Digest::of(text.as_bytes()))).collect(),
            ledger: ledger.map(|ledger| Digest::of(ledger.text().as_bytes())),
            generation: plan.generation,
            observed: plan.agents.iter().map(|agent| (agent.name.clone(), observed(live, &agent.name))).collect(),
            effects: effects(plan, live),
            lines: plan.json_lines().iter().map(parse).collect(),
            text: plan.text(about.home, super::show::Paint { colour: false }),
        }
    }

    /// The file's text.
    ///
    /// # Panics
    /// For paths that are not UTF-8, which are refused at the door.
    #[must_use]
    pub fn file(&self) -> String {
        let body = serde_json::to_string_pretty(self).expect("a plan of UTF-8 paths always serialises") + "\n";
        format!("{MAGIC} {FORMAT} {}\n{body}", Digest::of(body.as_bytes()).as_str())
    }

    /// Whether a file was meant to be a saved plan, whole or not.
    #[must_use]
    pub fn is_one(bytes: &[u8]) -> bool {
        bytes.strip_prefix(MAGIC.as_bytes()).is_some_and(|rest| rest.first() == Some(&b' '))
    }

    /// Reads a file.
    ///
    /// # Errors
    /// When it is no saved plan, or not as it was written.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let no_plan = || "it is not a plan that `fleet plan --out` saved".to_owned();
        let text = std::str::from_utf8(bytes).map_err(|_| no_plan())?;
        let (head, body) = text.split_once('\n').ok_or_else(no_plan)?;
        let words: Vec<&str> = head.split(' ').collect();
        let [MAGIC, format, digest] = words.as_slice() else { return Err(no_plan()) };
        if *format != FORMAT.to_string() {
            return Err(format!("it has format {format}, and this fleet reads {FORMAT}: make the plan again"));
        }
        if *digest != Digest::of(body.as_bytes()).as_str() {
            return Err("it was changed after it was saved, or is not whole".to_owned());
        }
        serde_json::from_slice(body.as_bytes()).map_err(|error| format!("it cannot be read: {error}"))
    }

    /// What has changed since, against the same plan made `now`. Nothing: it may be applied.
    #[must_use]
    pub fn differences(&self, now: &Self) -> Vec<String> {
        let mut found = Vec::new();
        if self.host != now.host {
            found.push(format!("it was made on {}, and this is {}", self.host, now.host));
        }
        if self.user != now.user {
            found.push(format!("it was made by the user {}, and this is {}", self.user, now.user));
        }
        if self.version != now.version {
            found.push(format!("it was made by fleet {}, and this is {}", self.version, now.version));
        }
        if self.fleet != now.fleet {
            found.push(format!("it is of fleet {}, and the roster is now of {}", self.fleet, now.fleet));
        }
        if self.manager != now.manager {
            found.push("the service manager is another one".to_owned());
        }
        if self.roster != now.roster {
            found.push(format!("the roster is now {}", now.roster.display()));
        }
        for path in both(&self.inputs, &now.inputs) {
            match (self.inputs.get(path), now.inputs.get(path)) {
                (Some(_), None) => found.push(format!("{} is not read any more", path.display())),
                (None, Some(_)) => found.push(format!("{} is read now", path.display())),
                _ => found.push(format!("{} has changed", path.display())),
            }
        }
        if self.generation != now.generation {
            found.push(format!("the fleet was at generation {}, and is now at {}", self.generation, now.generation));
        } else if self.ledger != now.ledger {
            found.push("what fleet noted of this machine has changed (start, stop, or an apply)".to_owned());
        }
        for name in both(&self.observed, &now.observed) {
            let word = |saved: &Self| saved.observed.get(name).cloned().unwrap_or_else(|| "not known".to_owned());
            found.push(format!("{name} was: {}; and is: {}", word(self), word(now)));
        }
        // Whatever was found so far explains these.
        let unexplained = if found.is_empty() { both(&self.effects, &now.effects) } else { Vec::new() };
        for path in unexplained {
            let word = |saved: &Self| saved.effects.get(path).cloned().unwrap_or_else(|| "untouched".to_owned());
            found.push(format!("{} was to be {}, and would be {}", path.display(), word(self), word(now)));
        }
        if found.is_empty() && self.lines != now.lines {
            found.push("the plan would read otherwise".to_owned());
        }
        found
    }
}

/// Keys whose values differ, or that only one of the two has.
fn both<'a, K: Ord, V: PartialEq>(a: &'a BTreeMap<K, V>, b: &'a BTreeMap<K, V>) -> Vec<&'a K> {
    let keys: BTreeSet<&K> = a.keys().chain(b.keys()).collect();
    keys.into_iter().filter(|key| a.get(key) != b.get(key)).collect()
}

fn observed(live: &Live, name: &AgentName) -> String {
    if let Some(run) = live.runs.get(name) {
        return format!("running (pid {}, started {})", run.shim.pid, run.started);
    }
    let unit = live.units.get(name).filter(|unit| unit.active != ActiveState::Inactive);
    let exit = live.exits.get(name).map(|exit| format!("ended {} ({})", exit.ended, super::agents::ending(exit)));
    match (unit, exit) {
        (Some(unit), _) => format!("unit {:?}", unit.active).to_lowercase(),
        (None, Some(exit)) => exit,
        (None, None) => "not running".to_owned(),
    }
}

fn effects(plan: &Plan, live: &Live) -> BTreeMap<PathBuf, String> {
    let files = plan.files.iter().chain(plan.agents.iter().flat_map(|agent| &agent.files));
    let links = plan.links.iter().chain(plan.agents.iter().flat_map(|agent| &agent.links));
    let before = |path: &PathBuf| match live.files.get(path) {
        Some(super::live::LiveFile::File { digest, .. }) => format!(" over {}", short(digest)),
        _ => String::new(),
    };
    let file = |change: &FileChange| match change {
        FileChange::Write { artifact, .. } => {
            (artifact.path.clone(), format!("written as {}{}", short(&artifact.digest), before(&artifact.path)))
        }
        FileChange::Remove { path, .. } => (path.clone(), format!("removed{}", before(path))),
    };
    let link = |change: &LinkChange| match change {
        LinkChange::Write { path, to } => (path.clone(), format!("linked to {}", to.display())),
        LinkChange::Remove { path } => (path.clone(), "unlinked".to_owned()),
    };
    files.map(file).chain(links.map(link)).collect()
}

/// Enough of a digest to tell contents apart.
fn short(digest: &Digest) -> &str {
    &digest.as_str()[..16]
}
