//! `fleet events`.

use std::collections::BTreeSet;
use std::path::Path;

use crate::cli::agents;
use crate::cli::args::{Events, Global};
use crate::cli::error::{CliError, Exit};
use crate::cli::looking::changes::{Changes, HEAL};
use crate::cli::looking::time::Clock;
use crate::cli::looking::{events, sources, text, words};
use crate::cli::target::{self, Target};
use crate::cli::ui::Ui;
use crate::diagnostic::suggest;
use crate::ids::AgentName;
use crate::journal::rows::TrailRow;
use crate::journal::{FILE, Reader};
use crate::plan::show::Paint;
use crate::supervise::clock::Millis;
use crate::supervise::decision::Rule;

/// Rows that are read at once.
const PAGE: usize = 1_000;
/// Looks in a row that may fail before the journal counts as unreadable.
const FAILURES: u32 = 40;
/// Between two looks at a journal that cannot be read in this moment.
const SOON: std::time::Duration = std::time::Duration::from_millis(100);
/// Looks after a change: what was heard is the write, and what was written can be read only when it is on the disk.
const AGAIN: [std::time::Duration; 5] = [
    std::time::Duration::from_millis(5),
    std::time::Duration::from_millis(20),
    std::time::Duration::from_millis(80),
    std::time::Duration::from_millis(320),
    std::time::Duration::from_secs(1),
];
/// Rows that are looked through for a rule.
const SEARCHED: usize = 50_000;

pub fn run(ui: &Ui, global: &Global, args: &Events) -> Result<Exit, CliError> {
    let target = target::find(global)?;
    let clock = Clock::read();
    let wanted = Wanted::of(&target, args, &clock)?;
    let printer = Printer { ui, json: args.json, agents: width(&target), wanted };
    let Some(reader) = opened(&target, args.follow)? else {
        if !args.follow {
            return Err(sources::the_journal(&target).err().unwrap_or_else(|| CliError::failed("", "")));
        }
        return follow(&target, None, 0, &printer);
    };
    // What comes between the two is printed by the second.
    let last = reader.last_seq()?;
    for row in printer.wanted.past(&reader, args.limit)? {
        printer.print(&row, &clock);
    }
    if args.follow { follow(&target, Some(reader), last, &printer) } else { Ok(Exit::Ok) }
}

/// The journal. Whoever follows it may come while it is being begun or set aside, and is given a moment.
fn opened(target: &Target, follows: bool) -> Result<Option<Reader>, CliError> {
    const TRIES: u32 = 40;
    const PAUSE: std::time::Duration = std::time::Duration::from_millis(50);
    let mut tries = if follows { TRIES } else { 0 };
    loop {
        match sources::journal(target).map(|found| found.map(|reader| (reader.last_seq(), reader))) {
            Ok(None) => return Ok(None),
            Ok(Some((Ok(_), reader))) => return Ok(Some(reader)),
            Ok(Some((Err(error), _))) if tries == 0 => return Err(error.into()),
            Err(error) if tries == 0 => return Err(error),
            _ => {
                tries -= 1;
                std::thread::sleep(PAUSE);
            }
        }
    }
}

/// Which rows.
struct Wanted {
    since: Millis,
    agent: Option<AgentName>,
    rule: Option<String>,
    all: bool,
}

impl Wanted {
    fn of(target: &Target, args: &Events, clock: &Clock) -> Result<Self, CliError> {
        let since = args.since.as_deref().map(|text| clock.since(text)).transpose()?.unwrap_or(0);
        let agent = args.agent.as_deref().map(|name| agents::one(target, name)).transpose()?;
        let is_rule = |word: &str| Rule::ALL.iter().any(|rule| rule.word() == word);
        // Which kinds of events there are depends on who wrote the journal.
        if let Some(word) = args.rule.as_deref().filter(|word| !args.all && !is_rule(word)) {
            let help = suggest::sentence(word, Rule::ALL.iter().map(|rule| rule.word()));
            return Err(CliError::usage(format!("there is no rule `{}`", word.escape_debug()), help));
        }
        Ok(Self { since, agent, rule: args.rule.clone(), all: args.all })
    }

