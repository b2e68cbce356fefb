//! Checks of the whole program.

use std::collections::{BTreeMap, BTreeSet};

use super::{Agent, Context, Paths};
use crate::diagnostic::{Code, Diagnostic, Diagnostics, suggest};
use crate::ids::AgentName;
use crate::manifest::{AgentKind, SOCKET_PATH_MAX};
use crate::roster::model::{AgentNode, Roster};

/// Every name that can be addressed, with the agents it stands for.
pub(super) type Names = BTreeMap<AgentName, Vec<AgentName>>;

/// One orchestrator and at least one enhancer, unless the roster says why not.
pub(super) fn floor(roster: &Roster, diagnostics: &mut Diagnostics) {
    let of = |kind| roster.agents.iter().filter(move |agent| agent.kind == kind);
    if roster.agents.is_empty() {
        let message = "the roster declares no agent";
        let help = "an empty fleet is a mistake more often than a wish; to take everything away, run `fleet destroy`";
        diagnostics.report(Diagnostic::error(Code::Floor, message).at(roster.end, "the roster ends here").help(help));
        return;
    }
    let orchestrators: Vec<&AgentNode> = of(AgentKind::Orchestrator).collect();
    if let [first, second, ..] = orchestrators[..] {
        let message = format!("a fleet has one orchestrator; this one has {}", orchestrators.len());
        let diagnostic = Diagnostic::error(Code::Floor, message).at(second.span, "another one");
        diagnostics.report(diagnostic.at(first.span, "the first").help("make the others `agent` or `enhancer`"));
    }
    if roster.exempt.is_some() {
        return;
    }
    let mut missing = Vec::new();
    if orchestrators.is_empty() {
        missing.push(("orchestrator", "lead"));
    }
    if of(AgentKind::Enhancer).next().is_none() {
        missing.push(("enhancer", "mender"));
    }
    if missing.is_empty() {
        return;
    }
    let runtime = roster
        .defaults
        .runtime
        .as_ref()
        .or_else(|| roster.agents.iter().find_map(|agent| agent.settings.runtime.as_ref()))
        .map_or("claude", |runtime| runtime.name.value.as_str());
    let body =
        if roster.defaults.runtime.is_some() { String::new() } else { format!(" {{ runtime \"{runtime}\"; }}") };
    let lines: Vec<_> = missing.iter().map(|(kind, name)| format!("    {kind} \"{name}\"{body}")).collect();
    let words: Vec<_> = missing.iter().map(|(kind, _)| format!("no {kind}")).collect();
    let message = format!("the fleet has {}", words.join(" and "));
    let help = format!(
        "add to the roster:\n{}\nor, for a fleet that needs none:\n    floor \"exempt\" reason=\"one agent on trial\"",
        lines.join("\n")
    );
    diagnostics.report(Diagnostic::error(Code::Floor, message).at(roster.end, "the roster ends here").help(help));
}

/// Finds names that stand twice, groups spelt out, and returns what can be addressed.
pub(super) fn names(roster: &Roster, diagnostics: &mut Diagnostics) -> Names {
    let mut names = Names::new();
    let mut owners: BTreeMap<AgentName, &AgentNode> = BTreeMap::new();
    for node in &roster.agents {
        let own = &node.name.value;
        let members: Vec<AgentName> = match node.count {
            None => vec![own.clone()],
            Some(count) => (1..=count).filter_map(|n| AgentName::new(&format!("{own}-{n}")).ok()).collect(),
        };
        let mut taken = members.clone();
        if node.count.is_some() {
            taken.push(own.clone());
        }
        if let Some((name, other)) = taken.iter().find_map(|name| owners.get(name).map(|other| (name, *other))) {
            let message = format!("two agents are called `{name}`");
            let here = if name == own { "again here".to_owned() } else { format!("`count=` makes `{name}`") };
            let there =
                if *name == other.name.value { "first here".to_owned() } else { format!("`count=` makes `{name}`") };
            let diagnostic = Diagnostic::error(Code::DuplicateAgent, message).at(node.name.span, here);
            diagnostics.report(diagnostic.at(other.name.span, there).help("give one of them another name"));
        }
        for name in taken {
            owners.entry(name).or_insert(node);
        }
        for member in &members {
            names.entry(member.clone()).or_insert_with(|| vec![member.clone()]);
        }
        names.entry(own.clone()).or_insert(members);
    }
    names
}

/// Roles declared twice, or built on roles that are not there or on themselves.
pub(super) fn roles(context: &Context<'_>, diagnostics: &mut Diagnostics) {
    let mut seen: BTreeMap<_, _> = BTreeMap::new();
    for role in &context.roster.roles {
        if let Some(first) = seen.insert(&role.name.value, role.name.span) {
            let message = format!("two roles are called `{}`", role.name.value);
            let diagnostic = Diagnostic::error(Code::DuplicateRole, message).at(role.name.span, "again here");
            diagnostics.report(diagnostic.at(first, "first here").help("keep one of them"));
        }
        let Some(base) = &role.extends else { continue };
        let declared = context.roster.roles.iter().any(|other| other.name.value == base.value);
        if !declared && !context.inputs.roles.contains_key(&base.value) {
            let message = format!("there is no role `{}`", base.value);
            let known = known_roles(context);
            let help = suggest::did_you_mean(base.value.as_str(), known.iter().map(String::as_str));
            diagnostics
                .report(Diagnostic::error(Code::UnknownRole, message).at(base.span, "unknown").maybe_help(help));
        }
        let mut chain = BTreeSet::from([&role.name.value]);
        let mut next = Some(&base.value);
        while let Some(name) = next {
            if !chain.insert(name) {
                let message = format!("the role `{}` extends itself", role.name.value);
                let diagnostic = Diagnostic::error(Code::Cycle, message).at(base.span, "the circle closes here");
                diagnostics.report(diagnostic.help("take one `extends=` out"));
                break;
            }
            let declared = context.roster.roles.iter().find(|other| other.name.value == *name);
            next = declared.and_then(|other| other.extends.as_ref()).map(|base| &base.value);
        }
    }
}

