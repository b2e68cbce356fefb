//! The agents, one a row, and the selected one in detail.

use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

use super::{labelled, rule};
use crate::driver::words::Row;
use crate::supervise::standing::{Class, State};
use crate::top::look::Weight;
use crate::top::model::{Contact, Model};
use crate::top::text::{age, columns, pad, pad_left};

/// From this many columns on there is room for reason and last line side by side.
const WIDE: usize = 110;
/// Up to this many columns the numbers and the reason are left out.
const NARROW: usize = 60;
/// A last column with less room than this says nothing.
const LEAST: usize = 10;

/// Widths of the columns; 0: left out.
struct Columns {
    name: usize,
    state: usize,
    number: usize,
    reason: usize,
    screen: usize,
}

impl Columns {
    fn of(model: &Model) -> Self {
        let width = usize::from(model.size.0);
        let most = if width >= WIDE { 32 } else { width / 4 };
        let longest = model.rows().iter().map(|row| columns(row.name.as_str())).max().unwrap_or(0);
        let name = longest.clamp(5, most.max(5));
        let state = if width >= WIDE { 17 } else { 13 };
        let number = if width > NARROW { 3 } else { 0 };
        // Pointer, mark and blank; then each column with two blanks before it.
        let numbers = if number > 0 { 2 * (number + 2) } else { 0 };
        let rest = width.saturating_sub(3 + name + 2 + state + 1 + 4 + numbers + 2);
        let (reason, screen) = match rest {
            ..LEAST => (0, 0),
            _ if width >= WIDE => (rest - rest * 2 / 5 - 2, rest * 2 / 5),
            _ => (rest, 0),
        };
        Self { name, state, number, reason, screen }
    }

    fn line(&self, cells: [(String, Style); 5], last: [(String, Style); 2]) -> Vec<Span<'static>> {
        let [
            (name, name_style),
            (state, state_style),
            (age, age_style),
            (queue, queue_style),
            (starts, starts_style),
        ] = cells;
        let mut spans = vec![
            Span::styled(pad(&name, self.name), name_style),
            Span::styled(format!("  {}", pad(&state, self.state)), state_style),
            Span::styled(format!(" {}", pad_left(&age, 4)), age_style),
        ];
        if self.number > 0 {
            spans.push(Span::styled(format!("  {}", pad_left(&queue, self.number)), queue_style));
            spans.push(Span::styled(format!("  {}", pad_left(&starts, self.number)), starts_style));
        }
        let [(reason, reason_style), (screen, screen_style)] = last;
        if self.reason > 0 {
            spans.push(Span::styled(format!("  {}", pad(&reason, self.reason)), reason_style));
        }
        if self.screen > 0 {
            spans.push(Span::styled(format!("  {}", pad(&screen, self.screen)), screen_style));
        }
        spans
    }
}

/// The names of the columns.
pub(super) fn heads(model: &Model) -> Line<'static> {
    let columns = Columns::of(model);
    let dim = model.look.dim();
    let cell = |text: &str| (text.to_owned(), dim);
    let reason = if columns.screen > 0 { "WHY" } else { "WHY, OR ITS LAST LINE" };
    let mut spans = vec![Span::raw("   ")];
    spans.extend(columns.line(
        ["AGENT", "STATE", "AGE", "MSG", "RST"].map(cell),
        [cell(&model.look.fit(reason, columns.reason)), cell("LAST LINE")],
    ));
    Line::from(spans)
}

/// The rows that are scrolled to, `height` of them at most.
pub(super) fn lines(model: &Model, height: usize) -> Vec<Line<'static>> {
    let list = &model.list;
    if list.shown().is_empty() {
        let text = match (&model.status, &model.contact) {
            (None, Contact::Asking) => "asking the supervisor…",
            (None, _) => {
                "nothing is known of the agents: `fleet status` asks them, `fleet apply` starts the supervisor"
            }
            (Some(_), _) if !list.filter.is_empty() => "no agent matches: Esc shows all of them",
            (Some(_), _) => "this fleet has no agents",
        };
        let text = if model.look.unicode { text.to_owned() } else { text.replace('…', "...") };
        let room = usize::from(model.size.0).saturating_sub(4);
        let lines = crate::top::text::wrap(&text, room).into_iter().take(height);
        return lines.map(|line| Line::styled(format!("   {line}"), model.look.dim())).collect();
    }
    let columns = Columns::of(model);
    let places = list.shown().iter().enumerate().skip(list.offset()).take(height);
    places.map(|(at, place)| line(model, &columns, &model.rows()[*place], at == list.cursor())).collect()
}

