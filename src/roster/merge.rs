//! Lays the settings of a stronger place over those of a weaker one, by the schema's own rule for each node.

use std::collections::{BTreeMap, BTreeSet};

use super::check::{Node, Value};
use super::model::Spanned;
use super::schema::Merge;

/// `strong` over `weak`. Every value keeps the place it was written at.
#[must_use]
pub fn over(strong: &[Node], weak: &[Node]) -> Vec<Node> {
    let mut weaker: BTreeMap<_, &Node> = BTreeMap::new();
    for node in weak {
        weaker.entry(key(node)).or_insert(node);
    }
    let mut merged: Vec<Node> = Vec::with_capacity(strong.len() + weak.len());
    let mut said = BTreeSet::new();
    for node in strong {
        // Given twice in one place: reported where it was decoded, and the first one counts.
        if said.insert(key(node)) {
            merged.push(weaker.get(&key(node)).map_or_else(|| node.clone(), |twin| lay(node, twin)));
        }
    }
    for node in weak {
        if said.insert(key(node)) {
            merged.push(node.clone());
        }
    }
    merged
}

/// What makes two nodes the same setting.
fn key(node: &Node) -> (&'static str, Option<&str>) {
    let text = match first(node) {
        Some(Value::Text(text)) if node.spec.merge == Merge::Keyed => Some(text.as_str()),
        _ => None,
    };
    (node.spec.name, text)
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
