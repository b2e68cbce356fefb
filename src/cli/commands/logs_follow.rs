//! `fleet logs --follow`.

use std::io;
use std::time::Duration;

use super::logs::{Line, ended, size, when};
use crate::apply::state::State;
use crate::cli::args::Logs;
use crate::cli::error::{CliError, Exit};
use crate::cli::looking::changes::{Changes, HEAL};
use crate::cli::looking::sources;
use crate::cli::looking::time::Clock;
use crate::cli::ui::Ui;
use crate::ids::AgentName;
use crate::shim::following::{Lines, Tail};
use crate::system::proc;

/// After so much quiet a screen counts as settled: the shim's own time.
const SETTLED: Duration = Duration::from_millis(2_500);
/// Bytes of the past that are read.
const PAST: u64 = 256 << 10;
/// Lines of the past that come first, unless they are counted.
const LINES: usize = 20;
/// The same with `--raw`, in bytes.
const BYTES: u64 = 4 << 10;

pub fn follow(ui: &Ui, state: &State, name: &AgentName, args: &Logs) -> Result<Exit, CliError> {
    let folder = state.paths.agent(name);
    let cannot = |error: io::Error| CliError::failed(format!("the log of {name} cannot be read: {error}"), "");
    let matter = |name: &str| name.starts_with("log") || matches!(name, "run.json" | "exit.json");
    let changes = Changes::of(&folder, matter);
    if args.raw {
        let mut tail = Tail::open(&folder, BYTES).map_err(cannot)?;
        while sources::is_applied(state) && !ui.is_unheard() {
            let bytes = tail.read().map_err(cannot)?;
            if bytes.is_empty() {
                changes.wait(HEAL);
            } else {
                ui.bytes(&bytes);
            }
        }
        return Ok(Exit::Ok);
    }
    let mut runs = Runs::of(state, name);
    let mut tail = Tail::open(&folder, PAST).map_err(cannot)?;
    let mut screen = Screen { lines: lines_of(state, name), is_settled: true, unsaid: Vec::new() };
    screen.take(&mut tail).map_err(cannot)?;
    screen.settle();
    let surplus = screen.unsaid.len().saturating_sub(args.lines.unwrap_or(LINES));
    screen.unsaid.drain(..surplus);
    if !runs.is_running(state, name) {
        screen.unsaid.extend(state.exit(name).map(|exit| ended(&exit, &Clock::read())));
    }
    loop {
        screen.unsaid.drain(..).for_each(|line| line.print(ui, name, args.json));
        if !sources::is_applied(state) || ui.is_unheard() {
            return Ok(Exit::Ok);
        }
        let heard = changes.wait(if screen.is_settled { HEAL } else { SETTLED });
        let news = runs.news(state, name, &Clock::read());
        if news.iter().any(|news| matches!(news, News::Ended(_))) || !heard {
            // The records of an end are written after its last output.
            screen.take(&mut tail).map_err(cannot)?;
            screen.settle();
        }
        if !news.is_empty() {
            screen.unsaid.extend(news.into_iter().map(News::line));
            // A new run has a screen of its own.
            screen.lines = lines_of(state, name);
        }
        screen.take(&mut tail).map_err(cannot)?;
    }
}

fn lines_of(state: &State, name: &AgentName) -> Lines {
    let (columns, rows) = size(state, name);
    Lines::new(columns, rows)
}

/// What is read of the output, and was not printed yet.
struct Screen {
    lines: Lines,
    is_settled: bool,
    unsaid: Vec<Line>,
}

impl Screen {
    fn take(&mut self, tail: &mut Tail) -> io::Result<()> {
        loop {
            let bytes = tail.read()?;
            if bytes.is_empty() {
                return Ok(());
            }
            self.unsaid.extend(self.lines.feed(&bytes).iter().map(|line| Line::of(line)));
            self.is_settled = false;
        }
    }

    fn settle(&mut self) {
        if !std::mem::replace(&mut self.is_settled, true) {
            self.unsaid.extend(self.lines.settle().iter().map(|line| Line::of(line)));
        }
    }
}

/// What became of a run.
enum News {
    Ended(Line),
    Started(Line),
}

impl News {
    fn line(self) -> Line {
        match self {
            Self::Ended(line) | Self::Started(line) => line,
        }
    }
}

/// The runs that were told of.
struct Runs {
    /// When the run that goes on began.
    started: Option<String>,
    /// When the last run that ended began.
    ended: Option<String>,
}

impl Runs {
    fn of(state: &State, name: &AgentName) -> Self {
        let started = state.run(name).map(|run| run.started);
        let ended = state.exit(name).map(|exit| exit.started);
        Self { started, ended }
    }

    fn is_running(&self, state: &State, name: &AgentName) -> bool {
        self.started.is_some() && state.run(name).is_some_and(|run| proc::is_alive(&run.shim))
    }

    /// Ends and starts since the last call.
    fn news(&mut self, state: &State, name: &AgentName, clock: &Clock) -> Vec<News> {
        let mut news = Vec::new();
        if let Some(exit) = state.exit(name).filter(|exit| self.ended.as_ref() != Some(&exit.started)) {
            news.push(News::Ended(ended(&exit, clock)));
            self.ended = Some(exit.started);
        }
        if let Some(run) = state.run(name).filter(|run| self.started.as_ref() != Some(&run.started)) {
            news.push(News::Started(Line::Fleet(format!("it started, {}", when(&run.started, clock)))));
            self.started = Some(run.started);
        }
        news
    }
}
