//! What only this machine can tell about a resolved fleet: programs, folders, secrets. Reported with the roster's places.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};

use crate::diagnostic::{Code, Diagnostic, Diagnostics, Severity};
use crate::manifest::SecretSource;
use crate::resolve::{Agent, Fleet};
use crate::system::git;
use crate::system::service::ManagerKind;

/// Looks every agent over. `names` tells which variables `manager` passes on, and is asked once at most.
pub fn check(
    fleet: &Fleet,
    manager: ManagerKind,
    names: &dyn Fn() -> BTreeSet<String>,
    diagnostics: &mut Diagnostics,
) {
    let mut variables = None;
    // Most agents of a fleet share a program and a folder, which are looked at once.
    let (mut programs, mut folders) = (BTreeSet::new(), BTreeSet::new());
    for agent in &fleet.agents {
        let first = (agent.runtime.as_str(), agent.argv.first());
        let behind = agent.fallbacks.iter().map(|one| (one.runtime.as_str(), one.argv.first()));
        for (number, (runtime, name)) in std::iter::once(first).chain(behind).enumerate() {
            if programs.insert((name, &agent.search, &agent.dir)) || !diagnostics.is_empty() {
                let Some(found) = program(agent, runtime, name) else { continue };
                // Without what it falls back to it can do its work all the same.
                let severity = if number == 0 { found.severity } else { Severity::Warning };
                diagnostics.report(Diagnostic { severity, ..found });
            }
        }
        if folders.insert((&agent.dir, agent.may.contains("code"))) || !diagnostics.is_empty() {
            folder(agent, diagnostics);
        }
        if let Some(place) = agent.requires_sandbox {
            let message = format!("`{}` must not run without its sandbox, and this version sets none up", agent.name);
            let diagnostic = Diagnostic::error(Code::NotEnforced, message).at(place, "required here");
            let help = "take `required=#true` out, if the agent may run with what its own CLI does";
            diagnostics.report(diagnostic.help(help));
        }
        for secret in &agent.secrets {
            let absent = match &secret.from {
                SecretSource::File(path) => unreadable(path).map(|error| {
                    (
                        format!("the secret `{}` cannot be read: {}: {error}", secret.name, path.display()),
                        "write the file (mode 0600)".to_owned(),
                    )
                }),
                SecretSource::Env(name) => {
                    let known = variables.get_or_insert_with(names);
                    (!known.contains(name)).then(|| absent_variable(&secret.name, name, manager))
                }
                SecretSource::Cmd(words) => words.first().and_then(|program| absent_program(&secret.name, program)),
                SecretSource::Op(_) => absent_program(&secret.name, "op"),
                // The unit's credentials exist only while it runs.
                SecretSource::Systemd(_) if manager == ManagerKind::Systemd => None,
                SecretSource::Systemd(_) => Some((
                    format!(
                        "the secret `{}` is a credential of systemd, and this fleet runs without systemd",
                        secret.name
                    ),
                    "use from=\"file:PATH\" or from=\"env:NAME\"".to_owned(),
                )),
            };
            if let Some((message, help)) = absent {
                // A warning: the value may be put there before the agent starts, and a plan must not need secrets.
                diagnostics
                    .report(Diagnostic::warning(Code::SecretAbsent, message).at(agent.span, "needed by").help(help));
            }
        }
    }
}

/// A program that prints a secret has to be found where agents are started.
fn absent_program(secret: &str, program: &str) -> Option<(String, String)> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    crate::system::proc::find_program(program, &path).is_none().then(|| {
        let message = format!("the secret `{secret}` cannot be read: the program `{program}` is not on the PATH");
        (message, "install it, or write its whole path".to_owned())
    })
}

/// Why a secret's file cannot be read. It is looked at, never opened: a pipe would hold the plan up.
fn unreadable(path: &Path) -> Option<String> {
    match std::fs::metadata(path) {
        Err(error) => Some(error.to_string()),
        Ok(metadata) if !metadata.is_file() => Some("it is not a plain file".to_owned()),
        Ok(_) => access(path, AccessFlags::R_OK).err().map(|errno| errno.desc().to_owned()),
    }
}

fn absent_variable(secret: &str, name: &str, manager: ManagerKind) -> (String, String) {
    match manager {
        ManagerKind::Systemd => (
            format!("the secret `{secret}` is not there: the systemd user manager has no variable {name}"),
            format!("run `systemctl --user import-environment {name}`, or use from=\"file:PATH\""),
        ),
        ManagerKind::Local => (
            format!("the secret `{secret}` is not there: this shell has no variable {name}"),
            format!("export {name} before `fleet apply`, or use from=\"file:PATH\""),
        ),
    }
}

