//! `runtimes/NAME.kdl`: everything specific to one agent CLI, as data.

use std::sync::Arc;

use crate::diagnostic::suggest::{list, nearest};
use crate::diagnostic::{Code, Diagnostic, Diagnostics, FileId, Span};
use crate::ids::RuntimeName;
use crate::manifest::{BusyInput, Delivery, Pattern, PatternKind, Region, Resume};
use crate::roster::check::{self, Node, Value};
use crate::roster::document;
use crate::roster::model::Spanned;
use crate::roster::schema::Scope;
use crate::roster::secrets;

/// One agent CLI. Argument templates keep their placeholders.
#[derive(Debug, Clone)]
pub struct RuntimeFile {
    pub name: RuntimeName,
    pub span: Span,
    /// `None`: the roster gives the whole command.
    pub program: Option<String>,
    pub args: Vec<String>,
    pub model: Option<Vec<String>>,
    pub effort: Option<Vec<String>>,
    pub role: Option<Vec<String>>,
    pub prompt: Vec<String>,
    pub trust: Vec<String>,
    /// How a conversation is named, and gone on with.
    pub resume: Option<Resume>,
    /// Mode and arguments.
    pub permissions: Vec<(String, Vec<String>)>,
    pub env: Vec<(String, Spanned<String>)>,
    pub files: Vec<(String, String)>,
    pub patterns: Arc<[Pattern]>,
    pub delivery: Delivery,
    pub heartbeat: Reports,
}

/// How a runtime reports by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reports {
    /// At each event.
    Events,
    /// At an interval.
    Periodic,
    None,
}

/// Reads a runtime file.
pub fn read(text: &str, file: FileId, diagnostics: &mut Diagnostics) -> Option<RuntimeFile> {
    secrets::find(text, file, diagnostics);
    let document = document::parse(text, file, diagnostics)?;
    let nodes = check::check(&document.nodes, &[Scope::RuntimeFile], diagnostics);
    let Some(node) = nodes.first() else {
        let message = "this file declares no runtime";
        let diagnostic = Diagnostic::error(Code::BadRuntimeFile, message).at(document.end, "");
        diagnostics.report(diagnostic.help("write `runtime \"NAME\" { program \"…\" }`"));
        return None;
    };
    let Value::RuntimeName(name) = &node.arguments.first()?.value else { return None };
    placeholders(node, diagnostics);
    let words = |name: &str| node.child(name).map(strings);
    Some(RuntimeFile {
        name: name.clone(),
        span: node.span,
        program: text_of(node, "program"),
        args: words("args").unwrap_or_default(),
        model: words("model"),
        effort: words("effort"),
        role: words("role"),
        prompt: words("prompt").unwrap_or_default(),
        trust: words("trust").unwrap_or_default(),
        resume: words("session").zip(words("resume")).map(|(session, resume)| Resume { session, resume }),
        permissions: many(node, "permissions").map(split_first).collect(),
        env: many(node, "env").filter_map(|env| Some((env.text(0)?.value, env.text(1)?))).collect(),
        files: files(node, diagnostics),
        patterns: patterns(node, diagnostics).into(),
        delivery: delivery(node),
        heartbeat: match text_of(node, "heartbeat").as_deref() {
            Some("events") => Reports::Events,
            Some("periodic") => Reports::Periodic,
            _ => Reports::None,
        },
    })
}

/// What every argument, variable and file may fill in.
const EVERYWHERE: &[&str] = &["role-file", "role-text", "dir", "files", "fleet"];

/// Placeholders that nothing fills in where they stand.
fn placeholders(node: &Node, diagnostics: &mut Diagnostics) {
    for child in &node.children {
        let own: &[&str] = match child.spec.name {
            "model" => &["model"],
            "effort" => &["effort"],
            "prompt" => &["prompt"],
            "session" | "resume" => &["session"],
            "args" | "role" | "trust" | "permissions" | "env" | "file" => &[],
            _ => continue,
        };
        for word in child.texts() {
            for (at, _) in word.value.match_indices('{') {
                let Some(name) = word.value[at + 1..].split_once('}').map(|(name, _)| name) else { continue };
                let is_name = name.len() > 1 && name.chars().all(|c| c.is_ascii_lowercase() || c == '-');
                if !is_name || own.contains(&name) || EVERYWHERE.contains(&name) {
                    continue;
                }
                let known: Vec<&str> = own.iter().chain(EVERYWHERE).copied().collect();
                let message = format!("`{{{name}}}` is not filled in here");
                let shown: Vec<_> = known.iter().map(|name| format!("{{{name}}}")).collect();
                let help = match nearest(name, known.iter().copied()) {
                    Some(near) => format!("did you mean `{{{near}}}`?"),
                    None => format!("in `{}` there is {}", child.spec.name, list(&shown)),
                };
                let diagnostic = Diagnostic::error(Code::BadRuntimeFile, message).at(word.span, "here");
                diagnostics.report(diagnostic.help(help));
            }
        }
    }
}

