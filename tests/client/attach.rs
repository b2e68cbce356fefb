//! `attach` while it lasts: drawing, typing, resizing, coming back.

use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;
use std::process::Command;

use alacritty_terminal::term::TermMode;
use fleet::shim::client::{AttachEnd, Attachment, attach};
use fleet::shim::protocol::{Ended, Notice, from_shim};
use serde_json::json;

use super::fake::{Client, Shim};
use super::pty::Pty;

/// Not a test of its own: what the tests below start, in a terminal of its own. Without `ATTACH_TO` it does nothing.
#[test]
fn in_a_terminal() {
    let Some(socket) = std::env::var_os("ATTACH_TO") else { return };
    let word = |name: &str| std::env::var(name).ok();
    if let Some(path) = word("ATTACH_PANIC") {
        // Reading a pipe that nobody has written yet waits.
        std::thread::spawn(move || panic!("as told by {:?}", std::fs::read(path)));
    }
    let end = attach(&Attachment {
        socket: socket.into(),
        name: "coder".to_owned(),
        watch: word("ATTACH_WATCH").is_some(),
        detach_key: word("ATTACH_KEY").map(|key| key.parse().unwrap()).unwrap_or_default(),
        reconnect: word("ATTACH_RECONNECT").is_some(),
        hint: false,
        log: std::env::var_os("ATTACH_LOG").map(Into::into),
    });
    let (code, words) = match end {
        Ok(AttachEnd::Detached) => (0, "result: detached".to_owned()),
        Ok(AttachEnd::Ended { .. }) => (10, "result: ended".to_owned()),
        Ok(AttachEnd::NeverRan) => (11, "result: never ran".to_owned()),
        Err(error) => (12, format!("result: {error}")),
    };
    // The terminal may be gone, which is one of the ends.
    let _ = std::io::Write::write_all(&mut std::io::stdout(), format!("{words}\n").as_bytes());
    #[expect(clippy::exit, reason = "it stands for a process")]
    std::process::exit(code);
}

/// This test binary, told to attach to `socket`.
pub fn command(socket: &Path, options: &[(&str, &str)]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "attach::in_a_terminal", "--nocapture", "--quiet"]).env("ATTACH_TO", socket);
    command.envs(options.iter().copied());
    command
}

/// A viewer of `shim` on a terminal of 80 by 12, drawn once.
pub fn viewer(shim: &Shim, options: &[(&str, &str)]) -> (Pty, Client) {
    let mut pty = Pty::spawn(command(shim.path(), options), 80, 12);
    let mut client = shim.accept();
    assert_eq!(client.verb, "attach");
    client.frame(from_shim::OUTPUT, "\x1b[1;1Hhello from the agent");
    pty.wait("the agent's screen", |screen| {
        screen.modes.contains(TermMode::ALT_SCREEN) && screen.lines == ["hello from the agent"]
    });
    (pty, client)
}

#[test]
fn typing_goes_out_drawing_comes_in_and_the_key_detaches() {
    let shim = Shim::new();
    let (mut pty, mut client) = viewer(&shim, &[]);
    assert_eq!(client.request, json!({"mode": "rw", "columns": 80, "rows": 12}));
    let raw = String::from_utf8_lossy(&pty.raw).into_owned();
    let told = raw.find("attached to coder; Ctrl-\\ detaches, twice sends it to the agent").expect("how to leave");
    assert!(told < raw.find("\x1b[?1049h").unwrap(), "said before the screen is taken");

    pty.type_in("héllo\r\x03\x1a");
    let mut typed = Vec::new();
    while typed.len() < 9 {
        let (kind, bytes) = client.hear().unwrap();
        assert_eq!(kind, 'I');
        typed.extend(bytes);
    }
    assert_eq!(typed, "héllo\r\x03\x1a".as_bytes(), "control keys are the agent's");
    pty.type_in("\x1c\x1c");
    assert_eq!(client.hear().unwrap(), ('I', vec![0x1c]), "twice is once for the agent");
    client.frame(from_shim::OUTPUT, "\x1b[2;1Hstill here");
    pty.wait("more of the screen", |screen| screen.lines.get(1).is_some_and(|line| line == "still here"));
    pty.type_in("\x1c");
    assert_eq!(client.hear(), Some(('D', vec![])));
    assert_eq!(client.hear(), None);
    assert_eq!(pty.code(), 0);
    let screen = pty.screen();
    assert!(!screen.modes.contains(TermMode::ALT_SCREEN));
    assert!(screen.lines.iter().any(|line| line == "detached from coder, which goes on"), "{screen:?}");
}

#[test]
fn another_detach_key_leaves_ctrl_backslash_to_the_agent() {
    let shim = Shim::new();
    let (mut pty, mut client) = viewer(&shim, &[("ATTACH_KEY", "ctrl-]")]);
    assert!(String::from_utf8_lossy(&pty.raw).contains("Ctrl-] detaches"));
    pty.type_in("\x1cx");
    assert_eq!(client.hear().unwrap(), ('I', b"\x1cx".to_vec()));
    pty.type_in("\x1d");
    assert_eq!(client.hear().unwrap().0, 'D');
    assert_eq!(pty.code(), 0);
}

#[test]
fn a_watcher_types_nothing_and_may_leave_with_ctrl_c() {
    for leave in ["\x1c", "\x03"] {
        let shim = Shim::new();
        let (mut pty, mut client) = viewer(&shim, &[("ATTACH_WATCH", "1")]);
        assert_eq!(client.request["mode"], "ro");
        pty.type_in("not for the agent\r");
        pty.type_in(leave);
        assert_eq!(client.hear(), Some(('D', vec![])), "and nothing before it");
        assert_eq!(pty.code(), 0);
    }
}

