//! What the supervisor decided to do, and what became of it, in words.

use serde_json::Value;

use super::text;
use crate::journal::rows::EffectRow;

/// What is to be done; `None` where it says nothing that the decision itself does not say.
pub fn act(act: &Value) -> Option<String> {
    let word = act.get("act").and_then(Value::as_str).unwrap_or("something unknown");
    let field = |name: &str| act.get(name).and_then(Value::as_str).map(text::line);
    Some(match word {
        // A look at an agent decides nothing.
        "probe" => return None,
        "notify" => format!("notice ({})", field("level").unwrap_or_default()),
        "deliver" => match act.get("message").and_then(|message| message.get("id")).and_then(Value::as_str) {
            Some(id) => format!("type {}", text::line(id)),
            None => "type a message".to_owned(),
        },
        "fallback" => {
            let to = act.get("note").and_then(|note| note.get("to"));
            let part = |name: &str| to.and_then(|to| to.get(name)).and_then(Value::as_str).map(text::line);
            let names: Vec<String> = part("runtime").into_iter().chain(part("model")).collect();
            match act.get("model").and_then(Value::as_u64).unwrap_or_default() {
                0 => "note the first model of its chain".to_owned(),
                _ if !names.is_empty() => format!("note {} of its chain", names.join("/")),
                place => format!("note model {} of its chain", place + 1),
            }
        }
        "start" if act.get("fresh").and_then(Value::as_bool) == Some(true) => "start afresh".to_owned(),
        other => text::line(other),
    })
}

/// What became of it: a word, and why where it is known.
pub fn end(effect: &EffectRow) -> String {
    let result = effect.result.as_ref();
    let field = |name: &str| result.and_then(|result| result.get(name)).and_then(Value::as_str).map(text::line);
    let word = field("outcome").unwrap_or_else(|| match effect.state.as_str() {
        "pending" => "under way".to_owned(),
        "unknown" => "nobody knows what came of it".to_owned(),
        state => text::line(state),
    });
    field("why").map_or(word.clone(), |why| format!("{word}: {why}"))
}

/// An effect with its end.
pub fn effect(effect: &EffectRow) -> Option<String> {
    // What was told to people has no other end than that.
    let is_notice = effect.act.get("act").and_then(Value::as_str) == Some("notify");
    let act = act(&effect.act)?;
    Some(if is_notice { act } else { format!("{act}: {}", end(effect)) })
}

/// Whether it came to a bad end, or to none that is known.
pub fn went_wrong(effect: &EffectRow) -> bool {
    matches!(effect.state.as_str(), "failed" | "unknown")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn row(act: Value, state: &str, result: Option<Value>) -> EffectRow {
        let (id, decision, at, state) = (1, 1, 1, state.to_owned());
        EffectRow { id, decision, at, agent: None, act, state, result, answered: None }
    }

    #[test]
    fn acts_and_ends_are_words() {
        let start = json!({"act": "start", "agent": "a", "fresh": false});
        let failed = row(start.clone(), "failed", Some(json!({"result": "failed", "why": "no \u{1b}shim"})));
        assert_eq!(effect(&failed).unwrap(), "start: failed: no \\u{1b}shim");
        assert!(went_wrong(&failed));
        assert_eq!(effect(&row(start.clone(), "pending", None)).unwrap(), "start: under way");
        assert_eq!(effect(&row(start, "done", Some(json!({"result": "done"})))).unwrap(), "start: done");
        let typed = json!({"act": "deliver", "agent": "a", "message": {"id": "m-1"}});
        let delivered = json!({"result": "delivered", "outcome": "submitted", "why": null});
        assert_eq!(effect(&row(typed, "done", Some(delivered))).unwrap(), "type m-1: submitted");
        let notice = json!({"act": "notify", "level": "action", "text": "look"});
        assert_eq!(effect(&row(notice, "done", None)).unwrap(), "notice (action)");
        let falls = |act: Value| effect(&row(act, "done", None)).unwrap();
        let to = json!({"runtime": "codex", "model": "gpt\u{1b}"});
        let noted = json!({"act": "fallback", "agent": "a", "model": 1, "note": {"to": to}});
        assert_eq!(falls(noted), "note codex/gpt\\u{1b} of its chain: done");
        assert_eq!(falls(json!({"act": "fallback", "model": 1})), "note model 2 of its chain: done");
        assert_eq!(falls(json!({"act": "fallback", "model": 0})), "note the first model of its chain: done");
        assert_eq!(effect(&row(json!({"act": "probe", "agent": "a"}), "done", None)), None);
    }
}
