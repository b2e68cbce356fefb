//! A look at one agent: processor time, processes below it, its screen.

use std::path::Path;

use super::effects::ASK;
use super::reading;
use crate::shim::client;
use crate::shim::reader::Reader;
use crate::supervise::clock::Moment;
use crate::supervise::event::{EffectResult, Probe};
use crate::system::proc;

/// Milliseconds of one clock tick: USER_HZ is 100 on every Linux architecture that fleet runs on (time(7)).
pub(super) const TICK_MS: u64 = 10;

/// Looks at the agent whose shim listens at `socket` and has the pid `shim`.
pub(super) fn probe(socket: &Path, shim: Option<u32>, reader: &Reader, now: Moment) -> EffectResult {
    let status = client::status(socket, ASK);
    let screen = client::screen(socket, ASK);
    let (Ok(status), Ok(screen)) = (status, screen) else {
        return EffectResult::Failed { why: "its shim does not answer".to_owned() };
    };
    let table = shim.map(|_| proc::Table::read());
    let below = |table: &proc::Table, pid: u32| {
        table.below(pid).into_iter().map(|process| (process.pid, process.start_ticks)).collect()
    };
    EffectResult::Probed {
        probe: Probe {
            cpu_ms: table.as_ref().map(|table| table.cpu_below(status.agent_pid) * TICK_MS),
            descendants: table.as_ref().map(|table| below(table, status.agent_pid)),
            reading: Some(reading::read(reader, &screen.title, &screen.lines, false, now)),
            bytes: Some(status.bytes),
        },
    }
}
