//! Every file of `good/` and `bad/`.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use fleet::ids::Digest;
use fleet::manifest::Manifest;
use fleet::render::FileKind;
use fleet::resolve::builtin;

use super::compile::{Compiled, compile, compile_with};

/// Cases are files, or folders that hold a `fleet.kdl` and what belongs to it.
pub fn each(folder: &str, mut check: impl FnMut(&str, Compiled)) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(folder);
    let mut paths: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir() || path.extension().is_some_and(|extension| extension == "kdl"))
        .collect();
    paths.sort();
    assert!(paths.len() >= 30, "the corpus in {} is gone", folder.display());
    for path in paths {
        let name = path.file_stem().unwrap().to_str().unwrap();
        if path.is_dir() {
            let roster = fs::read_to_string(path.join("fleet.kdl")).unwrap();
            let others = others(&path);
            let others: Vec<_> = others.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
            check(name, compile_with(&roster, &others));
        } else {
            check(name, compile(&fs::read_to_string(&path).unwrap()));
        }
    }
}

/// What stands beside the `fleet.kdl` of a case: path and text. Nothing, when the case is a single file.
pub fn others(root: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut open: Vec<_> = root.is_dir().then(|| root.to_path_buf()).into_iter().collect();
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            if entry.path().is_dir() {
                open.push(entry.path());
            } else {
                let name = entry.path().strip_prefix(root).unwrap().display().to_string();
                found.push((name, fs::read_to_string(entry.path()).unwrap()));
            }
        }
    }
    found.retain(|(name, _)| name != "fleet.kdl");
    found.sort();
    found
}

fn compare(folder: &str, name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.set_snapshot_path(folder);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

/// The built-in role texts change for reasons of their own, and no case is about them.
fn without_built_in_texts(mut out: String) -> String {
    for (name, file) in builtin::ROLES {
        let text = file.splitn(3, "---\n").nth(2).unwrap().trim();
        out = out.replace(text, &format!("[the built-in text of {name}]"));
        let digest = Digest::of(text.as_bytes());
        out = out.replace(digest.as_str(), &format!("[digest of the built-in text of {name}]"));
    }
    out
}

#[test]
fn right_rosters_give_these_files() {
    each("good", |name, compiled| {
        // The version in a case's name is systemd's; without one it is Debian 12's.
        let systemd = name.rsplit_once("-systemd").map_or(252, |(_, version)| version.parse().unwrap());
        let mut out = compiled.text();
        for declared in &compiled.fleet.as_ref().unwrap_or_else(|| panic!("{name}:\n{out}")).declared {
            let _ = writeln!(out, "declared: {declared}");
        }
        for artifact in compiled.artifacts(Some(systemd)) {
            let _ = writeln!(out, "==== {:o} {}\n{}", artifact.mode(), artifact.path.display(), artifact.text);
        }
        compare("good", name, &without_built_in_texts(out));
    });
}

/// Manifests are written from a type of their own, which borrows. What it writes is the manifest, no field more or less.
#[test]
fn manifests_are_written_as_they_are_read() {
    let mut seen = 0;
    each("good", |name, compiled| {
        for artifact in compiled.artifacts(Some(255)).iter().filter(|artifact| artifact.kind == FileKind::Manifest) {
            let read: Manifest = serde_json::from_str(&artifact.text).unwrap();
            let again = serde_json::to_string_pretty(&read).unwrap() + "\n";
            assert_eq!(*artifact.text, again, "{name}");
            seen += usize::from(!read.policy.patterns.is_empty());
        }
    });
    assert!(seen > 0, "no manifest of the corpus has a pattern");
}

#[test]
fn wrong_rosters_give_these_words() {
    each("bad", |name, compiled| {
        assert!(compiled.diagnostics.has_errors(), "{name} has no mistake");
        assert!(compiled.fleet.is_none(), "{name} was compiled in spite of its mistakes");
        compare("bad", name, &compiled.text());
    });
}

/// Every error says what to do next, wherever there is something to do.
#[test]
fn every_mistake_comes_with_a_next_step() {
    let mut silent = Vec::new();
    each("bad", |name, compiled| {
        for found in compiled.diagnostics.sorted() {
            let plain = ["F0104", "F0206", "F0207"].contains(&found.code.number());
            if found.help.is_none() && !plain {
                silent.push(format!("{name}: {} {}", found.code, found.message));
            }
        }
    });
    assert!(silent.is_empty(), "{silent:#?}");
}
