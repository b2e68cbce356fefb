//! Time, passed in.

use serde::{Deserialize, Serialize};

/// A span of time in milliseconds.
pub type Millis = u64;

/// A span as people say it: `40 s`, `25 min`, `3 h`.
#[must_use]
pub fn words(span: Millis) -> String {
    match span / 1_000 {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7_200 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3_600),
    }
}

/// One moment on the three clocks that matter to a supervisor, each in milliseconds.
///
/// Deadlines stand on [`awake`](Self::awake): it is the only one that neither jumps nor goes on while the machine
/// sleeps. The other two tell that it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Moment {
    /// `CLOCK_MONOTONIC`: stands still while the machine is suspended (clock_gettime(2)).
    pub awake: Millis,
    /// `CLOCK_BOOTTIME`: the same, but goes on while it is suspended.
    pub boot: Millis,
    /// `CLOCK_REALTIME`, since the epoch: what people read and what providers name as reset times. May jump.
    pub wall: Millis,
}

impl Moment {
    /// This moment, `span` later on every clock.
    #[must_use]
    pub fn after(self, span: Millis) -> Self {
        Self { awake: self.awake + span, boot: self.boot + span, wall: self.wall + span }
    }
}
