//! Changes of a roster's text that keep every other byte: add, remove and rename agents, and bring old syntax up to date.
//!
//! Each function takes the text of one file and returns the new one. The schema says which values name an agent, so there
//! is no list of places here. Whether the result is still a roster is for the caller to find out, by compiling it.

use std::collections::BTreeSet;

use super::check::{self, Node, Value};
use super::document;
use super::scan;
use super::schema::Kind;
use super::syntax::edit::{self, Edit};
use super::syntax::tree::{self, Tree};
use crate::diagnostic::{Diagnostics, FileId};

/// Times that a file is gone through. One pass does nearly all, another what was hidden by it.
const MAX_PASSES: usize = 32;

/// The checked top-level nodes of a text, or none when it is no document.
fn nodes(text: &str) -> Vec<Node> {
    let mut diagnostics = Diagnostics::default();
    let parsed = document::parse(text, FileId(0), &mut diagnostics);
    parsed.map(|document| check::check_top(&document.nodes, &mut diagnostics).0).unwrap_or_default()
}

/// The name that a value of this kind holds, when it can be an agent's or a group's.
fn named(value: &Value) -> Option<&str> {
    match value {
        Value::AgentName(name) => Some(name.as_str()),
        Value::Text(text) => Some(text),
        _ => None,
    }
}

/// Whether a value of this kind names an agent that is declared elsewhere.
fn is_reference(kind: Kind) -> bool {
    matches!(kind, Kind::AgentRef | Kind::Target)
}

/// Every value of `node` with its kind: arguments, then properties.
fn values(node: &Node) -> impl Iterator<Item = (Kind, &super::model::Spanned<Value>)> {
    let last = node.spec.arguments.last();
    let arguments = node.arguments.iter().enumerate().filter_map(move |(index, value)| {
        let spec = node.spec.arguments.get(index).or(last)?;
        Some((spec.kind, value))
    });
    let properties = node
        .spec
        .properties
        .iter()
        .filter_map(|property| node.properties.get(property.name).map(|value| (property.kind, value)));
    arguments.chain(properties)
}

/// Whether `node` declares the agent or group called `name`.
fn declares(node: &Node, name: &str) -> bool {
    matches!(node.spec.name, "orchestrator" | "enhancer" | "agent")
        && node.arguments.first().and_then(|first| named(&first.value)) == Some(name)
}

/// Gives agents other names: `(old, new)`, instances of a group included. Where the agent is declared and wherever it is
/// named; `was` keeps what it says.
#[must_use]
pub fn rename(text: &str, names: &[(String, String)]) -> String {
    fn walk(nodes: &[Node], names: &[(String, String)], tree: &Tree<'_>, edits: &mut Vec<Edit>) {
        for node in nodes {
            for (kind, value) in values(node) {
                let declaring = kind == Kind::AgentName && node.spec.name != "was";
                let Some(old) = named(&value.value).filter(|_| declaring || is_reference(kind)) else { continue };
                let Some((_, new)) = names.iter().find(|(known, _)| known == old) else { continue };
                let entry = tree.node_at(node.span.start).and_then(|node| node.entry_at(value.span.start));
                edits.extend(entry.map(|entry| edit::replace_value(entry, &edit::quote(new))));
            }
            walk(&node.children, names, tree, edits);
        }
    }
    let tree = Tree::new(text);
    let mut edits = Vec::new();
    walk(&nodes(text), names, &tree, &mut edits);
    edit::apply(text, &edits)
}

/// Says that the agent `name` was called `former`, so that it keeps its worktree and its logs.
#[must_use]
pub fn set_former_name(text: &str, name: &str, former: &str) -> String {
    let tree = Tree::new(text);
    let nodes = nodes(text);
    let Some(agent) = nodes.iter().find(|node| declares(node, name)) else { return text.to_owned() };
    let Some(written) = tree.node_at(agent.span.start) else { return text.to_owned() };
    let was = agent.children.iter().find(|child| child.spec.name == "was");
    let entry = was.and_then(|was| tree.node_at(was.span.start)?.entry_at(was.arguments.first()?.span.start));
    let edit = match entry {
        Some(entry) => edit::replace_value(entry, &edit::quote(former)),
        None => edit::append_child(&tree, written, &format!("was {}", edit::quote(former))),
    };
    edit::apply(text, &[edit])
}

