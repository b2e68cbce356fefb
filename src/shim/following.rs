//! A log as it grows: its new bytes over rotations, and the text that they make.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::transcript::Player;

/// Bytes that are read at once.
const AT_ONCE: u64 = 1 << 20;
/// Rotated logs that are looked through for the one that was read last.
const ELDERS: u32 = 100;

/// Reads a log on from where it was left.
#[derive(Debug)]
pub struct Tail {
    folder: PathBuf,
    file: Option<File>,
}

impl Tail {
    /// A reader of the log in `folder`, which begins `back` bytes before its present end, or as near to that as the live
    /// file reaches.
    ///
    /// # Errors
    /// When a log is there and cannot be read.
    pub fn open(folder: &Path, back: u64) -> io::Result<Self> {
        let mut file = open(&folder.join("log"))?;
        if let Some(file) = &mut file {
            let end = file.metadata()?.len();
            file.seek(SeekFrom::Start(end.saturating_sub(back)))?;
        }
        Ok(Self { folder: folder.to_owned(), file })
    }

    /// What has come since, a piece of it at most; empty when nothing has.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn read(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        loop {
            let Some(file) = &mut self.file else {
                self.file = open(&self.folder.join("log"))?;
                if self.file.is_none() {
                    return Ok(bytes);
                }
                continue;
            };
            file.take(AT_ONCE).read_to_end(&mut bytes)?;
            if !bytes.is_empty() {
                return Ok(bytes);
            }
            // It has become an elder one since: whatever follows is in the next younger one.
            match self.younger()? {
                Some(next) => self.file = Some(next),
                None => return Ok(bytes),
            }
        }
    }

    /// The file after the one that was read to its end. `None`: that is still the live one.
    fn younger(&self) -> io::Result<Option<File>> {
        let Some(file) = &self.file else { return Ok(None) };
        let here = file.metadata()?;
        let key = (here.dev(), here.ino());
        let mut next = None;
        for number in 0..=ELDERS {
            let name = if number == 0 { "log".to_owned() } else { format!("log.{number}") };
            let found = open(&self.folder.join(name))?;
            let Some(found) = found else { break };
            let meta = found.metadata()?;
            if (meta.dev(), meta.ino()) == key {
                // What was written between the last read and the rotation.
                let mut unread = file.try_clone()?;
                let at = unread.stream_position()?;
                return Ok(if at < meta.len() { Some(unread) } else { next });
            }
            next = Some(found);
        }
        // It is gone altogether: the oldest there is comes next.
        Ok(next)
    }
}

fn open(path: &Path) -> io::Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Output as lines, while it comes: those that scroll away at once, those that stay when the screen has settled.
#[derive(Debug)]
pub struct Lines {
    player: Player,
    /// The screen as it was given out last, less what has moved off it since.
    given: Vec<String>,
}

impl Lines {
    /// Of a terminal of this size on which nothing stands yet.
    #[must_use]
    pub fn new(columns: u16, rows: u16) -> Self {
        Self { player: Player::new(columns, rows), given: Vec::new() }
    }

    /// Takes output, and gives the lines that have moved off the screen and were not given before.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<String> {
        self.player.feed(bytes);
        let mut lines = self.player.take();
        lines.retain(|line| match self.given.iter().position(|given| given == line) {
            Some(at) => {
                self.given.drain(..=at);
                false
            }
            None => true,
        });
        lines
    }

    /// The screen has settled: its lines that were not given before.
    pub fn settle(&mut self) -> Vec<String> {
        let screen = self.player.screen();
        let mut known: BTreeMap<&str, usize> = BTreeMap::new();
        for line in &self.given {
            *known.entry(line).or_default() += 1;
        }
        let mut new = Vec::new();
        for line in screen.iter().filter(|line| !line.is_empty()) {
            match known.get_mut(line.as_str()) {
                Some(count) if *count > 0 => *count -= 1,
                _ => new.push(line.clone()),
            }
        }
        self.given = screen;
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(tail: &mut Tail) -> String {
        let mut all = Vec::new();
        loop {
            let bytes = tail.read().unwrap();
            if bytes.is_empty() {
                return String::from_utf8(all).unwrap();
            }
            all.extend(bytes);
        }
    }

    #[test]
    fn a_log_is_read_on_over_rotations() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let mut tail = Tail::open(folder.path(), 0).unwrap();
        assert_eq!(text(&mut tail), "");
        std::fs::write(at("log"), "one ").unwrap();
        assert_eq!(text(&mut tail), "one ");
        let append = |name: &str, text: &str| {
            use std::io::Write as _;
            std::fs::OpenOptions::new().append(true).open(at(name)).unwrap().write_all(text.as_bytes()).unwrap();
        };
        append("log", "two ");
        // Twice in a row, unseen.
        std::fs::rename(at("log"), at("log.1")).unwrap();
        std::fs::write(at("log"), "three ").unwrap();
        std::fs::rename(at("log.1"), at("log.2")).unwrap();
        std::fs::rename(at("log"), at("log.1")).unwrap();
        std::fs::write(at("log"), "four ").unwrap();
        assert_eq!(text(&mut tail), "two three four ");
        append("log", "five");
        assert_eq!(text(&mut tail), "five");
        assert_eq!(text(&mut Tail::open(folder.path(), 4).unwrap()), "five");
        assert_eq!(text(&mut Tail::open(folder.path(), 99).unwrap()), "four five");
    }

    #[test]
    fn each_line_is_given_once_whether_it_scrolls_or_stays() {
        let mut lines = Lines::new(20, 4);
        assert_eq!(lines.feed(b"a\r\nb\r\n> "), [] as [&str; 0]);
        assert_eq!(lines.settle(), ["a", "b", ">"]);
        assert_eq!(lines.settle(), [] as [&str; 0]);
        // The prompt goes on as a line, and what was given scrolls away unseen.
        assert_eq!(lines.feed(b"go\r\nc\r\nd\r\ne\r\nf\r\n> "), ["> go", "c"]);
        assert_eq!(lines.settle(), ["d", "e", "f"]);
        assert_eq!(lines.feed(b"x\r\nf\r\nf\r\n> "), [] as [&str; 0]);
        assert_eq!(lines.settle(), ["> x", "f", "f"]);
    }
}
