//! `fleet messages`: notices for people, and messages to agents.

use crate::cli::agents;
use crate::cli::args::{Global, Messages};
use crate::cli::error::{CliError, Exit};
use crate::cli::looking::time::Clock;
use crate::cli::looking::{sources, text};
use crate::cli::target::{self, Target};
use crate::cli::ui::Ui;
use crate::driver::words::{Answer, Ask};
use crate::ids::AgentName;
use crate::journal::rows::{MessageRow, NoticeRow};
use crate::plan::show::Paint;
use crate::supervise::message::MessageState;

/// Rows of each list, unless all are asked for.
const SHOWN: usize = 20;
/// Rows that are read: of both lists no more are kept for long.
const READ: usize = 10_000;
/// Columns of a message's text in the list.
const TEXT: usize = 60;

pub fn run(ui: &Ui, global: &Global, args: &Messages) -> Result<Exit, CliError> {
    let target = target::find(global)?;
    if let Some(id) = &args.cancel {
        return cancel(ui, &target, id);
    }
    let agent = args.agent.as_deref().map(|name| agents::one(&target, name)).transpose()?;
    let reader = sources::the_journal(&target)?;
    let mut notices = reader.notices(args.unread, READ)?;
    notices.retain(|notice| agent.as_ref().is_none_or(|agent| notice.agent.as_deref() == Some(agent.as_str())));
    let mut messages = reader.messages(agent.as_ref().map(AgentName::as_str), READ)?;
    messages.retain(|message| !args.unread || !message.state.is_final());
    let most = if args.all { usize::MAX } else { SHOWN };
    let older = [choose(&mut notices, most, |notice| !notice.read), choose(&mut messages, most, is_open)];
    if args.json {
        for notice in &notices {
            ui.out(&ui.json_line(&typed("notice", notice)));
        }
        for message in &messages {
            ui.out(&ui.json_line(&typed("message", message)));
        }
        return Ok(Exit::Ok);
    }
    let clock = Clock::read();
    ui.out(&lists(&notices, &messages, older, args.unread, &clock, ui.paint()));
    mark(ui, &target, &notices);
    Ok(Exit::Ok)
}

/// Whether something may still happen to it.
fn is_open(message: &MessageRow) -> bool {
    !message.state.is_final()
}

/// Keeps the newest `most` rows and every one that `matters`. How many of the others went.
fn choose<T>(rows: &mut Vec<T>, most: usize, matters: impl Fn(&T) -> bool) -> usize {
    let (before, from) = (rows.len(), rows.len().saturating_sub(most));
    let mut number = 0;
    rows.retain(|row| {
        number += 1;
        number > from || matters(row)
    });
    before - rows.len()
}

fn typed<T: serde::Serialize>(kind: &str, row: &T) -> serde_json::Value {
    let mut value = serde_json::json!({ "type": kind });
    if let (Some(value), Ok(serde_json::Value::Object(fields))) = (value.as_object_mut(), serde_json::to_value(row)) {
        value.extend(fields);
    }
    value
}

fn lists(
    notices: &[NoticeRow],
    messages: &[MessageRow],
    older: [usize; 2],
    unread: bool,
    clock: &Clock,
    paint: Paint,
) -> String {
    let more = |count: usize| if count > 0 { format!("  ({count} older: --all)") } else { String::new() };
    let mut out = vec![format!("{}{}", paint.bold("For people"), more(older[0]))];
    if notices.is_empty() {
        out.push(if unread { "  nothing unread" } else { "  nothing" }.to_owned());
    }
    let width = notices.iter().filter_map(|notice| notice.agent.as_ref()).map(String::len).max().unwrap_or(1);
    for notice in notices {
        let mark = if notice.read { " " } else { "*" };
        let agent = notice.agent.as_deref().map_or_else(|| "-".to_owned(), text::line);
        let said = text::line(&notice.text);
        let line =
            format!("{mark} {:>4}  {:<7}  {agent:<width$}  {said}", clock.age(notice.at), text::line(&notice.level));
        let is_bad = !notice.read && matches!(notice.level.as_str(), "action" | "urgent");
        out.push(if is_bad { paint.bad(&line) } else { line });
    }
    out.push(format!("\n{}{}", paint.bold("To agents"), more(older[1])));
    if messages.is_empty() {
        out.push(if unread { "  nothing waits" } else { "  nothing" }.to_owned());
    }
    for message in messages {
        out.extend(about(message, clock, paint));
    }
    out.join("\n")
}

