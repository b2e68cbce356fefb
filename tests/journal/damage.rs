//! Journals that are torn, cut, flipped, planted in or gone.

use std::path::Path;

use fleet::journal::{DAMAGED_KEPT, Journal, JournalError, MARK, Reader};
use fleet::supervise::message::MessageState;
use rusqlite::Connection;

use crate::support::{
    NOW, db, decision, event, folder, memory, message, names, notify, reader, set_aside, sound, with_effects,
};

/// A journal with something in every table.
fn filled(folder: &Path) {
    let mut journal = sound(folder).journal;
    for number in 0..40 {
        let mut decided = with_effects(decision("coder", "because"), &[(number + 1, notify("look"))]);
        decided.memory = Some(memory(1));
        decided.messages = vec![message(&format!("m-{number}"), "coder", MessageState::Queued)];
        journal.append(NOW, &[event("coder", number)], &[decided]).unwrap();
    }
}

/// Opens it, whatever it is: sound, or lost and begun anew; then it works and says that it is paused.
fn survives(folder: &Path, what: &str) -> Option<String> {
    // Nothing a reader finds may end it.
    if let Ok(Some(reader)) = Reader::open(folder) {
        let _ = reader.trail(Some("coder"), 1000);
        let _ = reader.messages(None, 1000);
        let _ = reader.notices(false, 1000);
    }
    let mut opened = Journal::open(folder).unwrap_or_else(|error| panic!("{what}: {error}"));
    if let Some(why) = &opened.lost {
        assert_eq!(opened.recovered.paused.as_ref(), Some(why), "{what}");
        assert_eq!(opened.recovered.queued, [], "{what}");
        assert!(!why.is_empty());
    }
    let next = opened.recovered.next_effect;
    let decided = with_effects(decision("coder", "goes on"), &[(next, notify("on"))]);
    opened.journal.append(NOW, &[event("coder", 9999)], &[decided]).unwrap_or_else(|error| panic!("{what}: {error}"));
    drop(opened.journal);
    // It is said once.
    let again = Journal::open(folder).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(again.lost, None, "{what}");
    assert_eq!(again.recovered.paused, opened.lost, "{what}");
    assert_eq!(again.recovered.next_effect, next + 1, "{what}");
    opened.lost
}

fn copy(from: &Path, to: &Path) {
    for name in names(from) {
        std::fs::copy(from.join(&name), to.join(&name)).unwrap();
    }
}

#[test]
fn a_cut_at_any_page_is_noticed() {
    let original = folder();
    filled(original.path());
    let bytes = std::fs::read(db(original.path())).unwrap();
    assert!(bytes.len() > 10 * 4096, "{}", bytes.len());
    for at in (0..bytes.len()).step_by(4096).chain([1, 99, 100, 5000]) {
        let folder = folder();
        copy(original.path(), folder.path());
        std::fs::write(db(folder.path()), &bytes[..at]).unwrap();
        let lost = survives(folder.path(), &format!("cut at {at}"));
        assert!(lost.is_some(), "cut at {at} was not noticed");
        assert_eq!(set_aside(folder.path()).len(), 1, "cut at {at}");
    }
}

#[test]
fn a_flipped_byte_anywhere_ends_nothing() {
    let original = folder();
    filled(original.path());
    let bytes = std::fs::read(db(original.path())).unwrap();
    let mut noticed = 0;
    for page in 0..bytes.len() / 4096 {
        // In the page's head, in the list of its cells, in its middle and at its end.
        for inside in [0, 3, 5, 9, 2048, 4000, 4095] {
            let folder = folder();
            copy(original.path(), folder.path());
            let mut flipped = bytes.clone();
            flipped[page * 4096 + inside] ^= 0x55;
            std::fs::write(db(folder.path()), flipped).unwrap();
            noticed += usize::from(survives(folder.path(), &format!("page {page}, byte {inside}")).is_some());
        }
    }
    assert!(noticed > bytes.len() / 4096, "only {noticed} were noticed");
}

#[test]
fn a_torn_log_loses_only_what_is_torn() {
    let original = folder();
    filled(original.path());
    let mut journal = sound(original.path()).journal;
    for number in 0..20 {
        journal.append(NOW, &[event("coder", 100 + number)], &[decision("coder", "late")]).unwrap();
    }
    // As a power cut leaves it: with the log, without its index.
    let log = std::fs::read(original.path().join("journal.db-wal")).unwrap();
    let whole = std::fs::read(db(original.path())).unwrap();
    let before = 80;
    let mut last = u64::MAX;
    for cut in (0..=log.len()).rev().step_by(2999) {
        let folder = folder();
        std::fs::write(db(folder.path()), &whole).unwrap();
        std::fs::copy(original.path().join(MARK), folder.path().join(MARK)).unwrap();
        std::fs::write(folder.path().join("journal.db-wal"), &log[..cut]).unwrap();
        let opened = sound(folder.path());
        drop(opened.journal);
        let seq = reader(folder.path()).last_seq().unwrap();
        // Whole transactions only, and none behind a torn one.
        assert!(seq >= before && seq.is_multiple_of(2) && seq <= last, "cut at {cut}: {seq} after {last}");
        last = seq;
    }
    assert_eq!(last, before);
    // A flipped byte in the log ends it there.
    for at in (0..log.len()).step_by(4999) {
        let folder = folder();
        std::fs::write(db(folder.path()), &whole).unwrap();
        let mut flipped = log.clone();
        flipped[at] ^= 0x55;
        std::fs::write(folder.path().join("journal.db-wal"), flipped).unwrap();
        survives(folder.path(), &format!("log flipped at {at}"));
    }
}

