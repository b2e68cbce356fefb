//! What is declared and used by nobody, and what is used and not declared.

use super::super::{Context, Member};
use crate::diagnostic::{Code, Diagnostic, Diagnostics, Span, suggest};
use crate::roster::model::Spanned;
use crate::roster::preview::{Action, Condition, Gate};

/// The connector that is always there.
pub(super) const MESSAGES: &str = "messages";

/// Whether there is a connector of this name.
pub(super) fn is_connector(context: &Context<'_>, name: &str) -> bool {
    name == MESSAGES || context.roster.connectors.iter().any(|found| found.name.value.as_str() == name)
}

/// Connectors that agents and routes name.
pub(super) fn references(context: &Context<'_>, members: &[Member<'_>], diagnostics: &mut Diagnostics) {
    let named = members.iter().filter_map(|member| member.node.connector.as_ref());
    for wanted in named {
        connector(context, wanted.value.as_str(), wanted.span, diagnostics);
    }
    for route in &context.roster.routes {
        if route.to.is_empty() {
            let message = format!("messages of level `{}` go nowhere", route.level.value);
            let diagnostic = Diagnostic::error(Code::MissingChild, message).at(route.level.span, "incomplete");
            diagnostics.report(diagnostic.help("add `to \"CONNECTOR\"` inside its braces"));
        }
        for to in &route.to {
            connector(context, &to.value, to.span, diagnostics);
        }
    }
    let levels = context.roster.routes.iter().map(|route| ("routes", route.level.value.as_str(), route.level.span));
    super::twins(levels, diagnostics);
}

pub(super) fn connector(context: &Context<'_>, name: &str, span: Span, diagnostics: &mut Diagnostics) {
    if is_connector(context, name) {
        return;
    }
    let known = context.roster.connectors.iter().map(|found| found.name.value.as_str()).chain([MESSAGES]);
    let message = format!("there is no connector `{name}`");
    let help = match suggest::nearest(name, known) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("declare it: `connector \"{name}\" kind=\"…\" {{ … }}`; `messages` is always there"),
    };
    diagnostics.report(Diagnostic::error(Code::UnknownConnector, message).at(span, "unknown").help(help));
}

/// Connectors and gates that nothing names.
pub(super) fn unused(context: &Context<'_>, members: &[Member<'_>], diagnostics: &mut Diagnostics) {
    let roster = context.roster;
    let mut used: Vec<&str> =
        members.iter().filter_map(|member| Some(member.node.connector.as_ref()?.value.as_str())).collect();
    used.extend(roster.routes.iter().flat_map(|route| &route.to).map(|to| to.value.as_str()));
    let mut required: Vec<&str> = Vec::new();
    for action in roster.reactions.iter().flat_map(|reaction| &reaction.actions) {
        match action {
            Action::Send { to, .. } | Action::Notify(to) | Action::Escalate { to: Some(to), .. } => {
                used.push(&to.value);
            }
            Action::Require(gate) => required.push(gate.value.as_str()),
            _ => {}
        }
    }
    used.extend(roster.gates.iter().flat_map(approvers));
    for connector in &roster.connectors {
        let name = connector.name.value.as_str();
        if !used.contains(&name) {
            let message = format!("nobody uses the connector `{name}`");
            let diagnostic =
                Diagnostic::warning(Code::UnusedConnector, message).at(connector.name.span, "declared here");
            let help = format!("add `connector \"{name}\"` to an agent, or name it in a `route` or a reaction");
            diagnostics.report(diagnostic.help(help));
        }
    }
    for gate in &roster.gates {
        if !required.contains(&gate.name.value.as_str()) {
            let message = format!("nothing requires the gate `{}`", gate.name.value);
            let diagnostic = Diagnostic::warning(Code::UnusedGate, message).at(gate.name.span, "declared here");
            let help = format!(
                "add `require gate=\"{}\"` to a reaction, as in `on \"approved-and-green\"`",
                gate.name.value
            );
            diagnostics.report(diagnostic.help(help));
        }
    }
}

fn approvers(gate: &Gate) -> Vec<&str> {
    let mut found = Vec::new();
    walk(&gate.conditions, &mut |condition| {
        if let Condition::Approval { by } = condition {
            found.push(by.value.as_str());
        }
    });
    found
}

/// Every condition, inside `all` and `any` too.
pub(super) fn walk<'a>(conditions: &'a [Condition], visit: &mut impl FnMut(&'a Condition)) {
    for condition in conditions {
        visit(condition);
        if let Condition::All(inside, _) | Condition::Any(inside, _) = condition {
            walk(inside, visit);
        }
    }
}

/// A gate that a reaction requires.
pub(super) fn gate(context: &Context<'_>, wanted: &Spanned<crate::ids::GateName>, diagnostics: &mut Diagnostics) {
    let known: Vec<_> = context.roster.gates.iter().map(|gate| gate.name.value.as_str()).collect();
    if known.contains(&wanted.value.as_str()) {
        return;
    }
    let message = format!("there is no gate `{}`", wanted.value);
    let help = suggest::did_you_mean(wanted.value.as_str(), known)
        .unwrap_or_else(|| format!("declare it: `gate \"{}\" {{ check \"tests\" run=\"…\" }}`", wanted.value));
    diagnostics.report(Diagnostic::error(Code::UnknownGate, message).at(wanted.span, "unknown").help(help));
}
