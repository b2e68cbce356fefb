//! The systemd user manager, through systemctl(1): for hosts where it runs without a session bus.
//!
//! systemctl speaks to the manager's private socket, so no bus is needed. One fork per request, however many units.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::cause::Cause;
use super::{ManagerError, ManagerKind, ServiceManager, UnitState, is_target, listed, names, patterns};
use crate::ids::{FleetId, UnitName};
use crate::system::process::{Finished, Invocation, ProcessError, run};

/// Bound of a request that only asks.
const CALL: Duration = Duration::from_secs(10);
/// Bound of a reload, which runs every generator and reads every unit of the user.
const RELOAD: Duration = Duration::from_mins(1);

/// Asks through `systemctl --user`. Has no state: the environment says which user manager is meant.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemctlManager;

fn systemctl<'a>(words: impl IntoIterator<Item = &'a str>, timeout: Duration) -> Result<Finished, ProcessError> {
    let fixed = ["systemctl", "--user", "--no-pager", "--no-ask-password"];
    let mut invocation = Invocation::new(fixed.into_iter().chain(words), timeout);
    // Its messages are quoted to the user and its lists are read: no colours, no translation.
    invocation.env = [("LC_ALL", "C"), ("SYSTEMD_COLORS", "0"), ("SYSTEMD_URLIFY", "0")]
        .map(|(name, value)| (name.into(), value.into()))
        .to_vec();
    run(&invocation)
}

fn ask<'a>(words: impl IntoIterator<Item = &'a str>, bound: Duration, action: &str) -> Result<String, ManagerError> {
    let fail = |message: String| {
        ManagerError::new(action, message, "is the user manager running? `systemctl --user status` tells")
    };
    match systemctl(words, bound) {
        Ok(finished) if finished.status.success() => Ok(String::from_utf8_lossy(&finished.stdout).into_owned()),
        Ok(finished) => Err(fail(said(&finished))),
        Err(ProcessError::NotFound { program }) => {
            Err(ManagerError::new(action, format!("{program}: no such program"), "install the package systemd"))
        }
        Err(error) => Err(fail(error.to_string())),
    }
}

/// What systemctl wrote about its failure, on one line.
fn said(finished: &Finished) -> String {
    let text = String::from_utf8_lossy(&finished.stderr);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if lines.is_empty() { format!("systemctl ended with {}", finished.status) } else { lines.join("; ") }
}

/// A unit as `systemctl show` describes it.
#[derive(Debug, Default)]
struct Shown {
    load: String,
    active: String,
    cause: Cause,
}

/// Reads `systemctl show` of several units: `Key=value` lines, an empty line between units.
fn read_show(text: &str) -> BTreeMap<String, Shown> {
    let mut all = BTreeMap::new();
    for block in text.split("\n\n") {
        let mut shown = Shown::default();
        let mut id = String::new();
        for (key, value) in block.lines().filter_map(|line| line.split_once('=')) {
            match key {
                "Id" => value.clone_into(&mut id),
                "LoadState" => value.clone_into(&mut shown.load),
                "ActiveState" => value.clone_into(&mut shown.active),
                "Result" => value.clone_into(&mut shown.cause.result),
                "ExecMainCode" => shown.cause.code = value.parse().unwrap_or_default(),
                "ExecMainStatus" => shown.cause.status = value.parse().unwrap_or_default(),
                "StatusText" => value.clone_into(&mut shown.cause.text),
                _ => {}
            }
        }
        if !id.is_empty() {
            all.insert(id, shown);
        }
    }
    all
}

fn show(units: &[UnitName]) -> Result<BTreeMap<String, Shown>, ManagerError> {
    const KEYS: &str = "--property=Id,LoadState,ActiveState,Result,ExecMainCode,ExecMainStatus,StatusText";
    let words = ["show", KEYS, "--"].into_iter().chain(units.iter().map(UnitName::as_str));
    ask(words, CALL, "ask systemd about units").map(|text| read_show(&text))
}

