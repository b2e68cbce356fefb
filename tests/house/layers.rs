//! One direction: core never imports shell, and each module imports only what its line here allows.

use std::collections::BTreeMap;
use std::path::Path;

/// Who may import whom. Core first; a core line never names a shell module.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("diagnostic", &[]),
    ("ids", &[]),
    ("units", &["ids"]),
    ("parallel", &[]),
    ("quantity", &[]),
    ("manifest", &["ids"]),
    ("script", &[]),
    ("roster", &["diagnostic", "ids", "manifest", "quantity", "script"]),
    ("resolve", &["quantity", "roster", "diagnostic", "ids", "manifest", "script", "supervise"]),
    ("render", &["resolve", "ids", "manifest", "parallel", "script", "supervise"]),
    ("adopt", &["diagnostic", "ids", "roster", "resolve"]),
    ("plan", &["quantity", "render", "resolve", "ids", "manifest", "parallel", "supervise", "units"]),
    // `supervise` knows neither `plan` nor `roster`: it is told what it must know.
    ("supervise", &["ids", "manifest"]),
    // Shell.
    ("journal", &["ids", "supervise", "system"]),
    (
        "driver",
        &[
            "apply",
            "heartbeat",
            "ids",
            "journal",
            "manifest",
            "parallel",
            "plan",
            "resolve",
            "shim",
            "supervise",
            "system",
            "units",
        ],
    ),
    ("system", &["ids", "manifest", "units"]),
    ("heartbeat", &["manifest", "supervise", "system"]),
    ("canary", &["heartbeat", "script", "shim", "system"]),
    ("shim", &["heartbeat", "manifest", "ids", "system"]),
    (
        "apply",
        &[
            "heartbeat",
            "plan",
            "render",
            "resolve",
            "manifest",
            "ids",
            "parallel",
            "system",
            "shim",
            "diagnostic",
            "supervise",
            "units",
        ],
    ),
    ("top", &["driver", "ids", "journal", "manifest", "shim", "supervise"]),
    (
        "cli",
        &[
            "adopt",
            "apply",
            "canary",
            "diagnostic",
            "driver",
            "heartbeat",
            "ids",
            "journal",
            "manifest",
            "plan",
            "quantity",
            "render",
            "resolve",
            "roster",
            "shim",
            "supervise",
            "system",
            "top",
            "units",
        ],
    ),
];

const CORE: &[&str] = &[
    "diagnostic",
    "ids",
    "units",
    "quantity",
    "manifest",
    "script",
    "roster",
    "resolve",
    "adopt",
    "parallel",
    "render",
    "plan",
    "supervise",
];

/// The top-level modules that a file's text names after `crate::`.
fn imports(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let group = &group[..group.find('}').unwrap_or(group.len())];
            found.extend(group.split(',').map(|part| word(part.trim())));
        } else {
            found.push(word(rest));
        }
    }
    found
}

fn word(text: &str) -> String {
    text.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect()
}

fn module_of(path: &Path) -> Option<String> {
    let inside = path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap();
    let first = inside.components().next()?.as_os_str().to_str()?.trim_end_matches(".rs").to_owned();
    (!["main", "lib", "bin"].contains(&first.as_str())).then_some(first)
}

#[test]
fn imports_go_one_way() {
    let rules: BTreeMap<&str, &[&str]> = MAY_IMPORT.iter().copied().collect();
    let mut breaches = Vec::new();
    for path in super::rust_files("src") {
        let Some(module) = module_of(&path) else { continue };
        let allowed =
            rules.get(module.as_str()).unwrap_or_else(|| panic!("{module} has no line in MAY_IMPORT: give it one"));
        for import in imports(&std::fs::read_to_string(&path).unwrap()) {
            if import != module && rules.contains_key(import.as_str()) && !allowed.contains(&import.as_str()) {
                breaches.push(format!("{}: {module} imports {import}", path.display()));
            }
        }
    }
    assert!(breaches.is_empty(), "imports against the one direction:\n{}", breaches.join("\n"));
}

#[test]
fn the_rules_themselves_keep_core_pure() {
    for (module, allowed) in MAY_IMPORT {
        if CORE.contains(module) {
            for import in *allowed {
                assert!(CORE.contains(import), "core module {module} may not be allowed shell module {import}");
            }
        }
    }
}

/// Clippy refuses single functions; this refuses whole modules of `std` and the crates that reach outside.
#[test]
fn core_names_nothing_impure() {
    const IMPURE: &[&str] = &[
        "std::fs",
        "std::env",
        "std::process",
        "std::net",
        "std::os::unix",
        "nix::",
        "tokio::",
        "zbus::",
        "rusqlite::",
        "notify::",
    ];
    let mut breaches = Vec::new();
    for path in super::rust_files("src") {
        let Some(module) = module_of(&path) else { continue };
        if !CORE.contains(&module.as_str()) {
            continue;
        }
        for (number, line) in std::fs::read_to_string(&path).unwrap().lines().enumerate() {
            if let Some(bad) = IMPURE.iter().find(|bad| line.contains(*bad)) {
                breaches.push(format!("{}:{}: {bad}", path.display(), number + 1));
            }
        }
    }
    assert!(breaches.is_empty(), "core reaches outside:\n{}", breaches.join("\n"));
}

#[test]
fn the_scanner_sees_grouped_and_inline_imports() {
    assert_eq!(imports("use crate::{plan::Plan, ids};"), ["plan", "ids"]);
    assert_eq!(imports("let x = crate::shim::client::open();"), ["shim"]);
}
