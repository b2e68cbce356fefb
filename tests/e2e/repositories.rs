//! Repositories and worktrees in states that people bring them into.

use std::fs;
use std::path::Path;

use crate::support::As;
use crate::worktrees::{HEAD, git, repository, worktrees};
use crate::world::{Manager, World};

const ONE: &str = "agent \"one\" { role \"coder\"; worktree; }\n";

/// The same agent under another name.
const TWO: &str = "agent \"two\" { role \"coder\"; was \"one\"; worktree; }\n";

fn sh(world: &World, script: &str) {
    let mut command = world.manager.command("sh");
    assert!(command.args(["-ec", script]).current_dir(&world.folder).status().unwrap().success(), "{script}");
}

/// `workspace` may be a worktree or a submodule itself: the next plan must know again what the last apply made.
#[test]
fn a_worktree_of_a_worktree_or_of_a_submodule_is_known_again() {
    let world = World::new(As::User, Manager::Local);
    let folder = repository(&world);
    git(&world, &folder, &["worktree", "add", "--quiet", "-b", "side", "../linked"]);
    git(&world, &world.folder, &["init", "--quiet", "super"]);
    let add = ["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", "../repo", "sub"];
    git(&world, &world.folder.join("super"), &add);
    for workspace in ["linked", "super/sub"] {
        world.roster(&format!("{}{ONE}", HEAD.replace("\"repo\"", &format!("\"{workspace}\""))));
        world.apply(&[], 0);
        assert!(worktrees(&world).join("one/README").exists());
        world.assert_nothing_to_do();
        world.fleet(&["destroy", "--yes"], 0);
        let one = worktrees(&world).join("one").display().to_string();
        git(&world, &world.folder.join(workspace), &["worktree", "remove", "--force", &one]);
        git(&world, &world.folder.join(workspace), &["branch", "-D", "fleet/shop/one"]);
    }
}

/// An apply that could not make a worktree has no claim to what somebody puts there afterwards.
#[test]
fn a_worktree_made_by_hand_after_a_failure_keeps_its_work() {
    let world = World::new(As::User, Manager::Local);
    let folder = repository(&world);
    let one = worktrees(&world).join("one");
    git(&world, &folder, &["worktree", "add", "--quiet", "-b", "taken", "../elsewhere"]);
    world.roster(&format!("{HEAD}agent \"one\" {{ role \"coder\"; worktree branch=\"taken\"; }}\n"));
    world.apply(&[], 3);
    git(&world, &folder, &["worktree", "move", "../elsewhere", one.to_str().unwrap()]);
    sh(&world, &format!("echo precious > {}/work", one.display()));
    world.apply(&[], 0);
    assert_eq!(fs::read_to_string(one.join("work")).unwrap(), "precious\n");
    world.assert_nothing_to_do();
    world.fleet(&["destroy", "--yes"], 0);
}

/// The folder is gone, the commits are not: whoever takes the name over goes on with them.
#[test]
fn an_heir_goes_on_with_the_branch_of_a_deleted_worktree() {
    let world = World::new(As::User, Manager::Local);
    repository(&world);
    world.roster(&format!("{HEAD}{ONE}"));
    world.apply(&[], 0);
    let one = worktrees(&world).join("one");
    sh(&world, &format!("echo done > {}/work", one.display()));
    git(&world, &one, &["-c", "core.fsmonitor=false", "add", "work"]);
    git(&world, &one, &["-c", "core.fsmonitor=false", "commit", "--quiet", "-m", "work"]);
    sh(&world, &format!("rm -r {}", one.display()));
    world.roster(&format!("{HEAD}{TWO}"));
    world.apply(&["--yes", "--restart=now"], 0);
    assert_eq!(fs::read_to_string(worktrees(&world).join("two/work")).unwrap(), "done\n");
    world.assert_nothing_to_do();
    world.fleet(&["destroy", "--yes"], 0);
}

/// A process in a deleted folder can do nothing: it is told apart from one that goes on as before.
#[test]
fn an_agent_whose_worktree_was_deleted_under_it_is_restarted() {
    let world = World::new(As::User, Manager::Local);
    repository(&world);
    world.roster(&format!("{HEAD}{ONE}"));
    world.apply(&[], 0);
    let pid = world.pid("one");
    sh(&world, &format!("rm -r {}", worktrees(&world).join("one").display()));
    let said = world.apply(&[], 6);
    assert!(said.contains("its worktree is not there any more; a restart loses"), "{said}");
    world.apply(&["--yes", "--restart=now"], 0);
    assert_ne!(world.pid("one"), pid);
    assert!(Path::new(&worktrees(&world).join("one/README")).exists());
    world.assert_nothing_to_do();
    world.fleet(&["destroy", "--yes"], 0);
}

/// The way back over a change of name is a change of name: log, worktree and branch come along.
#[test]
fn a_rollback_over_a_rename_takes_worktree_and_log_along() {
    let world = World::new(As::User, Manager::Local);
    repository(&world);
    world.roster(&format!("{HEAD}{ONE}"));
    world.apply(&[], 0);
    world.wait_for_state("one", &["idle"]);
    world.fleet(&["send", "one", "--", "remember this"], 0);
    let one = worktrees(&world).join("one");
    sh(&world, &format!("echo mine > {}/work", one.display()));
    world.roster(&format!("{HEAD}{TWO}"));
    world.apply(&["--yes", "--restart=now"], 0);
    // Twice: the last name counts, not the one that followed first.
    world.roster(&format!("{HEAD}{}", TWO.replace("two", "three").replace("one", "two")));
    world.apply(&["--yes", "--restart=now"], 0);
    let said = world.fleet(&["plan", "--generation", "1"], 0);
    assert!(said.contains("was three: keeps its log") && said.contains("0 to remove"), "{said}");
    let said = world.fleet(&["rollback", "1"], 6);
    assert!(said.contains("`fleet rollback 1 --yes`"), "{said}");
    world.fleet(&["rollback", "1", "--yes", "--restart=now"], 0);
    assert_eq!(fs::read_to_string(one.join("work")).unwrap(), "mine\n");
    assert_eq!(git(&world, &one, &["-c", "core.fsmonitor=false", "branch", "--show-current"]), "fleet/shop/one");
    let log = fs::read(world.state_folder().join("shop/agents/one/log")).unwrap();
    assert!(String::from_utf8_lossy(&log).contains("remember this"));
    assert_ne!(world.agent("one")["state"], "stopped");
    world.fleet(&["plan", "--generation", "1", "--detailed-exitcode"], 0);
    world.fleet(&["destroy", "--yes"], 0);
}