fn many<'a>(node: &'a Node, name: &'a str) -> impl Iterator<Item = &'a Node> {
    node.children.iter().filter(move |child| child.spec.name == name)
}

fn strings(node: &Node) -> Vec<String> {
    node.texts().into_iter().map(|text| text.value).collect()
}

fn text_of(node: &Node, name: &str) -> Option<String> {
    node.child(name)?.text(0).map(|text| text.value)
}

fn pair(node: &Node) -> Option<(String, String)> {
    Some((node.text(0)?.value, node.text(1)?.value))
}

/// Files of fleet's own: plain names, so that none can stand anywhere else.
fn files(node: &Node, diagnostics: &mut Diagnostics) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    for child in many(node, "file") {
        let Some(name) = child.text(0) else { continue };
        let plain = !name.value.is_empty()
            && name.value.len() <= 64
            && !name.value.starts_with('.')
            && name.value.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
        let twice = found.iter().any(|(known, _)| *known == name.value);
        if !plain || twice {
            let (message, help) = if twice {
                ("this file is given twice", "keep one of them")
            } else {
                let help = "write letters, digits, `.`, `-` and `_`, at most 64; no folders";
                ("this is not the plain name of a file", help)
            };
            let diagnostic = Diagnostic::error(Code::BadRuntimeFile, message).at(name.span, "here");
            diagnostics.report(diagnostic.help(help));
            continue;
        }
        found.extend(pair(child));
    }
    found
}

fn split_first(node: &Node) -> (String, Vec<String>) {
    let mut words = strings(node);
    let first = if words.is_empty() { String::new() } else { words.remove(0) };
    (first, words)
}

fn delivery(node: &Node) -> Delivery {
    let default = Delivery::default();
    Delivery {
        busy_input: match text_of(node, "busy-input").as_deref() {
            Some("queue") => BusyInput::Queue,
            Some("steer") => BusyInput::Steer,
            _ => BusyInput::Refuse,
        },
        settle_ms: node
            .child("settle")
            .and_then(|settle| settle.amount(0))
            .map_or(default.settle_ms, |ms| ms.value.max(150)),
        quit: text_of(node, "quit"),
        interrupt: text_of(node, "interrupt"),
    }
}

fn patterns(node: &Node, diagnostics: &mut Diagnostics) -> Vec<Pattern> {
    let mut found = Vec::new();
    for child in &node.children {
        let kind = match child.spec.name {
            "ready" => PatternKind::Ready,
            "busy" => PatternKind::Busy,
            "idle" => PatternKind::Idle,
            "dialog" => PatternKind::Dialog,
            "fatal" => PatternKind::Fatal,
            "limit" => PatternKind::Limit,
            "input" => PatternKind::Input,
            "placeholder" => PatternKind::Placeholder,
            _ => continue,
        };
        let Some(expr) = child.text(0) else { continue };
        let region = match child.property_text("region") {
            None => Region::Screen,
            Some(text) => match region(&text.value) {
                Some(region) => region,
                None => {
                    let message = format!("`{}` is not a region", text.value);
                    let diagnostic = Diagnostic::error(Code::BadValue, message).at(text.span, "here");
                    diagnostics.report(diagnostic.help("write \"title\", \"screen\" or \"last:N\""));
                    continue;
                }
            },
        };
        let class = child.property_text("class").map(|class| class.value);
        found.push(Pattern { kind, region, expr: expr.value, class });
    }
    found
}

fn region(text: &str) -> Option<Region> {
    match text {
        "title" => Some(Region::Title),
        "screen" => Some(Region::Screen),
        _ => text.strip_prefix("last:")?.parse().ok().filter(|lines| *lines > 0).map(Region::Last),
    }
}
