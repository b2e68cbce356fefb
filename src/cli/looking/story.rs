//! Decisions about one agent as a story: what belongs together is one step.

use super::{text, words};
use crate::journal::rows::DecisionRow;
use crate::supervise::clock::Millis;

/// So many changes of state without anything done about them are one step.
const FOLDED: usize = 4;

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// When it began, in milliseconds since the epoch.
    pub at: Millis,
    pub rule: String,
    /// On one line, with what was done and went well.
    pub text: String,
    /// What was done and did not end well, with its end.
    pub bad: Vec<String>,
}

/// Oldest first, as the decisions are.
pub fn tell(decisions: &[DecisionRow]) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut rest = decisions;
    // The last reason that was told.
    let mut before = None;
    while let Some(first) = rest.first() {
        let quiet = rest.iter().take_while(|row| is_quiet(row)).count();
        let same = rest.iter().take_while(|row| row.rule == first.rule && row.reason == first.reason).count();
        let taken = if quiet >= FOLDED {
            steps.push(wandering(&rest[..quiet]));
            quiet
        } else {
            steps.push(step(&rest[..same], before));
            before = Some(first.reason.as_str());
            same
        };
        rest = &rest[taken..];
    }
    steps
}

/// A change of what was seen, and nothing was done.
fn is_quiet(row: &DecisionRow) -> bool {
    row.rule == "state" && row.effects.iter().all(|effect| words::act(&effect.act).is_none())
}

/// One decision, as often as it was made in a row.
fn step(same: &[DecisionRow], before: Option<&str>) -> Step {
    let (first, last) = (&same[0], &same[same.len() - 1]);
    let times = if same.len() > 1 { format!("  (×{})", same.len()) } else { String::new() };
    // A start repeats why it was decided; whoever has just read that reads on.
    let reason = match first.reason.strip_prefix("started: ") {
        Some(why) if before == Some(why) => "started",
        _ => &first.reason,
    };
    let (bad, well): (Vec<_>, Vec<_>) = last.effects.iter().partition(|effect| words::went_wrong(effect));
    let well: Vec<String> = well.into_iter().filter_map(words::effect).collect();
    let well = if well.is_empty() { String::new() } else { format!("  [{}]", well.join("; ")) };
    Step {
        at: first.at,
        rule: text::line(&first.rule),
        text: format!("{}{times}{well}", text::line(reason)),
        bad: bad.into_iter().filter_map(words::effect).collect(),
    }
}

/// Many changes of state, to and fro.
fn wandering(rows: &[DecisionRow]) -> Step {
    let mut states: Vec<String> = Vec::new();
    for row in rows {
        let state = row.standing.as_ref().and_then(|standing| standing.get("state")).and_then(|state| state.as_str());
        if let Some(state) = state.map(text::line)
            && !states.contains(&state)
        {
            states.push(state);
        }
    }
    let (first, last) = (&rows[0], &rows[rows.len() - 1]);
    let minutes = last.at.saturating_sub(first.at) / 60_000;
    let span = if minutes > 0 { format!(" in {minutes} min") } else { String::new() };
    let among = if states.is_empty() { String::new() } else { format!(" among {}", states.join(", ")) };
    let text = format!("{} changes{among}{span}; the last: {}", rows.len(), text::line(&last.reason));
    Step { at: first.at, rule: text::line(&first.rule), text, bad: Vec::new() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::journal::rows::EffectRow;

    fn row(seq: u64, rule: &str, reason: &str, state: Option<&str>) -> DecisionRow {
        let standing = state.map(|state| json!({"state": state, "reason": "r", "since": 1}));
        let (agent, rule, reason) = (Some("a".to_owned()), rule.to_owned(), reason.to_owned());
        DecisionRow { seq, at: seq * 60_000, agent, rule, reason, standing, effects: vec![] }
    }

    #[test]
    fn a_story_fits_a_screen() {
        let mut rows = vec![row(1, "start", "started: the fleet starts", Some("starting"))];
        for n in 2..12 {
            let (state, reason) =
                if n % 2 == 0 { ("working", "idle → working") } else { ("idle", "working → idle") };
            rows.push(row(n, "state", reason, Some(state)));
        }
        let mut death = row(12, "restart", "it ended (exit 3)", Some("backing-off"));
        let act = json!({"act": "snapshot", "agent": "a", "why": "x"});
        let (result, state) = (Some(json!({"result": "failed", "why": "disk full"})), "failed".to_owned());
        death.effects.push(EffectRow { id: 1, decision: 12, at: 1, agent: None, act, state, result, answered: None });
        rows.push(death);
        let mut again = row(13, "restart", "started: it ended (exit 3)", None);
        let (act, state) = (json!({"act": "start", "agent": "a", "fresh": false}), "done".to_owned());
        again.effects.push(EffectRow {
            id: 2,
            decision: 13,
            at: 1,
            agent: None,
            act,
            state,
            result: None,
            answered: None,
        });
        rows.push(again);
        rows.extend([row(14, "message", "waits", None), row(15, "message", "waits", None)]);
        let steps = tell(&rows);
        let said: Vec<(&str, &str)> = steps.iter().map(|step| (step.rule.as_str(), step.text.as_str())).collect();
        assert_eq!(
            said,
            [
                ("start", "started: the fleet starts"),
                ("state", "10 changes among working, idle in 9 min; the last: working → idle"),
                ("restart", "it ended (exit 3)"),
                ("restart", "started  [start: done]"),
                ("message", "waits  (×2)"),
            ]
        );
        assert_eq!(steps[2].bad, ["snapshot: failed: disk full"]);
    }

    #[test]
    fn a_few_changes_are_told_one_by_one() {
        let rows = [row(1, "state", "starting → idle", None), row(2, "state", "idle → working", None)];
        assert_eq!(tell(&rows).len(), 2);
        assert_eq!(tell(&[]), []);
    }
}
