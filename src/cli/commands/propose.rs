//! `fleet propose`: what agents propose, and what people say to it.

use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::compose;
use crate::cli::args::{Global, ProposalId, Propose, ProposeBug, ProposeRoster, ProposeTool, ProposeVerb};
use crate::cli::error::{CliError, Exit};
use crate::cli::looking::proposals::{self, FORMAT, Report, Roster};
use crate::cli::looking::time::Clock;
use crate::cli::looking::{deaths, sources, story, text};
use crate::cli::target::{self, Target};
use crate::cli::ui::Ui;
use crate::cli::{agents, facts};
use crate::driver::words::{Answer, Ask, LINE_MAX};
use crate::ids::Digest;
use crate::journal::rows::ProposalRow;
use crate::plan::show::Paint;
use crate::roster::scan;
use crate::system::{fs, proc};

/// Longest text of a report, in bytes.
const TEXT_MAX: usize = 64 << 10;
/// Decisions that go with a bug report.
const TRAIL: usize = 50;
/// Deaths that go with it.
const DEATHS: usize = 5;
/// How long the orchestrator's message may wait, in milliseconds.
const TTL: u64 = 24 * 3_600_000;

pub fn run(ui: &Ui, global: &Global, args: &Propose) -> Result<Exit, CliError> {
    let target = target::find(global)?;
    match &args.verb {
        None => list(ui, &target, args),
        Some(ProposeVerb::Roster(args)) => roster(ui, &target, args),
        Some(ProposeVerb::Tool(args)) => tool(ui, &target, args),
        Some(ProposeVerb::Bug(args)) => bug(ui, &target, args),
        Some(ProposeVerb::Show(args)) => show(ui, &target, args),
        Some(ProposeVerb::Accept(args)) => accept(ui, &target, args),
        Some(ProposeVerb::Reject(args)) => reject(ui, &target, args),
    }
}

fn list(ui: &Ui, target: &Target, args: &Propose) -> Result<Exit, CliError> {
    let mut rows = proposals::all(target)?;
    rows.retain(|row| args.all || row.state == "open");
    if args.json {
        for row in &rows {
            ui.out(&ui.json_line(row));
        }
    } else {
        ui.out(&listed(&rows, &Clock::read(), ui.paint()));
    }
    Ok(Exit::Ok)
}

fn listed(rows: &[ProposalRow], clock: &Clock, paint: Paint) -> String {
    if rows.is_empty() {
        return "No proposal is open.".to_owned();
    }
    let width =
        |column: &dyn Fn(&ProposalRow) -> usize, head: usize| rows.iter().map(column).max().unwrap_or(0).max(head);
    let (id, from) = (width(&|row| row.id.len(), 2), width(&|row| row.from.len(), 4));
    let mut out = vec![
        paint.dim(&format!("{:<id$}  {:<8}  {:<6}  {:<from$}  {:>4}  WHAT", "ID", "STATE", "KIND", "FROM", "AGE")),
    ];
    for row in rows {
        let [name, state, kind, who] = [&row.id, &row.state, &row.kind, &row.from].map(|word| text::line(word));
        let age = clock.age(row.at);
        out.push(format!("{name:<id$}  {state:<8}  {kind:<6}  {who:<from$}  {age:>4}  {}", text::line(title(row))));
    }
    out.push("`fleet propose show ID` prints one, `accept ID` and `reject ID` answer it.".to_owned());
    out.join("\n")
}

fn title(row: &ProposalRow) -> &str {
    row.proposal.get("title").and_then(serde_json::Value::as_str).unwrap_or("(no title)")
}

fn roster(ui: &Ui, target: &Target, args: &ProposeRoster) -> Result<Exit, CliError> {
    let text = whole(&args.roster)?;
    let now = current(target)?;
    if text == now {
        return Err(CliError::failed("the proposed roster is the one there is", "change it first"));
    }
    check(ui, target, &text, "was not proposed")?;
    let why = args.why.trim();
    let title = why.lines().next().unwrap_or_default().to_owned();
    let base = Digest::of(now.as_bytes()).as_str().to_owned();
    propose(ui, target, "roster", &Roster { format: FORMAT, title, why: why.to_owned(), base, text })?;
    Ok(Exit::Ok)
}

