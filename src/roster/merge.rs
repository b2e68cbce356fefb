//! Lays the settings of a stronger place over those of a weaker one, by the schema's own rule for each node.

use super::check::{Node, Value};
use super::model::Spanned;
use super::schema::Merge;

/// `strong` over `weak`. Every value keeps the place it was written at.
#[must_use]
pub fn over(strong: &[Node], weak: &[Node]) -> Vec<Node> {
    let mut merged: Vec<Node> = Vec::with_capacity(strong.len() + weak.len());
    for node in strong {
        let twin = weak.iter().find(|other| is_same(node, other));
        let first = !merged.iter().any(|other| is_same(node, other));
        // Given twice in one place: reported where it was decoded, and the first one counts.
        if first {
            merged.push(twin.map_or_else(|| node.clone(), |twin| lay(node, twin)));
        }
    }
    for node in weak {
        if !merged.iter().any(|other| is_same(node, other)) {
            merged.push(node.clone());
        }
    }
    merged
}

/// Whether two nodes are the same setting.
fn is_same(one: &Node, other: &Node) -> bool {
    one.spec.name == other.spec.name && (one.spec.merge != Merge::Keyed || first(one) == first(other))
}

fn first(node: &Node) -> Option<&Value> {
    node.arguments.first().map(|argument| &argument.value)
}

fn lay(strong: &Node, weak: &Node) -> Node {
    let parts = match strong.spec.merge {
        Merge::Parts => true,
        Merge::SameName => first(strong) == first(weak),
        Merge::Keyed | Merge::Whole => false,
    };
    if !parts {
        return strong.clone();
    }
    // A value that was refused was reported; what the weaker place says stands in for it.
    let good = |value: &Spanned<Value>| value.value != Value::Invalid;
    let mut properties = weak.properties.clone();
    let said = strong.properties.iter().filter(|(_, value)| good(value));
    properties.extend(said.map(|(name, value)| (*name, value.clone())));
    let keep = strong.arguments.is_empty() || !strong.arguments.iter().all(good);
    Node {
        spec: strong.spec,
        span: strong.span,
        arguments: if keep { weak.arguments.clone() } else { strong.arguments.clone() },
        properties,
        children: over(&strong.children, &weak.children),
        meant: strong.meant.clone(),
    }
}
