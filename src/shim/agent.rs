//! The shim's whole state while its agent runs.

use std::collections::VecDeque;
use std::fs::File;
use std::path::PathBuf;
use std::time::Instant;

use nix::fcntl::Flock;
use nix::sys::signalfd::SignalFd;
use nix::unistd::Pid;

use super::classify::{Facts, Found, classify};
use super::conversation::Conversation;
use super::deliver::Deliveries;
use super::log::Log;
use super::mask::Mask;
use super::patterns::Patterns;
use super::protocol::State;
use super::pty::Pty;
use super::report;
use super::secrets::Secrets;
use super::serve::{Server, Words};
use super::stop::Stop;
use super::terminal::{Model, ScreenText};
use crate::ids::Digest;
use crate::manifest::{Manifest, ModelName, PatternKind, Policy};
use crate::system::notify::Notifier;

/// Most bytes that wait for an agent which does not read. More is dropped.
pub(super) const INPUT_MAX: usize = 1 << 20;

#[derive(Debug)]
pub(super) struct Shim {
    pub(super) manifest_path: PathBuf,
    /// As it is for the model in use.
    pub(super) manifest: Manifest,
    /// That model, where it is not the first of its chain.
    pub(super) with: Option<ModelName>,
    /// Digest of the manifest file the agent was started from.
    pub(super) digest: Digest,
    pub(super) patterns: Patterns,
    pub(super) mask: Mask,

    /// The agent's process, the leader of its group and session.
    pub(super) agent: Pid,
    /// RFC 3339, UTC.
    pub(super) started: String,
    /// How many had been ended for want of memory by then.
    pub(super) oom_kills: Option<u64>,
    pub(super) pty: Pty,
    /// Bytes for the agent that its terminal could not take yet.
    pub(super) input: VecDeque<u8>,
    pub(super) model: Model,
    pub(super) log: Log,
    /// Output in all.
    pub(super) bytes: u64,
    pub(super) last_output: Instant,
    pub(super) ready: Ready,

    pub(super) deliveries: Deliveries,
    pub(super) words: Words,
    pub(super) stop: Option<Stop>,
    pub(super) server: Server,
    pub(super) signals: SignalFd,
    pub(super) notifier: Notifier,
    /// When to look at a hung-up terminal again.
    pub(super) hung_until: Option<Instant>,
    pub(super) conversation: Conversation,
    pub(super) begun: Instant,
    /// What has been reported already.
    pub(super) complaints: Vec<&'static str>,
    /// Held for as long as the shim lives.
    pub(super) _lock: Flock<File>,
    pub(super) secrets: Secrets,
}

/// Whether the agent has been seen ready.
#[derive(Debug, Default)]
pub(super) struct Ready {
    pub(super) seen: bool,
    /// When to look at the screen for it.
    pub(super) look_at: Option<Instant>,
}

impl Shim {
    /// Takes patterns and log rules from a policy.
    pub(super) fn set_policy(&mut self, policy: Policy) {
        let (patterns, problems) = Patterns::compile(&policy.patterns);
        for problem in problems {
            report(format_args!("{problem}"));
        }
        self.patterns = patterns;
        self.log.set_policy(policy.log.clone());
        self.manifest.policy = policy;
    }

    /// The window title with secrets hidden.
    pub(super) fn shown_title(&self) -> String {
        String::from_utf8_lossy(&self.mask.bytes(self.model.title().as_bytes())).into_owned()
    }

    /// The visible text with secrets hidden, for everyone outside.
    pub(super) fn shown_text(&self) -> ScreenText {
        let mut text = self.model.text();
        self.mask.lines(&mut text.lines, &text.wrapped);
        text.title = self.shown_title();
        text
    }

    /// What may be told of a text found on this screen: the text itself, or the line that it is in as others see it.
    ///
    /// Patterns look at the screen as it is, where a short secret may be part of any word.
    pub(super) fn told(&self, screen: &ScreenText, found: &str) -> String {
        /// Of a line that has secrets in it, this much is told.
        const SHOWN: usize = 120;
        if self.mask.is_empty() {
            return found.to_owned();
        }
        let shown = self.shown_text();
        if shown.title.contains(found) || shown.lines.iter().any(|line| line.contains(found)) {
            return found.to_owned();
        }
        let mut both = screen.lines.iter().zip(&shown.lines).chain([(&screen.title, &shown.title)]);
        let line = both.find(|(line, _)| line.contains(found)).map_or("***", |(_, shown)| shown);
        line.trim().chars().take(SHOWN).collect()
    }

    pub(super) fn facts(&self, screen: &ScreenText, now: Instant) -> Facts {
        let mut found = Found::on(screen, &self.patterns);
        for found in found.all_mut() {
            found.text = self.told(screen, &found.text);
        }
        Facts {
            quiet: now.saturating_duration_since(self.last_output),
            unready: !self.ready.seen
                && self.patterns.has(PatternKind::Ready)
                && self.patterns.find(PatternKind::Ready, screen).is_none(),
            stopping: self.stop.is_some(),
            found,
        }
    }

    pub(super) fn state(&self, now: Instant) -> (State, String) {
        classify(&self.facts(&self.model.text(), now))
    }

    /// Reports something that an agent can bring about as often as it likes. Once.
    pub(super) fn complain(&mut self, what: &'static str) {
        if !self.complaints.contains(&what) {
            self.complaints.push(what);
            report(format_args!("{what}"));
        }
    }

    /// Queues bytes for the agent. `false`: it reads nothing, and the queue is full.
    pub(super) fn type_in(&mut self, bytes: &[u8]) -> bool {
        if self.input.len() + bytes.len() > INPUT_MAX {
            return false;
        }
        self.input.extend(bytes);
        true
    }
}
