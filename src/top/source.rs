//! Where news come from: the supervisor's socket and its journal, asked once a second by a thread of their own, so that
//! a supervisor that hangs keeps no key waiting.

use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::entry::Entry;
use super::look::Look;
use super::model::{Input, News};
use crate::driver::client;
use crate::driver::words::{Answer, Ask, Status};
use crate::ids::AgentName;
use crate::journal::Reader;
use crate::journal::rows::{DecisionRow, TrailRow};
use crate::supervise::clock::Millis;

/// Between two looks.
const PACE: Duration = Duration::from_secs(1);
/// How long the supervisor may think.
const PATIENCE: Duration = Duration::from_secs(3);
/// Decisions that are read at once.
const BATCH: usize = 300;
/// Decisions that explain an agent.
const TRAIL: usize = 500;
/// A moment longer ago than this is told by its day, in milliseconds.
const DAY: Millis = 86_400_000;

/// What the loop is told.
#[derive(Debug)]
pub(super) enum Told {
    Input(Input),
    /// A thread broke off; whoever panics gives the terminal back.
    Panicked,
}

/// Gives inputs to the loop and wakes it.
#[derive(Debug)]
pub(super) struct Teller {
    pub(super) inputs: Sender<Told>,
    pub(super) wake: UnixStream,
}

impl Teller {
    /// Whether anybody listens still.
    pub(super) fn tell(&mut self, input: Input) -> bool {
        self.pass(Told::Input(input))
    }

    fn pass(&mut self, told: Told) -> bool {
        // A pipe that is full wakes as well.
        self.inputs.send(told).is_ok() && self.wake.write(&[0]).map_or_else(|error| is_full(&error), |_| true)
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.pass(Told::Panicked);
        }
    }
}

fn is_full(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::WouldBlock
}

/// What the loop wants of this thread.
#[derive(Debug)]
pub(super) enum Wanted {
    /// A look now: something was done.
    Look,
    Why(AgentName),
}

/// What is read, and how far.
#[derive(Debug)]
pub(super) struct Source {
    socket: PathBuf,
    folder: PathBuf,
    look: Look,
    reader: Option<Reader>,
    /// The last row that was read.
    seen: u64,
    /// Since when the supervisor runs that was last heard: another one may have begun another journal.
    since: Millis,
    /// Whether the next decisions begin the feed.
    anew: bool,
}

impl Source {
    pub(super) fn new(socket: &Path, folder: &Path, look: Look) -> Self {
        let (socket, folder) = (socket.to_owned(), folder.to_owned());
        Self { socket, folder, look, reader: None, seen: 0, since: 0, anew: true }
    }

    /// Looks until nobody listens any more.
    pub(super) fn run(mut self, mut teller: Teller, wanted: &Receiver<Wanted>) {
        loop {
            if !teller.tell(Input::News(self.look())) {
                return;
            }
            loop {
                match wanted.recv_timeout(PACE) {
                    Ok(Wanted::Why(agent)) => {
                        let trail = self.trail(&agent);
                        if !teller.tell(Input::Trail(agent, trail)) {
                            return;
                        }
                    }
                    Ok(Wanted::Look) | Err(RecvTimeoutError::Timeout) => break,
                    Err(RecvTimeoutError::Disconnected) => return,
                }
            }
        }
    }

    fn look(&mut self) -> News {
        let status = self.ask();
        if let Ok(status) = &status
            && status.since != self.since
        {
            self.since = status.since;
            self.reader = None;
        }
        let (feed, unread) = match self.decisions() {
            Ok(rows) => (self.entries(&rows), None),
            Err(why) => {
                self.reader = None;
                (Vec::new(), Some(why))
            }
        };
        let anew = unread.is_none() && std::mem::take(&mut self.anew);
        News { at: now(), status, feed, anew, unread }
    }

