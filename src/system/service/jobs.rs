//! Jobs of the systemd user manager: queued together, and waited for.

use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::time::Duration;

use futures_core::Stream as _;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use zbus::message::{Flags, Type};
use zbus::{Connection, MatchRule, Message, MessageStream, OwnedObjectPath};

use super::is_target;
use super::systemd::{CALL, MANAGER, NAME, PATH, PROPERTIES, SystemdManager, answer, describe, text};
use crate::ids::UnitName;

const UNIT: &str = "org.freedesktop.systemd1.Unit";
/// How long no job may end before it is asked which ones there still are.
const SILENCE: Duration = Duration::from_secs(2);
/// Calls that are sent before the first of them is answered. systemd starts processes in between, so each answer that is
/// waited for takes as long as a start.
const IN_FLIGHT: usize = 64;

/// One of `ListJobs`' answer: id, unit, type, state, path, path of the unit.
type Job = (u32, String, String, String, OwnedObjectPath, OwnedObjectPath);

impl SystemdManager {
    /// Queues one job per unit, all at once, and waits for their ends. The outer error concerns all of them.
    ///
    /// systemd tells the end of a job to whoever has queued it, and everything that happens to everybody while somebody has subscribed
    /// (`bus_foreach_bus` in its source; so does 252): that took 30 of 480 ms in a hundred starts. So fleet subscribes only when nothing
    /// is heard.
    pub(super) async fn jobs(&self, verb: Verb, units: &[UnitName], deadline: Instant) -> zbus::Result<Vec<Outcome>> {
        let rule = MatchRule::builder()
            .msg_type(Type::Signal)
            .sender(NAME)
            .path(PATH)
            .interface(MANAGER)
            .member("JobRemoved")
            .build()?;
        // Room for every end to arrive while jobs are still being queued.
        let room = NonZeroUsize::new(4 * units.len() + 64);
        let mut ends = MessageStream::for_match_rule(rule, &self.connection, room).await?;
        let mut outcomes = Vec::with_capacity(units.len());
        let mut waiting: BTreeMap<String, usize> = BTreeMap::new();
        let mut replies = Vec::with_capacity(units.len());
        for part in units.chunks(IN_FLIGHT) {
            let mut calls = JoinSet::new();
            for (index, unit) in part.iter().enumerate() {
                let (connection, unit) = (self.connection.clone(), unit.clone());
                calls.spawn(async move { (index, queue(&connection, verb, &unit).await) });
            }
            let mut part = calls.join_all().await;
            part.sort_by_key(|(index, _)| *index);
            replies.extend(part.into_iter().map(|(_, reply)| reply));
        }
        for (index, reply) in replies.into_iter().enumerate() {
            match reply {
                Ok(reply) => {
                    let job: OwnedObjectPath = reply.body().deserialize()?;
                    waiting.insert(job.to_string(), index);
                    outcomes.push(Outcome::Waiting);
                }
                Err(zbus::Error::MethodError(name, ..)) if verb == Verb::Stop && name.ends_with(".NoSuchUnit") => {
                    outcomes.push(Outcome::Ended("done".to_owned()));
                }
                Err(error @ zbus::Error::MethodError(..)) => outcomes.push(Outcome::Refused(describe(&error))),
                Err(error) => return Err(error),
            }
        }
        let mut subscribed = false;
        while !waiting.is_empty() {
            let next = poll_fn(|context| Pin::new(&mut ends).poll_next(context));
            let until = deadline.min(Instant::now() + SILENCE);
            let Ok(message) = timeout_at(until, next).await else {
                if until == deadline {
                    break;
                }
                if !std::mem::replace(&mut subscribed, true) {
                    self.subscribe().await?;
                }
                self.find_ended(verb, units, &mut waiting, &mut outcomes).await?;
                continue;
            };
            let Some(message) = message else {
                return Err(zbus::Error::Failure("the bus closed the connection".to_owned()));
            };
            let (_, job, _, result): (u32, OwnedObjectPath, String, String) = message?.body().deserialize()?;
            if let Some(index) = waiting.remove(job.as_str()) {
                outcomes[index] = Outcome::Ended(result);
            }
        }
        Ok(outcomes)
    }

    /// Makes systemd tell of everything on the bus.
    async fn subscribe(&self) -> zbus::Result<()> {
        match self.call("Subscribe", &()).await {
            Err(zbus::Error::MethodError(name, ..)) if name.ends_with(".AlreadySubscribed") => Ok(()),
            other => other.map(drop),
        }
    }

    /// Finds jobs whose end was not heard, by what there still is, and how they ended by the state of their unit.
    async fn find_ended(
        &self,
        verb: Verb,
        units: &[UnitName],
        waiting: &mut BTreeMap<String, usize>,
        outcomes: &mut [Outcome],
    ) -> zbus::Result<()> {
        let reply = self.call("ListJobs", &()).await?;
        let there: Vec<Job> = reply.body().deserialize()?;
        let there: BTreeSet<String> = there.into_iter().map(|(.., path, _)| path.to_string()).collect();
        let ended: Vec<(String, usize)> = waiting
            .iter()
            .filter(|(job, _)| !there.contains(*job))
            .map(|(job, index)| (job.clone(), *index))
            .collect();
        for (job, index) in ended {
            let result =
                if self.is_active(&units[index]).await? == (verb == Verb::Start) { "done" } else { "failed" };
            outcomes[index] = Outcome::Ended(result.to_owned());
            waiting.remove(&job);
        }
        Ok(())
    }

    async fn is_active(&self, unit: &UnitName) -> zbus::Result<bool> {
        let path: OwnedObjectPath = match self.call("GetUnit", &(unit.as_str(),)).await {
            Ok(reply) => reply.body().deserialize()?,
            Err(zbus::Error::MethodError(name, ..)) if name.ends_with(".NoSuchUnit") => return Ok(false),
            Err(error) => return Err(error),
        };
        let reply = self.call_at(path.as_str(), PROPERTIES, "Get", &(UNIT, "ActiveState"), CALL).await?;
        Ok(text(&reply.body().deserialize()?) == "active")
    }
}

/// Asks for a job.
async fn queue(connection: &Connection, verb: Verb, unit: &UnitName) -> zbus::Result<Message> {
    if verb == Verb::Start {
        // Fails for a unit that is not loaded, which then has nothing to reset: nobody waits for the answer. systemd does
        // what one connection asks for in its order.
        let reset = Message::method_call(PATH, "ResetFailedUnit").destination(NAME).interface(MANAGER);
        let reset = reset.with_flags(Flags::NO_REPLY_EXPECTED).build(&(unit.as_str(),))?;
        connection.send(&reset).await?;
    }
    let body = (unit.as_str(), verb.mode(unit));
    answer(connection.call_method(Some(NAME), PATH, Some(MANAGER), verb.method(), &body), CALL).await
}

/// What is asked of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Start,
    Stop,
}

impl Verb {
    fn method(self) -> &'static str {
        match self {
            Self::Start => "StartUnit",
            Self::Stop => "StopUnit",
        }
    }

    /// A target is started alone: what hangs on it is started by name, or is stopped on purpose.
    fn mode(self, unit: &UnitName) -> &'static str {
        if self == Self::Start && is_target(unit) { "ignore-dependencies" } else { "replace" }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
        }
    }
}

/// How a job stands.
pub(super) enum Outcome {
    Waiting,
    /// With the job's result, `done` when it succeeded.
    Ended(String),
    /// It was never queued.
    Refused(String),
}
