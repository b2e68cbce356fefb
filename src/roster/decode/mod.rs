//! Checked nodes → typed model; one file per node kind. What the schema cannot say is checked here.

mod agent;
mod canary;
mod layout;
mod preview;
mod role;
pub mod role_file;
pub mod runtime_file;
mod settings;

use super::check::{Node, Value};
use super::model::{Declared, Layer, Roster, SettingsPart, Spanned, SpendPart};
use super::schema::Status;
use crate::diagnostic::{Code, Diagnostic, Diagnostics, FileId, Span};
use crate::ids::AgentName;
use crate::manifest::AgentKind;

/// The roster language this fleet reads.
const VERSION: i64 = 1;

/// Reading typed values off a node. `None` stands for absent and for already reported.
impl Node {
    pub(super) fn text(&self, index: usize) -> Option<Spanned<String>> {
        as_text(self.arguments.get(index)?)
    }

    pub(super) fn texts(&self) -> Vec<Spanned<String>> {
        self.arguments.iter().filter_map(as_text).collect()
    }

    pub(super) fn amount(&self, index: usize) -> Option<Spanned<u64>> {
        as_amount(self.arguments.get(index)?)
    }

    pub(super) fn integer(&self, index: usize) -> Option<i64> {
        match self.arguments.get(index)?.value {
            Value::Integer(number) => Some(number),
            _ => None,
        }
    }

    pub(super) fn flag(&self, index: usize) -> Option<bool> {
        match self.arguments.get(index)?.value {
            Value::Flag(flag) => Some(flag),
            _ => None,
        }
    }

    pub(super) fn property_text(&self, name: &str) -> Option<Spanned<String>> {
        as_text(self.properties.get(name)?)
    }

    pub(super) fn property_amount(&self, name: &str) -> Option<Spanned<u64>> {
        as_amount(self.properties.get(name)?)
    }

    pub(super) fn property_integer(&self, name: &str) -> Option<i64> {
        match self.properties.get(name)?.value {
            Value::Integer(number) => Some(number),
            _ => None,
        }
    }

    /// A whole number that fits into 32 bits, with its place.
    pub(super) fn property_count(&self, name: &str) -> Option<Spanned<u32>> {
        let span = self.properties.get(name)?.span;
        u32::try_from(self.property_integer(name)?).ok().map(|number| Spanned::new(number, span))
    }

    pub(super) fn property_flag(&self, name: &str) -> Option<bool> {
        match self.properties.get(name)?.value {
            Value::Flag(flag) => Some(flag),
            _ => None,
        }
    }

    pub(super) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.spec.name == name)
    }
}

fn as_text(value: &Spanned<Value>) -> Option<Spanned<String>> {
    match &value.value {
        Value::Text(text) => Some(Spanned::new(text.clone(), value.span)),
        _ => None,
    }
}

fn as_amount(value: &Spanned<Value>) -> Option<Spanned<u64>> {
    match value.value {
        Value::Amount(amount) => Some(Spanned::new(amount, value.span)),
        _ => None,
    }
}

/// The role name in an argument or property.
fn role_name(value: Option<&Spanned<Value>>) -> Option<Spanned<crate::ids::RoleName>> {
    let value = value?;
    match &value.value {
        Value::RoleName(name) => Some(Spanned::new(name.clone(), value.span)),
        _ => None,
    }
}

fn agent_name(value: &Spanned<Value>) -> Option<Spanned<AgentName>> {
    match &value.value {
        Value::AgentName(name) => Some(Spanned::new(name.clone(), value.span)),
        _ => None,
    }
}

/// Caps, as `spend` says them.
#[must_use]
pub fn spend(node: &Node) -> SpendPart {
    let count = |name| node.property_count(name).map(|count| count.value);
    SpendPart {
        starts_per_day: count("starts-per-day"),
        messages_per_hour: count("messages-per-hour"),
        concurrent: count("concurrent"),
    }
}

/// Settings as one place says them.
fn layer<'a>(nodes: impl IntoIterator<Item = &'a Node>, diagnostics: &mut Diagnostics) -> Layer {
    let nodes: Vec<Node> =
        nodes.into_iter().filter(|node| node.spec.scope == super::schema::Scope::Setting).cloned().collect();
    Layer { part: settings::part(&nodes, diagnostics), nodes }
}

/// Settings that were merged, decoded. What is wrong with a value was reported where it was written.
#[must_use]
pub fn settings(nodes: &[Node]) -> SettingsPart {
    settings::part(nodes, &mut Diagnostics::default())
}