    fn ask(&self) -> Result<Box<Status>, String> {
        match client::ask(&self.socket, Ask::Status, PATIENCE) {
            Ok(Answer::Status { status }) => Ok(status),
            Ok(Answer::Refused { why, .. }) => Err(format!("the supervisor refuses: {why}")),
            Ok(_) => Err("the supervisor answers another question".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// What was decided since the last look.
    fn decisions(&mut self) -> Result<Vec<DecisionRow>, String> {
        let words = |error: crate::journal::JournalError| format!("the decisions cannot be read: {error}");
        let reader = match &mut self.reader {
            Some(reader) => reader,
            none => {
                self.anew = true;
                let reader = Reader::open(&self.folder).map_err(words)?;
                none.insert(reader.ok_or("no supervisor has written down decisions of this fleet yet")?)
            }
        };
        let last = reader.last_seq().map_err(words)?;
        let rows = if self.anew {
            reader.decisions(0, None, BATCH).map_err(words)?
        } else if last > self.seen {
            // Of more than a batch the first are shown now, the others with the next looks.
            let rows = reader.tail(self.seen, None, BATCH).map_err(words)?;
            let read = rows.last().map_or(last, TrailRow::seq);
            self.seen = read;
            return Ok(rows.into_iter().filter_map(decision).collect());
        } else {
            Vec::new()
        };
        self.seen = last.max(rows.last().map_or(0, |row| row.seq));
        Ok(rows)
    }

    fn trail(&mut self, agent: &AgentName) -> Result<Vec<Entry>, String> {
        let Some(reader) = &self.reader else {
            return Err("there is no journal of decisions that could be read".to_owned());
        };
        let rows = reader.decisions(0, Some(agent.as_str()), TRAIL);
        let rows = rows.map_err(|error| format!("the decisions cannot be read: {error}"))?;
        Ok(self.entries(&rows))
    }

    fn entries(&self, rows: &[DecisionRow]) -> Vec<Entry> {
        let zone = jiff::tz::TimeZone::system();
        let now = now();
        rows.iter().filter_map(|row| Entry::of(row, clock(row.at, now, &zone), self.look)).collect()
    }
}

fn decision(row: TrailRow) -> Option<DecisionRow> {
    match row {
        TrailRow::Decision(row) => Some(row),
        TrailRow::Event(_) => None,
    }
}

/// In milliseconds since the epoch.
fn now() -> Millis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Millis::try_from(since.as_millis()).unwrap_or(Millis::MAX)
}

/// `14:51:59`, or `Nov 19  ` where that was another day; always eight columns.
fn clock(at: Millis, now: Millis, zone: &jiff::tz::TimeZone) -> String {
    let moment = i64::try_from(at).ok().and_then(|at| jiff::Timestamp::from_millisecond(at).ok());
    let Some(moment) = moment else { return " ".repeat(8) };
    let form = if now.abs_diff(at) < DAY { "%H:%M:%S" } else { "%b %d  " };
    moment.to_zoned(zone.clone()).strftime(form).to_string()
}

/// Asks the supervisor to end an agent's quarantine or wait.
pub(super) fn clear(socket: &Path, agent: &AgentName) -> Result<String, String> {
    let ask = Ask::Clear { agents: std::iter::once(agent.clone()).collect() };
    match client::ask(socket, ask, PATIENCE * 3) {
        Ok(Answer::Refused { why, help }) => Err(format!("{why}; {help}")),
        Ok(_) => Ok("its waits are over".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_told_by_their_time_or_their_day() {
        let zone = jiff::tz::TimeZone::UTC;
        assert_eq!(clock(3_661_000, 3_700_000, &zone), "01:01:01");
        assert_eq!(clock(3_661_000, 10 * DAY, &zone), "Jan 01  ");
        assert_eq!(clock(u64::MAX, 0, &zone), " ".repeat(8));
    }

    #[test]
    fn a_thread_that_breaks_off_is_told() {
        let (inputs, told) = std::sync::mpsc::channel();
        let (mut woken, wake) = UnixStream::pair().unwrap();
        let teller = Teller { inputs, wake };
        let thread = std::thread::spawn(move || {
            let _teller = teller;
            panic!("as a test wants it");
        });
        assert!(thread.join().is_err());
        assert!(matches!(told.recv(), Ok(Told::Panicked)));
        assert_eq!(std::io::Read::read(&mut woken, &mut [0; 8]).unwrap(), 1, "the loop is woken");
    }

    #[test]
    fn a_supervisor_that_hangs_is_told_from_one_that_does_not_run() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("s.sock");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let error = client::ask(&socket, Ask::Status, Duration::from_millis(20)).unwrap_err();
        assert_eq!(error.to_string(), "the supervisor does not answer: nothing within 20ms");
    }

    #[test]
    fn without_a_supervisor_and_a_journal_it_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let look = Look { colour: false, unicode: true };
        let mut source = Source::new(&folder.path().join("none.sock"), folder.path(), look);
        let news = source.look();
        assert_eq!(news.status.unwrap_err(), "the supervisor does not run");
        assert!(news.feed.is_empty() && !news.anew);
        assert_eq!(news.unread.unwrap(), "no supervisor has written down decisions of this fleet yet");
    }
}
