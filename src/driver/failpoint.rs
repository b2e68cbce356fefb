//! Named points at which a test ends this process, as a power cut would: `FLEET_FAILPOINT=NAME`.

use std::sync::OnceLock;

/// All of them, in the order in which one turn meets them.
pub const POINTS: [&str; 9] = [
    "before-append",
    "after-append",
    "before-effect",
    "after-effect",
    "effect-done",
    "before-answer",
    "inbox-taken",
    "inbox-written",
    "after-policy",
];

/// Those that only an agent meets which falls back to another model: before the note of it, and after.
pub const FALLING_BACK: [&str; 2] = ["model-decided", "model-noted"];

/// Ends the process here when this point was asked for.
pub(super) fn reach(point: &'static str) {
    static ASKED: OnceLock<Option<String>> = OnceLock::new();
    let asked = ASKED.get_or_init(|| std::env::var("FLEET_FAILPOINT").ok());
    if asked.as_deref() == Some(point) {
        std::process::abort();
    }
}

#[cfg(test)]
mod tests {
    use super::{FALLING_BACK, POINTS};

    #[test]
    fn every_point_is_reached_somewhere() {
        let sources = [
            include_str!("turn.rs"),
            include_str!("effects.rs"),
            include_str!("control.rs"),
            include_str!("live.rs"),
        ];
        for point in POINTS.into_iter().chain(FALLING_BACK) {
            let call = format!("failpoint::reach(\"{point}\")");
            assert_eq!(sources.iter().map(|text| text.matches(&call).count()).sum::<usize>(), 1, "{point}");
        }
    }
}
