//! The one writer.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior};
use serde::Serialize;

use super::keep::{self, Kept, Repeats, Staged};
use super::recover::{self, Recovered};
use super::{JournalError, query};
use crate::ids::AgentName;
use crate::supervise::clock::Millis;
use crate::supervise::decision::{Act, Decision, Effect};
use crate::supervise::event::{Delivered, EffectResult, Event, Request};
use crate::supervise::message::{Message, MessageState};
use crate::system::lock::Lock;

/// Key in `meta`: why a journal before this one was set aside, until somebody has cleared it.
pub(super) const LOST: &str = "journal-lost";
/// Keys in `meta`: the highest numbers of rows that were pruned.
pub(super) const SEQ: &str = "seq";
pub(super) const EFFECT: &str = "effect";

/// A journal, open for writing by this process alone.
#[derive(Debug)]
pub struct Journal {
    pub(super) connection: Connection,
    pub(super) path: PathBuf,
    seq: i64,
    pub(super) repeats: Repeats,
    /// Whether a commit waits for the disk now.
    full: bool,
    /// Batches of pruning since the log was carried into the file.
    pub(super) batches: u32,
    _lock: Lock,
}

/// What a transaction has put into the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// Events and decisions that have a row of their own now.
    pub rows: usize,
    /// The number of the journal's last row.
    pub seq: u64,
}

impl Journal {
    pub(super) fn new(connection: Connection, path: PathBuf, lock: Lock) -> Result<Self, JournalError> {
        let last =
            "SELECT max(coalesce((SELECT max(seq) FROM events), 0), coalesce((SELECT max(seq) FROM decisions), 0))";
        let seq = recover::highest(&connection, SEQ, last);
        let seq = seq.map_err(|error| JournalError::sqlite("read", &path, &error))?;
        Ok(Self { connection, path, seq, repeats: Repeats::default(), full: true, batches: 0, _lock: lock })
    }

    /// The journal's file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Keeps events and the decisions they led to, all or nothing. When this returns `Ok`, effects may leave: decisions other
    /// than mere looks, requests and answers to effects are on the disk. Events for which
    /// [`is_worth_keeping`](super::is_worth_keeping) says no, and those that only repeat what was said, have no row.
    ///
    /// # Errors
    /// When SQLite or the disk refuses; then nothing of it was kept and nothing may leave.
    pub fn append(&mut self, at: Millis, events: &[Event], decisions: &[Decision]) -> Result<Appended, JournalError> {
        let appended = self.write(at, None, events, decisions)?;
        Ok(appended.unwrap_or(Appended { rows: 0, seq: unsigned(self.seq) }))
    }

