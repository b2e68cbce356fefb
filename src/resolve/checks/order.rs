//! The order of starts.

use std::collections::{BTreeMap, BTreeSet};

use super::super::Agent;
use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::ids::AgentName;

/// Agents that wait for each other can never all start.
pub(in crate::resolve) fn cycles(agents: &[Agent], diagnostics: &mut Diagnostics) {
    let by_name: BTreeMap<&AgentName, &Agent> = agents.iter().map(|agent| (&agent.name, agent)).collect();
    let mut waits: BTreeMap<&AgentName, usize> = BTreeMap::new();
    let mut followers: BTreeMap<&AgentName, Vec<&AgentName>> = BTreeMap::new();
    for agent in agents {
        let known = agent.after.iter().filter(|name| by_name.contains_key(name));
        waits.insert(&agent.name, known.clone().count());
        for name in known {
            followers.entry(name).or_default().push(&agent.name);
        }
    }
    let mut ready: Vec<&AgentName> = waits.iter().filter(|(_, count)| **count == 0).map(|(name, _)| *name).collect();
    let mut done: BTreeSet<&AgentName> = BTreeSet::new();
    while let Some(name) = ready.pop() {
        done.insert(name);
        for follower in followers.get(name).into_iter().flatten() {
            let count = waits.entry(follower).or_default();
            // Two agents of one name, which is reported elsewhere, wait once.
            if *count == 0 {
                continue;
            }
            *count -= 1;
            if *count == 0 {
                ready.push(follower);
            }
        }
    }
    let Some(start) = agents.iter().find(|agent| !done.contains(&agent.name)) else { return };
    let mut walk = vec![start];
    loop {
        let last = walk[walk.len() - 1];
        let next = last.after.iter().find(|name| !done.contains(*name));
        let Some(next) = next.and_then(|name| agents.iter().find(|agent| agent.name == *name)) else { return };
        if let Some(at) = walk.iter().position(|agent| agent.name == next.name) {
            let circle = &walk[at..];
            let names: Vec<_> = circle.iter().chain([&next]).map(|agent| format!("`{}`", agent.name)).collect();
            let message = if circle.len() == 1 {
                format!("`{}` waits for itself", next.name)
            } else {
                format!("these agents wait for each other: {}", names.join(" after "))
            };
            let mut diagnostic = Diagnostic::error(Code::Cycle, message).help("take one `after` out of the circle");
            for agent in circle {
                let next = agent.after.iter().find(|name| circle.iter().any(|other| other.name == **name));
                let label = next.map_or_else(String::new, |name| format!("waits for `{name}`"));
                diagnostic = diagnostic.at(agent.span, label);
            }
            diagnostics.report(diagnostic);
            return;
        }
        walk.push(next);
    }
}
