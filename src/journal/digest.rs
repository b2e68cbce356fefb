//! What went wrong lately, and how often: counted from decisions, without a model.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::rows::{DecisionRow, EffectRow};
use super::{JournalError, Reader};
use crate::supervise::clock::Millis;

/// Rules whose decisions mean that something did not go as it should.
const TROUBLE: &[&str] = &[
    "stall",
    "repetition",
    "rapid-death",
    "restart",
    "quarantine",
    "fallback",
    "limit",
    "blocked",
    "waiting-for-human",
    "spend",
    "refused",
    "clock",
    "journal-lost",
];
/// Decisions that are read at most.
const DECISIONS: usize = 50_000;

/// What went wrong since a moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digest {
    /// Milliseconds since the epoch.
    pub since: Millis,
    /// The most frequent first.
    pub lines: Vec<Line>,
}

/// One kind of trouble of one agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// `None`: the whole fleet.
    pub agent: Option<String>,
    pub rule: String,
    pub count: usize,
    /// When it happened last, in milliseconds since the epoch.
    pub last: Millis,
    /// What was said of it then.
    pub reason: String,
}

impl Digest {
    /// Counts decisions.
    #[must_use]
    pub fn of(since: Millis, decisions: &[DecisionRow]) -> Self {
        let mut counted: BTreeMap<(Option<&str>, &str), Line> = BTreeMap::new();
        for row in decisions.iter().filter(|row| row.at >= since && is_trouble(row) && !row.is_only_a_look()) {
            let line = counted.entry((row.agent.as_deref(), &row.rule)).or_insert_with(|| Line {
                agent: row.agent.clone(),
                rule: row.rule.clone(),
                count: 0,
                last: 0,
                reason: String::new(),
            });
            line.count += 1;
            if row.at >= line.last {
                (line.last, line.reason) = (row.at, row.reason.clone());
            }
        }
        let mut lines: Vec<Line> = counted.into_values().collect();
        lines.sort_by(|a, b| b.count.cmp(&a.count).then(b.last.cmp(&a.last)));
        Self { since, lines }
    }

    /// In words; empty when nothing went wrong.
    #[must_use]
    pub fn text(&self, lines: usize) -> String {
        let mut text = String::new();
        for line in self.lines.iter().take(lines) {
            let who = line.agent.as_deref().unwrap_or("the fleet");
            let _ = writeln!(text, "- {who}: {} ×{}; last: {}", line.rule, line.count, line.reason);
        }
        if self.lines.len() > lines {
            let _ = writeln!(text, "and {} more: `fleet digest` shows all", self.lines.len() - lines);
        }
        text
    }
}

/// Of a restart the death counts: that the agent was started again, or has proved healthy, is no trouble.
fn is_trouble(row: &DecisionRow) -> bool {
    let snapshot = |effect: &EffectRow| effect.act.get("act").is_some_and(|act| act == "snapshot");
    TROUBLE.contains(&row.rule.as_str()) && (row.rule != "restart" || row.effects.iter().any(snapshot))
}

impl Reader {
    /// What went wrong since `since`.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn digest(&self, since: Millis) -> Result<Digest, JournalError> {
        Ok(Digest::of(since, &self.decisions(since, None, DECISIONS)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::rows::EffectRow;

    #[test]
    fn trouble_is_counted_and_the_rest_is_not() {
        let row = |at, agent: &str, rule: &str, reason: &str| {
            let word = if reason.starts_with("started") { "start" } else { "snapshot" };
            let (act, agent) = (serde_json::json!({"act": word}), Some(agent.to_owned()));
            let (state, result, answered) = ("done".to_owned(), None, None);
            let effect = EffectRow { id: at, decision: at, at, agent: agent.clone(), act, state, result, answered };
            let (rule, reason) = (rule.to_owned(), reason.to_owned());
            DecisionRow { seq: at, at, agent, rule, reason, standing: None, effects: vec![effect] }
        };
        let look = EffectRow {
            id: 1,
            decision: 14,
            at: 14,
            agent: None,
            act: serde_json::json!({"act": "probe", "agent": "b"}),
            state: "done".to_owned(),
            result: None,
            answered: None,
        };
        let rows = [
            row(5, "a", "restart", "too early"),
            row(10, "a", "restart", "first"),
            row(11, "b", "state", "idle → working"),
            row(12, "a", "restart", "second"),
            row(12, "a", "restart", "started: second"),
            row(13, "b", "limit", "429"),
            DecisionRow { effects: vec![look], ..row(14, "b", "stall", "a look") },
        ];
        let digest = Digest::of(10, &rows);
        assert_eq!(digest.text(9), "- a: restart ×2; last: second\n- b: limit ×1; last: 429\n");
        assert!(digest.text(1).contains("and 1 more"));
        assert_eq!(Digest::of(99, &rows).text(9), "");
    }
}
