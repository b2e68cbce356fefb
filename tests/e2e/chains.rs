//! Agents that fall back along their chain of models: what they are really started with, and when the first one comes back.

use std::fs;
use std::process::Stdio;

use fleet::driver::failpoint::FALLING_BACK;
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::{As, wait_for};
use crate::watched::{Watched, strike};
use crate::world::{Manager, World};

/// Says how it was started, and is as well as the file `ill` says of its model; then as the messages say.
const AGENT: &str = r#"#!/bin/sh
echo "$POD|$OTHER|$*" >> starts
for ill in $(cat ill 2> /dev/null); do case "$*" in *"$ill"*) echo "API Error: 529 overloaded"; exit 1;; esac; done
if [ -n "$OTHER" ]; then prompt='% ' refusal=403; else prompt='> ' refusal=401; fi
while :; do
    printf '%s' "$prompt"
    read -r line || exit 0
    case "$line" in
    die) echo "API Error: 529 overloaded"; exit 1;;
    locked) echo "API Error: $refusal no such key"; exit 1;;
    esac
    echo "got: $line"
done
"#;

const CHAIN: &str = "use \"big\"; use \"small\"; use \"far\" runtime=\"other\";";

/// A fleet of one agent with the chain `uses`.
fn roster(fleet: &Watched, uses: &str) {
    let agent = "agent \"one\" { role \"coder\"; runtime \"pod\"; models \"deep\"; }\n";
    fleet.roster(&format!("models \"deep\" {{ {uses} }}\n{agent}"));
}

/// The chain, applied; the models in `ill` are so from the beginning.
fn applied(kind: Manager, ill: &str) -> Watched {
    let fleet = Watched { world: World::new(As::User, kind) };
    let folder = &fleet.world.folder;
    let make = |command: &str| {
        let mut shell = fleet.world.manager.command("sh");
        assert!(shell.args(["-c", command]).current_dir(folder).status().unwrap().success(), "{command}");
    };
    make("mkdir -p runtimes");
    let program = folder.join("agent.sh");
    fs::write(&program, AGENT).unwrap();
    std::process::Command::new("chmod").arg("755").arg(&program).status().unwrap();
    let program = program.display();
    // What each shows says nothing to who knows the other's patterns.
    for (name, session, prompt, refusal) in [("pod", "--session", ">", 401), ("other", "--talk", "%", 403)] {
        let upper = name.to_uppercase();
        let text = format!(
            "runtime \"{name}\" {{\n    program \"{program}\"\n    model \"--model\" \"{{model}}\"\n    \
             session \"{session}\" \"{{session}}\"\n    resume \"--resume\" \"{{session}}\"\n    \
             env \"{upper}\" \"of {name}\"\n    busy-input \"queue\"\n    \
             input region=\"last:1\" \"^{prompt} ?(.*)$\"\n    \
             idle region=\"last:1\" \"^{prompt} ?$\"\n    \
             fatal region=\"last:3\" class=\"overloaded\" \"529 overloaded\"\n    \
             fatal region=\"last:3\" class=\"auth\" \"{refusal} no such key\"\n}}\n"
        );
        fs::write(folder.join(format!("runtimes/{name}.kdl")), text).unwrap();
    }
    fs::write(folder.join("ill"), ill).unwrap();
    roster(&fleet, CHAIN);
    fleet.world.apply(&["--yes"], 0);
    fleet
}

