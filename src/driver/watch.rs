//! Watches of files: few, whatever the number of agents. Each only says where to look.
//!
//! Straight from inotify, in the supervisor's own loop: of a folder only what comes, goes and is renamed in it is told, so that
//! neither the journal's own writes nor whoever reads a file in the state folder wakes a supervisor
//! (`docs/decisions/0019-inotify-without-a-thread.md`).

use std::io;
use std::os::fd::{AsFd as _, AsRawFd, RawFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent, WatchDescriptor};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinHandle;

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

/// The watches of one supervisor; dropping them ends them.
#[derive(Debug)]
pub(super) struct Watches {
    task: JoinHandle<()>,
    flags: Arc<Flags>,
    /// Folders that could not be watched, with the reason.
    pub(super) problems: Vec<String>,
}

impl Drop for Watches {
    fn drop(&mut self) {
        self.task.abort();
    }
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

/// A folder that is watched.
#[derive(Debug)]
struct Place {
    /// `None`: it could not be, or is not there yet.
    watch: Option<WatchDescriptor>,
    folder: PathBuf,
    /// What a change in it means; `None`: that depends on what changed.
    meaning: Option<Changed>,
}

/// What the loop can wait for.
#[derive(Debug)]
struct Source(Inotify);

impl AsRawFd for Source {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl Watches {
    /// Watches the folders of a fleet, from within the loop. What cannot be watched is said, and left to the relist.
    pub(super) fn open(state: &State, inputs: UnboundedSender<Input>) -> io::Result<Self> {
        // The end of a folder that somebody still has open is told by its parent alone.
        let above = state.paths.runtime.parent().unwrap_or(&state.paths.runtime).to_path_buf();
        let folders = [
            (state.paths.state.clone(), None),
            (above, None),
            (state.paths.runtime.clone(), Some(Changed::Sockets)),
            (state.paths.state.join("pending"), Some(Changed::Pending)),
            (state.paths.state.join("inbox"), Some(Changed::Inbox)),
        ];
        let source = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
        let news = comes() | goes() | AddWatchFlags::IN_DELETE_SELF | AddWatchFlags::IN_MOVE_SELF;
        let (mut places, mut problems) = (Vec::new(), Vec::new());
        for (folder, meaning) in folders {
            let watch = source.add_watch(&folder, news | AddWatchFlags::IN_ONLYDIR);
            if let Err(error) = watch {
                problems.push(format!("{} is not watched: {error}", folder.display()));
            }
            places.push(Place { watch: watch.ok(), folder, meaning });
        }
        // SAFETY: the source owns its descriptor, which stays open and the same as long as it lives.
        let source = unsafe { AsyncFd::register_with_interest(Source(source), Interest::READABLE) }?;
        let flags = Arc::new(Flags::default());
        let task = tokio::spawn(listen(source, places, flags.clone(), inputs));
        Ok(Self { task, flags, problems })
    }

    /// From now on this is told again.
    pub(super) fn lower(&self, what: Changed) {
        self.flags.0[what as usize].store(false, Ordering::Release);
    }
}

fn comes() -> AddWatchFlags {
    AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO
}

fn goes() -> AddWatchFlags {
    AddWatchFlags::IN_DELETE | AddWatchFlags::IN_MOVED_FROM
}

async fn listen(source: AsyncFd<Source>, places: Vec<Place>, flags: Arc<Flags>, inputs: UnboundedSender<Input>) {
    let tell = |what: Changed| {
        if flags.raise(what) {
            let _ = inputs.send(Input::Files(what));
        }
    };
    loop {
        let Ok(mut ready) = source.readable().await else { return tell(Changed::All) };
        match ready.get_inner().0.read_events() {
            Ok(events) => events.iter().flat_map(|event| meanings(event, &places)).for_each(tell),
            Err(Errno::EAGAIN) => ready.clear_ready(),
            Err(Errno::EINTR) => {}
            // Nothing is heard any more: new watches may.
            Err(_) => return tell(Changed::All),
        }
    }
}

/// What an event means in each place that is its folder: the sockets' may be the state folder itself.
fn meanings(event: &InotifyEvent, places: &[Place]) -> Vec<Changed> {
    let lost = AddWatchFlags::IN_Q_OVERFLOW | AddWatchFlags::IN_UNMOUNT;
    let replaced = AddWatchFlags::IN_DELETE_SELF | AddWatchFlags::IN_MOVE_SELF;
    if event.mask.intersects(lost | replaced) {
        return vec![Changed::All];
    }
    // The system's own word that a watch has ended says no more than the event before it.
    let Some(name) = &event.name else { return Vec::new() };
    let here = places.iter().filter(|place| place.watch == Some(event.wd));
    here.filter_map(|place| meaning(&place.folder.join(name), event.mask, place, places)).collect()
}

/// What a change at `path`, in `place`, means; `None`: nothing.
fn meaning(path: &Path, mask: AddWatchFlags, place: &Place, places: &[Place]) -> Option<Changed> {
    if places.iter().any(|watched| watched.folder == path) {
        return Some(Changed::All);
    }
    let name = path.file_name()?.to_str()?;
    match place.meaning {
        Some(Changed::Sockets) => path.extension().is_some_and(|e| e == "sock").then_some(Changed::Sockets),
        // What is being written is news under its own name.
        Some(_) if name.starts_with(".fleet-") => None,
        // A request that goes was taken.
        Some(Changed::Inbox) => mask.intersects(comes()).then_some(Changed::Inbox),
        Some(what) => Some(what),
        None => match name {
            "ledger.json" => Some(Changed::Ledger),
            "supervise.json" => Some(Changed::Policy),
            "pending" | "inbox" => Some(Changed::All),
            _ => None,
        },
    }
}
