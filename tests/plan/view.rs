//! Windows as they stand against windows as they shall be, by value.

use fleet::ids::AgentName;
use fleet::plan::view::{LivePane, LiveWindow, Step, diff};
use fleet::resolve::Window;
use proptest::prelude::*;

fn agent(name: &str) -> AgentName {
    AgentName::new(name).unwrap()
}

fn wanted(title: &str, arrange: &str, panes: &[&str]) -> Window {
    let panes = panes.iter().map(|name| agent(name)).collect();
    Window { title: title.to_owned(), arrange: arrange.to_owned(), panes }
}

/// A tiled window whose panes are numbered from `first`; `""` is a pane of somebody else's, `+` marks a dead one.
fn live(id: &str, title: &str, first: usize, panes: &[&str]) -> LiveWindow {
    let pane = |(index, name): (usize, &&str)| LivePane {
        id: format!("%{}", first + index),
        agent: Some(name.trim_start_matches('+').to_owned()).filter(|name| !name.is_empty()),
        dead: name.starts_with('+'),
    };
    LiveWindow {
        id: id.to_owned(),
        title: title.to_owned(),
        arrange: "tiled".to_owned(),
        panes: panes.iter().enumerate().map(pane).collect(),
    }
}

fn arrange(window: &str, arrange: &str) -> Step {
    Step::Arrange { window: window.to_owned(), arrange: arrange.to_owned() }
}

#[test]
fn a_view_that_is_right_is_left_alone() {
    let layout = [wanted("core", "tiled", &["lead", "mender"]), wanted("work", "tiled", &["coder-1"])];
    // In another order, and with a pane that somebody opened in it.
    let view = [live("@7", "work", 0, &["coder-1"]), live("@3", "core", 5, &["lead", "", "mender"])];
    assert_eq!(diff(&layout, &view), []);
}

#[test]
fn what_is_missing_is_opened_before_anything_goes() {
    let layout = [wanted("core", "tiled", &["lead"]), wanted("new", "even-vertical", &["a", "b"])];
    let view = [live("@1", "old", 1, &["a"]), live("@2", "core", 2, &["b"])];
    assert_eq!(
        diff(&layout, &view),
        [
            Step::OpenPane { window: "@2".to_owned(), agent: agent("lead") },
            Step::ClosePane { pane: "%2".to_owned() },
            arrange("@2", "tiled"),
            Step::OpenWindow {
                title: "new".to_owned(),
                arrange: "even-vertical".to_owned(),
                agents: vec![agent("a"), agent("b")]
            },
            Step::CloseWindow { window: "@1".to_owned() },
        ]
    );
}

#[test]
fn a_viewer_that_ended_begins_again_in_its_pane() {
    let layout = [wanted("core", "tiled", &["lead", "mender"])];
    let restart = Step::RestartPane { pane: "%1".to_owned(), agent: agent("mender") };
    assert_eq!(diff(&layout, &[live("@1", "core", 0, &["lead", "+mender"])]), [restart]);
}

#[test]
fn panes_come_into_order_and_doubles_go() {
    let layout = [wanted("core", "tiled", &["a", "b", "c"])];
    let swap = |pane: &str, with: &str| Step::SwapPanes { pane: pane.to_owned(), with: with.to_owned() };
    assert_eq!(
        diff(&layout, &[live("@1", "core", 0, &["c", "a", "b"])]),
        [swap("%1", "%0"), swap("%2", "%0"), arrange("@1", "tiled")]
    );
    assert_eq!(
        diff(&layout, &[live("@1", "core", 0, &["a", "b", "a", "c"])]),
        [Step::ClosePane { pane: "%2".to_owned() }, arrange("@1", "tiled")]
    );
    let other = [wanted("core", "main-vertical", &["a"])];
    assert_eq!(diff(&other, &[live("@1", "core", 0, &["a"])]), [arrange("@1", "main-vertical")]);
}

#[test]
fn what_somebody_opened_in_a_window_stays_when_the_window_goes() {
    let view = [live("@1", "core", 0, &["a", "", "b"]), live("@2", "work", 3, &["c"])];
    assert_eq!(
        diff(&[], &view),
        [
            Step::ClosePane { pane: "%0".to_owned() },
            Step::ClosePane { pane: "%2".to_owned() },
            Step::ReleaseWindow { window: "@1".to_owned() },
            Step::CloseWindow { window: "@2".to_owned() },
        ]
    );
    // Of two windows with one title the first stays.
    let twice = [live("@1", "core", 0, &["a"]), live("@2", "core", 1, &["a"])];
    assert_eq!(diff(&[wanted("core", "tiled", &["a"])], &twice), [Step::CloseWindow { window: "@2".to_owned() }]);
}

