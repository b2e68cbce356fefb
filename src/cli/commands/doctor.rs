//! `fleet doctor`: what fleet needs of this machine, each check bounded in time.

use std::path::Path;
use std::time::Duration;

use crate::apply::preflight;
use crate::cli::args::{Global, Json};
use crate::cli::error::{CliError, Exit};
use crate::cli::ui::Ui;
use crate::cli::{facts, load};
use crate::ids::{FLEET_ID_MAX, NAME_MAX};
use crate::manifest::SOCKET_PATH_MAX;
use crate::resolve::HostFacts;
use crate::system::process::{self, Invocation};
use crate::system::service::detect::{self, Facts};
use crate::system::service::own_variables;
use crate::system::{fs, proc};
use crate::units::ManagerKind;

/// Longest wait for one program to say its version.
const ANSWER: Duration = Duration::from_secs(10);
/// Agent CLIs that are looked for.
const CLIS: &[&str] = &["claude", "codex", "opencode"];

/// How a check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Grade {
    Good,
    /// fleet works, with less.
    Weak,
    /// fleet cannot work.
    Bad,
}

struct Check {
    name: &'static str,
    grade: Grade,
    found: String,
    help: Option<String>,
}

impl Check {
    fn new(name: &'static str, grade: Grade, found: impl Into<String>, help: &str) -> Self {
        Self { name, grade, found: found.into(), help: (!help.is_empty()).then(|| help.to_owned()) }
    }
}

pub fn run(ui: &Ui, global: &Global, args: &Json) -> Result<Exit, CliError> {
    let host = facts::gather()?;
    ui.step("asking systemd");
    let service = detect::detect();
    let mut checks =
        vec![user_manager(&service), bus(&service), linger(&service), runtime_folder(&host), state_folder(&host)];
    checks.push(paths(&host));
    ui.step("asking programs for their versions");
    checks.push(tmux());
    checks.extend(CLIS.iter().map(|name| agent_cli(name)));
    checks.extend(roster(global, &host));
    for check in &checks {
        if args.json {
            ui.out(&serde_json::json!({ "format": 1, "check": check.name, "grade": grade(check.grade), "found": check.found, "help": check.help }).to_string());
        } else {
            ui.out(&format!("{:<5} {:<16} {}", grade(check.grade), check.name, check.found));
            if let Some(help) = &check.help {
                ui.out(&format!("{:<5} {:<16} {help}", "", ""));
            }
        }
    }
    let bad = checks.iter().any(|check| check.grade == Grade::Bad);
    Ok(if bad { Exit::Failed } else { Exit::Ok })
}

fn grade(grade: Grade) -> &'static str {
    match grade {
        Grade::Good => "ok",
        Grade::Weak => "warn",
        Grade::Bad => "FAIL",
    }
}

fn user_manager(facts: &Facts) -> Check {
    let name = "systemd";
    match &facts.version {
        Some(version) => Check::new(name, Grade::Good, format!("the user manager answers, version {version}"), ""),
        None if facts.booted => Check::new(
            name,
            Grade::Weak,
            "the machine runs systemd, but your user manager does not answer: fleet uses its local manager",
            "log in through a session (ssh, console), or run `loginctl enable-linger` once; then `systemctl --user status`",
        ),
        None => Check::new(
            name,
            Grade::Weak,
            "this machine was not booted with systemd: fleet uses its local manager (no restarts, no start at boot)",
            "",
        ),
    }
}

fn bus(facts: &Facts) -> Check {
    match &facts.bus {
        Some(address) => Check::new("bus", Grade::Good, address.clone(), ""),
        None if facts.user_manager => Check::new(
            "bus",
            Grade::Weak,
            "no session bus: fleet talks to systemd through systemctl",
            "install dbus-user-session",
        ),
        None => Check::new("bus", Grade::Weak, "no session bus", ""),
    }
}

fn linger(facts: &Facts) -> Check {
    match facts.linger {
        Some(true) => Check::new("linger", Grade::Good, "on: agents go on after logout", ""),
        Some(false) if facts.booted || facts.systemd_answers() => Check::new(
            "linger",
            Grade::Weak,
            "off: systemd stops your agents when you log out",
            "run `loginctl enable-linger` once",
        ),
        None if facts.systemd_answers() => {
            Check::new("linger", Grade::Weak, "unknown: there is no logind to ask", "")
        }
        _ => Check::new("linger", Grade::Good, "does not matter without systemd", ""),
    }
}

fn runtime_folder(host: &HostFacts) -> Check {
    match host.runtime_base.as_deref().and_then(Path::parent) {
        Some(folder) => {
            let writable =
                nix::unistd::access(folder, nix::unistd::AccessFlags::W_OK | nix::unistd::AccessFlags::X_OK);
            match writable {
                Ok(()) => Check::new("runtime folder", Grade::Good, folder.display().to_string(), ""),
                Err(error) => Check::new(
                    "runtime folder",
                    Grade::Bad,
                    format!("{} cannot be written: {error}", folder.display()),
                    "XDG_RUNTIME_DIR names a folder of another user: unset it, or log in instead of using su or sudo",
                ),
            }
        }
        None => Check::new(
            "runtime folder",
            Grade::Weak,
            format!("none: sockets are kept below {}", host.state_base.display()),
            "set XDG_RUNTIME_DIR to a private folder of yours",
        ),
    }
}