/// A message in one or two lines.
fn about(message: &MessageRow, clock: &Clock, paint: Paint) -> Vec<String> {
    let said = text::shorten(&text::line(&message.text), TEXT);
    let who = format!("{} → {}", message.from, message.to);
    let line = format!(
        "  {:>4}  {:<9}  {}  {who}: {said}",
        clock.age(message.created),
        message.state.word(),
        text::line(&message.id)
    );
    let is_bad = matches!(message.state, MessageState::Unknown | MessageState::Refused | MessageState::Expired);
    let why = text::line(&message.why);
    let why = (!why.is_empty()).then(|| format!("        {why}"));
    [Some(if is_bad { paint.bad(&line) } else { line }), why].into_iter().flatten().collect()
}

/// Says to the supervisor that people have seen these.
fn mark(ui: &Ui, target: &Target, notices: &[NoticeRow]) {
    let unread: Vec<u64> = notices.iter().filter(|notice| !notice.read).map(|notice| notice.id).collect();
    if unread.is_empty() {
        return;
    }
    match sources::ask(target, Ask::MarkRead { notices: unread }) {
        Ok(Some(_)) => {}
        Ok(None) => ui.note("The notices stay unread: the supervisor, which marks them, does not run."),
        Err(error) => ui.note(&format!("The notices stay unread: {}", error.message)),
    }
}

/// Takes a message back.
fn cancel(ui: &Ui, target: &Target, id: &str) -> Result<Exit, CliError> {
    sources::must_ask(target, Ask::Recall { id: id.to_owned() })?;
    let answer = sources::must_ask(target, Ask::Message { id: id.to_owned() })?;
    let Answer::Message { message } = answer else { return Err(sources::odd(&answer)) };
    if message.state == MessageState::Recalled {
        ui.out(&format!("{} to {} is taken back; nothing of it was typed.", text::line(&message.id), message.to));
        return Ok(Exit::Ok);
    }
    let word = message.state.word();
    Err(CliError::refused(
        format!("{} to {} cannot be taken back: it is {word}", text::line(&message.id), message.to),
        "only a message that still waits in fleet's queue can be",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::looking::time::tests::noon;
    use crate::supervise::event::Caller;

    fn notice(id: u64, level: &str, read: bool, text: &str) -> NoticeRow {
        let (at, level, text) = (noon().now - id * 60_000, level.to_owned(), text.to_owned());
        NoticeRow { id, at, level, agent: Some("coder".to_owned()), text, read }
    }

    fn message(id: &str, state: MessageState, why: &str) -> MessageRow {
        MessageRow {
            id: id.to_owned(),
            to: AgentName::new("coder").unwrap(),
            from: Caller::Operator,
            text: "do\u{1b}[2J this".to_owned(),
            created: noon().now - 5_000,
            ttl_ms: 1,
            state,
            why: why.to_owned(),
            changed: noon().now,
        }
    }

    #[test]
    fn the_two_lists_are_told_apart() {
        let notices = [notice(2, "info", true, "all is well"), notice(1, "urgent", false, "look\nat it")];
        let messages = [
            message("m-1", MessageState::Queued, ""),
            message("m-2", MessageState::Unknown, "the shim died while it typed"),
        ];
        let said = lists(&notices, &messages, [3, 0], false, &noon(), Paint { colour: false });
        assert_eq!(
            said,
            "For people  (3 older: --all)\n\
             \u{20}   2m  info     coder  all is well\n\
             *   1m  urgent   coder  look\\nat it\n\
             \n\
             To agents\n\
             \u{20}   5s  queued     m-1  a person → coder: do\\u{1b}[2J this\n\
             \u{20}   5s  unknown    m-2  a person → coder: do\\u{1b}[2J this\n\
             \u{20}       the shim died while it typed"
        );
        let said = lists(&[], &[], [0, 0], true, &noon(), Paint { colour: false });
        assert_eq!(said, "For people\n  nothing unread\n\nTo agents\n  nothing waits");
    }

    #[test]
    fn what_matters_is_never_left_out() {
        let mut rows = vec![(1, true), (2, false), (3, false), (4, false)];
        assert_eq!(choose(&mut rows, 2, |row| row.1), 1);
        assert_eq!(rows, [(1, true), (3, false), (4, false)]);
    }
}
