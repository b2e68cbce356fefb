//! What an agent CLI hands to its hooks: one JSON object on standard input, of which a few words at its top matter.

use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::read;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};

/// How long a hook's host may take to say what it has to say.
const PATIENCE: Duration = Duration::from_millis(100);

/// This much is looked at.
const LOOKED_AT: usize = 64 << 10;

/// This much is taken, so that its host finds no broken pipe.
const TAKEN: usize = 8 << 20;

/// What is known of a hook's call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Call {
    /// The hook's name.
    pub event: Option<String>,
    pub session: Option<String>,
    /// The class of an error that ended a turn.
    pub error: Option<String>,
    /// What it says to people.
    pub message: Option<String>,
    /// The tool that is called.
    pub tool: Option<String>,
    /// What it is called with, by its hash: the words themselves are nobody's business here.
    pub input: Option<u64>,
    /// It tells how the call ended, not that it begins.
    pub over: bool,
}

impl Call {
    /// What tells this call of a tool from another: two that are alike do the same.
    #[must_use]
    pub fn mark(&self) -> Option<String> {
        let begins = !self.over && self.error.is_none();
        let (tool, input) = (self.tool.as_ref()?, self.input?);
        begins.then(|| format!("{tool} {input:016x}"))
    }
}

/// The words at the top of `bytes`, which may end anywhere.
#[must_use]
pub fn understand(bytes: &[u8]) -> Call {
    let mut call = Call::default();
    let mut json = serde_json::Deserializer::from_slice(bytes);
    // What was understood before the object broke off counts.
    let _ = Fill(&mut call).deserialize(&mut json);
    call
}

struct Fill<'a>(&'a mut Call);

impl<'de> DeserializeSeed<'de> for Fill<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Fill<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a hook's call")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            let place = match key.as_str() {
                "hook_event_name" | "type" => &mut self.0.event,
                "session_id" | "thread-id" => &mut self.0.session,
                "error" => &mut self.0.error,
                "message" => &mut self.0.message,
                "tool_name" => &mut self.0.tool,
                "tool_input" => {
                    let mut hasher = DefaultHasher::new();
                    map.next_value::<serde_json::Value>()?.to_string().hash(&mut hasher);
                    self.0.input = Some(hasher.finish());
                    continue;
                }
                "tool_response" => {
                    self.0.over = true;
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            let value: serde_json::Value = map.next_value()?;
            if let serde_json::Value::String(text) = value {
                *place = Some(text);
            }
        }
        Ok(())
    }
}

/// Takes what comes from `input`, until it ends, is too much or takes too long. Gives the beginning.
///
/// `input` is read only when something is there, so a terminal or a pipe that nobody writes to costs 100 ms at most.
#[must_use]
pub fn take(input: impl AsFd) -> Vec<u8> {
    let deadline = Instant::now() + PATIENCE;
    let mut seen = Vec::new();
    let mut taken = 0;
    let mut buffer = vec![0; 64 << 10];
    while taken < TAKEN {
        let left = deadline.saturating_duration_since(Instant::now());
        let millis = u16::try_from(left.as_millis()).unwrap_or(u16::MAX);
        let mut fds = [PollFd::new(input.as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, PollTimeout::from(millis)) {
            Ok(0) if left.is_zero() => break,
            Ok(0) | Err(Errno::EINTR) => continue,
            Ok(_) => {}
            Err(_) => break,
        }
        match read(input.as_fd(), &mut buffer) {
            Ok(0) => break,
            Ok(count) => {
                taken += count;
                let room = LOOKED_AT.saturating_sub(seen.len()).min(count);
                seen.extend_from_slice(&buffer[..room]);
            }
            Err(Errno::EINTR | Errno::EAGAIN) => {}
            Err(_) => break,
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    const STOP_FAILURE: &str = r#"{"session_id":"a-b","transcript_path":"/t","cwd":"/c","hook_event_name":"StopFailure",
        "error":"rate_limit","message":null}"#;

    #[test]
    fn a_whole_call_is_understood() {
        let call = understand(STOP_FAILURE.as_bytes());
        assert_eq!((call.event.as_deref(), call.session.as_deref()), (Some("StopFailure"), Some("a-b")));
        assert_eq!((call.error.as_deref(), call.message), (Some("rate_limit"), None));
    }

    #[test]
    fn what_stands_before_the_break_counts() {
        let cut = &STOP_FAILURE[..STOP_FAILURE.find("rate").unwrap()];
        let call = understand(cut.as_bytes());
        assert_eq!((call.event.as_deref(), call.error), (Some("StopFailure"), None));
        for nothing in ["", "[1]", "7", "{", "\u{0}", "{\"a\"", r#"{"hook_event_name":{"x":1}}"#] {
            assert_eq!(understand(nothing.as_bytes()), Call::default(), "{nothing:?}");
        }
    }

    #[test]
    fn a_nested_name_is_not_the_hooks() {
        let call =
            understand(br#"{"tool_input":{"hook_event_name":"Stop","error":"x"},"hook_event_name":"PreToolUse"}"#);
        assert_eq!((call.event.as_deref(), call.error), (Some("PreToolUse"), None));
    }

    #[test]
    fn a_call_of_a_tool_is_told_from_another() {
        let mark = |rest: &str| understand(format!(r#"{{"tool_name":"Bash",{rest}}}"#).as_bytes()).mark();
        let one = mark(r#""tool_input":{"command":"make","timeout":5}"#).unwrap();
        assert!(one.starts_with("Bash ") && !one.contains("make"), "{one}");
        assert_eq!(mark(r#""tool_input":{"command":"make","timeout":5},"tool_use_id":"t2""#), Some(one.clone()));
        assert_ne!(mark(r#""tool_input":{"command":"make all"}"#), Some(one));
        assert_eq!(mark(r#""tool_input":{},"tool_response":{"stdout":""}"#), None, "it ended");
        assert_eq!(mark(r#""tool_input":{},"error":"exit 1""#), None, "it ended");
        assert_eq!(mark(r#""tool_input":{"command":"cut o"#), None, "who knows how it goes on");
    }

    #[test]
    fn a_deep_object_is_given_up_and_not_followed() {
        let deep = format!(r#"{{"session_id":"s","tool_input":{}"#, "[".repeat(60_000));
        assert_eq!(understand(deep.as_bytes()).session.as_deref(), Some("s"));
    }

    #[test]
    fn all_that_comes_is_taken_and_the_beginning_kept() {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let writing = std::thread::spawn(move || writer.write_all(&vec![b'x'; 1 << 20]));
        assert_eq!(take(&reader).len(), LOOKED_AT);
        writing.join().unwrap().expect("the host finds no broken pipe");
    }

    #[test]
    fn nobody_is_waited_for_long() {
        let (reader, _writer) = std::io::pipe().unwrap();
        let began = Instant::now();
        assert_eq!(take(&reader), b"");
        assert!(began.elapsed() >= PATIENCE && began.elapsed() < Duration::from_secs(10));
    }
}
