//! `fleet top` in a terminal, over a real supervisor and real agents of the local manager.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::PathBuf;
use std::process::{Child, Stdio};

use alacritty_terminal::term::TermMode;
use fleet::driver::client;
use fleet::driver::words::{Answer, Ask, Status};
use fleet::system::proc;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::pty::{Pty, Screen};
use crate::support::{As, LONG, wait_for};
use crate::world::{Manager, World};

const ROSTER: &str = "fleet \"shop\" version=1\nfloor \"exempt\" reason=\"a test\"\ndefaults { stop-timeout \"5s\"; }\n\
    orchestrator \"lead\" { runtime \"canary\" { script { wait; busy \"3s\"; wait; wait; }; }; }\n\
    agent \"asker\" { role \"coder\"; runtime \"canary\" { script { ask \"may I?\"; wait; }; }; }\n";

/// An applied fleet with a supervisor.
struct Supervised {
    world: World,
    /// Those that the test has started.
    started: Vec<Child>,
}

impl Supervised {
    fn new(who: As) -> Self {
        let world = World::new(who, Manager::Local);
        world.roster(ROSTER);
        world.apply(&[], 0);
        let mut this = Self { world, started: Vec::new() };
        this.write_policy();
        this.supervise();
        this
    }

    fn state(&self) -> PathBuf {
        self.world.manager.variable("XDG_STATE_HOME").join("fleet/shop")
    }

    fn status(&self) -> Option<Status> {
        let socket = self.world.manager.variable("XDG_RUNTIME_DIR").join("fleet/shop/supervisor.sock");
        match client::ask(&socket, Ask::Status, LONG) {
            Ok(Answer::Status { status }) => Some(*status),
            _ => None,
        }
    }

    /// What the supervisor reads, where the fleet was applied without one.
    fn write_policy(&self) {
        let path = self.state().join("supervise.json");
        if path.exists() {
            return;
        }
        let agents = ["asker", "lead"].map(|name| {
            let manifest = fs::read(self.state().join("agents").join(name).join("manifest.json")).unwrap();
            let manifest: Value = serde_json::from_slice(&manifest).unwrap();
            let policy = &manifest["policy"];
            json!({
                "name": name, "kind": manifest["kind"], "role": manifest["role"], "runtime": "canary",
                "autostart": true, "restart": policy["restart"], "stop_timeout_ms": policy["stop_timeout_ms"],
                "stall": { "after_ms": 600_000, "nudge": false }, "heartbeat": { "kind": "periodic", "every_ms": 15_000 },
                "idle_ok": true, "busy_input": policy["delivery"]["busy_input"], "shows_idle": true,
            })
        });
        let text = json!({ "format": 1, "fleet": "shop", "agents": agents }).to_string();
        fs::write(&path, text).unwrap();
        let owner = fs::metadata(self.state()).unwrap();
        chown(&path, Some(owner.uid()), Some(owner.gid())).unwrap();
    }