#[test]
fn what_somebody_planted_is_set_aside() {
    for (planted, sql) in [
        ("a trigger", "CREATE TRIGGER evil AFTER INSERT ON events BEGIN DELETE FROM decisions; END"),
        ("a view", "CREATE VIEW evil AS SELECT * FROM messages"),
        ("a table", "CREATE TABLE evil(x)"),
        ("an index", "CREATE INDEX evil ON events(json)"),
        ("a missing index", "DROP INDEX messages_open"),
        ("a missing table", "DROP TABLE inbox"),
        ("another column", "ALTER TABLE events ADD COLUMN evil TEXT"),
        ("another table in its place", "DROP TABLE memory; CREATE TABLE memory(agent, json)"),
        ("a foreign application", "PRAGMA application_id = 1"),
        ("a version that never was", "PRAGMA user_version = 0"),
    ] {
        let folder = folder();
        filled(folder.path());
        Connection::open(db(folder.path())).unwrap().execute_batch(sql).unwrap();
        let read = Reader::open(folder.path()).map(drop).unwrap_err();
        assert!(matches!(read, JournalError::Damaged { .. }) && read.help().is_some(), "{planted}: {read}");
        let lost = survives(folder.path(), planted);
        assert!(lost.is_some(), "{planted} was not noticed");
        assert_eq!(set_aside(folder.path()).len(), 1, "{planted}");
    }
}

#[test]
fn rows_that_make_no_sense_are_damage() {
    for (what, sql) in [
        ("a memory", "UPDATE memory SET json = '{'"),
        ("an agent's name", "UPDATE memory SET agent = '../x'"),
        ("a message", "UPDATE messages SET json = '[]' WHERE id = 'm-3'"),
        ("a message's state", "UPDATE messages SET state = 'sending' WHERE id = 'm-3'"),
        ("an effect", "UPDATE effects SET act = '{\"act\":\"format-disk\"}' WHERE id = 3"),
    ] {
        let folder = folder();
        filled(folder.path());
        Connection::open(db(folder.path())).unwrap().execute_batch(sql).unwrap();
        assert!(survives(folder.path(), what).is_some(), "{what} was not noticed");
    }
}

#[test]
fn another_file_in_its_place_is_set_aside() {
    let folder = folder();
    std::fs::write(db(folder.path()), "to do: buy milk\n".repeat(900)).unwrap();
    assert!(matches!(Reader::open(folder.path()), Err(JournalError::Damaged { .. })));
    assert!(survives(folder.path(), "a text").is_some());
    let aside = folder.path().join(&set_aside(folder.path())[0]);
    assert!(std::fs::read_to_string(aside).unwrap().starts_with("to do: buy milk"));
}

#[test]
fn a_journal_that_is_gone_is_missed() {
    for removed in [&["journal.db"][..], &["journal.db", "journal.db-wal", "journal.db-shm"]] {
        let folder = folder();
        filled(folder.path());
        let mut journal = sound(folder.path()).journal;
        journal.append(NOW, &[event("coder", 7777)], &[]).unwrap();
        std::mem::forget(journal);
        let copied = self::folder();
        copy(folder.path(), copied.path());
        for name in removed {
            std::fs::remove_file(copied.path().join(name)).unwrap();
        }
        assert!(Reader::open(copied.path()).is_err());
        assert!(survives(copied.path(), "gone").unwrap().contains("gone"));
    }
}

#[test]
fn only_some_damaged_journals_are_kept() {
    let folder = folder();
    for number in 0..DAMAGED_KEPT + 3 {
        std::fs::write(db(folder.path()), format!("{number}").repeat(2000)).unwrap();
        assert!(Journal::open(folder.path()).unwrap().lost.is_some());
    }
    let kept = set_aside(folder.path());
    assert_eq!(kept.len(), DAMAGED_KEPT);
    let firsts: Vec<u8> = kept.iter().map(|name| std::fs::read(folder.path().join(name)).unwrap()[0]).collect();
    assert_eq!(firsts, *b"345");
}

/// Whoever is killed while it sets a journal aside leaves one of these.
#[test]
fn setting_aside_goes_on_where_it_was_cut() {
    let lost = r#"{"format":1,"lost":"it was torn"}"#;
    for (moment, db_there, log_there) in [
        ("before anything was moved", true, true),
        ("before the log was moved", false, true),
        ("before a new one was begun", false, false),
    ] {
        let folder = folder();
        filled(folder.path());
        std::fs::write(folder.path().join(MARK), lost).unwrap();
        if log_there {
            std::fs::write(folder.path().join("journal.db-wal"), "torn").unwrap();
        }
        if !db_there {
            std::fs::remove_file(db(folder.path())).unwrap();
        }
        let opened = Journal::open(folder.path()).unwrap();
        let why = opened.lost.unwrap();
        assert!(opened.recovered.paused.as_ref() == Some(&why) && !why.is_empty(), "{moment}");
        drop(opened.journal);
        assert_eq!(sound(folder.path()).recovered.paused, Some(why), "{moment}");
    }
}
