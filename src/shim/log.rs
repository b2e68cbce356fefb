//! The agent's raw output on disk: appended, rotated by size. A full disk costs log, never the agent.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::libc;

use super::mask::{Mask, Stream};
use super::report;
use crate::manifest::LogPolicy;

/// How often a log that cannot be opened is tried again, at most.
const REOPEN: Duration = Duration::from_secs(5);

/// `<folder>/log` and its rotated elder siblings `log.1`, `log.2`, …
#[derive(Debug)]
pub(super) struct Log {
    folder: PathBuf,
    policy: LogPolicy,
    file: Option<File>,
    /// Bytes in the live file.
    size: u64,
    stream: Stream,
    /// Bytes that could not be written since the last one that could.
    lost: u64,
    cause: String,
    complained: bool,
    retry_at: Option<Instant>,
}

impl Log {
    /// Opens nothing yet: the first byte does.
    pub(super) fn new(folder: PathBuf, policy: LogPolicy) -> Self {
        Self {
            folder,
            policy,
            file: None,
            size: 0,
            stream: Stream::default(),
            lost: 0,
            cause: String::new(),
            complained: false,
            retry_at: None,
        }
    }

    /// Takes a new policy. The live file is kept unless logging was switched off.
    pub(super) fn set_policy(&mut self, policy: LogPolicy) {
        if policy.off {
            self.file = None;
        }
        self.policy = policy;
    }

    /// Appends output of the agent.
    pub(super) fn append(&mut self, mask: &Mask, bytes: &[u8]) {
        if self.policy.off {
            return;
        }
        if mask.is_empty() {
            self.write(bytes);
        } else {
            let masked = self.stream.push(mask, bytes);
            self.write(&masked);
        }
    }

    /// Appends what was held back.
    pub(super) fn finish(&mut self, mask: &Mask) {
        let rest = self.stream.finish(mask);
        if !self.policy.off {
            self.write(&rest);
        }
    }

    fn write(&mut self, bytes: &[u8]) {
        if bytes.is_empty() || !self.ready() {
            self.lost += bytes.len() as u64;
            return;
        }
        if self.size > 0
            && self.size + bytes.len() as u64 > self.policy.size
            && let Err(error) = self.rotate()
        {
            self.failed(&error, bytes.len());
            return;
        }
        if self.lost > 0 {
            let note = format!("\r\n[fleet: {} bytes of output are missing here: {}]\r\n", self.lost, self.cause);
            match self.write_out(note.as_bytes()) {
                Ok(()) => self.lost = 0,
                Err((error, _)) => {
                    self.failed(&error, bytes.len());
                    return;
                }
            }
        }
        if let Err((error, missing)) = self.write_out(bytes) {
            self.failed(&error, missing);
        }
    }

    /// Writes all, or says how much is missing.
    fn write_out(&mut self, mut bytes: &[u8]) -> Result<(), (io::Error, usize)> {
        let Some(file) = self.file.as_mut() else { return Err((io::ErrorKind::NotFound.into(), bytes.len())) };
        while !bytes.is_empty() {
            match file.write(bytes) {
                Ok(0) => return Err((io::ErrorKind::WriteZero.into(), bytes.len())),
                Ok(written) => {
                    self.size += written as u64;
                    bytes = &bytes[written..];
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err((error, bytes.len())),
            }
        }
        Ok(())
    }

    /// Whether there is a file to write to; opens it when there was none.
    fn ready(&mut self) -> bool {
        if self.file.is_some() {
            return true;
        }
        if self.retry_at.is_some_and(|at| Instant::now() < at) {
            return false;
        }
        match self.open() {
            Ok(()) => {
                self.retry_at = None;
                true
            }
            Err(error) => {
                self.failed(&error, 0);
                self.retry_at = Some(Instant::now() + REOPEN);
                false
            }
        }
    }

    fn open(&mut self) -> io::Result<()> {
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
            .open(self.folder.join("log"))?;
        let meta = file.metadata()?;
        if !meta.is_file() {
            return Err(io::Error::other("it is not a plain file: remove it"));
        }
        self.size = meta.len();
        self.file = Some(file);
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        self.file = None;
        let name = |number: u32| match number {
            0 => self.folder.join("log"),
            _ => self.folder.join(format!("log.{number}")),
        };
        if self.policy.keep == 0 {
            fs::remove_file(name(0))?;
        }
        for number in (0..self.policy.keep).rev() {
            match fs::rename(name(number), name(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        // What an earlier policy kept beyond that.
        for number in self.policy.keep.saturating_add(1)..u32::MAX {
            if fs::remove_file(name(number)).is_err() {
                break;
            }
        }
        self.open()
    }

    fn failed(&mut self, error: &io::Error, missing: usize) {
        self.lost += missing as u64;
        self.cause = error.to_string();
        if !self.complained {
            self.complained = true;
            report(format_args!(
                "{}: {error}: output is not kept; the gap will be marked when the log can be written again",
                self.folder.join("log").display()
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(folder: &std::path::Path, size: u64, keep: u32) -> Log {
        Log::new(folder.to_owned(), LogPolicy { size, keep, off: false })
    }

    #[test]
    fn rotation_keeps_the_newest_and_bounds_the_rest() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = log(folder.path(), 10, 2);
        for line in ["first..\n", "second.\n", "third..\n", "fourth.\n"] {
            log.append(&Mask::default(), line.as_bytes());
        }
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).ok();
        assert_eq!(read("log").as_deref(), Some("fourth.\n"));
        assert_eq!(read("log.1").as_deref(), Some("third..\n"));
        assert_eq!(read("log.2").as_deref(), Some("second.\n"));
        assert_eq!(read("log.3"), None);
    }

    #[test]
    fn without_elder_files_the_log_starts_anew() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = log(folder.path(), 10, 0);
        log.append(&Mask::default(), b"12345678");
        log.append(&Mask::default(), b"9abc");
        assert_eq!(fs::read(folder.path().join("log")).unwrap(), b"9abc");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_link_in_place_of_the_log_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let victim = folder.path().join("victim");
        fs::write(&victim, "mine").unwrap();
        std::os::unix::fs::symlink(&victim, folder.path().join("log")).unwrap();
        let mut log = log(folder.path(), 100, 1);
        log.append(&Mask::default(), b"output");
        assert_eq!(fs::read_to_string(victim).unwrap(), "mine");
        assert_eq!(log.lost, 6);
    }
}
