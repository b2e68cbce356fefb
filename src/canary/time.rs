//! Ticks, waits and durations.

use std::hint::black_box;
use std::time::{Duration, Instant};

use nix::poll::PollTimeout;

/// How often the busy line changes.
pub const TICK: Duration = Duration::from_millis(500);

/// The next change of a busy line that began at `since`.
pub fn next_tick(since: Instant) -> Instant {
    let ticks = u32::try_from(since.elapsed().as_millis() / TICK.as_millis()).unwrap_or(u32::MAX - 1);
    since + TICK * (ticks + 1)
}

/// Until `instant`, rounded up, because a wait that ends a moment early would come again at once.
pub fn timeout_until(instant: Instant) -> PollTimeout {
    let wait = instant.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
    PollTimeout::try_from(wait).unwrap_or(PollTimeout::MAX)
}

/// Spends processor time for `slice`.
pub fn spin(slice: Duration) {
    let started = Instant::now();
    let mut sum = 0_u64;
    while started.elapsed() < slice {
        for number in 0..1000 {
            sum = black_box(sum.wrapping_add(number));
        }
    }
}

/// `90000` as `1m30s`.
pub fn duration(ms: u64) -> String {
    let seconds = ms / 1000;
    let mut text = String::new();
    for (count, unit) in [(seconds / 3600, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s"), (ms % 1000, "ms")] {
        if count > 0 {
            text = format!("{text}{count}{unit}");
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::duration;

    #[test]
    fn durations_read_as_they_are_written_in_a_roster() {
        for (ms, text) in [(0, "0s"), (30_000, "30s"), (90_500, "1m30s500ms"), (7_200_000, "2h"), (50, "50ms")] {
            assert_eq!(duration(ms), text);
        }
    }
}
