//! The written reference of the language, made from the schema table so that it cannot be out of date.

use std::fmt::Write as _;

use super::defaults;
use super::schema::{CONNECTOR_KINDS, NodeSpec, Scope, Status, nodes_in};

/// Chapters, in order: title, scopes, text.
pub const CHAPTERS: &[(&str, &[Scope], &str)] = &[
    (
        "At the top of the roster",
        &[Scope::Top],
        "`include` takes the nodes of another file in where it stands; a name, or a node that may stand once, is an error in two files.",
    ),
    (
        "In `orchestrator`, `enhancer` and `agent`",
        &[Scope::Worker, Scope::Enhancer, Scope::Agent],
        "`role` stands in `agent` only; the other two have theirs by nature. `digest` stands in `enhancer` only. All settings may stand here too.",
    ),
    (
        "In `role`",
        &[Scope::Role],
        "All other settings may stand here too. In a role, `prompt` is the role's text and not a first message.",
    ),
    (
        "Settings: in `defaults`, `role` and agents",
        &[Scope::Setting],
        "The stronger place wins, property by property: agent, role, `defaults`, runtime file, built-in default. `env` and `secret` add up by name; other lists replace. A `model` belongs to its runtime. `fleet validate --expand` shows where each value comes from.",
    ),
    ("In the braces of `runtime`", &[Scope::Runtime], ""),
    ("In the canary's `script`", &[Scope::Script], ""),
    ("In `models` at the top", &[Scope::Chain], ""),
    ("In `layout` and its windows", &[Scope::Layout, Scope::Window], ""),
    ("In `compose`", &[Scope::Compose], ""),
    ("In `connector` at the top", &[Scope::Connector], ""),
    ("In `route`", &[Scope::Route], ""),
    ("In `forge` and its `webhook`", &[Scope::Forge, Scope::Webhook], ""),
    (
        "In `on`",
        &[Scope::Reaction],
        "`to=` takes an agent, a group, a connector, `author`, `orchestrator` or `enhancer`.",
    ),
    ("In `gate`, `all` and `any`", &[Scope::Condition], ""),
    (
        "In a runtime file",
        &[Scope::RuntimeFile, Scope::RuntimeData],
        "`runtimes/NAME.kdl` beside the roster, or built in. Arguments may use `{model} {effort} {role-file} {role-text} {prompt} {session} {home} {dir} {files} {fleet}`; each word stays one argument.",
    ),
    (
        "In the header of a role file",
        &[Scope::RoleFile],
        "`roles/NAME.md` beside the roster, or built in: this header between two `---` lines, then the role text. All settings may stand here too.",
    ),
];

/// The reference as Markdown.
#[must_use]
pub fn markdown() -> String {
    let mut out = String::from(
        "# The roster language, version 1\n\nMade from the table that the compiler itself checks with; `tests/cases` fails when \
         this page is out of date.\n\nKDL version 2. Texts, durations, sizes and paths stand in quotes; yes and no are `#true` and \
         `#false`. Names: agents, roles, runtimes, chains, connectors and gates `[a-z][a-z0-9-]{0,31}`, fleets `[a-z][a-z0-9]{0,23}`. \
         Paths are relative to the folder of the file they stand in; `~/` is your home.\n\nThe effect column says what a change does \
         to a running agent: *live* touches no process, *restart* waits until the agent is idle unless you say otherwise, *replace* \
         stops it and starts anew, *viewer* changes only what you look through. *Supervised* nodes are what the supervisor goes by, and without effect in a fleet \
         that has none; *checked* nodes are read and checked, and nothing acts \
         on them yet: the plan lists them as \"declared, not enforced yet\"; *preview* nodes may still change besides, with a migration.\n",
    );
    for (title, scopes, text) in CHAPTERS {
        let _ = write!(out, "\n## {title}\n");
        if !text.is_empty() {
            let _ = write!(out, "\n{text}\n");
        }
        let _ = write!(out, "\n| node | meaning | effect |\n|---|---|---|\n");
        for scope in *scopes {
            for spec in nodes_in(&[*scope]) {
                row(spec, &mut out);
            }
        }
        if scopes.contains(&Scope::Connector) {
            let _ = write!(out, "\n| kind | needs | may have |\n|---|---|---|\n");
            for kind in CONNECTOR_KINDS {
                let _ = writeln!(
                    out,
                    "| `{}` | {} | {} |",
                    kind.name,
                    kind.required.join(", "),
                    kind.optional.join(", ")
                );
            }
        }
    }
    out
}

