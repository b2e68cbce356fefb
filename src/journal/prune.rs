//! Keeping the journal bounded, a little at a time.

use rusqlite::Transaction;

use super::recover::meta;
use super::writer::{EFFECT, SEQ, signed};
use super::{Journal, JournalError, inbox};
use crate::supervise::clock::Millis;
use crate::system::fs;

/// How many events and decisions are kept, both together.
pub const ROWS_KEPT: i64 = 200_000;
/// How many messages that have ended are kept.
pub const MESSAGES_KEPT: i64 = 20_000;
/// How long they are kept, in milliseconds.
pub const AGE_KEPT: Millis = 30 * 24 * 60 * 60 * 1000;

/// Rows of each table that one batch removes at most, so that whoever waits for the writer hardly notices.
const BATCH: i64 = 100;
/// Pages that one batch gives back to the file system at most.
const PAGES: i64 = 64;
/// After so many batches their log is carried into the file: the more is in it, the longer that takes.
const CARRY: u32 = 4;

impl Journal {
    /// Removes a batch of what is too old or too much at `now`, in milliseconds since the epoch: `true` when more is to
    /// go. Effects without an answer with their decisions, messages without an end, unread notices and open proposals
    /// stay, however old. When nothing is left to remove, it carries the log into the file. To be called now and then
    /// between other work: some milliseconds at a time.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    pub fn prune(&mut self, now: Millis) -> Result<bool, JournalError> {
        self.prune_to(now, ROWS_KEPT)
    }

    /// [`prune`](Self::prune) to so many events and decisions.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    pub fn prune_to(&mut self, now: Millis, rows: i64) -> Result<bool, JournalError> {
        if self.batches >= CARRY {
            return self.carry().map(|()| true);
        }
        let before = signed(now.saturating_sub(AGE_KEPT));
        let last = self.last_seq();
        self.let_requests_go(before)?;
        let removed = self.change(false, |change| batch(change, last - rows, before, last))?;
        let more = removed == BATCH || self.give_back()?;
        if more {
            self.batches += 1;
        } else {
            self.carry()?;
        }
        Ok(more)
    }

    /// Lets pages go that are kept in memory: after a start or a burst hardly any is asked for again soon.
    pub fn shrink(&self) {
        // Whoever cannot be shrunk is only larger.
        let _ = self.connection.execute_batch("PRAGMA shrink_memory");
    }

    /// Forgets which requests of the inbox were taken so long ago, once none of their files can come back.
    fn let_requests_go(&mut self, before: i64) -> Result<(), JournalError> {
        let old = self.connection.prepare_cached("SELECT 1 FROM inbox WHERE at < ?1");
        let old = old.and_then(|mut old| old.exists([before]));
        if !old.map_err(|error| JournalError::sqlite("read", &self.path, &error))? {
            return Ok(());
        }
        fs::sync_folder(&self.path.with_file_name(inbox::FOLDER))?;
        self.change(false, |change| change.execute("DELETE FROM inbox WHERE at < ?1", [before]).map(drop))
    }

    /// Carries the log into the file. Readers hold up a part of it at most, which comes with the next time.
    fn carry(&mut self) -> Result<(), JournalError> {
        self.batches = 0;
        let carried = self.connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        carried.map_err(|error| JournalError::sqlite("write", &self.path, &error))
    }

    /// Shortens the file by pages that nothing uses. `true` when there are more.
    fn give_back(&mut self) -> Result<bool, JournalError> {
        let free = |journal: &Self| journal.connection.pragma_query_value(None, "freelist_count", |row| row.get(0));
        let vacuum = |journal: &Self| -> rusqlite::Result<i64> {
            let left: i64 = free(journal)?;
            if left == 0 {
                return Ok(0);
            }
            // One page a step: the statement is to be stepped to its end.
            let mut statement = journal.connection.prepare(&format!("PRAGMA incremental_vacuum({PAGES})"))?;
            let mut rows = statement.query([])?;
            while rows.next()?.is_some() {}
            drop(rows);
            let now: i64 = free(journal)?;
            Ok(if now < left { now } else { 0 })
        };
        vacuum(self).map(|left| left > 0).map_err(|error| JournalError::sqlite("write", &self.path, &error))
    }
}

