//! Screens, read with the patterns of the runtime that draws them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::clock;
use crate::ids::AgentName;
use crate::manifest::Pattern;
use crate::shim::reader::{Reader, Seen};
use crate::supervise::clock::Moment;
use crate::supervise::event::{Reading, Shows};
use crate::supervise::screen;
use crate::supervise::standing::Class;

/// So long after its last output a screen stands still, in milliseconds: the shim says so once, and no more.
pub(super) const SETTLED: u64 = 2_500;

/// Longest line that travels on, in characters.
const LINE: usize = 200;

/// Patterns by agent; agents of one runtime share theirs.
#[derive(Debug, Default)]
pub(super) struct Readers {
    by_agent: BTreeMap<AgentName, Arc<Reader>>,
    /// By their text, as a manifest has them: those of a thousand agents are compared, not parsed.
    by_patterns: Vec<(Box<str>, Arc<Reader>)>,
}

impl Readers {
    /// Whether the agent's patterns are known.
    pub(super) fn has(&self, agent: &AgentName) -> bool {
        self.by_agent.contains_key(agent)
    }

    /// Takes an agent's patterns from the text of its manifest. From one that makes no sense nothing is learnt.
    pub(super) fn learn(&mut self, agent: &AgentName, manifest: &[u8]) {
        #[derive(Deserialize)]
        struct Manifest<'a> {
            #[serde(borrow)]
            policy: Policy<'a>,
        }
        #[derive(Deserialize)]
        struct Policy<'a> {
            #[serde(borrow)]
            patterns: &'a RawValue,
        }
        let Ok(manifest) = serde_json::from_slice::<Manifest<'_>>(manifest) else { return };
        let text = manifest.policy.patterns.get();
        let known = self.by_patterns.iter().find(|(known, _)| **known == *text).map(|(_, reader)| reader.clone());
        let reader = match known {
            Some(reader) => reader,
            None => {
                let Ok(patterns) = serde_json::from_str::<Vec<Pattern>>(text) else { return };
                let reader = Arc::new(Reader::new(&patterns));
                self.by_patterns.push((text.into(), reader.clone()));
                reader
            }
        };
        self.by_agent.insert(agent.clone(), reader);
    }

    /// Forgets an agent's, which are read again when they are needed.
    pub(super) fn forget(&mut self, agent: &AgentName) {
        self.by_agent.remove(agent);
        let held = &self.by_agent;
        self.by_patterns.retain(|(_, reader)| held.values().any(|used| Arc::ptr_eq(used, reader)));
    }

    /// The agent's reader; one that finds nothing when its patterns are not known.
    pub(super) fn of(&self, agent: &AgentName) -> Arc<Reader> {
        self.by_agent.get(agent).cloned().unwrap_or_default()
    }
}

/// Reads a screen.
pub(super) fn read(reader: &Reader, title: &str, lines: &[String], settled: bool, now: Moment) -> Reading {
    let last = lines.iter().rev().find(|line| !line.trim().is_empty());
    Reading {
        digest: screen::picture(lines),
        shows: shows(&reader.see(title, lines), now),
        last_line: last.map(|line| cut(line.trim())).unwrap_or_default(),
        settled,
    }
}

/// In the order of the shim's own classification.
fn shows(seen: &Seen, now: Moment) -> Shows {
    if let Some(dialog) = &seen.dialog {
        return Shows::Dialog { text: cut(&dialog.text) };
    }
    if let Some(fatal) = &seen.fatal {
        return Shows::Fatal { class: Class::of(fatal.class.as_deref()), text: cut(&fatal.text) };
    }
    if let Some(limit) = &seen.limit {
        let until = screen::limit_ends(&limit.text, now, clock::zone(now.wall));
        return Shows::Limit { class: Class::of(limit.class.as_deref()), until, text: cut(&limit.text) };
    }
    match (seen.busy, seen.idle) {
        (true, _) => Shows::Busy,
        (_, true) => Shows::Idle,
        _ => Shows::Nothing,
    }
}

fn cut(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(LINE).collect()
}
