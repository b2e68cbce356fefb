//! Who may open a journal, and where.

use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use fleet::journal::{FILE, Journal, JournalError, LOCK, Reader};
use rusqlite::Connection;

use crate::support::{NOW, db, decision, event, folder, names, reader, sound};

#[test]
fn every_file_is_private() {
    let folder = folder();
    let mut journal = sound(folder.path()).journal;
    journal.append(NOW, &[event("coder", 1)], &[]).unwrap();
    for name in names(folder.path()) {
        let mode = std::fs::metadata(folder.path().join(&name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    assert!(names(folder.path()).contains(&"journal.db-wal".to_owned()));
    drop(journal);
    // One that became readable is made private again.
    std::fs::set_permissions(db(folder.path()), Permissions::from_mode(0o644)).unwrap();
    drop(sound(folder.path()));
    assert_eq!(std::fs::metadata(db(folder.path())).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_folder_that_others_can_enter_is_refused() {
    let folder = folder();
    std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    assert!(matches!(Journal::open(folder.path()), Err(JournalError::File(_))));
    assert_eq!(names(folder.path()), [""; 0]);
}

#[test]
fn a_second_writer_is_told_who_the_first_is() {
    let folder = folder();
    let first = sound(folder.path()).journal;
    let error = Journal::open(folder.path()).unwrap_err();
    assert!(matches!(&error, JournalError::Held { holder: Some(holder), .. } if holder.pid == std::process::id()));
    assert!(error.to_string().contains("is being written by `fleet supervise` (pid"), "{error}");
    assert!(error.help().is_some());
    drop(first);
    drop(sound(folder.path()));
}

#[test]
fn what_is_planted_while_it_is_open_does_nothing() {
    let folder = folder();
    let mut journal = sound(folder.path()).journal;
    let other = Connection::open(db(folder.path())).unwrap();
    other
        .execute_batch(
            "CREATE TRIGGER evil AFTER INSERT ON decisions BEGIN DELETE FROM events; DELETE FROM decisions; END",
        )
        .unwrap();
    journal.append(NOW, &[event("coder", 1)], &[decision("coder", "x")]).unwrap();
    let rows = other.query_row("SELECT count(*) FROM events, decisions", [], |row| row.get::<_, i64>(0));
    assert_eq!(rows.unwrap(), 1);
}

/// The kernel drops a process's locks on a file with the first descriptor of it that the process closes (fcntl(2)), and
/// SQLite, which knows that, cannot keep others from it. Without them the next program may take the journal for one that
/// nobody has open.
#[test]
fn reading_beside_the_writer_leaves_its_locks() {
    use std::os::unix::fs::MetadataExt as _;

    let folder = folder();
    let mut journal = sound(folder.path()).journal;
    journal.append(NOW, &[event("coder", 1)], &[]).unwrap();
    let file = format!(":{} ", std::fs::metadata(db(folder.path())).unwrap().ino());
    let locked = || {
        let locks = std::fs::read_to_string("/proc/locks").unwrap();
        locks.lines().any(|line| line.contains("POSIX") && line.contains(&file))
    };
    assert!(locked());
    let first = reader(folder.path());
    drop(reader(folder.path()));
    assert!(locked(), "a reader has taken the lock away");
    Journal::open(folder.path()).unwrap_err();
    assert!(locked(), "a second writer has taken the lock away");
    drop(first);
    assert!(locked());
}

#[test]
fn another_program_that_holds_it_is_told_of() {
    let folder = folder();
    let mut journal = sound(folder.path()).journal;
    let other = Connection::open(db(folder.path())).unwrap();
    other.execute_batch("BEGIN IMMEDIATE; DELETE FROM events").unwrap();
    let error = journal.append(NOW, &[event("coder", 1)], &[]).unwrap_err();
    assert!(error.to_string().contains("another program holds it open"), "{error}");
    assert_eq!(reader(folder.path()).last_seq().unwrap(), 0);
    drop(other);
    assert_eq!(journal.append(NOW, &[event("coder", 1)], &[]).unwrap().rows, 1);
}

#[test]
fn links_and_pipes_in_the_place_of_its_files_are_refused() {
    for name in [FILE, "journal.db-wal", "journal.db-shm", LOCK] {
        let (folder, elsewhere) = (folder(), folder());
        if name != FILE {
            drop(sound(folder.path()));
        }
        let target = elsewhere.path().join("precious");
        std::fs::write(&target, "precious").unwrap();
        let _ = std::fs::remove_file(folder.path().join(name));
        symlink(&target, folder.path().join(name)).unwrap();
        let error = Journal::open(folder.path()).unwrap_err();
        assert!(error.to_string().contains("symbolic link"), "{name}: {error}");
        if name != LOCK {
            assert!(Reader::open(folder.path()).unwrap_err().to_string().contains("symbolic link"), "{name}");
        }
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "precious", "{name}");
    }
    let folder = folder();
    nix::unistd::mkfifo(&db(folder.path()), nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert!(Journal::open(folder.path()).unwrap_err().to_string().contains("not a regular file"));
    assert!(Reader::open(folder.path()).unwrap_err().to_string().contains("not a regular file"));
}

#[test]
fn a_home_behind_a_link_is_fine() {
    let (folder, elsewhere) = (folder(), folder());
    let inside = folder.path().join("state");
    std::fs::create_dir(&inside).unwrap();
    std::fs::set_permissions(&inside, Permissions::from_mode(0o700)).unwrap();
    symlink(folder.path(), elsewhere.path().join("home")).unwrap();
    let path = elsewhere.path().join("home/state");
    drop(sound(&path));
    assert_eq!(reader(&path).last_seq().unwrap(), 0);
}

#[test]
fn a_later_fleets_journal_is_left_alone() {
    // Its number is in the file, or still in the log.
    for in_log in [false, true] {
        let folder = folder();
        sound(folder.path()).journal.append(NOW, &[event("coder", 1)], &[]).unwrap();
        let other = Connection::open(db(folder.path())).unwrap();
        if in_log {
            other.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).unwrap();
        }
        other.execute_batch("PRAGMA user_version = 9; CREATE TABLE later(x)").unwrap();
        drop(other);
        let content = || ["journal.db", "journal.db-wal"].map(|name| std::fs::read(folder.path().join(name)).ok());
        let (before, files) = (content(), names(folder.path()));
        assert_eq!(before[1].is_some(), in_log);
        let error = Journal::open(folder.path()).unwrap_err();
        assert!(matches!(error, JournalError::Future { version: 9, .. }), "{error}");
        assert!(error.to_string().contains("later version of fleet (format 9; this one knows 1)"), "{error}");
        assert!(content() == before, "it was touched");
        let new: Vec<String> = names(folder.path()).into_iter().filter(|name| !files.contains(name)).collect();
        assert!(new.iter().all(|name| name.ends_with("-shm")), "{new:?}");
        assert!(in_log || new.is_empty(), "{new:?}");
        // SQLite makes its helper files for whoever reads; the journal and what is in its log stay as they are.
        assert!(matches!(Reader::open(folder.path()), Err(JournalError::Future { version: 9, .. })));
        assert_eq!(content()[0], before[0]);
        assert!(in_log && content() == before || content()[1].as_ref().is_none_or(Vec::is_empty));
    }
}

#[test]
fn where_no_journal_was_begun_there_is_none() {
    let folder = folder();
    assert!(Reader::open(folder.path()).unwrap().is_none());
    assert!(Reader::open(&folder.path().join("nothing")).unwrap().is_none());
    assert_eq!(names(folder.path()), [""; 0]);
}

#[test]
fn a_reader_needs_no_writer_and_changes_nothing() {
    let folder = folder();
    sound(folder.path()).journal.append(NOW, &[event("coder", 1)], &[]).unwrap();
    let before = std::fs::read(db(folder.path())).unwrap();
    let first = reader(folder.path());
    assert_eq!(first.last_seq().unwrap(), 1);
    assert!(before == std::fs::read(db(folder.path())).unwrap(), "it was touched");
    // A writer may come while it reads, and the reader sees what it writes.
    sound(folder.path()).journal.append(NOW, &[event("coder", 2)], &[]).unwrap();
    assert_eq!(first.last_seq().unwrap(), 2);
}