    /// Makes sure that one runs.
    fn supervise(&mut self) {
        if self.status().is_none() {
            let mut command = self.world.command(&["supervise", "--fleet", "shop"]);
            self.started.push(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        }
        wait_for("the supervisor answers", || self.status().is_some());
    }

    /// Kills it, by the pid that it says.
    fn kill_supervisor(&mut self) {
        let pid = self.status().unwrap().pid;
        kill(Pid::from_raw(pid.try_into().unwrap()), Signal::SIGKILL).unwrap();
        for child in &mut self.started {
            if child.id() == pid {
                child.wait().unwrap();
            }
        }
        wait_for("it is gone", || proc::identify(pid).is_none());
    }

    fn top(&self) -> Pty {
        let mut pty = Pty::spawn(self.world.command(&["top", "--fleet", "shop"]), 80, 24);
        pty.wait("both agents", |screen| has(screen, &["asker", "waits for you"]) && has(screen, &["lead", "idle"]));
        assert!(pty.is_raw() && pty.screen().modes.contains(TermMode::ALT_SCREEN));
        pty
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        for child in &mut self.started {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Whether one line holds all of `words`.
fn has(screen: &Screen, words: &[&str]) -> bool {
    screen.lines.iter().any(|line| words.iter().all(|word| line.contains(word)))
}

fn is_given_back(pty: &Pty) -> bool {
    let modes = pty.screen().modes;
    let ours = TermMode::ALT_SCREEN | TermMode::BRACKETED_PASTE;
    !pty.is_raw() && !modes.intersects(ours) && modes.contains(TermMode::SHOW_CURSOR)
}

#[test]
fn a_person_sees_the_fleet_and_acts_on_it() {
    for who in As::all() {
        let mut fleet = Supervised::new(*who);
        let mut pty = fleet.top();
        // The worst first; the selected one in detail; what was decided.
        let lines = pty.screen().lines;
        assert!(lines[2].starts_with("▸? asker"), "{lines:#?}");
        pty.wait("decisions", |screen| has(screen, &["asker", "waiting-for-human"]) && has(screen, &["decisions"]));
        pty.type_in("/lead\r");
        pty.wait("only the lead", |screen| has(screen, &["▸. lead"]) && !has(screen, &["asker", "waits for you"]));
        pty.type_in("shello, lead\r");
        pty.wait("the outcome", |screen| has(screen, &["send to lead: submitted"]));
        pty.wait("it works", |screen| has(screen, &["▸* lead", "working"]));
        pty.wait("it rests", |screen| has(screen, &["▸. lead", "idle"]));
        attaches(&mut pty);
        stops(&fleet, &mut pty);
        loses_the_supervisor(&mut fleet, &mut pty);
        pty.type_in("\x1b");
        pty.wait("the keys again", |screen| has(screen, &["? help", "q quit"]));
        pty.resize(100, 30);
        pty.wait("the new size", |screen| screen.lines.len() == 30 && has(screen, &["q quit", "o order"]));
        pty.type_in("q");
        assert_eq!(pty.code(), 0);
        assert!(is_given_back(&pty), "{:?}", pty.screen());
        fleet.kill_supervisor();
        fleet.world.fleet(&["destroy", "--yes"], 0);
    }
}

fn attaches(pty: &mut Pty) {
    pty.type_in("\r");
    pty.wait("the agent's own screen", |screen| {
        has(screen, &["got: hello, lead"]) && !has(screen, &["AGENT", "STATE"])
    });
    pty.type_in("\x1c");
    pty.wait("the fleet again", |screen| has(screen, &["AGENT", "STATE"]) && has(screen, &["▸. lead"]));
    assert!(pty.is_raw());
}

fn stops(fleet: &Supervised, pty: &mut Pty) {
    pty.type_in("x");
    pty.wait("the question", |screen| has(screen, &["stop lead? y/n"]));
    pty.type_in("n");
    pty.wait("that it was not done", |screen| has(screen, &["stop lead: not done"]));
    pty.type_in("xy");
    pty.wait("the outcome", |screen| has(screen, &["stop lead: stopped"]));
    pty.wait("the state", |screen| has(screen, &["lead", "stopped"]));
    let lead = fleet.world.agent("lead");
    assert!(lead["state"] == "stopped" && lead["reason"].as_str().unwrap().starts_with("held"), "{lead}");
    // Why, from the journal.
    pty.type_in("w");
    pty.wait("the decisions", |screen| has(screen, &["why lead is stopped"]) && has(screen, &["stopped"]));
    pty.type_in("q");
    // What cannot be attached is said where everything is said.
    pty.type_in("a");
    pty.wait("why not", |screen| has(screen, &["! attach lead: agent `lead` does not run"]));
}

fn loses_the_supervisor(fleet: &mut Supervised, pty: &mut Pty) {
    fleet.kill_supervisor();
    pty.wait("that it is gone", |screen| has(screen, &["! the supervisor does not run; all below is"]));
    fleet.supervise();
    pty.wait("that it is back", |screen| !has(screen, &["does not run; all below"]));
}

#[test]
fn every_way_out_gives_the_terminal_back() {
    let mut fleet = Supervised::new(As::all()[0]);
    let mut pty = fleet.top();
    pty.type_in("\x03");
    assert_eq!(pty.code(), 0);
    assert!(is_given_back(&pty));
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        let mut pty = fleet.top();
        pty.signal(signal);
        assert_eq!(pty.code(), 1000 + signal as i32);
        assert!(is_given_back(&pty), "after {signal}");
    }
    // Also while an agent has it.
    let mut pty = fleet.top();
    pty.type_in("/lead\ra");
    pty.wait("the agent's own screen", |screen| !has(screen, &["AGENT", "STATE"]) && has(screen, &[">"]));
    pty.signal(Signal::SIGTERM);
    assert_eq!(pty.code(), 1000 + Signal::SIGTERM as i32);
    assert!(is_given_back(&pty));
    // A terminal that is closed.
    assert_eq!(fleet.top().hang_up(), 1000 + Signal::SIGHUP as i32);
    assert!(fleet.status().is_some());
    fleet.kill_supervisor();
    fleet.world.fleet(&["destroy", "--yes"], 0);
}

/// The age of an agent's state, in seconds, while it is under a minute.
fn seconds(screen: &Screen, agent: &str) -> Option<u32> {
    let line = screen.lines.iter().find(|line| line.contains(&format!(" {agent} ")))?;
    line.split_whitespace().find_map(|word| word.strip_suffix('s')?.parse().ok())
}

/// Over a slow line only what changes is written, and no colour where none is wanted.
#[test]
fn a_quiet_fleet_costs_a_few_bytes_a_second() {
    let mut fleet = Supervised::new(As::all()[0]);
    let mut command = fleet.world.command(&["top", "--fleet", "shop"]);
    command.env("NO_COLOR", "1");
    let mut pty = Pty::spawn(command, 80, 24);
    let screen = pty.wait("the agents", |screen| has(screen, &["lead", "idle"]) && has(screen, &["asker", "waits"]));
    let (age, before) = (seconds(&screen, "asker").unwrap(), pty.raw.len());
    pty.wait("four seconds", |screen| seconds(screen, "asker").is_some_and(|now| now >= age + 4));
    let written = pty.raw.len() - before;
    assert!(written < 4 * 150, "{written} bytes, of a screen of {before}");
    let said = String::from_utf8_lossy(&pty.raw).into_owned();
    assert!(!said.contains("[38;5") && !said.contains("[31m") && !said.contains("[33m"), "{said:?}");
    pty.type_in("q");
    assert_eq!(pty.code(), 0);
    fleet.kill_supervisor();
    fleet.world.fleet(&["destroy", "--yes"], 0);
}