fn line(model: &Model, columns: &Columns, row: &Row, selected: bool) -> Line<'static> {
    let look = model.look;
    let weight = Weight::of(row);
    let style = look.style(weight);
    let quiet = if weight == Weight::Rest { look.dim() } else { Style::new() };
    let name_style = if weight.is_news() { look.strong() } else { quiet };
    let state = row.standing.state.word();
    let state = if columns.state < columns_of(state) { short(&row.standing.state) } else { state };
    let number = |count: usize| if count == 0 { String::new() } else { count.min(999).to_string() };
    let reason = why(model, row);
    let said = row.last_line.as_deref().map(|line| look.harmless(line)).unwrap_or_default();
    // With one column for both: whoever is well has nothing to explain.
    let is_quiet = matches!(row.standing.state, State::Working | State::Idle);
    let (reason, reason_style) = match columns.screen {
        0 if is_quiet && !said.is_empty() => (said.clone(), look.dim()),
        _ => (reason, quiet),
    };
    let mut spans = vec![
        Span::styled(if selected { look.pointer() } else { " " }, look.strong()),
        Span::styled(weight.mark(), style),
        Span::raw(" "),
    ];
    spans.extend(columns.line(
        [
            (look.fit_name(&look.harmless(row.name.as_str()), columns.name), name_style),
            (state.to_owned(), style),
            (age(row.standing.since, model.moment()), quiet),
            (number(row.queued), quiet),
            (number(row.restarts), quiet),
        ],
        [(look.fit(&reason, columns.reason), reason_style), (look.fit(&said, columns.screen), look.dim())],
    ));
    let mut line = Line::from(spans);
    if matches!(model.contact, Contact::Lost { .. }) {
        line = line.patch_style(look.dim());
    }
    if selected {
        // To the edge, and without the faintness that reverse video makes hard to read.
        let width = line.spans.iter().map(|span| columns_of(&span.content)).sum::<usize>();
        line.spans.push(Span::raw(" ".repeat(usize::from(model.size.0).saturating_sub(width))));
        for span in &mut line.spans {
            span.style = span.style.remove_modifier(Modifier::DIM).add_modifier(Modifier::REVERSED);
        }
        line.style = Style::new();
    }
    line
}

fn columns_of(text: &str) -> usize {
    columns(text)
}

/// The longest words in fewer columns.
fn short(state: &State) -> &'static str {
    match state {
        State::WaitingForHuman => "waits for you",
        other => other.word(),
    }
}

/// The reason, with what is known of its end.
fn why(model: &Model, row: &Row) -> String {
    let reason = model.look.harmless(&row.standing.reason);
    let left = |until: u64| match until.checked_sub(model.moment()) {
        Some(left @ 1..) => Some(format!("{} to go", age(0, left))),
        _ => None,
    };
    let (class, left) = match row.standing.state {
        State::RateLimited { class, until } => (Some(class), until.and_then(left)),
        State::Blocked { class } => (Some(class), None),
        State::BackingOff { until } => (None, left(until)),
        _ => (None, None),
    };
    let class =
        class.filter(|class| !matches!(class, Class::Other | Class::Reported)).map(|class| class.word().to_owned());
    let before: Vec<String> = class.into_iter().chain(left).collect();
    if before.is_empty() { reason } else { format!("{}: {reason}", before.join(", ")) }
}

/// The selected agent: what it is, why it is as it is, and what stands last on its screen.
pub(super) fn detail(model: &Model, height: usize) -> Vec<Line<'static>> {
    let look = model.look;
    let width = usize::from(model.size.0).saturating_sub(1);
    let Some(row) = model.current() else {
        return if height > 1 { vec![rule(look, "nobody", width + 1)] } else { Vec::new() };
    };
    let mut reason =
        format!("{} for {}: {}", row.standing.state.word(), age(row.standing.since, model.moment()), why(model, row));
    if let Some(how) = &row.fell_back {
        reason += &format!("; it {}", look.harmless(how));
    }
    if height < 2 {
        return labelled(look, " why", &reason, (width, height), Style::new());
    }
    let said = row.last_line.as_deref().map(|line| look.harmless(line)).filter(|line| !line.is_empty());
    let said = said.unwrap_or_else(|| "(nothing is known of its screen)".to_owned());
    let mut lines = vec![rule(look, &about(model, row), width + 1)];
    let reason = labelled(look, " why   ", &reason, (width, height - 2), Style::new());
    let left = height - 1 - reason.len();
    lines.extend(reason);
    lines.extend(labelled(look, " screen", &said, (width, left), Style::new()));
    lines
}

/// What the selected agent is, and what there is to know of its run.
fn about(model: &Model, row: &Row) -> String {
    let look = model.look;
    let runtime = match &row.model {
        Some(model) => format!("{}/{model}", row.runtime),
        None => row.runtime.clone(),
    };
    let count = |count: usize, one: &str, many: &str| match count {
        0 => None,
        1 => Some(format!("1 {one}")),
        count => Some(format!("{count} {many}")),
    };
    let parts = [
        Some(row.name.to_string()),
        row.restart_pending.then(|| "restart pending".to_owned()),
        row.role.clone(),
        Some(runtime),
        count(row.queued, "message waits", "messages wait"),
        count(row.restarts, "restart", "restarts"),
        count(row.viewers as usize, "viewer", "viewers"),
        row.pid.zip(row.started).map(|(_, started)| format!("up {}", age(started, model.moment()))),
        row.pid.map(|pid| format!("pid {pid}")),
    ];
    look.harmless(&parts.into_iter().flatten().collect::<Vec<_>>().join(look.dot()))
}