    /// The last `limit` of what is there.
    fn past(&self, reader: &Reader, limit: usize) -> Result<Vec<TrailRow>, CliError> {
        let limit = if limit == 0 { usize::MAX } else { limit };
        // What is not shown is read as well.
        let read = if self.all && self.rule.is_none() { limit } else { SEARCHED.max(limit) };
        let agent = self.agent.as_ref().map(AgentName::as_str);
        let mut rows: Vec<TrailRow> =
            reader.decisions(self.since, agent, read)?.into_iter().map(TrailRow::Decision).collect();
        if self.all {
            rows.extend(reader.events(self.since, agent, read)?.into_iter().map(TrailRow::Event));
            rows.sort_by_key(TrailRow::seq);
        }
        rows.retain(|row| self.takes(row));
        rows.drain(..rows.len().saturating_sub(limit));
        Ok(rows)
    }

    fn takes(&self, row: &TrailRow) -> bool {
        let (at, word) = match row {
            TrailRow::Event(row) => (row.at, &row.kind),
            TrailRow::Decision(row) => (row.at, &row.rule),
        };
        let is_event = matches!(row, TrailRow::Event(_));
        let is_look = matches!(row, TrailRow::Decision(row) if row.is_only_a_look());
        at >= self.since && (self.all || !is_event && !is_look) && self.rule.as_ref().is_none_or(|rule| rule == word)
    }
}

struct Printer<'a> {
    ui: &'a Ui,
    json: bool,
    /// Columns of the longest agent's name.
    agents: usize,
    wanted: Wanted,
}

impl Printer<'_> {
    fn print(&self, row: &TrailRow, clock: &Clock) {
        if self.json {
            self.ui.out(&self.ui.json_line(row));
        } else {
            self.ui.out(&line(row, clock, self.agents, self.ui.paint()));
        }
    }
}

/// Columns of the longest agent's name.
fn width(target: &Target) -> usize {
    target.ledger.agents.keys().map(|name| name.as_str().len()).max().unwrap_or(0).max(1)
}

/// `14:03:22  worker-1  restart  it ended …  [snapshot: done]`, without line breaks whatever it says.
fn line(row: &TrailRow, clock: &Clock, agents: usize, paint: Paint) -> String {
    let rules = Rule::ALL.iter().map(|rule| rule.word().len()).max().unwrap_or(0);
    let columns = |at: Millis, agent: &Option<String>, word: &str| {
        let agent = agent.as_deref().map_or_else(|| "-".to_owned(), text::line);
        format!("{}  {agent:<agents$}  {:<rules$}", clock.time(at), text::line(word))
    };
    match row {
        TrailRow::Event(row) => {
            let said = format!("{}  {}", columns(row.at, &row.agent, &row.kind), events::words(row));
            paint.dim(said.trim_end())
        }
        TrailRow::Decision(row) => {
            let said = format!("{}  {}", columns(row.at, &row.agent, &row.rule), text::line(&row.reason));
            let acts: Vec<String> = row.effects.iter().filter_map(words::effect).collect();
            let acts = if acts.is_empty() { String::new() } else { format!("  [{}]", acts.join("; ")) };
            let said = format!("{}{acts}", said.trim_end());
            if row.effects.iter().any(words::went_wrong) { paint.bad(&said) } else { said }
        }
    }
}

