//! The seeds of the fuzz targets `scan` and `parser`, replayed: what fuzzing once found stays right without it.

use std::fs;
use std::path::Path;

use super::compile::compile;

#[path = "../../fuzz/src/checks.rs"]
mod checks;

/// Every seed of `target`, as the target reads it.
fn seeds(target: &str) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut paths: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() >= 20, "the seeds in {} are gone", folder.display());
    paths.iter().map(|path| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned()).collect()
}

#[test]
fn seeds_of_the_scan_hold() {
    let right = seeds("scan").iter().filter(|text| checks::syntax(text)).count();
    assert!(right >= 3, "only {right} seeds reach the formatter");
}

#[test]
fn seeds_of_the_parser_hold() {
    let (mut fleets, mut refused) = (0, 0);
    for text in seeds("parser") {
        let compiled = compile(&text);
        checks::findings(&compiled.sources, &compiled.diagnostics, compiled.fleet.is_some());
        if compiled.fleet.is_some() { fleets += 1 } else { refused += 1 }
    }
    assert!(fleets >= 3 && refused >= 20, "{fleets} seeds are rosters and {refused} are not");
}
