//! The questions that readers ask, in SQL.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ValueRef};
use rusqlite::{Connection, OptionalExtension as _, Params, Row};
use serde_json::Value;

use super::rows::{DecisionRow, EffectRow, EventRow, NoticeRow, ProposalRow, TrailRow};
use super::writer::{signed, unsigned};
use crate::supervise::message::Message;

/// Which rows are wanted.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Filter<'a> {
    /// Rows behind this number.
    pub(super) after: u64,
    /// Rows since then, in milliseconds since the epoch.
    pub(super) since: u64,
    pub(super) agent: Option<&'a str>,
    pub(super) limit: usize,
    /// The first of them instead of the last.
    pub(super) oldest: bool,
}

impl Filter<'_> {
    /// `columns` of the rows of `table`, in the order in which they were written.
    fn rows<T>(
        &self,
        connection: &Connection,
        (table, columns): (&str, &str),
        read: fn(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Vec<T>> {
        let order = if self.oldest { "ASC" } else { "DESC" };
        let limit = i64::try_from(self.limit).unwrap_or(i64::MAX);
        let (after, since) = (signed(self.after), signed(self.since));
        let about = if self.agent.is_some() { "agent = ?4 AND" } else { "" };
        let sql = format!(
            "SELECT {columns} FROM {table} WHERE {about} seq > ?1 AND at >= ?2 ORDER BY seq {order} LIMIT ?3"
        );
        let mut rows = match self.agent {
            Some(agent) => all(connection, &sql, (after, since, limit, agent), read)?,
            None => all(connection, &sql, (after, since, limit), read)?,
        };
        if !self.oldest {
            rows.reverse();
        }
        Ok(rows)
    }
}

pub(super) fn events(connection: &Connection, filter: Filter<'_>) -> rusqlite::Result<Vec<EventRow>> {
    filter.rows(connection, ("events", "seq, at, agent, kind, json"), |row| {
        Ok(EventRow {
            seq: number(row, 0)?,
            at: number(row, 1)?,
            agent: row.get(2)?,
            kind: row.get(3)?,
            event: json(row, 4)?,
        })
    })
}

pub(super) fn decisions(connection: &Connection, filter: Filter<'_>) -> rusqlite::Result<Vec<DecisionRow>> {
    let mut decisions = filter.rows(connection, ("decisions", "seq, at, agent, rule, reason, standing"), |row| {
        Ok(DecisionRow {
            seq: number(row, 0)?,
            at: number(row, 1)?,
            agent: row.get(2)?,
            rule: row.get(3)?,
            reason: row.get(4)?,
            standing: row.get::<_, Option<Json>>(5)?.map(|json| json.0),
            effects: Vec::new(),
        })
    })?;
    let sql =
        "SELECT id, decision, at, agent, act, state, result, answered FROM effects WHERE decision = ?1 ORDER BY id";
    for decision in &mut decisions {
        decision.effects = all(connection, sql, [signed(decision.seq)], |row| {
            Ok(EffectRow {
                id: number(row, 0)?,
                decision: number(row, 1)?,
                at: number(row, 2)?,
                agent: row.get(3)?,
                act: json(row, 4)?,
                state: row.get(5)?,
                result: row.get::<_, Option<Json>>(6)?.map(|json| json.0),
                answered: row.get::<_, Option<i64>>(7)?.map(unsigned),
            })
        })?;
    }
    Ok(decisions)
}

pub(super) fn trail(connection: &Connection, filter: Filter<'_>) -> rusqlite::Result<Vec<TrailRow>> {
    let mut rows: Vec<TrailRow> = events(connection, filter)?.into_iter().map(TrailRow::Event).collect();
    rows.extend(decisions(connection, filter)?.into_iter().map(TrailRow::Decision));
    rows.sort_by_key(TrailRow::seq);
    if filter.oldest {
        rows.truncate(filter.limit);
    } else {
        rows.drain(..rows.len().saturating_sub(filter.limit));
    }
    Ok(rows)
}

pub(super) fn messages(connection: &Connection, agent: Option<&str>, limit: usize) -> rusqlite::Result<Vec<Message>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let sql = |agent| format!("SELECT json FROM messages {agent} ORDER BY number DESC LIMIT ?1");
    let mut messages = match agent {
        Some(agent) => all(connection, &sql("WHERE agent = ?2"), (limit, agent), typed)?,
        None => all(connection, &sql(""), [limit], typed)?,
    };
    messages.reverse();
    Ok(messages)
}

pub(super) fn message(connection: &Connection, id: &str) -> rusqlite::Result<Option<Message>> {
    connection.prepare_cached("SELECT json FROM messages WHERE id = ?1")?.query_row([id], typed).optional()
}

fn typed(row: &Row<'_>) -> rusqlite::Result<Message> {
    let text: String = row.get(0)?;
    serde_json::from_slice(text.as_bytes()).map_err(|error| FromSqlError::Other(error.into()).into())
}

pub(super) fn unread(connection: &Connection) -> rusqlite::Result<u64> {
    connection.query_row("SELECT count(*) FROM notices WHERE read = 0", [], |row| row.get(0)).map(unsigned)
}

pub(super) fn notices(connection: &Connection, unread: bool, limit: usize) -> rusqlite::Result<Vec<NoticeRow>> {
    let wanted = if unread { "WHERE read = 0" } else { "" };
    let sql = format!("SELECT id, at, level, agent, text, read FROM notices {wanted} ORDER BY id DESC LIMIT ?1");
    let mut notices = all(connection, &sql, [i64::try_from(limit).unwrap_or(i64::MAX)], |row| {
        Ok(NoticeRow {
            id: number(row, 0)?,
            at: number(row, 1)?,
            level: row.get(2)?,
            agent: row.get(3)?,
            text: row.get(4)?,
            read: row.get(5)?,
        })
    })?;
    notices.reverse();
    Ok(notices)
}

pub(super) fn proposals(connection: &Connection, limit: usize) -> rusqlite::Result<Vec<ProposalRow>> {
    let sql = "SELECT id, at, sender, kind, json, state, changed FROM proposals ORDER BY number DESC LIMIT ?1";
    let mut proposals = all(connection, sql, [i64::try_from(limit).unwrap_or(i64::MAX)], |row| {
        Ok(ProposalRow {
            id: row.get(0)?,
            at: number(row, 1)?,
            from: row.get(2)?,
            kind: row.get(3)?,
            proposal: json(row, 4)?,
            state: row.get(5)?,
            changed: number(row, 6)?,
        })
    })?;
    proposals.reverse();
    Ok(proposals)
}

/// The number of the last row.
pub(super) fn last_seq(connection: &Connection) -> rusqlite::Result<u64> {
    let sql = "SELECT max(coalesce((SELECT max(seq) FROM events), 0), coalesce((SELECT max(seq) FROM decisions), 0))";
    connection.query_row(sql, [], |row| row.get(0)).map(unsigned)
}

fn all<T>(
    connection: &Connection,
    sql: &str,
    values: impl Params,
    read: fn(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    let mut statement = connection.prepare_cached(sql)?;
    statement.query_map(values, read)?.collect()
}

fn number(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get(column).map(unsigned)
}

fn json(row: &Row<'_>, column: usize) -> rusqlite::Result<Value> {
    row.get::<_, Json>(column).map(|json| json.0)
}

/// A column of JSON.
struct Json(Value);

impl FromSql for Json {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        serde_json::from_slice(value.as_str()?.as_bytes())
            .map(Self)
            .map_err(|error| FromSqlError::Other(error.into()))
    }
}
