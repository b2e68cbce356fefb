//! What each apply leaves behind for later: the files the roster was read from, what they were compiled to, and who applied
//! them when. `fleet history` lists them, `fleet rollback` plans against one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::ApplyError;
use super::state::State;
use crate::ids::Digest;
use crate::plan::show::Counts;
use crate::render::{Artifact, FileKind};
use crate::system::fs;
use crate::system::lock::Holder;

/// The number every file of a generation carries. A fleet refuses a larger one.
pub const FORMAT: u32 = 1;

/// Generations kept.
const KEPT: usize = 10;
/// Largest file of a generation that is read, in bytes: a roster of 512 kB and a few hundred roles.
const CAP: u64 = 64 << 20;

/// Every text that a roster was compiled from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    pub format: u32,
    /// The root file.
    pub roster: PathBuf,
    /// By canonical path; those that are built in by `built-in KIND/NAME`.
    pub texts: BTreeMap<PathBuf, String>,
    /// Paths as the roster names them, where they lead elsewhere.
    pub leads: BTreeMap<PathBuf, PathBuf>,
}

/// `generation.json`: one apply.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    pub format: u32,
    pub number: u64,
    /// Who began it, when, and with which command.
    pub by: Holder,
    /// The generation it went back to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub back_to: Option<u64>,
    /// Agents of the roster that it was told to leave out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub withheld: Vec<String>,
    /// The saved plan that was applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    pub counts: Counts,
    /// When it ended, RFC 3339, UTC, and how. `None`: it was cut off.
    pub ended: Option<Ended>,
}

/// The end of an apply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    pub at: String,
    /// Agents that failed, were skipped, or wait for a restart.
    pub open: Vec<String>,
    /// What ended the whole early.
    pub stopped: Option<String>,
}

impl State {
    pub(super) fn generation_folder(&self, number: u64) -> PathBuf {
        self.paths.state.join("generations").join(number.to_string())
    }

    /// Keeps a copy of everything an apply is about to write, with what it was made from, and drops the oldest. Written
    /// whole under another name first, so a generation folder is always complete. `check` is given the folder of its units
    /// as soon as they stand there, and looks at them while the rest is written.
    ///
    /// # Errors
    /// When it cannot be written, or `check` fails; nothing of it stays then.
    pub fn save_generation(
        &self,
        record: &Record,
        sources: &Kept,
        artifacts: &[&Artifact],
        check: impl FnOnce(&Path) -> Result<(), ApplyError> + Send,
    ) -> Result<PathBuf, ApplyError> {
        let all = self.paths.state.join("generations");
        fs::ensure_private_dir(&all)?;
        let temporary = all.join(format!(".{}", record.number));
        let folder = self.generation_folder(record.number);
        let written = self.write_generation(&temporary, record, sources, artifacts, check);
        if let Err(error) = written {
            let _ = std::fs::remove_dir_all(&temporary);
            return Err(error);
        }
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::rename(&temporary, &folder).map_err(|error| fs::FsError::io("rename", &folder, &error))?;
        for old in self.generations().iter().rev().skip(KEPT) {
            let _ = std::fs::remove_dir_all(self.generation_folder(*old));
        }
        Ok(folder)
    }

    fn write_generation(
        &self,
        folder: &Path,
        record: &Record,
        sources: &Kept,
        artifacts: &[&Artifact],
        check: impl FnOnce(&Path) -> Result<(), ApplyError> + Send,
    ) -> Result<(), ApplyError> {
        let _ = std::fs::remove_dir_all(folder);
        fs::ensure_private_dir(folder)?;
        let (units, others): (Vec<&Artifact>, _) =
            artifacts.iter().copied().partition(|artifact| artifact.kind == FileKind::Unit);
        self.write_copies(folder, &units)?;
        std::thread::scope(|scope| {
            let checked = scope.spawn(|| check(&folder.join("units")));
            let written = self.write_rest(folder, record, sources, &others);
            let checked = checked.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            checked.and(written)
        })
    }

    /// All but the units. The disk begins with what has to last before the copies are made, which need not.
    fn write_rest(
        &self,
        folder: &Path,
        record: &Record,
        sources: &Kept,
        others: &[&Artifact],
    ) -> Result<(), ApplyError> {
        let sources = fs::stage(&folder.join("sources.json"), &json(sources)?, 0o600)?;
        let record = fs::stage(&folder.join("generation.json"), &json(record)?, 0o600)?;
        self.write_copies(folder, others)?;
        sources.put()?;
        record.put()?;
        Ok(fs::sync_folder(folder)?)
    }

    fn write_copies(&self, folder: &Path, artifacts: &[&Artifact]) -> Result<(), ApplyError> {
        let mut made = BTreeSet::new();
        let mut copies: BTreeMap<&Digest, PathBuf> = BTreeMap::new();
        for artifact in artifacts {
            let relative = artifact.path.strip_prefix(&self.paths.state).ok();
            let unit = || Path::new("units").join(artifact.path.file_name().unwrap_or_default());
            let path = folder.join(relative.map_or_else(unit, Path::to_path_buf));
            if let Some(parent) = path.parent().filter(|parent| made.insert(parent.to_path_buf())) {
                std::fs::create_dir_all(parent).map_err(|error| fs::FsError::io("make", parent, &error))?;
            }
            // Not synced one by one: a rollback compiles the sources, which are; these are for systemd's opinion and for
            // people.
            // Agents have role, script and variables in common; making a file is what costs.
            let known = copies.get(&artifact.digest);
            if known.is_none_or(|first| std::fs::hard_link(first, &path).is_err()) {
                fs::write_private(&path, artifact.text.as_bytes())?;
                copies.insert(&artifact.digest, path);
            }
        }
        Ok(())
    }