    /// [`append`](Self::append) of what a request from the inbox led to, which is taken by the same transaction. `None`
    /// when it was taken before: then nothing was kept.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    pub fn append_inbox(
        &mut self,
        id: &str,
        at: Millis,
        events: &[Event],
        decisions: &[Decision],
    ) -> Result<Option<Appended>, JournalError> {
        self.write(at, Some(id), events, decisions)
    }

    /// Whether a request of the inbox was taken before.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn has_taken(&self, id: &str) -> Result<bool, JournalError> {
        let taken = self.connection.prepare_cached("SELECT 1 FROM inbox WHERE id = ?1");
        taken.and_then(|mut taken| taken.exists([id])).map_err(|error| self.fail("read", &error))
    }

    /// The message of this id, however old: whoever asks twice is told what became of the first.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn message(&self, id: &str) -> Result<Option<Message>, JournalError> {
        query::message(&self.connection, id).map_err(|error| recover::failed(&self.path, &error))
    }

    /// Marks notices as read by a person; those that are not there are passed over.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    pub fn mark_read(&mut self, notices: &[u64]) -> Result<(), JournalError> {
        self.change(true, |change| {
            let mut mark = change.prepare_cached("UPDATE notices SET read = 1 WHERE id = ?1")?;
            notices.iter().try_for_each(|id| mark.execute([signed(*id)]).map(drop))
        })
    }

    /// Keeps a proposal, once: `false` when one of this id is there. `json` is what is proposed.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    pub fn propose(
        &mut self,
        at: Millis,
        id: &str,
        from: &AgentName,
        kind: &str,
        json: &serde_json::Value,
    ) -> Result<bool, JournalError> {
        let json = json.to_string();
        self.change(true, |change| {
            let made = change.execute(
                "INSERT INTO proposals(id, at, sender, kind, json, state, changed) VALUES (?1, ?2, ?3, ?4, ?5, 'open', ?2) \
                 ON CONFLICT(id) DO NOTHING",
                (id, signed(at), from.as_str(), kind, json),
            )?;
            Ok(made == 1)
        })
    }

    /// Closes an open proposal as `state`, e.g. `accepted`. `false` when none of this id is open.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    pub fn close_proposal(&mut self, at: Millis, id: &str, state: &str) -> Result<bool, JournalError> {
        self.change(true, |change| {
            let sql = "UPDATE proposals SET state = ?2, changed = ?3 WHERE id = ?1 AND state = 'open'";
            Ok(change.execute(sql, (id, state, signed(at)))? == 1)
        })
    }

    /// Forgets what is remembered of agents that `keep` does not name: those the fleet no longer has.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    pub fn forget_all_but(&mut self, keep: &[AgentName]) -> Result<(), JournalError> {
        self.change(true, |change| {
            let mut known = change.prepare("SELECT agent FROM memory")?;
            let known: Vec<String> = known.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
            for agent in known.iter().filter(|agent| keep.iter().all(|kept| kept.as_str() != agent.as_str())) {
                change.execute("DELETE FROM memory WHERE agent = ?1", [agent])?;
            }
            Ok(())
        })
    }

    pub(super) fn last_seq(&self) -> i64 {
        self.seq
    }

    pub(super) fn pause(&mut self, why: &str) -> Result<(), JournalError> {
        self.change(true, |change| pause(change, why))
    }

    /// Makes durable that messages which were being typed are unknown.
    pub(super) fn interrupt(&mut self, recovered: &mut Recovered, now: Millis) -> Result<(), JournalError> {
        if recovered.interrupted.is_empty() {
            return Ok(());
        }
        for message in &mut recovered.interrupted {
            message.changed = now;
        }
        self.change(true, |change| recovered.interrupted.iter().try_for_each(|message| put_message(change, message)))
    }

    fn write(
        &mut self,
        at: Millis,
        inbox: Option<&str>,
        events: &[Event],
        decisions: &[Decision],
    ) -> Result<Option<Appended>, JournalError> {
        let mut staged = Staged::new();
        let mut kept = Vec::new();
        for event in events {
            if !keep::is_worth_keeping(event) {
                Repeats::pass(&mut staged, event);
                continue;
            }
            let row = Kept::of(event).map_err(|error| self.unwritable(&error))?;
            if self.repeats.is_news(&mut staged, event, &row.json) {
                kept.push((event, row));
            }
        }
        let probed = events.iter().any(|event| matches!(event, Event::Effect { .. }));
        if kept.is_empty() && decisions.is_empty() && inbox.is_none() && !probed {
            self.repeats.commit(staged);
            return Ok(None);
        }
        let durable = inbox.is_some()
            || !decisions.iter().all(keep::is_only_a_look)
            || events.iter().any(keep::must_be_durable);
        let first = self.seq;
        let seq = self.change(durable, |change| {
            let mut seq = first;
            if let Some(id) = inbox
                && change
                    .execute("INSERT INTO inbox(id, at) VALUES (?1, ?2) ON CONFLICT DO NOTHING", (id, signed(at)))?
                    == 0
            {
                return Ok(None);
            }
            for event in events {
                if let Event::Effect { id, result: result @ EffectResult::Probed { .. } } = event {
                    answer(change, at, *id, result)?;
                }
            }
            for (event, row) in &kept {
                put_event(change, at, &mut seq, event, row)?;
            }
            for decision in decisions {
                seq += 1;
                put_decision(change, at, seq, decision)?;
            }
            Ok(Some(seq))
        })?;
        let Some(seq) = seq else { return Ok(None) };
        self.seq = seq;
        self.repeats.commit(staged);
        Ok(Some(Appended { rows: usize::try_from(seq - first).unwrap_or(0), seq: unsigned(seq) }))
    }

    /// One transaction. With `durable`, it is on the disk when this returns `Ok`; otherwise it outlives this process, and
    /// a power cut once the next durable one does.
    pub(super) fn change<T>(
        &mut self,
        durable: bool,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, JournalError> {
        let path = self.path.clone();
        let fail = |error: rusqlite::Error| JournalError::sqlite("write", &path, &error);
        if self.full != durable {
            let level = if durable { "FULL" } else { "NORMAL" };
            self.connection.pragma_update(None, "synchronous", level).map_err(fail)?;
            self.full = durable;
        }
        let change = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fail)?;
        let made = work(&change).map_err(fail)?;
        change.commit().map_err(fail)?;
        Ok(made)
    }

    fn fail(&self, action: &'static str, error: &rusqlite::Error) -> JournalError {
        JournalError::sqlite(action, &self.path, error)
    }

    fn unwritable(&self, error: &serde_json::Error) -> JournalError {
        self.fail("write", &rusqlite::Error::ToSqlConversionFailure(error.to_string().into()))
    }
}

