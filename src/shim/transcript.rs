//! The raw log as text that a person can read: what the terminal showed, line by line, without what drew it.
//!
//! The log is played into a terminal model. Lines count when they scroll off, of a program that fills the screen by
//! itself when they move off; what stands on the screen at the end comes last.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Instant;

use alacritty_terminal::term::TermMode;

use super::runs::{Place, Run};
use super::terminal::{Model, Size};

/// Bytes of the log that are played: its end.
const MOST: u64 = 2 << 20;
/// Bytes between two looks at the screen.
const STEP: usize = 1024;
/// Rows that have moved together before it counts as scrolling.
const MOVED: usize = 3;

/// The end of the log in `folder`, as it looked on a terminal of this size. `None` when there is no log.
///
/// # Errors
/// When a log is there and cannot be read.
pub fn transcript(folder: &Path, columns: u16, rows: u16) -> io::Result<Option<String>> {
    Ok(whole(folder)?.map(|whole| played(&whole.bytes, Size::new(columns, rows))))
}

/// The end of the log with its last rotation.
struct Whole {
    bytes: Vec<u8>,
    /// That is all there is.
    is_all: bool,
    /// Its files, oldest first.
    files: Vec<Part>,
}

/// What is read of one file.
struct Part {
    inode: u64,
    /// Where in the file that begins, and where among all that is read.
    from: u64,
    base: usize,
}

impl Whole {
    /// Where a run begins in it. `None`: before it, or nobody knows.
    fn index(&self, place: Option<Place>) -> Option<usize> {
        // There was no log before it.
        let Some(place) = place else { return self.is_all.then_some(0) };
        let part = self.files.iter().find(|part| part.inode == place.inode)?;
        let behind = usize::try_from(place.at.checked_sub(part.from)?).ok()?;
        Some((part.base + behind).min(self.bytes.len()))
    }
}

fn whole(folder: &Path) -> io::Result<Option<Whole>> {
    let Some((mut bytes, mut last)) = tail(&folder.join("log"), MOST)? else { return Ok(None) };
    let mut is_all = last.from == 0;
    let mut files = Vec::new();
    let room = MOST.saturating_sub(bytes.len() as u64);
    if is_all
        && room > 0
        && let Some((older, part)) = tail(&folder.join("log.1"), room)?
    {
        is_all = part.from == 0 && !folder.join("log.2").exists();
        last.base = older.len();
        files.push(part);
        bytes.splice(0..0, older);
    }
    files.push(last);
    Ok(Some(Whole { bytes, is_all, files }))
}

/// The end of a log, by runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pieces {
    /// What came before the first of them.
    pub older: String,
    /// Runs by their place in the list, each with its output as it looked on a terminal of its own.
    pub runs: Vec<(usize, String)>,
    /// Older output was left out.
    pub is_cut: bool,
}

/// The end of the log in `folder`, by the `runs` that are noted there. `None` when there is no log.
///
/// # Errors
/// When a log is there and cannot be read.
pub fn transcript_of_runs(folder: &Path, (columns, rows): (u16, u16), runs: &[Run]) -> io::Result<Option<Pieces>> {
    let Some(whole) = whole(folder)? else { return Ok(None) };
    let mut begins: Vec<(usize, usize)> = Vec::new();
    for (number, run) in runs.iter().enumerate() {
        let least = begins.last().map_or(0, |(_, at)| *at);
        // A file of the same number that is not the same file: what it says of places is not true of this one.
        begins.extend(whole.index(run.place).filter(|at| *at >= least).map(|at| (number, at)));
    }
    let play = |bytes: &[u8]| played(bytes, Size::new(columns, rows));
    let ends = begins.iter().skip(1).map(|(_, at)| *at).chain([whole.bytes.len()]);
    let older = begins.first().map_or(whole.bytes.len(), |(_, at)| *at);
    let of_runs = begins.iter().zip(ends).map(|((number, at), end)| (*number, play(&whole.bytes[*at..end])));
    Ok(Some(Pieces { older: play(&whole.bytes[..older]), runs: of_runs.collect(), is_cut: !whole.is_all }))
}

/// The end of the log in `folder`: what came before its last `last` bytes, then those, each as it looked on a terminal of
/// its own. Whether older output was left out. `None` when there is no log.
///
/// # Errors
/// When a log is there and cannot be read.
pub fn transcripts(folder: &Path, (columns, rows): (u16, u16), last: u64) -> io::Result<Option<([String; 2], bool)>> {
    let Some(Whole { bytes, is_all, .. }) = whole(folder)? else { return Ok(None) };
    let last = usize::try_from(last).unwrap_or(usize::MAX);
    let (older, newer) = bytes.split_at(bytes.len().saturating_sub(last));
    let play = |bytes| played(bytes, Size::new(columns, rows));
    Ok(Some(([play(older), play(newer)], !is_all)))
}

