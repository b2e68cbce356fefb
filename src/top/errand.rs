//! What a person has done to an agent from here.

use std::fmt;

use crate::ids::AgentName;

/// What is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verb {
    Send(String),
    Stop,
    Restart,
    Start,
    /// Ends a quarantine or a wait.
    Clear,
}

impl Verb {
    /// The word of the command.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Send(_) => "send",
            Self::Stop => "stop",
            Self::Restart => "restart",
            Self::Start => "start",
            Self::Clear => "clear",
        }
    }
}

/// One thing to do to one agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Errand {
    pub verb: Verb,
    pub agent: AgentName,
}

impl fmt::Display for Errand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.verb {
            Verb::Send(_) => write!(f, "send to {}", self.agent),
            _ => write!(f, "{} {}", self.verb.word(), self.agent),
        }
    }
}

/// The one line of what a command printed, with or without `--json`, that says how it went.
#[must_use]
pub fn gist(good: bool, out: &str, err: &str) -> String {
    if let Some(words) = out.lines().find_map(outcome) {
        return words;
    }
    let first = |text: &str| text.lines().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned);
    let error = err.lines().find_map(|line| line.trim().strip_prefix("error:")).map(|line| line.trim().to_owned());
    let line =
        if good { first(out).or_else(|| first(err)) } else { error.or_else(|| first(out)).or_else(|| first(err)) };
    // Tables have more blanks than a line needs.
    let words = line.unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
    match (words.is_empty(), good) {
        (false, _) => words,
        (true, true) => "done".to_owned(),
        (true, false) => "failed, and said nothing".to_owned(),
    }
}

/// Of a line of JSON with an outcome.
fn outcome(line: &str) -> Option<String> {
    let value: serde_json::Value = serde_json::from_slice(line.as_bytes()).ok()?;
    let word = value.get("outcome")?.as_str()?;
    let detail = value.get("detail").or_else(|| value.get("why")).and_then(serde_json::Value::as_str);
    Some(match detail {
        // What was done says more than that it was done.
        Some(detail) if word == "done" => detail.to_owned(),
        Some(detail) => format!("{word}: {detail}"),
        None => word.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::gist;

    #[test]
    fn one_line_says_how_it_went() {
        assert_eq!(gist(true, "done     coder-1  stopped\n", ""), "done coder-1 stopped");
        assert_eq!(
            gist(false, "", "error: refused: agent `a` does not run\n help: start it\n"),
            "refused: agent `a` does not run"
        );
        assert_eq!(gist(false, "unknown: nothing seen\n", "look at it\n"), "unknown: nothing seen");
        assert_eq!(gist(true, "{\"outcome\":\"done\",\"detail\":\"stopped\",\"help\":null}", ""), "stopped");
        assert_eq!(gist(false, "{\"outcome\":\"refused\",\"why\":\"a dialog\"}", "look"), "refused: a dialog");
        assert_eq!(gist(true, "{\"outcome\":\"submitted\",\"why\":null}", ""), "submitted");
        assert_eq!(gist(true, "", ""), "done");
        assert_eq!(gist(false, "\n", ""), "failed, and said nothing");
    }
}
