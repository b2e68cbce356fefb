//! The viewer's windows.

use super::super::{Context, Member};
use super::Names;
use crate::diagnostic::{Code, Diagnostic, Diagnostics, suggest};
use crate::ids::AgentName;
use crate::roster::model::Pane;

/// Panes of agents and roles that are there; a title stands once.
pub(super) fn panes(context: &Context<'_>, members: &[Member<'_>], names: &Names, diagnostics: &mut Diagnostics) {
    let windows = &context.roster.layout;
    super::twins(
        windows.iter().map(|window| ("windows", window.title.value.as_str(), window.title.span)),
        diagnostics,
    );
    for pane in windows.iter().flat_map(|window| &window.panes) {
        let (message, span, help) = match pane {
            Pane::Agent(agent) if names.contains_key(&agent.value) => continue,
            Pane::Agent(agent) => (
                format!("there is no agent `{}`", agent.value),
                agent.span,
                suggest::did_you_mean(agent.value.as_str(), names.keys().map(AgentName::as_str)),
            ),
            Pane::Role(role) => {
                let given: Vec<&str> =
                    members.iter().filter_map(|member| Some(member.role.name.as_ref()?.as_str())).collect();
                if given.contains(&role.value.as_str()) {
                    continue;
                }
                (
                    format!("no agent has the role `{}`", role.value),
                    role.span,
                    suggest::did_you_mean(role.value.as_str(), given),
                )
            }
        };
        diagnostics.report(Diagnostic::error(Code::LayoutPane, message).at(span, "nobody").maybe_help(help));
    }
}
