//! Rosters of several files on a real disk, and what is made of them.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::bench::Bench;

const ROSTER: &str = "fleet \"shop\" version=1\nfloor \"exempt\" reason=\"x\"\ninclude \"parts/team.kdl\"\n";
const TEAM: &str = "agent \"coder\" count=2 {\n    role \"coder\"\n    runtime \"canary\"\n    dir \"desk\"\n}\n";

fn bench() -> Bench {
    let bench = Bench::with(ROSTER);
    fs::create_dir(bench.work.join("parts")).unwrap();
    fs::write(bench.work.join("parts/team.kdl"), TEAM).unwrap();
    bench
}

#[test]
fn paths_start_at_the_file_they_stand_in() {
    let said = bench().run(&["validate", "--expand"]);
    assert!(said.code == 0 && said.out.contains("dir \"parts/desk\"  // parts/team.kdl:4"), "{}", said.all());
}

#[test]
fn a_link_does_not_lead_out_of_the_folder() {
    let bench = bench();
    let outside = bench.work.parent().unwrap().join("outside.kdl");
    fs::rename(bench.work.join("parts/team.kdl"), &outside).unwrap();
    symlink(&outside, bench.work.join("parts/team.kdl")).unwrap();
    let said = bench.run(&["validate"]);
    assert!(said.code == 1 && said.err.contains("outside the roster's folder"), "{}", said.all());
    bench.roster(&ROSTER.replace("parts/team.kdl", &outside.display().to_string()));
    assert_eq!(bench.run(&["validate"]).code, 0, "an absolute path is a wish");
}

#[test]
fn files_that_are_no_rosters_are_named() {
    let bench = bench();
    let team = bench.work.join("parts/team.kdl");
    fs::write(&team, b"agent \"x\" \xff\xfe").unwrap();
    let said = bench.run(&["validate"]);
    assert!(said.code == 1 && said.err.contains("F0321") && said.err.contains("fleet.kdl:3"), "{}", said.all());
    fs::remove_file(&team).unwrap();
    nix::unistd::mkfifo(&team, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let said = bench.run(&["validate"]);
    assert!(said.code == 1 && said.err.contains("not a plain file"), "{}", said.all());
}

#[test]
fn every_file_looked_for_is_listed_even_when_the_roster_is_wrong() {
    let bench = bench();
    fs::write(bench.work.join("parts/team.kdl"), format!("include \"gone.kdl\"\n{TEAM}rol \"x\"\n")).unwrap();
    let said = bench.run(&["validate", "--list-files"]);
    assert_eq!(said.code, 1);
    for file in [
        "shop/fleet.kdl",
        "shop/parts/team.kdl",
        "shop/parts/gone.kdl",
        "shop/roles/coder.md",
        "shop/runtimes/canary.kdl",
    ] {
        assert!(said.out.lines().any(|line| line.ends_with(file)), "{file} is not in\n{}", said.out);
    }
}

#[test]
fn several_rosters_and_standard_input_are_checked_one_by_one() {
    let bench = bench();
    fs::write(bench.work.join("wrong.kdl"), "fleet \"a\" version=1\nagnet \"x\"\n").unwrap();
    let said = bench.run(&["validate", "fleet.kdl", "wrong.kdl", "missing.kdl"]);
    assert_eq!(said.code, 1);
    assert!(said.out.contains("Fleet shop (fleet.kdl) is valid: 2 agents."), "{}", said.all());
    assert!(said.err.contains("wrong.kdl:2:1") && said.err.contains("missing.kdl"), "{}", said.all());
    let said = bench.finish(bench.command(&["validate", "-"]).write_stdin(ROSTER));
    assert_eq!(said.code, 0, "includes start at the current folder: {}", said.all());
    let said = bench.finish(bench.command(&["validate", "-"]).write_stdin("fleet \"a\" version=1\nagnet \"x\"\n"));
    assert!(said.code == 1 && said.err.contains("<stdin>:2:1"), "{}", said.all());
}

#[test]
fn warnings_are_denied_on_demand() {
    let bench = bench();
    bench.roster(&format!("{ROSTER}connector \"ops\" kind=\"desktop\"\n"));
    assert_eq!(bench.run(&["validate"]).code, 0);
    let said = bench.run(&["validate", "--deny-warnings"]);
    assert!(said.code == 1 && said.err.contains("F0328"), "{}", said.all());
}

#[test]
fn the_flat_roster_is_data_too() {
    let said = bench().run(&["validate", "--expand", "--json"]);
    let value: serde_json::Value = serde_json::from_str(said.out.lines().next().unwrap()).unwrap();
    assert_eq!((&value["format"], &value["agent"]), (&1.into(), &"coder".into()));
    let dir = value["settings"].as_array().unwrap().iter().find(|setting| setting["node"] == "dir").unwrap();
    assert_eq!(dir["values"][0]["from"], "parts/team.kdl:4");
}

#[test]
fn what_is_rendered_once_is_not_written_again() {
    let bench = bench();
    let said = bench.run(&["render", "--out", "out"]);
    assert!(said.code == 0 && said.out.contains("written, 0 unchanged"), "{}", said.all());
    let unit = bench.work.join("out/units/fleet-shop-coder-1.service");
    let manifest = bench.work.join("out/state/agents/coder-1/manifest.json");
    assert!(unit.is_file() && bench.work.join("out/state/view.tmux").is_file());
    assert_eq!(fs::metadata(&manifest).unwrap().permissions().mode() & 0o777, 0o600);
    let before = fs::metadata(&unit).unwrap().modified().unwrap();
    let said = bench.run(&["render", "--out", "out"]);
    assert!(said.code == 0 && said.out.contains("0 written"), "{}", said.all());
    assert_eq!(fs::metadata(&unit).unwrap().modified().unwrap(), before);
    let said = bench.run(&["render", "--stdout", "coder-1"]);
    assert!(said.out.contains("fleet-shop-coder-1.service") && !said.out.contains("coder-2"), "{}", said.all());
    let said = bench.run(&["render", "--stdout", "codr-1"]);
    assert!(said.code == 1 && said.err.contains("did you mean `coder-1`?"), "{}", said.all());
    assert_eq!(bench.run(&["render"]).code, 64);
    // Nothing of the machine's was touched.
    assert!(!bench.state().exists());
}

#[test]
fn a_role_or_runtime_file_that_cannot_be_used_is_a_mistake() {
    let bench = bench();
    fs::create_dir_all(bench.work.join("roles/coder.md")).unwrap();
    fs::create_dir(bench.work.join("runtimes")).unwrap();
    fs::write(bench.work.join("runtimes/canary.kdl"), b"runtime \xff").unwrap();
    let said = bench.run(&["validate"]);
    assert_eq!(said.code, 1);
    for words in ["F0319", "roles/coder.md is not a plain file", "F0318", "runtimes/canary.kdl cannot be used"] {
        assert!(said.err.contains(words), "{words}: {}", said.all());
    }
    assert!(!said.err.contains("F0306") && !said.err.contains("F0307"), "{}", said.all());
}
