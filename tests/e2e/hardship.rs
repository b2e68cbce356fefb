//! A supervisor in trouble: folders that go, files that flood, a journal that is damaged, people who act beside it.

use std::fs;
use std::io::Write as _;
use std::time::{Duration, Instant};

use fleet::driver::words::{Answer, Ask};
use fleet::ids::AgentName;
use fleet::supervise::event::{Caller, Request};
use fleet::supervise::message::MessageState;
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::{LONG, output, wait_for};
use crate::watched::{Watched, canary, command, rss, strike, switches};
use crate::world::Manager;

const LISTENS: &str = "repeat 100000 { wait; };";

/// A request that clears nothing: it only shows that the inbox is read.
fn leave(fleet: &Watched) {
    let agents = [AgentName::new("a").unwrap()].into();
    fleet.leave(&Request::Clear { agents, caller: Caller::Operator });
}

fn wait_taken(fleet: &Watched) {
    wait_for("the inbox is empty", || {
        let left = fs::read_dir(fleet.state().join("inbox")).into_iter().flatten().flatten();
        left.filter(|entry| entry.path().is_file()).count() == 0
    });
}

fn arrives(fleet: &Watched, agent: &str, text: &str) {
    let (_, outcome) = fleet.send(agent, text, "30");
    assert!(outcome == "confirmed" || outcome == "submitted", "{outcome}: {:#?}", fleet.decided(agent));
    assert_eq!(fleet.log(agent).matches(&format!("got: {text}")).count(), 1);
}

/// Ends it as `kill -9` does and brings another one.
fn replace(fleet: &Watched, meanwhile: impl FnOnce()) {
    let old = fleet.pid();
    strike(old, Signal::SIGKILL);
    wait_for("it is gone", || fleet.world.status()["supervisor"]["running"] != true);
    meanwhile();
    fleet.world.apply(&["--yes"], 0);
    assert_ne!(fleet.pid(), old);
}

#[test]
fn what_is_done_by_hand_stays_done() {
    let fleet = Watched::new(Manager::Local, &(canary("a", "", LISTENS) + &canary("clock", "", LISTENS)));
    fleet.is("a", "idle");
    for round in 0..20 {
        if round % 10 == 0 {
            // It dies by itself at the moment it is stopped.
            strike(fleet.child("a"), Signal::SIGKILL);
        }
        fleet.world.fleet(&["stop", "a"], 0);
        assert_eq!(fleet.world.agent("a")["pid"], Value::Null, "round {round}");
        if round < 19 {
            fleet.world.fleet(&["start", "a"], 0);
            fleet.until("a", "it is seen", || fleet.world.agent("a")["pid"].is_u64());
        }
    }
    // Whatever would have been started again has been by the time the other one is.
    fleet.is("clock", "idle");
    let old = fleet.world.pid("clock");
    strike(fleet.child("clock"), Signal::SIGKILL);
    fleet.comes_back("clock", old);
    fleet.is("a", "stopped");
    assert_eq!(fleet.world.agent("a")["pid"], Value::Null, "{:#?}", fleet.decided("a"));
    assert_eq!(fleet.notices().iter().filter(|text| text.contains("quarantined")).count(), 0);
    fleet.world.fleet(&["restart", "clock"], 0);
    replace(&fleet, || {});
    fleet.is("clock", "idle");
    fleet.is("a", "stopped");
    assert_eq!(fleet.world.agent("a")["pid"], Value::Null, "{:#?}", fleet.decided("a"));
    fleet.world.assert_nothing_to_do();
    fleet.destroy();
}

#[test]
fn folders_that_go_are_made_again() {
    let fleet = Watched::new(Manager::Local, &canary("a", "", LISTENS));
    fleet.is("a", "idle");
    let (own, pid) = (fleet.pid(), fleet.world.pid("a"));
    for folder in ["inbox", "pending"] {
        let path = fleet.state().join(folder);
        fs::remove_dir_all(&path).unwrap();
        wait_for("it is there again", || path.is_dir());
    }
    leave(&fleet);
    wait_taken(&fleet);
    fs::remove_file(fleet.runtime().join("supervisor.sock")).unwrap();
    // A socket has its name a moment before anybody listens on it.
    wait_for("it can be asked again", || fleet.answers());
    assert_eq!(fleet.ask(Ask::WhoAmI), Answer::You { caller: "operator".to_owned() });
    // The supervisor makes its socket again while the folder is being emptied.
    wait_for("it is gone for a moment", || fs::remove_dir_all(fleet.runtime()).is_ok());
    // A socket has its name a moment before anybody listens on it.
    wait_for("it can be asked again", || fleet.answers());
    assert_eq!(fleet.ask(Ask::WhoAmI), Answer::You { caller: "operator".to_owned() });
    assert_eq!((fleet.pid(), fleet.world.pid("a")), (own, pid));
    // The agent's own socket stays gone: a message is not lost, and a restart brings it back.
    fleet.world.fleet(&["restart", "a"], 0);
    fleet.is("a", "idle");
    arrives(&fleet, "a", "after-the-loss");
    fleet.destroy();
}

