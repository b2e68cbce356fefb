//! Effects, carried out beside the loop; their results come back as events.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::sync::mpsc::UnboundedSender;

use super::probe::Tables;
use super::{Input, clock, failpoint, probe, snapshot};
use crate::apply::managers;
use crate::apply::power::{self, Verb};
use crate::apply::state::State;
use crate::ids::AgentName;
use crate::shim::client;
use crate::shim::protocol::{Outcome, SendRequest};
use crate::shim::reader::Reader;
use crate::supervise::decision::{Act, EffectId};
use crate::supervise::event::{Delivered, EffectResult};
use crate::supervise::message::Message;
use crate::units::ManagerKind;

/// Looks that are under way at once: a thousand agents that are due together take no thread each.
const LOOKS: usize = 8;

/// A start or a stop that waits for its worker.
struct Job {
    id: EffectId,
    agent: AgentName,
}

/// Carries effects out.
#[derive(Debug)]
pub(super) struct Effects {
    state: State,
    inputs: UnboundedSender<Input>,
    starts: Sender<Job>,
    stops: Sender<Job>,
    looks: Arc<Semaphore>,
    tables: Arc<Tables>,
}

impl Effects {
    /// Workers for the fleet of `state`: one starts, one stops, so that a slow stop holds no start up.
    pub(super) fn new(state: &State, manager: ManagerKind, inputs: &UnboundedSender<Input>) -> Self {
        let worker = |verb: Verb| {
            let (sender, jobs) = channel();
            let (state, inputs) = (state.clone(), inputs.clone());
            std::thread::spawn(move || work(&state, manager, verb, &jobs, &inputs));
            sender
        };
        let (starts, stops) = (worker(Verb::Start), worker(Verb::Stop));
        let (looks, tables) = (Arc::new(Semaphore::new(LOOKS)), Arc::default());
        Self { state: state.clone(), inputs: inputs.clone(), starts, stops, looks, tables }
    }

    /// Lets one effect leave. `reader` is that of the agent it acts on.
    pub(super) fn leave(&self, id: EffectId, act: Act, reader: Arc<Reader>, descent: Option<u32>) {
        match act {
            Act::Start { agent, .. } => self.queue(&self.starts, id, agent),
            Act::Stop { agent } => self.queue(&self.stops, id, agent),
            Act::Deliver { agent, message } => {
                let socket = self.state.paths.socket(&agent);
                self.beside(id, move || deliver(&socket, &message));
            }
            Act::Probe { agent } => {
                let socket = self.state.paths.socket(&agent);
                let (looks, tables) = (self.looks.clone(), self.tables.clone());
                let shared = tables.clone();
                let look = self.thread(id, move || probe::probe(&socket, descent, &shared, &reader, clock::now()));
                tokio::spawn(async move {
                    let turn = looks.acquire().await;
                    let _ = tokio::task::spawn_blocking(look).await;
                    drop(turn);
                    if looks.available_permits() == LOOKS {
                        tables.forget();
                    }
                });
            }
            Act::Snapshot { agent, why } => {
                let state = self.state.clone();
                self.beside(id, move || snapshot::take(&state, &agent, &why, clock::now()));
            }
            // Not beside the loop: the start that reads the note may leave right after it.
            Act::Fallback { agent, note, .. } => {
                failpoint::reach("model-decided");
                let result = match self.state.note_model(&agent, note.as_deref()) {
                    Ok(()) => EffectResult::Done,
                    Err(error) => EffectResult::Failed { why: error.to_string() },
                };
                failpoint::reach("model-noted");
                self.answer(id, result);
            }
            // The journal has it, which is where people find it.
            Act::Notify { .. } | Act::Digest { .. } => self.answer(id, EffectResult::Done),
        }
    }

    fn queue(&self, jobs: &Sender<Job>, id: EffectId, agent: AgentName) {
        if jobs.send(Job { id, agent }).is_err() {
            self.answer(id, EffectResult::Failed { why: "the worker has ended".to_owned() });
        }
    }

    fn beside(&self, id: EffectId, act: impl FnOnce() -> EffectResult + Send + 'static) {
        tokio::task::spawn_blocking(self.thread(id, act));
    }

    /// What a thread does for an effect: the act, and to tell of its result.
    fn thread(
        &self,
        id: EffectId,
        act: impl FnOnce() -> EffectResult + Send + 'static,
    ) -> impl FnOnce() + Send + 'static {
        let inputs = self.inputs.clone();
        move || {
            let result = act();
            failpoint::reach("effect-done");
            let _ = inputs.send(Input::Effect { id, result });
        }
    }

    fn answer(&self, id: EffectId, result: EffectResult) {
        let _ = self.inputs.send(Input::Effect { id, result });
    }
}

/// Starts or stops whoever waits, all that wait at once.
fn work(state: &State, manager: ManagerKind, verb: Verb, jobs: &Receiver<Job>, inputs: &UnboundedSender<Input>) {
    while let Ok(first) = jobs.recv() {
        let batch: Vec<Job> = std::iter::once(first).chain(jobs.try_iter()).collect();
        let names: Vec<AgentName> = batch.iter().map(|job| job.agent.clone()).collect();
        // Opened for each batch: a manager that was restarted meanwhile leaves a connection that is dead.
        let results = match managers::open(manager, state) {
            Ok(chosen) => power::act(state, &chosen, &names, verb),
            Err(error) => names.iter().map(|_| Err(error.to_string())).collect(),
        };
        for (job, result) in batch.into_iter().zip(results) {
            let result = match result {
                Ok(()) => EffectResult::Done,
                Err(why) if why == power::HELD => EffectResult::Withheld { why },
                Err(why) => EffectResult::Failed { why },
            };
            let _ = inputs.send(Input::Effect { id: job.id, result });
        }
    }
}

/// Gives a message to the shim.
fn deliver(socket: &Path, message: &Message) -> EffectResult {
    let from = Some(message.from.to_string());
    let request = SendRequest { text: message.text.clone(), from };
    match client::send(socket, &request, client::SEND_TIMEOUT) {
        Ok(answer) => EffectResult::Delivered {
            outcome: match answer.outcome {
                Outcome::Confirmed => Delivered::Confirmed,
                Outcome::Submitted => Delivered::Submitted,
                Outcome::Queued => Delivered::Queued,
                Outcome::Refused => Delivered::Refused,
                Outcome::Unknown => Delivered::Unknown,
            },
            why: answer.why,
        },
        Err(error) if error.is_not_running() => EffectResult::Failed { why: error.to_string() },
        // Whether it was typed is not known.
        Err(error) => EffectResult::Delivered { outcome: Delivered::Unknown, why: Some(error.to_string()) },
    }
}

/// Longest wait for a shim that is only asked.
pub(super) const ASK: Duration = Duration::from_secs(2);
