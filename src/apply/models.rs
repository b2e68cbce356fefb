//! Which model of its chain an agent uses: the note in its folder, and the records of its runs.

use super::state::State;
use crate::ids::AgentName;
use crate::manifest::{ExitRecord, Manifest, ModelNote};
use crate::shim::MODEL;
use crate::system::fs::{self, FsError};

impl State {
    /// Notes with which model the agent is started from now on, durably; `None`: with the first.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn note_model(&self, agent: &AgentName, note: Option<&ModelNote>) -> Result<(), FsError> {
        let folder = self.paths.agent(agent);
        let path = folder.join(MODEL);
        let Some(note) = note else { return fs::remove_file_if_present(&path).map(drop) };
        fs::ensure_private_dir(&folder)?;
        // Names and a word: nothing that JSON could not say.
        let text = serde_json::to_string(note).unwrap_or_default() + "\n";
        fs::write_atomic(&path, text.as_bytes(), 0o600)
    }

    /// With which model the agent is started from now on, and why; `None`: with the first.
    #[must_use]
    pub fn model_note(&self, agent: &AgentName) -> Option<ModelNote> {
        self.known(agent, MODEL).ok().flatten()
    }

    /// The manifest on disk, as it is for the model that the agent runs with, or, of one that ended, ran with.
    #[must_use]
    pub fn manifest_in_use(&self, agent: &AgentName) -> Option<Manifest> {
        let manifest = self.manifest(agent)?;
        if manifest.fallbacks.is_empty() {
            return Some(manifest);
        }
        let ran = || self.exit(agent).and_then(|ExitRecord { with, .. }| with);
        let with = self.run(agent).map(|run| run.launch.name()).or_else(ran);
        let using = with.and_then(|with| manifest.using(&with).map(std::borrow::Cow::into_owned));
        Some(using.unwrap_or(manifest))
    }
}
