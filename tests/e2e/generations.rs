//! The way back: generations, rollback, and saved plans on real machines.

use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::{As, LONG, output, wait_for};
use crate::world::{Manager, World};

const HEAD: &str = "fleet \"shop\" version=1 supervise=#false\nfloor \"exempt\" reason=\"x\"\ndefaults { runtime \"canary\"; stop-timeout \"5s\"; restart \"never\"; }\n";

fn write(world: &World, name: &str, text: &str) {
    let path = world.folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Everything of an earlier generation comes back, also what was included and is gone.
#[test]
fn a_rollback_needs_no_file_of_the_roster() {
    for kind in [Manager::Systemd, Manager::Local] {
        let world = World::new(As::User, kind);
        world.roster(&format!("{HEAD}include \"more.kdl\"\nagent \"one\" {{ role \"special\"; }}\n"));
        write(&world, "more.kdl", "agent \"two\" { role \"coder\"; prompt file=\"hello.txt\"; }\n");
        write(&world, "roles/special.md", "---\nmay \"code\"\n---\nThe first text.\n");
        write(&world, "hello.txt", "hello\n");
        world.apply(&[], 0);
        let pid = world.pid("one");
        let before = world.fingerprint_of_texts();
        // Another role text, and one agent less.
        world.roster(&format!("{HEAD}agent \"one\" {{ role \"special\"; }}\nagent \"new\" {{ role \"coder\"; }}\n"));
        write(&world, "roles/special.md", "---\nmay \"code\"\n---\nThe second text.\n");
        fs::remove_file(world.folder.join("more.kdl")).unwrap();
        fs::remove_file(world.folder.join("hello.txt")).unwrap();
        world.apply(&["--yes", "--restart=now"], 0);
        assert_ne!(world.fingerprint_of_texts(), before);
        let second = world.pid("one");
        assert_ne!(second, pid);
        let said = world.fleet(&["plan", "--generation", "1"], 0);
        assert!(said.contains("two") && said.contains("This interrupts"), "{said}");
        // Somebody has to agree to what it interrupts.
        world.fleet(&["rollback"], 6);
        assert_eq!(world.pid("one"), second);
        let said = world.fleet(&["rollback", "--yes", "--restart=now"], 0);
        assert!(said.contains("fleet.kdl was not touched"), "{said}");
        assert_eq!(world.fingerprint_of_texts(), before);
        assert!(world.status()["agents"].as_array().unwrap().iter().any(|agent| agent["name"] == "two"));
        let history = world.fleet(&["history"], 0);
        assert!(history.contains("*    3") && history.contains("back to 1"), "{history}");
        let said = world.fleet(&["rollback", "9"], 1);
        assert!(said.contains("no generation 9") && said.contains("kept are 1, 2, 3"), "{said}");
        // The roster as it stands is one apply away.
        world.apply(&["--yes", "--restart=now"], 0);
        world.assert_nothing_to_do();
        world.fleet(&["destroy", "--yes"], 0);
    }
}

#[test]
fn a_saved_plan_is_applied_once_and_only_as_it_was_read() {
    let world = World::new(As::User, Manager::Local);
    let one = "agent \"one\" { role \"special\"; }\n";
    let two = "agent \"two\" { role \"coder\"; prompt file=\"hello.txt\"; runtime \"own\"; }\n";
    let roster = format!("{HEAD}include \"more.kdl\"\n{one}");
    world.roster(&roster);
    write(&world, "more.kdl", two);
    write(&world, "roles/special.md", "---\nmay \"code\"\n---\nThe text.\n");
    write(&world, "runtimes/own.kdl", "runtime \"own\" {\n    program \"sleep\"\n    args \"1000000\"\n}\n");
    write(&world, "hello.txt", "hello\n");
    let plan = world.folder.join("the.plan").display().to_string();
    let save = || world.fleet(&["plan", "--manager=local", "--out", &plan], 0);
    let refused = |words: &str| {
        let before = world.fingerprint();
        let said = world.fleet(&["apply", &plan], 5);
        assert!(said.contains(words), "{words:?} is not in:\n{said}");
        assert_eq!(world.fingerprint(), before, "a refused plan changed something");
    };
    // A slip: nothing but a plan is replaced by one.
    let said = world.fleet(&["plan", "--manager=local", "--out", "fleet.kdl"], 6);
    assert!(said.contains("is no saved plan") && world.read_roster() == roster, "{said}");
    save();
    assert!(world.fleet(&["show", &plan], 0).contains("Plan: 2 to add"));
    world.fleet(&["apply", &plan], 0);
    // Its log is begun by then, which would count as a change of its folder.
    world.wait_for_state("one", &["idle"]);
    refused("it was applied already, as generation 1");
    save();
    for (file, changed) in [
        ("fleet.kdl", format!("{roster}// a remark\n")),
        ("more.kdl", format!("{two}// a remark\n")),
        ("roles/special.md", "---\nmay \"code\"\n---\nThe other text.\n".to_owned()),
        ("runtimes/own.kdl", "runtime \"own\" {\n    program \"sleep\"\n    args \"2000000\"\n}\n".to_owned()),
        ("hello.txt", "goodbye\n".to_owned()),
    ] {
        let kept = fs::read_to_string(world.folder.join(file)).unwrap();
        write(&world, file, &changed);
        refused(&format!("{file} has changed"));
        write(&world, file, &kept);
    }
    // The machine, behind the plan's back.
    let manifest = world.state_folder().join("shop/agents/one/manifest.json");
    let kept = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, kept.replace("\"rows\": 50", "\"rows\": 51")).unwrap();
    refused("manifest.json");
    fs::write(&manifest, kept).unwrap();
    kill(Pid::from_raw(i32::try_from(world.pid("one")).unwrap()), Signal::SIGKILL).unwrap();
    wait_for("its end is seen", || world.agent("one")["state"] == "stopped");
    refused("one was: running");
    world.apply(&[], 0);
    refused("one was: running");
    save();
    world.fleet(&["stop", "two"], 0);
    refused("start, stop, or an apply");
    world.fleet(&["start", "two"], 0);
    save();
    world.fleet(&["restart", "two"], 0);
    refused("two was: running");
    // Another host, which the file says.
    save();
    let text = fs::read_to_string(&plan).unwrap();
    fs::write(&plan, text.replacen("\"made\"", "\"mode\"", 1)).unwrap();
    let said = world.fleet(&["apply", &plan], 6);
    assert!(said.contains("changed after it was saved"), "{said}");
    // A plan that interrupts is agreed to by saving it; a part of a plan stays one.
    world.roster(&roster.replace("\"special\"; }", "\"special\"; env \"A\" \"1\"; }"));
    write(&world, "more.kdl", &two.replace("two\" {", "two\" { description \"d\";"));
    world.fleet(&["plan", "--manager=local", "--only", "one", "--out", &plan], 0);
    let two_before = world.pid("two");
    world.fleet(&["apply", "--restart=now", &plan], 0);
    assert_eq!(world.pid("two"), two_before);
    let rest = world.plan();
    let open: Vec<_> = rest.iter().filter(|line| line["type"] == "agent").map(|line| line["agent"].clone()).collect();
    assert_eq!(open, ["two"]);
    let said = world.fleet(&["plan", "--only", "on"], 64);
    assert!(said.contains("did you mean `one`"), "{said}");
    let said = world.fleet(&["plan", "--only", "one", "--why", "two"], 0);
    assert!(said.contains("left out by --only") && !said.contains("nothing differs"), "{said}");
    let said = world.fleet(&["plan", "--generation", &world.status()["generation"].to_string()], 0);
    assert!(said.contains("was applied in part, without the changes of two"), "{said}");
    world.fleet(&["destroy", "--yes"], 0);
}

