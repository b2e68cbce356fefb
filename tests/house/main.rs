//! Rules of the house, as ordinary tests.

#![allow(clippy::disallowed_methods, reason = "tests reach outside")]

mod files;
mod layers;
mod traps;

use std::path::{Path, PathBuf};

/// Every Rust file below `folder` of this repository, sorted.
fn rust_files(folder: &str) -> Vec<PathBuf> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut found);
    found.sort();
    assert!(!found.is_empty(), "no Rust files below {folder}: the rule would hold for nothing");
    found
}
