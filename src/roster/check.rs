//! Holds a document against the schema: every node, argument and property, all mistakes at once.
//!
//! What passes is returned as [`Node`]s whose values have the schema's types, so decoders only move them into place. A
//! value that did not pass becomes [`Value::Invalid`]: it was reported here, and nothing is said about it again.

use std::collections::BTreeMap;

use super::document::{RawNode, RawValue};
use super::model::Spanned;
use super::schema::{self, Argument, Kind, NodeSpec, Scope};
use crate::diagnostic::suggest::{did_you_mean, list, nearest};
use crate::diagnostic::{Code, Diagnostic, Diagnostics, Span};
use crate::ids::{
    AgentName, FLEET_ID_MAX, FleetId, NAME_MAX, NameError, RESERVED_AGENT_NAMES, RoleName, RuntimeName,
};
use crate::manifest::SecretSource;
use crate::quantity as value;

/// A node that the schema knows, with typed values.
#[derive(Debug, Clone)]
pub struct Node {
    pub spec: &'static NodeSpec,
    pub span: Span,
    pub arguments: Vec<Spanned<Value>>,
    pub properties: BTreeMap<&'static str, Spanned<Value>>,
    pub children: Vec<Node>,
}

/// A value of a type that the schema asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Texts, paths, words and patterns.
    Text(String),
    Integer(i64),
    Flag(bool),
    /// Milliseconds, bytes or per cent.
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
    let mut nodes: Vec<Node> = Vec::new();
    for found in raw {
        let Some(spec) = schema::find(scopes, &found.name) else {
            unknown(found, scopes, diagnostics);
            continue;
        };
        if spec.later {
            let message = format!(
                "`{}` is part of the roster language, but this version of fleet does not build it",
                spec.name
            );
            let diagnostic = Diagnostic::error(Code::NotYet, message).at(found.span, "not built yet");
            diagnostics.report(diagnostic.help(format!("remove it, or comment it out with `/-{}`", spec.name)));
            continue;
        }
        let twin = nodes.iter().find(|node| !spec.repeats && node.spec.name == spec.name);
        if let Some(first) = twin {
            let diagnostic = Diagnostic::error(Code::DuplicateNode, format!("`{}` stands twice", spec.name));
            let diagnostic = diagnostic.at(found.span, "again here").at(first.span, "first here");
            diagnostics.report(diagnostic.help("keep one of them"));
        }
        let node = one(found, spec, diagnostics);
        if twin.is_none() {
            nodes.push(node);
        }
    }
    nodes
}

fn unknown(found: &RawNode, scopes: &[Scope], diagnostics: &mut Diagnostics) {
    let known: Vec<_> = schema::nodes_in(scopes).filter(|spec| !spec.later).map(|spec| spec.name).collect();
    let message = format!("there is no node `{}` here", found.name);
    let elsewhere = schema::SPECS.iter().find(|spec| spec.name == found.name && is_roster(spec.scope));
    let help = match elsewhere {
        Some(spec) if spec.later => {
            format!("`{}` stands {}, and this version does not build it", spec.name, home(spec.scope))
        }
        Some(spec) => format!("`{}` stands {}", spec.name, home(spec.scope)),
        None => did_you_mean(&found.name, known.iter().copied()).unwrap_or_default(),
    };
    diagnostics.report(Diagnostic::error(Code::UnknownNode, message).at(found.span, "unknown").help(help));
}

fn is_roster(scope: Scope) -> bool {
    !matches!(scope, Scope::RuntimeFile | Scope::RuntimeData | Scope::RoleFile)
}

fn home(scope: Scope) -> &'static str {
    match scope {
        Scope::Top => "at the top of the roster",
        Scope::Agent => "in `orchestrator`, `enhancer` and `agent`",
        Scope::Setting => "in `defaults`, `role` and agents",
        Scope::Role => "in `role`",
        Scope::Worker => "in `agent`",
        Scope::Runtime => "in the braces of `runtime`",
        Scope::Script => "in the canary's `script`",
        Scope::RuntimeFile | Scope::RuntimeData => "in a runtime file",
        Scope::RoleFile => "in the header of a role file",
    }
}

