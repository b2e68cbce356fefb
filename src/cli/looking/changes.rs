//! Waiting for a folder's files to change, without looking at them again and again.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};

/// Between two looks when nothing is heard: a heal, and all there is without a watch.
pub const HEAL: Duration = Duration::from_secs(5);

/// Changes of some files in a folder.
#[derive(Debug)]
pub struct Changes {
    heard: Receiver<()>,
    _watcher: Option<RecommendedWatcher>,
}

impl Changes {
    /// Listens to the files in `folder` whose names `matter`. Where no watch can be had, [`wait`](Self::wait) takes its
    /// time and that is all.
    pub fn of(folder: &Path, matter: fn(&str) -> bool) -> Self {
        let (sender, heard) = channel();
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let is_meant = |path: &PathBuf| path.file_name().and_then(|name| name.to_str()).is_some_and(matter);
            let is_news = |event: notify::Event| {
                // Looking is no change.
                !matches!(event.kind, EventKind::Access(_)) && event.paths.iter().any(is_meant)
            };
            // What could not be heard may have been a change.
            if event.map_or(true, is_news) {
                let _ = sender.send(());
            }
        });
        let watch = |mut watcher: RecommendedWatcher| {
            watcher.watch(folder, RecursiveMode::NonRecursive).ok().map(|()| watcher)
        };
        Self { heard, _watcher: watcher.ok().and_then(watch) }
    }

    /// Returns at a change (`true`), or after `longest`.
    pub fn wait(&self, longest: Duration) -> bool {
        match self.heard.recv_timeout(longest) {
            Ok(()) => {
                while self.heard.try_recv().is_ok() {}
                true
            }
            Err(RecvTimeoutError::Timeout) => false,
            Err(RecvTimeoutError::Disconnected) => {
                std::thread::sleep(longest);
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_changes_of_what_matters_are_heard() {
        let folder = tempfile::tempdir().unwrap();
        let changes = Changes::of(folder.path(), |name| name.starts_with("log"));
        std::fs::write(folder.path().join("other"), "x").unwrap();
        assert!(!changes.wait(Duration::from_millis(50)));
        std::fs::write(folder.path().join("log"), "x").unwrap();
        assert!(changes.wait(Duration::from_mins(1)));
    }
}
