//! From a predecessor's journal and the records on disk to a supervisor that knows where everybody stands.

use std::collections::{BTreeMap, BTreeSet};

use tokio::sync::mpsc::UnboundedSender;

use super::effects::Effects;
use super::live::Live;
use super::reading::Readers;
use super::watch::Watches;
use super::{Input, clock, look, report};
use crate::apply::ApplyError;
use crate::apply::state::State;
use crate::ids::AgentName;
use crate::journal::{Journal, Pending};
use crate::supervise::decision::Act;
use crate::supervise::event::Event;
use crate::supervise::memory::Memory;
use crate::supervise::policy::{self, FleetPolicy};
use crate::supervise::{Machine, Remembered};
use crate::system::fs;

/// Largest `supervise.json`, in bytes.
const POLICY_CAP: u64 = 16 << 20;

/// The file that `apply` writes for the supervisor.
pub(super) const POLICY: &str = "supervise.json";

/// Reads what the roster says about supervision.
///
/// # Errors
/// When it is not there, or a newer fleet wrote it.
pub(super) fn policy(state: &State) -> Result<FleetPolicy, ApplyError> {
    let path = state.paths.state.join(POLICY);
    let help = "`fleet apply` writes it";
    let Some(bytes) = fs::read_optional(&path, POLICY_CAP)? else {
        return Err(ApplyError::other(format!("{} is not there", path.display()), help));
    };
    let policy: FleetPolicy = serde_json::from_slice(&bytes)
        .map_err(|error| ApplyError::other(format!("{}: {error}", path.display()), help))?;
    if policy.format > policy::FORMAT {
        let what =
            format!("{}: it has format {}, and this fleet reads {}", path.display(), policy.format, policy::FORMAT);
        return Err(ApplyError::other(what, "a newer fleet wrote it: use that one"));
    }
    Ok(policy)
}

/// Does again what a predecessor may not have come to: with which model an agent is started. Noted twice is noted once.
fn note_models(state: &State, pending: &[Pending]) {
    for effect in pending {
        if let Act::Fallback { agent, note, .. } = &effect.effect.act
            && let Err(error) = state.note_model(agent, note.as_deref())
        {
            report(format_args!("{error}; {agent} is started with the model that it had"));
        }
    }
}

/// What a journal that was lost knew of the models in use: the notes outlive it.
fn recall_models(state: &State, policy: &FleetPolicy, memories: &mut BTreeMap<AgentName, Memory>) {
    for agent in policy.agents.iter().filter(|agent| agent.fallbacks > 0) {
        if let Some(note) = state.model_note(&agent.name) {
            memories.entry(agent.name.clone()).or_default().fell_back.get_or_insert(note);
        }
    }
}

/// Begins.
///
/// # Errors
/// When the policy, the ledger or the journal cannot be read.
pub(super) fn start(state: &State, inputs: UnboundedSender<Input>) -> Result<Live, ApplyError> {
    let policy = policy(state)?;
    let Some(ledger) = state.ledger()? else {
        return Err(ApplyError::other(format!("fleet {} is not applied here", state.fleet), "`fleet apply` does it"));
    };
    for folder in [state.paths.runtime.clone(), state.paths.state.join("pending"), state.paths.state.join("inbox")] {
        fs::ensure_private_dir(&folder)?;
    }
    // Before the first record is read: what changes from now on is heard.
    let watches = match Watches::open(state, inputs.clone()) {
        Ok(watches) => Some(watches),
        Err(error) => {
            report(format_args!("no file is watched: {error}; what changes is found by the relist"));
            None
        }
    };
    let (opened, ahead) = std::thread::scope(|scope| {
        let journal = scope.spawn(|| Journal::open(&state.paths.state));
        let ahead = look::ahead(state, &policy);
        (journal.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), ahead)
    });
    let opened = opened.map_err(|error| {
        ApplyError::other(error.to_string(), error.help().unwrap_or_else(|| "look at the journal".to_owned()))
    })?;
    let mut recovered = opened.recovered;
    let answers = recovered.answers();
    note_models(state, &recovered.pending);
    recall_models(state, &policy, &mut recovered.memories);
    let machine = Machine::new(Remembered {
        memories: recovered.memories,
        queued: recovered.queued,
        next_effect: recovered.next_effect,
        // A loss that is new is news to the machine, which tells people of it.
        journal_lost: recovered.paused.filter(|_| opened.lost.is_none()),
    });
    let wishes = look::Wishes::of_ledger(&ledger);
    drop(ledger);
    let manager_began = look::manager_began(wishes.manager, clock::now());
    let mut live = Live {
        state: state.clone(),
        machine,
        journal: opened.journal,
        effects: Effects::new(state, wishes.manager, &inputs),
        policy: FleetPolicy { agents: Vec::new(), ..policy.clone() },
        wishes,
        readers: Readers::default(),
        watches,
        subscriptions: BTreeMap::new(),
        runs: BTreeMap::new(),
        looked: BTreeMap::new(),
        ahead: ahead.runs,
        ends: BTreeMap::new(),
        titles: BTreeMap::new(),
        quarantines: BTreeMap::new(),
        waiting: Vec::new(),
        marked: BTreeSet::new(),
        half_started: BTreeSet::new(),
        commander: None,
        since: clock::now().wall,
        manager_began,
        unwritten: None,
        events: Vec::new(),
        words: BTreeSet::new(),
        spent: Vec::new(),
        acting: BTreeMap::new(),
        listen_again: false,
        inputs,
    };
    live.take_in(opened.lost.into_iter().map(|why| Event::JournalLost { why }).collect());
    live.take_policy(policy);
    // A policy that is new makes patterns be read again; these have just been read.
    live.readers = ahead.readers;
    // Of agents that are known by now.
    live.take_in(answers);
    live.look_at_all();
    live.turn(std::iter::empty());
    Ok(live)
}
