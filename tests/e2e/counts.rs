//! What fleet asks of systemd, counted on the real bus; and which programs it starts.

use std::fs;

use crate::support::{As, LONG, output};
use crate::world::{Manager, World};

fn roster(agents: usize, description: &str) -> String {
    let mut text = String::from(
        "fleet \"many\" version=1 supervise=#false\nfloor \"exempt\" reason=\"x\"\ndefaults { runtime \"canary\"; stop-timeout \"5s\"; }\n",
    );
    for number in 0..agents {
        text += &format!("agent \"a{number}\" {{ role \"coder\"; description \"{description}\"; }}\n");
    }
    text
}

/// However many agents there are: one question for a plan, one reload for an apply, none for nothing.
#[test]
fn questions_and_reloads_do_not_grow_with_the_fleet() {
    let world = World::new(As::User, Manager::Systemd);
    for agents in [2, 12] {
        world.roster(&roster(agents, "first"));
        let calls = world.bus_calls(&["apply", "--manager=systemd"], 0);
        assert_eq!(calls.get("Reload"), Some(&1), "{calls:?}");
        let asked =
            |calls: &std::collections::BTreeMap<String, u32>, name: &str| calls.get(name).copied().unwrap_or(0);
        let calls = world.bus_calls(&["plan"], 0);
        assert_eq!(asked(&calls, "ListUnitsByPatterns"), 1, "{calls:?}");
        let all: u32 = calls.values().sum();
        assert!(all <= 4, "a plan of {agents} agents makes {all} calls: {calls:?}");
        let calls = world.bus_calls(&["apply"], 0);
        assert_eq!(asked(&calls, "Reload") + asked(&calls, "StartUnit") + asked(&calls, "StopUnit"), 0, "{calls:?}");
        // A change that only the units see: one reload, and no process is touched.
        world.roster(&roster(agents, "second"));
        let calls = world.bus_calls(&["apply"], 0);
        assert_eq!(
            (asked(&calls, "Reload"), asked(&calls, "StartUnit"), asked(&calls, "StopUnit")),
            (1, 0, 0),
            "{calls:?}"
        );
    }
    world.fleet(&["destroy", "--yes"], 0);
}

/// What `fleet` does to have a process: programs it starts, and processes that are no threads of it.
fn started(world: &World, arguments: &[&str]) -> Vec<String> {
    let log = world.manager.base.join("tmp/started");
    let mut command = world.manager.command("strace");
    command.args(["-f", "-qq", "-e", "trace=execve,execveat,clone,clone3,fork,vfork", "-e", "signal=none", "-o"]);
    command.arg(&log).arg("--").arg(world.program()).args(arguments);
    let said = output(command.current_dir(&world.folder).env("LANG", "C.UTF-8"), LONG);
    assert!(said.status.success(), "{arguments:?}: {said:?}");
    let text = fs::read_to_string(log).unwrap();
    let mut calls: Vec<String> = text.lines().map(str::to_owned).collect();
    // The second half of a call that another thread cut in two says nothing more of it.
    calls.retain(|call| !call.contains("CLONE_THREAD") && !call.contains(" resumed>"));
    calls
}

/// A plan looks for itself, whoever runs the agents: it starts no program and forks nothing.
#[test]
fn a_plan_starts_no_program() {
    for kind in [Manager::Systemd, Manager::Local] {
        let world = World::new(As::User, kind);
        let repository = world.folder.join("code");
        let git = |words: &[&str]| {
            let mut command = world.manager.command("git");
            command.args(["-c", "user.name=a", "-c", "user.email=a@b", "-C"]).arg(&repository).args(words);
            let said = output(&mut command, LONG);
            assert!(said.status.success(), "git {words:?}: {said:?}");
        };
        let made = world.manager.command("mkdir").arg(&repository).status().unwrap();
        assert!(made.success());
        git(&["init", "-q"]);
        git(&["commit", "-q", "--allow-empty", "-m", "first"]);
        // All that a plan might ask somebody else about: variables of the manager, programs, repositories.
        let secrets = "secret \"H\" from=\"env:HOME\"; secret \"C\" from=\"cmd:echo x\";";
        let extra = format!(
            "agent \"s\" {{ role \"coder\"; {secrets} }}\nagent \"t\" {{ role \"coder\"; dir \"code\"; worktree; }}\n"
        );
        // So many that they are looked at by several threads.
        world.roster(&(roster(130, "first") + &extra));
        let manager = format!("--manager={}", kind.word());
        let before = started(&world, &["plan", &manager]);
        assert_eq!(before.len(), 1, "only fleet itself, before the first apply: {before:#?}");
        world.roster(&(roster(10, "first") + &extra));
        world.apply(&[], 0);
        for description in ["first", "second"] {
            world.roster(&(roster(10, description) + &extra));
            let calls = started(&world, &["plan"]);
            assert_eq!(calls.len(), 1, "only fleet itself: {calls:#?}");
            assert!(calls[0].contains("execve(") && calls[0].contains("\"plan\""), "{calls:?}");
        }
        // The counting sees what an apply starts.
        let calls = started(&world, &["apply"]);
        let expected = if kind == Manager::Systemd { "systemd-analyze" } else { "\"apply\"" };
        assert!(calls.iter().any(|call| call.contains(expected)), "{calls:#?}");
        world.fleet(&["destroy", "--yes"], 0);
    }
}
