//! Commands that an agent runs on its own fleet.

use super::state::State;
use crate::ids::AgentName;
use crate::plan::Ledger;
use crate::system::proc;

/// Set for the command that was handed over, so that it is never handed over twice.
pub const HANDED_OVER: &str = "FLEET_HANDED_OVER";

/// The agent of this fleet below whose shim this process runs. By the process tree, not by what the environment claims.
#[must_use]
pub fn own_agent(state: &State, ledger: &Ledger) -> Option<AgentName> {
    let mut above = Vec::new();
    let mut pid = std::process::id();
    // A process tree is never this deep; a bound keeps a race from becoming a loop.
    for _ in 0..256 {
        let Some(stat) = proc::stat(pid).filter(|stat| stat.parent > 1) else { break };
        pid = stat.parent;
        above.push(pid);
    }
    let runs = ledger.agents.keys().filter_map(|name| Some((name, state.run(name)?)));
    let mut ours = runs.filter(|(_, run)| above.contains(&run.shim.pid) && proc::is_alive(&run.shim));
    ours.next().map(|(name, _)| name.clone())
}
