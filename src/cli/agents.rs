//! Agents by the names people type.

use std::collections::BTreeSet;

use super::error::{CliError, Exit};
use super::target::Target;
use crate::diagnostic::suggest;
use crate::ids::AgentName;
use crate::manifest::AgentKind;

/// The agent called `name`.
pub fn one(target: &Target, name: &str) -> Result<AgentName, CliError> {
    if let Some((found, _)) = target.ledger.agents.get_key_value(name) {
        return Ok(found.clone());
    }
    // So that a role text can say whom to report to, whatever that agent is called.
    if name == "orchestrator" {
        return orchestrator(target);
    }
    match group(target, name).as_slice() {
        [] => Err(unknown(target, name)),
        members => Err(CliError::usage(
            format!("`{name}` is a group of {} agents", members.len()),
            format!("name one of {}", suggest::list(members)),
        )),
    }
}

/// The agents that `names` stand for, groups spelt out.
pub fn several(target: &Target, names: &[String]) -> Result<BTreeSet<AgentName>, CliError> {
    let mut found = BTreeSet::new();
    for name in names {
        let members = match target.ledger.agents.get_key_value(name.as_str()) {
            Some((agent, _)) => vec![agent.clone()],
            None => group(target, name),
        };
        if members.is_empty() {
            return Err(unknown(target, name));
        }
        found.extend(members);
    }
    Ok(found)
}

/// The fleet's orchestrator, or its only agent.
pub fn orchestrator(target: &Target) -> Result<AgentName, CliError> {
    let is_lead = |name: &&AgentName| {
        target.state.manifest(name).is_some_and(|manifest| manifest.kind == AgentKind::Orchestrator)
    };
    let mut names = target.ledger.agents.keys();
    if let (Some(only), None) = (names.next(), names.next()) {
        return Ok(only.clone());
    }
    target.ledger.agents.keys().find(is_lead).cloned().ok_or_else(|| {
        CliError::usage("this fleet has no orchestrator, so say which agent", format!("there is {}", all(target)))
    })
}

/// Every agent's name, for messages.
pub fn all(target: &Target) -> String {
    suggest::list(&target.ledger.agents.keys().collect::<Vec<_>>())
}

fn group(target: &Target, name: &str) -> Vec<AgentName> {
    let is_member = |agent: &&AgentName| {
        let rest = agent.as_str().strip_prefix(name).and_then(|rest| rest.strip_prefix('-'));
        rest.is_some_and(|number| number.parse::<u32>().is_ok())
    };
    target.ledger.agents.keys().filter(is_member).cloned().collect()
}

fn unknown(target: &Target, name: &str) -> CliError {
    let names = target.ledger.agents.keys().map(AgentName::as_str);
    let help = suggest::did_you_mean(name, names).unwrap_or_default();
    CliError::new(Exit::Failed, format!("fleet {} has no agent `{}`", target.ledger.fleet, name.escape_debug()), help)
}
