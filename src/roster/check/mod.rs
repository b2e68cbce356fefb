//! Holds a document against the schema: every node, argument and property, all mistakes at once.
//!
//! What passes is returned as [`Node`]s whose values have the schema's types, so decoders only move them into place. A
//! value that did not pass becomes [`Value::Invalid`]: it was reported here, and nothing is said about it again.

use std::collections::BTreeMap;

mod values;

use super::document::{RawNode, RawValue};
use super::model::Spanned;
use super::schema::{self, Argument, NodeSpec, Scope};
use crate::diagnostic::suggest::{did_you_mean, list, nearest};
use crate::diagnostic::{Code, Diagnostic, Diagnostics, Span};
use crate::ids::{AgentName, FleetId, RoleName, RuntimeName};
use crate::manifest::SecretSource;
use values::convert;

/// A node that the schema knows, with typed values.
#[derive(Debug, Clone)]
pub struct Node {
    pub spec: &'static NodeSpec,
    pub span: Span,
    pub arguments: Vec<Spanned<Value>>,
    pub properties: BTreeMap<&'static str, Spanned<Value>>,
    pub children: Vec<Node>,
    /// What unknown nodes inside were most likely meant to be: those are not missing.
    pub meant: Vec<&'static str>,
}

/// A value of a type that the schema asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Texts, paths, words, patterns, and the names of what is not an agent, role or runtime.
    Text(String),
    Integer(i64),
    Flag(bool),
    /// Milliseconds, bytes, per cent or minutes after midnight.
    Amount(u64),
    Secret(SecretSource),
    FleetId(FleetId),
    AgentName(AgentName),
    RoleName(RoleName),
    RuntimeName(RuntimeName),
    /// Already reported.
    Invalid,
}

/// Checks `raw` nodes that stand in `scopes`.
pub fn check(raw: &[RawNode], scopes: &[Scope], diagnostics: &mut Diagnostics) -> Vec<Node> {
    inside(raw, scopes, diagnostics).0
}

/// Checks the top-level nodes of a roster. Also returns what the unknown ones were most likely meant to be.
pub fn check_top(raw: &[RawNode], diagnostics: &mut Diagnostics) -> (Vec<Node>, Vec<&'static str>) {
    inside(raw, &[Scope::Top], diagnostics)
}

/// The nodes, and what the unknown ones were meant to be.
fn inside(raw: &[RawNode], scopes: &[Scope], diagnostics: &mut Diagnostics) -> (Vec<Node>, Vec<&'static str>) {
    let mut nodes: Vec<Node> = Vec::new();
    let mut meant = Vec::new();
    for found in raw {
        let Some(spec) = schema::find(scopes, &found.name) else {
            meant.extend(unknown(found, scopes, diagnostics));
            continue;
        };
        let twin = nodes.iter().find(|node| !spec.repeats && node.spec.name == spec.name);
        if let Some(first) = twin {
            let diagnostic = Diagnostic::error(Code::DuplicateNode, format!("`{}` stands twice", spec.name));
            let diagnostic = diagnostic.at(found.span, "again here").at(first.span, "first here");
            diagnostics.report(diagnostic.help("keep one of them"));
        }
        meant.extend(found.arguments.iter().skip(spec.arguments.len()).filter_map(|(raw, _)| forgotten(raw, scopes)));
        let node = one(found, spec, scopes, diagnostics);
        if twin.is_none() {
            nodes.push(node);
        }
    }
    (nodes, meant)
}

/// Where `name` is a property: of a node that stands here, or of the one whose braces these are.
fn property_of(name: &str, scopes: &[Scope]) -> Option<String> {
    let here = schema::nodes_in(scopes).find(|spec| spec.property(name).is_some());
    let around = schema::specs().find(|spec| spec.children == scopes && spec.property(name).is_some());
    match (here, around) {
        (Some(spec), _) => Some(format!("`{name}` is a property: write `{} {name}=…`", spec.name)),
        (None, Some(spec)) => {
            Some(format!("`{name}` is a property of `{}`: write `{name}=…` before its brace", spec.name))
        }
        (None, None) => None,
    }
}

/// The node that `raw` is the name of, when it stands among the arguments of another because its `;` was forgotten.
fn forgotten(raw: &RawValue, siblings: &[Scope]) -> Option<&'static str> {
    match raw {
        RawValue::Text(text) => schema::find(siblings, text).map(|spec| spec.name),
        _ => None,
    }
}

/// Reports a node that does not stand here, and returns the one that was most likely meant.
fn unknown(found: &RawNode, scopes: &[Scope], diagnostics: &mut Diagnostics) -> Option<&'static str> {
    let known: Vec<_> = schema::nodes_in(scopes).map(|spec| spec.name).collect();
    let message = format!("there is no node `{}` here", found.name);
    let mut elsewhere: Vec<_> =
        schema::specs().filter(|spec| spec.name == found.name && spec.scope.is_roster()).collect();
    elsewhere.dedup_by_key(|spec| spec.scope.place());
    let help = match elsewhere.as_slice() {
        [] => property_of(&found.name, scopes)
            .or_else(|| did_you_mean(&found.name, known.iter().copied()))
            .unwrap_or_default(),
        specs => {
            let places: Vec<_> = specs.iter().map(|spec| spec.scope.place()).collect();
            format!("`{}` stands {}", found.name, places.join(", or "))
        }
    };
    diagnostics.report(Diagnostic::error(Code::UnknownNode, message).at(found.span, "unknown").help(help));
    nearest(&found.name, known)
}

