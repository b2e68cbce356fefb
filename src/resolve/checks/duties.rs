//! What roles may do, held against what their agents are set up for.

use super::super::{Context, Member};
use crate::diagnostic::{Code, Diagnostic, Diagnostics, suggest};

/// A coder writes.
pub(super) fn worktrees(members: &[Member<'_>], diagnostics: &mut Diagnostics) {
    for member in members {
        let readonly = member.part.worktree.as_ref().and_then(|worktree| worktree.readonly.as_ref());
        let Some(readonly) = readonly.filter(|readonly| readonly.value) else { continue };
        if member.role.may.contains("code") {
            let message = format!("`{}` may code, and its worktree is for reading only", member.node.name.value);
            let diagnostic = Diagnostic::error(Code::Capability, message).at(readonly.span, "here");
            let help = "take `readonly=#true` out, or give the agent a role that does not code";
            diagnostics.report(diagnostic.at(member.node.name.span, "this agent").help(help));
        }
    }
}

/// The envelope of `compose`: its roles are known, the fleet is inside it, and somebody may use it.
pub(super) fn compose(context: &Context<'_>, members: &[Member<'_>], diagnostics: &mut Diagnostics) {
    let Some(compose) = &context.roster.compose else { return };
    let known = super::roles::known(context);
    for role in &compose.roles {
        let file = context.inputs.roles.contains_key(&role.value);
        if !file && !known.iter().any(|known| known == role.value.as_str()) {
            let message = format!("there is no role `{}`", role.value);
            let help = suggest::did_you_mean(role.value.as_str(), known.iter().map(String::as_str));
            diagnostics
                .report(Diagnostic::error(Code::UnknownRole, message).at(role.span, "unknown").maybe_help(help));
        }
    }
    let agents: usize = members.iter().map(|member| member.instances.len()).sum();
    if let Some(most) =
        compose.max_agents.as_ref().filter(|most| usize::try_from(most.value).is_ok_and(|most| most < agents))
    {
        let message = format!("the fleet has {agents} agents already, more than {}", most.value);
        let diagnostic = Diagnostic::error(Code::Envelope, message).at(most.span, "here");
        diagnostics.report(diagnostic.help(format!("write max-agents={agents} or more")));
    }
    let unknown = members.iter().any(|member| !member.role.known);
    if !unknown && !members.iter().any(|member| member.role.may.contains("compose")) {
        let message = "no agent may `compose`, so this envelope is for nobody";
        let diagnostic = Diagnostic::warning(Code::Envelope, message).at(compose.span, "here");
        diagnostics.report(diagnostic.help("add \"compose\" to a role's `may`, or remove the node"));
    }
}