/// Prints what is written behind the number `after`, until the program is ended.
fn follow(target: &Target, reader: Option<Reader>, after: u64, printer: &Printer<'_>) -> Result<Exit, CliError> {
    let folder = &target.state.paths.state;
    let path = folder.join(FILE);
    // `-shm` changes when it is read.
    let changes = Changes::of(folder, |name| name.starts_with(FILE) && !name.ends_with("-shm"));
    let mut place = identity(&path);
    let (mut reader, mut after) = (reader, after);
    let mut shown = BTreeSet::new();
    let mut failures = 0;
    let mut pace = Pace::default();
    loop {
        let mut failed = false;
        // Another journal in its place counts anew.
        let now = identity(&path);
        if reader.is_none() || now != place {
            if place.is_some() && now != place {
                after = 0;
            }
            // While one is set aside or begun, there is nothing that can be read.
            let found = sources::journal(target);
            failed = found.is_err();
            reader = found.ok().flatten();
            place = now;
        }
        if let Some(open) = &reader {
            let clock = Clock::read();
            match news(open, &mut after, printer, &clock, &mut shown) {
                Ok(()) => failures = 0,
                // It is being set aside or closed in this moment; the next look finds it, or another one.
                Err(_) if failures < FAILURES => {
                    failures += 1;
                    failed = true;
                    reader = None;
                }
                Err(error) => return Err(error),
            }
        }
        // Nobody reads, or nothing more will come: the fleet was destroyed.
        if printer.ui.is_unheard() || !sources::is_applied(&target.state) {
            return Ok(Exit::Ok);
        }
        let heard = changes.wait(pace.next(failed));
        pace.heard(heard);
    }
}

/// How long nothing is looked at, unless a change is heard.
#[derive(Debug, Default)]
struct Pace {
    /// Looks since the last change.
    looks: Option<usize>,
}

impl Pace {
    fn heard(&mut self, heard: bool) {
        if heard {
            self.looks = Some(0);
        }
    }

    fn next(&mut self, failed: bool) -> std::time::Duration {
        if failed {
            // It is being closed or begun: what comes then is heard or looked for.
            self.looks = Some(0);
            return SOON;
        }
        let Some(wait) = self.looks.and_then(|looks| AGAIN.get(looks)) else { return HEAL };
        self.looks = self.looks.map(|looks| looks + 1);
        *wait
    }
}

fn news(
    reader: &Reader,
    after: &mut u64,
    printer: &Printer<'_>,
    clock: &Clock,
    shown: &mut BTreeSet<u64>,
) -> Result<(), CliError> {
    let agent = printer.wanted.agent.as_ref().map(AgentName::as_str);
    loop {
        let rows = reader.tail(*after, agent, PAGE)?;
        let Some(last) = rows.last() else { return Ok(()) };
        *after = last.seq();
        for row in &rows {
            if printer.wanted.takes(row) || is_bad_end(row, shown) {
                printer.print(row, clock);
            }
            if let TrailRow::Decision(row) = row
                && printer.wanted.rule.as_ref().is_none_or(|rule| *rule == row.rule)
            {
                shown.extend(row.effects.iter().filter(|effect| effect.state == "pending").map(|effect| effect.id));
            }
        }
        if rows.len() < PAGE {
            return Ok(());
        }
    }
}

/// Whether it tells that an effect, which was under way when its decision was printed, came to a bad end.
fn is_bad_end(row: &TrailRow, shown: &mut BTreeSet<u64>) -> bool {
    use crate::supervise::event::{Delivered, EffectResult, Event};
    let TrailRow::Event(row) = row else { return false };
    let Ok(Event::Effect { id, result }) = serde_json::from_value(row.event.clone()) else { return false };
    let bad = match result {
        EffectResult::Failed { .. } | EffectResult::Unknown => true,
        EffectResult::Delivered { outcome, .. } => matches!(outcome, Delivered::Refused | Delivered::Unknown),
        EffectResult::Done | EffectResult::Probed { .. } | EffectResult::Withheld { .. } => false,
    };
    shown.remove(&id) && bad
}

