//! Every preset, role and runtime that is built in compiles, and so does every roster in the documentation.

use std::fs;
use std::path::Path;

use fleet::resolve::builtin;

use super::compile::compile;

#[test]
fn every_preset_compiles() {
    for (name, preset) in builtin::PRESETS {
        for runtime in ["canary", "claude", "codex", "opencode"] {
            let text = preset
                .replace("%ID%", "shop")
                .replace("%FOUND%\n", "")
                .replace("%RUNTIME%", runtime)
                .replace("%SETTINGS%\n", "    path \"/opt/bin\"\n")
                .replace("%CODER%\n", "    runtime \"codex\"\n");
            let compiled = compile(&text);
            assert!(compiled.fleet.is_some(), "{name} with {runtime}:\n{}", compiled.text());
            assert!(compiled.diagnostics.is_empty(), "{name} with {runtime}:\n{}", compiled.text());
        }
    }
}

#[test]
fn every_runtime_compiles_with_all_it_can_be_told() {
    for (name, text) in builtin::RUNTIMES {
        let told = |word: &str| text.lines().any(|line| line.trim_start().starts_with(&format!("{word} \"")));
        let argv = if told("program") { "" } else { "{ argv \"true\"; }" };
        let model = if told("model") { "model=\"m\"" } else { "" };
        let effort = if told("effort") { "effort=\"high\"" } else { "" };
        let roster = format!(
            "fleet \"a\" version=1\nfloor \"exempt\" reason=\"x\"\n\
             agent \"one\" {{ role \"coder\"; runtime \"{name}\" {model} {effort} {argv}; prompt \"go\"; }}"
        );
        let compiled = compile(&roster);
        assert!(compiled.diagnostics.is_empty() && compiled.fleet.is_some(), "{name}:\n{}", compiled.text());
    }
}

#[test]
fn every_role_compiles() {
    for (name, _) in builtin::ROLES {
        let roster = format!(
            "fleet \"a\" version=1\nfloor \"exempt\" reason=\"x\"\nagent \"one\" {{ role \"{name}\"; runtime \"canary\"; }}"
        );
        let compiled = compile(&roster);
        assert!(compiled.diagnostics.is_empty(), "{name}:\n{}", compiled.text());
        let fleet = compiled.fleet.unwrap();
        assert!(!fleet.agents[0].may.is_empty(), "{name} may nothing");
        assert!(fleet.agents[0].role_text.as_ref().is_some_and(|text| text.len() > 200), "{name} says nothing");
    }
}

/// The table in the documentation says what the files say.
#[test]
fn the_table_of_roles_is_up_to_date() {
    let table = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/commands.md")).unwrap();
    for (name, text) in builtin::ROLES {
        let line = text.lines().find(|line| line.starts_with("may ")).unwrap();
        let words: Vec<_> = line.split('"').skip(1).step_by(2).collect();
        let row = format!("| `{name}` | {}", words.join(", "));
        assert!(table.contains(&row), "docs/commands.md lacks {row}");
    }
}

/// A block in the documentation that starts with `fleet "` is a roster; one marked ```` ```kdl fails ```` must fail.
#[test]
fn every_roster_in_the_documentation_compiles() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let mut seen = 0;
    for path in docs.chain([root.join("README.md")]).filter(|path| path.extension().is_some_and(|e| e == "md")) {
        let text = fs::read_to_string(&path).unwrap();
        for block in text.split("```kdl").skip(1) {
            let (mark, rest) = block.split_once('\n').unwrap();
            let body = rest.split("```").next().unwrap();
            if !body.trim_start().starts_with("fleet \"") {
                continue;
            }
            seen += 1;
            let compiled = compile(body);
            let failed = compiled.diagnostics.has_errors();
            assert_eq!(failed, mark.trim() == "fails", "{}:\n{body}\n{}", path.display(), compiled.text());
        }
    }
    assert!(seen > 0, "the documentation shows no roster");
}
