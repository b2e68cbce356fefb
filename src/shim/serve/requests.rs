//! From a client's first line to its answer.

use std::time::Instant;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::getpid;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::connection::{Connection, Phase};
use super::{PATIENCE, error};
use crate::manifest::Policy;
use crate::shim::agent::Shim;
use crate::shim::protocol::{
    Done, HANDSHAKE, ProtocolError, Screen, Scrollback, ScrollbackRequest, SendRequest, SignalRequest, Status,
};
use crate::shim::start;
use crate::shim::terminal::hash;

/// What a client can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Status,
    Screen,
    Scrollback,
    Send,
    Signal,
    Reload,
    Report,
    Attach,
    Subscribe,
}

/// Signals that may be asked for by name.
const SIGNALS: &[(&str, Signal)] = &[
    ("INT", Signal::SIGINT),
    ("TERM", Signal::SIGTERM),
    ("KILL", Signal::SIGKILL),
    ("HUP", Signal::SIGHUP),
    ("USR1", Signal::SIGUSR1),
    ("USR2", Signal::SIGUSR2),
    ("CONT", Signal::SIGCONT),
    ("STOP", Signal::SIGSTOP),
    ("WINCH", Signal::SIGWINCH),
    ("QUIT", Signal::SIGQUIT),
];

impl Shim {
    /// Handles what a connection has sent, as far as it is complete.
    pub(super) fn advance(&mut self, id: u64, connection: &mut Connection, now: Instant) {
        loop {
            match connection.phase {
                Phase::Handshake => match connection.line() {
                    Ok(None) => break,
                    Ok(Some(line)) => match verb(&line) {
                        Ok(verb) => connection.phase = Phase::Request(verb),
                        Err(answer) => return connection.refuse_with(&answer, now + PATIENCE),
                    },
                    Err(()) => return too_long(connection, now),
                },
                Phase::Request(verb) => match connection.line() {
                    Ok(None) => break,
                    Ok(Some(line)) => self.request(id, connection, verb, &line, now),
                    Err(()) => return too_long(connection, now),
                },
                Phase::Viewer(_) => return self.viewer_input(connection, now),
                Phase::Subscriber(_) => return Self::subscriber_input(connection),
                Phase::Waiting | Phase::Closing => return,
            }
        }
        if connection.ended {
            connection.phase = Phase::Closing;
        }
    }

    fn request(&mut self, id: u64, connection: &mut Connection, verb: Verb, line: &[u8], now: Instant) {
        let done = match verb {
            Verb::Status => {
                connection.answer(&self.status(now), now + PATIENCE);
                Ok(())
            }
            Verb::Screen => {
                connection.answer(&self.screen(), now + PATIENCE);
                Ok(())
            }
            Verb::Scrollback => parse(line).map(|request| {
                connection.answer(&self.scrollback(request), now + PATIENCE);
            }),
            Verb::Signal => parse(line).and_then(|request| self.signal(&request)).map(|done| {
                connection.answer(&done, now + PATIENCE);
            }),
            Verb::Reload => self.reload().map(|done| connection.answer(&done, now + PATIENCE)),
            Verb::Send => parse::<SendRequest>(line).and_then(|request| {
                if let Some(refused) = self.enqueue(id, &request.text, now)? {
                    connection.answer(&refused, now + PATIENCE);
                } else {
                    connection.phase = Phase::Waiting;
                    connection.deadline = None;
                }
                Ok(())
            }),
            Verb::Report => parse(line).and_then(|said| self.take_word(connection, said, now)).map(|done| {
                connection.answer(&done, now + PATIENCE);
            }),
            Verb::Attach => parse(line).map(|request| self.attach(connection, &request, now)),
            Verb::Subscribe => {
                self.subscribe(connection, now);
                Ok(())
            }
        };
        if let Err(error) = done {
            connection.refuse_with(&error, now + PATIENCE);
        }
    }

    fn status(&self, now: Instant) -> Status {
        let screen = self.model.text();
        let (state, reason) = self.state(now);
        let size = self.model.size();
        Status {
            pid: getpid().as_raw().unsigned_abs(),
            agent_pid: self.agent.as_raw().unsigned_abs(),
            state,
            reason,
            started: self.started.clone(),
            bytes: self.bytes,
            quiet_ms: u64::try_from(now.saturating_duration_since(self.last_output).as_millis()).unwrap_or(u64::MAX),
            title: self.shown_title(),
            columns: size.columns,
            rows: size.rows,
            cursor: self.model.cursor(),
            modes: self.model.mode_names(),
            viewers: self.server.viewers,
            hash: hash(&screen.lines),
            manifest: self.digest.as_str().to_owned(),
            stopping: self.stop.is_some(),
        }
    }

