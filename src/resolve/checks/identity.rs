//! Former names and branches: what must belong to one agent alone.

use std::collections::BTreeMap;

use super::super::{Context, Member};
use super::Names;
use crate::diagnostic::{Code, Diagnostic, Diagnostics, Span};

/// `was` names an agent that is gone, and one agent takes over from it.
pub(super) fn former_names(members: &[Member<'_>], names: &Names, diagnostics: &mut Diagnostics) {
    let mut heirs: BTreeMap<&str, Span> = BTreeMap::new();
    for was in members.iter().filter_map(|member| member.node.was.as_ref()) {
        let name = was.value.as_str();
        let (message, other, label, help) = if names.contains_key(&was.value) {
            let owner = members.iter().find(|member| {
                member.node.name.value == was.value || member.instances.iter().any(|(own, _)| *own == was.value)
            });
            let message = format!("`{name}` is still the name of an agent");
            let help = "`was` names an agent that this one replaces: remove the other agent, or this line";
            (message, owner.map(|owner| owner.node.name.span), "this one", help)
        } else if let Some(first) = heirs.get(name) {
            let message = format!("two agents were `{name}`");
            (message, Some(*first), "first here", "keep the `was` of the one that goes on with its work")
        } else {
            heirs.insert(name, was.span);
            continue;
        };
        let mut diagnostic = Diagnostic::error(Code::Identity, message).at(was.span, "here").help(help);
        if let Some(other) = other {
            diagnostic = diagnostic.at(other, label);
        }
        diagnostics.report(diagnostic);
    }
}

/// git checks a branch out in one worktree only.
pub(super) fn branches(context: &Context<'_>, members: &[Member<'_>], diagnostics: &mut Diagnostics) {
    let mut owners: BTreeMap<&str, Span> = BTreeMap::new();
    for member in members {
        let Some(worktree) = &member.part.worktree else { continue };
        let Some(branch) = &worktree.branch else { continue };
        let error = |message: String| Diagnostic::error(Code::SharedBranch, message).at(branch.span, "here");
        let own = "take `branch=` out: then each has a branch of its own, \"fleet/FLEET/AGENT\"";
        if member.instances.len() > 1 {
            let message = format!("{} agents would work on the branch `{}`", member.instances.len(), branch.value);
            diagnostics.report(error(message).at(member.node.name.span, "these agents").help(own));
        } else if let Some(first) = owners.get(branch.value.as_str()) {
            let message = format!("two agents would work on the branch `{}`", branch.value);
            let mut diagnostic = error(message).help(own);
            // Both may have it from one line, of a role or of `defaults`.
            if *first == branch.span {
                diagnostic = diagnostic.at(member.node.name.span, "this agent and others");
            } else {
                diagnostic = diagnostic.at(*first, "first here");
            }
            diagnostics.report(diagnostic);
        } else if context.roster.base.as_ref() == Some(&branch.value) {
            let message = format!("`{}` is the branch that work starts from", branch.value);
            diagnostics.report(error(message).help(own));
        } else {
            owners.insert(&branch.value, branch.span);
        }
    }
}
