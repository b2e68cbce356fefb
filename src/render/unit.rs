//! Unit files and env files.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::sink::{self, Marked};
use super::template::{Values, fill};
use crate::ids::UnitName;
use crate::manifest::{AgentKind, RestartPolicy, RestartWhen};
use crate::resolve::{Agent, Fleet};

/// The first systemd with `RestartSteps=` and `RestartMaxDelaySec=` (NEWS of 254).
pub const GROWING_DELAYS: u32 = 254;

/// systemd's stop time-out is this much longer than the shim's, which does the stopping, in milliseconds.
const STOP_MARGIN_MS: u64 = 10_000;

/// The unit of one agent.
pub(super) fn agent(fleet: &Fleet, agent: &Agent, systemd: u32) -> String {
    let folder = fleet.paths.agent(&agent.name);
    let after: Vec<Marked> = agent.after.iter().map(|name| sink::word(UnitName::agent(&fleet.id, name))).collect();
    let restart = &agent.policy.restart;
    let limits = &agent.policy.limits;
    let errors = sink::append_to(&folder.join("shim.err"));
    let shim = sink::exec_program(&fleet.paths.bin().join("fleet-shim"));
    let manifest = sink::exec_arg(&folder.join("manifest.json").to_string_lossy());
    let (env, local) = (sink::path(&folder.join("env")), sink::path(&folder.join("local.env")));
    let stop_timeout = sink::duration(agent.policy.stop_timeout_ms.saturating_add(STOP_MARGIN_MS));
    let mut unit = Directives::default();
    // In the template's order.
    unit.section("Unit");
    unit.put("Description", "description", description(fleet, agent));
    unit.put("PartOf", "target", sink::word(UnitName::target(&fleet.id)));
    for other in &after {
        unit.mean("After", other.as_str().to_owned());
    }
    if fleet.supervise {
        // When all stop together, the supervisor is the first: it sees no agent end that it would start again.
        unit.put("Before", "supervisor", sink::word(UnitName::supervisor(&fleet.id)));
        unit.put("StartLimitIntervalSec", "limit_interval", sink::word(0));
    } else {
        unit.put("StartLimitIntervalSec", "limit_interval", sink::duration(restart.within_ms));
        unit.put("StartLimitBurst", "limit_burst", sink::word(restart.burst));
    }
    unit.section("Service");
    unit.mean("Type", "notify");
    unit.mean("NotifyAccess", "main");
    unit.put("Slice", "slice", sink::word(UnitName::slice(&fleet.id)));
    unit.mean("ExecStart", format!("{} {}", shim.as_str(), manifest.as_str()));
    unit.mean("EnvironmentFile", env.as_str().to_owned());
    unit.mean("EnvironmentFile", format!("-{}", local.as_str()));
    if fleet.supervise {
        unit.put("Restart", "restart", sink::word("no"));
    } else {
        restarts(&mut unit, restart, systemd);
    }
    unit.mean("SuccessExitStatus", "143 SIGTERM");
    unit.mean("TimeoutStartSec", "60s");
    unit.put("TimeoutStopSec", "stop_timeout", stop_timeout);
    unit.mean("KillMode", "mixed");
    unit.mean("OOMPolicy", "continue");
    unit.maybe("MemoryMax", "memory", limits.memory.map(sink::word));
    unit.maybe("MemoryHigh", "memory_high", limits.memory_high.map(sink::word));
    unit.maybe("TasksMax", "tasks", limits.tasks.map(sink::word));
    unit.maybe("CPUQuota", "cpu", limits.cpu_percent.map(|cpu| sink::word(format!("{cpu}%"))));
    unit.put("StandardOutput", "errors", errors.clone());
    unit.mean("StandardError", errors.into_text());
    unit.section("X-Fleet");
    unit.put("Fleet", "fleet", sink::word(&fleet.id));
    unit.put("Agent", "agent", sink::word(&agent.name));
    unit.values = unit.values.list("after", &after).set("shim", &shim).set("manifest", &manifest);
    unit.values = unit.values.set("env_file", &env).set("local_env_file", &local);
    unit.text("agent.service")
}

/// systemd's own restarts.
fn restarts(unit: &mut Directives, restart: &RestartPolicy, systemd: u32) {
    unit.put("Restart", "restart", sink::word(restart_word(restart.when)));
    unit.put("RestartSec", "restart_delay", sink::duration(restart.delay_ms));
    if systemd >= GROWING_DELAYS && restart.max_delay_ms > restart.delay_ms {
        let steps = doublings(restart.delay_ms, restart.max_delay_ms);
        unit.put("RestartSteps", "restart_steps", sink::word(steps));
        unit.put("RestartMaxDelaySec", "restart_max_delay", sink::duration(restart.max_delay_ms));
    }
    unit.mean("RestartPreventExitStatus", "75 78");
}

