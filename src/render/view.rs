//! The viewer's session, as commands that tmux reads from a file, and read back from them.
//!
//! tmux expands names of windows as formats, in which `#(…)` runs a program. So a title is only ever the value of an
//! option, which tmux takes as it is, and the window's name is the format that shows this option.

use super::artifact::{Artifact, FileKind, Owner};
use super::sink::{self, Marked};
use super::template::{Values, fill};
use crate::ids::{AgentName, FleetId};
use crate::resolve::{Fleet, Paths, Window};

/// The option of a window that says whose it is: the fleet's id. Only windows with it are ever changed or removed.
pub const OWNER: &str = "@fleet";
/// The option of a window that holds its title.
pub const TITLE: &str = "@fleet_title";
/// The option of a window that holds the arrangement it was given last.
pub const ARRANGE: &str = "@fleet_arrange";
/// The option of a pane that names the agent it shows.
pub const AGENT: &str = "@fleet_agent";
/// The name of a window, which is its title.
pub const NAME: &str = "#{@fleet_title}";
/// Columns and rows of a session that nobody looks at.
pub const SIZE: [&str; 2] = ["200", "50"];

/// The session of a fleet. Each pane runs `fleet attach`; no agent is a child of tmux.
#[must_use]
pub fn view(fleet: &Fleet) -> Artifact {
    let session = session(&fleet.id);
    let mut windows: Vec<Vec<Marked>> = fleet
        .windows
        .iter()
        .enumerate()
        .map(|(index, window)| lines(fleet, window, (index == 0).then_some(session.as_str())))
        .collect();
    if !windows.is_empty() {
        windows.push(vec![sink::tmux_line(&["select-window", "-t", &format!("={session}:^")])]);
    }
    let values = Values::default().lists("windows", &windows);
    let path = fleet.paths.view();
    Artifact::new(Owner::Fleet, FileKind::View, path, fill("view.tmux", &values))
}

/// The name of a fleet's session.
#[must_use]
pub fn session(fleet: &FleetId) -> String {
    format!("fleet-{fleet}")
}

/// What a pane runs.
#[must_use]
pub fn program(paths: &Paths, fleet: &FleetId, agent: &AgentName) -> Vec<String> {
    let program = paths.bin().join("fleet").display().to_string();
    [program.as_str(), "attach", agent.as_str(), "--fleet", fleet.as_str(), "--wait"].map(str::to_owned).to_vec()
}

/// One window: its first pane makes it, each further one splits it.
fn lines(fleet: &Fleet, window: &Window, new_session: Option<&str>) -> Vec<Marked> {
    let mut lines = Vec::new();
    let mut line = |words: &[&str]| lines.push(sink::tmux_line(words));
    for (index, agent) in window.panes.iter().enumerate() {
        let mut words: Vec<&str> = match (index, new_session) {
            (0, Some(session)) => vec!["new-session", "-d", "-s", session, "-x", SIZE[0], "-y", SIZE[1]],
            (0, None) => vec!["new-window"],
            _ => vec!["split-window"],
        };
        let program = program(&fleet.paths, &fleet.id, agent);
        words.extend(program.iter().map(String::as_str));
        line(&words);
        line(&["set-option", "-p", AGENT, agent.as_str()]);
        if index == 0 {
            line(&["set-option", "-w", OWNER, fleet.id.as_str()]);
            line(&["set-option", "-w", TITLE, &window.title]);
            line(&["set-option", "-w", ARRANGE, &window.arrange]);
            line(&["rename-window", NAME]);
        } else {
            // Without it the next split may find no room.
            line(&["select-layout", &window.arrange]);
        }
    }
    if window.panes.len() > 1 {
        line(&["select-pane", "-t", "{top-left}"]);
    }
    lines
}

/// The windows of a file that [`view`] made.
#[must_use]
pub fn read(text: &str) -> Vec<Window> {
    let mut windows: Vec<Window> = Vec::new();
    for line in text.lines() {
        let words = sink::tmux_words(line);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match (words.as_slice(), windows.last_mut()) {
            (["new-session" | "new-window", ..], _) => {
                windows.push(Window { title: String::new(), arrange: String::new(), panes: Vec::new() });
            }
            (["set-option", "-p", AGENT, agent], Some(window)) => window.panes.extend(AgentName::new(agent)),
            (["set-option", "-w", TITLE, title], Some(window)) => (*title).clone_into(&mut window.title),
            (["set-option", "-w", ARRANGE, arrange], Some(window)) => (*arrange).clone_into(&mut window.arrange),
            _ => {}
        }
    }
    windows.retain(|window| !window.panes.is_empty() && !window.arrange.is_empty());
    windows
}