/// How it was started each time: variables and words.
fn starts(fleet: &Watched) -> Vec<String> {
    fs::read_to_string(fleet.world.folder.join("starts")).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// Waits until it stands idle with this model.
fn uses(fleet: &Watched, model: &str) -> Value {
    fleet.until("one", &format!("it uses {model}"), || {
        let now = fleet.world.agent("one");
        now["model"] == model && now["state"] == "idle"
    });
    fleet.world.agent("one")
}

fn says(fleet: &Watched, text: &str) {
    let (id, _) = fleet.send("one", text, "30");
    fleet.until("one", &format!("{text:?} arrives"), || fleet.message(&id).state.is_final());
}

fn falls(fleet: &Watched) -> usize {
    fleet.count("one", "fallback", "it ended")
}

fn note(fleet: &Watched) -> Option<Value> {
    let text = fs::read(fleet.state().join("agents/one/model.json")).ok()?;
    Some(serde_json::from_slice(&text).unwrap())
}

/// The last word of the line in which it said how it was started: the id of its conversation.
fn conversation(line: &str) -> &str {
    line.rsplit(' ').next().unwrap()
}

#[test]
fn an_agent_goes_along_its_chain_and_back_by_hand() {
    for kind in [Manager::Systemd, Manager::Local] {
        let fleet = applied(kind, "big");
        let now = uses(&fleet, "small");
        assert_eq!(now["fell_back"], "fell back from pod/big to pod/small: overloaded", "{now}");
        let seen = starts(&fleet);
        assert_eq!(seen.len(), 2, "{seen:?}");
        assert!(seen[0].starts_with("of pod||--model big --session "), "{seen:?}");
        assert!(seen[1].starts_with("of pod||--model small --session "), "{seen:?}");
        assert_eq!(fleet.count("one", "restart", ""), 0, "{:#?}", fleet.decided("one"));
        let deaths = fleet.deaths("one");
        let kept = |name: &str| fs::read_to_string(deaths[0].join(name)).unwrap();
        assert!(kept("why").contains("goes on with model 2") && kept("screen").contains("529"), "{deaths:?}");
        let said = fleet.world.fleet(&["status"], 0);
        assert!(said.contains("pod/small") && said.contains("one fell back from pod/big to pod/small"), "{said}");
        let said = fleet.world.fleet(&["why", "one"], 0);
        assert!(said.contains("It fell back from pod/big to pod/small: overloaded"), "{said}");
        fleet.world.assert_nothing_to_do();
        let pid = fleet.world.pid("one");
        fleet.world.apply(&[], 0);
        assert_eq!(fleet.world.pid("one"), pid);

        // Cleared, it goes on; the first is used from its next start on.
        fs::write(fleet.world.folder.join("ill"), "").unwrap();
        fleet.clear("one");
        wait_for("the note goes", || note(&fleet).is_none());
        let now = uses(&fleet, "small");
        assert_eq!(now["fell_back"], "uses pod/small until its next start, then pod/big", "{now}");
        assert_eq!(fleet.world.pid("one"), pid);
        fleet.world.assert_nothing_to_do();
        fleet.world.fleet(&["restart", "one"], 0);
        let now = uses(&fleet, "big");
        assert!(now.get("fell_back").is_none(), "{now}");

        // The same CLI goes on with what was said; another one cannot.
        says(&fleet, "hello");
        says(&fleet, "die");
        uses(&fleet, "small");
        let seen = starts(&fleet);
        assert_eq!(seen.len(), 4, "{seen:?}");
        assert_eq!(seen[3], format!("of pod||--model small --resume {}", conversation(&seen[2])));
        assert_eq!(fleet.count("one", "fallback", "a restart resumes the conversation"), 2);
        says(&fleet, "hello");
        says(&fleet, "die");
        uses(&fleet, "far");
        let seen = starts(&fleet);
        assert!(seen[4].starts_with("|of other|--model far --talk "), "{seen:?}");
        assert_ne!(conversation(&seen[4]), conversation(&seen[3]));
        assert_eq!(fleet.count("one", "fallback", "a restart loses the conversation"), 1);
        fleet.world.assert_nothing_to_do();
        // What it says when it ends is read as what it is: the last of the chain's own words.
        says(&fleet, "locked");
        fleet.is("one", "quarantined");
        assert_eq!(fleet.count("one", "rapid-death", "the runtime other does not work"), 1);
        // A start by hand is one with the first.
        fleet.world.fleet(&["start", "one"], 0);
        uses(&fleet, "big");
        says(&fleet, "die");
        uses(&fleet, "small");
        fleet.world.fleet(&["stop", "one"], 0);
        fleet.world.fleet(&["start", "one"], 0);
        uses(&fleet, "big");
        wait_for("the note goes", || note(&fleet).is_none());

        // What leaves the chain while it is in use costs a restart, with the first that is left.
        says(&fleet, "die");
        let now = uses(&fleet, "small");
        roster(&fleet, "use \"small\"; use \"big\";");
        fleet.world.apply(&[], 0);
        assert_eq!(fleet.world.agent("one")["pid"], now["pid"], "its model only changed its place");
        roster(&fleet, "use \"big\"; use \"far\" runtime=\"other\";");
        let said = fleet.world.fleet(&["plan"], 0);
        assert!(said.contains("pod/small, which it runs with, left its chain; a restart "), "{said}");
        fleet.world.apply(&["--yes"], 0);
        uses(&fleet, "big");
        fleet.world.assert_nothing_to_do();
        fleet.destroy();
    }
}

#[test]
fn what_somebody_has_to_put_right_does_not_fall_back() {
    let fleet = applied(Manager::Local, "");
    uses(&fleet, "big");
    says(&fleet, "locked");
    fleet.is("one", "quarantined");
    assert_eq!((falls(&fleet), note(&fleet), starts(&fleet).len()), (0, None, 1), "{:#?}", fleet.decided("one"));
    fleet.destroy();
}

/// The note is a file of its own: it outlives the journal, and so does what is known of it.
#[test]
fn a_lost_journal_does_not_lose_the_model_in_use() {
    let fleet = applied(Manager::Local, "big");
    let before = uses(&fleet, "small");
    strike(fleet.pid(), Signal::SIGKILL);
    wait_for("it is gone", || fleet.world.status()["supervisor"]["running"] != true);
    let _ = fs::remove_file(fleet.state().join("journal.db-wal"));
    fs::write(fleet.state().join("journal.db"), "no journal").unwrap();
    fleet.world.apply(&["--yes"], 0);
    wait_for("it answers", || fleet.answers());
    assert!(fleet.world.status()["supervisor"]["paused"].is_string(), "{}", fleet.world.status());
    let now = uses(&fleet, "small");
    assert_eq!(
        (&now["pid"], now["fell_back"].as_str()),
        (&before["pid"], Some("fell back from pod/big to pod/small: overloaded"))
    );
    fleet.clear("one");
    wait_for("the note goes", || note(&fleet).is_none());
    // What was set aside is for people, and stays.
    fleet.world.fleet(&["destroy", "--yes"], 0);
}

/// Lets the next supervisor die at this point, or none.
fn arm(fleet: &Watched, point: Option<&str>) {
    let mut command = fleet.world.manager.command("systemctl");
    match point {
        Some(point) => command.args(["--user", "set-environment", &format!("FLEET_FAILPOINT={point}")]),
        None => command.args(["--user", "unset-environment", "FLEET_FAILPOINT"]),
    };
    assert!(command.status().unwrap().success());
}

/// Kills the supervisor; another comes, which dies at `point`.
fn supervised_until(fleet: &Watched, point: Option<&str>) {
    let old = fleet.pid();
    if fleet.world.kind == Manager::Systemd {
        arm(fleet, point);
    }
    strike(old, Signal::SIGKILL);
    if fleet.world.kind == Manager::Local {
        wait_for("it is gone", || fleet.world.status()["supervisor"]["running"] != true);
        supervise(fleet, point);
    }
    wait_for("another has come", || fleet.answers() && fleet.world.status()["supervisor"]["pid"] != old);
}

/// Starts a supervisor as somebody without a service manager does.
fn supervise(fleet: &Watched, point: Option<&str>) {
    let mut command = fleet.world.command(&["supervise", "--fleet", "shop"]);
    command.envs(point.map(|point| ("FLEET_FAILPOINT", point))).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    // Whoever is nobody's child any more is still waited for.
    std::thread::spawn(move || child.wait());
}

#[test]
fn a_supervisor_that_dies_between_decision_and_note_falls_back_once() {
    for kind in [Manager::Systemd, Manager::Local] {
        let fleet = applied(kind, "");
        for (round, point) in FALLING_BACK.into_iter().enumerate() {
            uses(&fleet, "big");
            supervised_until(&fleet, Some(point));
            uses(&fleet, "big");
            let dies = fleet.pid();
            assert_eq!(starts(&fleet).len(), 2 * round + 1, "{:?}", starts(&fleet));
            fleet.offer("one", "die");
            let gone = || fleet.world.status()["supervisor"]["pid"] != dies;
            fleet.until("one", &format!("{point} is reached"), gone);
            if kind == Manager::Local {
                // Nobody starts it again by itself, so that what it left can be looked at.
                assert_eq!(note(&fleet).is_some(), point == "model-noted", "{point}");
                assert_eq!(starts(&fleet).len(), 2 * round + 1, "{:?}", starts(&fleet));
                supervise(&fleet, None);
            }
            uses(&fleet, "small");
            let seen = starts(&fleet);
            assert_eq!(seen.len(), 2 * round + 2, "{seen:?}");
            assert!(seen.last().unwrap().contains("--model small"), "{seen:?}");
            assert_eq!(falls(&fleet), round + 1, "{point}: {:#?}", fleet.decided("one"));
            assert_eq!(note(&fleet).unwrap()["to"]["model"], "small");
            // The supervisor that a person has started is not the copy that fleet keeps.
            fleet.world.apply(&["--yes"], 0);
            assert_eq!(starts(&fleet).len(), 2 * round + 2);
            fleet.world.assert_nothing_to_do();
            fleet.world.fleet(&["restart", "one"], 0);
        }
        uses(&fleet, "big");
        if kind == Manager::Systemd {
            arm(&fleet, None);
        }
        fleet.destroy();
    }
}