/// The last `most` bytes of a file, from the beginning of a line where they are not all of it.
fn tail(path: &Path, most: u64) -> io::Result<Option<(Vec<u8>, Part)>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let meta = file.metadata()?;
    let from = meta.len().saturating_sub(most);
    let mut part = Part { inode: meta.ino(), from, base: 0 };
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
    if from > 0
        && let Some(end) = memchr::memchr(b'\n', &bytes)
    {
        bytes.drain(..=end);
        part.from += end as u64 + 1;
    }
    Ok(Some((bytes, part)))
}

fn played(bytes: &[u8], size: Size) -> String {
    let mut player = Player::new(size.columns, size.rows);
    player.feed(bytes);
    player.end()
}

/// Output, played as it comes.
#[derive(Debug)]
pub struct Player {
    model: Model,
    text: Text,
    /// Bytes of a frame that has not ended yet.
    held: usize,
    /// Nothing here depends on the time; the model wants one for its pacing of frames.
    now: Instant,
}

impl Player {
    /// A terminal of this size on which nothing stands yet.
    #[must_use]
    pub fn new(columns: u16, rows: u16) -> Self {
        // Between two looks no more lines can scroll off than bytes are played, of a frame or of a step.
        let model = Model::new(Size::new(columns, rows), 4 * u32::try_from(STEP).unwrap_or(u32::MAX));
        Self { model, text: Text::default(), held: 0, now: Instant::now() }
    }

    /// Plays more of it.
    pub fn feed(&mut self, bytes: &[u8]) {
        let mut rest: VecDeque<&[u8]> = bytes.chunks(STEP).collect();
        while let Some(chunk) = rest.pop_front() {
            let (_, read) = self.model.feed(chunk, self.now);
            if read > 0 && read < chunk.len() {
                rest.push_front(&chunk[read..]);
            }
            self.model.take_answers();
            // Half a frame looks like one whose rows have moved. One without an end is looked at all the same.
            self.held = if self.model.hold_until(self.now).is_some() { self.held + chunk.len() } else { 0 };
            if self.held == 0 || self.held > 3 * STEP {
                self.text.look(&mut self.model);
                self.held = 0;
            }
        }
    }

    /// The lines that have moved off the screen since the last call.
    pub fn take(&mut self) -> Vec<String> {
        let whole = self.text.out.rfind('\n').map_or(0, |end| end + 1);
        self.text.out.drain(..whole).as_str().lines().map(str::to_owned).collect()
    }

    /// What stands on the screen, down to the last line that is not blank.
    #[must_use]
    pub fn screen(&self) -> Vec<String> {
        let mut lines = self.model.text().lines;
        lines.truncate(lines.iter().rposition(|line| !line.is_empty()).map_or(0, |last| last + 1));
        lines
    }

    /// What was not taken, and the screen.
    #[must_use]
    pub fn end(self) -> String {
        self.text.end(&self.model)
    }
}

/// What was read off so far.
#[derive(Debug, Default)]
struct Text {
    out: String,
    /// The last line goes on.
    open: bool,
    /// What the program's own screen showed last.
    screen: Vec<String>,
}

impl Text {
    fn look(&mut self, model: &mut Model) {
        for (line, goes_on) in model.take_scrolled() {
            self.line(&line, goes_on);
        }
        if !model.mode().contains(TermMode::ALT_SCREEN) {
            let left = std::mem::take(&mut self.screen);
            self.lines(&left);
            return;
        }
        let now = model.text().lines;
        let (from, count) = moved_off(&self.screen, &now);
        let left: Vec<String> = self.screen.drain(from..from + count).collect();
        self.lines(&left);
        self.screen = now;
    }

    fn end(mut self, model: &Model) -> String {
        let screen = model.text();
        let used = screen.lines.iter().rposition(|line| !line.is_empty()).map_or(0, |last| last + 1);
        for (line, goes_on) in screen.lines.iter().zip(screen.wrapped).take(used) {
            self.line(line, goes_on);
        }
        if self.open {
            self.out.push('\n');
        }
        self.out
    }

    fn lines(&mut self, lines: &[String]) {
        for line in lines {
            self.line(line, false);
        }
    }

    fn line(&mut self, line: &str, goes_on: bool) {
        self.out.extend(line.chars().filter(|c| !c.is_control()));
        self.open = goes_on;
        if !goes_on {
            self.out.push('\n');
        }
    }
}

