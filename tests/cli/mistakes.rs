//! `fleet validate`, and rosters that cannot be read.

use std::fs;

use insta::assert_snapshot;

use super::bench::Bench;

const WRONG: &str = "fleet \"shop\" version=1\nagnet \"one\" { }\nagent \"two\" { role \"coder\"; runtime \"canary\"; autostart true; }\n";

#[test]
fn a_valid_roster_is_one_line() {
    let bench = Bench::with(
        "fleet \"shop\" version=1\nfloor \"exempt\" reason=\"x\"\nagent \"one\" { role \"coder\"; runtime \"canary\"; }\n",
    );
    assert_snapshot!(bench.run(&["validate"]).all(), @r"
    exit 0
    ---- out
    Fleet shop is valid: 1 agent.
    ");
}

#[test]
fn all_mistakes_come_in_one_run() {
    let bench = Bench::with(WRONG);
    assert_snapshot!(bench.run(&["validate"]).all());
    // plan and apply say the same and change nothing.
    let before = bench.tree();
    for command in ["plan", "apply"] {
        let said = bench.run(&[command]);
        assert_eq!(said.code, 1, "{}", said.all());
        assert!(
            said.err.contains("F0201") && said.err.contains("F0105") && said.err.contains("F0303"),
            "{}",
            said.err
        );
    }
    assert_eq!(bench.tree(), before);
}

#[test]
fn tools_get_one_json_object_a_line() {
    let said = Bench::with(WRONG).run(&["validate", "--json"]);
    assert_eq!((said.code, said.err.as_str()), (1, ""));
    assert_snapshot!(said.out);
    for line in said.out.lines() {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        for key in ["format", "code", "severity", "message", "file", "line", "column", "help"] {
            assert!(value.get(key).is_some(), "no {key} in {line}");
        }
    }
}

#[test]
fn rosters_that_cannot_be_read_say_why() {
    let bench = Bench::new();
    assert_snapshot!(bench.run(&["validate"]).all(), @r"
    exit 1
    ---- err
    error: there is no fleet.kdl here or in a folder above
     help: `fleet init` writes one; or name it with --file PATH
    ");
    let said = bench.run(&["validate", "--file", "missing.kdl"]);
    assert!(said.code == 1 && said.err.contains("missing.kdl"), "{}", said.all());
    let said = bench.run(&["validate", "--file", "."]);
    assert!(said.code == 1 && said.err.contains("not a plain file"), "{}", said.all());
    fs::write(bench.work.join("fleet.kdl"), b"fleet \"\xff\"").unwrap();
    let said = bench.run(&["validate"]);
    assert!(said.code == 1 && said.err.contains("not UTF-8 text (byte 8)"), "{}", said.all());
    fs::write(bench.work.join("fleet.kdl"), vec![b' '; 600 * 1024]).unwrap();
    let said = bench.run(&["validate"]);
    assert!(said.code == 1 && said.err.contains("F0101"), "{}", said.all());
}

#[test]
fn the_roster_is_found_above_and_by_variable() {
    let bench = Bench::with(
        "fleet \"shop\" version=1\nfloor \"exempt\" reason=\"x\"\nagent \"one\" { role \"coder\"; runtime \"canary\"; }\n",
    );
    let deep = bench.work.join("a/b");
    fs::create_dir_all(&deep).unwrap();
    let said = bench.finish(bench.command(&["validate"]).current_dir(&deep));
    assert_eq!(said.code, 0, "{}", said.all());
    let file = bench.work.join("fleet.kdl");
    let said = bench.finish(bench.command(&["validate"]).current_dir("/").env("FLEET_FILE", &file));
    assert_eq!(said.code, 0, "{}", said.all());
}

#[test]
fn files_beside_the_roster_win_over_the_built_in_ones() {
    let bench = Bench::with(
        "fleet \"shop\" version=1\nfloor \"exempt\" reason=\"x\"\nagent \"one\" { role \"mine\"; runtime \"mine\"; prompt file=\"go.md\"; }\n",
    );
    let said = bench.run(&["validate"]);
    assert!(said.err.contains("F0306") && said.err.contains("F0307") && said.err.contains("F0403"), "{}", said.all());
    for folder in ["roles", "runtimes"] {
        fs::create_dir(bench.work.join(folder)).unwrap();
    }
    fs::write(bench.work.join("roles/mine.md"), "---\nmay \"code\"\nenv \"A\" \"1\"\n---\nDo it.\n").unwrap();
    fs::write(
        bench.work.join("runtimes/mine.kdl"),
        "runtime \"mine\" { program \"mine\"; role \"--role\" \"{role-file}\"; }\n",
    )
    .unwrap();
    fs::write(bench.work.join("go.md"), "Begin.\n").unwrap();
    let said = bench.run(&["validate"]);
    assert_eq!(said.code, 0, "{}", said.all());
    // Text that would end the quotes it is put between is refused.
    bench.roster("fleet \"shop\" version=1\nfloor \"exempt\" reason=\"x\"\nagent \"one\" { role \"mine\"; runtime \"codex\"; }\n");
    fs::write(bench.work.join("roles/mine.md"), "---\nmay \"code\"\n---\nSay ''' and more.\n").unwrap();
    let said = bench.run(&["validate"]);
    assert!(said.code == 1 && said.err.contains("F0315") && said.err.contains("'''"), "{}", said.all());
    bench.roster("fleet \"shop\" version=1\nfloor \"exempt\" reason=\"x\"\nagent \"one\" { role \"mine\"; runtime \"mine\"; }\n");
    // Mistakes in them are shown in them.
    fs::write(bench.work.join("roles/mine.md"), "---\nmay \"fly\"\n---\nDo it.\n").unwrap();
    fs::write(
        bench.work.join("runtimes/mine.kdl"),
        "runtime \"mine\" { program \"mine\"; args \"{nonsense}\"; ready \"(\"; }\n",
    )
    .unwrap();
    let said = bench.run(&["validate"]);
    assert!(said.err.contains("roles/mine.md:2") && said.err.contains("runtimes/mine.kdl:1"), "{}", said.err);
}

#[test]
fn what_a_role_file_names_is_read_too() {
    let bench =
        Bench::with("fleet \"shop\" version=1\nfloor \"exempt\" reason=\"x\"\nagent \"one\" { role \"mine\"; }\n");
    fs::create_dir(bench.work.join("roles")).unwrap();
    let role = "---\nmay \"code\"\nruntime \"canary\"\nprompt file=\"go.md\"\n---\nDo it.\n";
    fs::write(bench.work.join("roles/mine.md"), role).unwrap();
    let said = bench.run(&["validate"]);
    assert!(said.err.contains("F0403") && !said.err.contains("F0307"), "{}", said.all());
    // Paths start at the folder of the file they stand in.
    fs::write(bench.work.join("roles/go.md"), "Begin.\n").unwrap();
    let said = bench.run(&["validate"]);
    assert_eq!(said.code, 0, "{}", said.all());
}