/// tmux, as far as the steps need it.
fn carry_out(view: &mut Vec<LiveWindow>, step: &Step, next: &mut usize) {
    let mut id = |sign: char| {
        *next += 1;
        format!("{sign}{next}")
    };
    match step {
        Step::OpenWindow { title, arrange, agents } => {
            let window = id('@');
            let pane = |agent: &AgentName| LivePane { id: id('%'), agent: Some(agent.to_string()), dead: false };
            let panes = agents.iter().map(pane).collect();
            view.push(LiveWindow { id: window, title: title.clone(), arrange: arrange.clone(), panes });
        }
        Step::OpenPane { window, agent } => {
            let found = view.iter_mut().find(|other| other.id == *window).unwrap();
            // Next to whichever pane is the active one.
            found.panes.insert(
                1.min(found.panes.len()),
                LivePane { id: id('%'), agent: Some(agent.to_string()), dead: false },
            );
        }
        Step::RestartPane { pane, .. } => {
            let mut panes = view.iter_mut().flat_map(|window| &mut window.panes);
            panes.find(|other| other.id == *pane).unwrap().dead = false;
        }
        Step::SwapPanes { pane, with } => {
            let window = view.iter_mut().find(|window| window.panes.iter().any(|other| other.id == *pane)).unwrap();
            let at = |id: &str| window.panes.iter().position(|other| other.id == id).unwrap();
            let (a, b) = (at(pane), at(with));
            window.panes.swap(a, b);
        }
        Step::ClosePane { pane } => {
            for window in view.iter_mut() {
                window.panes.retain(|other| other.id != *pane);
            }
            view.retain(|window| !window.panes.is_empty());
        }
        Step::CloseWindow { window } | Step::ReleaseWindow { window } => view.retain(|other| other.id != *window),
        Step::Arrange { window, arrange } => {
            arrange.clone_into(&mut view.iter_mut().find(|other| other.id == *window).unwrap().arrange);
        }
    }
}

proptest! {
    /// Whatever stands there, two rounds make it right, and panes that were right are the same ones afterwards.
    #[test]
    fn any_view_comes_right(
        layout in prop::collection::vec((0..3_usize, prop::sample::subsequence(vec!["a", "b", "c", "d"], 1..5)), 0..4),
        view in prop::collection::vec((0..4_usize, prop::collection::vec(prop::sample::select(vec!["a", "b", "c", "d", "e", "", "+a", "+b"]), 1..5)), 0..5),
    ) {
        let mut titles = Vec::new();
        let layout: Vec<Window> = layout
            .into_iter()
            .filter(|(title, _)| !titles.contains(title) && { titles.push(*title); true })
            .map(|(title, panes)| wanted(&format!("w{title}"), if title == 1 { "even-vertical" } else { "tiled" }, &panes))
            .collect();
        let mut view: Vec<LiveWindow> = view
            .into_iter()
            .enumerate()
            .map(|(index, (title, panes))| live(&format!("@{index}"), &format!("w{title}"), 10 * index, &panes))
            .collect();
        let foreign = |view: &[LiveWindow]| -> Vec<String> {
            let panes = view.iter().flat_map(|window| &window.panes);
            panes.filter(|pane| pane.agent.is_none()).map(|pane| pane.id.clone()).collect()
        };
        let others = foreign(&view);
        let mut next = 1000;
        for _ in 0..2 {
            for step in diff(&layout, &view) {
                if let Step::ClosePane { pane } | Step::RestartPane { pane, .. } = &step {
                    prop_assert!(!others.contains(pane), "{step:?} is about somebody else's pane");
                }
                if let Step::CloseWindow { window } = &step {
                    let found = view.iter().find(|other| other.id == *window).unwrap();
                    prop_assert!(found.panes.iter().all(|pane| pane.agent.is_some()));
                }
                carry_out(&mut view, &step, &mut next);
            }
        }
        prop_assert_eq!(diff(&layout, &view), []);
    }
}
