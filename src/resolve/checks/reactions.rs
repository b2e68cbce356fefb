//! Reactions: whom they address, and whether those may do what is asked.

use super::super::{Context, Member};
use super::{Names, usage};
use crate::diagnostic::{Code, Diagnostic, Diagnostics, suggest};
use crate::manifest::AgentKind;
use crate::roster::model::Spanned;
use crate::roster::preview::{Action, Reaction};
use crate::roster::schema::TARGET_WORDS;

/// Events whose answer is a change of the code.
const FIXES: &[&str] = &["ci-failed", "changes-requested", "merge-conflict"];

/// Events that only a forge reports.
const OF_THE_FORGE: &[&str] = &[
    "ci-failed",
    "ci-passed",
    "changes-requested",
    "approved",
    "approved-and-green",
    "merge-conflict",
    "pr-opened",
    "pr-closed",
    "issue-opened",
    "issue-closed",
];

/// Every reaction and everything it does.
pub(super) fn reactions(context: &Context<'_>, members: &[Member<'_>], names: &Names, diagnostics: &mut Diagnostics) {
    for reaction in &context.roster.reactions {
        source(context, reaction, diagnostics);
        for action in &reaction.actions {
            match action {
                Action::Send { to, .. } if target(context, members, names, to, diagnostics) => {
                    fixer(reaction, members, to, diagnostics);
                }
                Action::Notify(to) | Action::Escalate { to: Some(to), .. } => {
                    target(context, members, names, to, diagnostics);
                }
                Action::Start(agent) => {
                    let to = Spanned::new(agent.value.as_str().to_owned(), agent.span);
                    if names.contains_key(&agent.value) {
                        fixer(reaction, members, &to, diagnostics);
                    } else {
                        let message = format!("there is no agent `{}`", agent.value);
                        let help = suggest::did_you_mean(
                            agent.value.as_str(),
                            names.keys().map(crate::ids::AgentName::as_str),
                        );
                        let diagnostic = Diagnostic::error(Code::UnknownAgent, message).at(agent.span, "unknown");
                        diagnostics.report(diagnostic.maybe_help(help));
                    }
                }
                Action::Require(gate) => usage::gate(context, gate, diagnostics),
                _ => {}
            }
        }
    }
}

/// News of a forge come from a forge.
fn source(context: &Context<'_>, reaction: &Reaction, diagnostics: &mut Diagnostics) {
    let event = reaction.event.value.as_str();
    if OF_THE_FORGE.contains(&event) && !context.roster.nodes.iter().any(|node| node.spec.name == "forge") {
        let message = format!("nothing reports `{event}`: the roster names no forge");
        let diagnostic =
            Diagnostic::warning(Code::NoSource, message).at(reaction.event.span, "never happens by itself");
        diagnostics.report(diagnostic.help("add `forge \"github\" repo=\"OWNER/NAME\" { … }`"));
    }
}

/// Whether `to` is somebody.
fn target(
    context: &Context<'_>,
    members: &[Member<'_>],
    names: &Names,
    to: &Spanned<String>,
    diagnostics: &mut Diagnostics,
) -> bool {
    let kind = |kind| members.iter().any(|member| member.node.kind == kind);
    let known = match to.value.as_str() {
        "author" => true,
        "orchestrator" if kind(AgentKind::Orchestrator) => true,
        "enhancer" if kind(AgentKind::Enhancer) => true,
        name => names.contains_key(name) || usage::is_connector(context, name),
    };
    if !known {
        let message = format!("there is nobody called `{}` to address", to.value);
        let connectors = context.roster.connectors.iter().map(|found| found.name.value.as_str());
        let words = TARGET_WORDS.iter().copied().filter(|word| match *word {
            "orchestrator" => kind(AgentKind::Orchestrator),
            "enhancer" => kind(AgentKind::Enhancer),
            _ => true,
        });
        let all: Vec<&str> = names.keys().map(crate::ids::AgentName::as_str).chain(connectors).chain(words).collect();
        let help = suggest::did_you_mean(&to.value, all);
        diagnostics.report(Diagnostic::error(Code::UnknownTarget, message).at(to.span, "unknown").maybe_help(help));
    }
    known
}

/// Work that changes code needs somebody who may code.
fn fixer(reaction: &Reaction, members: &[Member<'_>], to: &Spanned<String>, diagnostics: &mut Diagnostics) {
    let event = reaction.event.value.as_str();
    if !FIXES.contains(&event) || members.iter().any(|member| !member.role.known) {
        return;
    }
    let may_code = |member: &&Member<'_>| member.role.may.contains("code");
    let coders: Vec<_> = members.iter().filter(may_code).map(|member| member.node.name.value.as_str()).collect();
    let addressed = |member: &&Member<'_>| {
        member.node.name.value.as_str() == to.value
            || member.instances.iter().any(|(name, _)| name.as_str() == to.value)
            || (to.value == "enhancer" && member.node.kind == AgentKind::Enhancer)
    };
    let (message, place) = match to.value.as_str() {
        // The author coded, and an orchestrator hands the work on: both need a coder to be there.
        "author" | "orchestrator" if coders.is_empty() => {
            (format!("nobody in this fleet may code, so nobody can answer `{event}`"), None)
        }
        "author" | "orchestrator" => return,
        _ => match members.iter().find(addressed) {
            Some(member) if member.node.kind == AgentKind::Orchestrator && !coders.is_empty() => return,
            Some(member) if !may_code(&member) => {
                (format!("`{}` may not code, and `{event}` asks for a change of the code", to.value), Some(member))
            }
            _ => return,
        },
    };
    let help = if coders.is_empty() {
        "add an agent whose role may code, such as `role \"coder\"`".to_owned()
    } else {
        format!("send it to \"author\", or to one who may code: {}", suggest::list(&coders))
    };
    let mut diagnostic = Diagnostic::error(Code::CannotFix, message).at(to.span, "here").help(help);
    if let Some(member) = place {
        diagnostic = diagnostic.at(member.node.name.span, "this agent");
    }
    diagnostics.report(diagnostic);
}
