//! The written reference of the language, made from the schema table so that it cannot be out of date.

use std::fmt::Write as _;

use super::schema::{Effect, NodeSpec, Scope, nodes_in};

/// Chapters, in order.
const CHAPTERS: &[(&str, &[Scope], &str)] = &[
    ("At the top of the roster", &[Scope::Top], ""),
    (
        "In `orchestrator`, `enhancer` and `agent`",
        &[Scope::Worker, Scope::Agent],
        "`role` stands in `agent` only; the other two have theirs by nature. All settings may stand here too.",
    ),
    ("In `role`", &[Scope::Role], "All settings may stand here too."),
    (
        "Settings: in `defaults`, `role` and agents",
        &[Scope::Setting],
        "The stronger place wins, property by property: agent, role, `defaults`, runtime file, built-in default. `env` and `secret` add up by name; other lists replace. A `model` belongs to its runtime.",
    ),
    ("In the braces of `runtime`", &[Scope::Runtime], ""),
    ("In the canary's `script`", &[Scope::Script], ""),
    (
        "In a runtime file",
        &[Scope::RuntimeFile, Scope::RuntimeData],
        "`runtimes/NAME.kdl` beside the roster, or built in. Arguments may use `{model} {effort} {role-file} {role-text} {prompt} {dir} {files}`; each word stays one argument.",
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
         `#false`. Names: agents, roles and runtimes `[a-z][a-z0-9-]{0,31}`, fleets `[a-z][a-z0-9]{0,23}`. Paths are relative to \
         the roster's folder; `~/` is your home.\n\nThe effect column says what a change does to a running agent: *live* touches \
         no process, *restart* waits until the agent is idle unless you say otherwise.\n",
    );
    for (title, scopes, text) in CHAPTERS {
        let _ = write!(out, "\n## {title}\n");
        if !text.is_empty() {
            let _ = write!(out, "\n{text}\n");
        }
        let _ = write!(out, "\n| node | meaning | effect |\n|---|---|---|\n");
        for spec in nodes_in(scopes).filter(|spec| !spec.later) {
            row(spec, &mut out);
        }
        let later: Vec<_> =
            nodes_in(scopes).filter(|spec| spec.later).map(|spec| format!("`{}`", spec.name)).collect();
        if !later.is_empty() {
            let _ = write!(out, "\nPart of the language, not built in this version: {}.\n", later.join(", "));
        }
    }
    out
}

fn row(spec: &NodeSpec, out: &mut String) {
    let effect = match spec.effect {
        Effect::None => "",
        Effect::Live => "live",
        Effect::Restart => "restart",
    };
    let mut details = String::new();
    for argument in spec.arguments {
        let _ = write!(details, "<br>{}: {}", argument.name.trim_matches('"'), argument.kind.describe());
    }
    for property in spec.properties {
        let _ = write!(details, "<br>`{}=` {} ({})", property.name, property.doc, property.kind.describe());
    }
    let cell = |text: &str| text.replace('|', "\\|");
    let _ = writeln!(out, "| `{}` | {}{} | {effect} |", cell(&spec.usage()), cell(spec.doc), cell(&details));
}
