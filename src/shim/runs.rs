//! `runs`: where in the log each run began, and how it ended; one JSON object a line.
//!
//! Begun places are a file and an offset in it, not a count of bytes: a shim that was killed has counted nothing, and a
//! rotated log keeps its number.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use nix::libc;
use serde::{Deserialize, Serialize};

use super::{records, report};
use crate::system::fs as files;

/// The file in the agent's folder.
const NAME: &str = "runs";
/// A longer file loses its older half, in bytes.
const MOST: usize = 64 << 10;

/// A place in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The file's number, which it keeps when it is rotated.
    pub inode: u64,
    /// Bytes from its beginning.
    pub at: u64,
}

/// One run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// RFC 3339, UTC.
    pub started: String,
    /// Where its output begins. `None`: there was no log yet.
    pub place: Option<Place>,
    /// How it ended, as far as its shim could say.
    pub end: Option<End>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// RFC 3339, UTC.
    pub ended: String,
    pub code: Option<i32>,
    pub signal: Option<i32>,
}

/// A line: a beginning, or with `ended` an end.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    started: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    log: Option<Place>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ended: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    code: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    signal: Option<i32>,
}

/// Notes that a run begins: what the log gets from now on is its own.
pub(super) fn begin(folder: &Path, started: &str) {
    let log = fs::symlink_metadata(folder.join("log")).ok().filter(fs::Metadata::is_file);
    let log = log.map(|log| Place { inode: log.ino(), at: log.len() });
    shorten(folder);
    append(folder, &Line { started: started.to_owned(), log, ended: None, code: None, signal: None });
}

/// Notes how the run ended.
pub(super) fn end(folder: &Path, started: &str, end: End) {
    let End { ended, code, signal } = end;
    append(folder, &Line { started: started.to_owned(), log: None, ended: Some(ended), code, signal });
}

/// It is for people who read the log: what cannot be noted is said, and hurts nobody.
fn append(folder: &Path, line: &Line) {
    let written = serde_json::to_vec(line).map_err(io::Error::from).and_then(|mut bytes| {
        bytes.push(b'\n');
        let mut options = OpenOptions::new();
        options.append(true).create(true).mode(0o600).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
        options.open(folder.join(NAME))?.write_all(&bytes)
    });
    if let Err(error) = written {
        report(format_args!("{}: {error}", folder.join(NAME).display()));
    }
}

fn shorten(folder: &Path) {
    let Some(text) = text(folder).filter(|text| text.len() > MOST) else { return };
    let half = text.len() / 2;
    let from = text.as_bytes()[half..].iter().position(|byte| *byte == b'\n').map_or(text.len(), |at| half + at + 1);
    if let Err(error) = records::write(folder, NAME, &text.as_bytes()[from..]) {
        report(format_args!("{}: {error}", folder.join(NAME).display()));
    }
}

fn text(folder: &Path) -> Option<String> {
    let bytes = files::read_optional(&folder.join(NAME), 4 * MOST as u64).ok()??;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The runs that are noted in the agent's folder, oldest first.
#[must_use]
pub fn read(folder: &Path) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    // A shim that was killed while it wrote has left half a line.
    for line in text(folder).unwrap_or_default().lines().filter_map(|line| serde_json::from_str::<Line>(line).ok()) {
        let known = runs.iter_mut().rev().find(|run| run.started == line.started);
        let end = line.ended.map(|ended| End { ended, code: line.code, signal: line.signal });
        match (known, end) {
            (Some(run), end @ Some(_)) => run.end = end,
            // Of one whose beginning is forgotten.
            (None, Some(_)) => {}
            (_, None) => runs.push(Run { started: line.started, place: line.log, end: None }),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_read_with_their_ends() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(folder.path()), []);
        begin(folder.path(), "t1");
        fs::write(folder.path().join("log"), "hello").unwrap();
        let over = |at: &str| End { ended: at.to_owned(), code: Some(3), signal: None };
        end(folder.path(), "t1", over("t2"));
        begin(folder.path(), "t3");
        // Its shim was killed in the middle of a word.
        let mut file = OpenOptions::new().append(true).open(folder.path().join(NAME)).unwrap();
        file.write_all(b"{\"started\":\"t3\",\"en\n").unwrap();
        begin(folder.path(), "t4");
        let inode = fs::metadata(folder.path().join("log")).unwrap().ino();
        let place = Some(Place { inode, at: 5 });
        let runs = read(folder.path());
        assert_eq!(runs.iter().map(|run| run.started.as_str()).collect::<Vec<_>>(), ["t1", "t3", "t4"]);
        assert_eq!((runs[0].place, &runs[0].end), (None, &Some(over("t2"))));
        assert_eq!((runs[1].place, &runs[1].end), (place, &None));
    }

    #[test]
    fn the_file_is_bounded_and_the_newest_stay() {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..3_000 {
            begin(folder.path(), &format!("2026-01-01T00:00:00.{number:09}Z"));
        }
        let length = fs::metadata(folder.path().join(NAME)).unwrap().len();
        assert!(length <= MOST as u64 + 200, "{length}");
        assert!(read(folder.path()).last().unwrap().started.ends_with("000002999Z"));
    }
}