/// The most rows that were removed from one table.
fn batch(change: &Transaction<'_>, number: i64, before: i64, last: i64) -> rusqlite::Result<i64> {
    let events = "SELECT seq FROM (SELECT seq, at FROM events ORDER BY seq LIMIT ?3) WHERE seq <= ?1 OR at < ?2";
    let events = remove(change, events, "DELETE FROM events WHERE seq = ?1", (number, before))?;
    let decisions = "SELECT seq FROM (SELECT seq, at FROM decisions WHERE seq NOT IN \
                     (SELECT decision FROM effects WHERE state = 'pending') ORDER BY seq LIMIT ?3) \
                     WHERE seq <= ?1 OR at < ?2";
    let decisions = numbers(change, decisions, (number, before))?;
    for decision in &decisions {
        let highest = change
            .prepare_cached("SELECT max(id) FROM effects WHERE decision = ?1")?
            .query_row([decision], |row| row.get::<_, Option<i64>>(0))?;
        if let Some(highest) = highest {
            raise(change, EFFECT, highest)?;
            change.prepare_cached("DELETE FROM effects WHERE decision = ?1")?.execute([decision])?;
        }
        change.prepare_cached("DELETE FROM decisions WHERE seq = ?1")?.execute([decision])?;
    }
    let decisions = count(&decisions);
    if events + decisions > 0 {
        raise(change, SEQ, last)?;
    }
    let newest: i64 = change.query_row("SELECT coalesce(max(number), 0) FROM messages", [], |row| row.get(0))?;
    let messages = "SELECT number FROM (SELECT number, changed FROM messages WHERE final = 1 ORDER BY number LIMIT ?3) \
                    WHERE number <= ?1 OR changed < ?2";
    let messages =
        remove(change, messages, "DELETE FROM messages WHERE number = ?1", (newest - MESSAGES_KEPT, before))?;
    let notices =
        "SELECT id FROM (SELECT id, at FROM notices WHERE read = 1 ORDER BY id LIMIT ?3) WHERE id < ?1 OR at < ?2";
    let notices = remove(change, notices, "DELETE FROM notices WHERE id = ?1", (0, before))?;
    let proposals = "SELECT number FROM (SELECT number, changed FROM proposals WHERE state <> 'open' ORDER BY number \
                     LIMIT ?3) WHERE number < ?1 OR changed < ?2";
    let proposals = remove(change, proposals, "DELETE FROM proposals WHERE number = ?1", (0, before))?;
    Ok([events, decisions, messages, notices, proposals].into_iter().max().unwrap_or(0))
}

/// Of the first rows of a table, those that `select` finds.
fn numbers(change: &Transaction<'_>, select: &str, bounds: (i64, i64)) -> rusqlite::Result<Vec<i64>> {
    let mut select = change.prepare_cached(select)?;
    let rows = select.query_map((bounds.0, bounds.1, BATCH), |row| row.get(0))?;
    rows.collect()
}

fn remove(change: &Transaction<'_>, select: &str, delete: &str, bounds: (i64, i64)) -> rusqlite::Result<i64> {
    let numbers = numbers(change, select, bounds)?;
    let mut delete = change.prepare_cached(delete)?;
    numbers.iter().try_for_each(|number| delete.execute([number]).map(drop))?;
    Ok(count(&numbers))
}

fn count(numbers: &[i64]) -> i64 {
    i64::try_from(numbers.len()).unwrap_or(BATCH)
}

/// Numbers of rows that are gone are never given again.
fn raise(change: &Transaction<'_>, key: &str, number: i64) -> rusqlite::Result<()> {
    let known = meta(change, key)?.and_then(|text| text.parse().ok()).unwrap_or(0);
    if number > known {
        let sql = "INSERT INTO meta(key, value) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = excluded.value";
        change.prepare_cached(sql)?.execute((key, number.to_string()))?;
    }
    Ok(())
}
