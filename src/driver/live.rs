//! A supervisor at work: what it holds, and what it makes of what comes in.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

use super::effects::Effects;
use super::look::Wishes;
use super::reading::Readers;
use super::shims::Subscription;
use super::watch::{Changed, Watches};
use super::words::Answer;
use super::{Input, clock, failpoint, look, report, start};
use crate::apply::state::State;
use crate::ids::AgentName;
use crate::journal::Journal;
use crate::manifest::{ExitRecord, RunRecord};
use crate::shim::reader::Reader;
use crate::supervise::Machine;
use crate::supervise::clock::Millis;
use crate::supervise::decision::{Decision, EffectId};
use crate::supervise::event::{AgentEvent, EffectResult, Event};
use crate::supervise::message::MessageId;
use crate::supervise::policy::FleetPolicy;

/// Waits between looks at an agent whose socket is there and whose record is not, in milliseconds.
const SOON: [u64; 6] = [5, 20, 100, 300, 1_000, 3_000];

/// What is shown of a run beside what the machine knows.
#[derive(Debug, Clone, Default)]
pub(super) struct RunInfo {
    pub(super) runtime: Option<String>,
    pub(super) model: Option<String>,
    pub(super) manifest: Option<String>,
}

/// Somebody who waits for the end of a message.
#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) id: MessageId,
    /// On the clock that stands still in suspend.
    pub(super) until: Millis,
    pub(super) answer: oneshot::Sender<Answer>,
}

/// What could not be written yet.
#[derive(Debug, Default)]
pub(super) struct Unwritten {
    pub(super) events: Vec<Event>,
    pub(super) decisions: Vec<Decision>,
    pub(super) why: String,
    /// When to try again, on the clock that stands still in suspend.
    pub(super) again: Millis,
}

/// A supervisor at work.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) state: State,
    pub(super) machine: Machine,
    pub(super) journal: Journal,
    pub(super) effects: Effects,
    pub(super) policy: FleetPolicy,
    pub(super) wishes: Wishes,
    pub(super) readers: Readers,
    pub(super) watches: Option<Watches>,
    pub(super) subscriptions: BTreeMap<AgentName, Subscription>,
    pub(super) runs: BTreeMap<AgentName, RunInfo>,
    /// The start and end of the last run that the machine was told the end of.
    pub(super) looked: BTreeMap<AgentName, (Millis, Millis)>,
    /// Runs as they were read before the first look.
    pub(super) ahead: BTreeMap<AgentName, RunRecord>,
    /// How the last run ended, by its shim's word.
    pub(super) ends: BTreeMap<AgentName, ExitRecord>,
    pub(super) titles: BTreeMap<AgentName, String>,
    /// What the small file of each agent's quarantine says, of those whose file was looked at.
    pub(super) quarantines: BTreeMap<AgentName, Option<String>>,
    pub(super) waiting: Vec<Waiter>,
    /// Agents with a restart left for an idle moment.
    pub(super) marked: BTreeSet<AgentName>,
    /// Agents of whom the machine was told that a command was killed while it started them.
    pub(super) half_started: BTreeSet<AgentName>,
    /// The pid of a command whose end is waited for.
    pub(super) commander: Option<u32>,
    /// Since when this supervisor runs, in milliseconds since the epoch.
    pub(super) since: Millis,
    /// When the service manager began that has started this process, in milliseconds since the epoch.
    pub(super) manager_began: Millis,
    pub(super) unwritten: Option<Unwritten>,
    /// Of this turn, for the journal.
    pub(super) events: Vec<Event>,
    /// Words that were taken and whose files are still there, by agent and id.
    pub(super) words: BTreeSet<(AgentName, String)>,
    /// Of those, the ones taken since the journal was written.
    pub(super) spent: Vec<(AgentName, String)>,
    /// Starts and stops that are under way, by effect.
    pub(super) acting: BTreeMap<EffectId, AgentName>,
    /// The socket for commands may be gone.
    pub(super) listen_again: bool,
    pub(super) inputs: UnboundedSender<Input>,
}

impl Live {
    /// When something is due, on the clock that stands still in suspend.
    pub(super) fn next_deadline(&self) -> Option<Millis> {
        let waiting = self.waiting.iter().map(|waiter| waiter.until);
        let again = self.unwritten.as_ref().map(|unwritten| unwritten.again);
        self.machine.next_deadline().into_iter().chain(waiting).chain(again).min()
    }

    /// Who starts and stops the agents.
    pub(super) fn manager(&self) -> crate::units::ManagerKind {
        self.wishes.manager
    }

    fn names(&self) -> Vec<AgentName> {
        self.policy.agents.iter().map(|agent| agent.name.clone()).collect()
    }

