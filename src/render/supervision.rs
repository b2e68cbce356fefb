//! `supervise.json`: what the supervisor goes by.

use crate::manifest::PatternKind;
use crate::resolve::{Agent, Fleet, Watch};
use crate::supervise::policy::{AgentPolicy, FORMAT, FleetPolicy};

/// What the roster says about supervision.
#[must_use]
pub fn policy(fleet: &Fleet) -> FleetPolicy {
    FleetPolicy {
        format: FORMAT,
        fleet: fleet.id.clone(),
        spend: fleet.spend,
        agents: fleet.agents.iter().map(of_agent).collect(),
    }
}

fn of_agent(agent: &Agent) -> AgentPolicy {
    let Watch { stall, heartbeat, idle_ok, spend, lifecycle, digest_ms } = agent.watch.clone();
    let policy = &agent.policy;
    AgentPolicy {
        name: agent.name.clone(),
        kind: agent.kind,
        role: agent.role.as_ref().map(|role| role.as_str().to_owned()),
        group: agent.group.clone(),
        may: agent.may.clone(),
        runtime: agent.runtime.clone(),
        after: agent.after.clone(),
        autostart: policy.autostart,
        restart: policy.restart.clone(),
        stop_timeout_ms: policy.stop_timeout_ms,
        stall,
        heartbeat,
        idle_ok,
        busy_input: policy.delivery.busy_input,
        shows_idle: policy.patterns.iter().any(|pattern| pattern.kind == PatternKind::Idle),
        spend,
        lifecycle,
        // Nobody can start an agent with another model of its chain yet: a chain that is announced would only interrupt.
        fallbacks: 0,
        digest_ms,
    }
}

/// The file's text: indented, because people read it too.
pub(super) fn text(fleet: &Fleet) -> String {
    // No paths in it, and every name is a string: nothing that JSON could not say.
    serde_json::to_string_pretty(&policy(fleet)).expect("a policy always serialises") + "\n"
}
