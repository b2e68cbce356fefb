//! The viewer's session, as commands that tmux reads from a file.

use super::artifact::{Artifact, FileKind, Owner};
use super::sink::{self, Marked, TmuxWord};
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
    let plain = |word: &str| TmuxWord::Plain(word.to_owned());
    let name = |word: &str| TmuxWord::Name(word.to_owned());
    let mut lines = Vec::new();
    for (index, agent) in window.panes.iter().enumerate() {
        let mut words: Vec<TmuxWord> = match (index, new_session) {
            (0, Some(session)) => {
                let mut words = vec![plain("new-session"), plain("-d"), plain("-s"), name(session)];
                words.extend(["-x", "200", "-y", "50"].map(plain));
                words
            }
            (0, None) => vec![plain("new-window")],
            _ => vec![plain("split-window")],
        };
        if index == 0 {
            words.extend([plain("-n"), name(&window.title)]);
        }
        words.extend([program.as_str(), "attach", agent.as_str(), "--fleet", fleet.id.as_str()].map(plain));
        lines.push(sink::tmux_line(&words));
        // Without it the next split may find no room.
        lines.push(sink::tmux_line(&["select-layout", window.arrange.as_str()].map(plain)));
    }
    lines
}
