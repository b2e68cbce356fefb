//! The writer of the viewer's session against a real tmux: windows have the names that tmux gives them when it is asked
//! directly, panes run exactly the program that was meant, the file is read back as what was written, and no text becomes
//! a command.

#![no_main]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use fleet::render::sink::tmux_line;
use fleet::render::view;
use fleet::resolve::Fleet;
use fleet_fuzz::bytes::Bytes;
use fleet_fuzz::roster;
use fleet_fuzz::tmux::Tmux;
use libfuzzer_sys::fuzz_target;

/// What stands in for `fleet attach`: it writes down what it was called with, and stays.
const PROGRAM: &str =
    "#!/bin/sh\nprintf '%s\\0' \"$0\" \"$@\" >\"$SEEN/$$.new\"\nmv \"$SEEN/$$.new\" \"$SEEN/$$\"\nexec sleep 1000\n";

const SESSION: &str = "=fleet-odd:";

fuzz_target!(|data: &[u8]| {
    let tmux = tmux();
    let canary = tmux.path("canary").display().to_string();
    let mut bytes = Bytes::new(data, &canary);
    if bytes.flag() {
        any_text(tmux, &bytes.text(), &bytes.text());
    } else {
        session(tmux, &mut bytes);
    }
    assert!(!tmux.canary(), "a command has run");
});

fn tmux() -> &'static Tmux {
    static TMUX: OnceLock<Tmux> = OnceLock::new();
    TMUX.get_or_init(|| {
        let tmux = Tmux::start();
        fs::write(tmux.path("program"), PROGRAM).expect("the program");
        fs::set_permissions(tmux.path("program"), fs::Permissions::from_mode(0o755)).expect("the program");
        tmux
    })
}

/// Any text at all, as a value and as a name.
fn any_text(tmux: &Tmux, value: &str, title: &str) {
    let lines = [
        tmux_line(&["set-environment", "-g", "FUZZ", value]),
        tmux_line(&["set-option", "-w", "-t", "=keep:", view::TITLE, title]),
        tmux_line(&["rename-window", "-t", "=keep:", view::NAME]),
        tmux_line(&["set-environment", "-g", "AFTER", "yes"]),
    ];
    fs::write(tmux.path("file"), lines.map(|line| format!("{}\n", line.as_str())).concat()).expect("the file");
    tmux.ask(&["set-environment", "-gu", "AFTER"]);
    let file = tmux.path("file").display().to_string();
    let meant = |text: &str| text.chars().filter(|c| !c.is_control()).collect::<String>();
    tmux.ask(&["source-file", &file]);
    assert_eq!(tmux.ask(&["show-environment", "-g", "FUZZ"]), format!("FUZZ={}\n", meant(value)));
    assert_eq!(tmux.ask(&["show-environment", "-g", "AFTER"]), "AFTER=yes\n");
    // Names are escaped when tmux takes them; those it takes as they are come back so.
    let simple = |c: char| c.is_ascii_alphanumeric() || " #(){}/.,;:'\"%&|<>!?*+=@^_~`-".contains(c);
    if title.chars().all(simple) {
        assert_eq!(tmux.ask(&["display-message", "-p", "-t", "=keep:", "#{window_name}"]), format!("{title}\n"));
    }
}

fn session(tmux: &Tmux, bytes: &mut Bytes) {
    let host = roster::host(bytes, &tmux.folder, Path::new("/nowhere"));
    let Ok(fleet) = roster::with_windows(bytes, &host) else { return };
    let program = fleet.paths.bin().join("fleet");
    // Not every text is the name of a folder.
    if fs::create_dir_all(fleet.paths.bin()).is_err() || symlink(tmux.path("program"), &program).is_err() {
        return;
    }
    let _ = fs::remove_dir_all(tmux.path("seen"));
    fs::create_dir(tmux.path("seen")).expect("a folder");
    let text = view::view(&fleet).text;
    assert_eq!(view::read(&text), fleet.windows);
    fs::write(tmux.path("file"), text.as_bytes()).expect("the file");
    let said = tmux.ask(&["source-file", &tmux.path("file").display().to_string()]);
    assert_eq!(said, "", "tmux has something to say");

    let panes = fleet.windows.iter().map(|window| window.panes.len()).sum();
    let meant: BTreeSet<Vec<String>> = fleet
        .windows
        .iter()
        .flat_map(|window| &window.panes)
        .map(|agent| {
            [&*program.display().to_string(), "attach", agent.as_str(), "--fleet", "odd", "--wait"]
                .map(str::to_owned)
                .to_vec()
        })
        .collect();
    assert_eq!(called(tmux, panes), meant);
    assert_eq!(names(tmux, SESSION), directly(tmux, &fleet));
    assert_eq!(tmux.ask(&["list-sessions", "-F", "#{session_name}"]).lines().count(), 2);
    tmux.ask(&["kill-session", "-t", SESSION]);
    let _ = fs::remove_file(&program);
}

/// The numbers, names and panes of a session's windows.
fn names(tmux: &Tmux, session: &str) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    for line in tmux.ask(&["list-panes", "-s", "-t", session, "-F", "#{window_index} #{window_name}"]).split('\n') {
        *found.entry(line.to_owned()).or_default() += 1;
    }
    found
}

/// The same for a session that is made without a file in between.
fn directly(tmux: &Tmux, fleet: &Fleet) -> BTreeMap<String, usize> {
    for (index, window) in fleet.windows.iter().enumerate() {
        // At the end of an argument a semicolon ends the command.
        let title = match window.title.strip_suffix(';') {
            Some(rest) => format!("{rest}\\;"),
            None => window.title.clone(),
        };
        let first: &[&str] = if index == 0 {
            &["new-session", "-d", "-s", "direct", "-x", "200", "-y", "50"]
        } else {
            &["new-window", "-t", "=direct:"]
        };
        tmux.ask(&[first, &["sleep 1000"]].concat());
        tmux.ask(&["set-option", "-w", "-t", "=direct:", view::TITLE, &title]);
        tmux.ask(&["rename-window", "-t", "=direct:", view::NAME]);
        for _ in 1..window.panes.len() {
            tmux.ask(&["split-window", "-t", "=direct:", "sleep 1000"]);
            tmux.ask(&["select-layout", "-t", "=direct:", "tiled"]);
        }
    }
    let found = names(tmux, "=direct:");
    tmux.ask(&["kill-session", "-t", "=direct:"]);
    found
}

/// What the programs of all panes were called with.
fn called(tmux: &Tmux, panes: usize) -> BTreeSet<Vec<String>> {
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        let files = fs::read_dir(tmux.path("seen")).expect("the folder").flatten();
        let done: Vec<_> = files.filter(|file| file.path().extension().is_none()).collect();
        if done.len() >= panes {
            let words = |text: String| text.split_terminator('\0').map(str::to_owned).collect();
            return done.iter().map(|file| words(fs::read_to_string(file.path()).expect("what was said"))).collect();
        }
        assert!(Instant::now() < end, "{} of {panes} programs were started", done.len());
        std::thread::sleep(Duration::from_millis(1));
    }
}