/// The unit of the fleet's supervisor.
pub(super) fn supervisor(fleet: &Fleet) -> String {
    let errors = sink::append_to(&fleet.paths.state.join("supervisor.err"));
    let program = sink::exec_program(&fleet.paths.bin().join("fleet"));
    // The service manager may know of another one than the shell from which the fleet was applied.
    let base = fleet.paths.state.ancestors().nth(2).unwrap_or(&fleet.paths.state);
    let state_home = sink::env_assign("XDG_STATE_HOME", &base.to_string_lossy());
    let unset: Vec<Marked> = fleet.agents_secrets.iter().map(sink::word).collect();
    let mut unit = Directives::default();
    unit.section("Unit");
    unit.put("Description", "description", sink::description(&format!("fleet {}: supervisor", fleet.id)));
    unit.put("PartOf", "target", sink::word(UnitName::target(&fleet.id)));
    unit.mean("StartLimitIntervalSec", "0");
    unit.section("Service");
    unit.mean("Type", "notify");
    unit.mean("NotifyAccess", "main");
    unit.put("Slice", "slice", sink::word(UnitName::slice(&fleet.id)));
    unit.mean("ExecStart", format!("{} supervise --fleet {}", program.as_str(), fleet.id));
    unit.put("Environment", "state_home", state_home);
    for name in &unset {
        unit.mean("UnsetEnvironment", name.as_str().to_owned());
    }
    for (name, value) in [
        ("Restart", "always"),
        ("RestartSec", "250ms"),
        ("TimeoutStartSec", "60s"),
        ("TimeoutStopSec", "20s"),
        ("WatchdogSec", "60s"),
        ("KillMode", "mixed"),
        ("OOMPolicy", "continue"),
        ("OOMScoreAdjust", "100"),
        ("UMask", "0077"),
        ("NoNewPrivileges", "yes"),
    ] {
        unit.mean(name, value);
    }
    unit.put("StandardOutput", "errors", errors.clone());
    unit.mean("StandardError", errors.into_text());
    unit.section("X-Fleet");
    unit.put("Fleet", "fleet", sink::word(&fleet.id));
    unit.values = unit.values.list("removed", &unset).set("program", &program);
    unit.text("supervisor.service")
}

/// What goes into the template, and what has to be read back from the result.
#[derive(Default)]
struct Directives {
    values: Values,
    section: &'static str,
    /// Section, directive, value.
    meant: Vec<(&'static str, &'static str, Cow<'static, str>)>,
}

impl Directives {
    fn section(&mut self, name: &'static str) {
        self.section = name;
    }

    /// A directive whose value the template has at `place`.
    fn put(&mut self, name: &'static str, place: &str, value: Marked) {
        self.values.put(place, &value);
        self.mean(name, value.into_text());
    }

    fn maybe(&mut self, name: &'static str, place: &str, value: Option<Marked>) {
        if let Some(value) = value {
            self.put(name, place, value);
        }
    }

    /// `template`, filled. The last line of defence: what stands in it is what was meant, no directive more and none
    /// less.
    fn text(self, template: &str) -> String {
        let text = fill(template, &self.values);
        let meant = self.meant.iter().map(|(section, name, value)| (*section, *name, value.as_ref()));
        assert!(
            directives(&text).eq(meant.clone()),
            "{template} is not what was meant:\n{text}\n{:?}",
            meant.collect::<Vec<_>>()
        );
        text
    }

    /// A directive that the template has by itself.
    fn mean(&mut self, name: &'static str, value: impl Into<Cow<'static, str>>) {
        self.meant.push((self.section, name, value.into()));
    }
}

fn restart_word(when: RestartWhen) -> &'static str {
    match when {
        RestartWhen::Never => "no",
        RestartWhen::OnFailure => "on-failure",
        RestartWhen::Always => "always",
    }
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

/// The env file of an agent with these variables.
pub(super) fn env_file(variables: &BTreeMap<String, String>) -> String {
    let lines: Vec<Marked> = variables.iter().map(|(name, value)| sink::env_line(name, value)).collect();
    let text = fill("agent.env", &Values::default().list("lines", &lines));
    let read: Vec<&str> = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    let meant: Vec<&str> = lines.iter().map(Marked::as_str).collect();
    assert_eq!(read, meant, "an env file is not what was meant");
    text
}

/// Section → directive → values in order.
type Sections = BTreeMap<String, BTreeMap<String, Vec<String>>>;

/// A unit file read back. Enough to compare a rendered file with what was
/// meant, and to find fleet's mark in a file.
#[must_use]
pub fn parse(text: &str) -> Sections {
    let mut sections = Sections::new();
    for (section, name, value) in directives(text) {
        let values = sections.entry(section.to_owned()).or_default().entry(name.to_owned()).or_default();
        values.push(value.to_owned());
    }
    sections
}

/// Section, directive and value of each line that gives one.
fn directives(text: &str) -> impl Iterator<Item = (&str, &str, &str)> {
    let mut section = "";
    text.lines().map(str::trim).filter_map(move |line| {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name;
            return None;
        }
        let (name, value) = line.split_once('=').filter(|_| !line.starts_with(['#', ';']))?;
        Some((section, name, value))
    })
}

/// The fleet whose mark a unit file carries.
#[must_use]
pub fn marked_fleet(text: &str) -> Option<String> {
    directives(text)
        .find(|(section, name, _)| (*section, *name) == ("X-Fleet", "Fleet"))
        .map(|(.., fleet)| fleet.to_owned())
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
