//! Waiting for conditions.

use std::time::{Duration, Instant};

/// For what should take a moment: reached only when something hangs.
pub const LONG: Duration = Duration::from_mins(1);

/// Waits for a condition; fails the test when it does not come true.
pub fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + LONG;
    while !condition() {
        assert!(Instant::now() < deadline, "never happened: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
