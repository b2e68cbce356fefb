//! The roles of the roster.

use std::collections::{BTreeMap, BTreeSet};

use super::super::roles::MAX_CHAIN;
use super::super::{Context, builtin};
use crate::diagnostic::{Code, Diagnostic, Diagnostics, suggest};
use crate::ids::RoleName;

/// Roles declared twice, or built on roles that are not there or on themselves.
pub(in crate::resolve) fn declared(context: &Context<'_>, diagnostics: &mut Diagnostics) {
    let mut seen: BTreeMap<_, _> = BTreeMap::new();
    let mut circles: BTreeSet<&RoleName> = BTreeSet::new();
    for role in &context.roster.roles {
        if let Some(first) = seen.insert(&role.name.value, role.name.span) {
            let message = format!("two roles are called `{}`", role.name.value);
            let diagnostic = Diagnostic::error(Code::DuplicateRole, message).at(role.name.span, "again here");
            diagnostics.report(diagnostic.at(first, "first here").help("keep one of them"));
        }
        let Some(base) = &role.extends else { continue };
        if !context.roles.contains_key(&base.value) && !context.inputs.roles.contains_key(&base.value) {
            let message = format!("there is no role `{}`", base.value);
            let known = known(context);
            let help = suggest::did_you_mean(base.value.as_str(), known.iter().map(String::as_str));
            diagnostics
                .report(Diagnostic::error(Code::UnknownRole, message).at(base.span, "unknown").maybe_help(help));
        }
        let mut chain = BTreeSet::from([&role.name.value]);
        let mut next = Some(&base.value);
        while let Some(name) = next {
            if !chain.insert(name) {
                // Once for a circle, whoever is in it.
                if chain.iter().any(|member| circles.contains(*member)) {
                    break;
                }
                circles.extend(&chain);
                let message = format!("the role `{}` extends itself", role.name.value);
                let diagnostic = Diagnostic::error(Code::Cycle, message).at(base.span, "the circle closes here");
                diagnostics.report(diagnostic.help("take one `extends=` out"));
                break;
            }
            if chain.len() > MAX_CHAIN {
                let message = format!("more than {MAX_CHAIN} roles extend each other");
                let diagnostic = Diagnostic::error(Code::Cycle, message).at(base.span, "the chain from here");
                diagnostics.report(diagnostic.help("say shared settings in `defaults`, or in fewer roles"));
                break;
            }
            let declared = context.roles.get(name);
            next = declared.and_then(|other| other.extends.as_ref()).map(|base| &base.value);
        }
    }
}

/// Every role an agent may name.
pub(in crate::resolve) fn known(context: &Context<'_>) -> Vec<String> {
    let declared = context.roster.roles.iter().map(|role| role.name.value.as_str().to_owned());
    declared.chain(builtin::ROLES.iter().map(|(name, _)| (*name).to_owned())).collect()
}
