//! An agent's word on disk: what is believed, and what is refused with which words.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;

use fleet::heartbeat::file::{self, Expected, Refused};
use fleet::heartbeat::spool::{self, WAITING_MAX};
use fleet::heartbeat::{SIZE_MAX, Said, State, Word};
use fleet::supervise::event::{Report, ReportKind};
use nix::unistd::{geteuid, mkfifo};
use serde_json::{Value, json};

const NONCE: &str = "0188a1b2-0000-4000-8000-000000000000";
const SINCE: u64 = 1_700_000_000_000;
const NOW: u64 = SINCE + 60_000;

fn expected() -> Expected<'static> {
    Expected { nonce: NONCE, since: SINCE, now: NOW, uid: geteuid().as_raw() }
}

/// Whether a refusal is the one that a case is about.
type Holds = Box<dyn Fn(&Refused) -> bool>;

/// A word of this run.
fn good() -> Value {
    json!({"format": 1, "ts": SINCE + 5000, "pid": 77, "nonce": NONCE, "progress": 4, "state": "tool"})
}

fn with(key: &str, value: impl Into<Value>) -> Vec<u8> {
    let mut word = good();
    word[key] = value.into();
    word.to_string().into_bytes()
}

fn without(key: &str) -> Vec<u8> {
    let mut word = good();
    word.as_object_mut().unwrap().remove(key);
    word.to_string().into_bytes()
}

fn report(kind: ReportKind, progress: u64) -> Report {
    Report { kind, progress: Some(progress), note: None, call: None, at: SINCE + 5000 }
}

