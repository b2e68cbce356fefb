//! Files stay readable in one sitting, and every test module is wired in.

use std::path::Path;

/// Lines a file may have. A file that needs more holds two things.
const LIMIT: usize = 420;

#[test]
fn no_file_is_a_drawer() {
    let mut long = Vec::new();
    for folder in ["src", "tests"] {
        for path in super::rust_files(folder) {
            let lines = std::fs::read_to_string(&path).unwrap().lines().count();
            if lines > LIMIT {
                long.push(format!("{lines} lines: {}", path.display()));
            }
        }
    }
    assert!(long.is_empty(), "files over {LIMIT} lines, to be split:\n{}", long.join("\n"));
}

/// With `autotests = false` a forgotten `mod` line would silently drop tests.
#[test]
fn every_test_file_is_wired_in() {
    let mut orphans = Vec::new();
    for path in super::rust_files("tests") {
        let name = path.file_stem().unwrap().to_str().unwrap();
        if name == "main" {
            continue;
        }
        let folder = path.parent().unwrap();
        let (module, roots) = if name == "mod" {
            (folder.file_name().unwrap().to_str().unwrap(), vec![folder.parent().unwrap().to_path_buf()])
        } else {
            (name, vec![folder.to_path_buf()])
        };
        let declared = roots.iter().any(|root| declares(root, module));
        if !declared {
            orphans.push(path.display().to_string());
        }
    }
    assert!(orphans.is_empty(), "test files that no module declares:\n{}", orphans.join("\n"));
}

fn declares(folder: &Path, module: &str) -> bool {
    ["main.rs", "mod.rs"].iter().any(|file| {
        std::fs::read_to_string(folder.join(file)).is_ok_and(|text| {
            text.lines().any(|line| {
                line.trim().trim_start_matches("pub ").trim_start_matches("pub(crate) ") == format!("mod {module};")
                    || line.contains(&format!("/{module}.rs\""))
            })
        })
    })
}
