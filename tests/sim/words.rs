//! `docs/supervisor.md` names every state and every rule.

use fleet::supervise::decision::Rule;
use fleet::supervise::standing::{Class, State};

const RULES: [Rule; 20] = [
    Rule::State,
    Rule::Start,
    Rule::Stall,
    Rule::Repetition,
    Rule::RapidDeath,
    Rule::Restart,
    Rule::Quarantine,
    Rule::Fallback,
    Rule::Limit,
    Rule::Blocked,
    Rule::WaitingForHuman,
    Rule::Message,
    Rule::Spend,
    Rule::Lifecycle,
    Rule::PendingRestart,
    Rule::Clock,
    Rule::Refused,
    Rule::Clear,
    Rule::JournalLost,
    Rule::Digest,
];

#[test]
fn every_word_is_explained() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/supervisor.md");
    let text = std::fs::read_to_string(path).unwrap();
    let class = Class::Rate;
    let states = [
        State::Unknown,
        State::Starting,
        State::Working,
        State::Idle,
        State::WaitingForHuman,
        State::RateLimited { class, until: None },
        State::Blocked { class },
        State::Stalled,
        State::Stopping,
        State::Stopped,
        State::BackingOff { until: 0 },
        State::Quarantined,
    ];
    for state in states {
        assert!(text.contains(&format!("| `{}` |", state.word())), "no row says how `{}` ends", state.word());
    }
    for (at, rule) in RULES.iter().enumerate() {
        assert_eq!(*rule as usize, at, "a rule is missing in this list");
        assert!(text.contains(&format!("`{}`", rule.word())), "`{}` is not explained", rule.word());
    }
    assert_eq!(Rule::Digest as usize + 1, RULES.len(), "the last rule has followers that this list lacks");
}
