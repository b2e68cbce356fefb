//! The last decisions.

use ratatui::text::{Line, Span};

use super::rule;
use crate::top::entry::Entry;
use crate::top::model::Model;
use crate::top::text::{columns, pad};

/// From this many columns on, states and rules have a column of their own.
const WIDE: usize = 60;

/// A rule and the last decisions, the newest last, on `height` rows.
pub(super) fn lines(model: &Model, height: usize) -> Vec<Line<'static>> {
    let look = model.look;
    let width = usize::from(model.size.0);
    let mut lines = vec![rule(look, "decisions", width)];
    if let Some(why) = &model.unread {
        let text = look.fit(&look.harmless(why), width.saturating_sub(2));
        lines.push(Line::styled(format!(" {text}"), look.dim()));
    }
    if model.feed.is_empty() && model.unread.is_none() && model.status.is_some() {
        lines.push(Line::styled(" none yet", look.dim()));
    }
    let room = height.saturating_sub(lines.len());
    let shown = &model.feed[model.feed.len().saturating_sub(room)..];
    let longest = |of: fn(&Entry) -> &str| shown.iter().map(|entry| columns(of(entry))).max().unwrap_or(0);
    let agent = longest(|entry| entry.agent.as_deref().unwrap_or("fleet")).min(width / 4);
    let word = longest(|entry| &entry.word);
    lines.extend(shown.iter().map(|entry| line(model, entry, (agent, word))));
    lines
}

fn line(model: &Model, entry: &Entry, (agent, word): (usize, usize)) -> Line<'static> {
    let look = model.look;
    let width = usize::from(model.size.0);
    let name = look.fit_name(entry.agent.as_deref().unwrap_or("fleet"), agent);
    let mut spans = vec![
        Span::styled(format!(" {}", entry.clock), look.dim()),
        Span::raw(format!("  {}", pad(&name, agent))),
        Span::raw("  "),
    ];
    if width >= WIDE {
        spans.push(Span::styled(pad(&entry.word, word), look.style(entry.weight)));
        spans.push(Span::raw("  "));
    } else {
        spans.push(Span::styled(format!("{}: ", entry.word), look.style(entry.weight)));
    }
    let used: usize = spans.iter().map(|span| columns(&span.content)).sum();
    spans.push(Span::raw(look.fit(&entry.text(), width.saturating_sub(used + 1))));
    Line::from(spans)
}
