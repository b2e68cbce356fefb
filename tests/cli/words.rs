//! Help, version, and command lines that are wrong.

use insta::assert_snapshot;

use super::bench::Bench;

#[test]
fn help_lists_what_works() {
    assert_snapshot!(Bench::new().run(&["--help"]).all());
}

#[test]
fn every_command_explains_itself() {
    let bench = Bench::new();
    for command in [
        "init", "validate", "fmt", "plan", "apply", "status", "attach", "screen", "send", "start", "stop", "restart",
        "doctor", "destroy",
    ] {
        let said = bench.run(&[command, "--help"]);
        assert_eq!(said.code, 0, "{command}: {}", said.err);
        assert!(said.out.lines().next().is_some_and(|line| line.len() > 20), "{command}: {}", said.out);
    }
}

#[test]
fn the_version_is_one_line() {
    let said = Bench::new().run(&["--version"]);
    assert_eq!((said.code, said.out.trim()), (0, concat!("fleet ", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn wrong_command_lines_end_with_64() {
    let bench = Bench::with("fleet \"a\" version=1\n");
    for wrong in [
        &["frobnicate"][..],
        &["plan", "--nonsense"],
        &["send"],
        &["apply", "--restart=maybe"],
        &["status", "--fleet", "Not-An-Id"],
        &["attach", "--detach-key", "q"],
        &[],
    ] {
        let said = bench.run(wrong);
        assert_eq!(said.code, 64, "{wrong:?}: {}", said.all());
        assert!(!said.err.is_empty(), "{wrong:?} says nothing");
    }
}
