//! The pseudo-terminal and the agent in it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::fcntl::{OFlag, open};
use nix::libc;
use nix::pty::{PtyMaster, grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::sys::stat::Mode;
use nix::sys::termios::{InputFlags, LocalFlags, SetArg, tcgetattr, tcsetattr};
use nix::unistd::{Pid, getpid, getppid, setsid};

/// Both ends of the agent's terminal.
#[derive(Debug)]
pub(super) struct Pty {
    master: PtyMaster,
    /// Held open so that an agent which closes its terminal and goes on does not turn the master into a hung-up
    /// descriptor that would have to be polled for a reopening.
    slave: OwnedFd,
}

impl Pty {
    /// A fresh terminal of this size.
    pub(super) fn open(columns: u16, rows: u16) -> io::Result<Self> {
        let master = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let name = ptsname_r(&master)?;
        let slave = open(name.as_str(), OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC, Mode::empty())?;
        let mut settings = tcgetattr(&slave)?;
        settings.input_flags |= InputFlags::IUTF8;
        tcsetattr(&slave, SetArg::TCSANOW, &settings)?;
        let pty = Self { master, slave };
        pty.resize(columns, rows)?;
        Ok(pty)
    }

    pub(super) fn master(&self) -> BorrowedFd<'_> {
        self.master.as_fd()
    }

    /// Sets the size; the kernel tells the foreground process group when it changed. Pixels stay zero: no images.
    pub(super) fn resize(&self, columns: u16, rows: u16) -> io::Result<()> {
        let size = libc::winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        // SAFETY: TIOCSWINSZ reads one `winsize` from the pointer, which lives across the call.
        let done = unsafe { libc::ioctl(self.master.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) };
        if done == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    /// Whether the program reads whole lines, of which the kernel keeps at most 4095 bytes each (termios(3)).
    pub(super) fn reads_lines(&self) -> bool {
        tcgetattr(&self.slave).is_ok_and(|settings| settings.local_flags.contains(LocalFlags::ICANON))
    }

    /// Starts `program` as the leader of a session that this terminal controls. Returns once the program itself runs;
    /// the error is the one of `execve`.
    pub(super) fn spawn(
        &self,
        program: &Path,
        argv: &[String],
        environment: &BTreeMap<OsString, OsString>,
        dir: &Path,
    ) -> io::Result<Pid> {
        let shim = getpid();
        let mut command = Command::new(program);
        command.arg0(&argv[0]).args(&argv[1..]).current_dir(dir).env_clear().envs(environment);
        command.stdin(Stdio::from(self.slave.try_clone()?));
        command.stdout(Stdio::from(self.slave.try_clone()?));
        command.stderr(Stdio::from(self.slave.try_clone()?));
        // SAFETY: the closure makes system calls only; it neither allocates nor takes a lock.
        unsafe { command.pre_exec(move || become_agent(shim)) };
        // Not waited for here: the loop reaps every child.
        let child = command.spawn()?;
        Ok(Pid::from_raw(i32::try_from(child.id()).map_err(io::Error::other)?))
    }
}

/// Runs in the forked child, with the terminal already on descriptors 0, 1 and 2.
fn become_agent(shim: Pid) -> io::Result<()> {
    setsid()?;
    // SAFETY: TIOCSCTTY takes an integer and touches no memory.
    if unsafe { libc::ioctl(0, libc::TIOCSCTTY, 0) } == -1 {
        return Err(io::Error::last_os_error());
    }
    // What is ignored stays ignored across exec, and the shim ignores a few.
    for number in 1..=libc::SIGRTMAX() {
        // SAFETY: sets a default disposition; the two signals that refuse it are refused without effect.
        unsafe { libc::signal(number, libc::SIG_DFL) };
    }
    sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)?;
    keep_only_the_terminal();
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
    // The shim may have died before the line above.
    if getppid() != shim {
        return Err(io::Error::from_raw_os_error(libc::ESRCH));
    }
    Ok(())
}

/// Marks every descriptor above 2 to be closed by exec: whoever started the shim may have leaked some into it.
fn keep_only_the_terminal() {
    const CLOSE_RANGE_CLOEXEC: libc::c_uint = 4;
    // SAFETY: changes descriptor flags only. Before Linux 5.11 it fails, and the loop below does the same.
    let done = unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, CLOSE_RANGE_CLOEXEC) };
    if done == -1 {
        for fd in 3..1024 {
            // SAFETY: changes a descriptor flag; on a closed descriptor it fails without effect.
            unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
        }
    }
}
