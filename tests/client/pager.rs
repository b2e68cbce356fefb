//! The agent's log in a pager, in place of its screen.

use std::path::Path;

use alacritty_terminal::term::TermMode;
use fleet::shim::client;
use fleet::shim::protocol::from_shim;

use super::attach::{command, viewer};
use super::fake::{PATIENCE, Shim};
use super::pty::{Pty, Screen};
use super::real::{Agent, talker};

/// Says that it shows something, shows it, and ends with a line of input.
fn pager(folder: &Path) -> String {
    let path = folder.join("pager");
    std::fs::write(&path, "echo 'PAGER:'\ncat\necho 'END OF LOG'\nread line </dev/tty\n").unwrap();
    format!("sh '{}'", path.display())
}

fn has(text: &'static str) -> impl Fn(&Screen) -> bool {
    move |screen| screen.lines.iter().any(|line| line.contains(text))
}

#[test]
fn the_log_is_shown_and_the_agent_hears_nothing_of_it() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("log"),
        "\x1b[31mred words\x1b[0m\x1b]2;t\x07\r\n\x1b[?1000h\x1b[?1049lmore\r\n",
    )
    .unwrap();
    let shim = Shim::new();
    let pager = pager(folder.path());
    let options = [("PAGER", pager.as_str()), ("ATTACH_LOG", folder.path().to_str().unwrap())];
    let (mut pty, mut client) = viewer(&shim, &options);
    client.frame(from_shim::OUTPUT, "\x1b[?1000h\x1b[?1006h\x1b[?2004h");
    pty.wait("the agent's modes", |screen| screen.modes.contains(TermMode::MOUSE_REPORT_CLICK));
    pty.type_in("\x1c[");
    // It asks how large the agent's terminal is; without an answer its own size does.
    drop(shim.accept());
    let screen = pty.wait("the log", has("END OF LOG"));
    let at = screen.lines.iter().position(|line| line == "PAGER:").unwrap();
    assert_eq!(screen.lines[at..at + 4], ["PAGER:", "red words", "more", "END OF LOG"]);
    for mode in [TermMode::ALT_SCREEN, TermMode::MOUSE_REPORT_CLICK, TermMode::BRACKETED_PASTE] {
        assert!(!screen.modes.contains(mode), "{mode:?} is on under the pager");
    }
    assert!(!pty.is_raw());
    // Keys of the pager's end neither it nor the viewer, and reach nobody else.
    pty.type_in("\r");
    pty.wait("the way back", has("[Enter goes back]"));
    pty.type_in("\r");
    assert_eq!(client.hear().unwrap(), ('R', vec![80, 0, 12, 0]), "the first it hears is that all is to be drawn");
    client.frame(from_shim::OUTPUT, "\x1b[1;1Hback at the agent");
    pty.wait("the agent", |screen| screen.modes.contains(TermMode::ALT_SCREEN) && has("back at the agent")(screen));
    assert!(pty.is_raw());
    pty.type_in("x");
    assert_eq!(client.hear().unwrap(), ('I', b"x".to_vec()));
    pty.type_in("\x1c");
    assert_eq!(client.hear().unwrap().0, 'D');
    assert_eq!(pty.code(), 0);
}

#[test]
fn without_a_log_or_a_pager_it_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let shim = Shim::new();
    let options = [("PATH", "/nowhere"), ("ATTACH_LOG", folder.path().to_str().unwrap())];
    let (mut pty, mut client) = viewer(&shim, &options);
    pty.type_in("\x1c[");
    drop(shim.accept());
    assert_eq!(client.hear().unwrap().0, 'R');
    client.frame(from_shim::OUTPUT, "\x1b[2J\x1b[1;1Hagain");
    pty.wait("that there is no log", has("there is no log of this agent"));
    std::fs::write(folder.path().join("log"), "words\r\n").unwrap();
    pty.type_in("\x1c[");
    drop(shim.accept());
    assert_eq!(client.hear().unwrap().0, 'R');
    client.frame(from_shim::OUTPUT, "\x1b[2J\x1b[1;1Hagain");
    pty.wait("that there is no pager", |screen| has("there is no pager")(screen) && has("again")(screen));
}

