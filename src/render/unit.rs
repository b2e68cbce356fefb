//! Unit files and env files.

use std::collections::BTreeMap;

use super::sink::{self, Marked};
use super::template::{Values, fill};
use crate::ids::UnitName;
use crate::manifest::{AgentKind, RestartWhen};
use crate::resolve::{Agent, Fleet};

/// The first systemd with `RestartSteps=` and `RestartMaxDelaySec=` (NEWS of 254).
pub const GROWING_DELAYS: u32 = 254;

/// systemd's stop time-out is this much longer than the shim's, which does the stopping, in milliseconds.
const STOP_MARGIN_MS: u64 = 10_000;

/// The unit of one agent.
pub(super) fn agent(fleet: &Fleet, agent: &Agent, systemd: u32) -> String {
    let folder = fleet.paths.agent(&agent.name);
    let shim = fleet.paths.bin().join("fleet-shim");
    let after: Vec<Marked> = agent.after.iter().map(|name| sink::word(UnitName::agent(&fleet.id, name))).collect();
    let restart = &agent.policy.restart;
    let growing = (systemd >= GROWING_DELAYS && restart.max_delay_ms > restart.delay_ms).then_some(());
    let limits = &agent.policy.limits;
    let values = Values::default()
        .set("description", &description(fleet, agent))
        .set("target", &sink::word(UnitName::target(&fleet.id)))
        .set("slice", &sink::word(UnitName::slice(&fleet.id)))
        .list("after", &after)
        .set("limit_interval", &sink::duration(restart.within_ms))
        .set("limit_burst", &sink::word(restart.burst))
        .set("shim", &sink::exec_program(&shim))
        .set("manifest", &sink::exec_arg(&folder.join("manifest.json").display().to_string()))
        .set("env_file", &sink::path(&folder.join("env")))
        .set("local_env_file", &sink::path(&folder.join("local.env")))
        .set(
            "restart",
            &sink::word(match restart.when {
                RestartWhen::Never => "no",
                RestartWhen::OnFailure => "on-failure",
                RestartWhen::Always => "always",
            }),
        )
        .set("restart_delay", &sink::duration(restart.delay_ms))
        .maybe("restart_steps", growing.map(|()| sink::word(doublings(restart.delay_ms, restart.max_delay_ms))))
        .maybe("restart_max_delay", growing.map(|()| sink::duration(restart.max_delay_ms)))
        .set("stop_timeout", &sink::duration(agent.policy.stop_timeout_ms + STOP_MARGIN_MS))
        .maybe("memory", limits.memory.map(sink::word))
        .maybe("memory_high", limits.memory_high.map(sink::word))
        .maybe("tasks", limits.tasks.map(sink::word))
        .maybe("cpu", limits.cpu_percent.map(|cpu| sink::word(format!("{cpu}%"))))
        .set("errors", &sink::append_to(&folder.join("shim.err")))
        .set("fleet", &sink::word(&fleet.id))
        .set("agent", &sink::word(&agent.name));
    fill("agent.service", &values)
}

fn description(fleet: &Fleet, agent: &Agent) -> Marked {
    match &agent.policy.description {
        Some(text) => sink::description(&format!("{} of fleet {}: {text}", agent.name, fleet.id)),
        None => {
            let what = match (agent.kind, &agent.role) {
                (AgentKind::Agent, Some(role)) => role.as_str(),
                (AgentKind::Agent, None) => "agent",
                (AgentKind::Orchestrator, _) => "orchestrator",
                (AgentKind::Enhancer, _) => "enhancer",
            };
            sink::description(&format!("{} of fleet {}: {what} ({})", agent.name, fleet.id, agent.runtime))
        }
    }
}

/// Steps from `delay` to `max` when each doubles the last.
fn doublings(delay: u64, max: u64) -> u32 {
    (1..32).find(|step| delay.saturating_mul(1 << step) >= max).unwrap_or(32)
}

/// The fleet's target or slice.
pub(super) fn group(fleet: &Fleet, unit: &UnitName) -> String {
    let template = if *unit == UnitName::slice(&fleet.id) { "fleet.slice" } else { "fleet.target" };
    let what = if template == "fleet.slice" { "all agents" } else { "start and stop" };
    let values = Values::default()
        .set("description", &sink::description(&format!("fleet {}: {what}", fleet.id)))
        .set("fleet", &sink::word(&fleet.id));
    fill(template, &values)
}

/// The env file of one agent.
pub(super) fn env_file(agent: &Agent) -> String {
    let lines: Vec<Marked> = agent.env.iter().map(|(name, value)| sink::env_line(name, value)).collect();
    fill("agent.env", &Values::default().list("lines", &lines))
}

/// A unit file read back: section → directive → values in order. Enough to compare a rendered file with what was
/// meant, and to find fleet's mark in a file.
#[must_use]
pub fn parse(text: &str) -> BTreeMap<String, BTreeMap<String, Vec<String>>> {
    let mut sections: BTreeMap<String, BTreeMap<String, Vec<String>>> = BTreeMap::new();
    let mut section = String::new();
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            name.clone_into(&mut section);
        } else if let Some((key, value)) = line.split_once('=').filter(|_| !line.starts_with(['#', ';'])) {
            sections.entry(section.clone()).or_default().entry(key.to_owned()).or_default().push(value.to_owned());
        }
    }
    sections
}

/// The fleet whose mark a unit file carries.
#[must_use]
pub fn marked_fleet(text: &str) -> Option<String> {
    parse(text).get("X-Fleet")?.get("Fleet")?.first().cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doublings_reach_the_longest_wait() {
        assert_eq!(doublings(15_000, 600_000), 6);
        assert_eq!(doublings(15_000, 30_000), 1);
    }

    #[test]
    fn marks_are_read_from_their_section_only() {
        assert_eq!(marked_fleet("[X-Fleet]\nFleet=shop\n").as_deref(), Some("shop"));
        assert_eq!(marked_fleet("[Service]\nFleet=shop\n# [X-Fleet]\n"), None);
    }
}
