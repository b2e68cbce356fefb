//! What is made from the schema table and the arguments' definitions is kept in the repository, and never out of date.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::bench::Bench;

/// Compares what was made with what is kept. `INSTA_UPDATE=always` writes it.
fn compare(folder: &str, made: &BTreeMap<String, String>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    if std::env::var_os("INSTA_UPDATE").is_some_and(|value| value == "always") {
        fs::create_dir_all(&folder).unwrap();
        for (name, text) in made {
            fs::write(folder.join(name), text).unwrap();
        }
    }
    let hint = "INSTA_UPDATE=always cargo test --test cli generated";
    for (name, text) in made {
        let kept = fs::read_to_string(folder.join(name)).unwrap_or_default();
        assert!(kept == *text, "{} is out of date: {hint}", folder.join(name).display());
    }
    let kept = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let strays: Vec<PathBuf> =
        kept.filter(|path| !made.contains_key(path.file_name().unwrap().to_str().unwrap())).collect();
    assert!(strays.is_empty(), "nothing makes these any more: {strays:?}");
}

#[test]
fn the_schema_is_up_to_date() {
    let said = Bench::new().run(&["schema", "--json"]);
    let value: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert!(value["nodes"].as_array().unwrap().len() > 100);
    compare("docs/schema", &BTreeMap::from([("roster.json".to_owned(), said.out)]));
}

#[test]
fn the_reference_is_what_the_command_prints() {
    let said = Bench::new().run(&["schema"]);
    let kept = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/roster.md")).unwrap();
    assert_eq!(said.out.trim_end(), kept.trim_end());
}

#[test]
fn the_man_pages_are_up_to_date() {
    let bench = Bench::new();
    let folder = bench.work.join("man");
    fs::create_dir(&folder).unwrap();
    let said = bench.run(&["man", "--out", "man"]);
    assert_eq!(said.code, 0, "{}", said.all());
    let made: BTreeMap<String, String> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(&path).unwrap()))
        .collect();
    assert!(made.contains_key("fleet.1") && made.contains_key("fleet.kdl.5") && made.contains_key("fleet-plan.1"));
    compare("docs/man", &made);
}

#[test]
fn the_completions_are_up_to_date() {
    let bench = Bench::new();
    let made = [("bash", "fleet.bash"), ("zsh", "_fleet"), ("fish", "fleet.fish")].map(|(shell, file)| {
        let said = bench.run(&["completions", shell]);
        assert_eq!(said.code, 0, "{}", said.all());
        // Names of the language come from the schema table; the generator gives fish no values of arguments.
        let topics = said.out.contains("stop-timeout") && said.out.contains("F0105");
        assert!(topics || shell == "fish", "{shell} completes no topic");
        (file.to_owned(), said.out)
    });
    compare("completions", &made.into_iter().collect());
}

/// A shell takes them.
#[test]
fn bash_can_read_the_completions() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("completions/fleet.bash");
    let output = std::process::Command::new("bash")
        .args(["-c", "source \"$1\" && complete -p fleet", "bash"])
        .arg(&file)
        .output()
        .expect("bash is needed: install the package bash");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn every_command_is_explained() {
    let bench = Bench::new();
    let all = bench.run(&["help", "--all"]);
    let names: Vec<_> = all
        .out
        .lines()
        .skip_while(|line| !line.starts_with("Commands:"))
        .skip(1)
        .take_while(|line| !line.trim().is_empty())
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert!(names.len() > 15, "{}", all.out);
    for name in names {
        let said = bench.run(&["help", name]);
        assert!(said.code == 0 && said.out.contains(&format!("Usage: fleet {name}")), "{name}: {}", said.all());
    }
    let said = bench.run(&["help", "paln"]);
    assert!(said.code == 64 && said.err.contains("did you mean `plan`?"), "{}", said.all());
}

#[test]
fn topics_are_explained() {
    let bench = Bench::new();
    insta::assert_snapshot!(bench.run(&["explain", "restart"]).all());
    insta::assert_snapshot!(bench.run(&["explain", "f0105"]).all());
    let said = bench.run(&["explain", "restrat"]);
    assert!(said.code == 64 && said.err.contains("did you mean `restart`?"), "{}", said.all());
}
