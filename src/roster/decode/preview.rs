//! The preview nodes.

use super::{role_name, spend};
use crate::diagnostic::suggest::list;
use crate::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::ids::{ConnectorName, GateName};
use crate::roster::check::{Node, Value};
use crate::roster::model::Spanned;
use crate::roster::preview::{Action, After, Allow, Compose, Condition, Connector, Forge, Gate, Reaction, Route};
use crate::roster::schema::{self, CONNECTOR_KINDS, NodeSpec, Scope};

pub(super) fn compose(node: &Node) -> Compose {
    let roles = node.child("roles").map(|roles| roles.arguments.iter().filter_map(|role| role_name(Some(role))));
    Compose {
        span: node.span,
        max_agents: node.property_count("max-agents"),
        roles: roles.map(Iterator::collect).unwrap_or_default(),
        spend: node.child("spend").map(spend).unwrap_or_default(),
    }
}

/// A connector, and whether its keys are those of its kind.
pub(super) fn connector(node: &Node, diagnostics: &mut Diagnostics) -> Option<Connector> {
    let kind = node.property_text("kind");
    if let Some(known) = kind.as_ref().and_then(|kind| CONNECTOR_KINDS.iter().find(|known| known.name == kind.value))
    {
        let given: Vec<_> = node.children.iter().map(|child| child.spec.name).collect();
        let missing: Vec<_> = known.required.iter().filter(|key| !given.contains(key)).collect();
        if !missing.is_empty() {
            let message = format!("a connector of kind `{}` needs {}", known.name, list(&missing));
            let usage: Vec<_> = missing.iter().filter_map(|key| usage(key)).collect();
            let diagnostic = Diagnostic::error(Code::MissingChild, message).at(node.span, "incomplete");
            diagnostics.report(diagnostic.help(format!("add inside its braces: {}", usage.join("; "))));
        }
        for child in &node.children {
            let name = child.spec.name;
            if name == "allow" || known.required.contains(&name) || known.optional.contains(&name) {
                continue;
            }
            let keys: Vec<_> = known.required.iter().chain(known.optional).copied().chain(["allow"]).collect();
            let message = format!("a connector of kind `{}` has no `{name}`", known.name);
            let diagnostic = Diagnostic::error(Code::ConnectorKey, message).at(child.span, "of another kind");
            diagnostics.report(diagnostic.help(format!("it has {}", list(&keys))));
        }
    }
    let first = node.arguments.first()?;
    let Value::Text(text) = &first.value else { return None };
    let secrets = node.children.iter().filter_map(|child| {
        let from = child.properties.get("from")?;
        let Value::Secret(source) = &from.value else { return None };
        Some((child.spec.name.to_owned(), Spanned::new(source.clone(), from.span)))
    });
    let allow = node.children.iter().filter(|child| child.spec.name == "allow");
    Some(Connector {
        name: Spanned::new(ConnectorName::new(text).ok()?, first.span),
        kind: kind.map(|kind| kind.value).unwrap_or_default(),
        secrets: secrets.collect(),
        allow: allow
            .filter_map(|allow| Some(Allow { sender: allow.text(0)?, may: allow.property_text("may")?.value }))
            .collect(),
    })
}

fn usage(key: &str) -> Option<String> {
    schema::find(&[Scope::Connector], key).map(NodeSpec::usage)
}

pub(super) fn route(node: &Node) -> Option<Route> {
    let quiet = node
        .child("quiet")
        .and_then(|quiet| Some((quiet.property_amount("from")?.value, quiet.property_amount("to")?.value)));
    Some(Route { level: node.text(0)?, to: node.child("to").map(Node::texts).unwrap_or_default(), quiet })
}

pub(super) fn forge(node: &Node) -> Option<Forge> {
    Some(Forge {
        kind: node.text(0)?,
        repo: node.property_text("repo")?.value,
        poll_ms: node.child("poll").and_then(|poll| poll.property_amount("every")).map(|every| every.value),
        listen: node.child("webhook").and_then(|hook| hook.property_text("listen")).map(|listen| listen.value),
    })
}

pub(super) fn reaction(node: &Node, diagnostics: &mut Diagnostics) -> Option<Reaction> {
    let actions: Vec<Action> = node.children.iter().filter_map(action).collect();
    if node.children.iter().all(|child| matches!(child.spec.name, "when" | "retries" | "cooldown")) {
        let diagnostic = Diagnostic::error(Code::MissingChild, "this reaction does nothing").at(node.span, "here");
        diagnostics.report(diagnostic.help("add what it shall do, as in `send to=\"author\"` or `notify \"ops\"`"));
    }
    Some(Reaction {
        event: node.text(0)?,
        actions,
        retries: node.child("retries").and_then(|retries| u32::try_from(retries.integer(0)?).ok()),
        cooldown_ms: node.child("cooldown").and_then(|cooldown| cooldown.amount(0)).map(|time| time.value),
    })
}