/// Most of all when the agent is gone, people want to know what it said last.
#[test]
fn the_log_of_an_agent_that_has_ended_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("log"), "last words\r\n").unwrap();
    let pager = pager(folder.path());
    let (socket, log) = (folder.path().join("agent.sock"), folder.path().to_str().unwrap());
    let mut pty =
        Pty::spawn(command(&socket, &[("ATTACH_RECONNECT", "1"), ("PAGER", &pager), ("ATTACH_LOG", log)]), 80, 12);
    pty.wait("that it waits", has("waiting for it to start"));
    pty.type_in("\x1c[");
    pty.wait("the log", |screen| has("last words")(screen) && has("END OF LOG")(screen));
    pty.type_in("\r");
    pty.wait("the way back", has("[Enter goes back]"));
    pty.type_in("\r");
    // It still waits, and shows the agent when it comes.
    let shim = Shim::at(&socket);
    let mut client = shim.accept();
    client.frame(from_shim::OUTPUT, "\x1b[1;1Hback again");
    pty.wait("the agent", has("back again"));
    pty.type_in("\x1c");
    assert_eq!(client.hear().unwrap().0, 'D');
    assert_eq!(pty.code(), 0);
}

#[test]
fn a_real_agent_goes_on_meanwhile_and_its_modes_come_back() {
    let agent = Agent::start(talker());
    let folder = tempfile::tempdir().unwrap();
    let pager = pager(folder.path());
    let log = agent.folder();
    let options = [("PAGER", pager.as_str()), ("ATTACH_LOG", log.to_str().unwrap())];
    let mut pty = Pty::spawn(command(&agent.socket(), &options), 90, 20);
    pty.wait("the canary", |screen| screen.modes.contains(TermMode::BRACKETED_PASTE) && has("hello")(screen));
    pty.type_in("\x1c[");
    let screen = pty.wait("the log", has("END OF LOG"));
    assert!(has("hello")(&screen) && !screen.modes.contains(TermMode::BRACKETED_PASTE), "{screen:?}");
    let sent = agent.send("while you read");
    let status = client::status(&agent.socket(), PATIENCE).unwrap();
    assert_eq!((status.columns, status.rows, status.viewers), (90, 20, 1), "{sent:?}");
    pty.type_in("\r");
    pty.wait("the way back", has("[Enter goes back]"));
    pty.type_in("\r");
    let screen = pty.wait("what came meanwhile", |screen| {
        has("while you read")(screen) && screen.modes.contains(TermMode::ALT_SCREEN | TermMode::BRACKETED_PASTE)
    });
    assert_eq!(screen.title, client::screen(&agent.socket(), PATIENCE).unwrap().title);
}

/// less(1), where it is: opened at the end, left with `q`, and Ctrl-C is its own.
#[test]
fn less_shows_the_end_of_a_long_log() {
    assert!(Path::new("/usr/bin/less").exists(), "this test needs less: install the package less");
    let folder = tempfile::tempdir().unwrap();
    let long: String = (0..500).map(|n| format!("line {n}\r\n")).collect();
    std::fs::write(folder.path().join("log"), long).unwrap();
    let shim = Shim::new();
    let options = [("PAGER", ""), ("LESS", "-F"), ("TERM", "xterm"), ("ATTACH_LOG", folder.path().to_str().unwrap())];
    let (mut pty, mut client) = viewer(&shim, &options);
    pty.type_in("\x1c[");
    drop(shim.accept());
    pty.wait("the end of the log", has("line 499"));
    pty.type_in("\x03");
    // What is typed while less takes the signal is lost.
    let deadline = std::time::Instant::now() + PATIENCE;
    while pty.screen().lines.first().is_none_or(|line| line != "line 0") {
        pty.type_in("g");
        pty.settle(std::time::Duration::from_millis(100));
        assert!(std::time::Instant::now() < deadline, "never at the beginning of the log");
    }
    pty.type_in("q");
    assert_eq!(client.hear().unwrap().0, 'R');
    pty.type_in("\x1c");
    assert_eq!(client.hear().unwrap().0, 'D');
    assert_eq!(pty.code(), 0);
}
