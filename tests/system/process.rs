use std::ffi::OsStr;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use fleet::system::proc::{Handle, descendants, find_program, identify, is_alive};
use fleet::system::process::{Invocation, OUTPUT_CAP, ProcessError, run};
use nix::sys::signal::Signal;

use crate::wait::{LONG, wait_for};

fn sh(script: &str, timeout: Duration) -> Invocation {
    Invocation::new(["sh", "-c", script], timeout)
}

#[test]
fn both_streams_and_the_status_come_back() {
    let finished = run(&sh("echo out; echo err >&2; exit 3", LONG)).unwrap();
    assert_eq!(finished.stdout, b"out\n");
    assert_eq!(finished.stderr, b"err\n");
    assert_eq!(finished.status.code(), Some(3));
    let finished = run(&sh("kill -9 $$", LONG)).unwrap();
    assert_eq!(finished.status.signal(), Some(9));
}

#[test]
fn environment_and_folder_are_the_given_ones() {
    let folder = tempfile::tempdir().unwrap();
    let mut invocation = sh(r#"printf '%s %s' "$WORD" "$PWD""#, LONG);
    invocation.env.push(("WORD".into(), "given".into()));
    invocation.dir = Some(folder.path().canonicalize().unwrap());
    let text = String::from_utf8(run(&invocation).unwrap().stdout).unwrap();
    assert_eq!(text, format!("given {}", folder.path().canonicalize().unwrap().display()));
}

#[test]
fn a_missing_program_is_named() {
    let error = run(&Invocation::new(["no-such-program-anywhere"], LONG)).unwrap_err();
    assert!(matches!(&error, ProcessError::NotFound { program } if program == "no-such-program-anywhere"), "{error}");
}

#[test]
fn a_flood_of_output_is_read_to_its_end_and_kept_in_part() {
    let finished = run(&sh("head -c 3000000 /dev/zero; echo done >&2", LONG)).unwrap();
    assert_eq!(finished.stdout.len(), OUTPUT_CAP);
    assert_eq!(finished.stderr, b"done\n");
}

#[test]
fn a_time_out_kills_the_whole_group() {
    let folder = tempfile::tempdir().unwrap();
    let pids = folder.path().join("pids");
    // The file appears whole, after both have started.
    let script = format!("sleep 1000 & echo $$ $! > {0}.new; mv {0}.new {0}; wait", pids.display());
    let begun = Instant::now();
    let error = run(&sh(&script, Duration::from_secs(2))).unwrap_err();
    assert!(matches!(error, ProcessError::TimedOut { .. }), "{error}");
    assert!(begun.elapsed() < LONG);
    let text = std::fs::read_to_string(&pids).expect("the script did not start within its time-out");
    for pid in text.split_whitespace() {
        let pid: u32 = pid.parse().unwrap();
        // The group is killed; init or the subreaper collects the orphan a moment later.
        wait_for(&format!("the end of {pid}, which outlived its group"), || identify(pid).is_none());
    }
}

#[test]
fn a_background_child_that_keeps_the_pipe_open_holds_nobody_up() {
    let begun = Instant::now();
    let finished = run(&sh("sleep 1000 & echo $!", LONG)).unwrap();
    assert!(begun.elapsed() < LONG);
    let pid: i32 = String::from_utf8(finished.stdout).unwrap().trim().parse().unwrap();
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), Signal::SIGKILL).unwrap();
}

#[test]
fn a_handle_waits_for_the_end_and_knows_a_dead_process() {
    let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
    let identity = identify(child.id()).unwrap();
    let handle = Handle::open(&identity).unwrap().unwrap();
    assert!(!handle.wait_until(Instant::now()).unwrap());
    assert!(handle.signal(Signal::SIGTERM).unwrap());
    assert!(handle.wait_until(Instant::now() + LONG).unwrap());
    assert!(!is_alive(&identity), "ended and not reaped is not alive");
    child.wait().unwrap();
    assert!(!handle.signal(Signal::SIGTERM).unwrap());
    assert!(Handle::open(&identity).unwrap().is_none());
}

#[test]
fn descendants_are_all_below_and_nobody_else() {
    let mut child = Command::new("sh")
        .args(["-c", "sh -c 'sleep 1000 & echo $!; wait' & wait"])
        .stdout(Stdio::piped())
        .process_group(0)
        .spawn()
        .unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.take().unwrap()), &mut line).unwrap();
    let grandchild: u32 = line.trim().parse().unwrap();
    let below: Vec<u32> = descendants(child.id()).iter().map(|process| process.pid).collect();
    nix::sys::signal::killpg(nix::unistd::Pid::from_raw(child.id().cast_signed()), Signal::SIGKILL).unwrap();
    child.wait().unwrap();
    assert_eq!(below.len(), 2, "{below:?}");
    assert!(below.contains(&grandchild));
    assert!(!below.contains(&std::process::id()));
}

#[test]
fn programs_are_found_on_the_given_path_only() {
    assert!(find_program("sh", OsStr::new("/nowhere:/bin")).unwrap().ends_with("bin/sh"));
    assert_eq!(find_program("sh", OsStr::new("/nowhere")), None);
    assert_eq!(find_program("/etc/passwd", OsStr::new("")), None, "not executable");
    assert_eq!(find_program("bin", OsStr::new("/")), None, "a folder");
}
