//! What a starting supervisor needs of its predecessor's journal.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::{Connection, OptionalExtension as _, Row};
use serde::de::DeserializeOwned;

use super::JournalError;
use super::writer::{EFFECT, LOST, state_word, unsigned};
use crate::ids::AgentName;
use crate::supervise::clock::Millis;
use crate::supervise::decision::{Effect, EffectId};
use crate::supervise::event::{EffectResult, Event};
use crate::supervise::memory::Memory;
use crate::supervise::message::{Message, MessageState};

/// What a message says whose supervisor died while the shim had it.
const INTERRUPTED: &str = "the supervisor ended while it was being typed";

/// What the journal holds for a supervisor that starts.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Recovered {
    pub memories: BTreeMap<AgentName, Memory>,
    /// Messages that wait for their agent, in the order in which they came.
    pub queued: Vec<Message>,
    /// Messages that were being typed: [`MessageState::Unknown`] from now on, in the journal too.
    pub interrupted: Vec<Message>,
    /// Effects that left and were not answered. They stay so until [`Event::Effect`] is appended for each; see
    /// [`answers`](Self::answers).
    pub pending: Vec<Pending>,
    /// The number of the next effect: larger than that of any in this journal's life.
    pub next_effect: EffectId,
    /// Why nothing destructive may happen: a journal was lost and nobody has said yet that it may go on.
    pub paused: Option<String>,
}

/// An effect that left and was not answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Pending {
    pub effect: Effect,
    /// The decision it is of.
    pub decision: u64,
    /// Whom the decision was about.
    pub agent: Option<AgentName>,
    /// When it was decided, in milliseconds since the epoch.
    pub at: Millis,
}

impl Recovered {
    /// The events that answer [`pending`](Self::pending): of each nothing is known.
    #[must_use]
    pub fn answers(&self) -> Vec<Event> {
        let unknown = |pending: &Pending| Event::Effect { id: pending.effect.id, result: EffectResult::Unknown };
        self.pending.iter().map(unknown).collect()
    }
}

/// Reads it. Whatever does not make sense here is damage: decisions rest on it.
pub(super) fn read(connection: &Connection, path: &Path) -> Result<Recovered, JournalError> {
    let reading = Reading { connection, path };
    let (mut queued, mut interrupted) = (Vec::new(), Vec::new());
    let columns = "SELECT id, state, json, created FROM messages WHERE final = 0 ORDER BY number";
    for (id, state, json, created) in reading.rows(columns, |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?, row.get::<_, i64>(3)?))
    })? {
        let mut message: Message = reading.json("message", &id, &json)?;
        if message.id != id || state_word(message.state) != state || message.created != unsigned(created) {
            return Err(reading.damaged(format!("message {id:?} contradicts itself")));
        }
        if message.state == MessageState::Sending {
            message.state = MessageState::Unknown;
            INTERRUPTED.clone_into(&mut message.why);
            interrupted.push(message);
        } else {
            queued.push(message);
        }
    }
    Ok(Recovered {
        memories: reading.memories()?,
        queued,
        interrupted,
        pending: reading.pending()?,
        next_effect: unsigned(reading.highest(EFFECT, "SELECT max(id) FROM effects")?) + 1,
        paused: reading.meta(LOST)?,
    })
}

struct Reading<'a> {
    connection: &'a Connection,
    path: &'a Path,
}

impl Reading<'_> {
    fn rows<T>(&self, sql: &str, row: fn(&Row<'_>) -> rusqlite::Result<T>) -> Result<Vec<T>, JournalError> {
        let mut statement = self.connection.prepare(sql).map_err(|error| self.fail(&error))?;
        let rows = statement.query_map([], row).and_then(Iterator::collect);
        rows.map_err(|error| self.fail(&error))
    }

    fn memories(&self) -> Result<BTreeMap<AgentName, Memory>, JournalError> {
        let mut memories = BTreeMap::new();
        let columns = "SELECT agent, json FROM memory";
        for (agent, json) in self.rows(columns, |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))? {
            let memory = self.json("what is known of", &agent, &json)?;
            memories.insert(self.agent(&agent)?, memory);
        }
        Ok(memories)
    }

    fn pending(&self) -> Result<Vec<Pending>, JournalError> {
        // The order alone would have the planner read all effects there ever were.
        let columns = "SELECT e.id, e.decision, d.agent, e.at, e.act FROM effects e INDEXED BY effects_pending \
                       LEFT JOIN decisions d ON d.seq = e.decision WHERE e.state = 'pending' ORDER BY e.id";
        let rows = self.rows(columns, |row| {
            Ok((row.get(0)?, row.get(1)?, row.get::<_, Option<String>>(2)?, row.get(3)?, row.get::<_, String>(4)?))
        })?;
        let each = rows.into_iter().map(|(id, decision, agent, at, act)| {
            let id = unsigned(id);
            let act = self.json("effect", &id.to_string(), &act)?;
            let agent = agent.map(|agent| self.agent(&agent)).transpose()?;
            Ok(Pending { effect: Effect { id, act }, decision: unsigned(decision), agent, at: unsigned(at) })
        });
        each.collect()
    }

    fn agent(&self, text: &str) -> Result<AgentName, JournalError> {
        AgentName::new(text).map_err(|why| self.damaged(format!("{text:?} is no name of an agent: {why}")))
    }

    fn json<T: DeserializeOwned>(&self, what: &str, id: &str, json: &str) -> Result<T, JournalError> {
        serde_json::from_slice(json.as_bytes())
            .map_err(|error| self.damaged(format!("{what} {id:?} cannot be read: {error}")))
    }

    fn meta(&self, key: &str) -> Result<Option<String>, JournalError> {
        meta(self.connection, key).map_err(|error| self.fail(&error))
    }

    fn highest(&self, key: &str, sql: &str) -> Result<i64, JournalError> {
        highest(self.connection, key, sql).map_err(|error| self.fail(&error))
    }

    fn fail(&self, error: &rusqlite::Error) -> JournalError {
        failed(self.path, error)
    }

    fn damaged(&self, why: String) -> JournalError {
        JournalError::Damaged { path: self.path.to_owned(), why }
    }
}

/// What is remembered of each agent.
pub(super) fn memories(connection: &Connection, path: &Path) -> Result<BTreeMap<AgentName, Memory>, JournalError> {
    Reading { connection, path }.memories()
}

/// Why the journal at `path` was not read. A column that holds something else than it can is damage.
pub(super) fn failed(path: &Path, error: &rusqlite::Error) -> JournalError {
    match error {
        rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::Utf8Error(..) => JournalError::Damaged { path: path.to_owned(), why: error.to_string() },
        _ => JournalError::sqlite("read", path, error),
    }
}

/// What `meta` says under `key`.
pub(super) fn meta(connection: &Connection, key: &str) -> rusqlite::Result<Option<String>> {
    connection.query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0)).optional()
}

/// The highest number ever given: of the rows that `sql` asks, or of those pruned since, which `meta` keeps under `key`.
pub(super) fn highest(connection: &Connection, key: &str, sql: &str) -> rusqlite::Result<i64> {
    let pruned = meta(connection, key)?.and_then(|text| text.parse().ok()).unwrap_or(0);
    let present: Option<i64> = connection.query_row(sql, [], |row| row.get(0))?;
    Ok(present.unwrap_or(0).max(pruned))
}
