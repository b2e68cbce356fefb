//! A proposed roster and who accepts it: an agent that may `compose`, inside its envelope, and nobody else but people.

use std::fs;

use crate::support::{As, wait_for};
use crate::world::{Manager, World};

/// A chief that may `compose` and a mender that may not; both do what they find in a file of their own.
fn roster(world: &World) -> String {
    let script = "while :; do if [ -f do-$FLEET_AGENT.sh ]; then mv -f do-$FLEET_AGENT.sh done.sh; sh done.sh >said 2>&1; echo $? >code; fi; sleep 0.05; done";
    let bin = world.program().parent().unwrap().display();
    let hands =
        format!("path \"{bin}\" \"/usr/bin\" \"/bin\"; runtime \"command\" {{ argv \"sh\" \"-c\" {script:?}; }};");
    format!(
        "fleet \"shop\" version=1 supervise=#true\n\
         floor \"exempt\" reason=\"a test\"\n\
         defaults {{ stop-timeout \"5s\"; }}\n\
         orchestrator \"lead\" {{ runtime \"canary\"; }}\n\
         role \"chief\" {{ may \"compose\"; }}\n\
         role \"tester\" {{ may \"review\"; runtime \"canary\"; }}\n\
         compose max-agents=5 {{ roles \"tester\"; }}\n\
         agent \"tester\" {{ role \"tester\"; }}\n\
         agent \"chief\" {{ role \"chief\"; {hands} }}\n\
         agent \"mender\" {{ role \"coder\"; {hands} }}\n"
    )
}

/// Lets an agent run `command`, and gives its exit status and its words.
fn inside(world: &World, agent: &str, command: &str) -> (String, String) {
    let read = |name: &str| fs::read_to_string(world.folder.join(name)).unwrap_or_default().trim().to_owned();
    let _ = fs::remove_file(world.folder.join("code"));
    fs::write(world.folder.join("do.tmp"), format!("{command} </dev/null\n")).unwrap();
    fs::rename(world.folder.join("do.tmp"), world.folder.join(format!("do-{agent}.sh"))).unwrap();
    wait_for(command, || !read("code").is_empty());
    (read("code"), read("said"))
}

/// Lets the mender propose `text`; returns the number.
fn propose(world: &World, text: &str) -> String {
    fs::write(world.folder.join("new.kdl"), text).unwrap();
    let (code, said) = inside(world, "mender", "fleet propose roster new.kdl --why 'it is slow'");
    assert_eq!(code, "0", "{said}");
    said.split("Proposed as ").nth(1).unwrap().split('.').next().unwrap().to_owned()
}

#[test]
fn who_may_compose_accepts_inside_the_envelope_and_nobody_else_but_people() {
    let world = World::new(As::User, Manager::Local);
    let first = roster(&world);
    world.roster(&first);
    world.apply(&["--yes"], 0);
    let grown = format!("{first}agent \"second\" {{ role \"tester\"; }}\n");
    let inner = propose(&world, &grown);
    let accept = format!("fleet propose accept {inner}");

    let (code, said) = inside(&world, "mender", &accept);
    assert_eq!((code.as_str(), said.contains("may not `compose`, so only a person accepts")), ("6", true), "{said}");
    // Without its variables, in a session of its own and with a parent that is gone it is the same agent.
    let disguised = format!(
        "rm -f end; env -u FLEET_ID -u FLEET_AGENT -u FLEET_FILE -u FLEET_RUN_NONCE setsid -f \
         sh -c 'fleet --fleet shop propose accept {inner}; echo $? >end'; until [ -s end ]; do sleep 0.05; done; exit $(cat end)"
    );
    let (code, said) = inside(&world, "mender", &disguised);
    assert_eq!((code.as_str(), said.contains("mender, in which this command runs")), ("6", true), "{said}");
    assert_eq!(world.read_roster(), first);

    outside_is_refused(&world, &first);
    an_edited_roster_gives_no_right(&world, &first);

    let (code, said) = inside(&world, "chief", &accept);
    assert_eq!((code.as_str(), said.contains(&format!("{inner} is accepted"))), ("0", true), "{said}");
    assert_eq!(world.read_roster(), grown);
    let said = world.fleet(&["messages", "--unread"], 0);
    assert!(said.contains(&format!("chief accepted {inner}, which stays inside the envelope")), "{said}");
    assert!(world.fleet(&["plan"], 0).contains("+ second"));

    // Tools and bugs are people's to answer, and so is every rejection.
    let (_, said) = inside(&world, "mender", "fleet propose tool --title 'a linter'");
    let tool = said.split("Proposed as ").nth(1).unwrap().split('.').next().unwrap().to_owned();
    for verb in ["accept", "reject"] {
        let (code, said) = inside(&world, "chief", &format!("fleet propose {verb} {tool}"));
        assert_eq!((code.as_str(), said.contains("only a person")), ("6", true), "{said}");
    }
    world.fleet(&["propose", "accept", &tool], 0);
    world.fleet(&["destroy", "--yes"], 0);
}

fn outside_is_refused(world: &World, first: &str) {
    for (wanted, why) in [
        (
            first.replace("role \"chief\" { may \"compose\"", "role \"chief\" { may \"compose\" \"operate\""),
            "`role \"chief\"` is not as it was",
        ),
        (format!("{first}agent \"other\" {{ role \"coder\"; runtime \"canary\"; }}\n"), "not for coder"),
        (
            format!("{first}agent \"other\" {{ role \"tester\"; secret \"KEY\" from=\"env:HOME\" as=\"env\"; }}\n"),
            "`secret \"KEY\"` is for its role to say",
        ),
    ] {
        let number = propose(world, &wanted);
        let (code, said) = inside(world, "chief", &format!("fleet propose accept {number}"));
        assert_eq!(
            (code.as_str(), said.contains(why), said.contains("leaves the envelope")),
            ("6", true, true),
            "{said}"
        );
        assert_eq!(world.read_roster(), first);
        // A person is not bound by it.
        world.fleet(&["propose", "reject", &number], 0);
    }
}

/// The envelope is that of the roster as it was applied, whoever has written another one into the file since.
fn an_edited_roster_gives_no_right(world: &World, first: &str) {
    let wide = first.replace("roles \"tester\"", "roles \"tester\" \"coder\"");
    world.roster(&wide);
    let number = propose(world, &format!("{wide}agent \"other\" {{ role \"coder\"; runtime \"canary\"; }}\n"));
    let (code, said) = inside(world, "chief", &format!("fleet propose accept {number}"));
    assert_eq!((code.as_str(), said.contains("is not as it was when the roster was applied")), ("6", true), "{said}");
    assert_eq!(world.read_roster(), wide);
    world.roster(first);
    world.fleet(&["propose", "reject", &number], 0);
}
