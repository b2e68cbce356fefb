//! `attach` at its end: the terminal is as it was, whatever ended it.

use std::process::Stdio;

use alacritty_terminal::term::TermMode;
use fleet::shim::protocol::{Ended, from_shim};
use nix::sys::signal::Signal;

use super::attach::{command, viewer};
use super::fake::Shim;
use super::pty::Pty;

/// Every mode that an agent can have had switched on through its shim.
const MODES: &str = "\x1b[?1000h\x1b[?1002h\x1b[?1003h\x1b[?1006h\x1b[?1004h\x1b[?2004h\x1b[?1h\x1b=\x1b[4 q\x1b[?25l\
                     \x1b[?7l\x1b[2;5r\x1b[31;1m\x1b]2;the agent\x07";

/// Fails unless the terminal is one that a shell can be used in.
fn is_restored(pty: &Pty) {
    let modes = pty.screen().modes;
    let foreign = TermMode::ALT_SCREEN
        | TermMode::MOUSE_MODE
        | TermMode::SGR_MOUSE
        | TermMode::FOCUS_IN_OUT
        | TermMode::BRACKETED_PASTE
        | TermMode::APP_CURSOR
        | TermMode::APP_KEYPAD;
    assert!(!modes.intersects(foreign), "left on: {:?}", modes & foreign);
    assert!(modes.contains(TermMode::SHOW_CURSOR | TermMode::LINE_WRAP), "{modes:?}");
    assert!(!pty.is_raw(), "line editing and echo are back");
    assert_eq!(pty.screen().title, "", "the title from before is back");
    let raw = String::from_utf8_lossy(&pty.raw).into_owned();
    let left = raw.rfind("\x1b[?1049l").expect("the alternate screen was left");
    for undone in ["\x1b[0 q", "\x1b[0m", "\x1b[r", "\x1b[?1000l", "\x1b[?1004l", "\x1b[?2004l"] {
        assert!(raw[..left].contains(undone), "{undone:?} not written before the screen was left");
    }
    assert!(raw[left..].contains("\x1b[?25h") && raw[left..].contains("\x1b[23;2t"));
}

#[test]
fn an_agent_that_ends_gives_back_a_clean_terminal_and_says_how() {
    for (ended, words) in [
        (Ended { code: Some(3), signal: None }, "coder ended (exit 3)"),
        (Ended { code: None, signal: Some(15) }, "coder ended (SIGTERM)"),
    ] {
        let shim = Shim::new();
        let (mut pty, mut client) = viewer(&shim, &[]);
        assert!(pty.is_raw());
        client.frame(from_shim::OUTPUT, MODES);
        pty.wait("the agent's modes and title", |screen| {
            screen.modes.contains(TermMode::MOUSE_MOTION | TermMode::APP_CURSOR) && screen.title == "the agent"
        });
        client.json(from_shim::EXIT, &ended);
        assert_eq!(pty.code(), 10);
        is_restored(&pty);
        let lines = pty.screen().lines;
        for expected in [words, "result: ended"] {
            assert!(lines.iter().any(|line| line == expected), "{expected} in {lines:?}");
        }
    }
}

#[test]
fn a_shim_that_dies_is_an_end_too() {
    let shim = Shim::new();
    let (mut pty, mut client) = viewer(&shim, &[]);
    client.frame(from_shim::OUTPUT, MODES);
    drop(client);
    assert_eq!(pty.code(), 10);
    is_restored(&pty);
    assert!(pty.screen().lines.iter().any(|line| line.contains("did not say how")), "{:?}", pty.screen().lines);
}

#[test]
fn signals_end_it_by_themselves_after_the_terminal_is_back() {
    for signal in [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT] {
        let shim = Shim::new();
        let (mut pty, mut client) = viewer(&shim, &[]);
        client.frame(from_shim::OUTPUT, MODES);
        pty.wait("the agent's modes", |screen| screen.modes.contains(TermMode::BRACKETED_PASTE));
        pty.signal(signal);
        assert_eq!(client.hear(), Some(('D', vec![])));
        assert_eq!(pty.code(), 1000 + signal as i32, "{signal}");
        is_restored(&pty);
    }
}

#[test]
fn a_panic_gives_the_terminal_back_before_its_words() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let shim = Shim::new();
    let (mut pty, mut client) = viewer(&shim, &[("ATTACH_PANIC", pipe.to_str().unwrap())]);
    client.frame(from_shim::OUTPUT, MODES);
    pty.wait("the agent's modes", |screen| screen.modes.contains(TermMode::BRACKETED_PASTE));
    std::fs::write(&pipe, "the test").unwrap();
    pty.wait("the panic's words on the main screen", |screen| {
        !screen.modes.contains(TermMode::ALT_SCREEN) && screen.lines.iter().any(|line| line.contains("as told by"))
    });
    is_restored(&pty);
}

#[test]
fn a_closed_terminal_detaches() {
    let shim = Shim::new();
    let (pty, mut client) = viewer(&shim, &[]);
    // The signal and the end of the input are two messengers of one event, and either may be first.
    let code = pty.hang_up();
    assert!([0, 1000 + Signal::SIGHUP as i32].contains(&code), "{code}");
    assert_eq!(client.hear(), Some(('D', vec![])));
}

#[test]
fn a_refusal_never_touches_the_screen() {
    let shim = Shim::new();
    let mut pty = Pty::spawn(command(shim.path(), &[]), 80, 12);
    shim.accept().say(b"{\"error\":\"busy\",\"message\":\"two viewers type already: use --watch\"}\n");
    assert_eq!(pty.code(), 12);
    let lines = pty.screen().lines;
    assert!(lines.iter().any(|line| line.contains("refused: two viewers type already: use --watch")), "{lines:?}");
    assert!(!String::from_utf8_lossy(&pty.raw).contains("1049"));
    assert!(!pty.is_raw());
}

#[test]
fn without_an_agent_or_a_terminal_nothing_is_touched() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = folder.path().join("agent.sock");
    let mut pty = Pty::spawn(command(&nowhere, &[]), 80, 12);
    assert_eq!(pty.code(), 11);
    assert!(!pty.raw.contains(&0x1b), "{:?}", String::from_utf8_lossy(&pty.raw));

    let output = command(&nowhere, &[]).stdin(Stdio::null()).output().unwrap();
    let words = String::from_utf8(output.stdout).unwrap();
    assert!(words.contains("standard input is not a terminal: run `fleet attach` in a terminal"), "{words}");
}
