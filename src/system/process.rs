//! Runs a program to its end: bounded in time and output, in a process group of its own.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::proc::{Handle, poll_until};

/// Bytes kept of each of standard output and standard error; the rest is read and dropped.
pub const OUTPUT_CAP: usize = 1 << 20;

/// What to run.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// The program and its arguments; never a shell.
    pub argv: Vec<OsString>,
    /// Set on top of the caller's environment.
    pub env: Vec<(OsString, OsString)>,
    /// Working folder; the caller's when `None`.
    pub dir: Option<PathBuf>,
    pub timeout: Duration,
}

impl Invocation {
    /// `argv` in the caller's folder and environment.
    pub fn new<S: Into<OsString>>(argv: impl IntoIterator<Item = S>, timeout: Duration) -> Self {
        Self { argv: argv.into_iter().map(Into::into).collect(), env: Vec::new(), dir: None, timeout }
    }

    fn program(&self) -> String {
        self.argv.first().map_or_else(String::new, |word| word.to_string_lossy().into_owned())
    }
}

/// A program that ended by itself.
#[derive(Debug, Clone)]
pub struct Finished {
    pub status: ExitStatus,
    /// At most [`OUTPUT_CAP`] bytes.
    pub stdout: Vec<u8>,
    /// At most [`OUTPUT_CAP`] bytes.
    pub stderr: Vec<u8>,
}

/// Why a program gave no answer.
#[derive(Debug)]
pub enum ProcessError {
    /// No such program.
    NotFound { program: String },
    /// It could not be started or watched.
    Io { program: String, error: io::Error },
    /// It ran longer than it may, and was killed with its process group.
    TimedOut { program: String, after: Duration },
}

impl fmt::Display for ProcessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound { program } => write!(f, "{program}: no such program"),
            Self::Io { program, error } => write!(f, "{program}: {error}"),
            Self::TimedOut { program, after } => write!(f, "{program}: no answer within {after:?}, so it was killed"),
        }
    }
}

impl std::error::Error for ProcessError {}

/// Kills the process group unless the program was waited for.
struct Group {
    child: Child,
    waited: bool,
}

impl Drop for Group {
    fn drop(&mut self) {
        if !self.waited {
            let _ = killpg(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGKILL);
            let _ = self.child.wait();
        }
    }
}

/// One captured stream.
struct Capture<R> {
    from: Option<R>,
    bytes: Vec<u8>,
}

impl<R: io::Read + AsFd> Capture<R> {
    fn new(from: Option<R>) -> io::Result<Self> {
        if let Some(stream) = &from {
            fcntl(stream.as_fd(), FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        }
        Ok(Self { from, bytes: Vec::new() })
    }

    /// Takes what is there now.
    fn drain(&mut self) -> io::Result<()> {
        let mut buffer = [0; 16 * 1024];
        while let Some(stream) = &mut self.from {
            match stream.read(&mut buffer) {
                Ok(0) => self.from = None,
                Ok(count) => {
                    let keep = count.min(OUTPUT_CAP - self.bytes.len());
                    self.bytes.extend_from_slice(&buffer[..keep]);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Runs `invocation` with an empty standard input and waits for its end. A descendant that keeps the output open after
/// the program's end is not waited for.
///
/// # Errors
/// When the program is missing, cannot be started, or runs into the time-out.
pub fn run(invocation: &Invocation) -> Result<Finished, ProcessError> {
    let program = invocation.program();
    let deadline = Instant::now() + invocation.timeout;
    let fail = |error: io::Error| ProcessError::Io { program: invocation.program(), error };
    let Some((first, arguments)) = invocation.argv.split_first() else {
        return Err(ProcessError::NotFound { program });
    };
    let mut command = Command::new(first);
    command.args(arguments).envs(invocation.env.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    if let Some(dir) = &invocation.dir {
        command.current_dir(dir);
    }
    let child = command.spawn().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => ProcessError::NotFound { program },
        _ => fail(error),
    })?;
    let mut group = Group { child, waited: false };
    let mut stdout = Capture::new(group.child.stdout.take()).map_err(fail)?;
    let mut stderr = Capture::new(group.child.stderr.take()).map_err(fail)?;
    let handle = Handle::of_pid(group.child.id()).map_err(fail)?;
    let handle = handle.ok_or_else(|| fail(io::Error::other("the process vanished")))?;
    loop {
        let mut fds = vec![PollFd::new(handle.as_fd(), PollFlags::POLLIN)];
        fds.extend(stdout.from.as_ref().map(|stream| PollFd::new(stream.as_fd(), PollFlags::POLLIN)));
        fds.extend(stderr.from.as_ref().map(|stream| PollFd::new(stream.as_fd(), PollFlags::POLLIN)));
        if poll_until(&mut fds, deadline).map_err(fail)? == 0 {
            return Err(ProcessError::TimedOut { program: invocation.program(), after: invocation.timeout });
        }
        let ended = fds[0].any() == Some(true);
        drop(fds);
        stdout.drain().map_err(fail)?;
        stderr.drain().map_err(fail)?;
        if ended {
            break;
        }
    }
    let status = group.child.wait().map_err(fail)?;
    group.waited = true;
    Ok(Finished { status, stdout: stdout.bytes, stderr: stderr.bytes })
}