/// A repository somebody has just begun: what is missing is a first commit, whatever git says of it.
#[test]
fn a_repository_without_a_commit_is_told_as_such() {
    let world = World::new(As::User, Manager::Local);
    git(&world, &world.folder, &["init", "--quiet", "repo"]);
    world.roster(&format!("{}{ONE}", HEAD.replace(" base=\"main\"", "")));
    let said = world.apply(&[], 3);
    assert!(said.contains("the repository has no commit to start from"), "{said}");
    let identity = "-c user.name=ada -c user.email=ada@example.org";
    sh(&world, &format!("git -C repo {identity} commit --quiet --allow-empty -m first"));
    world.apply(&[], 0);
    world.assert_nothing_to_do();
    world.fleet(&["destroy", "--yes"], 0);
}

/// What stands where a worktree was is no reason to say that all is well.
#[test]
fn a_stranger_in_the_place_of_a_worktree_is_no_match() {
    let world = World::new(As::User, Manager::Local);
    repository(&world);
    let both = format!("{HEAD}{ONE}agent \"other\" {{ role \"coder\"; }}\n");
    world.roster(&both);
    world.apply(&[], 0);
    let one = worktrees(&world).join("one").display().to_string();
    sh(&world, &format!("mv {one} {one}-away; mkdir {one}; echo mine > {one}/file"));
    let said = world.fleet(&["plan", "--detailed-exitcode"], 2);
    assert!(said.contains("something is in the way") && !said.contains("matches the roster"), "{said}");
    let said = world.apply(&["--yes"], 6);
    assert!(said.contains("worktrees/one is in the way"), "{said}");
    // It is in nobody else's way.
    world.roster(&both.replace("other\" {", "other\" { description \"x\";"));
    world.apply(&["--only", "other"], 0);
    sh(&world, &format!("rm -r {one}; mv {one}-away {one}"));
    world.assert_nothing_to_do();
    world.fleet(&["destroy", "--yes"], 0);
}

/// A name that an earlier agent had: its log and its worktree are not taken for the heir's.
#[test]
fn an_heir_does_not_take_the_leftovers_of_its_name_for_its_own() {
    let world = World::new(As::User, Manager::Local);
    repository(&world);
    let other = "agent \"other\" { role \"coder\"; }\n";
    world.roster(&format!("{HEAD}{other}{}", ONE.replace("one", "two")));
    world.apply(&[], 0);
    world.wait_for_state("two", &["idle"]);
    world.roster(&format!("{HEAD}{other}{ONE}"));
    world.apply(&["--yes"], 0);
    world.wait_for_state("one", &["idle"]);
    let pid = world.pid("one");
    world.roster(&format!("{HEAD}{other}{TWO}"));
    let said = world.apply(&["--yes", "--restart=now"], 6);
    assert!(said.contains("worktrees/two is in the way"), "{said}");
    let left = worktrees(&world).join("two").display().to_string();
    sh(&world, &format!("mv {left} {left}-away"));
    let said = world.apply(&["--yes", "--restart=now"], 6);
    assert!(said.contains("agents/two/log is of an earlier agent") && world.pid("one") == pid, "{said}");
    let left = world.state_folder().join("shop/agents/two").display().to_string();
    sh(&world, &format!("mv {left} kept"));
    world.apply(&["--yes", "--restart=now"], 0);
    let two = worktrees(&world).join("two");
    assert_eq!(git(&world, &two, &["-c", "core.fsmonitor=false", "branch", "--show-current"]), "fleet/shop/one");
    world.assert_nothing_to_do();
    world.fleet(&["destroy", "--yes"], 0);
}

/// What an heir could not take over stays with the old name until it can.
#[test]
fn a_change_of_name_that_fails_loses_nothing() {
    let world = World::new(As::User, Manager::Local);
    let folder = repository(&world);
    world.roster(&format!("{HEAD}{ONE}"));
    world.apply(&[], 0);
    world.wait_for_state("one", &["idle"]);
    let one = worktrees(&world).join("one");
    sh(&world, &format!("echo mine > {}/work", one.display()));
    git(&world, &folder, &["worktree", "lock", one.to_str().unwrap()]);
    world.roster(&format!("{HEAD}{TWO}"));
    let said = world.apply(&["--yes", "--restart=now"], 3);
    assert!(said.contains("locked") && said.contains("two has not taken over yet"), "{said}");
    assert!(world.state_folder().join("shop/agents/one/log").exists());
    git(&world, &folder, &["worktree", "unlock", one.to_str().unwrap()]);
    world.apply(&["--yes", "--restart=now"], 0);
    assert_eq!(fs::read_to_string(worktrees(&world).join("two/work")).unwrap(), "mine\n");
    assert!(!world.state_folder().join("shop/agents/one").exists());
    assert!(world.state_folder().join("shop/agents/two/log").exists());
    world.assert_nothing_to_do();
    world.fleet(&["destroy", "--yes"], 0);
}
