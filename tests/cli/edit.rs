//! `fleet add`, `remove`, `rename`, `migrate`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use insta::assert_snapshot;

use super::bench::Bench;

const ROSTER: &str = "// Ours.\nfleet \"shop\" version=1\n\ndefaults { runtime \"canary\" }\n\norchestrator \"lead\"\n\n\
    enhancer \"mender\"    // improves\n\nagent \"coder\" count=2 {\n    role \"coder\"\n    after \"lead\"\n}\n\n\
    agent \"reviewer\" { role \"code-review\"; after \"coder\" \"lead\" }\n";

fn text(bench: &Bench) -> String {
    fs::read_to_string(bench.work.join("fleet.kdl")).unwrap()
}

#[test]
fn an_agent_is_added() {
    let bench = Bench::with(ROSTER);
    let said = bench.run(&[
        "add",
        "tester",
        "--role",
        "generalist",
        "--runtime",
        "claude",
        "--model",
        "opus",
        "--after",
        "lead",
        "--dry-run",
    ]);
    assert_eq!(text(&bench), ROSTER);
    assert_snapshot!(said.all());
    let said = bench.run(&["add", "tester", "--role", "generalist"]);
    assert_eq!(said.code, 0, "{}", said.all());
    assert_eq!(text(&bench), format!("{ROSTER}\nagent \"tester\" {{\n    role \"generalist\"\n}}\n"));
    for (arguments, code) in [
        (&["add", "tester", "--role", "coder"][..], 1),
        (&["add", "coder-2", "--role", "coder"], 1),
        (&["add", "Tester", "--role", "coder"], 64),
        (&["add", "x", "--role", "cdoer"], 6),
        (&["add", "x"], 64),
        (&["add", "x", "--role", "coder", "--into", "other.kdl"], 1),
        (&["add", "boss", "--kind", "orchestrator"], 6),
        (&["add", "boss", "--kind", "enhancer", "--role", "coder"], 64),
    ] {
        let before = text(&bench);
        let said = bench.run(arguments);
        assert_eq!((said.code, text(&bench)), (code, before), "{arguments:?}: {}", said.all());
    }
}

#[test]
fn an_agent_is_removed_but_never_the_floor() {
    let bench = Bench::with(ROSTER);
    let said = bench.run(&["remove", "coder"]);
    assert_eq!(said.code, 0, "{}", said.all());
    assert_snapshot!(said.all());
    assert!(text(&bench).contains("agent \"reviewer\" { role \"code-review\"; after \"lead\" }"));
    for name in ["lead", "mender"] {
        let before = text(&bench);
        let said = bench.run(&["remove", name]);
        assert!(said.code == 6 && said.err.contains("F0303"), "{}", said.all());
        assert_eq!(text(&bench), before);
    }
    let said = bench.run(&["remove", "reviwer"]);
    assert!(said.code == 1 && said.err.contains("did you mean `reviewer`?"), "{}", said.all());
}

#[test]
fn one_of_a_group_is_not_removed_alone() {
    let said = Bench::with(ROSTER).run(&["remove", "coder-1"]);
    assert!(said.code == 1 && said.err.contains("group `coder`"), "{}", said.all());
}

#[test]
fn a_name_changes_in_every_file_and_links_and_modes_stay() {
    let bench = Bench::with(
        "fleet \"shop\" version=1\ninclude \"parts/team.kdl\"\nlayout { window \"w\" { pane \"coder-1\" } }\n",
    );
    fs::create_dir(bench.work.join("parts")).unwrap();
    let team = bench.work.join("parts/team.kdl");
    fs::write(&team, ROSTER.replace("fleet \"shop\" version=1\n\n", "")).unwrap();
    fs::set_permissions(&team, fs::Permissions::from_mode(0o640)).unwrap();
    let said = bench.run(&["rename", "coder", "dev"]);
    assert_snapshot!(said.all());
    assert!(fs::read_to_string(&team).unwrap().contains("after \"dev\" \"lead\""));
    assert_eq!(fs::metadata(&team).unwrap().permissions().mode() & 0o777, 0o640);
    // Never applied: there is no former name to keep.
    assert!(!fs::read_to_string(&team).unwrap().contains("was"));
    let said = bench.run(&["rename", "dev", "lead"]);
    assert!(said.code == 1 && said.err.contains("taken"), "{}", said.all());
}

#[test]
fn a_wrong_roster_is_not_edited() {
    let bench = Bench::with("fleet \"shop\" version=1\nagnet \"x\"\n");
    for arguments in [&["remove", "x"][..], &["rename", "x", "y"], &["add", "y", "--role", "coder"]] {
        let said = bench.run(arguments);
        assert!(said.code == 1 && said.err.contains("put them right first"), "{}", said.all());
    }
}

#[test]
fn an_old_roster_is_migrated() {
    let old = "fleet \"shop\"\nfloor \"exempt\" reason=\"x\" // why\nagent \"x\" {\n    role \"coder\"\n    runtime \"canary\"\n    autostart true\n    description r\"a\\b\"\n}\n";
    let bench = Bench::with(old);
    let said = bench.run(&["migrate", "--dry-run"]);
    assert_eq!(text(&bench), old);
    assert_snapshot!(said.all());
    assert_eq!(bench.run(&["migrate"]).code, 0);
    assert_eq!(bench.run(&["validate"]).code, 0);
    assert!(text(&bench).contains("reason=\"x\" // why"));
    assert!(bench.run(&["migrate"]).out.contains("Nothing to migrate."));
}