    fn screen(&self) -> Screen {
        let size = self.model.size();
        let text = self.shown_text();
        Screen {
            columns: size.columns,
            rows: size.rows,
            cursor: self.model.cursor(),
            title: text.title,
            hash: self.text_hash(),
            lines: text.lines,
        }
    }

    /// Of the text as it is: masking must not make two screens look alike.
    pub(super) fn text_hash(&self) -> String {
        hash(&self.model.text().lines)
    }

    fn scrollback(&self, request: ScrollbackRequest) -> Scrollback {
        let count = usize::try_from(request.lines).unwrap_or(usize::MAX);
        let (mut lines, wrapped) = self.model.scrollback(count);
        self.mask.lines(&mut lines, &wrapped);
        Scrollback { lines }
    }

    fn signal(&self, request: &SignalRequest) -> Result<Done, ProtocolError> {
        let signal = SIGNALS.iter().find(|(name, _)| *name == request.signal).ok_or_else(|| {
            let names: Vec<&str> = SIGNALS.iter().map(|(name, _)| *name).collect();
            error("bad-request", format!("no signal {:?}: use one of {}", request.signal, names.join(" ")))
        })?;
        killpg(self.agent, signal.1).map_err(|errno| error("gone", format!("the agent's process group: {errno}")))?;
        Ok(Done { ok: true })
    }

    /// Reads the policy part of the manifest again.
    fn reload(&mut self) -> Result<Done, ProtocolError> {
        let (manifest, _) =
            start::load(&self.manifest_path).map_err(|refused| error("bad-request", refused.message))?;
        if manifest.agent != self.manifest.agent || manifest.fleet != self.manifest.fleet {
            return Err(error("bad-request", "the manifest is now another agent's: restart this one"));
        }
        let launch = &self.manifest.launch;
        let policy = match manifest.using(&launch.name()) {
            Some(manifest) => manifest.into_owned().policy,
            None if manifest.launch.runtime == launch.runtime => manifest.policy,
            // The CLI that it runs is not in the roster any more: its own patterns still fit it best.
            None => {
                let Policy { patterns, delivery, resume, .. } = self.manifest.policy.clone();
                Policy { patterns, delivery, resume, ..manifest.policy }
            }
        };
        self.set_policy(policy);
        Ok(Done { ok: true })
    }
}

fn too_long(connection: &mut Connection, now: Instant) {
    connection.refuse("too-long", "a request line has at most 1 MiB", now + PATIENCE);
}

/// The other side speaks another version.
#[derive(Serialize)]
struct OtherVersion {
    error: &'static str,
    speaks: u32,
    message: &'static str,
}

/// The verb of the first line, or the answer to a line that has none.
fn verb(line: &[u8]) -> Result<Verb, serde_json::Value> {
    let line = String::from_utf8_lossy(line);
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let refused = |error: ProtocolError| Err(serde_json::to_value(error).unwrap_or_default());
    let (name, version) = HANDSHAKE.split_once(' ').unwrap_or((HANDSHAKE, "1"));
    match words.as_slice() {
        [first, number, word] if *first == name && *number == version => match *word {
            "status" => Ok(Verb::Status),
            "screen" => Ok(Verb::Screen),
            "scrollback" => Ok(Verb::Scrollback),
            "send" => Ok(Verb::Send),
            "signal" => Ok(Verb::Signal),
            "reload" => Ok(Verb::Reload),
            "report" => Ok(Verb::Report),
            "attach" => Ok(Verb::Attach),
            "subscribe" => Ok(Verb::Subscribe),
            _ => refused(error("unsupported", format!("this shim has no verb {word:?}: use a newer one"))),
        },
        [first, number, ..] if *first == name && *number != version => {
            let message = "this shim speaks version 1: use the fleet that started it";
            Err(serde_json::to_value(OtherVersion { error: "version", speaks: 1, message }).unwrap_or_default())
        }
        _ => refused(error("bad-request", format!("the first line is `{HANDSHAKE} <verb>`"))),
    }
}

fn parse<T: DeserializeOwned>(line: &[u8]) -> Result<T, ProtocolError> {
    serde_json::from_slice(line).map_err(|problem| error("bad-request", format!("the request line: {problem}")))
}