/// Nodes that nothing acts on, or nothing but a supervisor, without those that say what is so anyway.
fn declared(nodes: &[Node], found: &mut Vec<Declared>) {
    for node in nodes {
        if node.spec.status == Status::Works {
            declared(&node.children, found);
            continue;
        }
        let first = node.arguments.first().and_then(|argument| match &argument.value {
            Value::Text(text) => Some(text.as_str()),
            Value::AgentName(name) => Some(name.as_str()),
            _ => None,
        });
        let holds_anyway = matches!(
            (node.spec.name, first),
            ("sandbox", Some("inner"))
                | ("resume", Some("never"))
                | ("home", Some("shared"))
                | ("lifecycle", Some("always"))
        ) && node.property_flag("required") != Some(true);
        if !holds_anyway {
            let what = match first {
                Some(first) if node.spec.scope.is_roster() => format!("{} \"{first}\"", node.spec.name),
                _ => node.spec.name.to_owned(),
            };
            let supervised = node.spec.status == Status::Supervised;
            found.push(Declared { what, span: node.span, supervised });
            if supervised && node.spec.name == "lifecycle" && node.properties.contains_key("max") {
                found.push(Declared { what: "lifecycle max=".to_owned(), span: node.span, supervised: false });
            }
        }
    }
}

/// Decodes the top of a roster.
pub fn roster(nodes: &[Node], file: FileId, end: Span, diagnostics: &mut Diagnostics) -> Roster {
    let mut roster = Roster {
        file,
        end,
        id: None,
        host: None,
        supervise: None,
        workspace: None,
        base: None,
        exempt: None,
        defaults: Layer::default(),
        roles: Vec::new(),
        agents: Vec::new(),
        chains: Vec::new(),
        layout: Vec::new(),
        compose: None,
        connectors: Vec::new(),
        routes: Vec::new(),
        forges: Vec::new(),
        reactions: Vec::new(),
        gates: Vec::new(),
        declared: Vec::new(),
        nodes: nodes.to_vec(),
    };
    declared(nodes, &mut roster.declared);
    fleet(nodes, &mut roster, diagnostics);
    for node in nodes {
        match node.spec.name {
            "workspace" => {
                roster.workspace = node.text(0);
                roster.base = node.property_text("base").map(|base| base.value);
            }
            "floor" => roster.exempt = Some(node.span),
            "defaults" => roster.defaults = layer(&node.children, diagnostics),
            "role" => roster.roles.extend(role::role(node, diagnostics)),
            "orchestrator" => roster.agents.extend(agent::agent(node, AgentKind::Orchestrator, diagnostics)),
            "enhancer" => roster.agents.extend(agent::agent(node, AgentKind::Enhancer, diagnostics)),
            "agent" => roster.agents.extend(agent::agent(node, AgentKind::Agent, diagnostics)),
            "models" => roster.chains.extend(layout::chain(node, diagnostics)),
            "layout" => roster.layout = layout::windows(node, diagnostics),
            "compose" => roster.compose = Some(preview::compose(node)),
            "connector" => roster.connectors.extend(preview::connector(node, diagnostics)),
            "route" => roster.routes.extend(preview::route(node)),
            "forge" => roster.forges.extend(preview::forge(node)),
            "on" => roster.reactions.extend(preview::reaction(node, diagnostics)),
            "gate" => roster.gates.extend(preview::gate(node, diagnostics)),
            _ => {}
        }
    }
    roster
}

fn fleet(nodes: &[Node], roster: &mut Roster, diagnostics: &mut Diagnostics) {
    let Some(node) = nodes.iter().find(|node| node.spec.name == "fleet") else {
        let message = "the roster has no `fleet` node, so it has no id";
        let first = nodes.iter().find(|node| node.span.file == roster.file);
        let place = first.map_or(roster.end, |node| node.span);
        let diagnostic = Diagnostic::error(Code::NoFleet, message).at(place, "before this");
        let help =
            "start the file with `fleet \"NAME\" version=1`; if another file includes this one, check that one";
        diagnostics.report(diagnostic.help(help));
        return;
    };
    if let Some(first) = nodes.first().filter(|first| first.spec.name != "fleet") {
        let diagnostic = Diagnostic::error(Code::NoFleet, "`fleet` is not the first node").at(node.span, "here");
        diagnostics.report(diagnostic.at(first.span, "this stands before it").help("move `fleet` to the top"));
    }
    if let Some(id) = node.arguments.first()
        && let Value::FleetId(name) = &id.value
    {
        roster.id = Some(Spanned::new(name.clone(), id.span));
    }
    roster.supervise = node.property_flag("supervise");
    roster.host = node.property_text("host");
    if let Some(version) = node.property_integer("version").filter(|version| *version != VERSION) {
        let message = format!(
            "this roster is written in version {version} of the language; this fleet reads version {VERSION}"
        );
        let place = node.properties.get("version").map_or(node.span, |value| value.span);
        let diagnostic = Diagnostic::error(Code::Version, message).at(place, "here");
        diagnostics.report(diagnostic.help(format!("use a newer fleet, or write version={VERSION}")));
    }
}
