//! The last line: a question, what was typed, what came of it, or the keys.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::put;
use crate::supervise::standing::State;
use crate::top::errand::Verb;
use crate::top::line;
use crate::top::model::{Mode, Model};
use crate::top::text::{self, columns};

/// Keys of the list, those that are missed most first.
const KEYS: [(&str, &str); 12] = [
    ("?", "help"),
    ("q", "quit"),
    ("a", "attach"),
    ("s", "send"),
    ("w", "why"),
    ("x", "stop"),
    ("r", "restart"),
    ("u", "start"),
    ("c", "clear"),
    ("/", "filter"),
    ("o", "order"),
    ("e", "decisions"),
];

pub(super) fn draw(model: &Model, frame: &mut Frame, area: Rect) {
    let look = model.look;
    let width = usize::from(model.size.0).saturating_sub(1);
    match &model.mode {
        Mode::Filter(line) => prompt(model, frame, area, " / ", line),
        Mode::Send(agent, line) => {
            let long = format!(" send to {agent} (enter sends, esc does not): ");
            let short = format!(" to {}: ", look.fit_name(agent.as_str(), width / 3));
            prompt(
                model,
                frame,
                area,
                if columns(&long) + columns(line.text()) < width { &long } else { &short },
                line,
            );
        }
        Mode::Confirm(errand) => {
            let row = model.rows().iter().find(|row| row.name == errand.agent);
            let now = match row.map(|row| &row.standing.state) {
                Some(State::Working) if errand.verb != Verb::Clear => ", which is working",
                _ => "",
            };
            let question = look.fit(&format!(" {errand}{now}?"), width.saturating_sub(4));
            put(frame, area, vec![Line::styled(format!("{question} y/n"), look.alarm())]);
        }
        Mode::Why { .. } | Mode::Help { .. } => {
            put(
                frame,
                area,
                vec![keys(model, &[("q", "back"), ("up", ""), ("down", ""), ("space", "page"), ("end", "")])],
            );
        }
        Mode::List => {
            let line = if let Some(note) = &model.note {
                let style = if note.good { look.strong() } else { look.alarm() };
                let mark = if note.good { "" } else { "! " };
                Line::styled(format!(" {mark}{}", look.fit(&note.text, width.saturating_sub(2))), style)
            } else if let Some(errand) = model.errands.last() {
                let more = match model.errands.len() {
                    1 => String::new(),
                    count => format!(" (and {} more)", count - 1),
                };
                Line::styled(format!(" {}", look.fit(&format!("under way: {errand}{more}"), width)), look.strong())
            } else {
                keys(model, &KEYS)
            };
            put(frame, area, vec![line]);
        }
    }
}

/// As many keys as fit.
fn keys(model: &Model, keys: &[(&str, &str)]) -> Line<'static> {
    let look = model.look;
    let mut room = usize::from(model.size.0);
    let mut spans = Vec::new();
    for (key, what) in keys {
        let what = if what.is_empty() { String::new() } else { format!(" {what}") };
        let lead = if spans.is_empty() { " " } else { "  " };
        let Some(left) = room.checked_sub(columns(key) + columns(&what) + lead.len()) else { break };
        room = left;
        spans.push(Span::raw(lead));
        spans.push(Span::styled((*key).to_owned(), look.strong()));
        spans.push(Span::styled(what, look.dim()));
    }
    Line::from(spans)
}

/// `label` and what is typed behind it, with the cursor where the next character goes.
fn prompt(model: &Model, frame: &mut Frame, area: Rect, label: &str, typed: &line::Line) {
    let look = model.look;
    let room = usize::from(area.width).saturating_sub(columns(label) + 1);
    let clean = |text: &str| text::visible(text, look.unicode);
    let before = clean(typed.before());
    // The end of what stands before the cursor is always seen.
    let mut start = 0;
    for (at, _) in before.char_indices() {
        start = at;
        if columns(&before[at..]) < room {
            break;
        }
    }
    let seen = &before[start..];
    let all = clean(typed.text());
    let after = all.get(before.len()..).unwrap_or_default();
    let shown = text::fit(&format!("{seen}{after}"), room, "");
    put(frame, area, vec![Line::from(vec![Span::styled(label.to_owned(), look.strong()), Span::raw(shown)])]);
    let column = columns(label) + columns(seen);
    let column = u16::try_from(column).unwrap_or(u16::MAX).min(area.width.saturating_sub(1));
    frame.set_cursor_position((area.x + column, area.y));
}
