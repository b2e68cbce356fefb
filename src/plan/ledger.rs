//! What fleet owns on this machine: the ledger, saved after each step of an apply.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::files::{FileChange, LinkChange};
use super::worktree::LedgerWorktree;
use super::{Action, Plan};
use crate::ids::{AgentName, Digest, FleetId, UnitName};
use crate::render::{Artifact, Owner};
use crate::units::ManagerKind;

/// The number every ledger of this layout carries. A fleet refuses a larger one.
pub const FORMAT: u32 = 1;

/// The file that only fleets with a supervisor have.
pub const SUPERVISE: &str = "supervise.json";

/// `ledger.json` in the state folder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ledger {
    pub format: u32,
    pub fleet: FleetId,
    /// The canonical path of the roster: another one is refused.
    pub roster: PathBuf,
    pub manager: ManagerKind,
    /// Counts applies that changed something.
    pub generation: u64,
    /// Files of the fleet as a whole, as last written.
    pub files: BTreeMap<PathBuf, Digest>,
    /// Links of the fleet as a whole, and what they point to.
    pub links: BTreeMap<PathBuf, PathBuf>,
    /// Digests an apply was about to write. After a crash, such a file is known to be fleet's own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub expected: BTreeMap<PathBuf, Vec<Digest>>,
    /// Units were about to change and the manager has not read them again yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reload_due: bool,
    pub agents: BTreeMap<AgentName, LedgerAgent>,
}

/// One agent in the ledger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LedgerAgent {
    pub desired: Desired,
    pub unit: UnitName,
    pub folder: PathBuf,
    pub socket: PathBuf,
    pub files: BTreeMap<PathBuf, Digest>,
    pub links: BTreeMap<PathBuf, PathBuf>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worktree: Option<LedgerWorktree>,
}

/// What an agent shall be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Desired {
    Running,
    /// Stopped on purpose.
    Held,
}

impl Ledger {
    /// A ledger that owns nothing yet.
    #[must_use]
    pub fn new(fleet: FleetId, roster: PathBuf, manager: ManagerKind) -> Self {
        Self {
            format: FORMAT,
            fleet,
            roster,
            manager,
            generation: 0,
            files: BTreeMap::new(),
            links: BTreeMap::new(),
            expected: BTreeMap::new(),
            reload_due: false,
            agents: BTreeMap::new(),
        }
    }

    /// Announces what an apply is about to write, so that a crash in between leaves no doubt whose it is.
    pub fn announce(&mut self, plan: &Plan) {
        let writes = plan.files.iter().chain(plan.agents.iter().flat_map(|agent| &agent.files));
        for change in writes {
            if let FileChange::Write { artifact, .. } = change {
                // All that was ever announced: of two applies that were killed, either may have written the file.
                let announced = self.expected.entry(artifact.path.clone()).or_default();
                if !announced.contains(&artifact.digest) {
                    announced.push(artifact.digest.clone());
                }
            }
        }
        for change in &plan.files {
            if let FileChange::Write { artifact, .. } = change {
                self.files.entry(artifact.path.clone()).or_insert_with(|| artifact.digest.clone());
            }
        }
        for change in &plan.links {
            own_link(&mut self.links, change);
        }
        self.reload_due |= plan.reload;
        for agent in plan.agents.iter().filter(|agent| agent.is_new && agent.action != Action::None) {
            self.agents.entry(agent.name.clone()).or_insert_with(|| LedgerAgent {
                desired: agent.desired,
                unit: agent.unit.clone(),
                folder: agent.folder.clone(),
                socket: agent.socket.clone(),
                files: BTreeMap::new(),
                links: BTreeMap::new(),
                worktree: None,
            });
        }
        for agent in &plan.agents {
            let Some(entry) = self.agents.get_mut(&agent.name) else { continue };
            for change in &agent.files {
                if let FileChange::Write { artifact, .. } = change {
                    // A new file is its agent's from now on, so that a removal finds it whatever happens in between.
                    entry.files.entry(artifact.path.clone()).or_insert_with(|| artifact.digest.clone());
                }
            }
            for change in &agent.links {
                own_link(&mut entry.links, change);
            }
            if let Some(change) = &agent.worktree {
                entry.worktree = Some(change.entry(false));
            }
        }
    }

    /// Takes over what stands on disk at the end of an apply: every artifact but those of the agents that failed, whose
    /// announced digests stay until they are written. Also files that an interrupted apply wrote and this one found.
    pub fn settle(&mut self, artifacts: &[Artifact], failed: impl Fn(&AgentName) -> bool) {
        for artifact in artifacts {
            let files = match &artifact.owner {
                Owner::Fleet => Some(&mut self.files),
                Owner::Agent(name) if failed(name) => None,
                Owner::Agent(name) => self.agents.get_mut(name).map(|entry| &mut entry.files),
            };
            if let Some(files) = files {
                files.insert(artifact.path.clone(), artifact.digest.clone());
                self.expected.remove(&artifact.path);
            }
        }
        let ours: Vec<PathBuf> = artifacts.iter().map(|artifact| artifact.path.clone()).collect();
        self.expected.retain(|path, _| ours.contains(path));
        self.generation += 1;
    }

    /// Whether `digest` at `path` is something fleet wrote or was about to write.
    #[must_use]
    pub fn wrote(&self, path: &Path, known: Option<&Digest>, digest: &Digest) -> bool {
        known == Some(digest) || self.expected.get(path).is_some_and(|announced| announced.contains(digest))
    }

    /// Whether the fleet was applied with a supervisor.
    #[must_use]
    pub fn is_supervised(&self) -> bool {
        self.files.keys().any(|path| path.file_name().is_some_and(|name| name == SUPERVISE))
    }

    /// Reads a ledger file.
    ///
    /// # Errors
    /// When it is no ledger, or one of a newer fleet.
    pub fn parse(text: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Head {
            format: u32,
        }
        // Every ledger begins with its number, so it is found without reading on.
        let own = text.trim_start_matches(['{', ' ', '\n']).strip_prefix(r#""format": 1,"#).is_some();
        if !own {
            let head: Head =
                serde_json::from_slice(text.as_bytes()).map_err(|error| format!("it is not a ledger: {error}"))?;
            if head.format > FORMAT {
                return Err(format!(
                    "it has format {}, and this fleet reads up to {FORMAT}: use the newer fleet",
                    head.format
                ));
            }
        }
        serde_json::from_slice(text.as_bytes()).map_err(|error| format!("it is not a ledger: {error}"))
    }

    /// The file's text.
    ///
    /// # Panics
    /// For paths that are not UTF-8, which are refused at the door.
    #[must_use]
    pub fn text(&self) -> String {
        // Paths are UTF-8: the command line refuses others before anything is resolved.
        serde_json::to_string_pretty(self).expect("a ledger of UTF-8 paths always serialises") + "\n"
    }
}

/// A link that is about to be written is owned before it stands.
fn own_link(links: &mut BTreeMap<PathBuf, PathBuf>, change: &LinkChange) {
    if let LinkChange::Write { path, to } = change {
        links.insert(path.clone(), to.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_ledger_is_refused_and_an_own_one_survives() {
        let id = FleetId::new("shop").unwrap();
        let ledger = Ledger::new(id, "/r/fleet.kdl".into(), ManagerKind::Local);
        assert_eq!(Ledger::parse(&ledger.text()), Ok(ledger.clone()));
        let newer = ledger.text().replace("\"format\": 1", "\"format\": 2");
        assert!(Ledger::parse(&newer).unwrap_err().contains("newer"));
        assert!(Ledger::parse("{").is_err());
    }
}