/// Tries what apply will do: make the folder, write into it.
fn state_folder(host: &HostFacts) -> Check {
    let probe = host.state_base.join(".doctor");
    let tried = fs::ensure_private_dir(&host.state_base).and_then(|()| fs::write_atomic(&probe, b"probe\n", 0o600));
    let _ = fs::remove_file_if_present(&probe);
    let _ = std::fs::remove_dir(&host.state_base);
    match tried {
        Ok(()) => Check::new("state folder", Grade::Good, host.state_base.display().to_string(), ""),
        Err(error) => Check::new(
            "state folder",
            Grade::Bad,
            error.to_string(),
            error.help.as_deref().unwrap_or("set XDG_STATE_HOME to a folder you can write"),
        ),
    }
}

fn paths(host: &HostFacts) -> Check {
    let base = host.runtime_base.as_ref().unwrap_or(&host.state_base);
    let extra = if host.runtime_base.is_some() { 0 } else { "/run".len() };
    let fixed = base.as_os_str().len() + "//.sock".len() + extra;
    let longest = fixed + FLEET_ID_MAX + NAME_MAX;
    if longest <= SOCKET_PATH_MAX {
        return Check::new(
            "socket paths",
            Grade::Good,
            format!("the longest name gives {longest} of {SOCKET_PATH_MAX} bytes"),
            "",
        );
    }
    let room = SOCKET_PATH_MAX.saturating_sub(fixed);
    let grade = if room < 4 { Grade::Bad } else { Grade::Weak };
    let found = format!("a fleet's id and an agent's name may have {room} bytes together below {}", base.display());
    Check::new("socket paths", grade, found, "set XDG_RUNTIME_DIR to a shorter folder")
}

fn tmux() -> Check {
    match version("tmux", "-V") {
        Ok(Some(version)) if is_older(&version, (3, 2)) => Check::new(
            "tmux",
            Grade::Weak,
            format!("{version} is too old for `fleet view`; `fleet attach` works without it"),
            "install tmux 3.2 or newer",
        ),
        Ok(Some(version)) => {
            Check::new("tmux", Grade::Good, format!("{version} (a viewer only; agents do not depend on it)"), "")
        }
        Ok(None) => {
            Check::new("tmux", Grade::Weak, "not found; `fleet view` needs it, `fleet attach` works without it", "")
        }
        Err(why) => Check::new("tmux", Grade::Weak, why, ""),
    }
}

/// Whether the first number in `version`, as in `tmux 3.3a` or `tmux next-3.6`, is below `least`. One without a number
/// is not.
fn is_older(version: &str, least: (u32, u32)) -> bool {
    let number = version.split(|c: char| !(c.is_ascii_digit() || c == '.')).find(|part| part.contains('.'));
    let parts = number.and_then(|number| number.split_once('.'));
    let parts = parts.and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
    parts.is_some_and(|parts: (u32, u32)| parts < least)
}

fn agent_cli(name: &'static str) -> Check {
    match version(name, "--version") {
        Ok(Some(version)) => Check::new(name, Grade::Good, version, ""),
        Ok(None) => Check::new(name, Grade::Good, "not on your PATH; a roster names its folder with `path`", ""),
        Err(why) => Check::new(name, Grade::Weak, why, ""),
    }
}

/// The first line a program says of its version. `None` when there is no such program.
fn version(name: &str, flag: &str) -> Result<Option<String>, String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let Some(program) = proc::find_program(name, &path) else { return Ok(None) };
    let argv = [program.clone().into_os_string(), flag.into()];
    let finished = process::run(&Invocation::new(argv, ANSWER)).map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&finished.stdout);
    let line: String = said.lines().next().unwrap_or("").chars().filter(|c| !c.is_control()).take(60).collect();
    Ok(Some(format!("{line} ({})", program.display())))
}

/// The roster of this folder, when there is one.
fn roster(global: &Global, host: &HostFacts) -> Option<Check> {
    load::find(global).ok()??;
    let loaded = load::load(global, host);
    Some(match loaded {
        Ok(mut loaded) if loaded.fleet.is_some() => {
            if let Some(fleet) = &loaded.fleet {
                preflight::check(fleet, ManagerKind::Local, &own_variables, &mut loaded.diagnostics);
            }
            if loaded.diagnostics.has_errors() {
                let found = "valid, but this machine does not have all it names";
                Check::new("roster", Grade::Bad, found, "run `fleet plan`")
            } else {
                Check::new("roster", Grade::Good, "valid, and this machine has what it names", "")
            }
        }
        Ok(_) => Check::new("roster", Grade::Bad, "has mistakes", "run `fleet validate`"),
        Err(error) => Check::new("roster", Grade::Bad, error.message, error.help.as_deref().unwrap_or("")),
    })
}

#[cfg(test)]
mod tests {
    use super::is_older;

    #[test]
    fn versions_of_tmux_are_told_apart() {
        for (version, older) in [
            ("tmux 3.1c (/usr/bin/tmux)", true),
            ("tmux 2.9", true),
            ("tmux 3.3a", false),
            ("tmux next-3.6", false),
            ("tmux master", false),
        ] {
            assert_eq!(is_older(version, (3, 2)), older, "{version}");
        }
    }
}
