//! Gates: whether anybody can give what they ask for.

use super::super::{Context, Member};
use super::usage::walk;
use crate::diagnostic::{Code, Diagnostic, Diagnostics, Span, suggest};
use crate::ids::RoleName;
use crate::roster::model::Spanned;
use crate::roster::preview::{Condition, Gate};

/// Every gate and every condition of it.
pub(super) fn gates(context: &Context<'_>, members: &[Member<'_>], diagnostics: &mut Diagnostics) {
    let gates = &context.roster.gates;
    for (index, gate) in gates.iter().enumerate() {
        let profile = |gate: &Gate| gate.profile.as_ref().map(|profile| profile.value.clone());
        let same = |other: &&Gate| other.name.value == gate.name.value && profile(other) == profile(gate);
        if let Some(first) = gates[..index].iter().find(same) {
            let message = format!("two gates are called `{}`", gate.name.value);
            let diagnostic = Diagnostic::error(Code::DuplicateName, message).at(gate.name.span, "again here");
            let help = "give one of them another name, or a `profile=` of its own";
            diagnostics.report(diagnostic.at(first.name.span, "first here").help(help));
        }
        let mut checks = Vec::new();
        walk(&gate.conditions, &mut |condition| match condition {
            Condition::Check { name, .. } => checks.push(("checks of this gate", name.value.as_str(), name.span)),
            Condition::Review { role, count, span } => review(context, members, role, *count, *span, diagnostics),
            Condition::Approval { by } => approval(context, by, diagnostics),
            _ => {}
        });
        super::twins(checks.into_iter(), diagnostics);
    }
}

/// A review needs agents of that role which may review, and the author never counts.
fn review(
    context: &Context<'_>,
    members: &[Member<'_>],
    role: &Spanned<RoleName>,
    count: u32,
    span: Span,
    diagnostics: &mut Diagnostics,
) {
    let of_role: Vec<_> = members.iter().filter(|member| member.role.name.as_ref() == Some(&role.value)).collect();
    let error = |message: String, help: String| {
        Diagnostic::error(Code::ReviewImpossible, message).at(role.span, "this role").help(help)
    };
    let Some(first) = of_role.first() else {
        let known: Vec<String> = super::roles::known(context);
        let message = format!("no agent has the role `{}`, so this review is never given", role.value);
        let given = members.iter().filter_map(|member| Some(member.role.name.as_ref()?.as_str()));
        let names: Vec<&str> = known.iter().map(String::as_str).chain(given).collect();
        let help = if names.contains(&role.value.as_str()) {
            format!("add an agent that has it: `agent \"reviewer\" {{ role \"{}\"; … }}`", role.value)
        } else {
            suggest::did_you_mean(role.value.as_str(), names).unwrap_or_default()
        };
        diagnostics.report(error(message, help));
        return;
    };
    if !first.role.known {
        return;
    }
    if !first.role.may.contains("review") {
        let message = format!("the role `{}` may not review", role.value);
        let can: Vec<_> = members
            .iter()
            .filter(|member| member.role.may.contains("review"))
            .filter_map(|member| member.role.name.as_ref().map(RoleName::as_str))
            .collect();
        let help = match can.as_slice() {
            [] => "name a role whose `may` holds \"review\", such as `code-review`".to_owned(),
            some => format!("roles of this fleet that may: {}", suggest::list(some)),
        };
        diagnostics.report(error(message, help).at(first.node.name.span, "an agent of it"));
        return;
    }
    // An agent that codes as well may be the author, and then does not count.
    let codes = first.role.may.contains("code");
    let agents: usize = of_role.iter().map(|member| member.instances.len()).sum();
    let needed = usize::try_from(count).unwrap_or(usize::MAX).saturating_add(usize::from(codes));
    if agents < needed {
        let why = if codes { "; one of them may be the author, who never counts" } else { "" };
        let (asked, there) = (suggest::count(count, "review"), suggest::count(agents as u64, "agent"));
        let message = format!("this asks for {asked}, and the fleet has {there} of role `{}`{why}", role.value);
        let help = format!("give the fleet {needed} of them (`count={needed}`), or ask for fewer");
        diagnostics.report(error(message, help).at(span, "this review"));
    }
}

fn approval(context: &Context<'_>, by: &Spanned<String>, diagnostics: &mut Diagnostics) {
    if by.value == "human" {
        return;
    }
    let connector = context.roster.connectors.iter().find(|found| found.name.value.as_str() == by.value);
    let (message, help) = match connector {
        None if by.value == super::usage::MESSAGES => (
            "`messages` is a list of fleet's own, and nobody can approve through it".to_owned(),
            "write `by=\"human\"`, or name a connector with `allow … may=\"approve\"`".to_owned(),
        ),
        None => {
            let known = context.roster.connectors.iter().map(|found| found.name.value.as_str()).chain(["human"]);
            let help = suggest::did_you_mean(&by.value, known.collect::<Vec<_>>()).unwrap_or_default();
            (format!("`{}` is neither \"human\" nor a connector", by.value), help)
        }
        Some(found) if found.allow.iter().any(|allow| allow.may == "approve") => return,
        Some(_) => (
            format!("nobody may approve through the connector `{}`", by.value),
            "add `allow \"SENDER\" may=\"approve\"` to it".to_owned(),
        ),
    };
    diagnostics.report(Diagnostic::error(Code::ApprovalImpossible, message).at(by.span, "here").help(help));
}