/// The file itself, whatever its name is: a journal that is set aside keeps its number.
fn identity(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::symlink_metadata(path).ok().map(|meta| (meta.dev(), meta.ino()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cli::looking::time::tests::noon;
    use crate::journal::rows::{DecisionRow, EffectRow, EventRow};

    fn decision(agent: Option<&str>, rule: &str, reason: &str, effects: Vec<EffectRow>) -> TrailRow {
        let (seq, at, agent) = (7, noon().now - 1_000, agent.map(str::to_owned));
        let (rule, reason) = (rule.to_owned(), reason.to_owned());
        TrailRow::Decision(DecisionRow { seq, at, agent, rule, reason, standing: None, effects })
    }

    fn effect(id: u64, act: &str, state: &str) -> EffectRow {
        let act = json!({"act": act, "agent": "worker-1"});
        EffectRow { id, decision: 7, at: 1, agent: None, act, state: state.to_owned(), result: None, answered: None }
    }

    #[test]
    fn a_decision_is_one_line_with_what_became_of_it() {
        let paint = Paint { colour: false };
        let effects = vec![effect(1, "snapshot", "done"), effect(2, "probe", "done"), effect(3, "start", "unknown")];
        let row = decision(Some("worker-1"), "restart", "it ended (signal 9)\n\u{1b}[2J", effects);
        assert_eq!(
            line(&row, &noon(), 8, paint),
            "13:59:59  worker-1  restart            it ended (signal 9)\\n\\u{1b}[2J  \
             [snapshot: done; start: nobody knows what came of it]"
        );
        let row = decision(None, "clock", "the machine slept", vec![]);
        assert_eq!(line(&row, &noon(), 8, paint), "13:59:59  -         clock              the machine slept");
    }

    #[test]
    fn a_change_whose_rows_cannot_be_read_yet_is_looked_for_again_soon() {
        let mut pace = Pace::default();
        assert_eq!(pace.next(false), HEAL);
        pace.heard(true);
        let waits: Vec<_> = (0..6).map(|_| pace.next(false)).collect();
        assert_eq!((&waits[..5], waits[5]), (&AGAIN[..], HEAL));
        pace.heard(false);
        assert_eq!(pace.next(false), HEAL);
        // After a moment in which there was no journal, too: what was written meanwhile was heard by nobody.
        assert_eq!((pace.next(true), pace.next(true), pace.next(false)), (SOON, SOON, AGAIN[0]));
    }

    #[test]
    fn rows_are_chosen_by_time_kind_and_rule() {
        let row = decision(Some("a"), "restart", "x", vec![]);
        let at = noon().now - 1_000;
        let event = TrailRow::Event(EventRow { seq: 1, at, agent: None, kind: "ended".to_owned(), event: json!({}) });
        let wanted =
            |since, rule: Option<&str>, all| Wanted { since, agent: None, rule: rule.map(str::to_owned), all };
        assert!(wanted(0, None, false).takes(&row) && !wanted(at + 1, None, false).takes(&row));
        assert!(wanted(0, Some("restart"), false).takes(&row) && !wanted(0, Some("stall"), false).takes(&row));
        assert!(!wanted(0, None, false).takes(&event) && wanted(0, Some("ended"), true).takes(&event));
    }

    #[test]
    fn a_bad_end_is_told_once_and_only_of_what_was_shown() {
        let ended = |id: u64, result: &str| {
            let event = json!({"event": "effect", "id": id, "result": {"result": result, "why": "x"}});
            TrailRow::Event(EventRow { seq: 1, at: 1, agent: None, kind: "effect".to_owned(), event })
        };
        let mut shown = BTreeSet::from([3, 4]);
        assert!(is_bad_end(&ended(3, "failed"), &mut shown));
        assert!(!is_bad_end(&ended(3, "failed"), &mut shown));
        assert!(!is_bad_end(&ended(4, "done"), &mut shown) && !is_bad_end(&ended(5, "unknown"), &mut shown));
    }
}
