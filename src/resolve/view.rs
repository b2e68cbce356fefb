//! The windows of the viewer: the roster's layout, or a sensible one.

use super::{Agent, Member};
use crate::ids::{AgentName, RoleName};
use crate::manifest::AgentKind;
use crate::roster::model::{Pane, Roster};

/// A window with its panes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    pub title: String,
    /// tmux's own word.
    pub arrange: String,
    pub panes: Vec<AgentName>,
}

/// The windows, of this machine's agents only. A window without any is left out.
pub(super) fn windows(roster: &Roster, members: &[Member<'_>], agents: &[Agent]) -> Vec<Window> {
    let here = |name: &AgentName| agents.iter().any(|agent| agent.name == *name);
    let declared = roster.layout.iter().map(|window| {
        let mut panes: Vec<AgentName> = Vec::new();
        for pane in &window.panes {
            for name in named(pane, members) {
                if here(&name) && !panes.contains(&name) {
                    panes.push(name);
                }
            }
        }
        let arrange = window.arrange.clone().unwrap_or_else(|| "tiled".to_owned());
        Window { title: window.title.value.clone(), arrange, panes }
    });
    let windows: Vec<Window> = if roster.layout.is_empty() { by_default(agents) } else { declared.collect() };
    windows.into_iter().filter(|window| !window.panes.is_empty()).collect()
}

/// The agents of one pane: itself, its group, or all of its role.
fn named(pane: &Pane, members: &[Member<'_>]) -> Vec<AgentName> {
    let chosen = members.iter().flat_map(|member| {
        let whole = match pane {
            Pane::Agent(agent) => member.node.name.value == agent.value,
            Pane::Role(role) => member.role.name.as_ref() == Some(&role.value),
        };
        member
            .instances
            .iter()
            .map(|(name, _)| name)
            .filter(move |name| whole || matches!(pane, Pane::Agent(agent) if agent.value == **name))
    });
    chosen.cloned().collect()
}

/// Panes that a person can still read in one window; a layout of their own may have more.
const READABLE: usize = 9;

/// Those who lead in one window, then each role in as many as it needs.
fn by_default(agents: &[Agent]) -> Vec<Window> {
    let window =
        |title: &str, panes: Vec<AgentName>| Window { title: title.to_owned(), arrange: "tiled".to_owned(), panes };
    let of = |wanted: &dyn Fn(&Agent) -> bool| -> Vec<AgentName> {
        agents.iter().filter(|agent| wanted(agent)).map(|agent| agent.name.clone()).collect()
    };
    let mut windows = vec![window("core", of(&|agent| agent.kind != AgentKind::Agent))];
    let mut roles: Vec<&RoleName> = Vec::new();
    for role in agents.iter().filter(|agent| agent.kind == AgentKind::Agent).filter_map(|agent| agent.role.as_ref()) {
        if !roles.contains(&role) {
            roles.push(role);
        }
    }
    for role in roles {
        let workers = of(&|agent| agent.kind == AgentKind::Agent && agent.role.as_ref() == Some(role));
        for (index, some) in workers.chunks(READABLE).enumerate() {
            let title = if index == 0 { role.to_string() } else { format!("{role} {}", index + 1) };
            windows.push(window(&title, some.to_vec()));
        }
    }
    windows
}