/// A new name keeps the log, and a start under it is the only interruption.
#[test]
fn a_renamed_agent_keeps_its_log() {
    for kind in [Manager::Systemd, Manager::Local] {
        let world = World::new(As::User, kind);
        let other = "agent \"other\" { role \"coder\"; }\n";
        world.roster(&format!("{HEAD}agent \"one\" {{ role \"coder\"; }}\n{other}"));
        world.apply(&[], 0);
        world.wait_for_state("one", &["idle"]);
        world.fleet(&["send", "one", "--", "remember this"], 0);
        let agents = world.state_folder().join("shop/agents");
        let holds = |name: &str| {
            fs::read(agents.join(name).join("log"))
                .is_ok_and(|log| String::from_utf8_lossy(&log).contains("remember this"))
        };
        wait_for("the log holds it", || holds("one"));
        let untouched = world.pid("other");
        world.wait_for_state("one", &["idle"]);
        world.fleet(&["rename", "one", "two"], 0);
        let said = world.fleet(&["plan"], 0);
        assert!(said.contains("rename, restart") && said.contains("0 to remove (1 restart)"), "{said}");
        world.apply(&[], 6);
        world.apply(&["--yes"], 0);
        assert!(holds("two") && !agents.join("one").exists(), "under {kind:?}");
        assert_ne!(world.agent("two")["state"], "stopped");
        assert_eq!(world.pid("other"), untouched);
        world.assert_nothing_to_do();
        world.fleet(&["destroy", "--yes"], 0);
    }
}

/// What was cut off is told as such, by the record of the generation.
#[test]
fn a_killed_apply_is_in_the_history() {
    let world = World::new(As::User, Manager::Local);
    world.roster(&format!("{HEAD}agent \"one\" {{ role \"coder\"; }}\n"));
    world.apply(&[], 0);
    world.wait_for_state("one", &["idle"]);
    world.fleet(&["send", "one", "--", "busy"], 0);
    world.roster(&format!("{HEAD}agent \"one\" {{ role \"coder\"; runtime \"canary\" {{ script {{ ignore \"TERM\"; wait; hang; }}; }}; }}\n"));
    let mut command = world.command(&["apply", "--manager=local", "--yes", "--restart=idle", "--wait=600"]);
    let mut child = command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap();
    wait_for("the second generation is begun", || {
        world.state_folder().join("shop/generations/2/generation.json").exists()
    });
    let _ = child.kill();
    child.wait().unwrap();
    let history = world.fleet(&["history"], 0);
    let done = history.lines().find(|line| line.trim_start_matches(['*', ' ']).starts_with('2')).unwrap();
    assert!(done.contains("cut off") || done.contains("done"), "{history}");
    let said = output(&mut world.command(&["history", "--json"]), LONG);
    assert_eq!(String::from_utf8(said.stdout).unwrap().lines().count(), 2);
    world.fleet(&["destroy", "--yes"], 0);
}