/// The rows of `before`, from where and how many, that have moved off the top of what scrolls in `now`.
fn moved_off(before: &[String], now: &[String]) -> (usize, usize) {
    let same = |by: usize| {
        let pairs = before.iter().skip(by).zip(now);
        pairs.filter(|(old, new)| old == new && !old.is_empty()).count()
    };
    let still = same(0);
    let best = (1..before.len()).max_by_key(|by| (same(*by), usize::MAX - by));
    let Some(by) = best.filter(|by| same(*by) > still.max(MOVED - 1)) else { return (0, 0) };
    // A heading that stays where it is does not scroll.
    let from = before.iter().zip(now).position(|(old, new)| old != new).unwrap_or(0);
    (from, by.min(before.len() - from))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &str) -> Vec<String> {
        played(bytes.as_bytes(), Size::new(20, 6)).lines().map(str::to_owned).collect()
    }

    #[test]
    fn lines_are_read_without_what_drew_them() {
        let many: String = (0..3000).map(|n| format!("\x1b[3{}mline {n}\x1b[0m\r\n", n % 8)).collect();
        let lines = read(&many);
        assert_eq!(lines.len(), 3000);
        assert!(lines.iter().enumerate().all(|(n, line)| *line == format!("line {n}")));
        // A spinner is one line, a long line is whole, a title is none.
        let lines = read("\x1b]2;title\x07a\r\n| work\r/ work\r- done\r\n0123456789012345678901234567890\r\nend");
        assert_eq!(lines, ["a", "- done", "0123456789012345678901234567890", "end"]);
        assert_eq!(read(""), [] as [&str; 0]);
    }

    #[test]
    fn a_program_with_a_screen_of_its_own_is_read_as_it_moves() {
        let mut drawn = String::from("before\r\n\x1b[?1049h");
        for frame in 0..20 {
            drawn.push_str("\x1b[?2026h\x1b[H\x1b[2Jheading");
            for row in 0..4 {
                drawn.push_str(&format!("\x1b[{};1Hline {}", row + 2, frame + row));
            }
            drawn.push_str(&format!("\x1b[6;1H> {}\x1b[?2026l", if frame % 2 == 0 { '|' } else { '-' }));
        }
        let lines = read(&drawn);
        let numbers: Vec<&str> = lines.iter().filter_map(|line| line.strip_prefix("line ")).collect();
        let wanted: Vec<String> = (0..23).map(|n| n.to_string()).collect();
        assert_eq!(numbers, wanted, "{lines:?}");
        let lines = read(&(drawn + "\x1b[?1049lafter"));
        assert_eq!(lines[lines.len() - 2..], ["before", "after"]);
    }

    #[test]
    fn each_run_has_its_own_output_over_a_rotation() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        std::fs::write(file("log.1"), "one\r\ntwo\r\n").unwrap();
        std::fs::write(file("log"), "too\r\nthree\r\n").unwrap();
        let inode = |name: &str| std::fs::metadata(file(name)).unwrap().ino();
        let run = |place: Option<Place>| Run { started: String::new(), place, end: None };
        let at = |name: &str, at: u64| run(Some(Place { inode: inode(name), at }));
        let runs = [run(None), at("log.1", 5), at("log", 5)];
        let read = |runs: &[Run]| transcript_of_runs(folder.path(), (80, 24), runs).unwrap().unwrap();
        let text = |text: &str| text.to_owned();
        let whole = vec![(0, text("one\n")), (1, text("two\ntoo\n")), (2, text("three\n"))];
        assert_eq!(read(&runs), Pieces { older: String::new(), runs: whole, is_cut: false });
        // What is not there any more began nowhere.
        let gone = run(Some(Place { inode: u64::MAX, at: 3 }));
        let pieces = read(&[gone.clone(), at("log", 5)]);
        assert_eq!(
            pieces,
            Pieces { older: text("one\ntwo\ntoo\n"), runs: vec![(1, text("three\n"))], is_cut: false }
        );
        assert_eq!(read(&[gone]).older, "one\ntwo\ntoo\nthree\n");
        std::fs::write(file("log.2"), "zero\r\n").unwrap();
        assert_eq!(read(&runs).runs.len(), 2, "where the first began is not read");
    }

    #[test]
    fn the_end_of_a_long_log_is_read_over_its_rotation() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(transcript(folder.path(), 80, 24).unwrap(), None);
        std::fs::write(folder.path().join("log.1"), "older\r\n").unwrap();
        std::fs::write(folder.path().join("log"), "newer\r\n").unwrap();
        assert_eq!(transcript(folder.path(), 80, 24).unwrap().unwrap(), "older\nnewer\n");
        let (pieces, is_cut) = transcripts(folder.path(), (80, 24), 7).unwrap().unwrap();
        assert_eq!((pieces, is_cut), (["older\n".to_owned(), "newer\n".to_owned()], false));
        std::fs::write(folder.path().join("log.2"), "oldest\r\n").unwrap();
        assert!(transcripts(folder.path(), (80, 24), u64::MAX).unwrap().unwrap().1);
        let long: String = (0..400_000).map(|n| format!("{n}\r\n")).collect();
        std::fs::write(folder.path().join("log"), long).unwrap();
        let text = transcript(folder.path(), 80, 24).unwrap().unwrap();
        assert!(text.ends_with("399999\n") && text.lines().all(|line| line.parse::<u32>().is_ok()));
        assert!(text.len() < usize::try_from(MOST).unwrap());
    }
}
