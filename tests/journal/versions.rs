//! Journals of every version that there was: each is read, whatever the tables have become since.

use std::collections::BTreeSet;

use fleet::journal::VERSION;
use fleet::supervise::message::MessageState;
use rusqlite::Connection;

use crate::support::{NOW, agent, db, decision, event, folder, names, notify, reader, sound, with_effects};

/// What SQLite dumped of journals in use, by version, oldest first: six agents, one of them quarantined, one at a limit, one
/// that asks, one that is held; messages that wait and one that has arrived; a bug report that is open.
const DUMPS: [&str; 1] = [include_str!("versions/1.sql")];

#[test]
fn a_journal_of_any_version_is_read() {
    let kept = i64::try_from(DUMPS.len()).unwrap();
    assert_eq!(kept, VERSION, "a new version needs a dump of a journal in use: `sqlite3 journal.db .dump`");
    for (version, dump) in (1..).zip(DUMPS) {
        let folder = folder();
        let old = Connection::open(db(folder.path())).unwrap();
        old.execute_batch("PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL;").unwrap();
        old.execute_batch(dump).unwrap();
        old.pragma_update(None, "application_id", 0x464C_544A).unwrap();
        old.pragma_update(None, "user_version", version).unwrap();
        drop(old);

        let mut opened = sound(folder.path());
        let recovered = opened.recovered;
        let known: BTreeSet<_> = recovered.memories.keys().map(ToString::to_string).collect();
        let all = ["asks", "fatal", "limited", "listens", "loops", "mender"].map(str::to_owned);
        assert_eq!(known, all.into(), "version {version}");
        let quarantine = recovered.memories[&agent("loops")].quarantine.as_deref();
        assert!(quarantine.is_some_and(|why| why.contains("exit 1")), "version {version}: {quarantine:?}");
        let queued: Vec<_> = recovered.queued.iter().map(|message| (message.to.as_str(), &*message.text)).collect();
        assert_eq!(queued, [("limited", "waits"), ("asks", "after the dialog")], "version {version}");
        assert_eq!((recovered.paused, recovered.interrupted), (None, vec![]), "version {version}");
        assert_eq!(recovered.next_effect, 13, "version {version}");

        let known = reader(folder.path());
        let decided = known.decisions(0, None, 1_000).unwrap();
        assert_eq!((decided.len(), known.last_seq().unwrap()), (39, 88), "version {version}");
        assert!(decided.iter().any(|row| row.rule == "limit" && row.agent.as_deref() == Some("limited")));
        let notices = [true, false].map(|unread| known.notices(unread, 100).unwrap().len());
        assert_eq!(notices, [1, 5], "version {version}");
        let arrived = known.messages(Some("listens"), 10).unwrap();
        assert_eq!((arrived.len(), arrived[0].state), (1, MessageState::Submitted), "version {version}");
        let proposals = known.proposals(10).unwrap();
        assert_eq!((proposals.len(), proposals[0].state.as_str()), (1, "open"), "version {version}");

        // It is one of this version from now on.
        let goes_on = with_effects(decision("listens", "goes on"), &[(13, notify("on"))]);
        opened.journal.append(NOW, &[event("listens", 1)], &[goes_on]).unwrap();
        drop(opened.journal);
        let plain = Connection::open(db(folder.path())).unwrap();
        let now: i64 = plain.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
        assert_eq!(now, VERSION);
        assert_eq!(sound(folder.path()).recovered.next_effect, 14, "version {version}");
        assert!(names(folder.path()).iter().all(|name| !name.contains("damaged")), "version {version}");
    }
}
