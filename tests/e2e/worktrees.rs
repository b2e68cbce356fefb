//! Worktrees on a real repository: made once, kept for ever, and never at anybody's cost.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{As, LONG, output};
use crate::world::{Manager, World};

pub const HEAD: &str = "fleet \"shop\" version=1 supervise=#false\nfloor \"exempt\" reason=\"x\"\nworkspace \"repo\" base=\"main\"\ndefaults { runtime \"canary\"; stop-timeout \"5s\"; restart \"never\"; }\n";

pub fn git(world: &World, folder: &Path, words: &[&str]) -> String {
    let mut command = world.manager.command("git");
    command.args(["-c", "user.name=ada", "-c", "user.email=ada@example.org", "-C"]).arg(folder).args(words);
    let said = output(&mut command, LONG);
    assert!(said.status.success(), "git {words:?}: {}", String::from_utf8_lossy(&said.stderr));
    String::from_utf8(said.stdout).unwrap().trim().to_owned()
}

/// A repository with one commit on `main`, whose hooks would leave a trace.
pub fn repository(world: &World) -> PathBuf {
    let folder = world.folder.join("repo");
    let trace = world.folder.join("hook-ran");
    git(world, &world.folder, &["init", "--quiet", "--initial-branch=main", "repo"]);
    let script = format!(
        "echo x > README && mkdir -p .git/hooks && printf '#!/bin/sh\\ntouch {0}\\n' > .git/hooks/post-checkout && chmod +x .git/hooks/post-checkout && git config core.fsmonitor 'touch {0}'",
        trace.display()
    );
    assert!(world.manager.command("sh").args(["-c", &script]).current_dir(&folder).status().unwrap().success());
    git(world, &folder, &["-c", "core.fsmonitor=false", "add", "README"]);
    git(world, &folder, &["-c", "core.fsmonitor=false", "commit", "--quiet", "-m", "first"]);
    let _ = fs::remove_file(trace);
    folder
}

pub fn worktrees(world: &World) -> PathBuf {
    world.manager.variable("XDG_DATA_HOME").join("fleet/shop/worktrees")
}

#[test]
fn worktrees_are_made_and_kept() {
    for who in As::all() {
        let world = World::new(*who, Manager::Local);
        let agents = |two: &str| {
            format!(
                "{HEAD}agent \"one\" {{ role \"coder\"; worktree; }}\nagent \"{two}\" {{ role \"code-review\"; worktree readonly=#true; }}\n"
            )
        };
        world.roster(&agents("two"));
        // Without a repository it is a mistake of the roster, before anything is done.
        assert!(world.manager.command("mkdir").arg(world.folder.join("repo")).status().unwrap().success());
        let said = world.fleet(&["plan", "--manager=local"], 1);
        assert!(said.contains("needs a git repository"), "{said}");
        let folder = repository(&world);
        let said = world.fleet(&["plan", "--manager=local"], 0);
        assert!(said.contains("branch fleet/shop/one from main") && said.contains("on no branch"), "{said}");
        world.apply(&[], 0);
        let (one, two) = (worktrees(&world).join("one"), worktrees(&world).join("two"));
        assert!(!world.folder.join("hook-ran").exists(), "a hook of the repository's ran");
        assert_eq!(git(&world, &one, &["-c", "core.fsmonitor=false", "branch", "--show-current"]), "fleet/shop/one");
        assert_eq!(git(&world, &two, &["-c", "core.fsmonitor=false", "branch", "--show-current"]), "");
        assert_eq!(fs::read_to_string(one.join("README")).unwrap(), "x\n");
        let manifest = fs::read_to_string(world.state_folder().join("shop/agents/one/manifest.json")).unwrap();
        assert!(manifest.contains(&format!("\"dir\": \"{}\"", one.display())), "{manifest}");
        world.assert_nothing_to_do();
        // Work that nobody has committed outlives removal, destroy and a new beginning.
        let status = world.manager.command("sh").args(["-c", "echo mine > work"]).current_dir(&one).status().unwrap();
        assert!(status.success());
        world.roster(&format!("{HEAD}agent \"three\" {{ role \"coder\"; was \"one\"; worktree; }}\nagent \"two\" {{ role \"code-review\"; worktree readonly=#true; }}\n"));
        world.apply(&["--yes", "--restart=now"], 0);
        let three = worktrees(&world).join("three");
        assert!(!one.exists());
        assert_eq!(fs::read_to_string(three.join("work")).unwrap(), "mine\n");
        assert_eq!(
            git(&world, &three, &["-c", "core.fsmonitor=false", "branch", "--show-current"]),
            "fleet/shop/one"
        );
        world.assert_nothing_to_do();
        world.roster(&format!("{HEAD}agent \"two\" {{ role \"code-review\"; worktree readonly=#true; }}\n"));
        let said = world.apply(&["--yes"], 0);
        assert!(said.contains("worktrees/three stay"), "{said}");
        let said = world.fleet(&["destroy", "--yes"], 0);
        assert!(said.contains("worktrees/two"), "{said}");
        assert_eq!(fs::read_to_string(three.join("work")).unwrap(), "mine\n");
        world.roster(&format!("{HEAD}agent \"three\" {{ role \"coder\"; worktree branch=\"fleet/shop/one\"; }}\n"));
        world.apply(&[], 0);
        assert_eq!(fs::read_to_string(three.join("work")).unwrap(), "mine\n");
        world.fleet(&["destroy", "--yes"], 0);
        assert_eq!(git(&world, &folder, &["-c", "core.fsmonitor=false", "status", "--porcelain"]), "");
    }
}