/// Takes agents out, with every mention of them: words of `after`, panes, and windows that are empty then.
#[must_use]
pub fn remove(text: &str, names: &BTreeSet<String>) -> String {
    let mut text = text.to_owned();
    for _ in 0..MAX_PASSES {
        let mut edits = Vec::new();
        removals(&nodes(&text), names, &Tree::new(&text), &mut edits);
        if edits.is_empty() {
            break;
        }
        // Two removals side by side may share the blanks between them: the second waits for the next pass.
        edits.sort_by_key(|edit| (edit.start, edit.end));
        let mut end = 0;
        edits.retain(|edit| {
            let fits = edit.start >= end;
            if fits {
                end = edit.end;
            }
            fits
        });
        text = edit::apply(&text, &edits);
    }
    text
}

/// Everything to take out.
fn removals(nodes: &[Node], names: &BTreeSet<String>, tree: &Tree<'_>, edits: &mut Vec<Edit>) {
    for node in nodes {
        let Some(written) = tree.node_at(node.span.start) else { continue };
        let declared = matches!(node.spec.name, "orchestrator" | "enhancer" | "agent")
            && node.arguments.first().and_then(|first| named(&first.value)).is_some_and(|name| names.contains(name));
        // A window that shows nobody any more goes with its last pane.
        let hollow = matches!(node.spec.name, "window" | "layout")
            && !node.children.is_empty()
            && node.children.iter().all(|child| is_gone(child, names));
        if declared || hollow {
            edits.push(edit::remove_node(tree, written));
            continue;
        }
        let mentions: Vec<usize> = values(node)
            .filter(|(kind, value)| {
                is_reference(*kind) && named(&value.value).is_some_and(|name| names.contains(name))
            })
            .map(|(_, value)| value.span.start)
            .collect();
        if mentions.is_empty() {
            removals(&node.children, names, tree, edits);
        } else {
            mention_removals(node, &mentions, written, tree, edits);
        }
    }
}

/// Whether nothing of a window or pane is left without `names`.
fn is_gone(node: &Node, names: &BTreeSet<String>) -> bool {
    match node.spec.name {
        "pane" => values(node)
            .any(|(kind, value)| is_reference(kind) && named(&value.value).is_some_and(|name| names.contains(name))),
        "window" => !node.children.is_empty() && node.children.iter().all(|child| is_gone(child, names)),
        _ => false,
    }
}

/// Takes words out of several, an optional property out of its node, and otherwise the node.
fn mention_removals(node: &Node, mentions: &[usize], written: &tree::Node, tree: &Tree<'_>, edits: &mut Vec<Edit>) {
    let is_required = |at: usize| {
        let of = |name: &str| node.properties.get(name).is_some_and(|value| value.span.start == at);
        node.spec.properties.iter().any(|property| property.required && of(property.name))
    };
    let arguments = node.arguments.iter().filter(|argument| mentions.contains(&argument.span.start)).count();
    let nothing_left = arguments > 0 && arguments == node.arguments.len();
    if nothing_left || mentions.iter().any(|at| is_required(*at)) {
        edits.push(edit::remove_node(tree, written));
        return;
    }
    let entries = mentions.iter().filter_map(|at| written.entry_at(*at));
    edits.extend(entries.map(|entry| edit::remove_entry(tree, written, entry)));
}

/// Puts a node behind the last agent, or at the end of the file.
#[must_use]
pub fn add(text: &str, node: &str) -> String {
    let tree = Tree::new(text);
    let nodes = nodes(text);
    let is_agent = |node: &&Node| matches!(node.spec.name, "orchestrator" | "enhancer" | "agent");
    let last = nodes.iter().rfind(is_agent).and_then(|node| tree.node_at(node.span.start));
    let edit = match last {
        Some(last) => edit::insert_after(&tree, last, node),
        None => edit::append_node(&tree, node),
    };
    edit::apply(text, &[edit])
}

