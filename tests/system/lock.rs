use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use fleet::system::lock::{Attempt, Lock, try_lock, try_lock_like};

const HOLD: &str = "FLEET_TEST_HOLD";

fn taken(path: &Path) -> Lock {
    match try_lock(path, "fleet test").unwrap() {
        Attempt::Taken(lock) => lock,
        Attempt::Held(holder) => panic!("held by {holder:?}"),
    }
}

/// Another process that holds the lock until it is killed. Returns when it holds it.
fn holder(path: &Path) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "lock::a_killed_holder_leaves_no_lock", "--nocapture"])
        .env(HOLD, path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("holding")), "the holder ended early");
    child
}

#[test]
fn the_holder_is_named_while_it_holds_and_only_then() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lock");
    let lock = taken(&path);
    let Attempt::Held(Some(holder)) = try_lock(&path, "second").unwrap() else { panic!("two holders") };
    assert_eq!(holder.pid, std::process::id());
    assert_eq!(holder.command, "fleet test");
    assert!(!holder.user.is_empty() && !holder.host.is_empty() && holder.started.ends_with('Z'), "{holder:?}");
    drop(lock);
    assert!(!folder.path().join("lock.json").exists());
    drop(taken(&path));
}

#[test]
fn a_killed_holder_leaves_no_lock() {
    if let Some(path) = std::env::var_os(HOLD) {
        let _lock = taken(Path::new(&path));
        println!("\nholding");
        // Ends when the pipe from the parent closes, so nothing stays behind if the parent dies.
        let _ = std::io::stdin().lines().next();
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lock");
    let mut child = holder(&path);
    let Attempt::Held(Some(holder)) = try_lock(&path, "second").unwrap() else { panic!("two holders") };
    assert_eq!(holder.pid, child.id());
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(folder.path().join("lock.json").exists(), "a killed holder cannot clean up");
    let lock = taken(&path);
    let text = fs::read_to_string(folder.path().join("lock.json")).unwrap();
    assert!(text.contains(&format!("\"pid\":{}", std::process::id())), "{text}");
    drop(lock);
}

#[test]
fn one_of_many_locks_is_named_like_the_first_and_ends_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    let first = taken(&one);
    // Left by a killed holder.
    fs::write(folder.path().join("two.json"), "somebody else").unwrap();
    let Attempt::Taken(second) = try_lock_like(&two, "fleet test", Some(&first)).unwrap() else { panic!("held") };
    let Attempt::Held(Some(holder)) = try_lock(&two, "third").unwrap() else { panic!("two holders") };
    assert_eq!((holder.pid, holder.command.as_str()), (std::process::id(), "fleet test"));
    drop(first);
    assert!(!folder.path().join("one.json").exists());
    let Attempt::Held(Some(_)) = try_lock(&two, "third").unwrap() else { panic!("its name went with the other's") };
    drop(second);
    assert!(!folder.path().join("two.json").exists());
    assert!(fs::read_dir(folder.path()).unwrap().count() == 2, "only the two locks stay");
}