fn action(node: &Node) -> Option<Action> {
    let text = |name: &str| node.property_text(name).map(|text| text.value);
    Some(match node.spec.name {
        "send" => Action::Send { to: node.property_text("to")?, text: text("text") },
        "start" => Action::Start(super::agent_name(node.arguments.first()?)?),
        "notify" => Action::Notify(node.text(0)?),
        "escalate" => Action::Escalate {
            after: match node.properties.get("after")?.value {
                Value::Amount(ms) => After::Time(ms),
                Value::Integer(times) => After::Tries(u32::try_from(times).ok()?),
                _ => return None,
            },
            to: node.property_text("to"),
        },
        "run" => Action::Run {
            argv: node.texts(),
            timeout_ms: node.property_amount("timeout").map(|timeout| timeout.value),
        },
        "require" => {
            let gate = node.property_text("gate")?;
            Action::Require(Spanned::new(GateName::new(&gate.value).ok()?, gate.span))
        }
        "merge" => Action::Merge { method: text("method") },
        "label" => Action::Label(node.text(0)?.value),
        "comment" => Action::Comment(node.text(0)?.value),
        _ => return None,
    })
}

pub(super) fn gate(node: &Node, diagnostics: &mut Diagnostics) -> Option<Gate> {
    if node.children.is_empty() {
        let diagnostic = Diagnostic::error(Code::MissingChild, "this gate asks for nothing").at(node.span, "here");
        diagnostics.report(diagnostic.help("add a condition, as in `check \"tests\" run=\"cargo test\"`"));
    }
    let name = node.text(0)?;
    Some(Gate {
        name: Spanned::new(GateName::new(&name.value).ok()?, name.span),
        profile: node.property_text("profile"),
        conditions: conditions(&node.children, diagnostics),
    })
}

fn conditions(nodes: &[Node], diagnostics: &mut Diagnostics) -> Vec<Condition> {
    nodes.iter().filter_map(|node| condition(node, diagnostics)).collect()
}

fn condition(node: &Node, diagnostics: &mut Diagnostics) -> Option<Condition> {
    Some(match node.spec.name {
        "check" => {
            let (run, shell) = (node.property_text("run")?, node.property_flag("shell").unwrap_or(false));
            command(&run, shell, diagnostics);
            Condition::Check { name: node.text(0)?, run, shell }
        }
        "review" => Condition::Review {
            role: role_name(node.properties.get("role"))?,
            count: node.property_count("count").map_or(1, |count| count.value),
            span: node.span,
        },
        "approval" => Condition::Approval { by: node.property_text("by")? },
        "file" => Condition::File(node.text(0)?),
        "ci" => Condition::Ci(node.texts()),
        group @ ("all" | "any") => {
            if node.children.is_empty() {
                let message = format!("`{group}` holds no condition");
                let diagnostic = Diagnostic::error(Code::MissingChild, message).at(node.span, "empty");
                diagnostics.report(diagnostic.help("put conditions inside its braces, or remove it"));
            }
            let inside = conditions(&node.children, diagnostics);
            if group == "all" { Condition::All(inside, node.span) } else { Condition::Any(inside, node.span) }
        }
        _ => return None,
    })
}

/// A check's command is split into words; what only a shell understands would be passed on as text.
fn command(run: &Spanned<String>, shell: bool, diagnostics: &mut Diagnostics) {
    let problem = match shell_words::split(&run.value) {
        _ if shell && run.value.trim().is_empty() => Some("the command is empty".to_owned()),
        _ if shell => None,
        Err(_) => Some("the quotes of this command do not match".to_owned()),
        Ok(words) if words.is_empty() => Some("the command is empty".to_owned()),
        Ok(words) => words
            .iter()
            .find(|word| {
                matches!(word.as_str(), "|" | "||" | "&&" | "&" | ";" | ">" | ">>" | "<" | "2>&1")
                    || word.ends_with(';')
                    || word.contains("$(")
                    || word.starts_with('`')
            })
            .map(|word| format!("`{word}` means something to a shell only, and this command is not given to one")),
    };
    if let Some(message) = problem {
        let diagnostic = Diagnostic::error(Code::BadValue, message).at(run.span, "here");
        let help = "write one program and its arguments, put the rest into a script, or add `shell=#true`";
        diagnostics.report(diagnostic.help(help));
    }
}
