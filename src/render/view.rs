//! The viewer's session, as commands that tmux reads from a file.

use super::artifact::{Artifact, FileKind, Owner};
use super::sink::{self, Marked};
use super::template::{Values, fill};
use crate::resolve::{Fleet, Window};

/// The session of a fleet. Each pane runs `fleet attach`; no agent is a child of tmux.
#[must_use]
pub fn view(fleet: &Fleet) -> Artifact {
    let session = format!("fleet-{}", fleet.id);
    let windows: Vec<Vec<Marked>> = fleet
        .windows
        .iter()
        .enumerate()
        .map(|(index, window)| lines(fleet, window, (index == 0).then_some(session.as_str())))
        .collect();
    let values = Values::default().lists("windows", &windows);
    let path = fleet.paths.state.join("view.tmux");
    Artifact::new(Owner::Fleet, FileKind::View, path, fill("view.tmux", &values))
}

/// One window: its first pane makes it, each further one splits it.
fn lines(fleet: &Fleet, window: &Window, new_session: Option<&str>) -> Vec<Marked> {
    let program = fleet.paths.bin().join("fleet").display().to_string();
    let mut lines = Vec::new();
    for (index, agent) in window.panes.iter().enumerate() {
        let mut words: Vec<String> = match (index, new_session) {
            (0, Some(session)) => {
                ["new-session", "-d", "-s", session, "-x", "200", "-y", "50", "-n"].map(str::to_owned).to_vec()
            }
            (0, None) => ["new-window", "-n"].map(str::to_owned).to_vec(),
            _ => vec!["split-window".to_owned()],
        };
        if index == 0 {
            words.push(window.title.clone());
        }
        words.extend([
            program.clone(),
            "attach".to_owned(),
            agent.to_string(),
            "--fleet".to_owned(),
            fleet.id.to_string(),
        ]);
        lines.push(sink::tmux_line(&words));
        // Without it the next split may find no room.
        lines.push(sink::tmux_line(&["select-layout".to_owned(), window.arrange.clone()]));
    }
    lines
}
