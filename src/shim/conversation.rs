//! Which conversation an agent is started into: the one it had, or a new one with a name of the shim's choosing.

use std::fs;
use std::path::Path;

use super::{records, report};
use crate::manifest::{ConversationRecord, FORMAT, Manifest};
use crate::system::proc;

/// The record's name in the agent's folder.
pub const RECORD: &str = "conversation.json";

/// A run that ends sooner with a failure could not go on with its conversation, in milliseconds.
const TOO_SOON_MS: u64 = 15_000;

/// The conversation of one run.
#[derive(Debug)]
pub(super) struct Conversation {
    /// What is added to the agent's arguments.
    pub words: Vec<String>,
    /// It has a past: nobody gives it its first message again.
    pub resumed: bool,
    /// As it stands on disk. `None`: the runtime cannot name conversations, or the roster wants none resumed.
    record: Option<ConversationRecord>,
}

impl Conversation {
    /// Chooses, and notes what was chosen before the agent starts.
    pub(super) fn begin(manifest: &Manifest) -> Self {
        let folder = &manifest.folder;
        let Some(policy) = &manifest.policy.resume else {
            let _ = fs::remove_file(folder.join(RECORD));
            return Self { words: Vec::new(), resumed: false, record: None };
        };
        let named = |words: &[String], id: &str| words.iter().map(|word| word.replace("{session}", id)).collect();
        if let Some(mut record) = read(folder).filter(|record| goes_on(record, manifest)) {
            record.resumed = true;
            let conversation = Self { words: named(&policy.resume, &record.id), resumed: true, record: Some(record) };
            conversation.save(folder);
            return conversation;
        }
        let id = proc::random_id();
        if id.is_empty() {
            return Self { words: Vec::new(), resumed: false, record: None };
        }
        let record = ConversationRecord {
            format: FORMAT,
            words: named(&policy.session, &id),
            id,
            runtime: manifest.launch.runtime.clone(),
            dir: manifest.launch.dir.clone(),
            begun: manifest.policy.prompt.is_some(),
            resumed: false,
        };
        let conversation = Self { words: record.words.clone(), resumed: false, record: Some(record) };
        conversation.save(folder);
        conversation
    }

    /// Somebody has said something: from now on there is a conversation to go on with.
    pub(super) fn has_begun(&mut self, folder: &Path) {
        if let Some(record) = self.record.as_mut().filter(|record| !record.begun) {
            record.begun = true;
            self.save(folder);
        }
    }

    /// Lets a conversation go that could not be gone on with. Whether it was one, and is forgotten.
    pub(super) fn is_lost(&self, folder: &Path, failed: bool, ran_ms: u64) -> bool {
        if !self.resumed || !failed || ran_ms >= TOO_SOON_MS {
            return false;
        }
        report(format_args!("the conversation could not be resumed: a new one begins"));
        fs::remove_file(folder.join(RECORD)).is_ok()
    }

    fn save(&self, folder: &Path) {
        let Some(record) = &self.record else { return };
        if let Err(error) = records::write_json(folder, RECORD, record) {
            let path = folder.join(RECORD);
            report(format_args!("{}: {error}: a restart will begin a new conversation", path.display()));
        }
    }
}

fn read(folder: &Path) -> Option<ConversationRecord> {
    let bytes = fs::read(folder.join(RECORD)).ok()?;
    serde_json::from_slice::<ConversationRecord>(&bytes).ok().filter(|record| record.format <= FORMAT)
}

/// CLIs keep conversations by working folder, and no CLI reads another's.
fn goes_on(record: &ConversationRecord, manifest: &Manifest) -> bool {
    record.begun && record.runtime == manifest.launch.runtime && record.dir == manifest.launch.dir
}