/// Rewrites the syntax of KDL 1 and other slips that have one meaning, and adds a missing `version=1`.
#[must_use]
pub fn migrate(text: &str) -> String {
    let mut text = text.to_owned();
    // A slip may hide what stands behind it.
    for _ in 0..MAX_PASSES {
        let Some(scanned) = scan::scan_part(&text, FileId(0), &mut Diagnostics::default()) else { break };
        if scanned.fixes.is_empty() {
            break;
        }
        let edits: Vec<Edit> =
            scanned.fixes.into_iter().map(|fix| Edit { start: fix.start, end: fix.end, text: fix.text }).collect();
        text = edit::apply(&text, &edits);
    }
    let Some(at) = missing_version(&text) else { return text };
    edit::apply(&text, &[Edit { start: at, end: at, text: " version=1".to_owned() }])
}

/// Where the version of a `fleet` node without one belongs.
fn missing_version(text: &str) -> Option<usize> {
    let nodes = nodes(text);
    let fleet = nodes.iter().find(|node| node.spec.name == "fleet")?;
    if fleet.properties.contains_key("version") {
        return None;
    }
    let tree = Tree::new(text);
    let written = tree.node_at(fleet.span.start)?;
    Some(written.arguments().last().map_or(written.name.end, |entry| entry.span.end))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROSTER: &str = "fleet \"shop\" version=1\n\n// leads\norchestrator \"lead\" { runtime \"canary\" }\n\n\
        agent \"coder\" count=2 {    // two\n    role \"coder\"\n    after \"lead\"\n}\n\n\
        agent \"last\" { role \"coder\"; after \"coder\" \"lead\" }\n\n\
        on \"stalled\" { send to=\"coder-1\"; escalate after=2 to=\"coder\" }\n\n\
        layout {\n    window \"a\" { pane \"coder\"; pane \"last\" }\n    window \"b\" { pane \"coder-2\" }\n}\n";

    #[test]
    fn a_name_changes_wherever_it_stands() {
        let names = [("coder", "dev"), ("coder-1", "dev-1"), ("coder-2", "dev-2")];
        let names = names.map(|(old, new)| (old.to_owned(), new.to_owned()));
        let renamed = set_former_name(&rename(ROSTER, &names), "dev", "coder");
        assert_eq!(
            renamed,
            ROSTER
                .replace("agent \"coder\"", "agent \"dev\"")
                .replace("\"coder-", "\"dev-")
                .replace("after \"coder\"", "after \"dev\"")
                .replace("to=\"coder\"", "to=\"dev\"")
                .replace("pane \"coder\"", "pane \"dev\"")
                .replacen("    after \"lead\"\n}", "    after \"lead\"\n    was \"coder\"\n}", 1)
        );
    }

    #[test]
    fn an_agent_goes_with_every_mention_of_it() {
        let names = ["coder", "coder-1", "coder-2"].map(str::to_owned).into();
        assert_eq!(
            remove(ROSTER, &names),
            "fleet \"shop\" version=1\n\n// leads\norchestrator \"lead\" { runtime \"canary\" }\n\n\
             agent \"last\" { role \"coder\"; after \"lead\" }\n\n\
             on \"stalled\" { escalate after=2 }\n\n\
             layout {\n    window \"a\" { pane \"last\" }\n}\n"
        );
    }

    #[test]
    fn a_new_agent_stands_behind_the_last_one() {
        let added = add(ROSTER, "agent \"new\" {\n    role \"coder\"\n}");
        assert_eq!(
            added,
            ROSTER.replace("\n\non \"stalled\"", "\n\nagent \"new\" {\n    role \"coder\"\n}\n\non \"stalled\"")
        );
        assert_eq!(add("fleet \"a\" version=1\n", "agent \"x\""), "fleet \"a\" version=1\n\nagent \"x\"\n");
    }

    #[test]
    fn old_syntax_becomes_new() {
        let old = "fleet \"shop\" // mine\nagent \"x\" {\n    autostart true\n    description r\"a\\b\"\n    env \"A\" r#\"c\"d\"#\n    \
                   stall after=10m\n    dir ./sub\n    role: \u{201c}coder\u{201d}\n    prompt = 'go on'\n}\n# note\n";
        assert_eq!(
            migrate(old),
            "fleet \"shop\" version=1 // mine\nagent \"x\" {\n    autostart #true\n    description #\"a\\b\"#\n    env \"A\" #\"c\"d\"#\n    \
             stall after=\"10m\"\n    dir \"./sub\"\n    role \"coder\"\n    prompt \"go on\"\n}\n// note\n"
        );
        assert_eq!(migrate(ROSTER), ROSTER);
    }
}
