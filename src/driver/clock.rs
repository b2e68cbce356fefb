//! What time it is, on all three clocks.

use nix::time::{ClockId, clock_gettime};

use crate::supervise::clock::{Millis, Moment};

/// Now.
pub(super) fn now() -> Moment {
    Moment {
        awake: read(ClockId::CLOCK_MONOTONIC),
        boot: read(ClockId::CLOCK_BOOTTIME),
        wall: read(ClockId::CLOCK_REALTIME),
    }
}

/// Every Linux since 2.6.39 has these clocks; a reading of zero would only end a grace period early.
fn read(clock: ClockId) -> Millis {
    let Ok(time) = clock_gettime(clock) else { return 0 };
    u64::try_from(time.tv_sec()).unwrap_or(0) * 1_000 + u64::try_from(time.tv_nsec()).unwrap_or(0) / 1_000_000
}

/// How far local time is ahead of UTC at `wall`, in milliseconds.
pub(super) fn zone(wall: Millis) -> i64 {
    let Ok(at) = jiff::Timestamp::from_millisecond(i64::try_from(wall).unwrap_or(0)) else { return 0 };
    i64::from(jiff::tz::TimeZone::system().to_offset(at).seconds()) * 1_000
}

/// An RFC 3339 time as the machine counts it; 0 when it is none.
pub(super) fn parse(text: &str) -> Millis {
    let at = text.parse::<jiff::Timestamp>().map_or(0, jiff::Timestamp::as_millisecond);
    u64::try_from(at).unwrap_or(0)
}
