//! `fleet fmt`.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

use insta::assert_snapshot;

use super::bench::Bench;

const UGLY: &str = "fleet \"shop\"   version=1 // mine\r\nfloor \"exempt\" reason=\"x\"; agent \"one\" {role \"coder\";runtime \"canary\"}\r\n";
const TIDY: &str = "fleet \"shop\" version=1    // mine\nfloor \"exempt\" reason=\"x\"\nagent \"one\" { role \"coder\"; runtime \"canary\" }\n";

#[test]
fn the_roster_is_found_and_put_right_once() {
    let bench = Bench::with(UGLY);
    let file = bench.work.join("fleet.kdl");
    let deep = bench.work.join("a/b");
    fs::create_dir_all(&deep).unwrap();
    let before = bench.tree();
    assert_snapshot!(bench.finish(bench.command(&["fmt"]).current_dir(&deep)).all(), @r"
    exit 0
    ---- out
    Formatted [ROOT]/shop/fleet.kdl.
    ");
    assert_eq!(fs::read_to_string(&file).unwrap(), TIDY);
    assert_eq!(bench.tree(), before, "something was left behind");
    let inode = fs::metadata(&file).unwrap().ino();
    assert_snapshot!(bench.run(&["fmt"]).all(), @r"
    exit 0
    ---- out
    Nothing to change.
    ");
    assert_eq!(fs::metadata(&file).unwrap().ino(), inode, "a file that needed nothing was written");
    assert_eq!(bench.run(&["validate"]).code, 0);
}

#[test]
fn checks_and_diffs_write_nothing() {
    let bench = Bench::with(UGLY.replace("\r\n", "\n").as_str());
    fs::write(bench.work.join("tidy.kdl"), TIDY).unwrap();
    let text = fs::read(bench.work.join("fleet.kdl")).unwrap();
    assert_snapshot!(bench.run(&["fmt", "--check", "fleet.kdl", "tidy.kdl"]).all(), @r"
    exit 1
    ---- out
    fleet.kdl
    ---- err
    Not formatted; `fleet fmt` puts it right.
    ");
    assert_snapshot!(bench.run(&["fmt", "--diff"]).all(), @r#"
    exit 0
    ---- out
    --- fleet.kdl
    +++ fleet.kdl (formatted)
    @@ -1,2 +1,3 @@
    -fleet "shop"   version=1 // mine
    -floor "exempt" reason="x"; agent "one" {role "coder";runtime "canary"}
    +fleet "shop" version=1    // mine
    +floor "exempt" reason="x"
    +agent "one" { role "coder"; runtime "canary" }
    "#);
    let said = bench.run(&["fmt", "--diff", "--check"]);
    assert!(said.code == 1 && said.out.starts_with("--- fleet.kdl\n"), "{}", said.all());
    assert_eq!(fs::read(bench.work.join("fleet.kdl")).unwrap(), text);
    for quiet in [&["fmt", "--check", "tidy.kdl"][..], &["fmt", "--diff", "tidy.kdl"]] {
        assert_eq!(bench.run(quiet).all(), "exit 0\n");
    }
}

#[test]
fn standard_input_goes_to_standard_output() {
    let bench = Bench::new();
    let said = bench.finish(bench.command(&["fmt", "-"]).write_stdin(UGLY));
    assert_eq!(said.all(), format!("exit 0\n---- out\n{TIDY}"));
    let said = bench.finish(bench.command(&["fmt", "-"]).write_stdin(TIDY));
    assert_eq!(said.all(), format!("exit 0\n---- out\n{TIDY}"));
    let said = bench.finish(bench.command(&["fmt", "-"]).write_stdin("\n"));
    assert_eq!(said.all(), "exit 0\n");
    let said = bench.finish(bench.command(&["fmt", "-", "--check"]).write_stdin(UGLY));
    assert!(said.code == 1 && said.out == "<stdin>\n", "{}", said.all());
    let said = bench.finish(bench.command(&["fmt", "-"]).write_stdin("a {"));
    assert!(said.code == 1 && said.out.is_empty() && said.err.contains("F0102"), "{}", said.all());
}

/// The mistakes of one file do not keep the others from being put right.
#[test]
fn what_is_no_kdl_is_left_alone() {
    let bench = Bench::with(UGLY);
    // A bare `true` is let through to the parser in a disguise: it is no KDL all the same.
    for (name, text) in [("open.kdl", "a  {\n"), ("bare.kdl", "a  true\n"), ("half.kdl", "a  b=\n")] {
        fs::write(bench.work.join(name), text).unwrap();
        let said = bench.run(&["fmt", name, "fleet.kdl"]);
        assert!(said.code == 1 && said.err.contains(name) && said.err.contains("F010"), "{}", said.all());
        assert_eq!(fs::read_to_string(bench.work.join(name)).unwrap(), text);
        assert_eq!(fs::read_to_string(bench.work.join("fleet.kdl")).unwrap(), TIDY);
        bench.roster(UGLY);
    }
    let key = format!("sk-ant-api03-{}", "aB3".repeat(30));
    fs::write(bench.work.join("key.kdl"), format!("env \"KEY\" \"{key}\" true\n")).unwrap();
    let said = bench.run(&["fmt", "key.kdl"]);
    assert!(said.code == 1 && said.err.contains("F0105") && !said.err.contains(&key), "{}", said.all());
}

#[test]
fn files_that_cannot_be_read_say_why() {
    let bench = Bench::new();
    assert_snapshot!(bench.run(&["fmt"]).all(), @r"
    exit 1
    ---- err
    error: there is no fleet.kdl here or in a folder above
     help: `fleet init` writes one; or name it with --file PATH
    ");
    fs::write(bench.work.join("bytes.kdl"), b"a \"\xff\"").unwrap();
    fs::write(bench.work.join("long.kdl"), vec![b' '; 600 * 1024]).unwrap();
    for (name, why) in
        [("none.kdl", "No such file"), (".", "not a plain file"), ("bytes.kdl", "byte 4"), ("long.kdl", "F0101")]
    {
        let said = bench.run(&["fmt", name]);
        assert!(said.code == 1 && said.err.contains(&format!("cannot format {name}: ")), "{}", said.all());
        assert!(said.err.contains(why), "{}", said.all());
    }
    assert_eq!(bench.run(&["fmt", "--file", "fleet.kdl", "other.kdl"]).code, 64);
}

#[test]
fn links_and_permissions_stay() {
    let bench = Bench::new();
    let (real, link) = (bench.bin.join("real.kdl"), bench.work.join("fleet.kdl"));
    fs::write(&real, UGLY).unwrap();
    fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
    symlink(&real, &link).unwrap();
    let said = bench.run(&["fmt"]);
    assert_eq!((said.code, said.out.as_str()), (0, "Formatted fleet.kdl.\n"));
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::read_to_string(&real).unwrap(), TIDY);
    assert_eq!(fs::metadata(&real).unwrap().permissions().mode() & 0o7777, 0o640);
}

#[test]
fn what_init_writes_is_formatted() {
    let bench = Bench::new();
    for cli in [None, Some("claude"), Some("node")] {
        let _ = cli.map(|cli| bench.program(cli));
        for profile in ["minimal", "local-canary", "general", "coding"] {
            let said = bench.run(&["init", "--dry-run", "--id", "shop", "--profile", profile]);
            let again = bench.finish(bench.command(&["fmt", "-", "--diff"]).write_stdin(said.out));
            assert_eq!(again.all(), "exit 0\n", "{profile}");
        }
    }
}