fn one(found: &RawNode, spec: &'static NodeSpec, diagnostics: &mut Diagnostics) -> Node {
    let arguments = arguments(found, spec, diagnostics);
    let properties = properties(found, spec, diagnostics);
    let children = match (&found.children, spec.children) {
        (None, _) => Vec::new(),
        (Some(children), []) => {
            if let Some(first) = children.first() {
                let message = format!("`{}` has nothing inside", spec.name);
                let diagnostic = Diagnostic::error(Code::UnexpectedChildren, message).at(first.span, "not expected");
                diagnostics.report(diagnostic.help(format!("write `{}`", spec.usage())));
            }
            Vec::new()
        }
        (Some(children), scopes) => check(children, scopes, diagnostics),
    };
    Node { spec, span: found.span, arguments, properties, children }
}

fn arguments(found: &RawNode, spec: &'static NodeSpec, diagnostics: &mut Diagnostics) -> Vec<Spanned<Value>> {
    let mut values = Vec::new();
    for (index, (raw, span)) in found.arguments.iter().enumerate() {
        let last = spec.arguments.last().filter(|argument| argument.many);
        let Some(argument) = spec.arguments.get(index).or(last) else {
            let message = match spec.arguments {
                [] => format!("`{}` takes no argument", spec.name),
                [_] => format!("`{}` takes one argument", spec.name),
                more => format!("`{}` takes {} arguments", spec.name, more.len()),
            };
            let diagnostic = Diagnostic::error(Code::TooManyArguments, message).at(*span, "one too many");
            diagnostics.report(diagnostic.help(format!("write `{}`", spec.usage())));
            break;
        };
        values.push(Spanned::new(convert(raw, *span, argument.kind, argument.name, diagnostics), *span));
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
            let names: Vec<_> = spec.properties.iter().map(|known| known.name).collect();
            let child = schema::find(spec.children, &property.name).filter(|child| !child.later);
            let help = match (child, names.is_empty()) {
                (Some(child), _) => Some(format!(
                    "`{}` is a node of its own: write `{}` inside the braces",
                    child.name,
                    child.usage()
                )),
                (None, true) => Some(format!("`{}` has no properties", spec.name)),
                (None, false) => did_you_mean(&property.name, names.iter().copied()),
            };
            let message = format!("`{}` has no property `{}`", spec.name, property.name);
            let diagnostic = Diagnostic::error(Code::UnknownProperty, message).at(property.name_span, "unknown");
            diagnostics.report(diagnostic.maybe_help(help));
            continue;
        };
        let value = convert(&property.value, property.span, known.kind, known.name, diagnostics);
        values.insert(known.name, Spanned::new(value, property.span));
    }
    for property in spec.properties.iter().filter(|property| property.required) {
        if !places.contains_key(property.name) {
            let message = format!("`{}` needs `{}=`", spec.name, property.name);
            let help = format!("add `{}=`: {} ({})", property.name, property.doc, property.kind.describe());
            diagnostics
                .report(Diagnostic::error(Code::MissingProperty, message).at(found.span, "incomplete").help(help));
        }
    }
    values
}

fn convert(raw: &RawValue, span: Span, kind: Kind, name: &str, diagnostics: &mut Diagnostics) -> Value {
    match typed(raw, kind) {
        Ok(value) => value,
        Err(problem) => {
            let (code, message, help) = match problem {
                Problem::Type => {
                    let message =
                        format!("`{}` is {}, found {}", name.trim_matches('"'), kind.describe(), raw.kind());
                    (Code::WrongType, message, None)
                }
                Problem::Value(message, help) => (Code::BadValue, message, help),
                Problem::Name(message, help) => (Code::BadName, message, Some(help)),
            };
            diagnostics.report_and_spoil(Diagnostic::error(code, message).at(span, "here").maybe_help(help));
            Value::Invalid
        }
    }
}

enum Problem {
    Type,
    Value(String, Option<String>),
    Name(String, String),
}