/// Refuses a text that is no roster of this fleet's.
fn check(ui: &Ui, target: &Target, text: &str, not_done: &str) -> Result<(), CliError> {
    let after = proposals::compile(target, text.to_owned(), &facts::gather()?);
    if after.fleet.is_none() || after.diagnostics.has_errors() {
        ui.diagnostics(&after.diagnostics, &after.sources);
        return Err(CliError::refused(
            format!("the proposed roster has mistakes, so it {not_done}"),
            "put them right",
        ));
    }
    match &after.id {
        Some(id) if *id == target.state.fleet => Ok(()),
        _ => Err(CliError::refused(
            format!("the proposed roster is of another fleet than {}, so it {not_done}", target.state.fleet),
            "a fleet keeps its id",
        )),
    }
}

fn tool(ui: &Ui, target: &Target, args: &ProposeTool) -> Result<Exit, CliError> {
    let report = Report {
        format: FORMAT,
        title: args.title.trim().to_owned(),
        text: given(args.text.as_deref())?,
        agent: None,
        decisions: Vec::new(),
        deaths: Vec::new(),
    };
    let id = propose(ui, target, "tool", &report)?;
    // Whoever leads decides what is built; a fleet without one has the list.
    let Ok(lead) = agents::orchestrator(target) else { return Ok(Exit::Ok) };
    let text = format!("A tool is proposed ({id}): {}\n{}", report.title, report.text);
    let random: String = proc::random_id().chars().filter(char::is_ascii_hexdigit).take(16).collect();
    let send = Ask::Send { id: format!("m-{random}"), to: lead.clone(), text, ttl_ms: TTL, wait_ms: 0 };
    match sources::ask(target, send) {
        Ok(Some(Answer::Message { .. })) => ui.out(&format!("{lead} is told by a message.")),
        Ok(_) => ui.note(&format!("warning: {lead} could not be told")),
        Err(error) => ui.note(&format!("warning: {lead} could not be told: {}", error.message)),
    }
    Ok(Exit::Ok)
}

fn bug(ui: &Ui, target: &Target, args: &ProposeBug) -> Result<Exit, CliError> {
    let name = agents::one(target, &args.agent)?;
    let deaths = deaths::of(&target.state.paths.agent(&name));
    let newest = deaths.iter().rev().take(DEATHS).rev();
    let report = Report {
        format: FORMAT,
        title: args.title.trim().to_owned(),
        text: given(args.text.as_deref())?,
        agent: Some(name.to_string()),
        decisions: sources::the_journal(target)?.decisions(0, Some(name.as_str()), TRAIL)?,
        deaths: newest.map(|death| death.folder.display().to_string()).collect(),
    };
    propose(ui, target, "bug", &report)?;
    Ok(Exit::Ok)
}

/// Gives a proposal to the supervisor, which knows who asks. Returns its number.
fn propose<T: serde::Serialize>(ui: &Ui, target: &Target, kind: &str, proposal: &T) -> Result<String, CliError> {
    let unwritable = |error: serde_json::Error| CliError::failed(format!("it cannot be written: {error}"), "");
    let proposal = serde_json::to_value(proposal).map_err(unwritable)?;
    // The rest of the line is short.
    let size = proposal.to_string().len();
    if size + 1_000 > LINE_MAX {
        let message = format!("the proposal has {size} bytes, and a supervisor takes {LINE_MAX}");
        return Err(CliError::refused(message, "move parts of it into other files"));
    }
    match sources::must_ask(target, Ask::Propose { kind: kind.to_owned(), proposal })? {
        Answer::Proposed { id } => {
            ui.out(&format!("Proposed as {id}. People see it in `fleet status` and by `fleet propose show {id}`."));
            Ok(id)
        }
        odd => Err(sources::odd(&odd)),
    }
}

