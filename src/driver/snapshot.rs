//! What is kept of an agent before it is restarted: `agents/<name>/deaths/<time>/`.

use std::fs;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use crate::apply::state::State;
use crate::ids::AgentName;
use crate::shim::client;
use crate::supervise::clock::Moment;
use crate::supervise::event::EffectResult;
use crate::system::fs as files;

use super::effects::ASK;

/// Snapshots that are kept of one agent; older ones go.
const KEPT: usize = 20;
/// Lines of the log that are kept.
const LOG_LINES: usize = 200;
/// The end of the log that is searched for them, in bytes.
const LOG_BYTES: u64 = 256 << 10;

/// Takes one. It is evidence, not a condition: what cannot be kept is said and stops nothing.
pub(super) fn take(state: &State, agent: &AgentName, why: &str, now: Moment) -> EffectResult {
    match keep(state, agent, why, now) {
        Ok(()) => EffectResult::Done,
        Err(why) => EffectResult::Failed { why },
    }
}

fn keep(state: &State, agent: &AgentName, why: &str, now: Moment) -> Result<(), String> {
    let own = state.paths.agent(agent);
    let all = own.join("deaths");
    let folder = all.join(format!("{:015}", now.wall));
    let words = |error: files::FsError| error.to_string();
    files::ensure_private_dir(&all).map_err(words)?;
    files::ensure_private_dir(&folder).map_err(words)?;
    let put = |name: &str, bytes: &[u8]| files::write_passing(&folder.join(name), bytes, 0o600).map_err(words);
    put("why", format!("{why}\n").as_bytes())?;
    // One that still runs shows its screen; one that ended has left it.
    let screen = client::screen(&state.paths.socket(agent), ASK).map(|screen| screen.lines.join("\n")).ok();
    let screen = screen.or_else(|| fs::read_to_string(own.join("last-screen")).ok());
    put("screen", screen.unwrap_or_default().trim_end().as_bytes())?;
    if let Ok(exit) = fs::read(own.join("exit.json")) {
        put("exit.json", &exit)?;
    }
    if let Ok(log) = tail(&own.join("log")) {
        put("log", &log)?;
    }
    forget_old(&all);
    Ok(())
}

/// The last lines of the raw log.
fn tail(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = files::open_plain(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LOG_BYTES)))?;
    let mut bytes = Vec::new();
    file.take(LOG_BYTES).read_to_end(&mut bytes)?;
    let breaks: Vec<usize> = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at).collect();
    let from = breaks.len().checked_sub(LOG_LINES + 1).map_or(0, |at| breaks[at] + 1);
    Ok(bytes.split_off(from))
}

fn forget_old(all: &Path) {
    let mut names: Vec<_> = fs::read_dir(all).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    names.sort();
    let old = names.len().saturating_sub(KEPT);
    for folder in names.into_iter().take(old) {
        let _ = fs::remove_dir_all(folder);
    }
}
