//! `models` and `layout` at the top of the roster.

use super::{agent_name, role_name};
use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::ids::ChainName;
use crate::roster::check::{Node, Value};
use crate::roster::model::{Chain, Pane, Spanned, Use, Window};

pub(super) fn chain(node: &Node, diagnostics: &mut Diagnostics) -> Option<Chain> {
    if node.children.is_empty() {
        let diagnostic = Diagnostic::error(Code::MissingChild, "this chain names no model").at(node.span, "here");
        diagnostics.report(diagnostic.help("add `use \"MODEL\"` inside its braces, the first choice first"));
    }
    let name = node.text(0)?;
    Some(Chain {
        name: Spanned::new(ChainName::new(&name.value).ok()?, name.span),
        uses: node.children.iter().filter_map(one).collect(),
    })
}

fn one(node: &Node) -> Option<Use> {
    let runtime = node.properties.get("runtime").and_then(|runtime| match &runtime.value {
        Value::RuntimeName(name) => Some(Spanned::new(name.clone(), runtime.span)),
        _ => None,
    });
    Some(Use { model: node.text(0)?, runtime, effort: node.property_text("effort") })
}

pub(super) fn windows(node: &Node, diagnostics: &mut Diagnostics) -> Vec<Window> {
    if node.children.is_empty() {
        let diagnostic = Diagnostic::error(Code::MissingChild, "this layout has no window").at(node.span, "here");
        diagnostics.report(diagnostic.help("add `window \"TITLE\" { pane \"AGENT\" }`, or remove it"));
    }
    let windows = node.children.iter().filter_map(|window| {
        if window.children.is_empty() {
            let diagnostic = Diagnostic::error(Code::MissingChild, "this window has no pane").at(window.span, "here");
            diagnostics.report(diagnostic.help("add `pane \"AGENT\"` or `pane role=\"ROLE\"` inside its braces"));
        }
        Some(Window {
            title: window.text(0)?,
            arrange: window.property_text("arrange").map(|arrange| arrange.value),
            panes: window.children.iter().filter_map(|found| pane(found, diagnostics)).collect(),
        })
    });
    windows.collect()
}

fn pane(node: &Node, diagnostics: &mut Diagnostics) -> Option<Pane> {
    match (node.arguments.first(), node.properties.get("role")) {
        (Some(agent), None) => agent_name(agent).map(Pane::Agent),
        (None, role @ Some(_)) => role_name(role).map(Pane::Role),
        (agent, _) => {
            let message = if agent.is_some() { "a pane is an agent's or a role's, not both" } else { "whose pane?" };
            let diagnostic = Diagnostic::error(Code::BadValue, message).at(node.span, "here");
            diagnostics.report(diagnostic.help("write `pane \"AGENT\"` or `pane role=\"ROLE\"`"));
            None
        }
    }
}
