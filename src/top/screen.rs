//! The terminal as ratatui draws on it.

use std::cell::Cell;
use std::io::{self, Write};
use std::rc::Rc;

use ratatui::backend::CrosstermBackend;
use ratatui::layout::Rect;
use ratatui::{TerminalOptions, Viewport};

use super::model::Model;
use super::view;
use crate::shim::client::Terminal;

/// Pasted text comes marked as such, and the wheel comes as arrow keys. [`Terminal`] undoes both.
const MODES: &[u8] = b"\x1b[?2004h\x1b[?1007h";

/// The terminal, taken over while this lives.
#[derive(Debug)]
pub(super) struct Screen {
    // Before the terminal: dropped first, while it is still taken.
    drawer: ratatui::Terminal<CrosstermBackend<Output>>,
    terminal: Terminal,
    /// Nothing can be drawn any more.
    gone: Rc<Cell<bool>>,
}

impl Screen {
    /// Takes the terminal over.
    pub(super) fn take(terminal: Terminal) -> io::Result<Self> {
        let (columns, rows) = terminal.size();
        let viewport = Viewport::Fixed(Rect::new(0, 0, columns, rows));
        let output = Output::default();
        let gone = Rc::clone(&output.gone);
        let backend = CrosstermBackend::new(output);
        let drawer = ratatui::Terminal::with_options(backend, TerminalOptions { viewport })?;
        let mut screen = Self { drawer, terminal, gone };
        screen.again()?;
        Ok(screen)
    }

    /// Takes it over again: another program had it, or it has another size.
    pub(super) fn again(&mut self) -> io::Result<()> {
        self.terminal.enter().map_err(io::Error::other)?;
        self.drawer.backend_mut().write_all(MODES)?;
        let (columns, rows) = self.terminal.size();
        self.drawer.resize(Rect::new(0, 0, columns, rows))
    }

    /// Gives it back for a while.
    pub(super) fn leave(&mut self) {
        self.terminal.leave();
    }

    /// Columns and rows.
    pub(super) fn size(&self) -> (u16, u16) {
        self.terminal.size()
    }

    /// Draws what differs from what was drawn before.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub(super) fn draw(&mut self, model: &Model) -> io::Result<()> {
        self.drawer.draw(|frame| view::draw(model, frame))?;
        if self.gone.get() { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(()) }
    }
}

/// Standard output, in one piece for each drawing.
#[derive(Debug, Default)]
struct Output {
    pending: Vec<u8>,
    /// Told here and not as an error: ratatui would complain, on the terminal, when it is dropped.
    gone: Rc<Cell<bool>>,
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.pending.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let pending = std::mem::take(&mut self.pending);
        let mut stdout = io::stdout().lock();
        if stdout.write_all(&pending).and_then(|()| stdout.flush()).is_err() {
            self.gone.set(true);
        }
        Ok(())
    }
}
