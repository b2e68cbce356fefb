//! A decision as people read it.

use super::look::{Look, Weight};
use crate::journal::rows::{DecisionRow, EffectRow};
use crate::supervise::standing::Standing;

/// One line of the events pane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its number in the journal.
    pub seq: u64,
    /// When, as people write it here.
    pub clock: String,
    /// `None`: the whole fleet.
    pub agent: Option<String>,
    /// The new state, or the rule that decided.
    pub word: String,
    pub weight: Weight,
    pub reason: String,
    /// What was done about it.
    pub acts: Vec<String>,
}

impl Entry {
    /// That of a row of the journal. `None`: it was decided to look at an agent, which is no news.
    #[must_use]
    pub fn of(row: &DecisionRow, clock: String, look: Look) -> Option<Self> {
        if row.is_only_a_look() {
            return None;
        }
        let standing =
            row.standing.as_ref().and_then(|standing| serde_json::from_value::<Standing>(standing.clone()).ok());
        Some(Self {
            seq: row.seq,
            clock,
            agent: row.agent.as_deref().map(|agent| look.harmless(agent)),
            word: standing.as_ref().map_or_else(|| look.harmless(&row.rule), |it| it.state.word().to_owned()),
            weight: standing.as_ref().map_or(Weight::Idle, |standing| Weight::of_state(&standing.state)),
            reason: look.harmless(&row.reason),
            acts: row.effects.iter().filter_map(|effect| act(effect, look)).collect(),
        })
    }

    /// The reason, and what was done.
    #[must_use]
    pub fn text(&self) -> String {
        if self.acts.is_empty() { self.reason.clone() } else { format!("{} [{}]", self.reason, self.acts.join(", ")) }
    }
}

fn act(effect: &EffectRow, look: Look) -> Option<String> {
    let word = effect.act.get("act")?.as_str()?;
    // Looking at an agent is nothing that was done to it.
    if word == "probe" {
        return None;
    }
    let how = match effect.state.as_str() {
        "failed" | "unknown" => format!(" {}", effect.state),
        _ => String::new(),
    };
    Some(look.harmless(&format!("{word}{how}")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_decision_is_one_line() {
        let effect = |act: &str, state: &str| EffectRow {
            id: 1,
            decision: 7,
            at: 0,
            agent: None,
            act: json!({ "act": act }),
            state: state.to_owned(),
            result: None,
            answered: None,
        };
        let row = DecisionRow {
            seq: 7,
            at: 0,
            agent: Some("coder".to_owned()),
            rule: "stall".to_owned(),
            reason: "no progress\nfor 10m\u{1b}[2J".to_owned(),
            standing: Some(json!({ "state": "stalled", "reason": "", "since": 0 })),
            effects: vec![effect("probe", "done"), effect("snapshot", "failed"), effect("stop", "pending")],
        };
        let look = Look { colour: false, unicode: true };
        let entry = Entry::of(&row, "10:00:00".to_owned(), look).unwrap();
        assert_eq!((entry.word.as_str(), entry.weight), ("stalled", Weight::Trouble));
        assert_eq!(entry.text(), "no progress for 10m\u{fffd}[2J [snapshot failed, stop]");
        let entry =
            Entry::of(&DecisionRow { standing: None, effects: Vec::new(), ..row.clone() }, String::new(), look)
                .unwrap();
        let only_looks = DecisionRow { standing: None, effects: vec![effect("probe", "done")], ..row };
        assert_eq!(Entry::of(&only_looks, String::new(), look), None);
        assert_eq!((entry.word.as_str(), entry.text()), ("stall", "no progress for 10m\u{fffd}[2J".to_owned()));
    }
}
