//! `role` at the top of the roster.

use super::{layer, role_name, settings};
use crate::diagnostic::Diagnostics;
use crate::roster::check::Node;
use crate::roster::model::RoleNode;

pub(super) fn role(node: &Node, diagnostics: &mut Diagnostics) -> Option<RoleNode> {
    let settings = layer(&node.children, diagnostics);
    let prompt = node.child("prompt").and_then(|prompt| settings::prompt(prompt, diagnostics));
    Some(RoleNode {
        name: role_name(node.arguments.first())?,
        extends: role_name(node.properties.get("extends")),
        may: node.child("may").map(Node::texts),
        prompt,
        settings,
    })
}