fn one(found: &RawNode, spec: &'static NodeSpec, siblings: &[Scope], diagnostics: &mut Diagnostics) -> Node {
    let arguments = arguments(found, spec, siblings, diagnostics);
    let properties = properties(found, spec, diagnostics);
    let (children, meant) = match (&found.children, spec.children) {
        (None, _) => Default::default(),
        (Some(children), []) => {
            if let Some(first) = children.first() {
                let message = format!("`{}` has nothing inside", spec.name);
                let diagnostic = Diagnostic::error(Code::UnexpectedChildren, message).at(first.span, "not expected");
                diagnostics.report(diagnostic.help(format!("write `{}`", spec.usage())));
            }
            Default::default()
        }
        (Some(children), scopes) => inside(children, scopes, diagnostics),
    };
    Node { spec, span: found.span, arguments, properties, children, meant }
}

fn arguments(
    found: &RawNode,
    spec: &'static NodeSpec,
    siblings: &[Scope],
    diagnostics: &mut Diagnostics,
) -> Vec<Spanned<Value>> {
    let mut values = Vec::new();
    for (index, (raw, span)) in found.arguments.iter().enumerate() {
        let last = spec.arguments.last().filter(|argument| argument.many);
        let Some(argument) = spec.arguments.get(index).or(last) else {
            let message = match spec.arguments {
                [] => format!("`{}` takes no argument", spec.name),
                [_] => format!("`{}` takes one argument", spec.name),
                more => format!("`{}` takes {} arguments", spec.name, more.len()),
            };
            let unsaid = spec.properties.iter().find(|property| {
                property.required && !found.properties.iter().any(|given| given.name == property.name)
            });
            if let Some(property) = unsaid.filter(|_| forgotten(raw, siblings).is_none()) {
                let message = format!("this value of `{}` needs its name", spec.name);
                let diagnostic = Diagnostic::error(Code::MissingProperty, message).at(*span, "here");
                diagnostics
                    .report_and_spoil(diagnostic.help(format!("write `{}=` directly before it", property.name)));
                break;
            }
            let diagnostic = Diagnostic::error(Code::TooManyArguments, message).at(*span, "one too many");
            diagnostics.report(diagnostic.help(match forgotten(raw, siblings) {
                Some(next) => format!("put `;` or a line break before `{next}`, which is a node of its own"),
                None if spec.repeats => format!("write `{}`, once for each", spec.usage()),
                None => format!("write `{}`", spec.usage()),
            }));
            break;
        };
        values.push(Spanned::new(convert(raw, *span, argument.kind, spec.name, diagnostics), *span));
    }
    let missing: Vec<&Argument> =
        spec.arguments[values.len().min(spec.arguments.len())..].iter().filter(|a| a.required).collect();
    if !missing.is_empty() {
        let names: Vec<_> = missing.iter().map(|argument| argument.name).collect();
        let message = format!("`{}` needs {}", spec.name, list(&names));
        let help = format!("write `{}`; {} is {}", spec.usage(), missing[0].name, missing[0].kind.describe());
        diagnostics.report(Diagnostic::error(Code::MissingArgument, message).at(found.span, "incomplete").help(help));
    }
    values
}

fn properties(
    found: &RawNode,
    spec: &'static NodeSpec,
    diagnostics: &mut Diagnostics,
) -> BTreeMap<&'static str, Spanned<Value>> {
    let mut values: BTreeMap<&'static str, Spanned<Value>> = BTreeMap::new();
    let mut places: BTreeMap<&str, Span> = BTreeMap::new();
    for property in &found.properties {
        if let Some(first) = places.insert(&property.name, property.name_span) {
            let message = format!("`{}` is given twice", property.name);
            let diagnostic = Diagnostic::error(Code::DuplicateProperty, message).at(property.span, "again here");
            diagnostics
                .report(diagnostic.at(first, "first here").help("keep one: the language has no \"last one wins\""));
            continue;
        }
        let Some(known) = spec.property(&property.name) else {
            // It belongs to a node whose `;` before it was forgotten, which was said.
            if found.arguments.len() > spec.arguments.len() && !spec.arguments.iter().any(|argument| argument.many) {
                continue;
            }
            let names: Vec<_> = spec.properties.iter().map(|known| known.name).collect();
            let child = schema::find(spec.children, &property.name);
            let help = match (child, names.is_empty()) {
                (Some(child), _) => Some(format!(
                    "`{}` is a node of its own: write `{}` inside the braces",
                    child.name,
                    child.usage()
                )),
                (None, true) => Some(format!("it has none: write `{}`", spec.usage())),
                (None, false) => did_you_mean(&property.name, names.iter().copied()),
            };
            let message = format!("`{}` has no property `{}`", spec.name, property.name);
            let diagnostic = Diagnostic::error(Code::UnknownProperty, message).at(property.name_span, "unknown");
            diagnostics.report(diagnostic.maybe_help(help));
            continue;
        };
        let value = convert(&property.value, property.span, known.kind, &format!("{}=", known.name), diagnostics);
        values.insert(known.name, Spanned::new(value, property.span));
    }
    let nameless =
        found.arguments.len() > spec.arguments.len() && !spec.arguments.iter().any(|argument| argument.many);
    for property in spec.properties.iter().filter(|property| property.required && !nameless) {
        if !places.contains_key(property.name) {
            let message = format!("`{}` needs `{}=`", spec.name, property.name);
            let help = format!("add `{}=`: {} ({})", property.name, property.doc, property.kind.describe());
            diagnostics
                .report(Diagnostic::error(Code::MissingProperty, message).at(found.span, "incomplete").help(help));
        }
    }
    values
}
