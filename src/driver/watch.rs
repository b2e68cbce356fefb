//! Watches of files: few, whatever the number of agents. Each only says where to look.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use notify::event::{EventKind, ModifyKind};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc::UnboundedSender;

use super::Input;
use crate::apply::state::State;

/// What changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Changed {
    /// `ledger.json`
    Ledger,
    /// `supervise.json`
    Policy,
    /// A socket came or went, or a run did.
    Sockets,
    /// `pending/`
    Pending,
    /// `inbox/`
    Inbox,
    /// Something was lost, or a folder was replaced: everything is looked at.
    All,
}

const KINDS: [Changed; 6] =
    [Changed::Ledger, Changed::Policy, Changed::Sockets, Changed::Pending, Changed::Inbox, Changed::All];

/// The watches of one supervisor.
#[derive(Debug)]
pub(super) struct Watches {
    _watcher: RecommendedWatcher,
    flags: Arc<Flags>,
    /// Folders that could not be watched, with the reason.
    pub(super) problems: Vec<String>,
}

/// Raised once however many events come until somebody looks.
#[derive(Debug, Default)]
struct Flags([AtomicBool; KINDS.len()]);

impl Flags {
    /// Whether it was not raised before.
    fn raise(&self, what: Changed) -> bool {
        !self.0[what as usize].swap(true, Ordering::AcqRel)
    }
}

impl Watches {
    /// Watches the folders of a fleet. What cannot be watched is said, and left to the relist.
    pub(super) fn open(state: &State, inputs: UnboundedSender<Input>) -> notify::Result<Self> {
        let flags = Arc::new(Flags::default());
        let folders = [
            (state.paths.state.clone(), None),
            // A folder that somebody still has open tells nothing of its own end.
            (state.paths.runtime.parent().unwrap_or(&state.paths.runtime).to_path_buf(), None),
            (state.paths.runtime.clone(), Some(Changed::Sockets)),
            (state.paths.state.join("pending"), Some(Changed::Pending)),
            (state.paths.state.join("inbox"), Some(Changed::Inbox)),
        ];
        let (raised, places) = (flags.clone(), folders.clone());
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            let changed = match event {
                Ok(event) if event.need_rescan() => vec![Changed::All],
                Ok(event) => event.paths.iter().filter_map(|path| meaning(path, event.kind, &places)).collect(),
                Err(_) => vec![Changed::All],
            };
            for what in changed {
                if raised.raise(what) {
                    let _ = inputs.send(Input::Files(what));
                }
            }
        })?;
        let mut problems = Vec::new();
        for (folder, _) in &folders {
            if let Err(error) = watcher.watch(folder, RecursiveMode::NonRecursive) {
                problems.push(format!("{} is not watched: {error}", folder.display()));
            }
        }
        Ok(Self { _watcher: watcher, flags, problems })
    }

    /// From now on this is told again.
    pub(super) fn lower(&self, what: Changed) {
        self.flags.0[what as usize].store(false, Ordering::Release);
    }
}

/// What a change at `path` means; `None`: nothing.
fn meaning(path: &Path, kind: EventKind, folders: &[(std::path::PathBuf, Option<Changed>)]) -> Option<Changed> {
    // Content is replaced by renames; what is written in place (the journal, locks) is no news.
    let news = matches!(kind, EventKind::Create(_) | EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_)));
    if !news {
        return None;
    }
    if folders.iter().any(|(folder, _)| folder == path) {
        return Some(Changed::All);
    }
    let (_, meaning) = folders.iter().find(|(folder, _)| path.parent() == Some(folder))?;
    match meaning {
        Some(Changed::Sockets) => path.extension().is_some_and(|e| e == "sock").then_some(Changed::Sockets),
        Some(what) => Some(*what),
        None => match path.file_name()?.to_str()? {
            "ledger.json" => Some(Changed::Ledger),
            "supervise.json" => Some(Changed::Policy),
            "pending" | "inbox" => Some(Changed::All),
            _ => None,
        },
    }
}
