//! One agent as it is now: its files, its records, its links.

use std::cell::RefCell;
use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use super::ApplyError;
use super::state::{NoteKind, State};
use crate::ids::{AgentName, Digest, UnitName};
use crate::manifest::{ConversationRecord, ExitRecord, Manifest, ModelName, RunRecord};
use crate::plan::ledger::LedgerAgent;
use crate::plan::live::LiveFile;
use crate::render::{Artifact, FileKind, unit};
use crate::system::{fs, proc};
use crate::units::ActiveState;

/// Largest file that is compared, in bytes; a larger one is not fleet's.
const FILE_CAP: u64 = 8 << 20;

/// What is asked about one agent.
pub(super) struct Question<'a> {
    pub name: &'a AgentName,
    pub artifacts: Vec<&'a Artifact>,
    pub entry: Option<&'a LedgerAgent>,
    /// What the manager says of its unit.
    pub active: Option<ActiveState>,
    /// Whether an earlier command left a note about it.
    pub noted: bool,
}

/// What was seen of it.
#[derive(Default)]
pub(super) struct Sight {
    pub files: Vec<(PathBuf, LiveFile)>,
    pub links: Vec<(PathBuf, PathBuf)>,
    pub not_links: Vec<PathBuf>,
    pub run: Option<RunRecord>,
    pub vanished: bool,
    pub exit: Option<ExitRecord>,
    pub talk: Option<ConversationRecord>,
    pub manifest: Option<Manifest>,
    pub model: Option<ModelName>,
    pub note: Option<NoteKind>,
    pub unchanged: bool,
}

/// Looks at one agent.
///
/// # Errors
/// When a newer fleet wrote what is on disk about it.
pub(super) fn look(
    state: &State,
    question: &Question<'_>,
    boot: Option<jiff::Timestamp>,
) -> Result<Sight, ApplyError> {
    let mut sight = Sight::default();
    written(state, question, &mut sight);
    records(state, question, boot, sight)
}

/// What fleet wrote for it.
fn written(state: &State, question: &Question<'_>, sight: &mut Sight) {
    for artifact in &question.artifacts {
        sight.files.extend(file(&artifact.path, Some(artifact)).map(|found| (artifact.path.clone(), found)));
    }
    let others = question.entry.into_iter().flat_map(|entry| entry.files.keys());
    for path in others.filter(|path| question.artifacts.iter().all(|artifact| artifact.path != **path)) {
        sight.files.extend(file(path, None).map(|found| (path.clone(), found)));
    }
    links(state, question, sight);
}

/// What its shim wrote.
///
/// # Errors
/// When a newer fleet wrote it.
pub(super) fn records(
    state: &State,
    question: &Question<'_>,
    boot: Option<jiff::Timestamp>,
    mut sight: Sight,
) -> Result<Sight, ApplyError> {
    let name = question.name;
    let run = state.known::<RunRecord>(name, "run.json")?;
    if let Some(run) = run {
        // A manager that says the unit is up has looked at the process itself.
        if question.active == Some(ActiveState::Active) || proc::is_alive(&run.shim) {
            sight.run = Some(run);
        } else {
            // The end of an earlier boot ended everybody, without any fault of theirs.
            sight.vanished = run.shim.boot_id == proc::boot_id();
        }
    }
    sight.unchanged = is_unchanged(question, &sight);
    if sight.run.is_none() {
        // An exit before this boot says nothing of what the agent should do now.
        let since_boot = |exit: &ExitRecord| match (exit.ended.parse::<jiff::Timestamp>(), boot) {
            (Ok(ended), Some(boot)) => ended >= boot,
            _ => true,
        };
        sight.exit = state.known::<ExitRecord>(name, "exit.json")?.filter(since_boot);
    }
    if !sight.unchanged {
        sight.talk = state.conversation(name);
        sight.manifest = state.known::<Manifest>(name, "manifest.json")?;
        let has_chain = sight.manifest.as_ref().is_some_and(|manifest| !manifest.fallbacks.is_empty());
        sight.model = has_chain.then(|| state.model_note(name)).flatten().map(|note| note.to);
    }
    sight.note = question.noted.then(|| state.note(name)).flatten();
    Ok(sight)
}