/// A terminal that makes arrow keys of its wheel on the alternate screen would type them into an agent.
#[test]
fn the_wheel_types_nothing_while_the_agent_has_not_asked_for_it() {
    let shim = Shim::new();
    let (mut pty, mut client) = viewer(&shim, &[]);
    assert!(!pty.screen().modes.contains(TermMode::ALTERNATE_SCROLL));
    client.json(from_shim::EXIT, &Ended { code: Some(0), signal: None });
    assert_eq!(pty.code(), 10);
    assert!(pty.screen().modes.contains(TermMode::ALTERNATE_SCROLL), "as most terminals have it");
    assert!(String::from_utf8_lossy(&pty.raw).contains("\x1b[?1007r"), "the others are asked to restore it");
}

#[test]
fn the_size_follows_the_terminal() {
    let shim = Shim::new();
    let (mut pty, mut client) = viewer(&shim, &[]);
    pty.resize(100, 40);
    assert_eq!(client.hear().unwrap(), ('R', vec![100, 0, 40, 0]));
    pty.resize(300, 9);
    assert_eq!(client.hear().unwrap(), ('R', vec![44, 1, 9, 0]));
}

#[test]
fn a_notice_stands_on_the_last_row_for_a_while_and_is_told_again_at_the_end() {
    let shim = Shim::new();
    let (mut pty, mut client) = viewer(&shim, &[]);
    for _ in 0..2 {
        client.json(from_shim::NOTICE, &Notice { text: "typing\x1b[2J is dropped".to_owned() });
    }
    let notice = "typing[2J is dropped";
    pty.wait("the notice under the screen", |screen| {
        screen.lines.len() == 12 && screen.lines[0] == "hello from the agent" && screen.lines[11] == notice
    });
    assert_eq!(client.hear().unwrap(), ('R', vec![80, 0, 12, 0]), "the size, told again, has the screen drawn again");
    client.json(from_shim::EXIT, &Ended { code: Some(0), signal: None });
    assert_eq!(pty.code(), 10);
    assert_eq!(pty.screen().lines.iter().filter(|line| *line == notice).count(), 1);
}

#[test]
fn a_flood_is_drawn_whole_and_input_still_goes_through() {
    let shim = Shim::new();
    let (mut pty, mut client) = viewer(&shim, &[]);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..300 {
                let line = format!("\x1b[3;1H\x1b[K{number} {}", "x".repeat(8000));
                client.frame(from_shim::OUTPUT, line);
            }
            client.frame(from_shim::OUTPUT, "\x1b[2J\x1b[1;1Hthe end");
            assert_eq!(client.hear().unwrap(), ('I', b"typed".to_vec()));
        });
        pty.type_in("typed");
        pty.wait("the last frame", |screen| screen.lines == ["the end"]);
    });
}

#[test]
fn a_quiet_attachment_wakes_nothing() {
    let shim = Shim::new();
    let (mut pty, _client) = viewer(&shim, &[]);
    pty.settle(std::time::Duration::from_millis(300));
    let switches = |pid: i32| {
        let mut all = String::new();
        for task in std::fs::read_dir(format!("/proc/{pid}/task")).unwrap() {
            let status = std::fs::read_to_string(task.unwrap().path().join("status")).unwrap();
            all.extend(status.lines().filter(|line| line.contains("ctxt_switches")));
        }
        all
    };
    let before = switches(pty.pid());
    // That nothing happens can only be seen over a stretch of time.
    pty.settle(std::time::Duration::from_millis(1_500));
    assert_eq!(switches(pty.pid()), before);
}

#[test]
fn it_waits_for_the_agent_to_come_back_and_attaches_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("agent.sock");
    let mut pty = Pty::spawn(command(&path, &[("ATTACH_RECONNECT", "1")]), 100, 12);
    let line = |text: &'static str| move |screen: &super::pty::Screen| screen.lines.iter().any(|line| line == text);
    pty.wait("not running yet", line("coder is not running; waiting for it to start, Ctrl-\\ leaves"));

    let shim = Shim::at(&path);
    let mut client = shim.accept();
    client.frame(from_shim::OUTPUT, "\x1b[1;1Hfirst run");
    pty.wait("the first run", line("first run"));
    client.json(from_shim::EXIT, &Ended { code: Some(3), signal: None });
    drop(client);
    drop(shim);
    std::fs::remove_file(&path).unwrap();
    pty.wait("the end of the first", line("coder ended (exit 3); waiting for it to start again, Ctrl-\\ leaves"));
    assert!(!pty.screen().modes.contains(TermMode::ALT_SCREEN));

    let shim = Shim::at(&path);
    let mut client = shim.accept();
    client.frame(from_shim::OUTPUT, "\x1b[1;1Hsecond run");
    pty.wait("the second run", line("second run"));
    client.json(from_shim::EXIT, &Ended { code: None, signal: Some(9) });
    drop(client);
    drop(shim);
    assert!(std::fs::symlink_metadata(&path).unwrap().file_type().is_socket(), "a dead socket stays");
    pty.wait("the end of the second", line("coder ended (SIGKILL); waiting for it to start again, Ctrl-\\ leaves"));
    pty.type_in("x\x1c");
    assert_eq!(pty.code(), 10, "what was seen last is the result");
}
