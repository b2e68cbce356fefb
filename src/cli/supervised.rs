//! What the fleet's supervisor says, where one runs.

use std::time::Duration;

use crate::apply::status::{AgentStatus, FleetStatus, SupervisorStatus};
use crate::cli::target::Target;
use crate::driver::client::{self, AskError};
use crate::driver::words::{Answer, Ask, Row, Status};

/// Longest wait for an answer that takes no thought.
const ANSWER: Duration = Duration::from_secs(3);

/// Asks the supervisor something that it answers at once.
///
/// # Errors
/// When none runs, or it does not answer.
pub fn ask(target: &Target, ask: Ask) -> Result<Answer, AskError> {
    client::ask(&client::socket(&target.state.paths), ask, ANSWER)
}

/// The whole fleet, as its supervisor sees it. `None`: none runs, or it says nothing that helps.
pub fn status(target: &Target) -> Option<FleetStatus> {
    let Ok(Answer::Status { status }) = ask(target, Ask::Status) else { return None };
    let Status { pid, since, journal_lost, problems, agents, .. } = *status;
    // Whoever the last apply knows and the supervisor does not (yet) is looked at directly.
    let known = |name: &crate::ids::AgentName| agents.iter().any(|row| row.name == *name);
    if !target.ledger.agents.keys().all(known) {
        return None;
    }
    Some(FleetStatus {
        supervisor: Some(SupervisorStatus {
            running: true,
            pid: Some(pid),
            since: Some(time(since)),
            paused: journal_lost,
            problems,
        }),
        agents: agents.into_iter().filter(|row| target.ledger.agents.contains_key(&row.name)).map(agent).collect(),
        ..FleetStatus::of(&target.ledger)
    })
}

fn agent(row: Row) -> AgentStatus {
    AgentStatus {
        state: row.standing.state.word(),
        reason: row.standing.reason,
        since: Some(time(row.standing.since)),
        name: row.name,
        role: row.role,
        runtime: Some(row.runtime),
        model: row.model,
        pid: row.pid,
        manifest: row.manifest,
        pending: row.restart_pending.then(|| "it restarts when it is idle".to_owned()),
        fell_back: row.fell_back,
        healthy: row.healthy,
        viewers: row.pid.map(|_| row.viewers),
        queued: Some(row.queued),
        unread: None,
        last_line: row.last_line,
    }
}

/// Milliseconds since the epoch, as RFC 3339.
fn time(at: u64) -> String {
    let at = jiff::Timestamp::from_millisecond(i64::try_from(at).unwrap_or(i64::MAX));
    at.map_or_else(|_| String::new(), |at| at.to_string())
}