#[test]
fn a_flood_of_file_events_leaves_nothing_behind() {
    let fleet = Watched::new(Manager::Local, &canary("a", "", LISTENS));
    fleet.is("a", "idle");
    let own = fleet.pid();
    let path = fleet.state().join("inbox/.flood");
    let flood = |times: usize| {
        for _ in 0..times {
            // The supervisor may take it away before the test does.
            let _ = (fs::write(&path, b""), fs::remove_file(&path));
        }
    };
    flood(2_000);
    leave(&fleet);
    wait_taken(&fleet);
    let before = rss(own);
    flood(100_000);
    leave(&fleet);
    wait_taken(&fleet);
    arrives(&fleet, "a", "after-the-flood");
    let after = rss(own);
    assert!(after < before + 4_096, "{before} kB before, {after} kB after");
    assert_eq!(fleet.pid(), own);
    fleet.destroy();
}

#[test]
fn a_damaged_journal_is_set_aside_and_nothing_is_ended_until_it_is_cleared() {
    let stall = "stall after=\"1s\";";
    let fleet = Watched::new(Manager::Local, &(canary("hangs", stall, "hang;") + &canary("a", "", LISTENS)));
    fleet.is("a", "idle");
    let other = fleet.world.pid("a");
    replace(&fleet, || {
        let journal = fleet.state().join("journal.db");
        let length = fs::metadata(&journal).unwrap().len();
        let _ = fs::remove_file(fleet.state().join("journal.db-wal"));
        fs::OpenOptions::new().write(true).open(&journal).unwrap().set_len(length / 2 + 100).unwrap();
    });
    let status = fleet.world.status();
    assert!(status["supervisor"]["paused"].is_string(), "{status}");
    let aside = fs::read_dir(fleet.state()).unwrap().flatten();
    assert!(aside.filter(|e| e.file_name().to_string_lossy().starts_with("journal.db.damaged")).count() > 0);
    assert!(fleet.notices().iter().any(|text| text.contains("journal")), "{:#?}", fleet.notices());
    let hanging = fleet.world.pid("hangs");
    fleet.wait_decided("hangs", "stall", "not restarted");
    assert_eq!(fleet.world.pid("hangs"), hanging);
    assert_eq!(fleet.ask(Ask::ClearJournalLost), Answer::Done);
    assert_eq!(fleet.world.status()["supervisor"]["paused"], Value::Null);
    fleet.comes_back("hangs", hanging);
    assert_eq!(fleet.world.pid("a"), other);
    // What was set aside is for people, and stays.
    fleet.world.fleet(&["destroy", "--yes"], 0);
}

#[test]
fn there_is_one_supervisor_and_it_reads_no_later_format() {
    let fleet = Watched::new(Manager::Local, &canary("a", "", LISTENS));
    fleet.is("a", "idle");
    let own = fleet.pid();
    let by_hand = || {
        let said = output(&mut fleet.world.command(&["supervise", "--fleet", "shop"]), LONG);
        (said.status.success(), String::from_utf8_lossy(&said.stderr).into_owned())
    };
    let (went, said) = by_hand();
    assert!(!went && said.contains("supervisor"), "{said}");
    assert_eq!(fleet.pid(), own);
    let path = fleet.state().join("supervise.json");
    let plain = fs::read_to_string(&path).unwrap();
    let later = plain.replacen("\"format\":1", "\"format\":99", 1).replacen("\"format\": 1", "\"format\": 99", 1);
    assert_ne!(plain, later, "{plain}");
    let put = |text: &str| {
        let beside = fleet.state().join("supervise.new");
        fs::write(&beside, text).unwrap();
        fs::set_permissions(&beside, fs::metadata(&path).unwrap().permissions()).unwrap();
        fleet.give(&beside);
        fs::rename(&beside, &path).unwrap();
    };
    put(&later);
    arrives(&fleet, "a", "it-goes-on");
    strike(own, Signal::SIGKILL);
    wait_for("it is gone", || fleet.world.status()["supervisor"]["running"] != true);
    let (went, said) = by_hand();
    assert!(!went && said.contains("format 99") && said.contains("help"), "{said}");
    put(&plain);
    fleet.world.apply(&["--yes"], 0);
    fleet.destroy();
}