/// Every role an agent may name.
pub(super) fn known_roles(context: &Context<'_>) -> Vec<String> {
    let declared = context.roster.roles.iter().map(|role| role.name.value.as_str().to_owned());
    declared.chain(super::builtin::ROLES.iter().map(|(name, _)| (*name).to_owned())).collect()
}

/// Agents that wait for each other can never all start.
pub(super) fn cycles(agents: &[Agent], diagnostics: &mut Diagnostics) {
    let by_name: BTreeMap<&AgentName, &Agent> = agents.iter().map(|agent| (&agent.name, agent)).collect();
    let mut waits: BTreeMap<&AgentName, usize> = BTreeMap::new();
    let mut followers: BTreeMap<&AgentName, Vec<&AgentName>> = BTreeMap::new();
    for agent in agents {
        let known = agent.after.iter().filter(|name| by_name.contains_key(name));
        waits.insert(&agent.name, known.clone().count());
        for name in known {
            followers.entry(name).or_default().push(&agent.name);
        }
    }
    let mut ready: Vec<&AgentName> = waits.iter().filter(|(_, count)| **count == 0).map(|(name, _)| *name).collect();
    let mut done: BTreeSet<&AgentName> = BTreeSet::new();
    while let Some(name) = ready.pop() {
        done.insert(name);
        for follower in followers.get(name).into_iter().flatten() {
            let count = waits.entry(follower).or_default();
            *count -= 1;
            if *count == 0 {
                ready.push(follower);
            }
        }
    }
    let Some(start) = agents.iter().find(|agent| !done.contains(&agent.name)) else { return };
    let mut walk = vec![start];
    loop {
        let last = walk[walk.len() - 1];
        let next = last.after.iter().find(|name| !done.contains(*name));
        let Some(next) = next.and_then(|name| agents.iter().find(|agent| agent.name == *name)) else { return };
        if let Some(at) = walk.iter().position(|agent| agent.name == next.name) {
            let circle = &walk[at..];
            let names: Vec<_> = circle.iter().chain([&next]).map(|agent| format!("`{}`", agent.name)).collect();
            let message = format!("these agents wait for each other: {}", names.join(" after "));
            let mut diagnostic = Diagnostic::error(Code::Cycle, message).help("take one `after` out of the circle");
            for agent in circle {
                let next = agent.after.iter().find(|name| circle.iter().any(|other| other.name == **name));
                let label = next.map_or_else(String::new, |name| format!("waits for `{name}`"));
                diagnostic = diagnostic.at(agent.span, label);
            }
            diagnostics.report(diagnostic);
            return;
        }
        walk.push(next);
    }
}

/// Every agent needs a socket, and its path has to fit.
pub(super) fn sockets(agents: &[Agent], context: &Context<'_>, diagnostics: &mut Diagnostics) {
    let length = |paths: &Paths, name| paths.socket(name).as_os_str().len();
    for agent in agents {
        let bytes = length(&context.paths, &agent.name);
        if bytes > SOCKET_PATH_MAX {
            let path = context.paths.socket(&agent.name);
            let message = format!(
                "the socket of `{}` would be {bytes} bytes long; Unix sockets end at {SOCKET_PATH_MAX}",
                agent.name
            );
            let help = format!(
                "{}\nshorten the fleet's id or the agent's name, or set XDG_RUNTIME_DIR (or XDG_STATE_HOME) to a shorter folder",
                path.display()
            );
            diagnostics.report(Diagnostic::error(Code::SocketPath, message).at(agent.span, "").help(help));
        }
    }
}

/// systemd starts the shim from the state folder, and refuses some characters in a program's path.
pub(super) fn state_folder(context: &Context<'_>, diagnostics: &mut Diagnostics) {
    let path = context.paths.state.display().to_string();
    if let Some(bad) = path.chars().find(|c| matches!(c, '"' | '\'' | '\\' | ':') || c.is_control()) {
        let message =
            format!("fleet's state folder has {bad:?} in its path, which systemd takes in no program's path");
        let help = format!(
            "{}\nset XDG_STATE_HOME to a folder without quotes, backslashes, colons and control characters",
            path.escape_debug()
        );
        let place = context.roster.id.as_ref().map_or(context.roster.end, |id| id.span);
        diagnostics.report(Diagnostic::error(Code::StateFolder, message).at(place, "").help(help));
    }
}

/// The workspace stands on a name of its own, so that it is checked even when no agent uses it.
pub(super) fn workspace(context: &Context<'_>, diagnostics: &mut Diagnostics) {
    let Some(workspace) = &context.roster.workspace else { return };
    if workspace.value.is_empty() {
        let diagnostic =
            Diagnostic::error(Code::BadValue, "the workspace is an empty path").at(workspace.span, "here");
        diagnostics.report(diagnostic.help("write `workspace \".\"` for the roster's own folder"));
    }
}