    /// Whether the agent may be started with another model than its first.
    fn has_chain(&self, agent: &AgentName) -> bool {
        self.policy.agents.iter().any(|one| one.fallbacks > 0 && one.name == *agent)
    }

    /// The agent's patterns.
    pub(super) fn reader(&mut self, agent: &AgentName) -> Arc<Reader> {
        if !self.readers.has(agent) {
            // Of most a part of the text is enough; a chain has to be read as a whole.
            let manifest = if self.has_chain(agent) {
                self.state.manifest_in_use(agent).and_then(|manifest| serde_json::to_vec(&manifest).ok())
            } else {
                self.state.manifest_text(agent)
            };
            if let Some(manifest) = manifest {
                self.readers.learn(agent, &manifest);
            }
        }
        self.readers.of(agent)
    }

    /// A new roster's word on supervision.
    pub(super) fn take_policy(&mut self, policy: FleetPolicy) {
        let known: BTreeSet<AgentName> = policy.agents.iter().map(|agent| agent.name.clone()).collect();
        for gone in self.names().into_iter().filter(|name| !known.contains(name)) {
            self.subscriptions.remove(&gone);
            self.runs.remove(&gone);
            self.looked.remove(&gone);
            self.ends.remove(&gone);
            self.titles.remove(&gone);
            self.quarantines.remove(&gone);
        }
        for agent in &known {
            // Patterns may have changed with it.
            self.readers.forget(agent);
        }
        super::raise_descriptors(policy.agents.len());
        self.policy = policy.clone();
        let mut events = vec![Event::Policy { policy: Box::new(policy) }];
        events.extend(self.wishes());
        self.take_in(events);
    }

    /// What the ledger wants of each.
    fn wishes(&self) -> Vec<Event> {
        let wish = |agent: AgentName| {
            let what = AgentEvent::Wanted { wanted: self.wishes.of(&agent) };
            Event::Agent { agent, what }
        };
        self.names().into_iter().map(wish).collect()
    }

    /// Looks at everything, as if nothing had been heard.
    pub(super) fn relist(&mut self) {
        self.listen_again = true;
        self.reread_ledger();
        self.look_at_all();
    }

    /// Looks at all agents and whatever waits.
    pub(super) fn look_at_all(&mut self) {
        for agent in self.names() {
            // The record of a run is written before it is heard, and nothing is started beside a shim that lives: it says what is
            // known. Not read for as long as a relist is away, a thousand records are not in memory any more, and each is a wait
            // for the disk.
            if !self.subscriptions.get(&agent).is_some_and(Subscription::is_up) {
                self.look(&agent);
            }
            self.spooled(&agent);
        }
        self.notes();
        self.take_in(vec![Event::Relisted]);
        self.half_started();
        self.inbox();
        // One small batch; what is left waits for the next relist.
        if let Err(error) = self.journal.prune(clock::now().wall) {
            report(format_args!("{error}"));
        }
    }

    pub(super) fn reread_ledger(&mut self) {
        match self.state.ledger() {
            Ok(Some(ledger)) => {
                self.wishes = Wishes::of_ledger(&ledger);
                let wishes = self.wishes();
                self.take_in(wishes);
            }
            // It is being destroyed: whoever does it ends this process.
            Ok(None) => {}
            Err(error) => report(format_args!("{error}")),
        }
    }

    fn reread_policy(&mut self) {
        match start::policy(&self.state) {
            Ok(policy) => {
                self.reread_ledger();
                self.take_policy(policy);
                failpoint::reach("after-policy");
                for agent in self.names() {
                    self.look(&agent);
                }
                self.notes();
                self.take_in(vec![Event::Relisted]);
                self.half_started();
            }
            Err(error) => report(format_args!("{error}; it goes on with what it knows")),
        }
    }

    /// Which restarts `apply` has left.
    fn notes(&mut self) {
        let mut events = Vec::new();
        // One look into the folder, whatever the number of agents.
        let noted = self.state.noted();
        for agent in self.names() {
            let pending = noted.contains(&agent) && look::restart_pending(&self.state, &agent);
            let changed = if pending { self.marked.insert(agent.clone()) } else { self.marked.remove(&agent) };
            if changed {
                events.push(Event::Agent { agent, what: AgentEvent::RestartPending { pending } });
            }
        }
        self.take_in(events);
    }

