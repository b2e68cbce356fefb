//! A really full disk: a small tmpfs, filled. Nothing half-done, and it goes on when there is room again.

use crate::support::{As, LONG, output};
use crate::world::{Manager, World};

const ROSTER: &str =
    "floor \"exempt\" reason=\"x\"\nagent \"one\" { role \"coder\"; runtime \"canary\"; stop-timeout \"5s\"; }\n";

/// In a mount namespace of its own: fill the state folder, apply, make room, apply; then fill it and change the roster.
const STORY: &str = r#"
set -u
mkdir -p "$XDG_STATE_HOME"
mount -t tmpfs -o size=64k,mode=700 tmpfs "$XDG_STATE_HOME"
"$FLEET" apply --manager=local >first 2>&1; echo "first $?"
find "$XDG_STATE_HOME" -name '.*' -type f | wc -l | sed 's/^/temporary /'
"$FLEET" status >/dev/null 2>&1; echo "status $?"
umount "$XDG_STATE_HOME" && mount -t tmpfs -o size=2g,mode=700 tmpfs "$XDG_STATE_HOME"
"$FLEET" apply --manager=local >second 2>&1; echo "second $?"
before=$(cat "$XDG_STATE_HOME"/fleet/full/agents/one/manifest.json "$XDG_STATE_HOME"/fleet/full/ledger.json | sha256sum)
sed -i 's/role "coder"/role "coder"; description "changed"/' fleet.kdl
# What is left is taken, so that even a small file does not fit.
dd if=/dev/zero of="$XDG_STATE_HOME/filler" bs=1M >/dev/null 2>&1
dd if=/dev/zero of="$XDG_STATE_HOME/filler2" bs=512 >/dev/null 2>&1
"$FLEET" apply >third 2>&1; echo "third $?"
after=$(cat "$XDG_STATE_HOME"/fleet/full/agents/one/manifest.json "$XDG_STATE_HOME"/fleet/full/ledger.json | sha256sum)
[ "$before" = "$after" ] && echo "untouched"
"$FLEET" status >/dev/null 2>&1; echo "status $?"
# Whoever stops agents because the disk is full must be able to.
"$FLEET" stop one >fifth 2>&1; echo "stop $?"
until "$FLEET" status --json 2>/dev/null | grep -o '"state":"stopped"'; do sleep 0.05; done
rm -f "$XDG_STATE_HOME/filler" "$XDG_STATE_HOME/filler2"
"$FLEET" start one >/dev/null 2>&1; echo "start $?"
"$FLEET" apply >fourth 2>&1; echo "fourth $?"
"$FLEET" plan --detailed-exitcode >/dev/null 2>&1; echo "plan $?"
"$FLEET" destroy --yes >/dev/null 2>&1; echo "destroy $?"
"#;

#[test]
fn root_survives_a_full_disk() {
    if As::all().contains(&As::Root) {
        story(As::Root, false);
    }
}

#[test]
fn an_ordinary_user_survives_a_full_disk() {
    story(As::User, false);
}

#[test]
fn a_supervised_fleet_survives_a_full_disk() {
    story(As::User, true);
}

/// `supervised`: its supervisor must not take the stop for a death, although nothing of it could be written down.
fn story(who: As, supervised: bool) {
    let world = World::new(who, Manager::Local);
    world.roster(&format!("fleet \"full\" version=1 supervise=#{supervised}\n{ROSTER}"));
    let mut command = world.manager.command("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", STORY]);
    command.current_dir(&world.folder).env("FLEET", world.program()).env("LANG", "C.UTF-8");
    let said = output(&mut command, 2 * LONG);
    let text = String::from_utf8_lossy(&said.stdout).into_owned() + &String::from_utf8_lossy(&said.stderr);
    let file = |name: &str| std::fs::read_to_string(world.folder.join(name)).unwrap_or_default();
    let expected = "first 1\ntemporary 0\nstatus 1\nsecond 0\nthird 1\nuntouched\nstatus 0\nstop 3\n\"state\":\"stopped\"\nstart 0\nfourth 0\nplan 0\ndestroy 0\n";
    assert_eq!(text, expected, "{}\n{}\n{}", file("first"), file("third"), file("fourth"));
    for name in ["first", "third"] {
        assert!(file(name).contains("is full") && file(name).contains("help:"), "{}", file(name));
    }
}
