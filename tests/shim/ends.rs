//! How an agent ends is how its shim ends, with every byte it wrote.

use std::time::Instant;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use crate::support::{Place, code, eventually, lives, pid_in, signal};

#[test]
fn a_line_and_an_exit_code() {
    let place = Place::shell("echo last words; exit 7");
    let (status, stderr) = place.run();
    assert_eq!(code(status), Some(7), "{stderr}");
    assert_eq!(place.read("log"), "last words\r\n");
    assert_eq!(place.read("last-screen"), "last words\n");
    let record = place.exit_record();
    assert_eq!(record["code"], 7);
    assert_eq!(record["step"], "itself");
    assert_eq!(record["stop_requested"], false);
    assert_eq!(record["bytes"], 12);
    assert!(!place.folder().join("run.json").exists());
    assert!(!place.socket().exists());
    assert_eq!(stderr, "");
}

#[test]
fn a_signal_is_raised_on_the_shim_itself() {
    let place = Place::shell("kill -SEGV $$");
    let (status, _) = place.run();
    assert_eq!(signal(status), Some(Signal::SIGSEGV as i32));
    assert!(!status.core_dumped());
    assert_eq!(place.exit_record()["signal"], Signal::SIGSEGV as i32);
    assert_eq!(place.exit_record()["code"], serde_json::Value::Null);
}

use std::os::unix::process::ExitStatusExt as _;

/// The terminal holds more than one read can take when the writer dies.
#[test]
fn sixty_kilobytes_and_a_kill_are_all_there() {
    for _ in 0..10 {
        let place = Place::shell("head -c 60000 /dev/zero | tr '\\0' x; kill -9 $$");
        let (status, _) = place.run();
        assert_eq!(signal(status), Some(9));
        assert_eq!(place.read("log").len(), 60_000);
        assert_eq!(place.exit_record()["bytes"], 60_000);
    }
}

#[test]
fn one_line_and_an_exit_forty_times() {
    for round in 0..40 {
        let place = Place::shell(&format!("echo round {round}; exit {round}"));
        let (status, stderr) = place.run();
        assert_eq!(code(status), Some(round), "{stderr}");
        assert_eq!(place.read("log"), format!("round {round}\r\n"));
    }
}

#[test]
fn a_polite_agent_is_stopped_by_sigterm() {
    let place = Place::shell("echo up; exec sleep 1000");
    let shim = place.up();
    shim.shows("up");
    shim.signal(Signal::SIGTERM);
    let (status, _) = shim.wait();
    assert_eq!(signal(status), Some(Signal::SIGTERM as i32));
    assert_eq!(place.exit_record()["step"], "term");
    assert_eq!(place.exit_record()["stop_requested"], true);
}

#[test]
fn an_agent_that_lies_on_sigterm_is_recorded_as_it_ended() {
    let place = Place::shell("trap 'echo got term; exit 0' TERM; echo up; while :; do sleep 1000 & wait; done");
    let shim = place.up();
    shim.shows("up");
    shim.signal(Signal::SIGINT);
    let (status, _) = shim.wait();
    assert_eq!(code(status), Some(0));
    assert!(place.read("log").ends_with("got term\r\n"));
    assert_eq!(place.exit_record()["step"], "term");
}

#[test]
fn an_agent_that_ignores_sigterm_is_killed_in_time() {
    let mut place = Place::shell("trap '' TERM HUP; echo up; while :; do sleep 1000; done");
    place.manifest["policy"]["stop_timeout_ms"] = 1500.into();
    let shim = place.up();
    shim.shows("up");
    let asked = Instant::now();
    shim.signal(Signal::SIGTERM);
    let (status, stderr) = shim.wait();
    assert_eq!(signal(status), Some(9));
    assert!(asked.elapsed().as_millis() < 1500, "{:?}", asked.elapsed());
    assert_eq!(place.exit_record()["step"], "kill");
    assert!(stderr.contains("killing its process group"), "{stderr}");
}