/// Asks for all units at once; on any failure looks which of them it concerns.
fn change(verb: &str, units: &[UnitName], bound: Duration) -> Vec<Result<(), ManagerError>> {
    // As over the bus: a target is started alone.
    let alone = verb == "start" && units.iter().all(is_target);
    let mode = if alone { "--job-mode=ignore-dependencies" } else { "--job-mode=replace" };
    let words = [verb, mode, "--"].into_iter().chain(units.iter().map(UnitName::as_str));
    let (ended, message) = match systemctl(words, bound) {
        Ok(finished) if finished.status.success() => return units.iter().map(|_| Ok(())).collect(),
        Ok(finished) => (true, said(&finished)),
        Err(ProcessError::TimedOut { .. }) => (false, format!("systemd was still at it after {bound:?}")),
        Err(error) => (false, error.to_string()),
    };
    let shown = match show(units) {
        Ok(shown) => shown,
        Err(error) => return units.iter().map(|_| Err(error.clone())).collect(),
    };
    let judge = |unit: &UnitName| {
        let nothing = Shown::default();
        let state = shown.get(unit.as_str()).unwrap_or(&nothing);
        let reached = match verb {
            "start" => matches!(state.active.as_str(), "active" | "reloading"),
            _ => matches!(state.active.as_str(), "inactive" | "failed" | ""),
        };
        if reached {
            return Ok(());
        }
        if !ended || state.load == "not-found" || state.load == "bad-setting" {
            let help = format!("look at `systemctl --user status {unit}`");
            return Err(ManagerError::new(format!("{verb} {unit}"), message.clone(), help));
        }
        Err(state.cause.error(verb, unit, "failed"))
    };
    units.iter().map(judge).collect()
}

impl SystemctlManager {
    /// The manager's version as it writes it, e.g. `252.38-1~deb12u1`.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn version(self) -> Result<String, ManagerError> {
        ask(["show", "--property=Version", "--value"], CALL, "ask systemd for its version")
            .map(|text| text.trim().to_owned())
    }
}

impl ServiceManager for SystemctlManager {
    fn kind(&self) -> ManagerKind {
        ManagerKind::Systemd
    }

    fn observe(&self, fleet: &FleetId) -> Result<Vec<UnitState>, ManagerError> {
        let patterns = patterns(fleet);
        let words = ["list-units", "--all", "--plain", "--full", "--no-legend", "--"];
        let words = words.into_iter().chain(patterns.iter().map(String::as_str));
        let text = ask(words, CALL, "list the fleet's units")?;
        let mut units: Vec<UnitState> = text.lines().filter_map(|line| read_listed(fleet, line)).collect();
        units.sort_by(|a, b| a.unit.cmp(&b.unit));
        Ok(units)
    }

    fn reload(&self) -> Result<(), ManagerError> {
        ask(["daemon-reload"], RELOAD, "make systemd read its unit files again").map(drop)
    }

    fn reset_failed(&self, units: &[UnitName]) {
        // Fails for units that are not loaded, which then have nothing to reset.
        let _ = systemctl(["reset-failed", "--"].into_iter().chain(units.iter().map(UnitName::as_str)), CALL);
    }

    fn variables(&self) -> BTreeSet<String> {
        let text = ask(["show-environment"], CALL, "ask systemd for its variables").unwrap_or_default();
        names(text.lines())
    }

    fn start_many(&self, units: &[UnitName], timeout: Duration) -> Vec<Result<(), ManagerError>> {
        if units.is_empty() {
            return Vec::new();
        }
        self.reset_failed(units);
        change("start", units, timeout)
    }

    fn stop_many(&self, units: &[UnitName], timeout: Duration) -> Vec<Result<(), ManagerError>> {
        if units.is_empty() { Vec::new() } else { change("stop", units, timeout) }
    }
}

/// One line of `list-units`: unit, load, active, sub, description.
fn read_listed(fleet: &FleetId, line: &str) -> Option<UnitState> {
    let mut words = line.split_ascii_whitespace();
    let (name, load, active, sub) = (words.next()?, words.next()?, words.next()?, words.next()?);
    listed(fleet, name, load, active, sub)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn show_of_several_units_is_read_by_unit() {
        let text = "Id=a.service\nActiveState=failed\nResult=exit-code\nExecMainCode=1\nExecMainStatus=7\n\
                    StatusText=a=b\n\nId=b.service\nActiveState=active\n";
        let all = read_show(text);
        assert_eq!(all["a.service"].cause.status, 7);
        assert_eq!(all["a.service"].cause.text, "a=b");
        assert_eq!(all["b.service"].active, "active");
    }
}