fn show(ui: &Ui, target: &Target, args: &ProposalId) -> Result<Exit, CliError> {
    let row = proposals::find(target, &args.id)?;
    if args.json {
        ui.out(&ui.json_line(&row));
        return Ok(Exit::Ok);
    }
    let clock = Clock::read();
    let about = format!("{} from {}, {} ago: {}", row.kind, row.from, clock.age(row.at), row.state);
    ui.out(&format!("{}  {}", ui.paint().bold(&text::line(&row.id)), ui.paint().dim(&text::line(&about))));
    if row.kind == "roster" {
        let roster = proposals::roster(&row)?;
        text::lines(&roster.why).for_each(|line| ui.out(&line));
        diff(ui, &current(target)?, &roster.text);
        if row.state == "open" {
            ui.out(&format!(
                "`fleet plan --proposal {0}` shows what it changes, `fleet propose accept {0}` writes it.",
                row.id
            ));
        }
        return Ok(Exit::Ok);
    }
    ui.out(&text::line(title(&row)));
    // One of a later version shows what is known of it.
    let Ok(report) = serde_json::from_value::<Report>(row.proposal.clone()) else { return Ok(Exit::Ok) };
    text::lines(&report.text).for_each(|line| ui.out(&line));
    if let Some(agent) = &report.agent {
        ui.out(&format!("\nWhat was decided about {} until then, newest last:", text::line(agent)));
    }
    for step in story::tell(&report.decisions) {
        ui.out(&format!("  {}  {:<17}  {}", clock.time(step.at), step.rule, step.text));
        for effect in &step.bad {
            ui.out(&format!("      → {effect}"));
        }
    }
    for folder in &report.deaths {
        ui.out(&format!("  kept of a death: {}", text::line(folder)));
    }
    Ok(Exit::Ok)
}

/// How the roster would change, with control characters made visible.
fn diff(ui: &Ui, before: &str, after: &str) {
    text::lines(&super::diff(before, after, "the roster", "the proposal")).for_each(|line| ui.out(&line));
}

fn accept(ui: &Ui, target: &Target, args: &ProposalId) -> Result<Exit, CliError> {
    let row = open(target, &args.id)?;
    if row.kind != "roster" {
        only_people(target, "accepts")?;
        close(ui, target, &row, "accepted")?;
        return Ok(Exit::Ok);
    }
    let proposal = proposals::roster(&row)?;
    let now = current(target)?;
    if let Some(agent) = agent(target)? {
        compose::check(ui, target, &agent, &now, &proposal.text)?;
    }
    // It may have been written by a run that was cut off before it could say so.
    if now != proposal.text {
        if Digest::of(now.as_bytes()).as_str() != proposal.base {
            diff(ui, &now, &proposal.text);
            let help = format!(
                "above is how it differs from the roster now; take over by hand what you want, then `fleet propose reject {}`",
                row.id
            );
            return Err(CliError::refused(
                "the roster has changed since this was proposed, so nothing was written",
                help,
            ));
        }
        // Whoever proposed it need not have asked whether it compiles.
        check(ui, target, &proposal.text, "was not written")?;
        diff(ui, &now, &proposal.text);
        let path = &target.ledger.roster;
        let cannot =
            |error: std::io::Error| CliError::failed(format!("cannot write {}: {error}", path.display()), "");
        let mode = std::fs::metadata(path).map_err(cannot)?.permissions().mode() & 0o7777;
        fs::write_atomic(path, proposal.text.as_bytes(), mode)?;
        ui.out(&format!("Wrote {}.", path.display()));
    }
    close(ui, target, &row, "accepted")?;
    ui.out("`fleet plan` shows what this changes on the machine, `fleet apply` does it.");
    Ok(Exit::Ok)
}

fn reject(ui: &Ui, target: &Target, args: &ProposalId) -> Result<Exit, CliError> {
    let row = open(target, &args.id)?;
    only_people(target, "rejects")?;
    close(ui, target, &row, "rejected")?;
    Ok(Exit::Ok)
}