/// Whether the agent, running or not, was given just what it shall be given: then nothing of it needs to be taken apart.
fn is_unchanged(question: &Question<'_>, sight: &Sight) -> bool {
    let Some(manifest) = question.artifacts.iter().find(|artifact| artifact.kind == FileKind::Manifest) else {
        return false;
    };
    let on_disk = sight.files.iter().any(|(path, found)| {
        *path == manifest.path && matches!(found, LiveFile::File { digest, .. } if *digest == manifest.digest)
    });
    on_disk && sight.run.as_ref().is_none_or(|run| run.manifest == manifest.digest)
}

/// What stands at `path`. A file that is as `expected` is told so without being digested.
pub(super) fn file(path: &Path, expected: Option<&Artifact>) -> Option<LiveFile> {
    let other = |what: &str| Some(LiveFile::Other(what.to_owned()));
    let file = match fs::open_plain(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        Err(error) if error.raw_os_error() == Some(nix::libc::ELOOP) => return other("a link"),
        Err(error) => return other(&error.to_string()),
    };
    if let Some(artifact) = expected.filter(|artifact| holds(&file, artifact.text.as_bytes())) {
        return Some(LiveFile::File { digest: artifact.digest.clone(), marked: None });
    }
    let Ok(metadata) = file.metadata() else { return other("cannot be looked at") };
    if !metadata.is_file() {
        return other("no plain file");
    }
    if metadata.len() > FILE_CAP {
        return other("too large");
    }
    let bytes = match fs::read_sized(file, metadata.len()) {
        Ok(bytes) => bytes,
        Err(error) => return other(&error.to_string()),
    };
    let is_unit = path.extension().is_some_and(|e| e == "service" || e == "target" || e == "slice");
    let marked = is_unit.then(|| unit::marked_fleet(&String::from_utf8_lossy(&bytes))).flatten();
    Some(LiveFile::File { digest: Digest::of(&bytes), marked })
}

/// Whether `file` holds just `expected`. One look in most cases: what is as expected needs no other.
fn holds(file: &File, expected: &[u8]) -> bool {
    thread_local! {
        static ROOM: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }
    ROOM.with_borrow_mut(|room| {
        // One byte more: then a longer file is seen to be one, and the end of one that is as long without asking for it.
        room.resize(room.len().max(expected.len() + 1), 0);
        let room = &mut room[..=expected.len()];
        let mut filled = 0;
        while filled < expected.len()
            && let Ok(read @ 1..) = file.read_at(&mut room[filled..], filled as u64)
        {
            filled += read;
        }
        !expected.is_empty() && room[..filled] == *expected
    })
}

/// What stands where a link may be.
pub(super) enum Link {
    To(PathBuf),
    /// Something that is no link.
    Other,
}

/// What stands at `path`; `None`: nothing.
pub(super) fn link(path: &Path) -> Option<Link> {
    match std::fs::read_link(path) {
        Ok(to) => Some(Link::To(to)),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(_) => path.symlink_metadata().is_ok().then_some(Link::Other),
    }
}

/// The links that this agent has or may want.
fn links(state: &State, question: &Question<'_>, sight: &mut Sight) {
    let target = UnitName::target(&state.fleet);
    let own = state.paths.wants(target.as_str(), &UnitName::agent(&state.fleet, question.name));
    let recorded = question.entry.into_iter().flat_map(|entry| entry.links.keys());
    for path in recorded.filter(|path| **path != own).chain([&own]) {
        match link(path) {
            Some(Link::To(to)) => sight.links.push((path.clone(), to)),
            Some(Link::Other) => sight.not_links.push(path.clone()),
            None => {}
        }
    }
}
