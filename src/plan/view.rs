//! The viewer's windows: what stands in tmux against what the layout says, by title.
//!
//! Pure, and total: carried out, every list of steps brings the windows nearer to the layout, and the steps of a view
//! that is right are none. Windows and panes without fleet's mark are never in a step.

use serde::Serialize;

use crate::ids::AgentName;
use crate::resolve::Window;

/// A marked window as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveWindow {
    /// tmux's own, as in `@3`.
    pub id: String,
    /// From the mark; people may have renamed the window since.
    pub title: String,
    /// How fleet arranged it last.
    pub arrange: String,
    /// In tmux's order.
    pub panes: Vec<LivePane>,
}

/// A pane of a marked window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LivePane {
    /// tmux's own, as in `%3`.
    pub id: String,
    /// The agent it was opened for. `None`: somebody else's pane, which is left alone.
    pub agent: Option<String>,
    /// Its program has ended.
    pub dead: bool,
}

/// One change of the view.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "action", rename_all = "kebab-case")]
pub enum Step {
    /// A window with all its panes.
    OpenWindow {
        title: String,
        arrange: String,
        agents: Vec<AgentName>,
    },
    /// One more pane.
    OpenPane {
        window: String,
        agent: AgentName,
    },
    /// A viewer that ended begins again, in the same pane.
    RestartPane {
        pane: String,
        agent: AgentName,
    },
    /// Two panes change places.
    SwapPanes {
        pane: String,
        with: String,
    },
    ClosePane {
        pane: String,
    },
    /// A window in which only fleet's panes are.
    CloseWindow {
        window: String,
    },
    /// The mark goes: the window has panes of somebody else's and is theirs from now on.
    ReleaseWindow {
        window: String,
    },
    Arrange {
        window: String,
        arrange: String,
    },
}

/// What has to be done so that `live` is as `wanted`.
#[must_use]
pub fn diff(wanted: &[Window], live: &[LiveWindow]) -> Vec<Step> {
    let first = |title: &str| live.iter().find(|window| window.title == title);
    let mut steps = Vec::new();
    // What is new comes first, so that a session never runs out of windows.
    for window in wanted {
        match first(&window.title) {
            Some(found) => steps.extend(mend(window, found)),
            None => steps.push(Step::OpenWindow {
                title: window.title.clone(),
                arrange: window.arrange.clone(),
                agents: window.panes.clone(),
            }),
        }
    }
    for window in live {
        let is_wanted = wanted.iter().any(|other| other.title == window.title);
        if !(is_wanted && first(&window.title).is_some_and(|first| first.id == window.id)) {
            steps.extend(remove(window));
        }
    }
    steps
}

/// A window of the right title.
fn mend(wanted: &Window, live: &LiveWindow) -> Vec<Step> {
    let mut right: Vec<(&AgentName, &str)> = Vec::new();
    let mut restarts = Vec::new();
    let mut closes = Vec::new();
    for pane in &live.panes {
        let Some(name) = &pane.agent else { continue };
        match wanted.panes.iter().find(|agent| agent.as_str() == name) {
            Some(agent) if right.iter().all(|(other, _)| *other != agent) => {
                right.push((agent, &pane.id));
                if pane.dead {
                    restarts.push(Step::RestartPane { pane: pane.id.clone(), agent: agent.clone() });
                }
            }
            _ => closes.push(Step::ClosePane { pane: pane.id.clone() }),
        }
    }
    let opens: Vec<Step> = wanted
        .panes
        .iter()
        .filter(|agent| right.iter().all(|(other, _)| other != agent))
        .map(|agent| Step::OpenPane { window: live.id.clone(), agent: agent.clone() })
        .collect();
    let is_whole = opens.is_empty() && closes.is_empty();
    let swaps = if is_whole { swaps(&wanted.panes, right) } else { Vec::new() };
    let arrange = !is_whole || !swaps.is_empty() || live.arrange != wanted.arrange;
    // A window goes with its last pane, so what is new comes before what goes.
    let mut steps = [opens, restarts, closes, swaps].concat();
    if arrange {
        steps.push(Step::Arrange { window: live.id.clone(), arrange: wanted.arrange.clone() });
    }
    steps
}

/// The exchanges that bring `panes`, one for each of `wanted`, into its order.
fn swaps(wanted: &[AgentName], mut panes: Vec<(&AgentName, &str)>) -> Vec<Step> {
    let mut swaps = Vec::new();
    for (index, agent) in wanted.iter().enumerate() {
        let Some(at) = panes.iter().position(|(other, _)| *other == agent) else { continue };
        if at != index {
            swaps.push(Step::SwapPanes { pane: panes[at].1.to_owned(), with: panes[index].1.to_owned() });
            panes.swap(at, index);
        }
    }
    swaps
}

fn remove(window: &LiveWindow) -> Vec<Step> {
    if window.panes.iter().all(|pane| pane.agent.is_some()) {
        return vec![Step::CloseWindow { window: window.id.clone() }];
    }
    let own = window.panes.iter().filter(|pane| pane.agent.is_some());
    let mut steps: Vec<Step> = own.map(|pane| Step::ClosePane { pane: pane.id.clone() }).collect();
    steps.push(Step::ReleaseWindow { window: window.id.clone() });
    steps
}
