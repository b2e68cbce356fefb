//! Reading, while a supervisor writes and while none runs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode};

use super::aside::Mark;
use super::query::{self, Filter};
use super::rows::{DecisionRow, EventRow, MessageRow, NoticeRow, ProposalRow, TrailRow};
use super::schema::{self, Kind};
use super::writer::LOST;
use super::{JournalError, connection, recover};
use crate::ids::AgentName;
use crate::supervise::clock::Millis;
use crate::supervise::memory::Memory;

/// A journal, open for reading. Each question sees the journal as it is at that moment.
#[derive(Debug)]
pub struct Reader {
    connection: Connection,
    path: PathBuf,
}

impl Reader {
    /// Opens the journal in the state folder `folder`. `None` when no supervisor has ever written one there.
    ///
    /// # Errors
    /// [`JournalError::Future`], [`JournalError::Past`] and [`JournalError::Damaged`] tell what is there instead of a
    /// journal of this version; otherwise when a file cannot be read or is no regular file of this user's.
    pub fn open(folder: &Path) -> Result<Option<Self>, JournalError> {
        if !folder.is_dir() {
            return Ok(None);
        }
        let path = connection::path_in(folder)?;
        let damaged = |why: &str| JournalError::Damaged { path: path.clone(), why: why.to_owned() };
        let absent = || match Mark::read(folder)? {
            Some(_) => Err(damaged("it is gone, and this fleet had one")),
            None => Ok(None),
        };
        let [there, log] = connection::look(&path)?;
        if !there {
            return absent();
        }
        let fail = |error: rusqlite::Error| JournalError::sqlite("read", &path, &error);
        let (connection, kind) = connect(&path, log).map_err(fail)?;
        match kind {
            Kind::Empty => return absent(),
            Kind::Foreign => return Err(damaged("it is no journal of fleet's")),
            Kind::Version(version) if version > schema::VERSION => {
                return Err(JournalError::Future { path: path.clone(), version });
            }
            Kind::Version(version) if version < schema::VERSION => {
                return Err(JournalError::Past { path: path.clone(), version });
            }
            Kind::Version(_) => {}
        }
        if schema::digest(&connection).map_err(fail)? != schema::expected_digest().map_err(fail)? {
            return Err(damaged("something else is declared in it than fleet's tables"));
        }
        Ok(Some(Self { connection, path }))
    }

    /// The last `limit` events since `since`, of one agent or of all, oldest first.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn events(&self, since: Millis, agent: Option<&str>, limit: usize) -> Result<Vec<EventRow>, JournalError> {
        self.ask(query::events(&self.connection, Filter { since, agent, limit, ..Filter::default() }))
    }

    /// The last `limit` decisions since `since`, about one agent or about all, oldest first, with what became of them.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn decisions(
        &self,
        since: Millis,
        agent: Option<&str>,
        limit: usize,
    ) -> Result<Vec<DecisionRow>, JournalError> {
        self.ask(query::decisions(&self.connection, Filter { since, agent, limit, ..Filter::default() }))
    }

    /// The last `limit` events and decisions, of one agent or of all, in the order in which they were written.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn trail(&self, agent: Option<&str>, limit: usize) -> Result<Vec<TrailRow>, JournalError> {
        self.ask(query::trail(&self.connection, Filter { agent, limit, ..Filter::default() }))
    }

    /// The first `limit` events and decisions behind the number `after`, of one agent or of all: what was written since.
    /// Effects are as they are now; an answer to one comes as an event.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn tail(&self, after: u64, agent: Option<&str>, limit: usize) -> Result<Vec<TrailRow>, JournalError> {
        let filter = Filter { after, agent, limit, oldest: true, ..Filter::default() };
        self.ask(query::trail(&self.connection, filter))
    }

    /// The number of the last event or decision; 0 when there is none.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn last_seq(&self) -> Result<u64, JournalError> {
        self.ask(query::last_seq(&self.connection))
    }

    /// The last `limit` messages, to one agent or to all, oldest first.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn messages(&self, agent: Option<&str>, limit: usize) -> Result<Vec<MessageRow>, JournalError> {
        self.ask(query::messages(&self.connection, agent, limit))
    }

    /// The message of this id, as it is now.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn message(&self, id: &str) -> Result<Option<MessageRow>, JournalError> {
        self.ask(query::message(&self.connection, id))
    }

    /// How many notices nobody has read.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn unread(&self) -> Result<u64, JournalError> {
        self.ask(query::unread(&self.connection))
    }

    /// The last `limit` notices, or only those nobody has read, oldest first.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn notices(&self, unread: bool, limit: usize) -> Result<Vec<NoticeRow>, JournalError> {
        self.ask(query::notices(&self.connection, unread, limit))
    }

    /// The last `limit` proposals, oldest first.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn proposals(&self, limit: usize) -> Result<Vec<ProposalRow>, JournalError> {
        self.ask(query::proposals(&self.connection, limit))
    }

    /// What the supervisor remembers of each agent.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn memories(&self) -> Result<BTreeMap<AgentName, Memory>, JournalError> {
        recover::memories(&self.connection, &self.path)
    }

    /// Why nothing destructive happens: a journal was lost and nobody has said yet that it may go on.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn paused(&self) -> Result<Option<String>, JournalError> {
        self.ask(recover::meta(&self.connection, LOST))
    }

    fn ask<T>(&self, answer: rusqlite::Result<T>) -> Result<T, JournalError> {
        answer.map_err(|error| recover::failed(&self.path, &error))
    }
}

/// A connection that has read the file's first page.
fn connect(path: &Path, log: bool) -> rusqlite::Result<(Connection, Kind)> {
    let read = |connection: Connection| schema::kind(&connection).map(|kind| (connection, kind));
    let normal = connection::readable(path).and_then(read);
    match &normal {
        // SQLite wants to put a file beside the journal and cannot.
        Err(error) if matches!(error.sqlite_error_code(), Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly)) => {
            connection::readable_without_writing(path, log).and_then(read).or(normal)
        }
        _ => normal,
    }
}
