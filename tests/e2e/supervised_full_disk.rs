//! A disk that is full under a supervisor: it goes on watching, says so, refuses what it cannot keep, and recovers.

use crate::support::{LONG, output};
use crate::watched::{HEAD, canary};
use crate::world::{Manager, World};

/// In a mount namespace of its own.
const STORY: &str = r#"
set -u
mkdir -p "$XDG_STATE_HOME"
mount -t tmpfs -o size=400m,mode=700 tmpfs "$XDG_STATE_HOME"
"$FLEET" apply --manager=local --yes >first 2>&1; echo "apply $?"
pid() { "$FLEET" status --json | grep -o '"supervisor":{[^}]*}' | grep -o '"pid":[0-9]*'; }
until "$FLEET" status --json | grep -q '"state":"idle"'; do sleep 0.05; done
before=$(pid)
dd if=/dev/zero of="$XDG_STATE_HOME/filler" bs=1M >/dev/null 2>&1
dd if=/dev/zero of="$XDG_STATE_HOME/filler2" bs=512 >/dev/null 2>&1
for number in $(seq 40); do "$FLEET" send --wait 1 one "full-$number-end" >>second 2>&1; echo "$number $?" >>exits; done
"$FLEET" status --json | grep -o '"problems":\[[^]]*\]' >third; echo "said $?"
[ "$before" = "$(pid)" ] && echo "same"
rm -f "$XDG_STATE_HOME/filler" "$XDG_STATE_HOME/filler2"
until "$FLEET" send --wait 10 one room-end >fourth 2>&1; do sleep 0.1; done
[ "$before" = "$(pid)" ] && echo "same"
cp "$XDG_STATE_HOME/fleet/shop/agents/one/log" log
"$FLEET" status --json | grep -c '"problems"'
"$FLEET" destroy --yes >/dev/null 2>&1; echo "destroy $?"
"#;

#[test]
fn it_recovers() {
    let world = World::new(crate::support::As::User, Manager::Local);
    world.roster(&format!("{HEAD}{}", canary("one", "", "repeat 100000 { wait; };")));
    let mut command = world.manager.command("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", STORY]);
    command.current_dir(&world.folder).env("FLEET", world.program()).env("LANG", "C.UTF-8");
    let said = output(&mut command, 3 * LONG);
    let text = String::from_utf8_lossy(&said.stdout).into_owned() + &String::from_utf8_lossy(&said.stderr);
    let file = |name: &str| std::fs::read_to_string(world.folder.join(name)).unwrap_or_default();
    assert_eq!(
        text,
        "apply 0\nsaid 0\nsame\nsame\n0\ndestroy 0\n",
        "{}\n{}\n{}",
        file("first"),
        file("second"),
        file("third")
    );
    assert!(file("second").contains("refused: the journal cannot be written"), "{}", file("second"));
    let log = String::from_utf8_lossy(&std::fs::read(world.folder.join("log")).unwrap()).into_owned();
    assert_eq!(log.matches("got: room-end").count(), 1, "{log}");
    for line in file("exits").lines() {
        let (number, exit) = line.split_once(' ').unwrap();
        let times = log.matches(&format!("got: full-{number}-end")).count();
        match exit {
            // Kept or brought, and nothing is brought twice.
            "0" => assert_eq!(times, 1, "{number}: {exit}"),
            "6" => assert_eq!(times, 0, "{number} is said to be refused"),
            _ => assert!(times <= 1, "{number}: {exit}, {times} times"),
        }
    }
}
