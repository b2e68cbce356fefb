//! Checks of the whole program.

mod duties;
mod gates;
mod identity;
mod layout;
pub(super) mod order;
mod reactions;
pub(super) mod roles;
mod usage;

use std::collections::BTreeMap;

use super::{Agent, Context, Member, Paths, models};
use crate::diagnostic::{Code, Diagnostic, Diagnostics, Span};
use crate::ids::AgentName;
use crate::manifest::{AgentKind, SOCKET_PATH_MAX};
use crate::roster::model::{AgentNode, Roster};

/// Every name that can be addressed, with the agents it stands for.
pub(super) type Names = BTreeMap<AgentName, Vec<AgentName>>;

/// The checks that need every agent with its role.
pub(super) fn whole(context: &Context<'_>, members: &[Member<'_>], names: &Names, diagnostics: &mut Diagnostics) {
    let roster = context.roster;
    models::twins(&roster.chains, diagnostics);
    twins(
        roster.connectors.iter().map(|found| ("connectors", found.name.value.as_str(), found.name.span)),
        diagnostics,
    );
    for connector in &roster.connectors {
        let name = connector.name.value.as_str();
        if let Some(agent) = roster.agents.iter().find(|agent| agent.name.value.as_str() == name) {
            let message = format!("an agent and a connector are both called `{name}`");
            let diagnostic = Diagnostic::error(Code::DuplicateName, message).at(connector.name.span, "the connector");
            let help = "give one of them another name: `to=` takes both";
            diagnostics.report(diagnostic.at(agent.name.span, "the agent").help(help));
        }
    }
    identity::former_names(members, names, diagnostics);
    identity::branches(context, members, diagnostics);
    layout::panes(context, members, names, diagnostics);
    duties::worktrees(members, diagnostics);
    duties::compose(context, members, diagnostics);
    gates::gates(context, members, diagnostics);
    reactions::reactions(context, members, names, diagnostics);
    usage::references(context, members, diagnostics);
    // What is unused may only be misspelt where it is used.
    if !diagnostics.has_errors() {
        usage::unused(context, members, diagnostics);
    }
}

/// Reports names that stand twice: the kind in the plural, the name, its place.
pub(super) fn twins<'a>(named: impl Iterator<Item = (&'static str, &'a str, Span)>, diagnostics: &mut Diagnostics) {
    let mut seen: BTreeMap<&str, Span> = BTreeMap::new();
    for (kind, name, span) in named {
        if let Some(first) = seen.get(name) {
            let message = format!("two {kind} are called `{name}`");
            let diagnostic = Diagnostic::error(Code::DuplicateName, message).at(span, "again here");
            diagnostics.report(diagnostic.at(*first, "first here").help("give one of them another name"));
        } else {
            seen.insert(name, span);
        }
    }
}

/// One orchestrator and at least one enhancer, unless the roster says why not.
pub(super) fn floor(roster: &Roster, diagnostics: &mut Diagnostics) {
    let of = |kind| roster.agents.iter().filter(move |agent| agent.kind == kind);
    let declares =
        |node: &crate::roster::check::Node| matches!(node.spec.name, "orchestrator" | "enhancer" | "agent");
    if !roster.nodes.iter().any(declares) {
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
    // A node whose name was refused is there all the same.
    let stands = |kind: &str| roster.nodes.iter().any(|node| node.spec.name == kind);
    let missing: Vec<_> =
        [("orchestrator", "lead"), ("enhancer", "mender")].into_iter().filter(|(kind, _)| !stands(kind)).collect();
    if missing.is_empty() {
        return;
    }
    let runtime = roster
        .defaults
        .part
        .runtime
        .as_ref()
        .or_else(|| roster.agents.iter().find_map(|agent| agent.settings.part.runtime.as_ref()))
        .map_or("claude", |runtime| runtime.name.value.as_str());
    let body =
        if roster.defaults.part.runtime.is_some() { String::new() } else { format!(" {{ runtime \"{runtime}\"; }}") };
    let lines: Vec<_> = missing.iter().map(|(kind, name)| format!("    {kind} \"{name}\"{body}")).collect();
    let words: Vec<_> = missing.iter().map(|(kind, _)| format!("no {kind}")).collect();
    let message = format!("the fleet has {}", words.join(" and "));
    let help = format!(
        "add to the roster:\n{}\nor, for a fleet that needs none:\n    floor \"exempt\" reason=\"one agent on trial\"",
        lines.join("\n")
    );
    diagnostics.report(Diagnostic::error(Code::Floor, message).at(roster.end, "the roster ends here").help(help));
}

/// Most agents of one fleet, groups spelt out.
const MAX_AGENTS: u64 = 4_000;

/// Whether the groups spelt out are a fleet that one machine can hold.
pub(super) fn few_enough(roster: &Roster, diagnostics: &mut Diagnostics) -> bool {
    let size = |node: &AgentNode| u64::from(node.count.unwrap_or(1));
    let total: u64 = roster.agents.iter().map(size).sum();
    if total <= MAX_AGENTS {
        return true;
    }
    let message = format!("the roster declares {total} agents; the limit is {MAX_AGENTS}");
    let largest = roster.agents.iter().max_by_key(|node| size(node));
    let place = largest.map_or(roster.end, |node| node.name.span);
    let diagnostic = Diagnostic::error(Code::TooLarge, message).at(place, "the largest group");
    diagnostics.report(diagnostic.help("lower `count=`"));
    false
}

/// Finds names that stand twice, groups spelt out, and returns what can be addressed.
pub(super) fn names(roster: &Roster, diagnostics: &mut Diagnostics) -> Names {
    let mut names = Names::new();
    for node in &roster.agents {
        let kind = super::kind_word(node.kind);
        let own = node.name.value.as_str();
        if matches!(own, "orchestrator" | "enhancer") && own != kind {
            let message = format!("`{own}` is what this fleet's {own} is addressed by");
            let diagnostic = Diagnostic::error(Code::BadName, message).at(node.name.span, "another agent");
            diagnostics.report(diagnostic.help("give this agent another name"));
        }
    }
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
    let refused =
        |c: &char| matches!(c, '"' | '\'' | '\\' | ':') || c.is_control() || super::variables::is_noncharacter(*c);
    let up = context.paths.state.components().any(|part| part == std::path::Component::ParentDir);
    // It would ignore the env file of a path that goes up, and start the agent without.
    let bad = path.chars().find(refused).map(|bad| format!("{bad:?}")).or_else(|| up.then(|| "`..`".to_owned()));
    if let Some(bad) = bad {
        let message = format!("fleet's state folder has {bad} in its path, which systemd takes in no program's path");
        let help = format!(
            "{}\nset XDG_STATE_HOME to a folder without `..`, quotes, backslashes, colons and control characters",
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