fn open(target: &Target, id: &str) -> Result<ProposalRow, CliError> {
    let row = proposals::find(target, id)?;
    match row.state.as_str() {
        "open" => Ok(row),
        state => {
            let state = text::line(state);
            Err(CliError::refused(
                format!("{} is {state} already", row.id),
                "`fleet propose` lists those that are open",
            ))
        }
    }
}

/// Refuses agents, before anything is written.
fn only_people(target: &Target, verb: &str) -> Result<(), CliError> {
    match agent(target)? {
        None => Ok(()),
        Some(agent) => {
            let message = format!("{agent}, in which this command runs, is an agent, and only a person {verb}");
            Err(CliError::refused(message, "ask a person to do it"))
        }
    }
}

/// The agent in which this command runs, as the supervisor sees it. `None`: a person runs it.
fn agent(target: &Target) -> Result<Option<String>, CliError> {
    match sources::must_ask(target, Ask::WhoAmI)? {
        Answer::You { caller } => Ok((caller != "operator").then_some(caller)),
        odd => Err(sources::odd(&odd)),
    }
}

fn close(ui: &Ui, target: &Target, row: &ProposalRow, state: &str) -> Result<(), CliError> {
    match sources::must_ask(target, Ask::CloseProposal { id: row.id.clone(), state: state.to_owned() })? {
        Answer::Done => {
            ui.out(&format!("{} is {state}.", row.id));
            Ok(())
        }
        odd => Err(sources::odd(&odd)),
    }
}

/// The roster as it stands there now.
fn current(target: &Target) -> Result<String, CliError> {
    let path = &target.ledger.roster;
    std::fs::read_to_string(path).map_err(|error| {
        CliError::failed(format!("cannot read the roster {}: {error}", path.display()), "look at where it is")
    })
}

/// A whole roster, from a file or standard input.
fn whole(path: &Path) -> Result<String, CliError> {
    let cannot = |error: std::io::Error| CliError::failed(format!("cannot read {}: {error}", path.display()), "");
    let mut text = String::new();
    let limit = scan::MAX_BYTES as u64 + 1;
    let read = if path == Path::new("-") {
        std::io::stdin().take(limit).read_to_string(&mut text)
    } else {
        std::fs::File::open(path).map_err(cannot)?.take(limit).read_to_string(&mut text)
    };
    read.map_err(cannot)?;
    Ok(text)
}

/// The text of an option; `-` is standard input.
fn given(text: Option<&str>) -> Result<String, CliError> {
    let text = match text {
        None => return Ok(String::new()),
        Some("-") => {
            let mut text = String::new();
            std::io::stdin().take(TEXT_MAX as u64 + 1).read_to_string(&mut text).map_err(|error| {
                CliError::usage(format!("standard input is not text: {error}"), "write UTF-8 text")
            })?;
            text
        }
        Some(text) => text.to_owned(),
    };
    if text.len() > TEXT_MAX {
        return Err(CliError::refused(format!("the text is longer than {TEXT_MAX} bytes"), "name a file instead"));
    }
    Ok(text.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::looking::time::tests::noon;

    #[test]
    fn proposals_are_a_table() {
        let row = |id: &str, kind: &str, proposal: serde_json::Value| ProposalRow {
            id: id.to_owned(),
            at: noon().now - 60_000,
            from: "mender".to_owned(),
            kind: kind.to_owned(),
            proposal,
            state: "open".to_owned(),
            changed: 1,
        };
        let rows = [
            row("p1", "roster", serde_json::json!({"title": "one coder \u{1b}more"})),
            row("p10", "bug", serde_json::json!({})),
        ];
        assert_eq!(
            listed(&rows, &noon(), Paint { colour: false }),
            "ID   STATE     KIND    FROM     AGE  WHAT\n\
             p1   open      roster  mender    1m  one coder \\u{1b}more\n\
             p10  open      bug     mender    1m  (no title)\n\
             `fleet propose show ID` prints one, `accept ID` and `reject ID` answer it."
        );
        assert_eq!(listed(&[], &noon(), Paint { colour: false }), "No proposal is open.");
    }
}