#[test]
fn an_agent_on_demand_comes_for_a_message_and_goes() {
    let agents = canary("a", "lifecycle \"on-demand\" idle-stop=\"1s\";", LISTENS);
    let fleet = Watched::new(Manager::Local, &agents);
    fleet.is("a", "stopped");
    for text in ["first", "second"] {
        let (id, _) = fleet.send("a", text, "0");
        wait_for("it arrives", || fleet.message(&id).state.is_final());
        assert!(fleet.log("a").contains(&format!("got: {text}")), "{:?}", fleet.message(&id));
        fleet.is("a", "stopped");
    }
    fleet.destroy();
}

#[test]
fn agents_write_to_each_other_within_a_cap() {
    let fleet = Watched { world: crate::world::World::new(crate::support::As::User, Manager::Local) };
    let program = fleet.world.program().display().to_string();
    let script = format!("for i in 1 2 3 4 5; do {program} send --wait 0 a word-$i; done; exec sleep 1000");
    let agents = canary("a", "", LISTENS) + &command("talks", "after \"a\"; spend messages-per-hour=2;", &script);
    fleet.roster(&agents);
    fleet.world.apply(&["--yes"], 0);
    fleet.until("talks", "the others are refused", || fleet.log("talks").contains("refused: talks has sent 2"));
    // The first ones may have found no supervisor yet.
    let from_talks = |message: &&fleet::supervise::message::Message| message.state == MessageState::Submitted;
    fleet.until("a", "two arrive", || fleet.messages().iter().filter(from_talks).count() == 2);
    fleet.destroy();
}

#[test]
fn a_quiet_supervisor_does_not_wake() {
    // A screen that moves is looked at each fifth of `after`: one that stands still is not.
    let agents: String = (0..5).map(|at| canary(&format!("a{at}"), "stall after=\"5s\";", LISTENS)).collect();
    let fleet = Watched::new(Manager::Local, &agents);
    for at in 0..5 {
        fleet.is(&format!("a{at}"), "idle");
    }
    let own = fleet.pid();
    // What others read and write in its folders is no news either.
    let notes = fleet.state().join("notes");
    fs::write(&notes, "").unwrap();
    let (mut since, mut count) = (Instant::now(), switches(own));
    let end = Instant::now() + LONG;
    while since.elapsed() < Duration::from_secs(5) {
        assert!(Instant::now() < end, "it woke within every five seconds");
        std::thread::sleep(Duration::from_millis(50));
        fs::OpenOptions::new().append(true).open(&notes).and_then(|mut file| file.write_all(b"x")).unwrap();
        fs::read(fleet.state().join("ledger.json")).unwrap();
        let now = switches(own);
        if now != count {
            (since, count) = (Instant::now(), now);
        }
    }
    fs::remove_file(notes).unwrap();
    fleet.destroy();
}

#[test]
fn a_boot_starts_what_shall_run() {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    let agents = canary("runs", "", LISTENS) + &canary("held", "", LISTENS) + &canary("loops", "", "exit 1;");
    let mut fleet = Watched::new(Manager::Systemd, &agents);
    fleet.wait_decided("loops", "rapid-death", "");
    fleet.world.fleet(&["stop", "held"], 0);
    let (before, own) = (fleet.world.pid("runs"), fleet.pid());
    let starts = fleet.count("loops", "state", "started");
    fleet.world.manager.reboot();
    fleet.until("runs", "it is back", || {
        fleet.world.agent("runs")["pid"].as_u64().is_some_and(|pid| pid != before)
            && fleet.world.status()["supervisor"]["pid"].as_u64().is_some_and(|pid| pid != own)
    });
    fleet.is("runs", "idle");
    assert_eq!(fleet.state_of("held"), "stopped");
    assert_eq!(fleet.state_of("loops"), "quarantined");
    assert_eq!(fleet.count("loops", "state", "started"), starts, "{:#?}", fleet.decided("loops"));
    fleet.destroy();
}