/// Every meaning of the node called `name`, for a terminal.
#[must_use]
pub fn explain(name: &str) -> String {
    let mut out = String::new();
    for spec in super::schema::specs().filter(|spec| spec.name == name) {
        if !out.is_empty() {
            out.push('\n');
        }
        let _ = writeln!(out, "{}\n    {}", spec.usage(), spec.doc);
        let _ = writeln!(out, "    Stands {}.", spec.scope.place());
        let rows: Vec<(String, String)> = spec
            .arguments
            .iter()
            .map(|argument| (argument.name.trim_matches('"').to_owned(), argument.kind.describe()))
            .chain(spec.properties.iter().map(|property| {
                (format!("{}=", property.name), format!("{} ({})", property.doc, property.kind.describe()))
            }))
            .collect();
        let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        for (name, what) in rows {
            let head = format!("    {name:width$}  ");
            let _ = writeln!(out, "{}", wrapped(&head, &what));
        }
        inside(spec, &mut out);
        if let Some(default) = default_of(spec) {
            let _ = writeln!(out, "    Default: {default}");
        }
        match spec.status {
            Status::Works => {}
            Status::Supervised => out.push_str("    The supervisor acts on it; without one nothing does.\n"),
            Status::Declared => out.push_str("    Checked; nothing acts on it yet.\n"),
            Status::Preview => {
                out.push_str("    A preview: checked, nothing acts on it yet, and it may still change.\n");
            }
        }
        if !spec.effect.word().is_empty() {
            let _ = writeln!(out, "    A change of it, on a running agent: {}.", spec.effect.word());
        }
    }
    out
}

/// Columns that explanations are wrapped at.
const WIDTH: usize = 100;

/// `text` behind `head`, further lines below its beginning.
fn wrapped(head: &str, text: &str) -> String {
    let indent = head.chars().count();
    let mut out = head.to_owned();
    let mut column = indent;
    for (index, word) in text.split(' ').enumerate() {
        let length = word.chars().count();
        if index > 0 && column + 1 + length > WIDTH {
            let _ = write!(out, "\n{}", " ".repeat(indent));
            column = indent;
        } else if index > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += length;
    }
    out
}

/// What may stand in the braces of a node.
fn inside(spec: &NodeSpec, out: &mut String) {
    let (settings, own): (Vec<Scope>, Vec<Scope>) =
        spec.children.iter().partition(|scope| matches!(scope, Scope::Setting | Scope::RuntimeData | Scope::Script));
    let nodes: Vec<_> =
        own.iter().flat_map(|scope| nodes_in(std::slice::from_ref(scope)).collect::<Vec<_>>()).collect();
    if !nodes.is_empty() {
        out.push_str("    In its braces:\n");
        for node in nodes {
            let _ = writeln!(out, "{}", wrapped(&format!("        {}  ", node.usage()), node.doc));
        }
    }
    if spec.name == "connector" && !own.is_empty() {
        for kind in CONNECTOR_KINDS {
            let optional =
                if kind.optional.is_empty() { String::new() } else { format!(" [{}]", kind.optional.join(" ")) };
            let _ = writeln!(out, "    kind=\"{}\" needs: {}{optional}", kind.name, kind.required.join(" "));
        }
    }
    for scope in settings {
        let names: Vec<_> = nodes_in(&[scope]).map(|node| node.name).collect();
        let head = if scope == Scope::Setting { "    And settings: " } else { "    In its braces: " };
        let _ = writeln!(out, "{}", wrapped(head, &names.join(" ")));
    }
}

/// What is so where nobody says anything, as written in the built-in defaults.
#[must_use]
pub fn default_of(spec: &NodeSpec) -> Option<&'static str> {
    if spec.scope != Scope::Setting {
        return None;
    }
    defaults::TEXT.lines().find(|line| line.split(' ').next() == Some(spec.name))
}

/// How far a node is built, in a word; empty when it works.
#[must_use]
pub fn status_word(status: Status) -> &'static str {
    match status {
        Status::Works => "",
        Status::Supervised => "supervised",
        Status::Declared => "checked",
        Status::Preview => "preview",
    }
}

fn row(spec: &NodeSpec, out: &mut String) {
    let words = [spec.effect.word(), status_word(spec.status)];
    let effect = words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(", ");
    let mut details = String::new();
    for argument in spec.arguments {
        let _ = write!(details, "<br>{}: {}", argument.name.trim_matches('"'), argument.kind.describe());
    }
    for property in spec.properties {
        let _ = write!(details, "<br>`{}=` {} ({})", property.name, property.doc, property.kind.describe());
    }
    if let Some(default) = default_of(spec) {
        let _ = write!(details, "<br>default: `{default}`");
    }
    let cell = |text: &str| text.replace('|', "\\|");
    let _ = writeln!(out, "| `{}` | {}{} | {effect} |", cell(&spec.usage()), cell(spec.doc), cell(&details));
}
