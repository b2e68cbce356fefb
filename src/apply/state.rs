//! The fleet's state folder: its lock, its ledger, its agents' records.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::ApplyError;
use crate::ids::{AgentName, FleetId};
use crate::manifest::{ConversationRecord, ExitRecord, FORMAT, Manifest, RunRecord};
use crate::plan::Ledger;
use crate::resolve::Paths;
use crate::shim::{CONVERSATION, MODEL};
use crate::system::fs;
use crate::system::lock::{self, Attempt, Holder, Lock};

/// Largest ledger that is read, in bytes.
const LEDGER_CAP: u64 = 64 << 20;
/// Largest record or manifest that is read, in bytes.
const RECORD_CAP: u64 = 4 << 20;

/// The word of the supervisor in its locks.
pub(super) const SUPERVISE: &str = "supervise";
/// Longest wait for a supervisor that is starting or stopping an agent.
const SUPERVISED: Duration = Duration::from_secs(10);

/// What a note in `pending/` tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NoteKind {
    /// A restart waits for a quiet moment. The agent goes on, and what becomes of it is its own affair.
    Restart,
    /// A start, restart or removal was begun. Whoever finds it finishes it.
    Unfinished,
}

/// The state folder of one fleet.
#[derive(Debug, Clone)]
pub struct State {
    pub fleet: FleetId,
    pub paths: Paths,
}

/// The reason of a note about an agent that is being started or restarted.
pub const STARTING: &str = "it is being started";

impl State {
    /// The state folder of `fleet`.
    #[must_use]
    pub fn new(fleet: FleetId, paths: Paths) -> Self {
        Self { fleet, paths }
    }

    fn ledger_path(&self) -> PathBuf {
        self.paths.state.join("ledger.json")
    }

    /// The ledger, when the fleet was ever applied.
    ///
    /// # Errors
    /// When it cannot be read or is not a ledger of this format.
    pub fn ledger(&self) -> Result<Option<Ledger>, ApplyError> {
        let path = self.ledger_path();
        let Some(bytes) = fs::read_optional(&path, LEDGER_CAP)? else { return Ok(None) };
        let parsed = match std::str::from_utf8(&bytes) {
            Ok(text) => Ledger::parse(text),
            Err(error) => Err(format!("it is not UTF-8 text (byte {})", error.valid_up_to() + 1)),
        };
        parsed.map(Some).map_err(|why| {
            let help = format!(
                "nothing was changed; a ledger holds what fleet owns, so do not delete it: look at {}",
                path.display()
            );
            ApplyError::other(format!("{}: {why}", path.display()), help)
        })
    }

