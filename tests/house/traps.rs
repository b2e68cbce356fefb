//! The table of traps names tests that are there.

use std::path::Path;

#[test]
fn every_trap_has_its_tests() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let table = std::fs::read_to_string(root.join("docs/shim-traps.md")).unwrap();
    let named =
        table.lines().filter(|line| line.starts_with("| ")).flat_map(|line| line.split('`').skip(1).step_by(2));
    let mut tests = 0;
    for (file, test) in named.filter_map(|name| name.split_once("::")) {
        let path = if file.contains('/') { root.join(file) } else { root.join(format!("tests/shim/{file}.rs")) };
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert!(text.contains(&format!("fn {test}(")), "{} has no test {test}", path.display());
        tests += 1;
    }
    assert!(tests > 40, "{tests} names were found");
    for trap in 1..=18 {
        assert!(table.contains(&format!("\n| {trap} | ")), "trap {trap} is not in the table");
    }
}
