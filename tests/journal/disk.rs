//! Disks that are full, that refuse a write, that cannot be written at all.

use std::fs;
use std::path::Path;
use std::process::Command;

use fleet::journal::{Journal, Reader};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::support::{NOW, db, decision, event, folder, names, notify, reader, sound, with_effects};

/// Says that this is the child, in the place that the test needs.
const INSIDE: &str = "FLEET_TEST_INSIDE";

/// Runs `test` of this program again behind `wrapper`, a line of shell that ends in running `"$@"`.
fn again(test: &str, program: &[&str], wrapper: &str, folder: &Path) {
    let mut command = Command::new(program[0]);
    command.args(&program[1..]).args(["sh", "-c", wrapper, "sh"]).arg(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).env(INSIDE, folder);
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

fn own_mounts(test: &str, size: &str) {
    let folder = folder();
    let wrapper = format!("mount -t tmpfs -o size={size},mode=700 tmpfs \"${INSIDE}\" && exec \"$@\"");
    again(test, &["unshare", "--user", "--map-root-user", "--mount"], &wrapper, folder.path());
}

fn inside() -> Option<std::path::PathBuf> {
    std::env::var_os(INSIDE).map(Into::into)
}

/// Appends until it is refused, at most `most`; returns the effects that were acknowledged.
fn append_until_refused(journal: &mut Journal, first: u64, most: u64) -> (u64, Option<String>) {
    for effect in first..first + most {
        let decided = with_effects(decision("coder", &"because ".repeat(200)), &[(effect, notify("x"))]);
        if let Err(error) = journal.append(NOW, &[event("coder", effect)], &[decided]) {
            assert!(!error.is_damage(), "{error}");
            assert!(error.help().is_some());
            return (effect - first, Some(error.to_string()));
        }
    }
    (most, None)
}

fn kept(folder: &Path) -> u64 {
    reader(folder).decisions(0, None, 1_000_000).unwrap().len() as u64
}

#[test]
fn a_full_disk_loses_nothing_and_tears_nothing() {
    let Some(folder) = inside() else {
        return own_mounts("disk::a_full_disk_loses_nothing_and_tears_nothing", "800k");
    };
    let fill = |name: &str| {
        let file = folder.join(name);
        let _ = Command::new("dd").arg("if=/dev/zero").arg(format!("of={}", file.display())).arg("bs=512").output();
        file
    };
    // Not even room for a new one.
    let filler = fill("filler");
    let error = Journal::open(&folder).unwrap_err();
    assert!(error.to_string().contains("is full"), "{error}");
    fs::remove_file(&filler).unwrap();

    let mut journal = sound(&folder).journal;
    let (first, error) = append_until_refused(&mut journal, 1, 10_000);
    assert!(first > 10 && error.as_ref().is_some_and(|error| error.contains("is full")), "{first} {error:?}");
    let (again, error) = append_until_refused(&mut journal, first + 1, 1);
    assert!(again == 0 && error.is_some(), "it is still full");
    assert_eq!(kept(&folder), first);

    // The next supervisor on the full disk: refused, or at work with all that was acknowledged.
    drop(journal);
    match Journal::open(&folder) {
        Ok(opened) => assert_eq!(opened.lost, None),
        Err(error) => assert!(error.to_string().contains("is full"), "{error}"),
    }

    assert_eq!(kept(&folder), first);

    // A damaged one is not moved while no new one can be begun.
    fs::remove_file(folder.join("journal.db-wal")).ok();
    fs::write(db(&folder), vec![b'x'; 8192]).unwrap();
    let filler = fill("filler");
    Journal::open(&folder).unwrap_err();
    assert_eq!(crate::support::set_aside(&folder), [""; 0]);
    fs::remove_file(&filler).unwrap();
    assert!(Journal::open(&folder).unwrap().lost.is_some());
}

#[test]
fn a_read_only_file_system_can_be_read() {
    let Some(folder) = inside() else {
        return own_mounts("disk::a_read_only_file_system_can_be_read", "8m");
    };
    let mount = |how: &str| {
        let done = Command::new("mount").args(["-o", how]).arg(&folder).status().unwrap();
        assert!(done.success(), "{how}");
    };
    let mut journal = sound(&folder).journal;
    assert_eq!(append_until_refused(&mut journal, 1, 5).0, 5);
    // As a supervisor's death leaves it: what it wrote is in the log alone.
    let copy: Vec<(String, Vec<u8>)> = ["journal.db", "journal.db-wal", "journal.json"]
        .map(|name| (name.to_owned(), fs::read(folder.join(name)).unwrap()))
        .into();
    drop(journal);
    for (name, bytes) in &copy {
        fs::write(folder.join(name), bytes).unwrap();
    }
    let _ = fs::remove_file(folder.join("journal.db-shm"));
    mount("remount,bind,ro");
    assert_eq!(kept(&folder), 5);
    let error = Journal::open(&folder).unwrap_err();
    assert!(error.to_string().contains("is read-only"), "{error}");
    assert!(!names(&folder).contains(&"journal.db-shm".to_owned()));
    mount("remount,bind,rw");
    // Ended in order: the log is gone.
    drop(sound(&folder));
    mount("remount,bind,ro");
    assert_eq!(kept(&folder), 5);
    mount("remount,bind,rw");
    // Damage is told apart, there too.
    fs::write(db(&folder), "to do: buy milk\n".repeat(600)).unwrap();
    mount("remount,bind,ro");
    assert!(Reader::open(&folder).unwrap_err().is_damage());
    assert!(!Journal::open(&folder).unwrap_err().is_damage());
}

/// Every size at which a file may stop growing.
#[test]
fn a_write_that_fails_anywhere_tears_nothing() {
    let Some(place) = inside() else {
        let folder = folder();
        // Ignored, the signal becomes an error of write(2).
        let test = "disk::a_write_that_fails_anywhere_tears_nothing";
        return again(test, &["env"], "trap '' XFSZ; exec \"$@\"", folder.path());
    };
    let (_, hard) = getrlimit(Resource::RLIMIT_FSIZE).unwrap();
    let limit = |bytes| setrlimit(Resource::RLIMIT_FSIZE, bytes, hard).unwrap();
    let (mut refused, mut later) = (0, 0);
    for step in 0..64 {
        let folder = place.join(format!("{step}"));
        limit(step * 4000);
        let outcome = Journal::open(&folder).map(|mut opened| {
            assert_eq!(opened.lost, None, "step {step}");
            append_until_refused(&mut opened.journal, 1, 40)
        });
        limit(hard);
        let acknowledged = match outcome {
            Ok((acknowledged, error)) => {
                later += u64::from(error.is_some());
                acknowledged
            }
            Err(error) => {
                assert!(!error.is_damage(), "step {step}: {error}");
                refused += 1;
                0
            }
        };
        let opened = sound(&folder);
        assert_eq!(opened.recovered.paused, None, "step {step}");
        // One more may be there whole, whose writer was told that it failed.
        let next = opened.recovered.next_effect;
        assert!(next == acknowledged + 1 || next == acknowledged + 2, "step {step}: {next} after {acknowledged}");
        let mut journal = opened.journal;
        assert_eq!(append_until_refused(&mut journal, next, 3), (3, None), "step {step}");
        assert_eq!(kept(&folder), next + 2, "step {step}");
    }
    assert!(refused > 3 && later > 10, "{refused} {later}");
}
