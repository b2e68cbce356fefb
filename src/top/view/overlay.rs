//! Texts over the whole screen: help, and why an agent is as it is.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::{put, rule};
use crate::top::entry::Entry;
use crate::top::look::LEGEND;
use crate::top::model::{Mode, Model};
use crate::top::text::{age, columns, pad, wrap};

const HELP: [(&str, &str); 18] = [
    ("up down", "select an agent; also k and j, and the wheel"),
    ("pgup pgdn", "a page further; also space"),
    ("home end", "the first row, whoever comes there; the last one"),
    ("enter, a", "attach to the agent; Ctrl-\\ comes back"),
    ("s", "send it a message; what is known of its arrival stands below"),
    ("w", "why it is as it is: the decisions about it"),
    ("x", "stop it, and keep it stopped"),
    ("r", "restart it"),
    ("u", "start it, and keep it started"),
    ("c", "clear: end its quarantine or its wait"),
    ("/", "list only names, states, roles, runtimes with this in them"),
    ("o", "the worst first, or by name"),
    ("e", "show or hide the decisions"),
    ("esc", "drop the filter, the note, the question"),
    ("ctrl-l", "draw all of it again"),
    ("q", "quit; also Ctrl-C. What is under way goes on"),
    ("MSG", "messages that wait for the agent"),
    ("RST", "restarts within the window of its budget"),
];

pub(super) fn is_open(model: &Model) -> bool {
    matches!(model.mode, Mode::Why { .. } | Mode::Help { .. })
}

/// How far the text can be scrolled, in lines.
pub(super) fn furthest(model: &Model) -> usize {
    lines(model).len().saturating_sub(height(model))
}

/// Rows below the title and above the bottom line.
fn height(model: &Model) -> usize {
    usize::from(model.size.1).saturating_sub(2)
}

pub(super) fn draw(model: &Model, frame: &mut Frame) {
    let (Mode::Why { scroll, .. } | Mode::Help { scroll }) = &model.mode else { return };
    let (width, _) = model.size;
    let title = match &model.mode {
        Mode::Why { agent, .. } => match model.rows().iter().find(|row| row.name == *agent) {
            Some(row) => {
                let state = row.standing.state.word();
                format!("why {agent} is {state}, for {}", age(row.standing.since, model.moment()))
            }
            None => format!("why {agent} is as it is"),
        },
        _ => "keys and marks".to_owned(),
    };
    put(frame, Rect::new(0, 0, width, 1), vec![rule(model.look, &title, width.into())]);
    let rows = u16::try_from(height(model)).unwrap_or(u16::MAX);
    let shown = lines(model).into_iter().skip(*scroll).take(rows.into()).collect();
    put(frame, Rect::new(0, 1, width, rows), shown);
}

fn lines(model: &Model) -> Vec<Line<'static>> {
    match &model.mode {
        Mode::Help { .. } => help(model),
        Mode::Why { trail, .. } => {
            let say = |text: &str| {
                let lines = wrap(text, usize::from(model.size.0).saturating_sub(2));
                lines.into_iter().map(|line| Line::raw(format!(" {line}"))).collect()
            };
            match trail {
                None => say("reading the journal"),
                Some(Err(why)) => say(&model.look.harmless(why)),
                Some(Ok(trail)) if trail.is_empty() => say("nothing has been decided about it yet"),
                Some(Ok(trail)) => trail.iter().flat_map(|entry| decision(model, entry)).collect(),
            }
        }
        _ => Vec::new(),
    }
}

/// Time and state, and beside them, or below where that is too narrow, the reason.
fn decision(model: &Model, entry: &Entry) -> Vec<Line<'static>> {
    const WORD: usize = 17;
    let look = model.look;
    let width = usize::from(model.size.0).saturating_sub(1);
    let clock = format!(" {}  ", entry.clock);
    let mark = entry.weight.mark();
    let mut head = vec![
        Span::styled(clock.clone(), look.dim()),
        Span::styled(format!("{mark} {}", pad(&entry.word, WORD)), look.style(entry.weight)),
    ];
    let beside = columns(&clock) + WORD + 4;
    let mut lines = Vec::new();
    let indent = if width >= beside + 30 {
        beside
    } else {
        lines.push(Line::from(std::mem::take(&mut head)));
        4
    };
    for part in wrap(&entry.text(), width.saturating_sub(indent)) {
        if head.is_empty() {
            lines.push(Line::raw(format!("{}{part}", " ".repeat(indent))));
        } else {
            let mut spans = std::mem::take(&mut head);
            spans.push(Span::raw(format!("  {part}")));
            lines.push(Line::from(spans));
        }
    }
    lines
}

fn help(model: &Model) -> Vec<Line<'static>> {
    let look = model.look;
    let marks = LEGEND.map(|(weight, what)| (weight.mark(), what, look.style(weight)));
    let keys = HELP.map(|(key, what)| (key, what, look.strong()));
    let all = keys.iter().chain(&marks);
    let beside = 12;
    let width = usize::from(model.size.0).saturating_sub(beside + 1);
    all.flat_map(|(key, what, style)| {
        let parts = wrap(what, width).into_iter().enumerate();
        parts.map(move |(at, part)| {
            let key = if at == 0 { format!(" {key}") } else { String::new() };
            Line::from(vec![Span::styled(pad(&key, beside), *style), Span::raw(part)])
        })
    })
    .collect()
}
