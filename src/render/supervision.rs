//! `supervise.json`: what the supervisor goes by.

use crate::manifest::{ModelName, Pattern, PatternKind};
use crate::resolve::{Agent, Fleet, Watch};
use crate::supervise::policy::{AgentPolicy, FORMAT, FleetPolicy, Link};

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
        fallbacks: u32::try_from(agent.fallbacks.len()).unwrap_or(u32::MAX),
        chain: chain(agent),
        digest_ms,
    }
}

/// The models of its chain, where there is more than one.
fn chain(agent: &Agent) -> Vec<Link> {
    if agent.fallbacks.is_empty() {
        return Vec::new();
    }
    let shows_idle = |patterns: &[Pattern]| patterns.iter().any(|pattern| pattern.kind == PatternKind::Idle);
    let first = Link {
        name: ModelName { runtime: agent.runtime.clone(), model: agent.model.clone() },
        heartbeat: agent.watch.heartbeat,
        busy_input: agent.policy.delivery.busy_input,
        shows_idle: shows_idle(&agent.policy.patterns),
        resumes: agent.policy.resume.is_some(),
    };
    let behind = agent.fallbacks.iter().map(|one| Link {
        name: ModelName { runtime: one.runtime.clone(), model: one.model.clone() },
        heartbeat: one.heartbeat,
        busy_input: one.delivery.busy_input,
        shows_idle: shows_idle(&one.patterns),
        resumes: one.resume.is_some(),
    });
    std::iter::once(first).chain(behind).collect()
}

/// The file's text: indented, because people read it too.
pub(super) fn text(fleet: &Fleet) -> String {
    // No paths in it, and every name is a string: nothing that JSON could not say.
    serde_json::to_string_pretty(&policy(fleet)).expect("a policy always serialises") + "\n"
}
