//! Journals to try things on.

use std::path::{Path, PathBuf};

use fleet::ids::AgentName;
use fleet::journal::{FILE, Journal, Opened, Reader};
use fleet::supervise::decision::{Act, Decision, Effect, Level, Rule};
use fleet::supervise::event::{AgentEvent, Caller, Event, Run};
use fleet::supervise::memory::Memory;
use fleet::supervise::message::{Message, MessageState};
use tempfile::TempDir;

/// 2026-01-01, in milliseconds since the epoch.
pub const NOW: u64 = 1_767_225_600_000;

pub fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    folder
}

pub fn db(folder: &Path) -> PathBuf {
    folder.join(FILE)
}

/// Opens a journal that nothing is wrong with.
pub fn sound(folder: &Path) -> Opened {
    let opened = Journal::open(folder).unwrap();
    assert_eq!(opened.lost, None);
    opened
}

pub fn reader(folder: &Path) -> Reader {
    Reader::open(folder).unwrap().expect("a journal")
}

pub fn agent(name: &str) -> AgentName {
    AgentName::new(name).unwrap()
}

/// An event that has a row; of another start for each number.
pub fn event(name: &str, number: u64) -> Event {
    let run = Run { pid: 7, start_ticks: number, started: NOW, resumed: false, with: None };
    Event::Agent { agent: agent(name), what: AgentEvent::Running { run } }
}

pub fn decision(name: &str, reason: &str) -> Decision {
    Decision {
        agent: Some(agent(name)),
        rule: Rule::State,
        reason: reason.to_owned(),
        effects: Vec::new(),
        standing: None,
        memory: None,
        messages: Vec::new(),
    }
}

pub fn with_effects(mut decision: Decision, effects: &[(u64, Act)]) -> Decision {
    decision.effects = effects.iter().map(|(id, act)| Effect { id: *id, act: act.clone() }).collect();
    decision
}

pub fn notify(text: &str) -> Act {
    Act::Notify { level: Level::Warning, text: text.to_owned() }
}

pub fn memory(attempt: u32) -> Box<Memory> {
    Box::new(Memory { attempt, ..Memory::default() })
}

pub fn message(id: &str, to: &str, state: MessageState) -> Message {
    Message {
        id: id.to_owned(),
        to: agent(to),
        from: Caller::Operator,
        text: "build it".to_owned(),
        created: NOW,
        ttl_ms: 60_000,
        state,
        why: String::new(),
        changed: NOW,
    }
}

/// The names in a folder, sorted.
pub fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// The databases that were set aside.
pub fn set_aside(folder: &Path) -> Vec<String> {
    let is_database =
        |name: &String| name.contains(".damaged-") && !name.ends_with("-wal") && !name.ends_with("-shm");
    names(folder).into_iter().filter(is_database).collect()
}
