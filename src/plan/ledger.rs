//! What fleet owns on this machine: the ledger, saved after each step of an apply.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::ids::{AgentName, Digest, FleetId, UnitName};
use crate::units::ManagerKind;

/// The number every ledger of this layout carries. A fleet refuses a larger one.
pub const FORMAT: u32 = 1;

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
    pub expected: BTreeMap<PathBuf, Digest>,
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
            agents: BTreeMap::new(),
        }
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
        let head: Head = serde_json::from_str(text).map_err(|error| format!("it is not a ledger: {error}"))?;
        if head.format > FORMAT {
            return Err(format!(
                "it has format {}, and this fleet reads up to {FORMAT}: use the newer fleet",
                head.format
            ));
        }
        serde_json::from_str(text).map_err(|error| format!("it is not a ledger: {error}"))
    }

    /// The file's text.
    #[must_use]
    pub fn text(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
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
