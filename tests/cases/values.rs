//! Values that fuzzing found to end up in files as something else than was meant. See `fuzz/` for the oracles.

use std::path::PathBuf;

use fleet::diagnostic::Code;
use fleet::render::unit::parse;
use fleet::resolve::Window;

use super::compile::{compile, compile_on, host};

/// The directives of the one agent's unit.
fn directive(settings: &str, section: &str, name: &str) -> String {
    let text = format!(
        "fleet \"odd\" version=1 supervise=#false\nfloor \"exempt\" reason=\"x\"\nagent \"one\" {{\n    role \"coder\"\n    {settings}\n    \
         runtime \"command\" {{ argv \"true\"; }}\n}}\n"
    );
    let artifacts = compile(&text).artifacts(Some(252));
    let unit = artifacts.iter().find(|artifact| artifact.path.ends_with("fleet-odd-one.service")).unwrap();
    parse(&unit.text)[section][name][0].clone()
}

fn description(text: &str) -> String {
    directive(&format!("description {text:?}"), "Unit", "Description")
}

const BEFORE: &str = "one of fleet odd: ";

#[test]
fn a_description_is_cut_at_a_visible_end() {
    // The 200th letter is a blank, which systemd and whoever reads the file back would drop.
    let text = format!("{} {}", "x".repeat(199 - BEFORE.len()), "y".repeat(50));
    assert_eq!(description(&text), format!("{BEFORE}{}", "x".repeat(199 - BEFORE.len())));
    let text = format!("{}\u{3000}{}", "x".repeat(199 - BEFORE.len()), "y".repeat(50));
    assert_eq!(description(&text), format!("{BEFORE}{}", "x".repeat(199 - BEFORE.len())));
}

#[test]
fn a_description_is_cut_before_it_is_escaped() {
    // Two letters in the file are one to systemd, and half of them would be the beginning of a specifier.
    let text = format!("{}%%%", "x".repeat(198 - BEFORE.len()));
    assert_eq!(description(&text), format!("{BEFORE}{}%%%%", "x".repeat(198 - BEFORE.len())));
}

#[test]
fn no_backslash_ends_a_description_however_many_blanks_there_are() {
    assert_eq!(description("a\\ \\ \\ \\"), format!("{BEFORE}a"));
    assert_eq!(description("a \\ b\\"), format!("{BEFORE}a \\ b"));
}

#[test]
fn a_pane_starts_the_program_whatever_its_folder_is_called() {
    // tmux expands `#` in names, and takes a program and its words as they are.
    let host = fleet::resolve::HostFacts { state_base: PathBuf::from("/home/ada/c#"), ..host() };
    let text = "fleet \"odd\" version=1\nfloor \"exempt\" reason=\"x\"\nagent \"one\" { role \"coder\"; runtime \"canary\"; }\n";
    let compiled = compile_on(&host, text, &[]);
    let fleet = compiled.fleet.as_ref().unwrap_or_else(|| panic!("{}", compiled.text()));
    let view = fleet::render::view(fleet).text;
    assert!(view.contains("'/home/ada/c#/odd/bin/fleet' 'attach' 'one'"), "{view}");
}

#[test]
fn without_a_layout_no_window_has_more_panes_than_one_can_read() {
    let text = "fleet \"odd\" version=1\nfloor \"exempt\" reason=\"x\"\ndefaults { runtime \"canary\"; }\norchestrator \"lead\"\nagent \"c\" count=20 { role \"coder\"; }\n";
    let compiled = compile(text);
    let windows = &compiled.fleet.as_ref().unwrap_or_else(|| panic!("{}", compiled.text())).windows;
    let shown: Vec<_> = windows.iter().map(|window| (window.title.as_str(), window.panes.len())).collect();
    assert_eq!(shown, [("core", 1), ("coder", 9), ("coder 2", 9), ("coder 3", 2)]);
}

