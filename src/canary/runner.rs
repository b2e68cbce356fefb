//! The loop that plays a script: one thread, asleep unless a step needs a tick.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::AsFd as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SigSet, Signal, raise};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use super::heartbeat::Heart;
use super::keys::{Decoder, Key};
use super::screen::{Bottom, Screen, one_line};
use super::terminal::Terminal;
use super::time::{TICK, duration, next_tick, spin, timeout_until};
use super::walk::Walk;
use crate::script::{Script, Step};

/// How long `spin` computes before it looks at its terminal again.
const SPIN_SLICE: Duration = Duration::from_millis(10);

/// Steps done at most before the terminal is looked at.
const BATCH: u32 = 100;

/// Exit code after SIGTERM: 128 + 15, as shells count.
const TERMINATED: u8 = 143;
/// Exit code when the terminal is gone: 128 + 1.
const HUNG_UP: u8 = 129;

/// The step under way.
#[derive(Debug)]
enum Doing {
    /// None: the next one is due.
    Nothing,
    /// One that ends at a time, or by Ctrl-C.
    Timed {
        kind: Timed,
        since: Instant,
        until: Instant,
    },
    /// One that ends with its process.
    Child {
        process: Child,
        since: Instant,
    },
    Ask {
        question: String,
    },
    Wait,
    /// After the last step.
    Rest,
    Hang,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Timed {
    Busy,
    Spin,
    Beat { every: Duration, next: Instant },
    Limit,
}

struct Runner<'s> {
    walk: Walk<'s>,
    doing: Doing,
    draft: String,
    keys: Decoder,
    screen: Screen,
    terminal: Terminal,
    columns: usize,
    /// The terminal has not hung up.
    connected: bool,
    heart: Heart,
    ignored: BTreeSet<Signal>,
}

/// Plays `script` on standard input and output and gives the exit code.
///
/// # Errors
/// When standard input is no terminal.
pub fn run(script: &Script) -> io::Result<u8> {
    let caught: SigSet = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGWINCH, Signal::SIGCHLD].into_iter().collect();
    caught.thread_block()?;
    let signals = SignalFd::with_flags(&caught, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
    let terminal = Terminal::open()?;
    let columns = terminal.columns();
    let mut runner = Runner {
        walk: Walk::new(&script.steps),
        doing: Doing::Nothing,
        draft: String::new(),
        keys: Decoder::default(),
        screen: Screen::new(columns),
        terminal,
        columns,
        connected: true,
        heart: Heart::new(),
        ignored: BTreeSet::new(),
    };
    let code = runner.play(&signals)?;
    runner.interrupt_child();
    let bytes = runner.screen.leave();
    runner.terminal.write(&bytes);
    Ok(code)
}

