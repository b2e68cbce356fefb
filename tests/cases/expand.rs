//! The flat roster says where every value comes from, and means the same.

use fleet::resolve::expand;
use fleet::roster::model::Roster;
use proptest::prelude::*;

use super::compile::{Compiled, compile, compile_with, host};

fn expanded(compiled: &Compiled) -> String {
    let roster: &Roster = compiled.roster.as_ref().unwrap();
    expand::kdl(roster, &compiled.inputs, &host(), &compiled.sources)
}

/// What a flat roster must keep: everything but the places.
fn meaning(compiled: &Compiled) -> String {
    let mut fleet = compiled.fleet.clone().unwrap_or_else(|| panic!("{}", compiled.text()));
    let nowhere = fleet::diagnostic::Span { file: fleet::diagnostic::FileId(0), start: 0, end: 0 };
    for agent in &mut fleet.agents {
        agent.place.clear();
        agent.span = nowhere;
        agent.requires_sandbox = None;
    }
    fleet.agents.sort_by(|one, other| one.name.cmp(&other.name));
    fleet.declared.clear();
    // A flat roster names every delay.
    fleet.grows_delays = true;
    format!("{fleet:#?}")
}

#[test]
fn a_flat_roster_means_the_same() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/good");
    let mut seen = 0;
    super::corpus::each("good", |name, compiled| {
        let flat = expanded(&compiled);
        let files = super::corpus::others(&folder.join(name));
        let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        let again = compile_with(&flat, &files);
        assert_eq!(meaning(&compiled), meaning(&again), "{name}:\n{flat}");
        seen += 1;
    });
    assert!(seen > 0);
}

#[test]
fn every_value_names_its_origin() {
    let compiled = compile_with(
        "fleet \"a\" version=1\nfloor \"exempt\" reason=\"x\"\ninclude \"parts/d.kdl\"\n\
         role \"mine\" extends=\"coder\" {\n    restart burst=3\n}\n\
         agent \"x\" count=2 {\n    role \"mine\"\n    restart delay=\"1s\"\n}\n",
        &[(
            "parts/d.kdl",
            "defaults {\n    runtime \"canary\"\n    dir \"desk\"\n    restart burst=9 within=\"2h\"\n}\n",
        )],
    );
    insta::assert_snapshot!(expanded(&compiled));
}

fn setting() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("restart burst=3".to_owned()),
        Just("restart \"never\"".to_owned()),
        Just("restart delay=\"2s\" within=\"3h\"".to_owned()),
        Just("limits memory=\"1G\"".to_owned()),
        Just("limits tasks=7 cpu=\"50%\"".to_owned()),
        Just("env \"A\" \"1\"".to_owned()),
        Just("env \"A\" \"two\"".to_owned()),
        Just("env \"B\" \"3\"".to_owned()),
        Just("path \"bin\" \"~/x\"".to_owned()),
        Just("prompt \"go\"".to_owned()),
        Just("runtime \"canary\" { script { print \"hi\"; } }".to_owned()),
        Just("runtime \"command\" { argv \"sleep\" \"9\"; }".to_owned()),
        Just("secret \"S\" from=\"file:s\"".to_owned()),
        Just("log off=#true".to_owned()),
        Just("dir \"sub\"".to_owned()),
        Just("description \"#{x} \\\"quoted\\\" // not a comment\"".to_owned()),
    ]
}

/// Settings, each name once (`env` and `secret` once by key).
fn settings() -> impl Strategy<Value = String> {
    prop::collection::vec(setting(), 0..6).prop_map(|lines| {
        let mut seen = Vec::new();
        let key = |line: &String| {
            let words: Vec<_> = line.split(' ').take(if line.starts_with("env") { 2 } else { 1 }).collect();
            words.join(" ")
        };
        let kept: Vec<_> = lines
            .iter()
            .filter(|line| {
                !seen.contains(&key(line)) && {
                    seen.push(key(line));
                    true
                }
            })
            .collect();
        kept.iter().map(|line| format!("    {line}\n")).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_the_layers_say_the_flat_roster_means_the_same(
        defaults in settings(), role in settings(), base in settings(), agent in settings(), count in 1u32..4,
    ) {
        let text = format!(
            "fleet \"a\" version=1\nfloor \"exempt\" reason=\"x\"\ninclude \"parts/d.kdl\"\n\
             role \"base\" extends=\"coder\" {{\n{base}}}\nrole \"mine\" extends=\"base\" {{\n{role}}}\n\
             agent \"x\" count={count} {{\n    role \"mine\"\n{agent}}}\n"
        );
        let defaults = format!("defaults {{\n    stop-timeout \"9s\"\n{defaults}}}\n");
        let compiled = compile_with(&text, &[("parts/d.kdl", &defaults)]);
        if compiled.fleet.is_some() {
            let flat = expanded(&compiled);
            prop_assert_eq!(meaning(&compiled), meaning(&compile(&flat)), "{}", flat);
        } else {
            // The one mistake these settings can make.
            prop_assert!(compiled.text().contains("F0309") || compiled.text().contains("F0310"), "{}", compiled.text());
        }
    }
}