#[test]
fn each_content_has_its_verdict() {
    let broken =
        |part: &'static str| move |refused: &Refused| matches!(refused, Refused::Broken(why) if why.contains(part));
    let is = |wanted: Refused| -> Holds { Box::new(move |refused| *refused == wanted) };
    let cases: Vec<(&str, Vec<u8>, Holds)> = vec![
        ("empty", Vec::new(), Box::new(broken("EOF"))),
        ("half-written", good().to_string().into_bytes()[..40].to_vec(), Box::new(broken("EOF"))),
        ("no JSON", b"working\n".to_vec(), Box::new(broken("expected"))),
        ("two words", [good().to_string(), good().to_string()].concat().into_bytes(), Box::new(broken("trailing"))),
        (
            "not UTF-8",
            b"{\"format\":1,\"note\":\"\xff\"}".to_vec(),
            Box::new(|refused| matches!(refused, Refused::Broken(_))),
        ),
        ("an array", b"[1]".to_vec(), Box::new(|refused| matches!(refused, Refused::Broken(_)))),
        ("no format", without("format"), Box::new(broken("format"))),
        ("format 0", with("format", 0), Box::new(broken("format 0"))),
        ("a format in words", with("format", "1"), Box::new(broken("invalid type"))),
        ("a newer format", with("format", 2), is(Refused::Format(2))),
        ("a newer format of another shape", br#"{"format":9,"states":[]}"#.to_vec(), is(Refused::Format(9))),
        ("an unknown state", with("state", "asleep"), Box::new(broken("unknown variant"))),
        ("no state", without("state"), Box::new(broken("state"))),
        ("no time", without("ts"), Box::new(broken("ts"))),
        ("a negative time", with("ts", -1), Box::new(broken("invalid value"))),
        ("no mark", without("nonce"), Box::new(broken("nonce"))),
        ("an empty mark", with("nonce", ""), is(Refused::Forged)),
        ("another's mark", with("nonce", "0188a1b2-0000-4000-8000-000000000001"), is(Refused::Forged)),
        (
            "the mark of an earlier run",
            json!({"format": 1, "ts": SINCE - 1, "pid": 1, "nonce": "x", "state": "done"}).to_string().into_bytes(),
            is(Refused::Stale),
        ),
        ("older than the run", with("ts", SINCE - 5001), is(Refused::Stale)),
        ("6 s ahead", with("ts", NOW + 6000), is(Refused::Future(6000))),
        ("the end of time", with("ts", u64::MAX), is(Refused::Future(u64::MAX - NOW))),
        ("a deep value", format!(r#"{{"format":1,"x":{}"#, "[".repeat(50_000)).into_bytes(), Box::new(broken("EOF"))),
        ("one byte too many", vec![b' '; usize::try_from(SIZE_MAX).unwrap() + 1], is(Refused::Huge(SIZE_MAX + 1))),
    ];
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes, holds) in cases {
        fs::write(folder.path().join("heartbeat"), bytes).unwrap();
        match file::read(folder.path(), &expected()) {
            Err(refused) if holds(&refused) => assert!(refused.to_string().starts_with("it"), "{refused}"),
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn a_word_of_this_run_is_believed() {
    let folder = tempfile::tempdir().unwrap();
    let read = |bytes: Vec<u8>| {
        fs::write(folder.path().join("heartbeat"), bytes).unwrap();
        file::read(folder.path(), &expected())
    };
    assert_eq!(file::read(folder.path(), &expected()), Ok(None));
    assert_eq!(read(good().to_string().into_bytes()), Ok(Some(report(ReportKind::Tool, 4))));
    assert_eq!(read(with("a-key-of-a-later-fleet", json!({"x": [1]}))), Ok(Some(report(ReportKind::Tool, 4))));
    assert_eq!(read(without("progress")), Ok(Some(report(ReportKind::Tool, 0))));
    for (state, kind) in [
        ("beat", ReportKind::Beat),
        ("prompt-submitted", ReportKind::PromptSubmitted),
        ("tool", ReportKind::Tool),
        ("working", ReportKind::Working),
        ("idle", ReportKind::Idle),
        ("waiting", ReportKind::Waiting),
        ("done", ReportKind::Done),
        ("blocked", ReportKind::Blocked),
    ] {
        assert_eq!(read(with("state", state)), Ok(Some(report(kind, 4))), "{state}");
    }
    // Clocks of one machine may be put right by a little.
    assert!(read(with("ts", NOW + 5000)).is_ok() && read(with("ts", SINCE - 5000)).is_ok());
    // Written by hand, not by fleet.
    let note = read(with("note", "a\u{1b}]52;c;x\u{7}\nb\u{202e}")).unwrap().unwrap().note;
    assert_eq!(note.as_deref(), Some("a]52;c;x b"));
}

/// Nothing that stands in the file's place is followed, waited for or read.
#[test]
fn only_a_regular_file_of_the_agents_user_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("heartbeat");
    let refused = || file::read(folder.path(), &expected()).unwrap_err();

    fs::write(folder.path().join("real"), good().to_string()).unwrap();
    symlink("real", &path).unwrap();
    assert_eq!(refused(), Refused::Link);
    fs::remove_file(&path).unwrap();

    mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert_eq!(refused(), Refused::NotAFile);
    fs::remove_file(&path).unwrap();

    fs::create_dir(&path).unwrap();
    assert_eq!(refused(), Refused::NotAFile);
    fs::remove_dir(&path).unwrap();

    let socket = UnixListener::bind(&path).unwrap();
    assert_eq!(refused(), Refused::NotAFile);
    drop(socket);
    fs::remove_file(&path).unwrap();

    // Gigabytes that take no room.
    fs::File::create(&path).unwrap().set_len(8 << 30).unwrap();
    assert_eq!(refused(), Refused::Huge(8 << 30));

    fs::write(&path, good().to_string()).unwrap();
    let mine = geteuid().as_raw();
    let other = Expected { uid: mine + 1, ..expected() };
    assert_eq!(file::read(folder.path(), &other), Err(Refused::Owner(mine)));
}

fn said(state: State) -> Said {
    Said::new(state)
}

#[test]
fn what_is_written_is_read_and_never_through_a_link() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("heartbeat");
    let word = Word::new(Said { note: Some("half way".into()), ..said(State::Working) }, 6, SINCE + 1, 9, NONCE);
    file::write(folder.path(), &word).unwrap();
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, 0o600);
    assert_eq!(file::word(folder.path(), &expected()), Ok(Some(word.clone())));

    fs::write(folder.path().join("mine"), "precious").unwrap();
    fs::remove_file(&path).unwrap();
    symlink("mine", &path).unwrap();
    file::write(folder.path(), &word).unwrap_err();
    assert_eq!(fs::read_to_string(folder.path().join("mine")).unwrap(), "precious");
}

/// The `n`th word that must be kept.
fn kept(n: u32) -> Word {
    let id = format!("0188a1b2-0000-4000-8000-{n:012}");
    let note = Some(format!("note {n}"));
    Word::new(Said { id: Some(id), note, ..said(State::Done) }, 0, SINCE + u64::from(n), 9, NONCE)
}

fn notes(folder: &Path) -> Vec<String> {
    spool::waiting(folder, &expected()).into_iter().map(|waiting| waiting.report.unwrap().note.unwrap()).collect()
}

#[test]
fn kept_words_wait_in_their_order_until_they_are_removed() {
    let folder = tempfile::tempdir().unwrap();
    assert!(spool::waiting(folder.path(), &expected()).is_empty());
    for n in [2, 1, 3] {
        spool::put(folder.path(), &kept(n)).unwrap();
    }
    // Once, however often it is said.
    spool::put(folder.path(), &Word { ts: NOW, ..kept(2) }).unwrap();
    assert_eq!(notes(folder.path()), ["note 1", "note 2", "note 3"]);
    spool::remove(folder.path(), kept(2).id.as_deref().unwrap()).unwrap();
    spool::remove(folder.path(), kept(2).id.as_deref().unwrap()).unwrap();
    assert_eq!(notes(folder.path()), ["note 1", "note 3"]);
}

/// An agent that says it is done, ends and is started again has said so all the same.
#[test]
fn a_kept_word_of_an_earlier_run_is_news_and_no_state() {
    let folder = tempfile::tempdir().unwrap();
    spool::put(folder.path(), &kept(1)).unwrap();
    let runs = [expected(), Expected { nonce: "another", since: NOW, ..expected() }];
    let told = runs.map(|expected| {
        let waiting = spool::waiting(folder.path(), &expected).remove(0);
        (waiting.report.unwrap().note.unwrap(), waiting.this_run)
    });
    assert_eq!(told, [("note 1".to_owned(), true), ("note 1".to_owned(), false)]);
    spool::clear(folder.path()).unwrap();
    assert!(!folder.path().join("reports").exists());
}

#[test]
fn with_nobody_to_read_them_the_oldest_go() {
    let folder = tempfile::tempdir().unwrap();
    let most = u32::try_from(WAITING_MAX).unwrap();
    for n in 1..=most + 2 {
        spool::put(folder.path(), &kept(n)).unwrap();
    }
    let notes = notes(folder.path());
    assert_eq!((notes.len(), notes[0].as_str()), (WAITING_MAX, "note 3"));
}

#[test]
fn what_does_not_belong_into_the_spool_is_left_alone_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    spool::put(folder.path(), &kept(1)).unwrap();
    let place = folder.path().join("reports");
    assert_eq!(place.metadata().unwrap().permissions().mode() & 0o7777, 0o700);
    fs::write(place.join("README"), "hello").unwrap();
    let name = |n: u32| place.join(format!("{SINCE:015}-0188a1b2-0000-4000-8000-{n:012}.json"));
    symlink("/etc/passwd", name(7)).unwrap();
    fs::write(name(8), serde_json::to_vec(&kept(1)).unwrap()).unwrap();
    let said: Vec<_> = spool::waiting(folder.path(), &expected()).into_iter().map(|waiting| waiting.report).collect();
    assert!(matches!(said[0], Err(Refused::Link)), "{said:?}");
    assert!(matches!(&said[1], Err(Refused::Broken(why)) if why.contains("another")), "{said:?}");
    assert!(said[2].is_ok() && said.len() == 3, "{said:?}");
    // A link in the folder's place is not gone through.
    let other = tempfile::tempdir().unwrap();
    symlink(&place, other.path().join("reports")).unwrap();
    assert!(spool::waiting(other.path(), &expected()).is_empty());
    spool::put(other.path(), &kept(9)).unwrap_err();
}
