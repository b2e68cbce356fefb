//! Questions to a running tmux server (tmux(1)).
//!
//! Names of sessions and windows are text that agents can set. They are never put into a format, a target or a command;
//! they come back as values, each with its length in front, so that no name can pose as another field or line.

mod server;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::Path;
use std::time::Duration;

use super::process::{self, Finished, Invocation, ProcessError};
pub use server::{MarkedPane, Server, start};

/// Longest wait for an answer.
const ANSWER: Duration = Duration::from_secs(10);

/// Numbers and ids of tmux's own making only, so a line always has this shape.
const IDS: &str = "#{pane_id} #{pane_dead} #{pane_pid} #{window_index} #{pane_index}";
/// The lengths count bytes.
const NAMES: &str = "#{pane_id} #{n:session_name} #{n:window_name} #{session_name} #{window_name}";

/// One pane in which a process runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pane {
    /// As in `%7`; tmux gives it to no other pane while its server lives.
    pub id: String,
    /// The process the pane was opened with.
    pub pid: u32,
    pub window_index: u32,
    pub pane_index: u32,
    /// Empty where tmux's answer could not be told apart.
    pub session: String,
    /// Empty where tmux's answer could not be told apart.
    pub window: String,
}

/// Why tmux gave no answer.
#[derive(Debug)]
pub enum TmuxError {
    /// There is no program `tmux`.
    Missing,
    /// It ended with an error, e.g. because no server runs; its own words.
    Refused(String),
    /// It could not be run to its end.
    Failed(ProcessError),
    /// It answered something else than was asked for.
    Odd(String),
}

impl fmt::Display for TmuxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => write!(f, "there is no program tmux on the PATH"),
            Self::Refused(said) => write!(f, "tmux says: {said}"),
            Self::Failed(error) => write!(f, "{error}"),
            Self::Odd(line) => write!(f, "tmux described a pane as {line:?}"),
        }
    }
}

impl std::error::Error for TmuxError {}

/// Every live pane of the server at `socket`; without one, of the server that `$TMUX` names, else the default one.
///
/// # Errors
/// When tmux is missing, no server answers, or its answer is not understood.
pub fn panes(socket: Option<&Path>) -> Result<Vec<Pane>, TmuxError> {
    let mut panes = ids(&list(socket, IDS)?)?;
    // Asked for apart from the ids: whatever the names hold, the ids are known.
    let names = names(&list(socket, NAMES)?).unwrap_or_default();
    for pane in &mut panes {
        if let Some((session, window)) = names.get(&pane.id) {
            pane.session.clone_from(session);
            pane.window.clone_from(window);
        }
    }
    Ok(panes)
}

fn list(socket: Option<&Path>, format: &str) -> Result<Vec<u8>, TmuxError> {
    // -u: otherwise a locale without UTF-8 makes tmux replace bytes, and the lengths are wrong.
    let mut argv: Vec<OsString> = vec!["tmux".into(), "-u".into()];
    if let Some(socket) = socket {
        argv.extend(["-S".into(), socket.into()]);
    }
    argv.extend(["list-panes", "-a", "-F", format].map(OsString::from));
    let finished = process::run(&Invocation::new(argv, ANSWER)).map_err(|error| match error {
        ProcessError::NotFound { .. } => TmuxError::Missing,
        other => TmuxError::Failed(other),
    })?;
    answer(finished)
}

/// What it printed, or its own words about why not.
fn answer(finished: Finished) -> Result<Vec<u8>, TmuxError> {
    if finished.status.success() {
        return Ok(finished.stdout);
    }
    let said = String::from_utf8_lossy(&finished.stderr);
    let line: String = said.lines().next().unwrap_or("").chars().filter(|c| !c.is_control()).take(200).collect();
    Err(TmuxError::Refused(if line.is_empty() { format!("nothing ({})", finished.status) } else { line }))
}

fn ids(answer: &[u8]) -> Result<Vec<Pane>, TmuxError> {
    let answer = String::from_utf8_lossy(answer);
    let mut panes: Vec<Pane> = Vec::new();
    for line in answer.lines() {
        let (pane, dead) = id_line(line).ok_or_else(|| TmuxError::Odd(line.chars().take(80).collect()))?;
        // A window that is linked into several sessions is listed in each.
        if !dead && panes.iter().all(|other| other.id != pane.id) {
            panes.push(pane);
        }
    }
    Ok(panes)
}

fn id_line(line: &str) -> Option<(Pane, bool)> {
    let words: Vec<&str> = line.split(' ').collect();
    let [id, dead, pid, window, pane] = words.as_slice() else { return None };
    let pane = Pane {
        id: pane_id(id)?,
        pid: pid.parse().ok()?,
        window_index: window.parse().ok()?,
        pane_index: pane.parse().ok()?,
        session: String::new(),
        window: String::new(),
    };
    Some((pane, *dead == "1"))
}

fn pane_id(text: &str) -> Option<String> {
    let digits = text.strip_prefix('%')?;
    (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.to_owned())
}

/// Session and window by pane. `None` when a length does not fit: then nothing after it can be trusted.
fn names(mut rest: &[u8]) -> Option<BTreeMap<String, (String, String)>> {
    let mut found = BTreeMap::new();
    while !rest.is_empty() {
        let id = pane_id(word(&mut rest)?)?;
        let session: usize = word(&mut rest)?.parse().ok()?;
        let window: usize = word(&mut rest)?.parse().ok()?;
        let session = text(&mut rest, session, b' ')?;
        let window = text(&mut rest, window, b'\n')?;
        found.entry(id).or_insert((session, window));
    }
    Some(found)
}

fn word<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    let end = rest.iter().position(|byte| *byte == b' ')?;
    let word = std::str::from_utf8(&rest[..end]).ok()?;
    *rest = &rest[end + 1..];
    Some(word)
}

fn text(rest: &mut &[u8], length: usize, end: u8) -> Option<String> {
    let (text, after) = rest.split_at_checked(length)?;
    *rest = after.strip_prefix(&[end])?;
    Some(String::from_utf8_lossy(text).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dead_and_repeated_panes_are_passed_over() {
        let panes = ids(b"%0 0 71 0 0\n%12 0 72 3 1\n%0 0 71 5 0\n%4 1 73 0 1\n").unwrap();
        let seen: Vec<_> = panes.iter().map(|pane| (pane.id.as_str(), pane.pid, pane.window_index)).collect();
        assert_eq!(seen, [("%0", 71, 0), ("%12", 72, 3)]);
        assert!(matches!(ids(b"%0 0 71 0\n"), Err(TmuxError::Odd(_))));
        assert!(matches!(ids(b"$0 0 71 0 0\n"), Err(TmuxError::Odd(_))));
    }

    #[test]
    fn a_name_cannot_pose_as_a_field_or_as_another_pane() {
        let evil = "x\n%1 1 1 a b\n";
        let answer = format!("%0 {} 3 {evil} \t y\n%1 4 0 w\u{f6}k \n", evil.len());
        let found = names(answer.as_bytes()).unwrap();
        assert_eq!(found["%0"], (evil.to_owned(), "\t y".to_owned()));
        assert_eq!(found["%1"], ("w\u{f6}k".to_owned(), String::new()));
        assert_eq!(names(b"%0 4 1 abc d\n"), None);
        assert_eq!(names(b"%0 999 1 abc d\n"), None);
        // A tmux without the length modifier.
        assert_eq!(names(b"%0   abc d\n"), None);
    }
}
