//! The roster's text.

use super::arguments::Permissions;
use super::names::{LEAD, MENDER};
use super::{Adoption, Agent};

/// The roster, commented for whoever edits it next.
#[must_use]
pub fn text(adoption: &Adoption) -> String {
    let usual = adoption.usual().name;
    let path = adoption.path.as_ref().map(|words| format!("    path {words}\n")).unwrap_or_default();
    let mut out = format!(
        r#"// Made from the tmux panes in which an agent CLI ran. `fleet plan` shows what it would do; `fleet apply` does it.
fleet "{id}" version=1

workspace "."

defaults {{
    runtime "{usual}"    // the CLI of most panes
{path}    restart "on-failure" delay="15s" burst=5 within="1h"
}}

// Every fleet has one agent that talks to you and hands out work. These panes had none that could be told, so this one
// is new. To give the part to one of the agents below instead: remove these lines, write `orchestrator` in place of
// `agent` before its name, and remove its `role`.
orchestrator "{LEAD}"

// And one that improves the roster and the tools; neither codes nor reviews. New as well.
enhancer "{MENDER}" {{
    autostart #false    // `fleet start {MENDER}` starts it
}}
"#,
        id = adoption.id,
    );
    for agent in &adoption.agents {
        out.push('\n');
        out.push_str(&block(agent, usual));
    }
    out
}

fn block(agent: &Agent, usual: &str) -> String {
    let (name, seen) = (&agent.name, &agent.seen);
    // A session's name is somebody's text: only a plain one stands in the file.
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let session = &seen.pane.session;
    let place = if !session.is_empty() && session.chars().all(plain) && !super::looks_secret(session) {
        seen.pane.shown()
    } else {
        seen.pane.id.clone()
    };
    let mut out = format!("// tmux pane {place}\nagent \"{name}\" {{\n    role \"generalist\"\n");
    match &seen.told.model {
        Some(model) => out.push_str(&format!("    runtime \"{}\" model=\"{model}\"\n", seen.cli.name)),
        None if seen.cli.name != usual => out.push_str(&format!("    runtime \"{}\"\n", seen.cli.name)),
        None => {}
    }
    if let Some(dir) = &seen.dir {
        out.push_str(&format!("    dir \"{dir}\"\n"));
    }
    match &seen.told.permissions {
        Some(Permissions::Edits) => out.push_str("    permissions \"edits\"\n"),
        Some(Permissions::All(words)) => out.push_str(&format!(
            "    // It ran with {words}. That is not taken over unasked; to agree to it:\n    // permissions \"all\"\n"
        )),
        None => {}
    }
    out.push_str("}\n");
    out
}
