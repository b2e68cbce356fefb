//! The flat roster: every include taken in, every layer of settings merged, every value with its origin.
//!
//! What is printed is a roster again, and compiles to the same fleet.

use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;

use super::{HostFacts, Inputs, roles};
use crate::diagnostic::{Diagnostics, Sources, Span};
use crate::roster::check::{Node, Value};
use crate::roster::model::{AgentNode, Roster, Spanned};
use crate::roster::schema::{Kind, Scope};
use crate::roster::syntax::lexer::is_newline;

/// What is needed to print values as they were written.
struct Printer<'a> {
    roster: &'a Roster,
    inputs: &'a Inputs,
    facts: &'a HostFacts,
    sources: &'a Sources,
}

/// The settings of one agent, each value with its origin. Frozen as format 1.
#[derive(Debug, Serialize)]
pub struct Expanded {
    pub agent: String,
    pub kind: &'static str,
    /// Where it is declared.
    pub place: String,
    pub settings: Vec<Setting>,
}

/// One node.
#[derive(Debug, Serialize)]
pub struct Setting {
    pub node: &'static str,
    pub values: Vec<Origin>,
}

/// One value.
#[derive(Debug, Serialize)]
pub struct Origin {
    /// The argument's or property's name.
    pub name: &'static str,
    /// As written in KDL.
    pub value: String,
    /// `FILE:LINE`, or `built-in default`.
    pub from: String,
}

/// The flat roster as KDL, origins as comments.
#[must_use]
pub fn kdl(roster: &Roster, inputs: &Inputs, facts: &HostFacts, sources: &Sources) -> String {
    let printer = Printer { roster, inputs, facts, sources };
    let mut out = String::new();
    let mut agents = roster.agents.iter();
    for node in &roster.nodes {
        if matches!(node.spec.name, "defaults") {
            continue;
        }
        if !out.is_empty() {
            out.push('\n');
        }
        match node.spec.name {
            "orchestrator" | "enhancer" | "agent" => {
                if let Some(agent) = agents.next() {
                    printer.agent(node, agent, &mut out);
                }
            }
            "role" => {
                let own: Vec<Node> =
                    node.children.iter().filter(|child| child.spec.scope == Scope::Role).cloned().collect();
                printer.node(&Node { children: own, ..node.clone() }, 0, &mut out);
            }
            _ => printer.node(node, 0, &mut out),
        }
    }
    out
}

/// The settings of every agent, as data.
#[must_use]
pub fn data(roster: &Roster, inputs: &Inputs, facts: &HostFacts, sources: &Sources) -> Vec<Expanded> {
    let printer = Printer { roster, inputs, facts, sources };
    let one = |agent: &AgentNode| Expanded {
        agent: agent.name.value.as_str().to_owned(),
        kind: super::kind_word(agent.kind),
        place: sources.place(agent.name.span),
        settings: printer.settings(agent).iter().map(|node| printer.setting(node)).collect(),
    };
    roster.agents.iter().map(one).collect()
}

