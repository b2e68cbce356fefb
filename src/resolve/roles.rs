//! What an agent may do, its role text, and its role's settings.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::settings::prompt_text;
use super::{Context, checks, role_by_nature};
use crate::diagnostic::{Code, Diagnostic, Diagnostics, suggest};
use crate::ids::RoleName;
use crate::manifest::AgentKind;
use crate::roster::check::Node;
use crate::roster::decode::role_file::RoleFile;
use crate::roster::merge;
use crate::roster::model::{AgentNode, RoleNode, Roster, Spanned};

/// A role, all layers laid over each other.
#[derive(Debug, Default)]
pub(super) struct Role {
    pub name: Option<RoleName>,
    /// Whether it was found; otherwise nothing can be said of what it may do.
    pub known: bool,
    pub may: BTreeSet<String>,
    /// Being idle is its normal state.
    pub idle_ok: bool,
    pub text: Option<Arc<str>>,
    pub settings: Vec<Node>,
}

/// Longest chain of roles that extend each other.
pub(super) const MAX_CHAIN: usize = 64;

/// The roles of the roster by name; the first of two.
pub(super) fn by_name(roster: &Roster) -> BTreeMap<&RoleName, &RoleNode> {
    let mut found = BTreeMap::new();
    for role in &roster.roles {
        found.entry(&role.name.value).or_insert(role);
    }
    found
}

/// The role of `node`. A role of the roster lies over the one it extends, or over the role file of its own name.
pub(super) fn resolve(context: &Context<'_>, node: &AgentNode, diagnostics: &mut Diagnostics) -> Role {
    let by_nature = || role_by_nature(node.kind);
    let Some(name) = node.role.as_ref().map(|role| role.value.clone()).or_else(by_nature) else {
        return Role::default();
    };
    // A circle, or a longer chain, is reported by `checks::roles`.
    let Some(role) = layered(context, &name, MAX_CHAIN, diagnostics) else {
        let span = node.role.as_ref().map_or(node.span, |role| role.span);
        if !context.inputs.roles.contains_key(&name) {
            let known = checks::roles::known(context);
            let help = suggest::sentence(name.as_str(), known.iter().map(String::as_str));
            let help = format!(
                "{help} Or declare `role \"{name}\" {{ may \"…\" }}`, or write `roles/{name}.md` beside the roster"
            );
            let message = format!("there is no role `{name}`");
            diagnostics.report(Diagnostic::error(Code::UnknownRole, message).at(span, "unknown").help(help));
        }
        return Role { name: Some(name), ..Role::default() };
    };
    if node.kind == AgentKind::Enhancer
        && let Some(word) = ["code", "review"].into_iter().find(|word| role.may.contains(*word))
    {
        let message = format!("the enhancer's role `{name}` may `{word}`");
        let span = node.role.as_ref().map_or(node.name.span, |role| role.span);
        let help = "an enhancer improves the fleet and neither codes nor reviews: give this agent another role, or make it an `agent`";
        let mut diagnostic = Diagnostic::error(Code::Capability, message).at(span, "here").help(help);
        let declared = context.roles.get(&name);
        let said = declared.and_then(|role| role.may.as_ref()?.iter().find(|may| may.value == word));
        if let Some(said) = said {
            diagnostic = diagnostic.at(said.span, "allowed here");
        }
        diagnostics.report(diagnostic);
    }
    Role { name: Some(name), known: true, ..role }
}

fn layered(context: &Context<'_>, name: &RoleName, depth: usize, diagnostics: &mut Diagnostics) -> Option<Role> {
    let declared = context.roles.get(name);
    let file = context.inputs.roles.get(name).and_then(Option::as_ref);
    let from_file = |file: &RoleFile| Role {
        may: file.may.iter().cloned().collect(),
        idle_ok: file.idle_ok,
        text: (!file.text.is_empty()).then(|| Arc::clone(&file.text)),
        settings: file.settings.nodes.clone(),
        ..Role::default()
    };
    let Some(declared) = declared else { return file.map(from_file) };
    let base = match &declared.extends {
        Some(base) if depth > 0 => layered(context, &base.value, depth - 1, diagnostics),
        Some(_) => None,
        None => file.map(from_file),
    };
    let base = base.unwrap_or_default();
    let own = |may: &Vec<Spanned<String>>| may.iter().map(|word| word.value.clone()).collect();
    let text = declared.prompt.as_ref().and_then(|prompt| prompt_text(context, prompt, diagnostics)).map(Into::into);
    Some(Role {
        may: declared.may.as_ref().map_or(base.may, own),
        idle_ok: base.idle_ok,
        text: text.or(base.text),
        settings: merge::over(&declared.settings.nodes, &base.settings),
        ..Role::default()
    })
}