fn typed(raw: &RawValue, kind: Kind) -> Result<Value, Problem> {
    let value =
        |result: Result<u64, String>| result.map(Value::Amount).map_err(|message| Problem::Value(message, None));
    match (kind, raw) {
        (Kind::Integer(low, high), RawValue::Integer(number)) => i64::try_from(*number)
            .ok()
            .filter(|number| (low..=high).contains(number))
            .map(Value::Integer)
            .ok_or_else(|| Problem::Value(format!("{number} is not {}", kind.describe()), None)),
        (Kind::Flag, RawValue::Flag(flag)) => Ok(Value::Flag(*flag)),
        (_, RawValue::Text(text)) => match kind {
            Kind::Integer(..) | Kind::Flag => Err(Problem::Type),
            Kind::Keys => Ok(Value::Text(text.clone())),
            Kind::Text | Kind::Path => plain(text),
            Kind::Duration => value(value::duration(text)),
            Kind::Size => value(value::size(text)),
            Kind::Percent => value(value::percent(text).map(u64::from)),
            Kind::Secret => secret(text),
            Kind::FleetId => {
                FleetId::new(text).map(Value::FleetId).map_err(|e| bad_name("fleet id", text, &e, FLEET_ID_MAX, ""))
            }
            Kind::AgentName => AgentName::new(text)
                .map(Value::AgentName)
                .map_err(|e| bad_name("name of an agent", text, &e, NAME_MAX, "-")),
            Kind::RoleName => RoleName::new(text)
                .map(Value::RoleName)
                .map_err(|e| bad_name("name of a role", text, &e, NAME_MAX, "-")),
            Kind::RuntimeName => RuntimeName::new(text)
                .map(Value::RuntimeName)
                .map_err(|e| bad_name("name of a runtime", text, &e, NAME_MAX, "-")),
            Kind::EnvKey => env_key(text),
            Kind::Pattern => match regex_lite::Regex::new(&format!("(?m){text}")) {
                Ok(_) => Ok(Value::Text(text.clone())),
                Err(error) => Err(Problem::Value(format!("this is not a regular expression: {error}"), None)),
            },
            Kind::Word(words) if words.contains(&text.as_str()) => Ok(Value::Text(text.clone())),
            Kind::Word(words) => {
                let near = nearest(text, words.iter().copied()).map(|near| format!("did you mean \"{near}\"?"));
                Err(Problem::Value(format!("`{text}` is not {}", kind.describe()), near))
            }
        },
        _ => Err(Problem::Type),
    }
}

/// Texts end up in files and on terminals: control characters other than line breaks and tabs have no business there.
fn plain(text: &str) -> Result<Value, Problem> {
    match text.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\t')) {
        Some(bad) => Err(Problem::Value(
            format!("the text contains the control character {bad:?}"),
            Some("remove it".to_owned()),
        )),
        None => Ok(Value::Text(text.to_owned())),
    }
}

fn secret(text: &str) -> Result<Value, Problem> {
    let help = || Some("write \"env:NAME\" or \"file:PATH\"; the value itself never stands in a roster".to_owned());
    match text.split_once(':') {
        Some(("env", name)) => match env_key(name) {
            Ok(_) => Ok(Value::Secret(SecretSource::Env(name.to_owned()))),
            Err(_) => Err(Problem::Value(format!("`{name}` is not the name of a variable"), help())),
        },
        Some(("file", path)) if !path.is_empty() && !path.chars().any(char::is_control) => {
            Ok(Value::Secret(SecretSource::File(path.into())))
        }
        Some((kind @ ("cmd" | "op" | "systemd"), _)) => {
            let message = format!("`{kind}:` is part of the language, but this version of fleet does not read it");
            Err(Problem::Value(message, help()))
        }
        _ => Err(Problem::Value("this is not a reference to a secret".to_owned(), help())),
    }
}

fn env_key(text: &str) -> Result<Value, Problem> {
    let good = !text.is_empty()
        && text.len() <= 256
        && !text.starts_with(|c: char| c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if good {
        Ok(Value::Text(text.to_owned()))
    } else {
        let help = "names of variables are letters, digits and `_`, and do not start with a digit".to_owned();
        Err(Problem::Name(format!("`{}` is not the name of a variable", text.escape_debug()), help))
    }
}

fn bad_name(what: &str, text: &str, error: &NameError, limit: usize, dash: &str) -> Problem {
    let message = format!("`{}` is not a {what}: {error}", text.escape_debug());
    let help = match error {
        NameError::Reserved => format!("these words mean something else to fleet: {}", list(RESERVED_AGENT_NAMES)),
        _ => format!(
            "write lower-case letters, digits{} at most {limit} of them, a letter first",
            if dash.is_empty() { "," } else { " and `-`," }
        ),
    };
    Problem::Name(message, help)
}