/// Nothing of somebody else's is taken for a worktree, and one that cannot be made stops its own agent only.
#[test]
fn what_stands_in_the_way_stays() {
    let world = World::new(As::User, Manager::Local);
    let folder = repository(&world);
    let one = worktrees(&world).join("one");
    let make = |script: &str| {
        assert!(world.manager.command("sh").args(["-c", script]).current_dir(&folder).status().unwrap().success());
    };
    make(&format!("mkdir -p {0} && echo precious > {0}/file", one.display()));
    world.roster(&format!("{HEAD}agent \"one\" {{ role \"coder\"; worktree; }}\n"));
    let said = world.apply(&[], 6);
    assert!(said.contains("worktrees/one is in the way"), "{said}");
    assert_eq!(fs::read_to_string(one.join("file")).unwrap(), "precious\n");
    make(&format!("rm -r {}", one.display()));
    world.roster(&format!(
        "{}agent \"one\" {{ role \"coder\"; worktree; }}\n",
        HEAD.replace("\"main\"", "\"nowhere\"")
    ));
    let said = world.apply(&[], 3);
    assert!(said.contains("the repository has no branch nowhere with a commit"), "{said}");
    // A branch that another worktree has.
    git(
        &world,
        &folder,
        &["-c", "core.fsmonitor=false", "worktree", "add", "--quiet", "-b", "taken", "../elsewhere"],
    );
    world.roster(&format!(
        "{HEAD}agent \"one\" {{ role \"coder\"; worktree branch=\"taken\"; }}\nagent \"two\" {{ role \"coder\"; worktree; }}\n"
    ));
    let said = world.apply(&[], 3);
    assert!(said.contains("the branch taken is checked out at") && said.contains("done     two"), "{said}");
    assert_ne!(world.agent("two")["state"], "stopped");
    // A half-made one, as a killed apply leaves it, is made again; a finished one is never touched.
    world.roster(&format!(
        "{HEAD}agent \"one\" {{ role \"coder\"; worktree; }}\nagent \"two\" {{ role \"coder\"; worktree; }}\n"
    ));
    git(
        &world,
        &folder,
        &[
            "-c",
            "core.fsmonitor=false",
            "worktree",
            "add",
            "--quiet",
            "--no-checkout",
            "-b",
            "fleet/shop/one",
            one.to_str().unwrap(),
        ],
    );
    // Until it is whole, git holds it under a lock with just this reason.
    git(&world, &folder, &["worktree", "lock", "--reason", "initializing", one.to_str().unwrap()]);
    let said = world.apply(&[], 0);
    assert_eq!(fs::read_to_string(one.join("README")).unwrap(), "x\n", "{said}");
    // Deleted by hand, it is made again, with its branch.
    world.fleet(&["stop", "two"], 0);
    make(&format!("rm -r {}", worktrees(&world).join("two").display()));
    world.apply(&[], 0);
    assert!(worktrees(&world).join("two/README").exists());
    // A roster in a worktree governs nobody.
    make(&format!("cp ../fleet.kdl {}", one.join("fleet.kdl").display()));
    let inside = one.join("fleet.kdl").display().to_string();
    let said = world.fleet(&["apply", "--move-roster", "--file", &inside], 6);
    assert!(said.contains("a worktree that fleet made"), "{said}");
    world.fleet(&["destroy", "--yes"], 0);
}
