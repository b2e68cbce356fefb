//! `after`: who is started with whom.

use std::collections::BTreeSet;

use crate::ids::AgentName;
use crate::resolve::Fleet;

/// The agents of `chosen` in waves: each wave waits only for agents of earlier ones. Circles were refused before.
#[must_use]
pub fn waves(fleet: &Fleet, chosen: &BTreeSet<AgentName>) -> Vec<Vec<AgentName>> {
    let mut done: BTreeSet<&AgentName> = BTreeSet::new();
    let mut waves = Vec::new();
    loop {
        let wave: Vec<&AgentName> = fleet
            .agents
            .iter()
            .filter(|agent| chosen.contains(&agent.name) && !done.contains(&agent.name))
            .filter(|agent| agent.after.iter().all(|other| !chosen.contains(other) || done.contains(other)))
            .map(|agent| &agent.name)
            .collect();
        if wave.is_empty() {
            return waves;
        }
        done.extend(&wave);
        waves.push(wave.into_iter().cloned().collect());
    }
}
