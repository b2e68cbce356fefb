//! What agents propose, as the journal has it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::sources;
use crate::cli::error::CliError;
use crate::cli::load::{self, Loaded};
use crate::cli::target::Target;
use crate::diagnostic::suggest;
use crate::journal::rows::ProposalRow;
use crate::resolve::HostFacts;

/// The number in what is kept.
pub const FORMAT: u32 = 1;
/// Proposals that are read.
const READ: usize = 10_000;

/// A proposal of another roster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roster {
    pub format: u32,
    pub title: String,
    /// What it is good for.
    pub why: String,
    /// Digest of the roster that it was made from.
    pub base: String,
    /// The whole roster as it should be.
    pub text: String,
}

/// A proposal of a tool, or a bug report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    pub format: u32,
    pub title: String,
    #[serde(default)]
    pub text: String,
    /// With whom it goes wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// What was decided about it of late, as `fleet events --json` has it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decisions: Vec<crate::journal::rows::DecisionRow>,
    /// Folders of what was kept of its deaths.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deaths: Vec<String>,
}

/// All that are kept, oldest first.
pub fn all(target: &Target) -> Result<Vec<ProposalRow>, CliError> {
    Ok(sources::the_journal(target)?.proposals(READ)?)
}

/// The one called `id`.
pub fn find(target: &Target, id: &str) -> Result<ProposalRow, CliError> {
    let rows = all(target)?;
    let known: Vec<String> = rows.iter().map(|row| row.id.clone()).collect();
    rows.into_iter().find(|row| row.id == id).ok_or_else(|| {
        let help = if known.is_empty() {
            "nothing is proposed".to_owned()
        } else {
            suggest::sentence(id, known.iter().map(String::as_str))
        };
        CliError::usage(format!("there is no proposal `{}`", id.escape_debug()), help)
    })
}

/// The roster that `row` proposes.
pub fn roster(row: &ProposalRow) -> Result<Roster, CliError> {
    if row.kind != "roster" {
        let help = format!("`fleet propose show {}` prints it", row.id);
        return Err(CliError::usage(format!("{} proposes no roster but a {}", row.id, row.kind), help));
    }
    let odd = |error: serde_json::Error| {
        CliError::failed(format!("{} cannot be read: {error}", row.id), "a newer fleet may have kept it")
    };
    serde_json::from_value(row.proposal.clone()).map_err(odd)
}

/// The roster that the proposal `id` would make, compiled in the place of the applied one.
pub fn compiled(target: &Target, id: &str, facts: &HostFacts) -> Result<Loaded, CliError> {
    let row = find(target, id)?;
    Ok(compile(target, roster(&row)?.text, facts))
}

/// `text` in the place of the applied roster.
pub fn compile(target: &Target, text: String, facts: &HostFacts) -> Loaded {
    let path = target.ledger.roster.clone();
    let shown = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    load::load_edited(text, shown, path, &BTreeMap::new(), facts)
}