    /// Saves the ledger durably.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, ledger: &Ledger) -> Result<(), ApplyError> {
        Ok(fs::write_atomic(&self.ledger_path(), ledger.text().as_bytes(), 0o600)?)
    }

    /// Makes the state folder and takes the fleet's lock, which ends with this process.
    ///
    /// # Errors
    /// When the folder cannot be made, or another process holds the lock.
    pub fn lock(&self, command: &str) -> Result<Lock, ApplyError> {
        fs::ensure_private_dir(&self.paths.state)?;
        match lock::try_lock(&self.paths.state.join("lock"), command)? {
            Attempt::Taken(lock) => Ok(lock),
            Attempt::Held(holder) => Err(ApplyError::Locked { fleet: self.fleet.to_string(), holder }),
        }
    }

    /// When a command last took or gave back the fleet's lock, which writes into the state folder; now, when one holds it
    /// or was killed while it did. `None`: there is no such folder.
    #[must_use]
    pub fn last_command(&self) -> Option<std::time::SystemTime> {
        if self.paths.state.join("lock.json").exists() {
            return Some(std::time::SystemTime::now());
        }
        std::fs::metadata(&self.paths.state).and_then(|metadata| metadata.modified()).ok()
    }

    /// Takes one agent's lock: only its holder starts or stops the agent. A supervisor that has it is done with the agent
    /// soon, and is waited for; so is a command by the supervisor. `like` is another agent's, taken for the same command.
    ///
    /// # Errors
    /// When another process holds it.
    pub fn lock_agent(&self, agent: &AgentName, command: &str, like: Option<&Lock>) -> Result<Lock, ApplyError> {
        let folder = self.paths.agent(agent);
        fs::ensure_private_dir(&folder)?;
        let deadline = Instant::now() + SUPERVISED;
        loop {
            let holder = match lock::try_lock_like(&folder.join("lock"), command, like)? {
                Attempt::Taken(lock) => return Ok(lock),
                Attempt::Held(holder) => holder,
            };
            let supervisor = super::supervisor::who(self).map(|supervisor| supervisor.pid);
            let holds = supervisor.is_some() && holder.as_ref().map(|holder| holder.pid) == supervisor;
            if !(holds || command == SUPERVISE) || Instant::now() >= deadline {
                return Err(ApplyError::Locked { fleet: format!("{}/{agent}", self.fleet), holder });
            }
            // The kernel tells nobody when a lock becomes free without also giving it away.
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn record<T: serde::de::DeserializeOwned>(&self, agent: &AgentName, name: &str) -> Option<T> {
        let bytes = fs::read_optional(&self.paths.agent(agent).join(name), RECORD_CAP).ok()??;
        serde_json::from_slice(&bytes).ok()
    }

    /// A record that this fleet understands.
    ///
    /// # Errors
    /// When a newer fleet wrote it in a format of its own: what is done on half of it would be a guess.
    pub fn known<T: serde::de::DeserializeOwned>(
        &self,
        agent: &AgentName,
        name: &str,
    ) -> Result<Option<T>, ApplyError> {
        #[derive(serde::Deserialize)]
        struct Head {
            format: u32,
        }
        let path = self.paths.agent(agent).join(name);
        let Ok(Some(bytes)) = fs::read_optional(&path, RECORD_CAP) else { return Ok(None) };
        // Every record begins with its number, so it is found without reading on.
        let number = br#"{"format":1,"#;
        if !bytes.starts_with(number)
            && let Ok(Head { format }) = serde_json::from_slice(&bytes)
            && format > FORMAT
        {
            return Err(ApplyError::other(
                format!("{}: it has format {format}, and this fleet reads up to {FORMAT}", path.display()),
                "nothing was changed; a newer fleet wrote it: use that one",
            ));
        }
        Ok(serde_json::from_slice(&bytes).ok())
    }

    /// What the shim wrote when the agent started. It may be gone since.
    #[must_use]
    pub fn run(&self, agent: &AgentName) -> Option<RunRecord> {
        self.record(agent, "run.json")
    }

    /// How the last run ended.
    #[must_use]
    pub fn exit(&self, agent: &AgentName) -> Option<ExitRecord> {
        self.record(agent, "exit.json")
    }

    /// The conversation that a restart can go on with.
    #[must_use]
    pub fn conversation(&self, agent: &AgentName) -> Option<ConversationRecord> {
        self.record(agent, CONVERSATION).filter(|record: &ConversationRecord| record.begun)
    }

    /// Makes the next start a fresh one, when the note of what is left asks for that.
    ///
    /// # Errors
    /// When the record cannot be removed.
    pub fn honour_fresh(&self, agent: &AgentName) -> Result<(), ApplyError> {
        if !self.wants_fresh(agent) {
            return Ok(());
        }
        fs::remove_file_if_present(&self.paths.agent(agent).join(CONVERSATION))?;
        Ok(())
    }

    /// The manifest on disk.
    #[must_use]
    pub fn manifest(&self, agent: &AgentName) -> Option<Manifest> {
        self.record(agent, "manifest.json")
    }

    /// The manifest's text: whoever needs a part of a thousand of them takes no more than that out of it.
    #[must_use]
    pub fn manifest_text(&self, agent: &AgentName) -> Option<Vec<u8>> {
        fs::read_optional(&self.paths.agent(agent).join("manifest.json"), RECORD_CAP).ok()?
    }

    /// Removes what only a shim that was killed leaves behind: its socket and the credential files of its agent. For
    /// agents that do not run.
    ///
    /// # Errors
    /// When something is there and cannot be removed.
    pub fn clear_runtime(&self, agent: &AgentName) -> Result<(), ApplyError> {
        let socket = self.paths.socket(agent);
        fs::remove_unsynced(&socket)?;
        let secrets = socket.with_file_name(format!("{agent}.secrets"));
        match std::fs::remove_dir_all(&secrets) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(fs::FsError::io("remove", &secrets, &error).into())
            }
            _ => Ok(()),
        }
    }

    /// Where the note of work that is left is kept.
    #[must_use]
    pub fn pending_path(&self, agent: &AgentName) -> PathBuf {
        self.paths.state.join("pending").join(format!("{agent}.json"))
    }

    /// Removes the temporary files of fleets that were killed while they wrote: those of the fleet as a whole, and of all agents
    /// or of those `among` them.
    pub fn sweep(&self, among: Option<&BTreeSet<&AgentName>>) {
        let folders: Vec<PathBuf> = match among {
            Some(agents) => agents.iter().map(|name| self.paths.agent(name)).collect(),
            None => {
                let agents = std::fs::read_dir(self.paths.state.join("agents"));
                agents.into_iter().flatten().flatten().map(|entry| entry.path()).collect()
            }
        };
        let generations = self.generations().into_iter().map(|number| self.generation_folder(number));
        let own = [self.paths.state.clone(), self.paths.state.join("pending"), self.paths.units.clone()];
        for folder in folders.into_iter().chain(generations).chain(own) {
            fs::sweep_temporaries(&folder);
        }
        let target = crate::ids::UnitName::target(&self.fleet);
        for parent in ["default.target", target.as_str()] {
            let folder = self.paths.units.join(format!("{parent}.wants"));
            fs::sweep_temporaries(&folder);
            // As with the last link that is removed: an empty folder is nobody's.
            let _ = std::fs::remove_dir(folder);
        }
    }

    /// Notes that an agent is to be started or restarted. The note goes when that is done, so one that is found tells
    /// of work that is left.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn note_pending(&self, agent: &AgentName, kind: NoteKind, why: &str) -> Result<(), ApplyError> {
        self.note_fresh(agent, kind, why, self.wants_fresh(agent))
    }

    /// The same, with whether the start that is left shall begin a new conversation.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn note_fresh(&self, agent: &AgentName, kind: NoteKind, why: &str, fresh: bool) -> Result<(), ApplyError> {
        let path = self.pending_path(agent);
        let text = serde_json::json!({
            "format": FORMAT, "agent": agent, "kind": kind, "reason": why, "fresh": fresh,
        });
        fs::ensure_private_dir(&self.paths.state.join("pending"))?;
        let text = format!("{text}\n");
        let written = match kind {
            NoteKind::Restart => fs::write_atomic(&path, text.as_bytes(), 0o600),
            // After a power cut nobody runs, and a boot starts whoever shall.
            NoteKind::Unfinished => fs::write_passing(&path, text.as_bytes(), 0o600),
        };
        Ok(written?)
    }

    /// Strikes out what was left to be done: it is done.
    pub fn strike(&self, agent: &AgentName) {
        let _ = std::fs::remove_file(self.pending_path(agent));
    }

    /// Whether the start that an earlier command left shall begin a new conversation.
    #[must_use]
    pub fn wants_fresh(&self, agent: &AgentName) -> bool {
        let bytes = fs::read_optional(&self.pending_path(agent), RECORD_CAP).ok().flatten().unwrap_or_default();
        serde_json::from_slice::<serde_json::Value>(&bytes).is_ok_and(|note| note["fresh"] == true)
    }

    /// What an earlier command left to be done for the agent.
    #[must_use]
    pub fn note(&self, agent: &AgentName) -> Option<NoteKind> {
        #[derive(serde::Deserialize)]
        struct Note {
            kind: NoteKind,
        }
        let bytes = fs::read_optional(&self.pending_path(agent), RECORD_CAP).ok()??;
        serde_json::from_slice::<Note>(&bytes).ok().map(|note| note.kind)
    }

    /// Whether a command has begun to start the agent and has not said yet that it runs.
    #[must_use]
    pub fn is_being_started(&self, agent: &AgentName) -> bool {
        let bytes = fs::read_optional(&self.pending_path(agent), RECORD_CAP).ok().flatten().unwrap_or_default();
        serde_json::from_slice::<serde_json::Value>(&bytes).is_ok_and(|note| note["reason"] == STARTING)
    }

    /// Who holds the fleet's lock now: a process that is about to act, or does.
    #[must_use]
    pub fn commander(&self) -> Option<Holder> {
        let path = self.paths.state.join("lock");
        lock::is_held(&path).then(|| lock::holder(&path)).flatten()
    }

    /// Whether the last command that had the fleet's lock was killed while it held it.
    #[must_use]
    pub fn was_cut_off(&self) -> bool {
        !lock::is_held(&self.paths.state.join("lock")) && self.paths.state.join("lock.json").exists()
    }

    /// The agents about which an earlier command left a note.
    #[must_use]
    pub fn noted(&self) -> BTreeSet<AgentName> {
        let entries = std::fs::read_dir(self.paths.state.join("pending")).into_iter().flatten().flatten();
        let agent = |name: std::ffi::OsString| AgentName::new(name.to_str()?.strip_suffix(".json")?).ok();
        entries.filter_map(|entry| agent(entry.file_name())).collect()
    }

    /// Removes notes about agents that the ledger does not know: whoever removed such an agent was killed when the ledger
    /// had let it go and the note was still there.
    pub fn sweep_notes(&self, ledger: &Ledger) {
        for agent in self.noted().iter().filter(|agent| !ledger.agents.contains_key(*agent)) {
            let _ = fs::remove_file_if_present(&self.pending_path(agent));
        }
    }

    /// Strikes out a restart that was left for later and is not needed any more.
    pub fn strike_restart(&self, agent: &AgentName) {
        if self.note(agent) == Some(NoteKind::Restart) {
            let _ = fs::remove_file_if_present(&self.pending_path(agent));
        }
    }

    /// Removes the records of earlier runs.
    ///
    /// # Errors
    /// When one cannot be removed.
    pub fn forget_runs(&self, agent: &AgentName) -> Result<(), ApplyError> {
        if !self.paths.agent(agent).exists() {
            // Of one that has no folder there is a note at most.
            fs::remove_file_if_present(&self.pending_path(agent))?;
            return Ok(());
        }
        for name in ["exit.json", "last-screen", CONVERSATION, MODEL] {
            fs::remove_file_if_present(&self.paths.agent(agent).join(name))?;
        }
        fs::remove_file_if_present(&self.pending_path(agent))?;
        Ok(())
    }
}

