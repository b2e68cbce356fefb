//! `role` at the top of the roster.

use super::{role_name, settings};
use crate::diagnostic::Diagnostics;
use crate::roster::check::Node;
use crate::roster::model::RoleNode;

pub(super) fn role(node: &Node, diagnostics: &mut Diagnostics) -> Option<RoleNode> {
    let settings = settings::part(&node.children, diagnostics);
    Some(RoleNode {
        name: role_name(node.arguments.first())?,
        extends: role_name(node.properties.get("extends")),
        may: node.child("may").map(|may| may.texts().into_iter().map(|word| word.value).collect()),
        settings,
    })
}
