//! The supervisor's one loop: sources in, the machine, the journal, effects out.
//!
//! Sources are subscriptions to shims (`shims`), watches of a few folders (`watch`), the socket on which commands ask
//! (`control`), and a slow relist (`look`). Whatever comes in one turn of the loop is kept with what was decided about it
//! in one transaction; only then do effects leave (`effects`), and their results come in as everything else does.

pub mod client;
mod clock;
mod commands;
mod control;
mod digest;
mod effects;
mod errors;
pub mod failpoint;
mod heard;
mod live;
mod look;
mod memory;
mod probe;
mod proposals;
mod reading;
mod reports;
mod shims;
mod snapshot;
mod start;
mod status;
mod turn;
mod units;
mod watch;
pub mod words;

use std::fmt;
use std::io::{self, Write as _};
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{Instant, sleep_until};

use crate::apply::ApplyError;
use crate::apply::state::State;
use crate::ids::AgentName;
use crate::supervise::decision::EffectId;
use crate::supervise::event::EffectResult;
use crate::system::lock::{self, Attempt};
use crate::system::notify::Notifier;
use crate::system::service::signals::UnitChange;
use crate::units::ManagerKind;

/// Something that came in.
#[derive(Debug)]
enum Input {
    Shim {
        agent: AgentName,
        run: (u32, u64),
        heard: shims::Heard,
    },
    Files(watch::Changed),
    Effect {
        id: EffectId,
        result: EffectResult,
    },
    Asked(control::Asked),
    Unit(UnitChange),
    /// A socket is there without a record: a look is due again, and after it with these waits.
    Again {
        agent: AgentName,
        waits: &'static [u64],
    },
    /// The process of a run whose subscription broke has ended.
    Gone(AgentName),
    /// A command that held the fleet's lock has ended.
    CommandOver,
}

/// Most inputs of one turn: a flood must not keep decisions waiting.
const TURN: usize = 1_000;
/// The longest sleep: the runtime's clock and the machine's differ by less than this over it, in milliseconds.
const NAP: u64 = 60_000;

/// Descriptors beside those of agents.
const DESCRIPTORS: u64 = 256;

/// Makes room for a subscription to each agent and a few that are being asked; not more, because agents that a local supervisor
/// starts inherit it.
fn raise_descriptors(agents: usize) {
    let needed = DESCRIPTORS + 2 * u64::try_from(agents).unwrap_or(0);
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return };
    if needed <= soft {
        return;
    }
    if needed > hard || setrlimit(Resource::RLIMIT_NOFILE, needed, hard).is_err() {
        report(format_args!(
            "{agents} agents need {needed} open files and {hard} are allowed: not all are heard at once"
        ));
    }
}

/// Supervises the fleet of `state` until it is told to end.
///
/// # Errors
/// When another supervisor has this fleet, or it cannot begin.
pub fn run(state: &State) -> Result<(), ApplyError> {
    let began = Instant::now();
    let lock = loop {
        match lock::try_lock(&state.paths.state.join("supervisor.lock"), "supervise")? {
            Attempt::Taken(lock) => break lock,
            Attempt::Held(None) if began.elapsed() < lock::ENDING => {}
            Attempt::Held(holder) => {
                return Err(ApplyError::Supervised { fleet: state.fleet.to_string(), holder });
            }
        }
    };
    errors::begin(state);
    memory::keep_small();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| ApplyError::other(format!("no event loop: {error}"), "try again"))?;
    let ended = runtime.block_on(supervise(state));
    // Effects that are under way end by themselves; their successor learns what became of them.
    runtime.shutdown_background();
    drop(lock);
    ended
}

async fn supervise(state: &State) -> Result<(), ApplyError> {
    let failed = |what: &str, error: io::Error| ApplyError::other(format!("{what}: {error}"), "try again");
    let mut term = signal(SignalKind::terminate()).map_err(|error| failed("no signals", error))?;
    let mut int = signal(SignalKind::interrupt()).map_err(|error| failed("no signals", error))?;
    let (sender, mut inputs) = unbounded_channel();
    let mut live = start::start(state, sender.clone())?;
    memory::give_back(&live);
    let socket = client::socket(&state.paths);
    let listener = control::listen(&socket).map_err(|error| failed("no socket for commands", error))?;
    let mut served = tokio::spawn(control::serve(listener, sender.clone()));
    let heard = (live.manager() == ManagerKind::Systemd)
        .then(|| tokio::spawn(units::listen(state.fleet.clone(), sender.clone())));
    let notifier = Notifier::new(std::env::var_os("NOTIFY_SOCKET").as_deref(), report);
    notifier.tell("READY=1");
    let watchdog = watchdog();
    let mut fed = Instant::now();
    let mut relist = Instant::now() + look::PACE;
    loop {
        let now = clock::now();
        let wait = live.next_deadline().map_or(NAP, |at| at.saturating_sub(now.awake).min(NAP));
        let mut wake = (Instant::now() + Duration::from_millis(wait)).min(relist);
        if let Some(every) = watchdog {
            wake = wake.min(fed + every);
        }
        tokio::select! {
            biased;
            _ = term.recv() => break,
            _ = int.recv() => break,
            input = inputs.recv() => match input {
                Some(first) => live.turn(std::iter::once(first).chain(more(&mut inputs))),
                None => break,
            },
            () = sleep_until(wake) => {
                if relist <= Instant::now() {
                    relist = Instant::now() + look::PACE;
                    live.relist();
                    live.turn(std::iter::empty());
                    memory::give_back(&live);
                } else {
                    live.turn(std::iter::empty());
                }
            }
        }
        if std::mem::take(&mut live.listen_again) && !socket.exists() {
            match control::listen(&socket) {
                Ok(listener) => {
                    served.abort();
                    served = tokio::spawn(control::serve(listener, sender.clone()));
                }
                Err(error) => report(format_args!("no socket for commands: {error}; the relist tries again")),
            }
        }
        // Only a loop that turns says that it lives.
        if watchdog.is_some_and(|every| fed + every <= Instant::now()) {
            fed = Instant::now();
            notifier.tell("WATCHDOG=1");
        }
    }
    notifier.tell("STOPPING=1");
    served.abort();
    heard.iter().for_each(tokio::task::JoinHandle::abort);
    let _ = std::fs::remove_file(socket);
    Ok(())
}

/// What else has come in.
fn more(inputs: &mut UnboundedReceiver<Input>) -> impl Iterator<Item = Input> {
    std::iter::from_fn(|| inputs.try_recv().ok()).take(TURN)
}

/// How often the manager wants to hear from this process (sd_watchdog_enabled(3)): half of its patience.
fn watchdog() -> Option<Duration> {
    let usec: u64 = std::env::var("WATCHDOG_USEC").ok()?.parse().ok()?;
    let pid = std::env::var("WATCHDOG_PID").ok();
    let ours = pid.is_none_or(|pid| pid == std::process::id().to_string());
    (ours && usec > 0).then(|| Duration::from_micros(usec / 2))
}

fn report(text: fmt::Arguments<'_>) {
    let _ = writeln!(io::stderr().lock(), "fleet supervise: {text}");
    errors::bound();
}
