//! The screen: a header, alarms, the agents, the selected one in detail, the last decisions, and one line for keys,
//! questions and outcomes.

mod bottom;
mod feed;
mod header;
mod overlay;
mod rows;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::look::Look;
use super::model::Model;
use super::text;

/// Fewest rows of a screen that has room for the detail and for events.
const TALL: u16 = 18;

/// Where what stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Areas {
    pub header: Rect,
    pub alarms: Rect,
    pub heads: Rect,
    pub list: Rect,
    pub detail: Rect,
    pub feed: Rect,
    pub bottom: Rect,
}

/// The areas for the size and the content of `model`.
#[must_use]
pub fn areas(model: &Model) -> Areas {
    let (width, height) = model.size;
    let mut top = 0;
    let mut take = |rows: u16| {
        let rows = rows.min(height - top);
        let area = Rect::new(0, top, width, rows);
        top += rows;
        area
    };
    let bottom_rows = u16::from(height > 1);
    let header = take(1);
    let alarms = u16::try_from(header::alarms(model).len()).unwrap_or(u16::MAX);
    let alarms = take(alarms.min(if height >= TALL { 3 } else { 1 }));
    let nobody = model.rows().is_empty();
    let heads = take(u16::from(height >= 8 && !nobody));
    let left = height.saturating_sub(header.height + alarms.height + heads.height + bottom_rows);
    let detail = match height {
        _ if nobody => 0,
        24.. => 4,
        TALL.. => 3,
        10.. => 1,
        _ => 0,
    };
    let room = left.saturating_sub(detail);
    // Without agents there is a sentence or two.
    let needed = if nobody { 3 } else { u16::try_from(model.rows().len()).unwrap_or(u16::MAX) };
    let feed = if model.events && height >= TALL {
        // What the list does not need is the events'.
        (height * 5 / 24 + 1).max(room.saturating_sub(needed)).min(room)
    } else {
        0
    };
    let list = take(room - feed);
    let detail = take(detail);
    let feed = take(feed);
    Areas { header, alarms, heads, list, detail, feed, bottom: take(bottom_rows) }
}

/// How far the text over the screen can be scrolled, in lines.
#[must_use]
pub fn furthest(model: &Model) -> usize {
    overlay::furthest(model)
}

/// Draws all of it.
pub fn draw(model: &Model, frame: &mut Frame) {
    let areas = areas(model);
    if overlay::is_open(model) {
        overlay::draw(model, frame);
    } else {
        put(frame, areas.header, vec![header::line(model)]);
        put(frame, areas.alarms, header::alarm_lines(model, areas.alarms.height.into()));
        put(frame, areas.heads, vec![rows::heads(model)]);
        put(frame, areas.list, rows::lines(model, areas.list.height.into()));
        put(frame, areas.detail, rows::detail(model, areas.detail.height.into()));
        put(frame, areas.feed, feed::lines(model, areas.feed.height.into()));
    }
    bottom::draw(model, frame, areas.bottom);
}

/// Puts each line on a row of its own; what does not fit is left out.
fn put(frame: &mut Frame, area: Rect, lines: Vec<Line<'static>>) {
    let area = area.intersection(frame.area());
    for (row, line) in area.rows().zip(lines) {
        frame.buffer_mut().set_line(row.x, row.y, &line, row.width);
    }
}

/// A rule over the whole width with `title` in it.
fn rule(look: Look, title: &str, width: usize) -> Line<'static> {
    let dash = look.rule();
    let title = look.fit(title, width.saturating_sub(6));
    let rest = width.saturating_sub(4 + text::columns(&title));
    Line::from(vec![
        Span::styled(dash.repeat(2.min(width)), look.dim()),
        Span::styled(format!(" {title} "), look.strong()),
        Span::styled(dash.repeat(rest), look.dim()),
    ])
}

/// `label`, and the text behind it in lines of `width` columns, `most` of them at most.
fn labelled(
    look: Look,
    label: &str,
    content: &str,
    (width, most): (usize, usize),
    style: Style,
) -> Vec<Line<'static>> {
    let indent = text::columns(label) + 1;
    let mut lines = text::wrap(content, width.saturating_sub(indent));
    if lines.len() > most && most > 0 {
        let rest = lines.split_off(most - 1).join(" ");
        lines.push(look.fit(&rest, width.saturating_sub(indent)));
    }
    let lines = lines.into_iter().take(most).enumerate();
    lines
        .map(|(at, line)| {
            let lead = if at == 0 { format!("{label} ") } else { " ".repeat(indent) };
            Line::from(vec![Span::styled(lead, look.dim()), Span::styled(line, style)])
        })
        .collect()
}

#[cfg(test)]
mod tests;
