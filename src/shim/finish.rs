//! The agent has ended: its last words, its records, and the shim's own end.

use std::fs;
use std::time::{Duration, Instant};

use super::agent::Shim;
use super::ending::Ending;
use super::output::Read;
use super::process::{self, Ended};
use super::{records, report, runs};
use crate::manifest::{ExitRecord, FORMAT, PatternKind, StopStep};
use crate::system::memory;

/// A dead agent has at most some 70 kB in its terminal. What is beyond this comes from processes it left behind.
const DRAIN_MAX: u64 = 1 << 20;

/// How long the last frames may wait for slow clients.
const FAREWELL: Duration = Duration::from_millis(200);

impl Shim {
    /// Whether its last screen says what its provider has against it.
    fn names_its_trouble(&self) -> bool {
        let screen = self.model.text();
        let named = |kind| self.patterns.find(kind, &screen).is_some_and(|found| found.class.is_some());
        named(PatternKind::Fatal) || named(PatternKind::Limit)
    }

    /// Everything that is left to do, in the order in which someone may rely on it.
    pub(super) fn finish(mut self, ended: Ended) -> Ending {
        let drained = self.bytes;
        while self.read_output(Instant::now()) == Read::More && self.bytes - drained < DRAIN_MAX {}
        process::end_descendants(self.agent);
        self.log.finish(&self.mask);
        // Somebody else's SIGKILL, or the kernel's for want of memory, says nothing of the conversation; nor does a
        // provider that is overloaded.
        let killed = ended == Ended::Signal(nix::libc::SIGKILL);
        let failed = self.stop.is_none() && !killed && ended.code() != Some(0) && !self.names_its_trouble();
        let ran = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let afresh = self.conversation.is_lost(&self.manifest.folder, failed, ran);
        let record = self.write_records(ended);
        drop(std::mem::take(&mut self.secrets));
        self.server.close_listener();
        if !afresh {
            self.notifier.tell(&match ended {
                Ended::Code(code) => format!("STOPPING=1\nSTATUS=exited with {code}"),
                Ended::Signal(signal) => format!("STOPPING=1\nSTATUS=ended by signal {signal}"),
            });
        }
        self.abandon_deliveries();
        self.server.say_farewell(&self.model, &record, Instant::now() + FAREWELL);
        match ended {
            _ if afresh => Ending::Afresh,
            Ended::Code(code) => Ending::Status(u8::try_from(code & 0xff).unwrap_or(u8::MAX)),
            Ended::Signal(signal) => Ending::Signal(signal),
        }
    }

    fn write_records(&self, ended: Ended) -> ExitRecord {
        let folder = &self.manifest.folder;
        let complain = |name: &str, error: std::io::Error| {
            report(format_args!("{}: {error}", folder.join(name).display()));
        };
        let lines = self.shown_text().lines;
        let mut screen = lines.join("\n");
        screen.truncate(screen.trim_end().len());
        screen.push('\n');
        if let Err(error) = records::write(folder, "last-screen", screen.as_bytes()) {
            complain("last-screen", error);
        }
        let record = ExitRecord {
            format: FORMAT,
            pid: self.agent.as_raw().unsigned_abs(),
            code: ended.code(),
            signal: ended.signal(),
            stop_requested: self.stop.is_some(),
            out_of_memory: ended == Ended::Signal(nix::libc::SIGKILL)
                && memory::oom_kills(&self.manifest.unit) > self.oom_kills,
            step: self.stop.as_ref().map_or(StopStep::Itself, |stop| stop.step),
            started: self.started.clone(),
            ended: records::now(),
            bytes: self.bytes,
            with: self.with.clone(),
        };
        let end = runs::End { ended: record.ended.clone(), code: record.code, signal: record.signal };
        runs::end(folder, &record.started, end);
        if let Err(error) = records::write_json(folder, "exit.json", &record) {
            complain("exit.json", error);
        }
        // Last: while it is there, someone still looks after the agent.
        if let Err(error) = fs::remove_file(folder.join("run.json"))
            && error.kind() != std::io::ErrorKind::NotFound
        {
            complain("run.json", error);
        }
        record
    }
}