    /// Looks at one agent's records, and subscribes to a run that is new.
    pub(super) fn look(&mut self, agent: &AgentName) {
        let reader = self.reader(agent);
        let said = self.ends.get(agent);
        let ahead = self.ahead.remove(agent);
        let (what, info) = look::look(&self.state, agent, &reader, said, ahead, self.manager_began, clock::now());
        match &what {
            AgentEvent::Running { run } => {
                let key = (run.pid, run.start_ticks);
                if self.subscriptions.get(agent).is_none_or(|known| known.run != key) {
                    // Of the first run that is met here they have just been read; but who has a chain may use others.
                    if self.has_chain(agent) || self.runs.contains_key(agent) {
                        self.readers.forget(agent);
                    }
                    self.ends.remove(agent);
                    self.titles.remove(agent);
                    self.runs.insert(agent.clone(), info.unwrap_or_default());
                    let socket = self.state.paths.socket(agent);
                    let subscription = Subscription::open(agent.clone(), key, socket, self.inputs.clone());
                    self.subscriptions.insert(agent.clone(), subscription);
                }
            }
            AgentEvent::Ended { end } => {
                self.subscriptions.remove(agent);
                // The record stays; its run ended once.
                let key = (end.started, end.ended);
                if self.looked.insert(agent.clone(), key) == Some(key) {
                    return;
                }
            }
            _ => drop(self.subscriptions.remove(agent)),
        }
        let ended = matches!(what, AgentEvent::Ended { .. } | AgentEvent::Absent { .. });
        if ended {
            // What it said last is known before it is judged.
            self.spooled(agent);
        }
        self.take_in(vec![Event::Agent { agent: agent.clone(), what }]);
        if ended && !self.half_started.contains(agent) && self.state.pending_path(agent).exists() {
            self.half_started();
        }
    }

    /// Something came in.
    pub(super) fn take_input(&mut self, input: Input) {
        match input {
            Input::Shim { agent, run, heard } => {
                // What was still on its way from a run before.
                if self.subscriptions.get(&agent).is_some_and(|known| known.run == run) {
                    self.heard(&agent, heard);
                }
            }
            Input::Files(what) => self.changed(what),
            Input::Effect { id, result } => {
                let agent = self.acting(id);
                if matches!(result, EffectResult::Withheld { .. }) {
                    // What is wanted is another thing than the machine knows.
                    self.reread_ledger();
                }
                self.take_in(vec![Event::Effect { id, result }]);
                // What it did shows in the records, before any watch tells of it.
                if let Some(agent) = agent {
                    self.look(&agent);
                }
            }
            Input::Asked(asked) => self.asked(asked),
            Input::Gone(agent) => self.look(&agent),
            Input::CommandOver => {
                self.commander = None;
                self.half_started();
            }
            Input::Unit(change) => {
                if change.result.as_deref() == Some("oom-kill") {
                    let what = AgentEvent::OutOfMemory;
                    self.take_in(vec![Event::Agent { agent: change.agent.clone(), what }]);
                }
                self.look(&change.agent);
            }
            Input::Again { agent, waits } => self.look_at_socket(&agent, waits),
        }
    }

    fn changed(&mut self, what: Changed) {
        if let Some(watches) = &self.watches {
            watches.lower(what);
        }
        match what {
            Changed::Ledger => self.reread_ledger(),
            Changed::Policy => self.reread_policy(),
            Changed::Sockets => {
                self.listen_again = true;
                let unheard = |name: &AgentName| !self.subscriptions.contains_key(name);
                let new: Vec<AgentName> = self.names().into_iter().filter(unheard).collect();
                for agent in new {
                    self.look_at_socket(&agent, &SOON);
                }
            }
            Changed::Pending => {
                self.notes();
                self.half_started();
            }
            Changed::Inbox => self.inbox(),
            Changed::All => {
                // A folder that was replaced is another folder.
                self.watch_anew();
                self.relist();
            }
        }
    }

    fn watch_anew(&mut self) {
        /// What goes while it is being watched is made again; whoever removes it for ever is left to the relist.
        const TRIES: usize = 5;
        self.watches = None;
        let paths = &self.state.paths;
        let folders = [paths.runtime.clone(), paths.state.join("pending"), paths.state.join("inbox")];
        for _ in 0..TRIES {
            for folder in &folders {
                if let Err(error) = crate::system::fs::ensure_private_dir(folder) {
                    report(format_args!("{error}"));
                }
            }
            match Watches::open(&self.state, self.inputs.clone()) {
                Ok(watches) => self.watches = Some(watches),
                Err(error) => {
                    report(format_args!("no file is watched: {error}; what changes is found by the relist"));
                    return;
                }
            }
            // From here on the watches tell of an end; one before it told nobody.
            let watched = self.watches.as_ref().is_some_and(|watches| watches.problems.is_empty());
            if watched && folders.iter().all(|folder| folder.is_dir()) {
                return;
            }
        }
    }
}
