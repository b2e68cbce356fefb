//! The words beside the roster: which pane to quit, and which conversation to go on with.

use std::path::Path;

use super::arguments::Permissions;
use super::conversation::{Conversation, Known};
use super::{Adoption, Agent, Apart, at_home, shown};
use crate::diagnostic::suggest;

/// What a person does next, agent by agent.
#[must_use]
pub fn report(adoption: &Adoption, home: &Path) -> String {
    let agents = &adoption.agents;
    let heads: Vec<[String; 3]> = agents.iter().map(|agent| head(agent, home)).collect();
    let width = |column: usize| heads.iter().map(|head| head[column].chars().count()).max().unwrap_or(0);
    let (first, second) = (width(0), width(1));
    let mut out = String::new();
    for (agent, [name, what, pane]) in agents.iter().zip(&heads) {
        out.push_str(&format!("{name:<first$}   {what:<second$}   {pane}\n"));
        out.push_str(&steps(agent));
        out.push('\n');
    }
    out.push_str(&apart(&adoption.apart));
    if !adoption.apart.is_empty() {
        out.push('\n');
    }
    out.push_str(
        "A running process cannot be moved: quit it in its pane when it is idle, and the conversation goes on in fleet's.\n\
         Only one of the two may run at a time; both at once write to the same conversation and the same files.\n",
    );
    if !adoption.missing.is_empty() {
        let names = suggest::list(&adoption.missing);
        out.push_str(&format!(
            "Not found on this shell's PATH: {names}. Name their folders in the roster with `path`.\n"
        ));
    }
    out
}

fn head(agent: &Agent, home: &Path) -> [String; 3] {
    let seen = &agent.seen;
    let what = format!("{} in {}", seen.cli.name, shown(&at_home(&seen.folder, home)));
    [agent.name.to_string(), what, format!("pane {}", seen.pane.shown())]
}

fn steps(agent: &Agent) -> String {
    let (name, seen) = (&agent.name, &agent.seen);
    let mut lines = vec![format!("quit it there first: {}", seen.cli.quit)];
    let then = format!("then `fleet apply`, `fleet attach {name}`");
    match &agent.conversation {
        Known::Named { id, newer } => {
            lines.push(format!("{then}, and resume with: {}", resume(agent, id)));
            lines.push("its command line named this conversation".to_owned());
            if let Some(newer) = newer {
                let newer = with_age(newer);
                lines.push(format!("a newer one was written in that folder since: {newer}"));
            }
        }
        Known::Newest(newest) => {
            lines.push(format!("{then}, and resume with: {}", resume(agent, &newest.id)));
            let ago = ago(newest.age);
            lines.push(format!(
                "the newest conversation in that folder, written {ago}: likely this pane's, not certain"
            ));
        }
        Known::Among(candidates) => {
            lines.push(format!("{then}, and resume with: /resume ID"));
            lines.push(format!(
                "more than one {} works in that folder, and which of these is whose cannot be told:",
                seen.cli.name
            ));
            lines.extend(candidates.iter().map(|one| format!("    {}", with_age(one))));
        }
        Known::None => {
            lines.push(then);
            lines.push("no conversation of that folder was found; /resume lists what it knows itself".to_owned());
        }
        Known::Ask => {
            lines.push(format!("{then}, and choose with: /sessions"));
            lines
                .push("`opencode session list` in that folder prints its conversations, the newest first".to_owned());
        }
    }
    if let Some(Permissions::All(words)) = seen.told.permissions {
        lines.push(format!("it ran with {words}: written as a comment, for you to agree to"));
    }
    if !seen.told.dropped.is_empty() {
        lines.push(format!("not taken over from its command line: {}", suggest::list(&seen.told.dropped)));
    }
    lines.iter().map(|line| format!("    {line}\n")).collect()
}

/// What is typed into the CLI.
fn resume(agent: &Agent, id: &str) -> String {
    match agent.seen.cli.name {
        // It takes no id there, and its list shows titles.
        "opencode" => format!("/sessions ({id}; `opencode session list` says its title)"),
        _ => format!("/resume {id}"),
    }
}

fn with_age(conversation: &Conversation) -> String {
    format!("{} (written {})", conversation.id, ago(conversation.age))
}

fn ago(age: u64) -> String {
    match age {
        0..60 => "just now".to_owned(),
        60..3600 => format!("{} min ago", age / 60),
        3600..86400 => format!("{} h ago", age / 3600),
        _ => format!("{} d ago", age / 86400),
    }
}

/// The panes that become no agent, one a line; nothing when there are none.
#[must_use]
pub fn apart(apart: &[Apart]) -> String {
    if apart.is_empty() {
        return String::new();
    }
    let lines = apart.iter().map(|one| format!("    pane {}   {}\n", one.pane.shown(), one.why));
    format!("Left out:\n{}", lines.collect::<String>())
}
