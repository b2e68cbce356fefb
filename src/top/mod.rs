//! `fleet top`: the fleet on one screen.
//!
//! `model` and `view` are pure: what keys and news make of the model, and how it is drawn. `source` asks the supervisor
//! and its journal once a second, `child` runs other commands of this program, and the loop here waits for whatever
//! comes first. Nothing is drawn while nothing changes.

mod child;
mod entry;
mod errand;
#[cfg(test)]
mod fixture;
mod keys;
mod line;
mod list;
mod look;
mod model;
mod screen;
mod source;
mod text;
mod view;

use std::io::{self, IsTerminal as _, Read as _};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags};

pub use look::Look;

use crate::ids::FleetId;
use crate::shim::client::{Signals, Terminal, read_input, wait_for};
use keys::Decoder;
use model::{Action, Input, Model};
use screen::Screen;
use source::{Source, Teller, Told, Wanted};

/// News are drawn at most this often; what follows a key is drawn at once.
const CALM: Duration = Duration::from_millis(500);
/// An escape byte that nothing follows for so long was the escape key.
const ESCAPE: Duration = Duration::from_millis(50);

/// Which fleet, and how it is shown.
#[derive(Debug, Clone)]
pub struct Setup {
    pub fleet: FleetId,
    /// The supervisor's.
    pub socket: PathBuf,
    /// The folder of its journal.
    pub journal: PathBuf,
    pub look: Look,
}

/// Shows the fleet on this process's terminal until a person has seen enough, and gives in words what is still being
/// done then.
///
/// The terminal is given back as it was on every way out, a panic included. A signal that asks this process to end does
/// so, after that, by this signal: then `run` does not return.
///
/// # Errors
/// When standard input or output is no terminal, or it cannot be set up.
pub fn run(setup: &Setup) -> io::Result<Vec<String>> {
    for (is_terminal, stream) in
        [(io::stdin().is_terminal(), "standard input"), (io::stdout().is_terminal(), "standard output")]
    {
        if !is_terminal {
            return Err(io::Error::other(format!("{stream} is not a terminal")));
        }
    }
    let signals = Signals::new()?;
    let terminal = Terminal::new().map_err(io::Error::other)?;
    let mut top = Top::new(setup, terminal, signals)?;
    let ended = top.run();
    top.screen.leave();
    let signal = top.signals.ending();
    let going_on = top.model.errands.iter().map(ToString::to_string).collect();
    drop(top);
    if let Some(signal) = signal {
        let _ = signal_hook::low_level::emulate_default_handler(signal);
    }
    ended.map(|()| going_on)
}

struct Top<'a> {
    setup: &'a Setup,
    model: Model,
    screen: Screen,
    signals: Signals,
    keys: Decoder,
    inputs: Receiver<Told>,
    teller: Sender<Told>,
    woken: UnixStream,
    waker: UnixStream,
    source: Sender<Wanted>,
}

impl<'a> Top<'a> {
    fn new(setup: &'a Setup, terminal: Terminal, signals: Signals) -> io::Result<Self> {
        let (teller, inputs) = channel();
        let (woken, waker) = UnixStream::pair()?;
        woken.set_nonblocking(true)?;
        waker.set_nonblocking(true)?;
        let (source, wanted) = channel();
        let looker = Source::new(&setup.socket, &setup.journal, setup.look);
        let news = Teller { inputs: teller.clone(), wake: waker.try_clone()? };
        std::thread::Builder::new().name("news".to_owned()).spawn(move || looker.run(news, &wanted))?;
        let screen = Screen::take(terminal)?;
        let model = Model::new(setup.fleet.clone(), setup.look, screen.size());
        Ok(Self { setup, model, screen, signals, keys: Decoder::default(), inputs, teller, woken, waker, source })
    }