/// Every fleet that was applied by this user, by its folder in the state base.
#[must_use]
pub fn applied(state_base: &Path) -> Vec<FleetId> {
    let Ok(entries) = std::fs::read_dir(state_base) else { return Vec::new() };
    let mut found: Vec<FleetId> = entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let id = FleetId::new(entry.file_name().to_str()?).ok()?;
            entry.path().join("ledger.json").is_file().then_some(id)
        })
        .collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_a_newer_format_are_refused_in_words() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name);
        let paths = Paths {
            state: place("state"),
            runtime: place("runtime"),
            units: place("units"),
            worktrees: place("worktrees"),
        };
        let state = State::new(FleetId::new("shop").unwrap(), paths);
        let agent = AgentName::new("lead").unwrap();
        std::fs::create_dir_all(state.paths.agent(&agent)).unwrap();
        let known = |name: &str| state.known::<serde_json::Value>(&agent, name);
        for name in ["manifest.json", "run.json", "exit.json"] {
            let path = state.paths.agent(&agent).join(name);
            std::fs::write(&path, r#"{"format": 1, "of-a-later-version": true}"#).unwrap();
            assert!(known(name).unwrap().is_some());
            std::fs::write(&path, r#"{"format": 2, "of-a-later-version": true}"#).unwrap();
            let error = known(name).unwrap_err();
            let text = format!("{error}; {}", error.help().unwrap());
            assert!(text.contains(name) && text.contains("format 2") && text.contains("newer fleet"), "{text}");
            std::fs::remove_file(path).unwrap();
            assert!(known(name).unwrap().is_none());
        }
    }
}
