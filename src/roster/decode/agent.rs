//! `orchestrator`, `enhancer` and `agent`.

use super::{agent_name, layer, role_name};
use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::ids::ConnectorName;
use crate::manifest::AgentKind;
use crate::roster::check::{Node, Value};
use crate::roster::model::{AgentNode, Spanned};

pub(super) fn agent(node: &Node, kind: AgentKind, diagnostics: &mut Diagnostics) -> Option<AgentNode> {
    let settings = layer(&node.children, diagnostics);
    let role = node.child("role").and_then(|role| role_name(role.arguments.first()));
    if kind == AgentKind::Agent && node.child("role").is_none() && !node.meant.contains(&"role") {
        let message = "this agent has no role";
        let help = "add `role \"NAME\"` inside its braces; a role says what the agent may do";
        diagnostics.report(Diagnostic::error(Code::MissingChild, message).at(node.span, "incomplete").help(help));
    }
    let after = node.child("after").map(|after| after.arguments.iter().filter_map(agent_name).collect());
    let first = node.arguments.first()?;
    let Value::AgentName(name) = &first.value else { return None };
    Some(AgentNode {
        kind,
        span: node.span,
        name: Spanned::new(name.clone(), first.span),
        count: node.property_integer("count").and_then(|count| u32::try_from(count).ok()),
        host: node.property_text("host"),
        role,
        after: after.unwrap_or_default(),
        meant_runtime: node.meant.contains(&"runtime"),
        was: node.child("was").and_then(|was| agent_name(was.arguments.first()?)),
        connector: node.child("connector").and_then(|connector| {
            let name = connector.text(0)?;
            Some(Spanned::new(ConnectorName::new(&name.value).ok()?, name.span))
        }),
        digest_ms: node.child("digest").and_then(|digest| digest.property_amount("every")).map(|every| every.value),
        settings,
    })
}
