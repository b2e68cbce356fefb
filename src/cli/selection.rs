//! `--only` and `--exclude`.

use std::collections::BTreeSet;

use super::args::Select;
use super::error::CliError;
use crate::diagnostic::suggest;
use crate::ids::AgentName;
use crate::plan::Ledger;
use crate::resolve::Fleet;

/// The agents, of the roster and of the last apply, that the options leave.
pub fn agents(select: &Select, fleet: &Fleet, ledger: Option<&Ledger>) -> Result<BTreeSet<AgentName>, CliError> {
    let declared = fleet.agents.iter().map(|agent| &agent.name);
    let applied = ledger.into_iter().flat_map(|ledger| ledger.agents.keys());
    let all: BTreeSet<AgentName> = declared.chain(applied).cloned().collect();
    let only = if select.only.is_empty() { all.clone() } else { named(&select.only, fleet, &all)? };
    let exclude = named(&select.exclude, fleet, &all)?;
    Ok(only.difference(&exclude).cloned().collect())
}

/// Agents and members of groups.
fn named(words: &[String], fleet: &Fleet, all: &BTreeSet<AgentName>) -> Result<BTreeSet<AgentName>, CliError> {
    let mut found = BTreeSet::new();
    for word in words {
        let in_group = |group: &Option<AgentName>| group.as_ref().is_some_and(|group| group.as_str() == word);
        let members = fleet.agents.iter().filter(|agent| in_group(&agent.group)).map(|agent| &agent.name);
        let meant: Vec<&AgentName> = members.chain(all.get(word.as_str())).collect();
        if meant.is_empty() {
            let groups = fleet.agents.iter().filter_map(|agent| agent.group.as_ref());
            let known: BTreeSet<&str> = all.iter().chain(groups).map(AgentName::as_str).collect();
            let help = suggest::sentence(word, known.iter().copied());
            return Err(CliError::usage(format!("there is no agent or group `{}`", word.escape_debug()), help));
        }
        found.extend(meant.into_iter().cloned());
    }
    Ok(found)
}