/// Launchers leave the real agent in a child: a signal to the one process is not enough.
#[test]
fn the_whole_group_gets_the_signal() {
    let place = Place::shell(
        "trap '' TERM; (trap 'echo child got it; exit 0' TERM; echo up; while :; do sleep 1000 & wait; done); exit 5",
    );
    let shim = place.up();
    shim.shows("up");
    shim.signal(Signal::SIGTERM);
    let (status, _) = shim.wait();
    assert_eq!(code(status), Some(5));
    assert!(place.read("log").contains("child got it"));
}

#[test]
fn a_stopped_agent_can_be_stopped_for_good() {
    let place = Place::shell("echo up; kill -STOP $$; sleep 1000");
    let shim = place.up();
    shim.shows("up");
    shim.signal(Signal::SIGTERM);
    assert_eq!(signal(shim.wait().0), Some(Signal::SIGTERM as i32));
}

#[test]
fn nothing_outlives_the_agent() {
    let place = Place::shell(
        "trap '' HUP; (trap '' HUP; sleep 1000 & echo $! > same; wait) & \
         setsid sh -c 'trap \"\" HUP TERM; echo $$ > own; sleep 1000 & echo $! > below; wait' & \
         while [ ! -s own ] || [ ! -s same ] || [ ! -s below ]; do sleep 0.01; done; exit 3",
    );
    let (status, _) = place.run();
    assert_eq!(code(status), Some(3));
    for name in ["same", "own", "below"] {
        let pid = pid_in(&place.root.path().join(name));
        assert!(!lives(pid), "{name} lives on");
    }
}

/// A grandchild that keeps the terminal and writes must not hold the shim.
#[test]
fn an_heir_that_writes_on_does_not_hold_the_shim() {
    let place = Place::shell("echo first; (trap '' HUP; exec yes) & exit 4");
    let (status, _) = place.run();
    assert_eq!(code(status), Some(4));
    assert!(place.read("log").starts_with("first\r\n"));
}

#[test]
fn orphans_are_reaped_while_the_agent_lives() {
    let place =
        Place::shell("for i in 1 2 3 4 5 6; do setsid sh -c 'sleep 0.01 & ' ; done; echo up; exec sleep 1000");
    let shim = place.up();
    shim.shows("up");
    let agent = shim.status()["agent_pid"].as_i64().unwrap();
    let children = format!("/proc/{0}/task/{0}/children", shim.pid());
    eventually("only the agent is left", || {
        let list = std::fs::read_to_string(&children).unwrap();
        (list.trim() == agent.to_string()).then_some(())
    });
}

#[test]
fn a_killed_shim_takes_its_agent_with_it() {
    let place = Place::shell("trap '' HUP TERM; echo $$ > pid; while :; do sleep 1000; done");
    let shim = place.up();
    let agent = pid_in(&place.root.path().join("pid"));
    kill(shim.pid(), Signal::SIGKILL).unwrap();
    eventually("the agent is gone", || (!lives(agent)).then_some(()));
    // Its sleeping child was in the same group, and got the terminal's hang-up.
    let _ = kill(Pid::from_raw(-agent), Signal::SIGKILL);
}

#[test]
fn a_real_time_signal_is_an_end_like_any_other() {
    let place = Place::shell("kill -s RTMIN $$; sleep 1000");
    let (status, _) = place.run();
    assert_eq!(signal(status), Some(nix::libc::SIGRTMIN()));
    assert_eq!(place.exit_record()["signal"], nix::libc::SIGRTMIN());
}

/// Whoever kills it says nothing of its conversation: that stays, for the next start.
#[test]
fn a_resumed_agent_that_is_killed_keeps_its_conversation() {
    let mut place = Place::shell("exec sleep 1000");
    place.manifest["policy"]["resume"] = json!({"session": ["--new={session}"], "resume": ["--resume={session}"]});
    let record = json!({"format": 1, "id": "0188a1b2-0000-4000-8000-000000000000", "words": [], "runtime": "test",
        "dir": place.root.path(), "begun": true, "resumed": false});
    std::fs::write(place.folder().join("conversation.json"), record.to_string()).unwrap();
    let shim = place.up();
    assert_eq!(place.json("conversation.json")["resumed"], true);
    shim.ask("signal", &json!({"signal": "KILL"}));
    let (status, _) = shim.wait();
    assert_eq!(signal(status), Some(9));
    assert_eq!(place.json("conversation.json")["id"], record["id"]);
}
