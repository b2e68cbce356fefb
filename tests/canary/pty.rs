//! A program in a pseudo-terminal of its own, and what its screen shows.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use alacritty_terminal::event::{Event, EventListener};
use alacritty_terminal::grid::Dimensions as _;
use alacritty_terminal::index::{Column, Line};
use alacritty_terminal::term::test::TermSize;
use alacritty_terminal::term::{Config, Term, TermMode};
use alacritty_terminal::vte::ansi::Processor;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long a condition may take before the test fails. Generous: the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a terminal shows.
#[derive(Debug)]
pub struct Screen {
    /// Without trailing blanks, and without blank lines at the end.
    pub lines: Vec<String>,
    pub title: String,
    pub modes: TermMode,
}

#[derive(Clone, Default)]
struct Title(Arc<Mutex<String>>);

impl EventListener for Title {
    fn send_event(&self, event: Event) {
        match event {
            Event::Title(title) => *self.0.lock().unwrap() = title,
            Event::ResetTitle => self.0.lock().unwrap().clear(),
            _ => {}
        }
    }
}

/// The program is killed, by its pid, when this is dropped.
pub struct Pty {
    master: File,
    child: Child,
    term: Term<Title>,
    parser: Processor,
    title: Title,
    /// Every byte the program wrote.
    pub raw: Vec<u8>,
}

impl Pty {
    /// Starts `command` as the leader of a session whose terminal is a fresh one.
    pub fn spawn(mut command: Command, columns: u16, rows: u16) -> Self {
        let size = libc::winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = nix::pty::openpty(&size, None).expect("a pseudo-terminal");
        for end in [&pty.master, &pty.slave] {
            nix::fcntl::fcntl(end, nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::FD_CLOEXEC)).unwrap();
        }
        let slave = || Stdio::from(pty.slave.try_clone().unwrap());
        command.stdin(slave()).stdout(slave()).stderr(slave());
        // SAFETY: setsid and ioctl are async-signal-safe, and nothing else runs between fork and exec.
        unsafe {
            command.pre_exec(|| {
                nix::unistd::setsid()?;
                if libc::ioctl(0, libc::TIOCSCTTY, 0) != 0 {
                    return Err(std::io::Error::last_os_error());
                }
                Ok(())
            });
        }
        let child = command.spawn().expect("the program starts");
        let title = Title::default();
        let term = Term::new(Config::default(), &TermSize::new(columns.into(), rows.into()), title.clone());
        Self { master: File::from(pty.master), child, term, parser: Processor::new(), title, raw: Vec::new() }
    }

    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid()), signal).unwrap();
    }

    pub fn type_in(&mut self, bytes: &str) {
        self.master.write_all(bytes.as_bytes()).unwrap();
    }

    pub fn resize(&mut self, columns: u16, rows: u16) {
        let size = libc::winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        // SAFETY: TIOCSWINSZ reads one `winsize`, and `size` is one.
        assert_eq!(unsafe { libc::ioctl(self.master.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) }, 0);
        self.term.resize(TermSize::new(columns.into(), rows.into()));
    }

    /// Whether the program has switched line editing or echo off.
    pub fn is_raw(&self) -> bool {
        use nix::sys::termios::{LocalFlags, tcgetattr};
        let cooked = LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ISIG;
        !tcgetattr(&self.master).unwrap().local_flags.contains(cooked)
    }

    pub fn screen(&self) -> Screen {
        let grid = self.term.grid();
        let mut lines: Vec<String> = (0..i32::try_from(grid.screen_lines()).unwrap())
            .map(|line| {
                let row = &grid[Line(line)];
                let spacer = alacritty_terminal::term::cell::Flags::WIDE_CHAR_SPACER;
                let cells = (0..grid.columns()).map(|column| &row[Column(column)]);
                let text: String = cells.filter(|cell| !cell.flags.contains(spacer)).map(|cell| cell.c).collect();
                text.trim_end().to_owned()
            })
            .collect();
        while lines.last().is_some_and(String::is_empty) {
            lines.pop();
        }
        Screen { lines, title: self.title.0.lock().unwrap().clone(), modes: *self.term.mode() }
    }

    /// Takes what the program writes until `met`, and fails when that takes too long or the program ends before.
    pub fn wait(&mut self, what: &str, mut met: impl FnMut(&Screen) -> bool) -> Screen {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let screen = self.screen();
            if met(&screen) {
                return screen;
            }
            let open = self.read(deadline);
            if !open || Instant::now() >= deadline {
                let screen = self.screen();
                if met(&screen) {
                    return screen;
                }
                let why = if open { "in time" } else { "before the program ended" };
                panic!("not seen {why}: {what}\nmodes {:?}\n{}", screen.modes, screen.lines.join("\n"));
            }
        }
    }

    /// Takes what the program writes until it is `quiet` for that long. Gives the number of bytes.
    pub fn settle(&mut self, quiet: Duration) -> usize {
        let before = self.raw.len();
        let end = Instant::now() + PATIENCE;
        loop {
            let seen = self.raw.len();
            let open = self.read(Instant::now() + quiet);
            if !open || self.raw.len() == seen {
                return self.raw.len() - before;
            }
            assert!(Instant::now() < end, "never quiet");
        }
    }

    /// Takes the rest of the output and gives how the program ended.
    pub fn finish(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                while self.read(Instant::now()) {}
                return status;
            }
            assert!(Instant::now() < deadline, "it did not end:\n{}", self.screen().lines.join("\n"));
            self.read((Instant::now() + Duration::from_millis(20)).min(deadline));
        }
    }

    /// The exit code, or 1000 + the signal that ended it.
    pub fn code(&mut self) -> i32 {
        let status = self.finish();
        status.code().unwrap_or_else(|| 1000 + status.signal().unwrap())
    }

    /// Closes our side, as a terminal that is closed.
    pub fn hang_up(mut self) -> i32 {
        let null = File::open("/dev/null").unwrap();
        drop(std::mem::replace(&mut self.master, null));
        self.code()
    }

    /// Reads once, waiting until `deadline`. False when there is nothing to come: at the end, or, with a past
    /// deadline, for now.
    fn read(&mut self, deadline: Instant) -> bool {
        let wait = deadline.saturating_duration_since(Instant::now());
        let timeout = PollTimeout::try_from(wait).unwrap_or(PollTimeout::MAX);
        let mut fds = [PollFd::new(self.master.as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, timeout) {
            Ok(0) => return !wait.is_zero(),
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(error) => panic!("poll: {error}"),
        }
        let mut buffer = [0; 8192];
        match self.master.read(&mut buffer) {
            Ok(0) => false,
            Ok(length) => {
                self.raw.extend_from_slice(&buffer[..length]);
                self.parser.advance(&mut self.term, &buffer[..length]);
                true
            }
            Err(error) if error.raw_os_error() == Some(libc::EIO) => false,
            Err(error) => panic!("reading the terminal: {error}"),
        }
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
