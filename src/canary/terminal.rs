//! The canary's end of its terminal.

use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _};

use nix::libc;
use nix::sys::termios::{self, SetArg, Termios};

/// Standard input and output in raw mode, put back when dropped.
#[derive(Debug)]
pub struct Terminal {
    before: Termios,
}

#[allow(clippy::unused_self, reason = "only who has the terminal may use it")]
impl Terminal {
    /// Switches raw mode and bracketed paste on.
    ///
    /// # Errors
    /// When standard input is no terminal.
    pub fn open() -> io::Result<Self> {
        let input = io::stdin();
        let before = termios::tcgetattr(input.as_fd())?;
        let mut raw = before.clone();
        termios::cfmakeraw(&mut raw);
        termios::tcsetattr(input.as_fd(), SetArg::TCSANOW, &raw)?;
        let mut terminal = Self { before };
        terminal.write("\x1b[?2004h");
        Ok(terminal)
    }

    /// Writes all of `text`. A terminal that is gone takes nothing and is no error: a hang-up is told by the input.
    pub fn write(&mut self, text: &str) {
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            match nix::unistd::write(io::stdout().as_fd(), rest) {
                Ok(written) => rest = &rest[written..],
                Err(nix::errno::Errno::EINTR) => {}
                Err(_) => return,
            }
        }
    }

    /// What arrived, at least one byte. Empty when the terminal is gone.
    pub fn read(&mut self) -> Vec<u8> {
        let mut buffer = vec![0; 4096];
        let length = nix::unistd::read(io::stdin().as_fd(), &mut buffer).unwrap_or(0);
        buffer.truncate(length);
        buffer
    }

    /// Its width, 80 where the terminal does not say.
    pub fn columns(&self) -> usize {
        let mut size = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
        // SAFETY: TIOCGWINSZ writes one `winsize`, and `size` is one.
        let failed = unsafe { libc::ioctl(io::stdout().as_raw_fd(), libc::TIOCGWINSZ, &raw mut size) } != 0;
        if failed || size.ws_col == 0 { 80 } else { usize::from(size.ws_col) }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.write("\x1b[?2004l");
        let _ = termios::tcsetattr(io::stdin().as_fd(), SetArg::TCSANOW, &self.before);
    }
}
