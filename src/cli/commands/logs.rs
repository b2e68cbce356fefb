//! `fleet logs`.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;
use std::time::Duration;

use crate::apply::state::State;
use crate::cli::args::{Global, Logs};
use crate::cli::error::{CliError, Exit};
use crate::cli::looking::deaths::{self, Death};
use crate::cli::looking::text;
use crate::cli::looking::time::Clock;
use crate::cli::ui::Ui;
use crate::cli::{agents, target};
use crate::ids::AgentName;
use crate::manifest::ExitRecord;
use crate::plan::show::plural;
use crate::shim::runs::{self, Run};
use crate::shim::{Player, client, transcript_of_runs, transcripts};
use crate::system::fs;

use super::logs_follow;

/// Longest wait for the shim, which knows how much of the log is of this run.
const ANSWER: Duration = Duration::from_secs(2);
/// Rotated logs that are looked for.
const ELDERS: u32 = 1_000;
/// Largest file of a death that is read, in bytes.
const KEPT: u64 = 4 << 20;
/// The terminal of an agent whose manifest is gone.
const COLUMNS: u16 = 200;
const ROWS: u16 = 50;
/// Bytes that are copied at once.
const AT_ONCE: usize = 64 << 10;

pub fn run(ui: &Ui, global: &Global, args: &Logs) -> Result<Exit, CliError> {
    let target = target::find(global)?;
    let name = agents::one(&target, &args.agent)?;
    let state = &target.state;
    let folder = state.paths.agent(&name);
    if let Some(number) = args.death {
        return death(ui, &name, &deaths::of(&folder), number, args);
    }
    let is_off = state.manifest(&name).is_some_and(|manifest| manifest.policy.log.off);
    if !folder.join("log").exists() && !args.follow {
        let (message, help) = if is_off {
            (format!("no log is kept of agent `{name}`"), "its roster says `log` is off".to_owned())
        } else {
            (format!("agent `{name}` has printed nothing yet"), format!("`fleet status` says what {name} does"))
        };
        return Err(CliError::failed(message, help));
    }
    if args.follow {
        return logs_follow::follow(ui, state, &name, args);
    }
    let cannot = |error: io::Error| CliError::failed(format!("the log of {name} cannot be read: {error}"), "");
    if args.raw {
        raw(ui, &folder, args.lines).map_err(cannot)?;
        return Ok(Exit::Ok);
    }
    let (lines, is_cut) = past(state, &name, &Clock::read()).map_err(cannot)?;
    let from = args.lines.map_or(0, |most| lines.len().saturating_sub(most));
    if is_cut && from == 0 {
        ui.note("Only the end of a long log is read: `fleet logs --raw` has all that is kept.");
    }
    for line in &lines[from..] {
        line.print(ui, &name, args.json);
    }
    Ok(Exit::Ok)
}

/// A line, of the agent or of fleet's own.
#[derive(Debug, PartialEq, Eq)]
pub enum Line {
    Agent(String),
    Fleet(String),
}

impl Line {
    /// What a terminal showed.
    pub fn of(shown: &str) -> Self {
        Self::Agent(text::line(shown))
    }

    pub fn print(&self, ui: &Ui, agent: &AgentName, json: bool) {
        let (by, said) = match self {
            Self::Agent(said) => ("agent", said),
            Self::Fleet(said) => ("fleet", said),
        };
        match (json, self) {
            (true, _) => ui.out(&ui.json_line(&serde_json::json!({ "agent": agent, "by": by, "text": said }))),
            (false, Self::Agent(said)) => ui.out(said),
            (false, Self::Fleet(said)) => ui.out(&format!("[fleet: {said}]")),
        }
    }
}