impl Runner<'_> {
    fn play(&mut self, signals: &SignalFd) -> io::Result<u8> {
        loop {
            // Nothing is shown between two steps: a screen that looks like waiting is one that waits.
            let mut started = 0;
            while matches!(self.doing, Doing::Nothing) && started < BATCH {
                if let Some(code) = self.begin() {
                    return Ok(code);
                }
                started += 1;
            }
            self.draw();
            let (signalled, typed) = self.sleep(signals)?;
            if signalled {
                while let Some(info) = signals.read_signal()? {
                    let signal = i32::try_from(info.ssi_signo).ok().and_then(|number| Signal::try_from(number).ok());
                    if let Some(code) = signal.and_then(|signal| self.signal(signal)) {
                        return Ok(code);
                    }
                }
            }
            if typed && let Some(code) = self.input() {
                return Ok(code);
            }
            self.tick();
        }
    }

    /// Starts the next step. Gives the exit code when that ends the canary.
    fn begin(&mut self) -> Option<u8> {
        let Some(step) = self.walk.next() else {
            self.doing = Doing::Rest;
            return None;
        };
        let now = Instant::now();
        let timed = |kind, ms| Doing::Timed { kind, since: now, until: now + Duration::from_millis(ms) };
        match step {
            Step::Print { text } => self.screen.print(text),
            Step::Fatal { text } => self.screen.print(&format!("fatal: {text}")),
            Step::Busy { ms } => self.doing = timed(Timed::Busy, *ms),
            Step::Spin { ms } => self.doing = timed(Timed::Spin, *ms),
            Step::Beat { every_ms, for_ms } => {
                let every = Duration::from_millis((*every_ms).max(1));
                self.doing = timed(Timed::Beat { every, next: now }, *for_ms);
            }
            Step::Limit { reset_ms } => {
                self.screen.print(&format!("limit reached, resets in {}", duration(*reset_ms)));
                self.doing = timed(Timed::Limit, *reset_ms);
            }
            Step::Child { ms } => self.start_child(*ms),
            Step::Ask { text } => self.doing = Doing::Ask { question: text.clone() },
            Step::Wait => self.doing = Doing::Wait,
            Step::Hang => self.doing = Doing::Hang,
            Step::Ignore { signal } => self.ignore(signal),
            Step::Exit { code } => return Some(*code),
            Step::Die { signal } => return Some(self.die(signal)),
            Step::Repeat { .. } => unreachable!("the walk unrolls it"),
        }
        None
    }

    fn draw(&mut self) {
        if !self.connected {
            return;
        }
        let busy = match &self.doing {
            Doing::Timed { kind: Timed::Busy | Timed::Spin, since, .. } | Doing::Child { since, .. } => {
                let ticks = since.elapsed().as_millis() / TICK.as_millis();
                Some(format!("* working ({}s){}", ticks / 2, if ticks.is_multiple_of(2) { "" } else { " ." }))
            }
            Doing::Timed { kind: Timed::Beat { .. }, .. } | Doing::Hang => Some("* working".to_owned()),
            _ => None,
        };
        let question = match &self.doing {
            Doing::Ask { question } => Some(question.clone()),
            _ => None,
        };
        let bottom = Bottom { busy, question, draft: self.draft.clone() };
        let bytes = self.screen.draw(self.columns, &bottom);
        self.terminal.write(&bytes);
    }

    /// Waits for a signal, for input or for the next tick: which of the first two came?
    fn sleep(&self, signals: &SignalFd) -> io::Result<(bool, bool)> {
        let timeout = match &self.doing {
            Doing::Nothing | Doing::Timed { kind: Timed::Spin, .. } => PollTimeout::ZERO,
            Doing::Timed { kind, since, until } => {
                let next = match kind {
                    Timed::Beat { next, .. } => *next,
                    Timed::Limit => *until,
                    Timed::Busy | Timed::Spin => next_tick(*since),
                };
                timeout_until(next.min(*until))
            }
            Doing::Child { since, .. } => timeout_until(next_tick(*since)),
            Doing::Ask { .. } | Doing::Wait | Doing::Rest | Doing::Hang => PollTimeout::NONE,
        };
        let input = io::stdin();
        let mut fds = vec![PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
        if self.connected && !matches!(self.doing, Doing::Hang) {
            fds.push(PollFd::new(input.as_fd(), PollFlags::POLLIN));
        }
        match poll(&mut fds, timeout) {
            Ok(_) => {}
            Err(nix::errno::Errno::EINTR) => return Ok((false, false)),
            Err(error) => return Err(error.into()),
        }
        let came = |fd: Option<&PollFd>| fd.and_then(PollFd::any).unwrap_or(false);
        Ok((came(fds.first()), came(fds.get(1))))
    }

    /// Does what the step under way does with time.
    fn tick(&mut self) {
        let now = Instant::now();
        let Doing::Timed { kind, until, .. } = &mut self.doing else { return };
        match kind {
            Timed::Beat { every, next } if now >= *next && now < *until => {
                *next = now + *every;
                if let Err(error) = self.heart.beat() {
                    self.screen.print(&format!("no heartbeat: {error}"));
                }
                return;
            }
            Timed::Spin => spin(SPIN_SLICE),
            _ => {}
        }
        if now >= *until {
            if *kind == Timed::Limit {
                self.screen.print("limit over");
            }
            self.doing = Doing::Nothing;
        }
    }

    fn signal(&mut self, signal: Signal) -> Option<u8> {
        match signal {
            // What hangs does not draw again either.
            Signal::SIGWINCH if matches!(self.doing, Doing::Hang) => {}
            Signal::SIGWINCH => self.columns = self.terminal.columns(),
            Signal::SIGCHLD => {
                if let Doing::Child { process, .. } = &mut self.doing
                    && !matches!(process.try_wait(), Ok(None))
                {
                    self.doing = Doing::Nothing;
                }
            }
            signal if self.ignored.contains(&signal) => {}
            Signal::SIGTERM => return Some(TERMINATED),
            _ => self.interrupt(),
        }
        None
    }

    fn input(&mut self) -> Option<u8> {
        let bytes = self.terminal.read();
        if bytes.is_empty() {
            self.connected = false;
            return (!self.ignored.contains(&Signal::SIGHUP)).then_some(HUNG_UP);
        }
        for key in self.keys.feed(&bytes) {
            if matches!(self.doing, Doing::Ask { .. }) {
                match key {
                    Key::Char('y' | 'Y') => self.answer("yes"),
                    Key::Char('n' | 'N') | Key::Enter | Key::Interrupt => self.answer("no"),
                    _ => {}
                }
                continue;
            }
            match key {
                Key::Char(c) => self.draft.push(c),
                Key::Paste(text) => self.draft.push_str(&text),
                Key::Backspace => drop(self.draft.pop()),
                Key::ClearLine => self.draft.clear(),
                Key::Interrupt => self.interrupt(),
                Key::Enter => {
                    let message = std::mem::take(&mut self.draft);
                    match message.trim() {
                        "" => {}
                        "/quit" => return Some(0),
                        _ => self.take(&message),
                    }
                }
            }
        }
        None
    }

    fn take(&mut self, message: &str) {
        self.screen.print(&format!("got: {}", one_line(message)));
        if matches!(self.doing, Doing::Wait) {
            self.doing = Doing::Nothing;
        }
    }

    fn answer(&mut self, word: &str) {
        if let Doing::Ask { question } = std::mem::replace(&mut self.doing, Doing::Nothing) {
            self.screen.print(&format!("answered {word}: {question}"));
        }
    }

    /// Ctrl-C or SIGINT: ends the step that runs, else clears the draft.
    fn interrupt(&mut self) {
        match self.doing {
            Doing::Ask { .. } => self.answer("no"),
            Doing::Hang => {}
            Doing::Timed { .. } | Doing::Child { .. } => {
                self.interrupt_child();
                self.screen.print("interrupted");
                self.doing = Doing::Nothing;
            }
            _ => self.draft.clear(),
        }
    }

    fn start_child(&mut self, ms: u64) {
        let seconds = format!("{}.{:03}", ms / 1000, ms % 1000);
        let quiet = Command::new("sleep")
            .arg(seconds)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        match quiet {
            Ok(process) => self.doing = Doing::Child { process, since: Instant::now() },
            Err(error) => self.screen.print(&format!("no child: sleep: {error}")),
        }
    }

    fn interrupt_child(&mut self) {
        if let Doing::Child { process, .. } = &mut self.doing {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Blocking is enough: nothing takes a blocked signal but [`Runner::signal`], which looks here.
    fn ignore(&mut self, name: &str) {
        if let Some(signal) = named(name) {
            let _ = SigSet::from(signal).thread_block();
            self.ignored.insert(signal);
        }
    }

    /// Ends by a signal as a crash does: at once, leaving the terminal as it is.
    fn die(&mut self, name: &str) -> u8 {
        let Some(signal) = named(name) else { return 1 };
        self.draw();
        let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
        let _ = SigSet::from(signal).thread_unblock();
        // Rust catches the first SIGSEGV to tell a stack overflow, and gives the second its default action.
        let _ = raise(signal).and_then(|()| raise(signal));
        128 + u8::try_from(signal as i32).unwrap_or(0)
    }
}

fn named(name: &str) -> Option<Signal> {
    format!("SIG{name}").parse().ok()
}
