//! What people see of a supervisor at work, from a start over a crash, a quarantine and a proposal to its own death.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};

use fleet::system::proc::{Handle, identify};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::{As, wait_for};
use crate::world::{Manager, World};

/// One that dies at once, one that does what stands in `do.sh`, and one to talk to.
fn roster(world: &World) -> String {
    let script = "while :; do if [ -f do.sh ]; then mv -f do.sh done.sh; sh done.sh >said 2>&1; echo $? >code; fi; sleep 0.05; done";
    let bin = world.program().parent().unwrap().display();
    format!(
        "fleet \"shop\" version=1 supervise=#true\n\
         floor \"exempt\" reason=\"a test\"\n\
         defaults {{ stop-timeout \"5s\"; restart \"on-failure\" delay=\"1s\" burst=1 within=\"10m\"; }}\n\
         orchestrator \"lead\" {{ runtime \"canary\"; }}\n\
         agent \"held\" {{ role \"coder\"; autostart #false; runtime \"canary\"; }}\n\
         agent \"crash\" {{ role \"coder\"; runtime \"canary\" {{ script {{ print \"I shall die.\"; exit 3; }}; }}; }}\n\
         agent \"mender\" {{ role \"coder\"; path \"{bin}\" \"/usr/bin\" \"/bin\"; runtime \"command\" {{ argv \"sh\" \"-c\" {script:?}; }}; }}\n"
    )
}

/// `fleet events --follow`, and what it has printed.
struct Follower {
    child: Child,
    lines: Arc<Mutex<Vec<Value>>>,
}

impl Follower {
    fn start(world: &World) -> Self {
        let mut command = world.command(&["events", "--follow", "--json", "--agent", "crash"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (sink, out) = (lines.clone(), child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                sink.lock().unwrap().push(serde_json::from_str(&line).unwrap());
            }
        });
        Self { child, lines }
    }

