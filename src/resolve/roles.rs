//! What an agent may do, its role text, and its role's settings.

use std::collections::BTreeSet;

use super::{Context, checks};
use crate::diagnostic::{Code, Diagnostic, Diagnostics, suggest};
use crate::ids::RoleName;
use crate::manifest::AgentKind;
use crate::roster::decode::role_file::RoleFile;
use crate::roster::model::{AgentNode, SettingsPart};

/// A role, all layers laid over each other.
#[derive(Debug, Default)]
pub(super) struct Role {
    pub may: BTreeSet<String>,
    pub text: Option<String>,
    pub settings: SettingsPart,
}

/// The role of `node`. A role of the roster lies over the one it extends, or over the role file of its own name.
pub(super) fn resolve(
    context: &Context<'_>,
    node: &AgentNode,
    name: Option<&RoleName>,
    diagnostics: &mut Diagnostics,
) -> Role {
    let Some(name) = name else { return Role::default() };
    // A longer chain of `extends` is a circle, which `checks::roles` reports.
    let longest = context.roster.roles.len();
    let Some(role) = layered(context, name, longest) else {
        let span = node.role.as_ref().map_or(node.span, |role| role.span);
        if !context.inputs.roles.contains_key(name) {
            let known = checks::known_roles(context);
            let help = suggest::sentence(name.as_str(), known.iter().map(String::as_str));
            let help = format!(
                "{help} Or declare `role \"{name}\" {{ may \"…\" }}`, or write `roles/{name}.md` beside the roster"
            );
            let message = format!("there is no role `{name}`");
            diagnostics.report(Diagnostic::error(Code::UnknownRole, message).at(span, "unknown").help(help));
        }
        return Role::default();
    };
    if node.kind == AgentKind::Enhancer
        && let Some(word) = ["code", "review"].into_iter().find(|word| role.may.contains(*word))
    {
        let message = format!("the enhancer's role `{name}` may `{word}`");
        let span = node.role.as_ref().map_or(node.name.span, |role| role.span);
        let help = "an enhancer improves the fleet and neither codes nor reviews: give this agent another role, or make it an `agent`";
        diagnostics.report(Diagnostic::error(Code::Capability, message).at(span, "here").help(help));
    }
    role
}

fn layered(context: &Context<'_>, name: &RoleName, depth: usize) -> Option<Role> {
    let declared = context.roster.roles.iter().find(|role| role.name.value == *name);
    let file = context.inputs.roles.get(name).and_then(Option::as_ref);
    let from_file = |file: &RoleFile| Role {
        may: file.may.iter().cloned().collect(),
        text: (!file.text.is_empty()).then(|| file.text.clone()),
        settings: file.settings.clone(),
    };
    let Some(declared) = declared else { return file.map(from_file) };
    let base = match &declared.extends {
        Some(base) if depth > 0 => layered(context, &base.value, depth - 1),
        Some(_) => None,
        None => file.map(from_file),
    };
    let base = base.unwrap_or_default();
    Some(Role {
        may: declared.may.as_ref().map_or(base.may, |may| may.iter().cloned().collect()),
        text: base.text,
        settings: declared.settings.clone().over(base.settings),
    })
}
