//! The table as JSON, for editors and other tools.

use serde::Serialize;

use super::{CONNECTOR_KINDS, EVENTS, Kind, NodeSpec, Scope, specs};
use crate::roster::reference;

/// The whole language. Frozen as format 1; later versions add keys.
#[derive(Debug, Serialize)]
struct Language {
    format: u32,
    /// The language version, as in `fleet "…" version=1`.
    version: u32,
    scopes: Vec<Place>,
    nodes: Vec<Node>,
    events: &'static [&'static str],
    connector_kinds: Vec<Connector>,
}

#[derive(Debug, Serialize)]
struct Place {
    name: String,
    place: &'static str,
}

#[derive(Debug, Serialize)]
struct Node {
    name: &'static str,
    scope: String,
    usage: String,
    doc: &'static str,
    arguments: Vec<Value>,
    properties: Vec<Value>,
    /// Scopes of the nodes that may stand inside.
    children: Vec<String>,
    repeats: bool,
    #[serde(skip_serializing_if = "str::is_empty")]
    effect: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    default: Option<&'static str>,
}

#[derive(Debug, Serialize)]
struct Value {
    name: &'static str,
    kind: &'static str,
    describe: String,
    required: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    many: bool,
    #[serde(skip_serializing_if = "str::is_empty")]
    doc: &'static str,
    /// Bounds of an integer, or of a duration in milliseconds, both included.
    #[serde(skip_serializing_if = "Option::is_none")]
    min: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max: Option<u64>,
    #[serde(skip_serializing_if = "<[&str]>::is_empty")]
    values: &'static [&'static str],
}

#[derive(Debug, Serialize)]
struct Connector {
    name: &'static str,
    required: &'static [&'static str],
    optional: &'static [&'static str],
}

/// The language as JSON, indented.
///
/// # Panics
/// Never: the types always serialise.
#[must_use]
pub fn json() -> String {
    let language = Language {
        format: 1,
        version: 1,
        scopes: Scope::ALL.iter().map(|scope| Place { name: name(*scope), place: scope.place() }).collect(),
        nodes: specs().map(node).collect(),
        events: EVENTS,
        connector_kinds: CONNECTOR_KINDS
            .iter()
            .map(|kind| Connector { name: kind.name, required: kind.required, optional: kind.optional })
            .collect(),
    };
    serde_json::to_string_pretty(&language).expect("the table always serialises") + "\n"
}

fn name(scope: Scope) -> String {
    let mut out = String::new();
    for c in format!("{scope:?}").chars() {
        if c.is_ascii_uppercase() && !out.is_empty() {
            out.push('-');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

fn node(spec: &NodeSpec) -> Node {
    let arguments = spec.arguments.iter().map(|argument| {
        let name = argument.name.trim_matches('"');
        Value { many: argument.many, ..value(name, argument.kind, argument.required, "") }
    });
    let properties =
        spec.properties.iter().map(|property| value(property.name, property.kind, property.required, property.doc));
    Node {
        name: spec.name,
        scope: name(spec.scope),
        usage: spec.usage(),
        doc: spec.doc,
        arguments: arguments.collect(),
        properties: properties.collect(),
        children: spec.children.iter().map(|scope| name(*scope)).collect(),
        repeats: spec.repeats,
        effect: spec.effect.word(),
        status: reference::status_word(spec.status),
        default: reference::default_of(spec),
    }
}

fn value(name: &'static str, kind: Kind, required: bool, doc: &'static str) -> Value {
    let (min, max) = match kind {
        Kind::Integer(low, high) => (u64::try_from(low).ok(), u64::try_from(high).ok().filter(|_| high != i64::MAX)),
        Kind::Duration(low, high) => (Some(low).filter(|low| *low > 0), Some(high).filter(|high| *high != u64::MAX)),
        _ => (None, None),
    };
    let values = if let Kind::Word(words) = kind { words } else { &[] };
    Value { name, kind: kind.name(), describe: kind.describe(), required, many: false, doc, min, max, values }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_named_as_tools_write_names() {
        assert_eq!(name(Scope::RuntimeData), "runtime-data");
        assert_eq!(name(Scope::Top), "top");
        assert!(specs().all(|spec| Scope::ALL.contains(&spec.scope)), "Scope::ALL lacks a scope");
    }
}