/// What is the matter with the program called `name`, which a model of the agent's chain is.
fn program(agent: &Agent, runtime: &str, name: Option<&String>) -> Option<Diagnostic> {
    // The canary's program is the copy of fleet that apply itself puts there.
    let name = name.filter(|_| runtime != "canary")?;
    if find(name, &agent.search, &agent.dir).is_some() {
        return None;
    }
    let place = if name.contains('/') {
        Some(agent.dir.join(name))
    } else {
        agent.search.iter().map(|f| f.join(name)).find(|f| f.is_file())
    };
    if let Some(file) = place.filter(|file| file.is_file()) {
        let message = format!("`{}` of agent `{}` may not be executed", file.display(), who(agent));
        let help = format!("chmod +x '{}'", file.display());
        return Some(Diagnostic::error(Code::ProgramNotFound, message).at(agent.span, "starts it").help(help));
    }
    let folders: Vec<_> = agent.search.iter().map(|folder| folder.display().to_string()).collect();
    let message = if name.contains('/') {
        format!("`{name}`, which agent `{}` starts, does not exist", who(agent))
    } else {
        format!("`{name}` is not on the path of agent `{}`", who(agent))
    };
    let elsewhere = std::env::var_os("PATH").and_then(|path| crate::system::proc::find_program(name, &path));
    let help = match elsewhere.as_deref().and_then(Path::parent) {
        Some(folder) if !name.contains('/') => {
            format!("your shell finds it in {0}: add `path \"{0}\"` to the agent or to `defaults`", folder.display())
        }
        _ => format!("install it, or add `path \"FOLDER\"`; looked in {}", folders.join(":")),
    };
    Some(Diagnostic::error(Code::ProgramNotFound, message).at(agent.span, "starts it").help(help))
}

/// The name in the roster: agents of a group have one mistake, not many.
fn who(agent: &Agent) -> &str {
    agent.group.as_ref().unwrap_or(&agent.name).as_str()
}

fn find(name: &str, search: &[PathBuf], dir: &Path) -> Option<PathBuf> {
    let runs = |path: PathBuf| (path.is_file() && access(&path, AccessFlags::X_OK).is_ok()).then_some(path);
    if name.contains('/') {
        return runs(dir.join(name));
    }
    search.iter().find_map(|folder| runs(folder.join(name)))
}

fn folder(agent: &Agent, diagnostics: &mut Diagnostics) {
    // A worktree is made when it is needed; what it is made of has to be there.
    let folder = agent.worktree.as_ref().map_or(&agent.dir, |worktree| &worktree.repository);
    let dir = folder.display();
    let problem = match std::fs::metadata(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Some((
            format!("the working folder of agent `{}` does not exist: {dir}", who(agent)),
            format!("mkdir -p '{dir}', or correct `dir` or `workspace`"),
        )),
        Err(error) => Some((
            format!("the working folder of agent `{}` cannot be used: {dir}: {error}", who(agent)),
            format!("`ls -ld '{dir}'` says who may enter it; or correct `dir` or `workspace`"),
        )),
        Ok(metadata) if !metadata.is_dir() => Some((
            format!("the working folder of agent `{}` is not a folder: {dir}", who(agent)),
            "correct `dir` or `workspace`".to_owned(),
        )),
        Ok(_) if agent.worktree.is_some() && !git::is_top(folder) => Some((
            format!(
                "the worktree of agent `{}` needs a git repository, and {dir} is not the top folder of one",
                who(agent)
            ),
            format!(
                "`git init '{dir}'` and commit something; or correct `dir` or `workspace`; or take `worktree` out"
            ),
        )),
        Ok(_) if access(folder, AccessFlags::R_OK | AccessFlags::X_OK).is_err() => Some((
            format!("the working folder of agent `{}` may not be entered: {dir}", who(agent)),
            format!("chmod u+rx '{dir}'"),
        )),
        Ok(_) => None,
    };
    if let Some((message, help)) = problem {
        diagnostics.report(Diagnostic::error(Code::NoFolder, message).at(agent.span, "works there").help(help));
    } else if access(folder, AccessFlags::W_OK).is_err() {
        let message = format!("agent `{}` may not write to its working folder: {dir}", who(agent));
        let help = format!("chmod u+w '{dir}', or give the agent another `dir`");
        let writes = agent.may.contains("code");
        let diagnostic = if writes {
            Diagnostic::error(Code::NoFolder, message)
        } else {
            Diagnostic::warning(Code::NoFolder, message)
        };
        diagnostics.report(diagnostic.at(agent.span, "works there").help(help));
    }
}
