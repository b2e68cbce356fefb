//! A restart goes on with the conversation, where the runtime can, and only then says so.

use std::fs;

use crate::support::{As, wait_for};
use crate::world::{Manager, World};

const HEAD: &str = "fleet \"shop\" version=1 supervise=#false\nfloor \"exempt\" reason=\"x\"\ndefaults { stop-timeout \"5s\"; restart \"never\"; }\n";

/// A runtime that says how it was started. It fails at once to resume what it is told to have lost.
const AGENT: &str = "#!/bin/sh\necho \"started with $*\" >> starts\nif [ \"$1\" = --resume ] && [ -f lost ]; then exit 3; fi\nwhile :; do printf '> '; read -r line || exit 0; echo \"got: $line\"; done\n";

fn starts(world: &World) -> Vec<String> {
    fs::read_to_string(world.folder.join("starts")).unwrap_or_default().lines().map(str::to_owned).collect()
}

#[test]
fn conversations_are_resumed_unless_somebody_wants_a_fresh_one() {
    for kind in [Manager::Systemd, Manager::Local] {
        let world = World::new(As::User, kind);
        let program = world.folder.join("agent.sh");
        fs::write(&program, AGENT).unwrap();
        assert!(
            world
                .manager
                .command("sh")
                .args(["-c", "mkdir -p runtimes"])
                .current_dir(&world.folder)
                .status()
                .unwrap()
                .success()
        );
        assert!(std::process::Command::new("chmod").arg("755").arg(&program).status().unwrap().success());
        let runtime = format!(
            "runtime \"own\" {{\n    program {program:?}\n    session \"--session\" \"{{session}}\"\n    resume \"--resume\" \"{{session}}\"\n    prompt \"{{prompt}}\"\n    input region=\"last:1\" \"^> ?(.*)$\"\n    idle region=\"last:1\" \"^> ?$\"\n}}\n"
        );
        fs::write(world.folder.join("runtimes/own.kdl"), runtime).unwrap();
        let roster = |rest: &str| {
            world.roster(&format!("{HEAD}agent \"one\" {{ role \"coder\"; runtime \"own\"; {rest} }}\n"));
        };
        roster("");
        world.apply(&[], 0);
        world.wait_for_state("one", &["idle"]);
        // Nobody has said anything, so there is nothing to go on with.
        world.fleet(&["restart", "one"], 0);
        world.wait_for_state("one", &["idle"]);
        let first = starts(&world);
        assert!(first.iter().all(|line| line.starts_with("started with --session ")), "{first:?}");
        assert_ne!(first[0], first[1]);
        let id = first[1].rsplit(' ').next().unwrap().to_owned();
        let said = world.fleet(&["plan"], 0);
        assert!(!said.contains("resumes"), "{said}");
        world.fleet(&["send", "one", "--", "hello"], 0);
        world.wait_for_state("one", &["idle"]);
        // A changed setting: the plan says what a restart does, and it does it.
        roster("env \"A\" \"1\";");
        let said = world.fleet(&["plan"], 0);
        assert!(said.contains("a restart resumes the conversation"), "{said}");
        world.apply(&["--yes"], 0);
        wait_for("the third start", || starts(&world).len() == 3);
        assert_eq!(starts(&world)[2], format!("started with --resume {id}"));
        world.wait_for_state("one", &["idle"]);
        roster("env \"A\" \"2\";");
        let said = world.apply(&["--yes", "--fresh"], 0);
        assert!(said.contains("a restart begins a new conversation"), "{said}");
        wait_for("the fourth start", || starts(&world).len() == 4);
        assert!(starts(&world)[3].starts_with("started with --session ") && !starts(&world)[3].contains(&id));
        world.wait_for_state("one", &["idle"]);
        world.fleet(&["send", "one", "--", "hello"], 0);
        world.wait_for_state("one", &["idle"]);
        // The CLI has lost it: that start fails, and a fresh one follows at once.
        fs::write(world.folder.join("lost"), "").unwrap();
        world.fleet(&["restart", "one"], 0);
        wait_for("the fifth and the sixth start", || starts(&world).len() == 6);
        assert!(starts(&world)[4].starts_with("started with --resume "));
        assert!(starts(&world)[5].starts_with("started with --session "), "{:?}", starts(&world));
        world.wait_for_state("one", &["idle"]);
        // `resume "never"` costs no process, and a restart says that it loses the conversation.
        world.fleet(&["send", "one", "--", "hello"], 0);
        world.wait_for_state("one", &["idle"]);
        let pid = world.pid("one");
        roster("env \"A\" \"2\"; resume \"never\";");
        world.apply(&[], 0);
        assert_eq!(world.pid("one"), pid);
        roster("env \"A\" \"3\"; resume \"never\"; prompt \"begin\";");
        assert!(world.fleet(&["plan"], 0).contains("a restart loses the conversation"));
        world.apply(&["--yes"], 0);
        wait_for("the seventh start", || starts(&world).len() == 7);
        assert_eq!(starts(&world)[6], "started with begin");
        world.fleet(&["destroy", "--yes"], 0);
        assert!(!world.state_folder().exists());
    }
}
