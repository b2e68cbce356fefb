//! The first lines: which fleet, how it is, and what is wrong with the whole of it.

use ratatui::text::{Line, Span};

use crate::supervise::standing::State;
use crate::top::list::Order;
use crate::top::look::Weight;
use crate::top::model::{Contact, Mode, Model};
use crate::top::text;

/// The fleet, how many of its agents are in which state, and what is listed.
pub(super) fn line(model: &Model) -> Line<'static> {
    let look = model.look;
    let width = usize::from(model.size.0);
    let counts = counts(model);
    let needed: usize = counts.iter().map(|(words, _)| text::columns(words) + 2).sum();
    // How it is sorted matters least.
    let crowded = text::columns(model.fleet.as_str()) + needed + text::columns(&listed(model)) + 3 > width;
    let right = if crowded && model.list.filter.is_empty() { String::new() } else { listed(model) };
    let mut room = width.saturating_sub(text::columns(&right) + 2);
    let name = look.fit(&format!(" {}", model.fleet), room);
    room -= text::columns(&name);
    let mut spans = vec![Span::styled(name, look.strong())];
    let last = counts.len().saturating_sub(1);
    let more = format!(", {}", look.cut());
    for (at, (words, weight)) in counts.into_iter().enumerate() {
        let gap = if at < 2 { "  " } else { ", " };
        // The worst come first, so what does not fit is the least.
        let kept = if at < last { text::columns(&more) } else { 0 };
        let Some(left) = room.checked_sub(text::columns(&words) + gap.len()).filter(|left| *left >= kept) else {
            if room >= text::columns(&more) {
                room -= text::columns(&more);
                spans.push(Span::raw(more));
            }
            break;
        };
        room = left;
        spans.push(Span::raw(gap));
        let style = weight.filter(|weight| weight.is_news()).map(|weight| look.style(weight)).unwrap_or_default();
        spans.push(Span::styled(words, style));
    }
    spans.push(Span::raw(" ".repeat(room + 1)));
    spans.push(Span::styled(right, look.dim()));
    Line::from(spans)
}

/// `200 agents`, `2 quarantined`, and so on, the worst first.
fn counts(model: &Model) -> Vec<(String, Option<Weight>)> {
    let rows = model.rows();
    if model.status.is_none() {
        return Vec::new();
    }
    let all = if rows.len() == 1 { "1 agent".to_owned() } else { format!("{} agents", rows.len()) };
    let mut states: Vec<(Weight, &str, usize)> = Vec::new();
    for row in rows {
        let (weight, word) = (Weight::of(row), word(&row.standing.state));
        match states.iter_mut().find(|(_, known, _)| *known == word) {
            Some((worst, _, count)) => {
                *worst = weight.min(*worst);
                *count += 1;
            }
            None => states.push((weight, word, 1)),
        }
    }
    states.sort_unstable();
    let states = states.into_iter().map(|(weight, word, count)| (format!("{count} {word}"), Some(weight)));
    std::iter::once((all, None)).chain(states).collect()
}

/// Short: many stand side by side.
fn word(state: &State) -> &'static str {
    match state {
        State::WaitingForHuman => "waiting",
        other => other.word(),
    }
}

/// What is listed, and in which order.
fn listed(model: &Model) -> String {
    let list = &model.list;
    let order = match list.order {
        Order::Trouble => "worst first",
        Order::Name => "by name",
    };
    // The filter that is being typed stands in the bottom line.
    if list.filter.is_empty() || matches!(model.mode, Mode::Filter(_)) && model.size.0 < 60 {
        return format!("{order} ");
    }
    let filter = model.look.fit(&model.look.harmless(&list.filter), 16);
    format!("/{filter}: {} of {} ", list.shown().len(), model.rows().len())
}

/// What is wrong with the whole fleet, the worst first.
pub(super) fn alarms(model: &Model) -> Vec<String> {
    let mut alarms = Vec::new();
    if let Contact::Lost { since, why } = &model.contact {
        alarms.push(match &model.status {
            Some(_) => {
                let age = text::age(*since, model.now);
                format!("{why}; all below is {age} old")
            }
            None => why.clone(),
        });
    }
    if let Some(status) = &model.status {
        if let Some(lost) = &status.journal_lost {
            alarms.push(format!("nothing is stopped or restarted until `fleet clear --journal-lost`: {lost}"));
        }
        alarms.extend(status.problems.iter().cloned());
    }
    alarms.iter().map(|alarm| model.look.harmless(alarm)).collect()
}

/// [`alarms`] on `height` rows.
pub(super) fn alarm_lines(model: &Model, height: usize) -> Vec<Line<'static>> {
    let look = model.look;
    let alarms = alarms(model);
    let width = usize::from(model.size.0).saturating_sub(4);
    let more = alarms.len().saturating_sub(height);
    let shown = alarms.iter().take(height).enumerate();
    shown
        .map(|(at, alarm)| {
            let alarm = match more {
                1.. if at + 1 == height => {
                    let rest = format!(" (and {more} more)");
                    format!("{}{rest}", look.fit(alarm, width.saturating_sub(text::columns(&rest))))
                }
                _ => look.fit(alarm, width),
            };
            Line::styled(format!(" ! {alarm}"), look.alarm())
        })
        .collect()
}