impl Printer<'_> {
    /// An agent's settings, all layers merged, in the order of the reference.
    fn settings(&self, agent: &AgentNode) -> Vec<Node> {
        let context = super::Context::without_runtimes(self.roster, self.inputs, self.facts, self.sources);
        let role = roles::resolve(&context, agent, &mut Diagnostics::default());
        let mut nodes = super::layers(&context, agent, &role);
        let order = |node: &Node| {
            crate::roster::schema::nodes_in(&[Scope::Setting]).position(|spec| spec.name == node.spec.name)
        };
        nodes.sort_by_key(order);
        nodes
    }

    fn agent(&self, node: &Node, agent: &AgentNode, out: &mut String) {
        let mut children: Vec<Node> =
            node.children.iter().filter(|child| child.spec.scope != Scope::Setting).cloned().collect();
        children.extend(self.settings(agent));
        self.node(&Node { children, ..node.clone() }, 0, out);
    }

    fn node(&self, node: &Node, depth: usize, out: &mut String) {
        let indent = "    ".repeat(depth);
        let mut line = format!("{indent}{}", node.spec.name);
        for (_, value, kind) in Self::values(node) {
            let _ = write!(line, " {}", self.text(value, kind));
        }
        if !node.children.is_empty() {
            line.push_str(" {");
        }
        let _ = writeln!(out, "{line}  // {}", self.origins(node));
        for child in &node.children {
            self.node(child, depth + 1, out);
        }
        if !node.children.is_empty() {
            let _ = writeln!(out, "{indent}}}");
        }
    }

    /// Every value of a node: its name, the value, and its kind.
    fn values(node: &Node) -> Vec<(&'static str, &Spanned<Value>, Kind)> {
        let last = node.spec.arguments.last();
        let arguments = node.arguments.iter().enumerate().filter_map(|(index, value)| {
            let spec = node.spec.arguments.get(index).or(last)?;
            Some((spec.name, value, spec.kind))
        });
        let properties = node
            .spec
            .properties
            .iter()
            .filter_map(|property| Some((property.name, node.properties.get(property.name)?, property.kind)));
        arguments.chain(properties).collect()
    }

    /// A value as it was written. A relative path of another folder is written so that it leads to the same place.
    fn text(&self, value: &Spanned<Value>, kind: Kind) -> String {
        let Span { file, start, end } = value.span;
        let written = self.sources.text(file).get(start..end).unwrap_or_default();
        let moved = self.inputs.folders.get(&file).filter(|folder| **folder != self.inputs.folder);
        let (Some(folder), Value::Text(path)) = (moved, &value.value) else {
            return self
                .moved_secret(value, moved.map(std::path::PathBuf::as_path))
                .unwrap_or_else(|| written.to_owned());
        };
        let stays = Path::new(path).is_absolute() || path.starts_with('~');
        if kind != Kind::Path || stays {
            return written.to_owned();
        }
        let place = super::place(path, folder, &self.facts.home);
        let name = written.split_once('=').filter(|_| !written.starts_with('"')).map(|(name, _)| format!("{name}="));
        format!("{}{}", name.unwrap_or_default(), quote(&self.shown(&place)))
    }

    /// `from="file:…"` of another folder.
    fn moved_secret(&self, value: &Spanned<Value>, folder: Option<&Path>) -> Option<String> {
        let Value::Secret(crate::manifest::SecretSource::File(path)) = &value.value else { return None };
        let text = path.to_str()?;
        if path.is_absolute() || text.starts_with('~') {
            return None;
        }
        let place = super::place(text, folder?, &self.facts.home);
        Some(format!("from={}", quote(&format!("file:{}", self.shown(&place)))))
    }

    /// A path inside the roster's folder is written relative to it.
    fn shown(&self, place: &Path) -> String {
        let inside = place.strip_prefix(&self.inputs.folder).ok().filter(|rest| !rest.as_os_str().is_empty());
        inside.unwrap_or(place).display().to_string()
    }

    /// Where the values of a node come from: one place, or each place with the values it gave.
    fn origins(&self, node: &Node) -> String {
        let mut places: Vec<(String, Vec<String>)> = Vec::new();
        for (name, value, kind) in Self::values(node) {
            let place = self.place(value.span);
            let is_property = node.properties.contains_key(name);
            let name = if is_property { format!("{name}=") } else { label(name, &self.text(value, kind)) };
            match places.iter_mut().find(|(known, _)| *known == place) {
                Some((_, names)) => names.push(name),
                None => places.push((place, vec![name])),
            }
        }
        match places.as_slice() {
            [] => self.place(node.span),
            [(place, _)] => place.clone(),
            several => {
                let parts: Vec<_> =
                    several.iter().map(|(place, names)| format!("{place} ({})", names.join(", "))).collect();
                parts.join("; ")
            }
        }
    }

    fn place(&self, span: Span) -> String {
        if self.sources.name(span.file) == crate::roster::defaults::NAME {
            return crate::roster::defaults::NAME.to_owned();
        }
        self.sources.place(span)
    }

    fn setting(&self, node: &Node) -> Setting {
        let values = Self::values(node).into_iter().map(|(name, value, kind)| Origin {
            name,
            value: {
                let text = self.text(value, kind);
                text.strip_prefix(&format!("{name}=")).map_or(text.clone(), str::to_owned)
            },
            from: self.place(value.span),
        });
        Setting { node: node.spec.name, values: values.collect() }
    }
}

/// An argument in a comment: as written when that is short and plain, else by its place in the grammar. A comment ends with
/// its line, whatever a text may hold.
fn label(name: &str, written: &str) -> String {
    let plain = written.chars().count() <= 24 && !written.contains(is_newline);
    if plain { written.to_owned() } else { name.trim_matches('"').to_lowercase() }
}

/// A KDL string.
fn quote(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
