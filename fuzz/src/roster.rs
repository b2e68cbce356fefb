//! Fleets with hostile values. They go through the whole compiler, so that what is tested is what fleet would accept, and
//! nothing that it refuses.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use fleet::resolve::{Fleet, HostFacts};

use crate::bytes::Bytes;
use crate::compile::{self, compile};

/// `text` as KDL writes it, whatever is in it.
#[must_use]
pub fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            // Code points that a roster cannot hold as they are.
            _ if c.is_control() || fleet::diagnostic::acts(c) || c == '\u{feff}' => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            _ if c.is_whitespace() && c != ' ' => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            _ => out.push(c),
        }
    }
    out.push('"');
    out
}

/// The host of a hostile state folder below `folder`.
#[must_use]
pub fn host(bytes: &mut Bytes, folder: &Path, units: &Path) -> HostFacts {
    let odd: String = bytes.text().chars().take(60).collect();
    let state_base =
        if odd.is_empty() { folder.join("state") } else { PathBuf::from(format!("{}/{odd}", folder.display())) };
    HostFacts {
        state_base,
        runtime_base: Some(PathBuf::from("/run/user/0/fleet")),
        unit_base: units.to_owned(),
        ..compile::host()
    }
}

/// A fleet of up to `most` agents.
///
/// # Errors
/// When fleet refuses the roster, in its words.
pub fn fleet(bytes: &mut Bytes, host: &HostFacts, most: u8) -> Result<Fleet, String> {
    let mut text = String::from("fleet \"odd\" version=1\nfloor \"exempt\" reason=\"fuzz\"\n");
    let agents = 1 + bytes.below(most);
    for number in 0..agents {
        agent(bytes, number, &mut text);
    }
    compiled(&text, host)
}

/// A fleet of one agent with these variables.
///
/// # Errors
/// When fleet refuses the roster, in its words.
pub fn with_variables(variables: &[(String, String)], host: &HostFacts) -> Result<Fleet, String> {
    let mut text = String::from("fleet \"odd\" version=1\nfloor \"exempt\" reason=\"fuzz\"\n");
    text.push_str("agent \"a0\" {\n    role \"coder\"\n    runtime \"command\" { argv \"true\"; }\n");
    for (name, value) in variables {
        let _ = writeln!(text, "    env {} {}", quoted(name), quoted(value));
    }
    text.push_str("}\n");
    compiled(&text, host)
}

/// A fleet with windows: agents' names and titles as hostile as their types let them be.
///
/// # Errors
/// When fleet refuses the roster, in its words.
pub fn with_windows(bytes: &mut Bytes, host: &HostFacts) -> Result<Fleet, String> {
    let mut text = String::from("fleet \"odd\" version=1\nfloor \"exempt\" reason=\"fuzz\"\n");
    let mut names = Vec::new();
    for number in 0..=bytes.below(8) {
        let odd: String =
            bytes.text().chars().filter(|c| matches!(c, 'a'..='z' | '0'..='9' | '-')).take(25).collect();
        names.push(format!("a{number}{odd}"));
    }
    for name in &names {
        let _ =
            writeln!(text, "agent {} {{ role \"coder\"; runtime \"command\" {{ argv \"true\"; }}; }}", quoted(name));
    }
    text.push_str("layout {\n");
    // A pane more than these would find no room in its window.
    for panes in names.chunks(4) {
        let title: String = bytes.text().chars().filter(|c| !c.is_control() && *c != '#').take(64).collect();
        let arrange = bytes.pick(&["tiled", "even-horizontal", "even-vertical", "main-vertical", "main-horizontal"]);
        let _ = writeln!(text, "    window {} arrange=\"{arrange}\" {{", quoted(&title));
        for pane in panes {
            let _ = writeln!(text, "        pane {}", quoted(pane));
        }
        text.push_str("    }\n");
    }
    text.push_str("}\n");
    compiled(&text, host)
}

fn compiled(text: &str, host: &HostFacts) -> Result<Fleet, String> {
    let mut compiled = compile(text, host);
    compiled.fleet.take().ok_or_else(|| format!("{:?}", compiled.diagnostics.sorted()))
}

fn agent(bytes: &mut Bytes, number: u8, out: &mut String) {
    let has = bytes.byte();
    let _ = writeln!(out, "agent \"a{number}\" {{\n    role \"coder\"");
    if has & 1 != 0 {
        let _ = writeln!(out, "    description {}", quoted(&bytes.text()));
    }
    if has & 2 != 0 {
        let _ = writeln!(out, "    limits{}", limits(bytes));
    }
    if has & 4 != 0 {
        let when = bytes.pick(&["never", "on-failure", "always"]);
        let _ = write!(out, "    restart \"{when}\" delay=\"{}ms\"", bytes.number());
        for name in ["max-delay", "within"] {
            if bytes.flag() {
                let _ = write!(out, " {name}=\"{}ms\"", bytes.number());
            }
        }
        let _ = writeln!(out, " burst={}", 1 + u16::from(bytes.byte()) * 3);
    }
    if has & 8 != 0 {
        let _ = writeln!(out, "    stop-timeout \"{}ms\"", bytes.number());
    }
    if has & 16 != 0 {
        let _ = writeln!(out, "    env \"V\" {}", quoted(&bytes.text()));
    }
    if has & 32 != 0 {
        let _ = writeln!(out, "    dir {}", quoted(&bytes.text()));
    }
    if has & 64 != 0 && number > 0 {
        let _ = writeln!(out, "    after \"a{}\"", bytes.below(number));
    }
    let words: Vec<String> =
        if has & 128 != 0 { (0..bytes.below(3)).map(|_| quoted(&bytes.text())).collect() } else { Vec::new() };
    let _ = writeln!(out, "    runtime \"command\" {{ argv \"true\" {}; }}\n}}", words.join(" "));
}

fn limits(bytes: &mut Bytes) -> String {
    let mut out = String::new();
    let has = bytes.byte();
    for (bit, name) in [(1, "memory"), (2, "memory-high")] {
        if has & bit != 0 {
            let _ = write!(out, " {name}=\"{}\"", bytes.number());
        }
    }
    if has & 4 != 0 {
        let _ = write!(out, " tasks={}", bytes.number());
    }
    if has & 8 != 0 {
        let _ = write!(out, " cpu=\"{}%\"", bytes.number() & 0x1_ffff_ffff);
    }
    out
}

/// One line of at most 200 letters with a visible end, as fleet shows texts in systemd's lists.
#[must_use]
pub fn one_line(text: &str) -> String {
    let end = |c: char| c.is_whitespace() || c == '\\';
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let short: String = line.trim().trim_end_matches(end).chars().take(200).collect();
    // systemd takes code points that Unicode keeps for programs for invalid UTF-8.
    let kept = |c: char| matches!(c, '\u{fdd0}'..='\u{fdef}') || u32::from(c) & 0xfffe == 0xfffe;
    short.trim_end_matches(end).replace(kept, "\u{fffd}")
}