/// The log as lines, with the start and the end of the last run, and whether older output is left out.
fn past(state: &State, name: &AgentName, clock: &Clock) -> io::Result<(Vec<Line>, bool)> {
    let run = state.run(name);
    let live = run.as_ref().and_then(|_| client::status(&state.paths.socket(name), ANSWER).ok());
    let exit = state.exit(name).filter(|_| live.is_none());
    let size = match &live {
        Some(status) => (status.columns, status.rows),
        None => size(state, name),
    };
    let noted = runs::read(&state.paths.agent(name));
    let newest = live.as_ref().map(|live| &live.started).or(run.as_ref().map(|run| &run.started));
    let newest = newest.or(exit.as_ref().map(|exit| &exit.started));
    // A shim of an older fleet notes nothing.
    if noted.last().is_some_and(|last| Some(&last.started) == newest) {
        return of_runs(&state.paths.agent(name), size, &noted, live.is_some(), clock);
    }
    let last = live.as_ref().map(|status| status.bytes).or(exit.as_ref().map(|exit| exit.bytes));
    let Some((pieces, is_cut)) = transcripts(&state.paths.agent(name), size, last.unwrap_or(0))? else {
        return Ok((Vec::new(), false));
    };
    let [older, newer] = pieces.map(|piece| piece.lines().map(Line::of).collect::<Vec<Line>>());
    let started = live.map(|status| status.started).or(exit.as_ref().map(|exit| exit.started.clone()));
    let mut lines = older;
    lines.extend(started.map(|at| Line::Fleet(format!("it started, {}", when(&at, clock)))));
    lines.extend(newer);
    lines.extend(exit.map(|exit| ended(&exit, clock)));
    Ok((lines, is_cut))
}

/// The log by runs, each with its start and its end.
fn of_runs(
    folder: &Path,
    size: (u16, u16),
    noted: &[Run],
    goes_on: bool,
    clock: &Clock,
) -> io::Result<(Vec<Line>, bool)> {
    let Some(pieces) = transcript_of_runs(folder, size, noted)? else { return Ok((Vec::new(), false)) };
    let last = noted.len() - 1;
    let end = |number: usize| match &noted[number].end {
        Some(end) => Some(over(end.code, end.signal, &end.ended, clock)),
        None if number == last && goes_on => None,
        None => Some(Line::Fleet("its shim was killed: nobody knows how it ended".to_owned())),
    };
    let mut lines: Vec<Line> = pieces.older.lines().map(Line::of).collect();
    // What is left of a run whose beginning is not read.
    let first = pieces.runs.first().map_or(noted.len(), |(number, _)| *number);
    lines.extend(first.checked_sub(1).filter(|_| !lines.is_empty()).and_then(end));
    for (number, output) in &pieces.runs {
        lines.push(Line::Fleet(format!("it started, {}", when(&noted[*number].started, clock))));
        lines.extend(output.lines().map(Line::of));
        lines.extend(end(*number));
    }
    Ok((lines, pieces.is_cut))
}

/// The size of an agent's terminal.
pub fn size(state: &State, name: &AgentName) -> (u16, u16) {
    let size = state.manifest(name).map(|manifest| (manifest.launch.terminal.columns, manifest.launch.terminal.rows));
    size.unwrap_or((COLUMNS, ROWS))
}

/// That a run ended, and how.
pub fn ended(exit: &ExitRecord, clock: &Clock) -> Line {
    over(exit.code, exit.signal, &exit.ended, clock)
}

fn over(code: Option<i32>, signal: Option<i32>, at: &str, clock: &Clock) -> Line {
    Line::Fleet(format!("it ended: {}, {}", how(code, signal), when(at, clock)))
}

/// How a run ended, in words.
fn how(code: Option<i32>, signal: Option<i32>) -> String {
    match (code, signal) {
        (_, Some(signal)) => format!("signal {signal}"),
        (Some(code), None) => format!("exit {code}"),
        (None, None) => "nobody knows how".to_owned(),
    }
}

/// A time of the records, for people.
pub fn when(rfc3339: &str, clock: &Clock) -> String {
    match rfc3339.parse::<jiff::Timestamp>() {
        Ok(at) => clock.time(u64::try_from(at.as_millisecond()).unwrap_or(0)),
        Err(_) => text::line(rfc3339),
    }
}

