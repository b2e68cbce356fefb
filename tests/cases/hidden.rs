//! Secrets are found wherever they are written, and names wherever they would be misread.

use super::compile::{Compiled, compile, compile_with};

/// Made up, and put together here so that no scanner takes this file for a leak.
fn canary() -> String {
    format!("{}{}", "ghp_", "c4".repeat(18))
}

fn codes(compiled: &Compiled) -> Vec<&'static str> {
    compiled.diagnostics.sorted().iter().map(|found| found.code.number()).collect()
}

const HEAD: &str = "fleet \"shop\" version=1\nfloor \"exempt\" reason=\"x\"\n";

#[test]
fn secrets_are_found_in_every_file_and_behind_escapes() {
    let canary = canary();
    let agent = format!("{HEAD}agent \"x\" {{ role \"mine\"; runtime \"mine\"; prompt file=\"go.txt\"; }}\n");
    let role = "---\nmay \"code\"\n---\nDo it.\n".to_owned();
    let runtime = "runtime \"mine\" { program \"mine\"; }\n".to_owned();
    let files = |role: &str, runtime: &str, prompt: &str| {
        [("roles/mine.md", role.to_owned()), ("runtimes/mine.kdl", runtime.to_owned()), ("go.txt", prompt.to_owned())]
    };
    let with = |files: &[(&str, String)]| {
        let files: Vec<_> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
        compile_with(&agent, &files)
    };
    assert!(codes(&with(&files(&role, &runtime, "Go."))).is_empty());
    for files in [
        files(&role.replace("may", &format!("env \"A\" \"{canary}\"\nmay")), &runtime, "Go."),
        files(&role.replace("Do it.", &canary), &runtime, "Go."),
        files(&role, &runtime.replace("program", &format!("args \"{canary}\"; program")), "Go."),
        files(&role, &runtime, &canary),
    ] {
        let compiled = with(&files);
        assert_eq!(codes(&compiled), ["F0311"], "{}", compiled.text());
        assert!(!compiled.text().contains(&canary));
    }
    let escaped = canary.replacen('p', "\\u{70}", 1);
    for setting in [format!("env \"A\" \"{escaped}\""), format!("permissions \"{escaped}\"")] {
        let compiled = compile(&format!("{HEAD}agent \"x\" {{ role \"coder\"; runtime \"canary\"; {setting}; }}\n"));
        assert_eq!(codes(&compiled), ["F0311"], "{}", compiled.text());
        assert!(!compiled.text().contains(&canary) && !compiled.text().contains(&escaped), "{}", compiled.text());
    }
}

#[test]
fn an_env_file_named_by_mistake_is_not_shown() {
    let compiled =
        compile_with(&format!("{HEAD}include \".env\"\n"), &[(".env", "API_TOKEN=abcdef0123456789 # mine\n")]);
    assert!(compiled.fleet.is_none());
    assert!(!compiled.text().contains("abcdef0123456789"), "{}", compiled.text());
}

#[test]
fn words_that_mean_an_agent_of_another_kind_are_no_names() {
    for (roster, wrong) in [
        ("agent \"orchestrator\" { role \"coder\"; runtime \"canary\"; }", true),
        ("enhancer \"orchestrator\" { runtime \"canary\"; }", true),
        ("orchestrator \"orchestrator\" { runtime \"canary\"; }", false),
    ] {
        let compiled = compile(&format!("{HEAD}{roster}\n"));
        assert_eq!(codes(&compiled).contains(&"F0208"), wrong, "{roster}\n{}", compiled.text());
    }
}

#[test]
fn a_node_behind_a_disabled_one_is_read() {
    let compiled = compile(&format!(
        "{HEAD}agent \"x\" {{ role \"coder\"; runtime \"canary\"; }} /- foo\nagent \"y\" {{ role \"coder\"; runtime \"canary\"; }}\n"
    ));
    assert_eq!(compiled.fleet.as_ref().map(|fleet| fleet.agents.len()), Some(2), "{}", compiled.text());
}
