//! Taking a fleet away: exactly what the ledger owns.

use std::path::PathBuf;

use super::files::{self, Conflict, FileChange, LinkChange};
use super::ledger::Ledger;
use super::live::Live;
use crate::ids::{AgentName, FleetId};

/// What `destroy` would do.
#[derive(Debug, Clone)]
pub struct Destruction {
    pub fleet: FleetId,
    /// Running agents, which are stopped first.
    pub stops: Vec<AgentName>,
    pub links: Vec<LinkChange>,
    pub files: Vec<FileChange>,
    pub conflicts: Vec<Conflict>,
    pub folders: Vec<PathBuf>,
}

/// Plans the end of a fleet.
#[must_use]
pub fn destruction(ledger: &Ledger, live: &Live) -> Destruction {
    let mut conflicts = Vec::new();
    let mut written: Vec<_> = ledger.files.iter().collect();
    let mut links = files::link_changes(&[], &ledger.links, live, &mut conflicts);
    for entry in ledger.agents.values() {
        written.extend(entry.files.iter());
        links.extend(files::link_changes(&[], &entry.links, live, &mut conflicts));
    }
    let files = written
        .iter()
        .filter_map(|(path, digest)| files::removal(path, digest, ledger, live, &mut conflicts))
        .collect();
    Destruction {
        fleet: ledger.fleet.clone(),
        stops: ledger
            .agents
            .keys()
            .filter(|name| live.is_running(name) || live.is_backing_off(name))
            .cloned()
            .collect(),
        links,
        files,
        conflicts,
        folders: ledger.agents.values().map(|entry| entry.folder.clone()).collect(),
    }
}
