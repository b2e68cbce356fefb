//! What is put into the inbox, and what is refused there.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;

use fleet::ids::AgentName;
use fleet::journal::inbox::{self, REFUSED_KEPT, SIZE_CAP, WAITING_CAP};
use fleet::supervise::event::{Caller, Event, Request};
use fleet::supervise::message::{Message, MessageState};
use tempfile::TempDir;

use crate::support::{NOW, folder, message, names, sound};

fn recall(id: &str) -> Request {
    Request::Recall { id: id.to_owned() }
}

/// A folder with one request, and its file.
fn with_one() -> (TempDir, PathBuf) {
    let folder = folder();
    let id = inbox::put(folder.path(), NOW, &recall("m-1")).unwrap();
    let file = folder.path().join("inbox").join(format!("{id}.json"));
    (folder, file)
}

#[test]
fn requests_are_read_oldest_first() {
    let folder = folder();
    assert_eq!(inbox::read(folder.path(), NOW).unwrap().requests, []);
    for (at, id) in [(NOW + 9, "m-3"), (NOW - 5000, "m-1"), (NOW, "m-2")] {
        inbox::put(folder.path(), at, &recall(id)).unwrap();
    }
    let read = inbox::read(folder.path(), NOW).unwrap();
    let asked: Vec<Request> = read.requests.iter().map(|waiting| waiting.request.clone()).collect();
    assert_eq!(asked, [recall("m-1"), recall("m-2"), recall("m-3")]);
    assert_eq!((read.requests[0].created, read.refused.len(), read.more), (NOW - 5000, 0, false));
    let file = folder.path().join("inbox").join(&names(&folder.path().join("inbox"))[0]);
    assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    read.requests.iter().for_each(|waiting| inbox::remove(waiting).unwrap());
    assert_eq!(names(&folder.path().join("inbox")), [""; 0]);
}

/// Killed between the journal's transaction and the removal of the file.
#[test]
fn a_request_that_is_found_again_is_not_taken_again() {
    let (folder, _) = with_one();
    for round in 0..2 {
        let mut journal = sound(folder.path()).journal;
        let [waiting] = inbox::read(folder.path(), NOW).unwrap().requests.try_into().unwrap();
        assert_eq!(journal.has_taken(&waiting.id).unwrap(), round > 0);
        let events = [Event::Request { request: waiting.request }];
        let taken = journal.append_inbox(&waiting.id, NOW, &events, &[]).unwrap();
        assert_eq!(taken.map(|taken| taken.rows), (round == 0).then_some(1));
    }
}

#[test]
fn what_is_too_large_or_too_much_is_not_put() {
    let folder = folder();
    let mut long = message("m-1", "coder", MessageState::Queued);
    long.text = "x".repeat(usize::try_from(SIZE_CAP).unwrap());
    let error = inbox::put(folder.path(), NOW, &Request::Send { message: long }).unwrap_err();
    assert!(error.to_string().contains("65536 is the most"), "{error}");
    for number in 0..WAITING_CAP {
        fs::write(folder.path().join("inbox").join(format!("{number}.json")), "{}").unwrap();
    }
    let error = inbox::put(folder.path(), NOW, &recall("m-1")).unwrap_err();
    assert!(error.to_string().contains("1000 requests wait there already"), "{error}");
}

/// Over the supervisor's socket the kernel says who asks; here nobody does, so nothing is believed but a person's request.
#[test]
fn nobody_but_a_person_leaves_a_request() {
    let agent = || AgentName::new("coder").unwrap();
    let message = |from: Caller, state: MessageState| Request::Send {
        message: Message { from, ..message("m-0000000000000001", "coder", state) },
    };
    let clear = |caller: Caller| Request::Clear { agents: BTreeSet::new(), caller };
    let proposal = (agent(), "p1".to_owned(), "more coders".to_owned());
    let (id, title) = (proposal.1.clone(), proposal.2.clone());
    for (request, why) in [
        (message(Caller::Agent { agent: agent() }, MessageState::Queued), "from coder"),
        (message(Caller::Fleet, MessageState::Queued), "from fleet"),
        (message(Caller::Operator, MessageState::Confirmed), "on its way already"),
        (clear(Caller::Agent { agent: agent() }), "from coder"),
        (Request::Accepted { agent: agent(), id: id.clone(), title: title.clone() }, "the supervisor's own word"),
        (Request::Proposed { agent: agent(), id, kind: "roster".to_owned(), title }, "the supervisor's own word"),
    ] {
        let folder = folder();
        inbox::put(folder.path(), NOW, &request).unwrap();
        let read = inbox::read(folder.path(), NOW).unwrap();
        assert_eq!((read.requests.len(), read.refused.len()), (0, 1), "{request:?}");
        assert!(read.refused[0].why.contains(why), "{:?}", read.refused);
    }
    for request in [message(Caller::Operator, MessageState::Queued), clear(Caller::Operator)] {
        let folder = folder();
        inbox::put(folder.path(), NOW, &request).unwrap();
        assert_eq!(inbox::read(folder.path(), NOW).unwrap().requests.len(), 1, "{request:?}");
    }
}