#[test]
fn windows_are_read_back_as_they_were_written() {
    let agents =
        ["one", "two"].map(|name| format!("agent \"{name}\" {{ role \"coder\"; runtime \"canary\"; }}\n")).concat();
    let compiled = compile(&format!("fleet \"odd\" version=1\nfloor \"exempt\" reason=\"x\"\n{agents}"));
    let mut fleet = compiled.fleet.clone().unwrap_or_else(|| panic!("{}", compiled.text()));
    // Rosters may not hold all of these; nothing may depend on that here.
    let titles = [
        "#(touch x)",
        "#{E:pane_title}",
        ";",
        "a;",
        "=a",
        "%H",
        "it's \"q\"",
        "' '",
        "größe 日本",
        "$1",
        "~",
        "-d",
        "\\",
    ];
    let first = fleet.windows[0].clone();
    fleet.windows = titles.map(|title| Window { title: title.to_owned(), ..first.clone() }).to_vec();
    let text = fleet::render::view(&fleet).text;
    assert_eq!(fleet::render::view::read(&text), fleet.windows, "{text}");
    // No title stands where tmux would expand it.
    let names: Vec<&str> = text.lines().filter(|line| line.starts_with("'rename-window'")).collect();
    assert_eq!(names, vec!["'rename-window' '#{@fleet_title}'"; titles.len()]);
}

#[test]
fn what_is_longer_than_systemd_can_count_is_for_ever() {
    let longest = u64::MAX;
    assert_eq!(directive(&format!("stop-timeout \"{longest}ms\""), "Service", "TimeoutStopSec"), "infinity");
    let settings =
        format!("restart \"never\" delay=\"{longest}ms\" max-delay=\"{longest}ms\" within=\"{longest}ms\"");
    assert_eq!(directive(&settings, "Service", "RestartSec"), "infinity");
    assert_eq!(directive(&settings, "Unit", "StartLimitIntervalSec"), "infinity");
}

#[test]
fn a_description_holds_only_what_systemd_takes_for_text() {
    // It refuses a whole unit for one of these code points, which are valid UTF-8 to everybody else.
    let text = "a\u{fdd0}b\u{fdef}c\u{fffe}d\u{10ffff}e\u{e000}";
    assert_eq!(description(text), format!("{BEFORE}a\u{fffd}b\u{fffd}c\u{fffd}d\u{fffd}e\u{e000}"));
}

/// The numbers of what is found in a roster of one agent.
fn found(settings: &str) -> Vec<&'static str> {
    let agent = "role \"coder\"; runtime \"command\" { argv \"true\"; }";
    let text =
        format!("fleet \"odd\" version=1\nfloor \"exempt\" reason=\"x\"\nagent \"one\" {{ {agent}; {settings}; }}\n");
    compile(&text).diagnostics.sorted().iter().map(|found| found.code.number()).collect()
}

#[test]
fn what_systemd_would_ignore_is_refused() {
    assert_eq!(found("env \"A\" \"x\u{fffe}\""), [Code::BadValue.number()]);
    assert_eq!(found("limits cpu=\"0%\""), [Code::BadValue.number()]);
    assert_eq!(found("limits cpu=\"21474837%\""), [Code::BadValue.number()]);
    assert_eq!(found("limits memory-high=\"0\""), [Code::BadValue.number()]);
    assert_eq!(found("limits memory=\"1M\" memory-high=\"1M\" cpu=\"1%\""), [] as [&str; 0]);
    for folder in ["/home/ada/../eve", "/home/ada/x\u{fdd0}"] {
        let host = fleet::resolve::HostFacts { state_base: PathBuf::from(folder), ..host() };
        let text = "fleet \"odd\" version=1\nfloor \"exempt\" reason=\"x\"\nagent \"one\" { role \"coder\"; runtime \"canary\"; }\n";
        let compiled = compile_on(&host, text, &[]);
        assert!(compiled.diagnostics.sorted().iter().any(|found| found.code == Code::StateFolder), "{folder}");
    }
}

#[test]
fn agents_of_one_name_that_wait_are_only_two_agents_of_one_name() {
    let agent =
        |name: &str, more: &str| format!("agent \"{name}\" {{ role \"coder\"; runtime \"canary\"; {more} }}\n");
    let b = agent("b", "after \"a\";");
    let text = format!("fleet \"odd\" version=1\nfloor \"exempt\" reason=\"x\"\n{}{b}{b}", agent("a", ""));
    let codes: Vec<_> = compile(&text).diagnostics.sorted().iter().map(|found| found.code).collect();
    assert_eq!(codes, [Code::DuplicateAgent]);
}
