//! Checked nodes → typed model; one file per node kind. What the schema cannot say is checked here.

mod agent;
mod canary;
mod role;
pub mod role_file;
pub mod runtime_file;
mod settings;

use super::check::{Node, Value};
use super::model::{Roster, SettingsPart, Spanned};
use crate::diagnostic::{Code, Diagnostic, Diagnostics, FileId, Span};
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

/// Decodes the top of a roster.
pub fn roster(nodes: &[Node], file: FileId, end: Span, diagnostics: &mut Diagnostics) -> Roster {
    let mut roster = Roster {
        file,
        end,
        id: None,
        supervise: None,
        workspace: None,
        base: None,
        exempt: None,
        defaults: SettingsPart::default(),
        roles: Vec::new(),
        agents: Vec::new(),
    };
    fleet(nodes, &mut roster, diagnostics);
    for node in nodes {
        match node.spec.name {
            "workspace" => {
                roster.workspace = node.text(0);
                roster.base = node.property_text("base").map(|base| base.value);
            }
            "floor" => roster.exempt = Some(node.span),
            "defaults" => roster.defaults = settings::part(&node.children, diagnostics),
            "role" => roster.roles.extend(role::role(node, diagnostics)),
            "orchestrator" => roster.agents.extend(agent::agent(node, AgentKind::Orchestrator, diagnostics)),
            "enhancer" => roster.agents.extend(agent::agent(node, AgentKind::Enhancer, diagnostics)),
            "agent" => roster.agents.extend(agent::agent(node, AgentKind::Agent, diagnostics)),
            _ => {}
        }
    }
    roster
}

fn fleet(nodes: &[Node], roster: &mut Roster, diagnostics: &mut Diagnostics) {
    let Some(node) = nodes.iter().find(|node| node.spec.name == "fleet") else {
        let message = "the roster has no `fleet` node, so it has no id";
        let place = nodes.first().map_or(roster.end, |node| node.span);
        let diagnostic = Diagnostic::error(Code::NoFleet, message).at(place, "before this");
        diagnostics.report(diagnostic.help("start the file with `fleet \"NAME\" version=1`"));
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
    if let Some(version) = node.property_integer("version").filter(|version| *version != VERSION) {
        let message = format!(
            "this roster is written in version {version} of the language; this fleet reads version {VERSION}"
        );
        let place = node.properties.get("version").map_or(node.span, |value| value.span);
        let diagnostic = Diagnostic::error(Code::Version, message).at(place, "here");
        diagnostics.report(diagnostic.help(format!("use a newer fleet, or write version={VERSION}")));
    }
}
