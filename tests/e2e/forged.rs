//! Words that somebody else puts into an agent's mouth.

use std::fs;

use fleet::supervise::event::Caller;
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::support::{LONG, output, wait_for};
use crate::watched::{Watched, canary, command, strike};
use crate::world::{Manager, World};

/// What a liar says as agent `a`, with all of `a`'s variables: `$1` is the program, `$2` the state folder, `$3` the folder of
/// sockets. Each line of the answer is a name and an exit status.
const LIES: &str = r#"
fleet=$1 state=$2 sockets=$3 own=$FLEET_AGENT_DIR
export FLEET_AGENT=a FLEET_AGENT_DIR=$state/agents/a FLEET_SOCKET=$sockets/a.sock
FLEET_RUN_NONCE=$(sed 's/.*"nonce" *: *"\([^"]*\)".*/\1/' "$state/agents/a/run.json")
export FLEET_RUN_NONCE
"$fleet" report blocked --note "a lie of ${own:-nobody}" >/dev/null 2>&1; echo "report $?"
# By the folder, with a mark that no run has.
FLEET_SOCKET= FLEET_RUN_NONCE=0123456789abcdef0123456789abcdef "$fleet" report blocked --note "a lie on disk" >/dev/null 2>&1
echo "disk $?"
"$fleet" clear --fleet shop a >/dev/null 2>&1; echo "clear $?"
"$fleet" send --fleet shop --wait 0 a "from-${own##*/}-end" >/dev/null 2>&1; echo "send $?"
"#;

fn tell_lies(kind: Manager) {
    let world = World::new(crate::support::As::User, kind);
    fs::write(world.folder.join("lies"), LIES).unwrap();
    let fleet = Watched { world };
    let places =
        format!("{} {} {}", fleet.world.program().display(), fleet.state().display(), fleet.runtime().display());
    let wait = "until [ -e go ]; do sleep 0.05; done";
    let program = fleet.world.program().display();
    fleet.roster(
        &(canary("a", "", "repeat 100000 { wait; };")
            + &command("liar", "", &format!("{wait}; sh lies {places}; echo all told; exec sleep 100000"))
            + &command("honest", "", &format!("{wait}; {program} report blocked --note mine; exec sleep 100000"))),
    );
    fleet.world.apply(&["--yes"], 0);
    fleet.is("a", "idle");
    let before = fleet.world.pid("a");
    fs::write(fleet.world.folder.join("go"), "").unwrap();
    // Who says it of itself is believed.
    fleet.is("honest", "blocked");
    fleet.until("liar", "it has said everything", || fleet.log("liar").contains("all told"));
    let log = fleet.log("liar");
    for line in ["report 6", "clear 6", "send 0"] {
        assert!(log.contains(line), "{line}: {log}");
    }
    let refused = || fleet.count("a", "refused", "a report was not believed");
    wait_for("the lie is told of", || refused() > 0);
    // An outsider is no more believed than another agent.
    let mut outside = fleet.world.manager.command("sh");
    outside.arg("lies").args(places.split(' ')).current_dir(&fleet.world.folder);
    let said = String::from_utf8(output(&mut outside, LONG).stdout).unwrap();
    assert!(said.contains("report 6") && said.contains("clear 0"), "{said}");
    // Another supervisor reads what lies in the folders.
    let words = || fs::read_dir(fleet.state().join("agents/a/reports")).into_iter().flatten().count();
    assert_eq!(words(), 2, "the lies on disk are not where this test looks");
    let old = fleet.pid();
    strike(old, Signal::SIGKILL);
    if kind == Manager::Local {
        wait_for("it is gone", || fleet.world.status()["supervisor"]["running"] != true);
        fleet.world.apply(&["--yes"], 0);
    }
    wait_for("another one", || fleet.world.status()["supervisor"]["pid"].as_u64().is_some_and(|pid| pid != old));
    wait_for("they are read", || words() == 0);
    wait_for("the messages arrive", || fleet.messages().iter().all(|message| message.state.is_final()));
    let from: Vec<_> = fleet.messages().iter().map(|message| (message.text.clone(), message.from.clone())).collect();
    let liar = Caller::Agent { agent: fleet::ids::AgentName::new("liar").unwrap() };
    assert!(from.contains(&("from-liar-end".to_owned(), liar)), "{from:?}");
    assert!(from.contains(&("from--end".to_owned(), Caller::Operator)), "{from:?}");
    assert_eq!(fleet.count("a", "blocked", ""), 0, "{:#?}", fleet.decided("a"));
    fleet.is("a", "idle");
    assert_eq!((fleet.world.pid("a"), &fleet.world.agent("a")["queued"]), (before, &Value::from(0)));
    fleet.destroy();
}

#[test]
fn nobody_is_believed_in_anothers_name_under_systemd() {
    tell_lies(Manager::Systemd);
}

#[test]
fn nobody_is_believed_in_anothers_name_locally() {
    tell_lies(Manager::Local);
}
