//! Every file of `good/` and `bad/`.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::compile::compile;

fn each(folder: &str, mut check: impl FnMut(&str, &str)) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(folder);
    let mut paths: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "kdl"))
        .collect();
    paths.sort();
    assert!(paths.len() > 5, "the corpus in {} is gone", folder.display());
    for path in paths {
        check(path.file_stem().unwrap().to_str().unwrap(), &fs::read_to_string(&path).unwrap());
    }
}

fn compare(folder: &str, name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.set_snapshot_path(folder);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

#[test]
fn right_rosters_give_these_files() {
    each("good", |name, text| {
        // The version in a case's name is systemd's; without one it is Debian 12's.
        let systemd = name.rsplit_once("-systemd").map_or(252, |(_, version)| version.parse().unwrap());
        let compiled = compile(text);
        let mut out = compiled.text();
        for artifact in compiled.artifacts(Some(systemd)) {
            let _ = writeln!(out, "==== {:o} {}\n{}", artifact.mode(), artifact.path.display(), artifact.text);
        }
        compare("good", name, &out);
        assert_eq!(
            compile(text).artifacts(Some(systemd)),
            compiled.artifacts(Some(systemd)),
            "{name} differs from itself"
        );
    });
}

#[test]
fn wrong_rosters_give_these_words() {
    each("bad", |name, text| {
        let compiled = compile(text);
        assert!(compiled.diagnostics.has_errors(), "{name} has no mistake");
        assert!(compiled.fleet.is_none(), "{name} was compiled in spite of its mistakes");
        compare("bad", name, &compiled.text());
    });
}

/// Every error says what to do next, wherever there is something to do.
#[test]
fn every_mistake_comes_with_a_next_step() {
    let mut silent = Vec::new();
    each("bad", |name, text| {
        for found in compile(text).diagnostics.sorted() {
            let plain = ["F0104", "F0206", "F0207"].contains(&found.code.number());
            if found.help.is_none() && !plain {
                silent.push(format!("{name}: {} {}", found.code, found.message));
            }
        }
    });
    assert!(silent.is_empty(), "{silent:#?}");
}