    /// How many decisions of this rule were printed.
    fn count(&self, rule: &str) -> usize {
        self.lines.lock().unwrap().iter().filter(|row| row["rule"] == rule).count()
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Lets the mender run `command`, and gives its exit status and its words.
fn inside(world: &World, command: &str) -> (String, String) {
    let read = |name: &str| fs::read_to_string(world.folder.join(name)).unwrap_or_default().trim().to_owned();
    let _ = fs::remove_file(world.folder.join("code"));
    fs::write(world.folder.join("do.tmp"), format!("{command} </dev/null\n")).unwrap();
    fs::rename(world.folder.join("do.tmp"), world.folder.join("do.sh")).unwrap();
    wait_for(command, || !read("code").is_empty());
    (read("code"), read("said"))
}

fn supervisor(world: &World) -> u32 {
    let pid = world.status()["supervisor"]["pid"].as_u64();
    u32::try_from(pid.expect("a supervisor")).unwrap()
}

#[test]
fn a_supervised_fleet_can_be_looked_at() {
    let world = World::new(As::User, Manager::Local);
    world.roster(&roster(&world));
    world.apply(&["--yes"], 0);
    let follower = Follower::start(&world);
    world.wait_for_state("crash", &["quarantined"]);
    world.wait_for_state("lead", &["idle"]);
    people_are_told(&world);
    the_story_is_told(&world);
    wait_for("the quarantine among the events", || follower.count("quarantine") == 1);
    only_people_clear(&world, &follower);
    messages_are_listed_and_taken_back(&world);
    proposals_are_answered(&world);
    without_a_supervisor_the_journal_speaks(&world, &follower);
    world.fleet(&["destroy", "--yes"], 0);
    let mut follower = follower;
    wait_for("the end of what follows a fleet that is gone", || follower.child.try_wait().unwrap().is_some());
}

fn people_are_told(world: &World) {
    let said = world.fleet(&["status"], 1);
    assert!(said.contains("1 unread notice, the newest: crash is quarantined"), "{said}");
    // A program that looks is no person that has seen it, and an agent is none either.
    let said = world.fleet(&["messages", "--json", "--unread"], 0);
    assert!(said.contains("\"type\":\"notice\"") && said.contains("quarantined"), "{said}");
    let (_, said) = inside(world, "fleet messages");
    assert!(said.contains("stay unread"), "{said}");
    let said = world.fleet(&["messages"], 0);
    let (people, agents) = said.split_once("\nTo agents").unwrap();
    assert!(people.contains("action") && people.contains("crash is quarantined"), "{said}");
    assert!(agents.contains("nothing"), "{said}");
    let said = world.fleet(&["messages", "--unread"], 0);
    assert!(said.contains("nothing unread"), "{said}");
    assert!(!world.fleet(&["status"], 1).contains("unread notice"));
}

fn the_story_is_told(world: &World) {
    let said = world.fleet(&["why", "crash"], 0);
    let parts = [
        "crash is quarantined, since ",
        "How it came to that, newest last:",
        "restart 1 of 1",
        "[snapshot: done]",
        "quarantine",
        "Kept of its deaths",
        "/agents/crash/deaths/",
        "`fleet clear crash` lets it start again.",
    ];
    let mut at = 0;
    for part in parts {
        let found =
            said[at..].find(part).unwrap_or_else(|| panic!("{part:?} is not behind the one before it:\n{said}"));
        at += found;
    }
    let said = world.fleet(&["digest"], 0);
    assert!(said.lines().any(|line| line.starts_with("crash") && line.contains("quarantine")), "{said}");
    let said = world.fleet(&["digest", "--since", "2100-01-01T00:00:00Z"], 0);
    assert!(said.starts_with("Nothing went wrong"), "{said}");
    let said = world.fleet(&["logs", "crash"], 0);
    let lines: Vec<&str> = said.lines().collect();
    let [.., started, text, ended] = lines.as_slice() else { panic!("{said}") };
    assert!(started.starts_with("[fleet: it started, ") && ended.starts_with("[fleet: it ended: exit 3, "), "{said}");
    assert_eq!(*text, "I shall die.");
    assert!(world.fleet(&["logs", "crash", "--raw", "-n", "2"], 0).contains("I shall die.\r\n"));
    let said = world.fleet(&["logs", "crash", "--death", "1"], 0);
    assert!(said.contains("[fleet: its last screen]\nI shall die.\n[fleet: it ended: exit 3"), "{said}");
}

fn only_people_clear(world: &World, follower: &Follower) {
    let said = world.fleet(&["clear"], 0);
    assert!(said.starts_with("crash  quarantined for "), "{said}");
    let (code, said) = inside(world, "fleet clear crash");
    assert_eq!((code.as_str(), said.contains("an agent does not clear")), ("6", true), "{said}");
    world.fleet(&["clear", "crash"], 0);
    wait_for("the clear and another quarantine", || {
        follower.count("clear") == 1 && follower.count("quarantine") == 2
    });
    world.fleet(&["messages"], 0);
}

fn messages_are_listed_and_taken_back(world: &World) {
    world.fleet(&["send", "held", "wait", "for", "me"], 0);
    let said = world.fleet(&["messages", "held", "--json"], 0);
    let row: Value = serde_json::from_str(said.lines().next().unwrap()).unwrap();
    assert_eq!((&row["state"], &row["text"]), (&"queued".into(), &"wait for me".into()), "{said}");
    let id = row["id"].as_str().unwrap();
    // It is not the mender's.
    let (code, said) = inside(world, &format!("fleet messages --cancel {id}"));
    assert_eq!((code.as_str(), said.contains("only its own messages")), ("6", true), "{said}");
    world.fleet(&["messages", "--cancel", id], 0);
    assert!(world.fleet(&["messages", "held"], 0).contains("recalled"));
    world.fleet(&["send", "lead", "hello"], 0);
    let said = world.fleet(&["messages", "lead", "--json"], 0);
    let row: Value = serde_json::from_str(said.lines().next().unwrap()).unwrap();
    let said = world.fleet(&["messages", "--cancel", row["id"].as_str().unwrap()], 6);
    assert!(said.contains("cannot be taken back: it is submitted"), "{said}");
    world.fleet(&["messages", "--cancel", "m-0000000000000000"], 6);
}

fn proposals_are_answered(world: &World) {
    let before = world.read_roster();
    let wanted = before.replace(
        "agent \"held\"",
        "agent \"second\" { role \"coder\"; autostart #false; runtime \"canary\"; }\nagent \"held\"",
    );
    fs::write(world.folder.join("new.kdl"), &wanted).unwrap();
    fs::write(world.folder.join("wrong.kdl"), "fleet \"shop\" version=1\nagnet \"x\"\n").unwrap();
    let said = world.fleet(&["propose", "roster", "new.kdl", "--why", "one is slow"], 6);
    assert!(said.contains("only an agent proposes"), "{said}");
    let (code, said) = inside(world, "fleet propose roster wrong.kdl --why x");
    assert_eq!((code.as_str(), said.contains("agnet")), ("6", true), "{said}");
    let (code, said) = inside(world, "fleet propose roster new.kdl --why 'one is slow'");
    assert_eq!((code.as_str(), said.contains("Proposed as p1")), ("0", true), "{said}");
    assert!(world.fleet(&["status"], 1).contains("mender proposes (roster p1): one is slow"));
    let (code, said) = inside(world, "fleet propose bug --title 'crash dies' --agent crash");
    assert_eq!((code.as_str(), said.contains("Proposed as p2")), ("0", true), "{said}");
    let (code, said) = inside(world, "fleet propose tool --title 'a linter' --text 'it would help'");
    assert_eq!((code.as_str(), said.contains("lead is told by a message")), ("0", true), "{said}");
    let said = world.fleet(&["messages", "lead"], 0);
    assert!(said.contains("mender → lead: A tool is proposed (p3): a linter"), "{said}");
    let (_, said) = inside(world, "fleet propose roster new.kdl --why 'again'");
    assert!(said.contains("Proposed as p4"), "{said}");

    let said = world.fleet(&["propose", "show", "p2"], 0);
    assert!(
        said.contains("crash dies") && said.contains("restart 1 of 1") && said.contains("/agents/crash/deaths/"),
        "{said}"
    );
    let said = world.fleet(&["propose", "show", "p1"], 0);
    assert!(said.contains("one is slow") && said.contains("+agent \"second\""), "{said}");
    let said = world.fleet(&["plan", "--proposal", "p1"], 0);
    assert!(said.contains("+ second"), "{said}");
    assert_eq!(world.read_roster(), before);
    let (code, said) = inside(world, "fleet propose accept p1");
    assert_eq!((code.as_str(), said.contains("only a person accepts")), ("6", true), "{said}");
    assert_eq!(world.read_roster(), before);
    let said = world.fleet(&["propose", "accept", "p1"], 0);
    assert!(said.contains("p1 is accepted") && said.contains("`fleet plan`"), "{said}");
    assert_eq!(world.read_roster(), wanted);
    // The other one was made from what the roster is no longer.
    world.roster(&wanted.replace("a test", "another test"));
    let said = world.fleet(&["propose", "accept", "p4"], 6);
    assert!(
        said.contains("has changed since") && said.contains("-floor \"exempt\" reason=\"another test\""),
        "{said}"
    );
    assert!(world.read_roster().contains("another test"));
    world.fleet(&["propose", "reject", "p4"], 0);
    world.fleet(&["propose", "accept", "p4"], 6);
    let said = world.fleet(&["propose"], 0);
    assert!(!said.contains("p1 ") && said.contains("p2 ") && said.contains("p3 ") && !said.contains("p4 "), "{said}");
}

fn without_a_supervisor_the_journal_speaks(world: &World, follower: &Follower) {
    let pid = supervisor(world);
    let process = identify(pid).expect("a supervisor");
    let handle = Handle::open(&process).unwrap().expect("a supervisor");
    handle.signal(Signal::SIGKILL).unwrap();
    wait_for("its end", || identify(pid).is_none_or(|now| now != process));
    let said = world.fleet(&["why", "crash"], 0);
    assert!(said.contains("crash is quarantined") && said.contains("The supervisor does not answer"), "{said}");
    let said = world.fleet(&["clear", "crash"], 0);
    assert!(said.contains("crash will be cleared when it does"), "{said}");
    world.apply(&["--yes"], 0);
    assert_ne!(supervisor(world), pid);
    wait_for("the clear that waited", || follower.count("clear") == 2);
    wait_for("what came of it", || follower.count("quarantine") == 3);
}
