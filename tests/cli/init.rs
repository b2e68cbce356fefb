//! `fleet init`.

use std::fs;

use insta::assert_snapshot;

use super::bench::Bench;

#[test]
fn every_profile_is_valid_whatever_is_installed() {
    for clis in [&[][..], &["claude"], &["codex", "opencode", "node"], &["claude", "codex"]] {
        for profile in ["minimal", "local-canary", "general", "coding", "research", "hybrid"] {
            let bench = Bench::new();
            for cli in clis {
                bench.program(cli);
            }
            let said = bench.run(&["init", "--profile", profile]);
            assert_eq!(said.code, 0, "{}", said.all());
            let said = bench.run(&["validate"]);
            assert_eq!((said.code, said.err.as_str()), (0, ""), "{profile} with {clis:?}: {}", said.all());
            // And the machine has what it names.
            let said = bench.run(&["plan", "--manager=local"]);
            assert_eq!(said.code, 0, "{profile} with {clis:?}: {}", said.all());
        }
    }
}

#[test]
fn the_default_is_general_and_says_what_it_found() {
    let bench = Bench::new();
    bench.program("codex");
    assert_snapshot!(bench.run(&["init"]).all(), @r"
    exit 0
    ---- out
    Wrote [ROOT]/shop/fleet.kdl (profile general, fleet shop).
    Agent CLIs found: `codex`.
    Next: `fleet plan`, then `fleet apply`.
    ");
    assert_snapshot!(bench.plain(&fs::read_to_string(bench.work.join("fleet.kdl")).unwrap()));
}

#[test]
fn without_an_agent_cli_it_writes_canaries_and_says_so() {
    let bench = Bench::new();
    let said = bench.run(&["init", "--profile", "coding", "--dry-run"]);
    assert_snapshot!(said.all());
    assert!(!bench.work.join("fleet.kdl").exists());
}

#[test]
fn nothing_is_overwritten() {
    let bench = Bench::with("// mine\n");
    let said = bench.run(&["init"]);
    assert_snapshot!(said.all(), @r"
    exit 6
    ---- err
    error: [ROOT]/shop/fleet.kdl exists and is not overwritten
     help: edit it, or move it away first; --dry-run prints what would be written
    ");
    assert_eq!(fs::read_to_string(bench.work.join("fleet.kdl")).unwrap(), "// mine\n");
}

#[test]
fn a_folder_without_letters_needs_an_id() {
    let bench = Bench::new();
    let odd = bench.work.join("2024");
    fs::create_dir(&odd).unwrap();
    let said = bench.run(&["init", odd.to_str().unwrap()]);
    assert_eq!(said.code, 64, "{}", said.all());
    assert!(said.err.contains("--id"), "{}", said.err);
    assert_eq!(bench.run(&["init", odd.to_str().unwrap(), "--id", "shop"]).code, 0);
    assert_eq!(bench.run(&["init", "/nowhere/at/all"]).code, 1);
}