    fn run(&mut self) -> io::Result<()> {
        // Since when something waits to be drawn, and whether a person waits for it.
        let mut undrawn = true;
        let mut hurry = true;
        let mut drawn = Instant::now();
        loop {
            let calm = CALM.saturating_sub(drawn.elapsed());
            if undrawn && (hurry || calm.is_zero()) {
                if self.screen.draw(&self.model).is_err() {
                    return Ok(());
                }
                (undrawn, hurry, drawn) = (false, false, Instant::now());
                continue;
            }
            let escape = self.keys.is_waiting().then_some(ESCAPE);
            let wait = escape.into_iter().chain(undrawn.then_some(calm)).min();
            let [signalled, typed, told] = self.wait(wait)?;
            if signalled {
                self.signals.clear();
                if self.signals.ending().is_some() {
                    return Ok(());
                }
                let size = self.screen.size();
                if size != self.model.size {
                    self.screen.again()?;
                    self.model.update(Input::Size(size.0, size.1));
                    (undrawn, hurry) = (true, true);
                }
            }
            if typed {
                let bytes = match read_input() {
                    Ok(bytes) if !bytes.is_empty() => bytes,
                    // The terminal is gone.
                    _ => return Ok(()),
                };
                for key in self.keys.feed(&bytes) {
                    if !self.take(Input::Key(key))? {
                        return Ok(());
                    }
                }
                (undrawn, hurry) = (true, true);
            } else if escape.is_some()
                && let Some(key) = self.keys.silence()
            {
                self.take(Input::Key(key))?;
                (undrawn, hurry) = (true, true);
            }
            if told {
                self.clear_wake();
                undrawn |= self.listen()?;
            }
        }
    }

    /// Waits until something happens: a signal, a key, news.
    fn wait(&self, wait: Option<Duration>) -> io::Result<[bool; 3]> {
        let input = io::stdin();
        let mut fds = [
            PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
            PollFd::new(input.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.woken.as_fd(), PollFlags::POLLIN),
        ];
        wait_for(&mut fds, wait)?;
        Ok([0, 1, 2].map(|at| fds[at].any() == Some(true)))
    }

    fn clear_wake(&mut self) {
        let mut bytes = [0; 64];
        while matches!(self.woken.read(&mut bytes), Ok(1..)) {}
    }

    /// Takes in what the threads tell. Whether there was anything.
    fn listen(&mut self) -> io::Result<bool> {
        let mut heard = false;
        while let Ok(told) = self.inputs.try_recv() {
            heard = true;
            match told {
                Told::Input(input) => {
                    if matches!(input, Input::Outcome(..)) {
                        self.want(Wanted::Look)?;
                    }
                    self.take(input)?;
                }
                // Its words stand on the terminal, which it has given back.
                Told::Panicked => return Err(io::Error::other("a part of it failed")),
            }
        }
        Ok(heard)
    }

    /// Gives the model an input and does what it asks for. False: enough.
    fn take(&mut self, input: Input) -> io::Result<bool> {
        match self.model.update(input) {
            None => {}
            Some(Action::Quit) => return Ok(false),
            Some(Action::Redraw) => self.screen.again()?,
            Some(Action::Why(agent)) => self.want(Wanted::Why(agent))?,
            Some(Action::Do(errand)) => {
                let teller = Teller { inputs: self.teller.clone(), wake: self.waker.try_clone()? };
                child::start(self.setup, errand, teller)?;
            }
            Some(Action::Attach(agent)) => {
                self.screen.leave();
                let trouble = child::attach(&self.setup.fleet, &agent, &mut self.signals);
                if self.signals.ending().is_some() {
                    return Ok(false);
                }
                self.screen.again()?;
                self.keys = Decoder::default();
                let size = self.screen.size();
                self.model.update(Input::Size(size.0, size.1));
                self.model.update(Input::Back(trouble));
                self.want(Wanted::Look)?;
            }
        }
        Ok(true)
    }

    fn want(&self, wanted: Wanted) -> io::Result<()> {
        self.source.send(wanted).map_err(|_| io::Error::other("the part that asks the supervisor has ended"))
    }
}
