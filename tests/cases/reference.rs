//! The written reference is the schema table.

use std::fs;
use std::path::Path;

#[test]
fn the_reference_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/roster.md");
    let made = fleet::roster::reference::markdown();
    if std::env::var_os("INSTA_UPDATE").is_some_and(|value| value == "always") {
        fs::write(&path, &made).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(written == made, "docs/roster.md is out of date: INSTA_UPDATE=always cargo test --test cases reference");
}
