//! Edits over real rosters: what was not asked for stays, byte by byte.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use fleet::resolve::builtin;
use fleet::roster::change;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::compile::{compile, compile_with};

/// Every roster that comes with fleet: the right ones of the corpus, the presets, and the ones in the documentation.
fn rosters() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for entry in fs::read_dir(root.join("tests/cases/good")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "kdl") {
            found.push((path.display().to_string(), fs::read_to_string(path).unwrap()));
        }
    }
    for (name, preset) in builtin::PRESETS {
        let text = preset
            .replace("%ID%", "shop")
            .replace("%FOUND%\n", "")
            .replace("%RUNTIME%", "claude")
            .replace("%SETTINGS%\n", "")
            .replace("%CODER%\n", "");
        found.push(((*name).to_owned(), text));
    }
    assert!(found.len() > 30);
    found
}

fn groups(text: &str) -> Vec<(String, Option<u32>)> {
    let roster = compile(text).roster.unwrap();
    roster.agents.iter().map(|agent| (agent.name.value.to_string(), agent.count)).collect()
}

fn instances(name: &str, count: Option<u32>) -> Vec<String> {
    (1..=count.unwrap_or(0)).map(|number| format!("{name}-{number}")).chain([name.to_owned()]).collect()
}

/// What stands in one text and not in the other, as whole lines.
fn lines_lost(before: &str, after: &str) -> Vec<String> {
    let mut left: Vec<&str> = after.lines().collect();
    let mut lost = Vec::new();
    for line in before.lines() {
        match left.iter().position(|other| *other == line) {
            Some(at) => drop(left.remove(at)),
            None => lost.push(line.to_owned()),
        }
    }
    lost
}

#[test]
fn a_change_of_name_there_and_back_changes_no_byte() {
    for (name, text) in rosters() {
        for (agent, count) in groups(&text) {
            let there: Vec<_> = instances(&agent, count)
                .into_iter()
                .map(|old| (old.clone(), old.replacen(&agent, "zz-other", 1)))
                .collect();
            let back: Vec<_> = there.iter().map(|(old, new)| (new.clone(), old.clone())).collect();
            let renamed = change::rename(&text, &there);
            assert_ne!(renamed, text, "{name}: {agent}");
            let compiled = compile(&renamed);
            let fine = !compiled.diagnostics.has_errors();
            assert!(fine, "{name}: {agent}:\n{}\n{renamed}", compiled.text());
            assert_eq!(change::rename(&renamed, &back), text, "{name}: {agent}");
            let with_was = change::set_former_name(&renamed, "zz-other", &agent);
            assert!(
                compile(&with_was)
                    .roster
                    .unwrap()
                    .agents
                    .iter()
                    .any(|found| { found.was.as_ref().is_some_and(|was| was.value.as_str() == agent) })
            );
        }
    }
}

#[test]
fn an_agent_added_and_removed_changes_no_byte() {
    for (name, text) in rosters() {
        let added = change::add(&text, "agent \"zz-new\" {\n    role \"coder\"\n    runtime \"canary\"\n}");
        let lost = lines_lost(&text, &added);
        assert!(lost.is_empty(), "{name} lost {lost:?}");
        let compiled = compile(&added);
        assert!(!compiled.diagnostics.has_errors(), "{name}:\n{}", compiled.text());
        let removed = change::remove(&added, &BTreeSet::from(["zz-new".to_owned()]));
        // A blank line that now parts two nodes may stay.
        let lines =
            |text: &str| text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(lines(&removed), lines(&text), "{name}");
        assert!(removed.lines().count() <= text.lines().count() + 1, "{name}");
    }
}

#[test]
fn a_removal_takes_only_what_mentions_the_agent() {
    for (name, text) in rosters() {
        for (agent, count) in groups(&text) {
            let names: BTreeSet<String> = instances(&agent, count).into_iter().collect();
            let removed = change::remove(&text, &names);
            let roster = compile(&removed).roster.unwrap();
            assert!(roster.agents.iter().all(|found| found.name.value.as_str() != agent), "{name}: {agent}");
            // Nothing new appears but lines that were shortened.
            for line in lines_lost(&removed, &text) {
                let shortened = text.lines().any(|old| {
                    names.iter().any(|name| old.contains(&format!("\"{name}\"")))
                        && line.split_whitespace().all(|word| old.contains(word.trim_end_matches(';')))
                });
                assert!(shortened, "{name}: {agent}: {line:?} is new");
            }
            let codes: Vec<_> =
                compile(&removed).diagnostics.sorted().iter().map(|found| found.code.number()).collect();
            // A pane of a role that nobody has any more is left for the person to decide.
            let pane = codes.contains(&"F0337") && !removed.contains("pane role=");
            assert!(
                !codes.contains(&"F0305") && !pane,
                "{name}: {agent}: {codes:?}
{removed}"
            );
        }
    }
}

#[test]
fn a_roster_that_is_up_to_date_is_not_migrated() {
    for (name, text) in rosters() {
        assert_eq!(change::migrate(&text), text, "{name}");
    }
}

#[test]
fn what_is_migrated_is_a_roster() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/bad");
    for case in ["kdl1", "yaml-lines", "bare-words"] {
        let text = fs::read_to_string(folder.join(format!("{case}.kdl"))).unwrap();
        let migrated = change::migrate(&text);
        let compiled = compile_with(&migrated, &[]);
        let old = ["F0104", "F0105", "F0106", "F0107", "F0108"];
        let left: Vec<_> = compiled.diagnostics.sorted().iter().map(|found| found.code.number()).collect();
        assert!(!left.iter().any(|code| old.contains(code)), "{case}: {left:?}\n{migrated}");
        assert_eq!(change::migrate(&migrated), migrated, "{case}");
    }
}

/// Whatever the text, no edit panics, and one that finds nothing to do changes nothing.
#[test]
fn no_text_breaks_an_edit() {
    let mut runner =
        TestRunner::new(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() });
    runner
        .run(&(super::written::roster(), "\\PC{0,40}"), |(roster, noise)| {
            for text in [roster, noise] {
                let names = [("zz".to_owned(), "yy".to_owned())];
                prop_assert_eq!(&change::rename(&text, &names), &text);
                prop_assert_eq!(&change::remove(&text, &BTreeSet::from(["zz".to_owned()])), &text);
                prop_assert_eq!(&change::set_former_name(&text, "zz", "yy"), &text);
                let _ = change::migrate(&text);
                let _ = change::add(&text, "agent \"zz\"");
            }
            Ok(())
        })
        .unwrap();
}
