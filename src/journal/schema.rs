//! The tables, and how older ones become these.

use rusqlite::Connection;
use sha2::{Digest as _, Sha256};

/// The `application_id`: `FLTJ`.
pub(super) const APPLICATION: i64 = 0x464C_544A;

/// Rows of `events` and `decisions` share one count, so that their order is known across both.
const TABLES: &str = "
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE events(
    seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, agent TEXT, kind TEXT NOT NULL, json TEXT NOT NULL
) STRICT;
CREATE INDEX events_agent ON events(agent);
CREATE TABLE decisions(
    seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, agent TEXT, rule TEXT NOT NULL, reason TEXT NOT NULL, standing TEXT
) STRICT;
CREATE INDEX decisions_agent ON decisions(agent);
CREATE TABLE effects(
    id INTEGER PRIMARY KEY, decision INTEGER NOT NULL, at INTEGER NOT NULL, agent TEXT, act TEXT NOT NULL,
    state TEXT NOT NULL, result TEXT, answered INTEGER
) STRICT;
CREATE INDEX effects_decision ON effects(decision);
CREATE INDEX effects_pending ON effects(decision) WHERE state = 'pending';
CREATE TABLE memory(agent TEXT PRIMARY KEY, json TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE messages(
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, agent TEXT NOT NULL, sender TEXT NOT NULL, state TEXT NOT NULL,
    final INTEGER NOT NULL, json TEXT NOT NULL, created INTEGER NOT NULL, changed INTEGER NOT NULL
) STRICT;
CREATE INDEX messages_open ON messages(number) WHERE final = 0;
CREATE INDEX messages_agent ON messages(agent);
CREATE TABLE notices(
    id INTEGER PRIMARY KEY, at INTEGER NOT NULL, level TEXT NOT NULL, agent TEXT, text TEXT NOT NULL, read INTEGER NOT NULL
) STRICT;
CREATE INDEX notices_unread ON notices(id) WHERE read = 0;
CREATE TABLE proposals(
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, at INTEGER NOT NULL, sender TEXT NOT NULL, kind TEXT NOT NULL,
    json TEXT NOT NULL, state TEXT NOT NULL, changed INTEGER NOT NULL
) STRICT;
CREATE TABLE inbox(id TEXT PRIMARY KEY, at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
";

/// `STEPS[n]` makes version `n + 2` of version `n + 1`.
const STEPS: &[fn(&Connection) -> rusqlite::Result<()>] = &[];

/// The `user_version` of a journal of this version of fleet.
pub const VERSION: i64 = 1;

/// Makes the tables in an empty file, inside the caller's transaction.
pub(super) fn create(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(TABLES)?;
    connection.pragma_update(None, "application_id", APPLICATION)?;
    connection.pragma_update(None, "user_version", VERSION)
}

/// Brings the tables of version `from` up to [`VERSION`], inside the caller's transaction.
pub(super) fn migrate(connection: &Connection, from: i64) -> rusqlite::Result<()> {
    let done = usize::try_from(from - 1).unwrap_or(0);
    for step in STEPS.get(done..).unwrap_or_default() {
        step(connection)?;
    }
    connection.pragma_update(None, "user_version", VERSION)
}

/// What a file says it is, before anything in it is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing in it yet.
    Empty,
    /// Of this number.
    Version(i64),
    /// Somebody else's.
    Foreign,
}

/// What the file is.
pub(super) fn kind(connection: &Connection) -> rusqlite::Result<Kind> {
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let (application, version) = (number("application_id")?, number("user_version")?);
    if application == APPLICATION && version > 0 {
        return Ok(Kind::Version(version));
    }
    let objects: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(if (application, version, objects) == (0, 0, 0) { Kind::Empty } else { Kind::Foreign })
}

/// Digest of everything that is declared in the file: tables, indexes, and whatever does not belong there.
pub(super) fn digest(connection: &Connection) -> rusqlite::Result<String> {
    let mut statement =
        connection.prepare("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name, tbl_name")?;
    let mut rows = statement.query([])?;
    let mut digest = Sha256::new();
    while let Some(row) = rows.next()? {
        for column in 0..4 {
            let text: Option<String> = row.get(column)?;
            digest.update(text.as_deref().unwrap_or_default());
            digest.update([0]);
        }
    }
    Ok(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// What [`digest`] says of an untouched journal.
pub(super) fn expected_digest() -> rusqlite::Result<String> {
    let connection = Connection::open_in_memory()?;
    create(&connection)?;
    digest(&connection)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A journal whose tables are others than these is taken for a damaged one: whoever changes them raises
    /// [`VERSION`], adds a step to [`STEPS`], and then changes this.
    #[test]
    fn the_tables_of_this_version_stay_as_they_are() {
        assert_eq!(VERSION, 1);
        assert_eq!(STEPS.len(), 0);
        assert_eq!(expected_digest().unwrap(), "3bf3acde0dfcbecb8a81d77c5cef12552c18db614738fdc67333f3389a80493c");
    }

    /// SQLite's own answer: found by an index, in order, without sorting.
    #[test]
    fn the_rows_of_one_agent_are_found_by_index() {
        let connection = Connection::open_in_memory().unwrap();
        create(&connection).unwrap();
        let plan = |sql: &str| {
            let mut plan = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let rows = plan.query_map([], |row| row.get::<_, String>(3)).unwrap();
            rows.collect::<rusqlite::Result<Vec<_>>>().unwrap()
        };
        for (sql, expected) in [
            (
                "SELECT json FROM events WHERE agent = 'x' AND seq > 1 AND at >= 1 ORDER BY seq DESC LIMIT 9",
                "SEARCH events USING INDEX events_agent (agent=? AND rowid>?)",
            ),
            (
                "SELECT rule FROM decisions WHERE agent = 'x' AND seq > 1 AND at >= 1 ORDER BY seq ASC LIMIT 9",
                "SEARCH decisions USING INDEX decisions_agent (agent=? AND rowid>?)",
            ),
            (
                "SELECT json FROM events WHERE seq > 1 AND at >= 1 ORDER BY seq DESC LIMIT 9",
                "SEARCH events USING INTEGER PRIMARY KEY (rowid>?)",
            ),
            (
                "SELECT act FROM effects WHERE decision = 1 ORDER BY id",
                "SEARCH effects USING INDEX effects_decision (decision=?)",
            ),
            (
                "SELECT json FROM messages WHERE agent = 'x' ORDER BY number DESC LIMIT 9",
                "SEARCH messages USING INDEX messages_agent (agent=?)",
            ),
            ("SELECT json FROM messages WHERE final = 0 ORDER BY number", "SCAN messages USING INDEX messages_open"),
        ] {
            assert_eq!(plan(sql), [expected], "{sql}");
        }
    }
}
