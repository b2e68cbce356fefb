//! A look at one agent: processor time, processes below it, its screen.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::effects::ASK;
use super::reading;
use crate::shim::client;
use crate::shim::reader::Reader;
use crate::supervise::clock::Moment;
use crate::supervise::event::{EffectResult, Probe};
use crate::system::proc;

/// Milliseconds of one clock tick: USER_HZ is 100 on every Linux architecture that fleet runs on (time(7)).
pub(super) const TICK_MS: u64 = 10;

/// Looks that come together share one table of all processes that is no older than this.
const FRESH: Duration = Duration::from_millis(50);

/// The last table of all processes: reading it takes milliseconds of processor time, and a thousand agents may be due at once.
#[derive(Debug, Default)]
pub(super) struct Tables(Mutex<Option<(Instant, Arc<proc::Table>)>>);

impl Tables {
    /// Whoever asks while one is being read is given that one.
    fn read(&self) -> Arc<proc::Table> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, table)) = last.as_ref().filter(|(at, _)| at.elapsed() <= FRESH) {
            return table.clone();
        }
        let table = Arc::new(proc::Table::read());
        *last = Some((Instant::now(), table.clone()));
        table
    }

    /// Nobody looks any more.
    pub(super) fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Looks at the agent whose shim listens at `socket` and has the pid `shim`.
pub(super) fn probe(socket: &Path, shim: Option<u32>, tables: &Tables, reader: &Reader, now: Moment) -> EffectResult {
    let status = client::status(socket, ASK);
    let screen = client::screen(socket, ASK);
    let (Ok(status), Ok(screen)) = (status, screen) else {
        return EffectResult::Failed { why: "its shim does not answer".to_owned() };
    };
    let settled = status.quiet_ms >= reading::SETTLED;
    let table = shim.map(|_| tables.read());
    let below = |table: &proc::Table, pid: u32| {
        table.below(pid).into_iter().map(|process| (process.pid, process.start_ticks)).collect()
    };
    EffectResult::Probed {
        probe: Probe {
            cpu_ms: table.as_deref().map(|table| table.cpu_below(status.agent_pid) * TICK_MS),
            descendants: table.as_deref().map(|table| below(table, status.agent_pid)),
            reading: Some(reading::read(reader, &screen.title, &screen.lines, settled, now)),
            bytes: Some(status.bytes),
        },
    }
}
