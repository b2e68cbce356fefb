//! Opening the journal for writing: sound, or set aside and begun anew.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, TransactionBehavior};

use super::aside::{self, Mark};
use super::recover::{self, Recovered};
use super::schema::{self, Kind};
use super::writer::LOST;
use super::{Journal, JournalError, LOCK, connection};
use crate::system::fs;
use crate::system::lock::{self, Attempt};

/// A journal, opened for writing.
#[derive(Debug)]
pub struct Opened {
    pub journal: Journal,
    /// Why the journal before this one was set aside, when it was just now or when a supervisor died while it was. The
    /// caller tells the machine, which lets nothing destructive happen until it is cleared.
    pub lost: Option<String>,
    pub recovered: Recovered,
}

/// What stands in the journal's place.
enum Found {
    Absent,
    Empty(Connection),
    Sound(Connection, Recovered),
    Damaged(String),
}

impl Journal {
    /// Opens the journal in the state folder `folder`, or begins one, and holds it until it is dropped. A damaged one is
    /// moved aside first.
    ///
    /// # Errors
    /// [`JournalError::Held`] when another process writes it; [`JournalError::Future`] when a later fleet wrote it, which
    /// leaves every file as it was; otherwise when the folder or a file in it cannot be used: is no regular file of this
    /// user's, cannot be written, finds no space.
    pub fn open(folder: &Path) -> Result<Opened, JournalError> {
        fs::ensure_private_dir(folder)?;
        let path = connection::path_in(folder)?;
        let folder = path.parent().unwrap_or(folder).to_owned();
        let lock = match lock::try_lock(&folder.join(LOCK), "fleet supervise")? {
            Attempt::Taken(lock) => lock,
            Attempt::Held(holder) => return Err(JournalError::Held { path, holder }),
        };
        let mark = Mark::read(&folder)?;
        let had = mark.is_some();
        let mut lost = mark.as_ref().and_then(|mark| mark.lost.clone());
        let mut found = find(&path)?;
        let missing = match &found {
            Found::Damaged(why) => Some(why.clone()),
            Found::Absent if had && lost.is_none() => Some("it is gone, and this fleet had one".to_owned()),
            Found::Empty(_) if had && lost.is_none() => Some("it is empty, and this fleet had one".to_owned()),
            _ => None,
        };
        if let Some(why) = missing {
            drop(std::mem::replace(&mut found, Found::Absent));
            Mark::lost(&why).write(&folder)?;
            aside::move_away(&path)?;
            lost = Some(why);
        }
        let (connection, mut recovered) = match found {
            Found::Sound(connection, recovered) => (connection, recovered),
            Found::Empty(connection) => begin(connection, &path, lost.as_deref())?,
            Found::Absent | Found::Damaged(_) => {
                connection::make_empty(&path)?;
                let connection = connection::writable(&path);
                let connection = connection.map_err(|error| JournalError::sqlite("open", &path, &error))?;
                begin(connection, &path, lost.as_deref())?
            }
        };
        let mut journal = Journal::new(connection, path, lock)?;
        if let Some(why) = &lost
            && recovered.paused.is_none()
        {
            journal.pause(why)?;
            recovered.paused = Some(why.clone());
        }
        if mark != Some(Mark::begun()) || lost.is_some() {
            Mark::begun().write(&folder)?;
        }
        let now = u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or(0);
        journal.interrupt(&mut recovered, now)?;
        journal.repeats.know_runs(&recovered.memories);
        Ok(Opened { journal, lost, recovered })
    }
}

fn find(path: &Path) -> Result<Found, JournalError> {
    let [there, log] = connection::look(path)?;
    if !there {
        let orphan = "it is gone, and its log is left";
        return Ok(if log { Found::Damaged(orphan.to_owned()) } else { Found::Absent });
    }
    refuse_future_header(path)?;
    connection::make_private(path)?;
    match inspect(path) {
        Err(JournalError::Damaged { why, .. }) => Ok(Found::Damaged(why)),
        found => found,
    }
}

/// The number stands at a fixed place of the file (<https://sqlite.org/fileformat.html>): read there, not even SQLite's
/// helper files are made beside a journal that is none of ours to touch. Only for who holds the lock: closing the file
/// ends the locks that SQLite has on it for other connections of this process (fcntl(2)).
fn refuse_future_header(path: &Path) -> Result<(), JournalError> {
    let mut header = [0; 72];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut header));
    let number =
        |at: usize| i64::from(u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]));
    if read.is_ok() && number(68) == schema::APPLICATION && number(60) > schema::VERSION {
        return Err(JournalError::Future { path: path.to_owned(), version: number(60) });
    }
    Ok(())
}

fn inspect(path: &Path) -> Result<Found, JournalError> {
    let fail = |error: rusqlite::Error| JournalError::sqlite("open", path, &error);
    let damaged = |why: String| JournalError::Damaged { path: path.to_owned(), why };
    let mut connection = connection::writable(path).map_err(fail)?;
    // Until it is known to be sound, closing it must change nothing: the log is evidence, or a later fleet's.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(fail)?;
    match schema::kind(&connection).map_err(fail)? {
        Kind::Empty => {
            connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false).map_err(fail)?;
            return Ok(Found::Empty(connection));
        }
        Kind::Foreign => return Err(damaged("it is no journal of fleet's".to_owned())),
        Kind::Version(version) if version > schema::VERSION => {
            return Err(JournalError::Future { path: path.to_owned(), version });
        }
        Kind::Version(version) => {
            let verdict: String =
                connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(fail)?;
            if verdict != "ok" {
                return Err(damaged(verdict));
            }
            if version < schema::VERSION {
                let change = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fail)?;
                schema::migrate(&change, version).map_err(fail)?;
                change.commit().map_err(fail)?;
            }
        }
    }
    let (digest, expected) = (schema::digest(&connection).map_err(fail)?, schema::expected_digest().map_err(fail)?);
    if digest != expected {
        return Err(damaged(format!(
            "something else is declared in it than fleet's tables (digest {}, expected {})",
            &digest[..12],
            &expected[..12]
        )));
    }
    let recovered = recover::read(&connection, path)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false).map_err(fail)?;
    tune(&connection).map_err(fail)?;
    Ok(Found::Sound(connection, recovered))
}

/// Makes a journal of an empty file. The reason why the one before was lost is in it from its first moment.
fn begin(
    mut connection: Connection,
    path: &Path,
    lost: Option<&str>,
) -> Result<(Connection, Recovered), JournalError> {
    let fail = |error: rusqlite::Error| JournalError::sqlite("begin", path, &error);
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL").map_err(fail)?;
    tune(&connection).map_err(fail)?;
    let first = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fail)?;
    schema::create(&first).map_err(fail)?;
    if let Some(why) = lost {
        first.execute("INSERT INTO meta(key, value) VALUES (?1, ?2)", (LOST, why)).map_err(fail)?;
    }
    first.commit().map_err(fail)?;
    fs::sync_folder(path.parent().unwrap_or(path))?;
    let recovered = recover::read(&connection, path)?;
    Ok((connection, recovered))
}

fn tune(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // KiB: a turn touches a few dozen pages.
    connection.pragma_update(None, "cache_size", -1_000)?;
    // Pages. Carrying the log into the file takes two waits for the disk and some milliseconds: `prune` does it between
    // other work, and an append only when the log has grown in a burst.
    connection.query_row("PRAGMA wal_autocheckpoint = 4000", [], |_| Ok(()))?;
    // Bytes: after a burst the log shrinks again.
    connection.pragma_update(None, "journal_size_limit", 16 << 20)
}