fn put_event(change: &Transaction<'_>, at: Millis, seq: &mut i64, event: &Event, row: &Kept) -> rusqlite::Result<()> {
    let mut about = row.agent.as_ref().map(|agent| agent.as_str().to_owned());
    match event {
        Event::Effect { id, result } => match answer(change, at, *id, result)? {
            Some(Answered { agent }) => about = agent,
            // Answered before: an effect has one answer.
            None => return Ok(()),
        },
        Event::JournalLost { why } => pause(change, why)?,
        Event::Request { request: Request::ClearJournalLost } => {
            change.execute("DELETE FROM meta WHERE key = ?1", [LOST])?;
        }
        _ => {}
    }
    *seq += 1;
    let sql = "INSERT INTO events(seq, at, agent, kind, json) VALUES (?1, ?2, ?3, ?4, ?5)";
    change.prepare_cached(sql)?.execute((*seq, signed(at), about, row.kind, &row.json)).map(drop)
}

fn put_decision(change: &Transaction<'_>, at: Millis, seq: i64, decision: &Decision) -> rusqlite::Result<()> {
    let agent = decision.agent.as_ref().map(AgentName::as_str);
    let standing = decision.standing.as_ref().map(json).transpose()?;
    let sql = "INSERT INTO decisions(seq, at, agent, rule, reason, standing) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let row = (seq, signed(at), agent, decision.rule.word(), &decision.reason, standing);
    change.prepare_cached(sql)?.execute(row)?;
    for Effect { id, act } in &decision.effects {
        let about = act.agent().map_or(agent, |agent| Some(agent.as_str()));
        let sql = "INSERT INTO effects(id, decision, at, agent, act, state) VALUES (?1, ?2, ?3, ?4, ?5, 'pending')";
        change.prepare_cached(sql)?.execute((signed(*id), seq, signed(at), about, json(act)?))?;
        if let Act::Notify { level, text } = act {
            let sql = "INSERT INTO notices(id, at, level, agent, text, read) VALUES (?1, ?2, ?3, ?4, ?5, 0)";
            change.prepare_cached(sql)?.execute((signed(*id), signed(at), level.word(), about, text))?;
        }
    }
    if let (Some(agent), Some(memory)) = (agent, &decision.memory) {
        let sql = "INSERT INTO memory(agent, json) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET json = excluded.json";
        change.prepare_cached(sql)?.execute((agent, json(memory)?))?;
    }
    decision.messages.iter().try_for_each(|message| put_message(change, message))
}

/// Keeps a message as it is now. One that has ended does not wait or leave again, whoever asks: it would be sent twice.
fn put_message(change: &Transaction<'_>, message: &Message) -> rusqlite::Result<()> {
    let sql = "INSERT INTO messages(id, agent, sender, state, final, json, created, changed) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) \
               ON CONFLICT(id) DO UPDATE SET \
               state = excluded.state, final = excluded.final, json = excluded.json, changed = excluded.changed \
               WHERE messages.final <= excluded.final";
    let row = (
        &message.id,
        message.to.as_str(),
        json(&message.from)?,
        state_word(message.state),
        message.state.is_final(),
        json(message)?,
        signed(message.created),
        signed(message.changed),
    );
    change.prepare_cached(sql)?.execute(row).map(drop)
}

/// An effect that has its answer now.
struct Answered {
    /// Whom it acted on.
    agent: Option<String>,
}

/// Notes how an effect ended. `None` when it had ended before or never was.
fn answer(
    change: &Transaction<'_>,
    at: Millis,
    id: u64,
    result: &EffectResult,
) -> rusqlite::Result<Option<Answered>> {
    let state = match result {
        EffectResult::Failed { .. }
        | EffectResult::Withheld { .. }
        | EffectResult::Delivered { outcome: Delivered::Refused, .. } => "failed",
        EffectResult::Unknown | EffectResult::Delivered { outcome: Delivered::Unknown, .. } => "unknown",
        EffectResult::Done | EffectResult::Probed { .. } | EffectResult::Delivered { .. } => "done",
    };
    let sql = "UPDATE effects SET state = ?2, result = ?3, answered = ?4 WHERE id = ?1 AND state = 'pending' \
               RETURNING agent";
    let row = (signed(id), state, json(result)?, signed(at));
    change.prepare_cached(sql)?.query_row(row, |row| Ok(Answered { agent: row.get(0)? })).optional()
}

fn pause(change: &Transaction<'_>, why: &str) -> rusqlite::Result<()> {
    let sql = "INSERT INTO meta(key, value) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = excluded.value";
    change.execute(sql, (LOST, why)).map(drop)
}

fn json(value: &impl Serialize) -> rusqlite::Result<String> {
    serde_json::to_string(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

/// The word of a message's state in its column: unlike [`MessageState::word`], a word of its own for each.
pub(super) fn state_word(state: MessageState) -> &'static str {
    match state {
        MessageState::Taken => "taken",
        state => state.word(),
    }
}

/// SQLite's integers have a sign; no number of fleet's is that large.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// [`signed`], undone.
pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