#[test]
fn what_cannot_be_a_request_is_moved_aside_with_the_reason() {
    type Spoil = fn(&PathBuf);
    let content = |file: &PathBuf| fs::read_to_string(file).unwrap();
    let cases: &[(&str, Spoil)] = &[
        ("not whole", |file| fs::write(file, &fs::read(file).unwrap()[..40]).unwrap()),
        ("not whole", |file| fs::write(file, "").unwrap()),
        ("a symbolic link", |file| {
            let elsewhere = file.with_file_name(".fleet-elsewhere");
            fs::rename(file, &elsewhere).unwrap();
            symlink(elsewhere, file).unwrap();
        }),
        ("not a regular file", |file| {
            fs::remove_file(file).unwrap();
            nix::unistd::mkfifo(file, nix::sys::stat::Mode::S_IRWXU).unwrap();
        }),
        ("not a regular file", |file| {
            fs::remove_file(file).unwrap();
            fs::create_dir_all(file.join("deeper")).unwrap();
        }),
        ("bytes, and 65536 is the most", |file| fs::write(file, " ".repeat(70_000)).unwrap()),
        ("others may write it (mode 0666)", |file| fs::set_permissions(file, Permissions::from_mode(0o666)).unwrap()),
        ("its name is not", |file| {
            fs::rename(file, file.with_file_name(format!("{NOW:015}-0123456789abcdef.json"))).unwrap();
        }),
        ("its name is not", |file| {
            let text = fs::read_to_string(file).unwrap().replace("\"created\":1", "\"created\":2");
            fs::write(file, text).unwrap();
        }),
        ("of format 2, and this fleet knows 1", |file| {
            fs::write(file, fs::read_to_string(file).unwrap().replace("\"format\":1", "\"format\":2")).unwrap();
        }),
        ("it is no request", |file| {
            fs::write(file, fs::read_to_string(file).unwrap().replace("recall", "format-disk")).unwrap();
        }),
    ];
    for (why, spoil) in cases {
        let (folder, file) = with_one();
        let good = content(&file);
        spoil(&file);
        // The next one is not held up.
        let id = inbox::put(folder.path(), NOW + 1, &recall("m-2")).unwrap();
        let read = inbox::read(folder.path(), NOW).unwrap();
        let [refusal] = read.refused.as_slice() else { panic!("{why}: {read:?}") };
        assert!(refusal.why.contains(why), "{why}: {}", refusal.why);
        assert_eq!(read.requests.iter().map(|waiting| waiting.id.clone()).collect::<Vec<_>>(), [id], "{why}");
        let refused = names(&folder.path().join("inbox/refused"));
        assert_eq!(refused.len(), 1, "{why}");
        assert!(refused[0].ends_with(&refusal.name), "{refused:?}");
        assert!(!good.is_empty());
        assert_eq!(inbox::read(folder.path(), NOW).unwrap().refused, [], "{why}: it is told once");
    }
}

#[test]
fn a_request_of_the_future_is_refused() {
    let folder = folder();
    inbox::put(folder.path(), NOW + 59_000, &recall("m-1")).unwrap();
    inbox::put(folder.path(), NOW + 61_000, &recall("m-2")).unwrap();
    let read = inbox::read(folder.path(), NOW).unwrap();
    assert_eq!(read.requests.len(), 1);
    assert!(read.refused[0].why.contains("61 seconds into the future"), "{read:?}");
}

#[test]
fn a_request_of_another_user_is_refused() {
    // Only root can give a file away; everybody else is asked as in the rest of these tests.
    let (folder, file) = with_one();
    if nix::unistd::geteuid().is_root() {
        std::os::unix::fs::chown(&file, Some(4321), None).unwrap();
        let read = inbox::read(folder.path(), NOW).unwrap();
        assert_eq!(read.refused[0].why, "it belongs to uid 4321");
    } else {
        assert_eq!(inbox::read(folder.path(), NOW).unwrap().requests.len(), 1);
    }
}

#[test]
fn what_was_refused_is_kept_within_bounds() {
    let folder = folder();
    inbox::put(folder.path(), NOW, &recall("m-1")).unwrap();
    let inside = folder.path().join("inbox");
    let mut told = 0;
    for round in 0..3 {
        for number in 0..REFUSED_KEPT {
            fs::write(inside.join(format!("evil {round} {number}\u{202e}")), "x").unwrap();
        }
        told += inbox::read(folder.path(), NOW + round).unwrap().refused.len();
    }
    assert_eq!(told, 3 * REFUSED_KEPT);
    let kept = names(&inside.join("refused"));
    assert_eq!(kept.len(), REFUSED_KEPT);
    // Those of the last round, under names that hide nothing.
    assert!(kept.iter().all(|name| name.contains("-evil_2_") && name.is_ascii()), "{kept:?}");
}

#[test]
fn half_written_files_of_dead_writers_are_swept() {
    let (folder, file) = with_one();
    // No process has pid 0.
    let left = file.with_file_name(".fleet-0-1.tmp");
    fs::write(&left, "{").unwrap();
    let read = inbox::read(folder.path(), NOW).unwrap();
    assert_eq!((read.requests.len(), read.refused.len()), (1, 0));
    assert!(!left.exists());
}
