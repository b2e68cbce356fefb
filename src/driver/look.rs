//! What the records say of each agent: at the start, when something was heard, and now and then in case nothing was.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::live::RunInfo;
use super::probe::TICK_MS;
use super::reading::Readers;
use super::{clock, reading};
use crate::apply::state::{NoteKind, State};
use crate::ids::AgentName;
use crate::manifest::{ExitRecord, RunRecord, StopStep};
use crate::plan::{Desired, Ledger};
use crate::shim::reader::Reader;
use crate::supervise::clock::{Millis, Moment};
use crate::supervise::event::{AgentEvent, End, Run, Wanted};
use crate::supervise::policy::FleetPolicy;
use crate::system::{fs, proc};
use crate::units::ManagerKind;

/// Largest last screen that is read, in bytes.
const SCREEN_CAP: u64 = 1 << 20;
/// Lines of it that travel on.
const SCREEN_LINES: usize = 12;
/// Between two relists. They heal what was lost; nothing waits for them.
pub(super) const PACE: Duration = Duration::from_mins(5);

/// Records that are read while the journal is being opened: of a thousand agents each takes as long as the other.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    pub(super) readers: Readers,
    pub(super) runs: BTreeMap<AgentName, RunRecord>,
}

/// Reads the records of all agents of `policy`. Who has a chain of models may use other patterns than its manifest begins with.
pub(super) fn ahead(state: &State, policy: &FleetPolicy) -> Ahead {
    let mut ahead = Ahead::default();
    for agent in &policy.agents {
        let Some(run) = state.run(&agent.name) else { continue };
        ahead.runs.insert(agent.name.clone(), run);
        if agent.fallbacks == 0
            && let Some(manifest) = state.manifest_text(&agent.name)
        {
            ahead.readers.learn(&agent.name, &manifest);
        }
    }
    ahead
}

/// What is known of an agent from its folder, and of its last end from its shim's own word; and of a run what is shown of it.
/// `since`: when the service manager that has started this process began. `ahead`: what was read of a run before; only a run that
/// still goes on is taken from there.
pub(super) fn look(
    state: &State,
    agent: &AgentName,
    reader: &Reader,
    said: Option<&ExitRecord>,
    ahead: Option<RunRecord>,
    since: Millis,
    now: Moment,
) -> (AgentEvent, Option<RunInfo>) {
    let alive = |run: &RunRecord| proc::is_alive(&run.shim);
    let known = ahead.filter(alive).map(|run| (run, true));
    let known = known.or_else(|| state.run(agent).map(|run| (alive(&run), run)).map(|(lives, run)| (run, lives)));
    let run = match known {
        Some((run, true)) => {
            let what = AgentEvent::Running { run: run_of(&run, state, agent) };
            let info = RunInfo {
                runtime: Some(run.launch.runtime),
                model: run.launch.model,
                manifest: Some(run.manifest.as_str().to_owned()),
            };
            return (what, Some(info));
        }
        known => known.map(|(run, _)| run),
    };
    // On a full disk only the word is there.
    let exit = state.exit(agent).into_iter().chain(said.cloned()).max_by_key(|exit| clock::parse(&exit.ended));
    let what = match run {
        // It died without a word, since this boot.
        Some(run) if run.shim.boot_id == proc::boot_id() && !has_ended(exit.as_ref(), &run) => {
            AgentEvent::Absent { lost: Some(run_of(&run, state, agent)) }
        }
        _ => match exit.filter(|exit| is_of_this_boot(exit, since, now)) {
            Some(exit) => AgentEvent::Ended { end: end(state, agent, &exit, reader, now) },
            None => AgentEvent::Absent { lost: None },
        },
    };
    (what, None)
}

/// Whether the exit record is of this very run.
fn has_ended(exit: Option<&ExitRecord>, run: &RunRecord) -> bool {
    exit.is_some_and(|exit| exit.pid == run.child.pid && exit.started == run.started)
}

/// A manager that goes, at a shutdown or with its user's last login, stops every agent, which is nobody's wish for one of them.
fn is_of_this_boot(exit: &ExitRecord, since: Millis, now: Moment) -> bool {
    let ended = clock::parse(&exit.ended);
    ended >= since && ended + 1_000 >= now.wall.saturating_sub(now.boot)
}

/// When the manager began whose service this process is, in milliseconds since the epoch; 0 when it is nobody's service.
pub(super) fn manager_began(kind: ManagerKind, now: Moment) -> Millis {
    let is_service = kind == ManagerKind::Systemd && std::env::var_os("NOTIFY_SOCKET").is_some();
    let parent = u32::try_from(nix::unistd::getppid().as_raw()).ok().filter(|_| is_service);
    // Rounded up: its ticks are coarser than the times of records, and its predecessor's last agents ended just before.
    parent
        .and_then(proc::stat)
        .map_or(0, |stat| (now.wall + (stat.start_ticks + 1) * TICK_MS).saturating_sub(now.boot))
}

fn run_of(run: &RunRecord, state: &State, agent: &AgentName) -> Run {
    Run {
        pid: run.shim.pid,
        start_ticks: run.shim.start_ticks,
        started: clock::parse(&run.started),
        resumed: state.conversation(agent).is_some_and(|conversation| conversation.resumed),
        with: Some(run.launch.name()),
    }
}

fn end(state: &State, agent: &AgentName, exit: &ExitRecord, reader: &Reader, now: Moment) -> End {
    let path = state.paths.agent(agent).join("last-screen");
    let bytes = fs::read_optional(&path, SCREEN_CAP).ok().flatten().unwrap_or_default();
    let lines: Vec<String> = String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect();
    let reading = reading::read(reader, "", &lines, true, now);
    let shown: Vec<&String> = lines.iter().rev().filter(|line| !line.trim().is_empty()).take(SCREEN_LINES).collect();
    End {
        code: exit.code,
        signal: exit.signal,
        stop_requested: exit.stop_requested,
        out_of_memory: exit.out_of_memory,
        step: match exit.step {
            StopStep::Itself => "itself",
            StopStep::Quit => "quit",
            StopStep::Term => "term",
            StopStep::Kill => "kill",
        }
        .to_owned(),
        started: clock::parse(&exit.started),
        ended: clock::parse(&exit.ended),
        screen: shown.into_iter().rev().cloned().collect(),
        shows: reading.shows,
    }
}

/// What the ledger says to a supervisor. The rest of it, which is most, is not kept.
#[derive(Debug)]
pub(super) struct Wishes {
    /// Who starts and stops the agents.
    pub(super) manager: ManagerKind,
    running: BTreeSet<AgentName>,
}

impl Wishes {
    pub(super) fn of_ledger(ledger: &Ledger) -> Self {
        let running = ledger.agents.iter().filter(|(_, entry)| entry.desired == Desired::Running);
        Self { manager: ledger.manager, running: running.map(|(agent, _)| agent.clone()).collect() }
    }

    /// What is wanted of an agent; one that the ledger does not name is held until it does.
    pub(super) fn of(&self, agent: &AgentName) -> Wanted {
        if self.running.contains(agent) { Wanted::Running } else { Wanted::Held }
    }
}

/// Whether `apply` has left a restart for an idle moment.
pub(super) fn restart_pending(state: &State, agent: &AgentName) -> bool {
    state.note(agent) == Some(NoteKind::Restart)
}
