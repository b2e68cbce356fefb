//! What it shows and what it does with what is typed.

use std::time::Duration;

use alacritty_terminal::term::TermMode;
use fleet::script::Step;

use super::{Canary, print};

#[test]
fn the_input_line_takes_typing_editing_and_enter() {
    let mut canary = Canary::start(vec![print("hello"), Step::Wait, print("thanks"), Step::Wait]);
    canary.shows(&["hello", ">"]);
    assert_eq!(canary.pty.screen().title, "canary: idle");
    assert!(canary.pty.screen().modes.contains(TermMode::BRACKETED_PASTE));
    canary.pty.type_in("nö漢x\x7f");
    canary.shows(&["hello", "> nö漢"]);
    canary.pty.type_in("\x15again\x03ok");
    canary.shows(&["hello", "> ok"]);
    canary.pty.type_in("\r");
    canary.shows(&["hello", "got: ok", "thanks", ">"]);
    canary.pty.type_in("\r  \r");
    canary.pty.type_in("two\r");
    canary.shows(&["thanks", "got: two", ">"]);
}

#[test]
fn a_paste_of_many_lines_is_one_message() {
    let mut canary = Canary::start(vec![Step::Wait]);
    canary.shows(&[">"]);
    canary.pty.type_in("\x1b[200~one\rtwo\r\nthree\x1b[201~");
    canary.shows(&["> one⏎two⏎three"]);
    canary.pty.type_in("\r");
    canary.shows(&["got: one⏎two⏎three", ">"]);
}

#[test]
fn it_looks_busy_takes_input_meanwhile_and_is_interrupted() {
    let mut canary = Canary::start(vec![Step::Busy { ms: 600_000 }, print("next"), Step::Wait]);
    canary
        .pty
        .wait("the clock", |screen| screen.lines.first().is_some_and(|line| line.starts_with("* working (1s)")));
    assert_eq!(canary.pty.screen().title, "canary: working");
    canary.pty.type_in("draft");
    canary.pty.wait("a draft under the busy line", |screen| screen.lines.last().is_some_and(|l| l == "> draft"));
    canary.pty.type_in("\r");
    canary.pty.wait("the echo above the busy line", |screen| {
        screen.lines[0] == "got: draft" && screen.lines[1].starts_with("* working") && screen.lines[2] == ">"
    });
    canary.pty.type_in("\x03");
    canary.shows(&["got: draft", "interrupted", "next", ">"]);
    assert_eq!(canary.pty.screen().title, "canary: idle");
}

#[test]
fn the_busy_line_changes_about_twice_a_second() {
    let mut canary = Canary::start(vec![Step::Busy { ms: 3_000 }, print("done")]);
    let mut seen = vec![String::new()];
    canary.pty.wait("the end", |screen| {
        if let Some(line) = screen.lines.iter().find(|line| line.starts_with("* working"))
            && seen.last() != Some(line)
        {
            seen.push(line.clone());
        }
        screen.lines.ends_with(&["done".to_owned(), ">".to_owned()])
    });
    let expected = [
        "",
        "* working (0s)",
        "* working (0s) .",
        "* working (1s)",
        "* working (1s) .",
        "* working (2s)",
        "* working (2s) .",
    ];
    assert!(seen.iter().all(|line| expected.contains(&line.as_str())), "{seen:?}");
    assert!(seen.len() >= 4, "a busy machine may lose some, not most: {seen:?}");
}

#[test]
fn waiting_is_silent_and_wakes_nothing() {
    let mut canary = Canary::start(vec![Step::Wait]);
    canary.shows(&[">"]);
    canary.pty.settle(Duration::from_millis(300));
    let pid = canary.pty.pid();
    let switches = || {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        status.lines().filter(|line| line.contains("ctxt_switches")).map(str::to_owned).collect::<Vec<_>>()
    };
    let before = switches();
    // That nothing happens can only be seen over a stretch of time.
    assert_eq!(canary.pty.settle(Duration::from_millis(1_500)), 0, "it wrote");
    assert_eq!(switches(), before);
}

#[test]
fn a_dialog_takes_one_key_and_keeps_the_draft() {
    let mut canary = Canary::start(vec![
        Step::Busy { ms: 600_000 },
        Step::Ask { text: "Run rm?".to_owned() },
        Step::Ask { text: "Sure?".to_owned() },
        Step::Wait,
    ]);
    canary.pty.wait("busy", |screen| screen.lines.last().is_some_and(|line| line == ">"));
    canary.pty.type_in("later\x03");
    canary.shows(&["interrupted", "? Run rm? [y/N]"]);
    canary.pty.type_in("zy");
    canary.shows(&["interrupted", "answered yes: Run rm?", "? Sure? [y/N]"]);
    canary.pty.type_in("\r");
    canary.shows(&["answered yes: Run rm?", "answered no: Sure?", "> later"]);

    let mut canary = Canary::start(vec![Step::Ask { text: "Now?".to_owned() }]);
    canary.shows(&["? Now? [y/N]"]);
    canary.pty.signal(nix::sys::signal::Signal::SIGINT);
    canary.shows(&["answered no: Now?", ">"]);
}

#[test]
fn limits_and_fatal_phrases_stand_right_above_the_input_line() {
    let limit = Step::Limit { reset_ms: 90_000 };
    let mut canary = Canary::start(vec![limit, Step::Fatal { text: "no credit".to_owned() }]);
    canary.shows(&["limit reached, resets in 1m30s", ">"]);
    assert_eq!(canary.pty.screen().title, "canary: idle");
    canary.pty.type_in("\x03");
    canary.shows(&["interrupted", "fatal: no credit", ">"]);
    let mut short = Canary::start(vec![Step::Limit { reset_ms: 50 }, print("on")]);
    short.shows(&["limit reached, resets in 50ms", "limit over", "on", ">"]);
}

#[test]
fn it_fits_every_width_and_follows_a_resize() {
    let mut canary = Canary::start_sized(vec![print("top"), Step::Busy { ms: 600_000 }], 60, 10);
    let draft = "a rather long draft that a narrow terminal cannot hold";
    canary.pty.wait("busy", |screen| screen.lines.len() == 3);
    canary.pty.type_in(draft);
    canary
        .pty
        .wait("the whole draft", |screen| screen.lines.last().is_some_and(|line| line == &format!("> {draft}")));
    canary.pty.resize(30, 10);
    // A terminal model may push the top line out when the draft wraps; what the canary drew must be gone in any case.
    canary.pty.wait("a clipped draft and no leftovers", |screen| {
        let lines = screen.lines.strip_prefix(&["top".to_owned()][..]).unwrap_or(&screen.lines);
        matches!(lines, [busy, input] if busy.starts_with("* working") && input.starts_with("> a rather long")
            && input.contains('…'))
    });
    canary.pty.type_in("\x15");
    canary.shows(&[">"]);
}