    /// Notes how a generation's apply ended.
    ///
    /// # Errors
    /// When the record cannot be written.
    pub fn end_generation(&self, record: &Record) -> Result<(), ApplyError> {
        let path = self.generation_folder(record.number).join("generation.json");
        Ok(fs::write_atomic(&path, &json(record)?, 0o600)?)
    }

    /// The numbers of the generations that are kept, ascending.
    #[must_use]
    pub fn generations(&self) -> Vec<u64> {
        let Ok(entries) = std::fs::read_dir(self.paths.state.join("generations")) else { return Vec::new() };
        let mut numbers: Vec<u64> =
            entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect();
        numbers.sort_unstable();
        numbers
    }

    /// Those of them that can be gone back to: an older fleet kept no sources.
    #[must_use]
    pub fn sourced_generations(&self) -> Vec<u64> {
        let sourced = |number: &u64| self.generation_folder(*number).join("sources.json").is_file();
        self.generations().into_iter().filter(sourced).collect()
    }

    /// The record of a generation. `None`: it was made by a fleet that wrote none, or cannot be read.
    #[must_use]
    pub fn generation(&self, number: u64) -> Option<Record> {
        let bytes = fs::read_optional(&self.generation_folder(number).join("generation.json"), CAP).ok()??;
        serde_json::from_slice::<Record>(&bytes).ok().filter(|record| record.format <= FORMAT)
    }

    /// What a generation was compiled from.
    ///
    /// # Errors
    /// When it is not kept, or cannot be read.
    pub fn sources(&self, number: u64) -> Result<Kept, ApplyError> {
        let path = self.generation_folder(number).join("sources.json");
        let Some(bytes) = fs::read_optional(&path, CAP)? else {
            let kept: Vec<String> = self.sourced_generations().iter().map(u64::to_string).collect();
            let help =
                if kept.is_empty() { "none is kept".to_owned() } else { format!("kept are {}", kept.join(", ")) };
            return Err(ApplyError::other(format!("fleet {} keeps no generation {number}", self.fleet), help));
        };
        let sources: Kept = serde_json::from_slice(&bytes).map_err(|error| {
            ApplyError::other(format!("{} cannot be read: {error}", path.display()), "choose another generation")
        })?;
        if sources.format > FORMAT {
            let message = format!("generation {number} was written by a newer fleet (format {})", sources.format);
            return Err(ApplyError::other(message, "use the newer fleet, or choose another generation"));
        }
        Ok(sources)
    }
}

fn json<T: Serialize>(value: &T) -> Result<Vec<u8>, ApplyError> {
    let mut bytes =
        serde_json::to_vec_pretty(value).map_err(|error| ApplyError::other(format!("generation: {error}"), ""))?;
    bytes.push(b'\n');
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::FleetId;
    use crate::render::Owner;
    use crate::resolve::Paths;

    fn state(folder: &Path) -> State {
        let place = |name: &str| folder.join(name);
        let paths = Paths {
            state: place("state"),
            runtime: place("runtime"),
            units: place("units"),
            worktrees: place("worktrees"),
        };
        State::new(FleetId::new("shop").unwrap(), paths)
    }

    fn record(number: u64) -> Record {
        Record {
            format: FORMAT,
            number,
            by: Holder::this_process("fleet apply"),
            back_to: None,
            withheld: Vec::new(),
            plan: None,
            counts: Counts::default(),
            ended: None,
        }
    }

    #[test]
    fn every_copy_is_kept_and_units_are_looked_at_before_anything_stays() {
        let folder = tempfile::tempdir().unwrap();
        let state = state(folder.path());
        let file = |kind, path: PathBuf, text: &str| Artifact::new(Owner::Fleet, kind, path, text.to_owned());
        let files = [
            file(FileKind::Role, state.paths.state.join("agents/a/role.md"), "the same"),
            file(FileKind::Role, state.paths.state.join("agents/b/role.md"), "the same"),
            file(FileKind::Role, state.paths.state.join("agents/c/role.md"), "another"),
            file(FileKind::Unit, state.paths.units.join("a.service"), "unit"),
        ];
        let all: Vec<&Artifact> = files.iter().collect();
        let refused = |units: &Path| {
            assert_eq!(std::fs::read_to_string(units.join("a.service")).unwrap(), "unit");
            Err(ApplyError::other("no", ""))
        };
        state.save_generation(&record(1), &Kept::default(), &all, refused).unwrap_err();
        assert_eq!(std::fs::read_dir(state.paths.state.join("generations")).unwrap().count(), 0);
        let kept = state.save_generation(&record(1), &Kept::default(), &all, |_| Ok(())).unwrap();
        for (path, text) in [
            ("agents/a/role.md", "the same"),
            ("agents/b/role.md", "the same"),
            ("agents/c/role.md", "another"),
            ("units/a.service", "unit"),
        ] {
            assert_eq!(std::fs::read_to_string(kept.join(path)).unwrap(), text, "{path}");
        }
    }

    #[test]
    fn the_last_ten_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let state = state(folder.path());
        for number in 1..=12 {
            state.save_generation(&record(number), &Kept::default(), &[], |_| Ok(())).unwrap();
        }
        assert_eq!(state.generations(), (3..=12).collect::<Vec<_>>());
        assert_eq!(state.sourced_generations(), state.generations());
    }
}