/// Every byte that is kept, oldest first; or the last lines of them.
fn raw(ui: &Ui, folder: &Path, lines: Option<usize>) -> io::Result<()> {
    let elders = (1..ELDERS).map(|number| folder.join(format!("log.{number}"))).take_while(|path| path.exists());
    // Opened before any is read, so that a rotation in between neither drops nor doubles one.
    let newest_first = std::iter::once(folder.join("log")).chain(elders).map(File::open);
    let mut files: Vec<File> = newest_first.collect::<io::Result<_>>()?;
    let mut from = vec![0; files.len()];
    if let Some(lines) = lines {
        let mut missing = lines;
        let mut whole = 0;
        for (number, file) in files.iter_mut().enumerate() {
            whole = number + 1;
            (from[number], missing) = back(file, missing, number == 0)?;
            if missing == 0 {
                break;
            }
        }
        files.truncate(whole);
    }
    for (file, from) in files.iter_mut().zip(from).rev() {
        file.seek(SeekFrom::Start(from))?;
        let mut buffer = vec![0; AT_ONCE];
        loop {
            match file.read(&mut buffer)? {
                0 => break,
                read => ui.bytes(&buffer[..read]),
            }
            if ui.is_unheard() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Where the last `lines` lines of a file begin, and how many it has too few. `is_end`: a line break at its end ends the
/// last line and begins none.
fn back(file: &mut File, lines: usize, is_end: bool) -> io::Result<(u64, usize)> {
    let length = file.metadata()?.len();
    if lines == 0 {
        return Ok((length, 0));
    }
    let (mut at, mut missing) = (length, lines);
    let mut buffer = vec![0; AT_ONCE];
    while at > 0 {
        let size = usize::try_from(at).unwrap_or(AT_ONCE).min(AT_ONCE);
        at -= size as u64;
        file.seek(SeekFrom::Start(at))?;
        file.read_exact(&mut buffer[..size])?;
        for (offset, byte) in buffer[..size].iter().enumerate().rev() {
            let behind = at + offset as u64 + 1;
            if *byte != b'\n' || is_end && behind == length {
                continue;
            }
            missing -= 1;
            if missing == 0 {
                return Ok((behind, 0));
            }
        }
    }
    Ok((0, missing))
}

/// What was kept when it died.
fn death(ui: &Ui, name: &AgentName, deaths: &[Death], number: usize, args: &Logs) -> Result<Exit, CliError> {
    let Some(death) = number.checked_sub(1).and_then(|back| deaths.iter().rev().nth(back)) else {
        let (message, help) = if deaths.is_empty() {
            let message = format!("agent `{name}` has not died, as far as a supervisor has seen");
            (
                message,
                format!("`fleet logs {name}` shows what it printed, `fleet why {name}` how it came to where it is"),
            )
        } else {
            let message = format!("of agent `{name}`, {} kept", plural(deaths.len(), "death is", "deaths are"));
            let first = match deaths.len() {
                1 => String::new(),
                kept => format!(", {kept} the first that is kept"),
            };
            (message, format!("`--death 1` is the last one{first}; a supervisor keeps the newest 20"))
        };
        return Err(CliError::failed(message, help));
    };
    let read = |file: &str| fs::read_optional(&death.folder.join(file), KEPT).ok().flatten();
    let log = read("log").unwrap_or_default();
    if args.raw {
        ui.bytes(&log);
        return Ok(Exit::Ok);
    }
    let screen = String::from_utf8_lossy(&read("screen").unwrap_or_default()).into_owned();
    let exit: Option<ExitRecord> = read("exit.json").and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let clock = Clock::read();
    let mut player = Player::new(COLUMNS, ROWS);
    player.feed(&log);
    let mut lines: Vec<Line> = player.end().lines().map(Line::of).collect();
    lines.drain(..lines.len().saturating_sub(args.lines.unwrap_or(usize::MAX)));
    lines.push(Line::Fleet("its last screen".to_owned()));
    lines.extend(text::lines(&screen).map(Line::Agent));
    lines.extend(exit.map(|exit| ended(&exit, &clock)));
    lines.push(Line::Fleet(format!("{}: {}", clock.time(death.at), death.why)));
    lines.push(Line::Fleet(format!("kept in {}", death.folder.display())));
    for line in &lines {
        line.print(ui, name, args.json);
    }
    Ok(Exit::Ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_found_from_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let file = |text: &str| {
            std::fs::write(folder.path().join("log"), text).unwrap();
            File::open(folder.path().join("log")).unwrap()
        };
        assert_eq!(back(&mut file("a\nb\nc\n"), 2, true).unwrap(), (2, 0));
        assert_eq!(back(&mut file("a\nb\nc"), 2, true).unwrap(), (2, 0));
        assert_eq!(back(&mut file("a\nb\nc\n"), 2, false).unwrap(), (4, 0));
        assert_eq!(back(&mut file("a\nb\n"), 5, true).unwrap(), (0, 4));
        assert_eq!(back(&mut file("\n\n\n"), 2, true).unwrap(), (1, 0));
        assert_eq!(back(&mut file("a\nb\n"), 0, true).unwrap(), (4, 0));
        let long = "0123456789\n".repeat(20_000);
        assert_eq!(back(&mut file(&long), 19_999, true).unwrap(), (11, 0));
    }

    #[test]
    fn ends_are_words() {
        assert_eq!(how(Some(3), None), "exit 3");
        assert_eq!(how(None, Some(9)), "signal 9");
        assert_eq!(how(None, None), "nobody knows how");
    }
}
