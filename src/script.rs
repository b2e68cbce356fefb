//! The canary's script: what the roster says the scripted agent shall do, as the file `fleet canary` runs.
//!
//! One JSON file: `{"format":1,"steps":[{"step":"print","text":"hello"},{"step":"busy","ms":2000},{"step":"wait"}]}`.
//! Durations are whole milliseconds.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The number every script file carries. A reader refuses another.
pub const FORMAT: u32 = 1;

/// Signals that `ignore` takes: those that a process may ignore and that fleet sends to end one. Without `SIG`.
pub const IGNORABLE: &[&str] = &["TERM", "HUP", "INT", "QUIT"];

/// Signals that `die` takes: their default action ends the process. Without `SIG`.
pub const DEADLY: &[&str] = &["TERM", "KILL", "HUP", "INT", "QUIT", "ABRT", "SEGV", "USR1", "USR2"];

/// A script file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Script {
    /// [`FORMAT`].
    pub format: u32,
    /// Done in order; after the last one the canary waits for input for ever.
    pub steps: Vec<Step>,
}

/// One thing the canary does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Step {
    /// Writes one line.
    Print { text: String },
    /// Writes the heartbeat file every `every_ms`, for `for_ms`, and nothing else.
    Beat { every_ms: u64, for_ms: u64 },
    /// Looks busy.
    Busy { ms: u64 },
    /// Looks busy and spends processor time.
    Spin { ms: u64 },
    /// Looks busy while a quiet process of its own runs.
    Child { ms: u64 },
    /// Asks a yes-or-no question and waits for the key.
    Ask { text: String },
    /// Says that a limit is reached, and is quiet until it resets.
    Limit { reset_ms: u64 },
    /// Says a fatal phrase and goes on.
    Fatal { text: String },
    /// Does `steps` `times` times.
    Repeat { times: u32, steps: Vec<Step> },
    /// Takes no input and writes nothing more, for ever. SIGTERM still ends it.
    Hang,
    /// Ignores a signal of [`IGNORABLE`] from here on.
    Ignore { signal: String },
    /// Waits for one message. One that came while a step before it ran does not count.
    Wait,
    /// Exits.
    Exit { code: u8 },
    /// Ends by a signal of [`DEADLY`] sent to itself.
    Die { signal: String },
}

/// Why a text is not a script.
#[derive(Debug)]
pub enum ScriptError {
    /// Not JSON, or not a script's keys.
    Syntax(serde_json::Error),
    /// The file's format number.
    Format(u32),
    /// A step and the signal that it cannot take.
    Signal { step: &'static str, signal: String },
}

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax(error) => write!(f, "it is no script: {error}"),
            Self::Format(found) => {
                write!(f, "it has format {found} and this fleet reads {FORMAT}: run `fleet apply` to render it again")
            }
            Self::Signal { step, signal } => {
                let known = if *step == "die" { DEADLY } else { IGNORABLE };
                write!(f, "`{step}` cannot take the signal {signal:?}: it takes {}", known.join(", "))
            }
        }
    }
}

impl std::error::Error for ScriptError {}

impl Script {
    /// A script of the current format.
    #[must_use]
    pub fn new(steps: Vec<Step>) -> Self {
        Self { format: FORMAT, steps }
    }

    /// Reads a script file's text and checks its signals.
    ///
    /// # Errors
    /// When the text is no script, or one of another format, or names a signal that its step cannot take.
    pub fn parse(text: &str) -> Result<Self, ScriptError> {
        #[derive(Deserialize)]
        struct Head {
            format: u32,
        }
        let head: Head = serde_json::from_slice(text.as_bytes()).map_err(ScriptError::Syntax)?;
        if head.format != FORMAT {
            return Err(ScriptError::Format(head.format));
        }
        let script: Self = serde_json::from_slice(text.as_bytes()).map_err(ScriptError::Syntax)?;
        check(&script.steps)?;
        Ok(script)
    }
}

fn check(steps: &[Step]) -> Result<(), ScriptError> {
    for step in steps {
        match step {
            Step::Repeat { steps, .. } => check(steps)?,
            Step::Ignore { signal } if !IGNORABLE.contains(&signal.as_str()) => {
                return Err(ScriptError::Signal { step: "ignore", signal: signal.clone() });
            }
            Step::Die { signal } if !DEADLY.contains(&signal.as_str()) => {
                return Err(ScriptError::Signal { step: "die", signal: signal.clone() });
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_format_is_pinned() {
        let script = Script::new(vec![
            Step::Print { text: "hi".to_owned() },
            Step::Beat { every_ms: 1000, for_ms: 5000 },
            Step::Repeat { times: 2, steps: vec![Step::Busy { ms: 10 }, Step::Wait] },
            Step::Ignore { signal: "TERM".to_owned() },
            Step::Exit { code: 3 },
        ]);
        let text = serde_json::to_string(&script).unwrap();
        assert_eq!(
            text,
            r#"{"format":1,"steps":[{"step":"print","text":"hi"},{"step":"beat","every_ms":1000,"for_ms":5000},{"step":"repeat","times":2,"steps":[{"step":"busy","ms":10},{"step":"wait"}]},{"step":"ignore","signal":"TERM"},{"step":"exit","code":3}]}"#
        );
        assert_eq!(Script::parse(&text).unwrap(), script);
    }

    #[test]
    fn what_cannot_run_is_refused_with_the_reason() {
        let error = |text: &str| Script::parse(text).unwrap_err().to_string();
        assert!(error("{").starts_with("it is no script"));
        assert!(error(r#"{"format":2,"steps":[{"step":"dance"}]}"#).contains("format 2"));
        assert!(error(r#"{"format":1,"steps":[{"step":"dance"}]}"#).contains("dance"));
        let nested =
            r#"{"format":1,"steps":[{"step":"repeat","times":1,"steps":[{"step":"ignore","signal":"KILL"}]}]}"#;
        assert!(error(nested).contains("\"KILL\""), "{}", error(nested));
        assert!(error(r#"{"format":1,"steps":[{"step":"die","signal":"CHLD"}]}"#).contains("\"CHLD\""));
    }
}
