//! The words of the shim's socket, shared by the shim and its clients. Normative text: `docs/shim-protocol.md`.

use std::io::{self, Read, Write};

use serde::{Deserialize, Serialize};

use crate::heartbeat::Word;
use crate::manifest::ExitRecord;

/// The first word of every connection, with the version both sides must speak.
pub const HANDSHAKE: &str = "fleet-shim 1";

/// Longest line and longest frame payload, in bytes.
pub const MAX_PAYLOAD: usize = 1 << 20;

/// Types of frames that a client sends.
pub mod to_shim {
    /// Bytes typed.
    pub const INPUT: u8 = b'I';
    /// Columns and rows, both little-endian `u16`.
    pub const RESIZE: u8 = b'R';
    /// The viewer leaves.
    pub const DETACH: u8 = b'D';
}

/// Types of frames that the shim sends.
pub mod from_shim {
    /// Bytes for the viewer's terminal.
    pub const OUTPUT: u8 = b'O';
    /// A JSON [`super::Event`].
    pub const EVENT: u8 = b'E';
    /// A JSON [`super::Ended`].
    pub const EXIT: u8 = b'X';
    /// A JSON [`super::Notice`].
    pub const NOTICE: u8 = b'N';
}

/// Answer to `status`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    pub pid: u32,
    pub agent_pid: u32,
    pub state: State,
    /// What `state` rests on, in words.
    pub reason: String,
    /// RFC 3339, UTC.
    pub started: String,
    /// Bytes of output so far.
    pub bytes: u64,
    /// Milliseconds since the last output.
    pub quiet_ms: u64,
    pub title: String,
    pub columns: u16,
    pub rows: u16,
    pub cursor: Cursor,
    pub modes: Vec<String>,
    pub viewers: u32,
    /// Digest of the visible text.
    pub hash: String,
    /// Digest of the manifest file the agent was started from.
    pub manifest: String,
    pub stopping: bool,
}

/// What the agent does, as far as its screen and its process tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It has not been seen ready yet.
    Starting,
    /// Output arrived lately, or a busy pattern matches.
    Working,
    /// Quiet, and the runtime's idle pattern matches.
    Idle,
    /// A question to a person is on the screen.
    WaitingForHuman,
    /// A limit phrase is on the screen.
    RateLimited,
    /// A fatal phrase is on the screen.
    Fatal,
    /// Asked to stop, not ended yet.
    Stopping,
    /// Quiet, and no pattern of this runtime says more. Or a state that only a later version knows.
    #[serde(other)]
    Unknown,
}

/// The cursor, counted from zero.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    pub row: u16,
    pub column: u16,
    pub visible: bool,
}

/// Answer to `screen`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Screen {
    pub columns: u16,
    pub rows: u16,
    pub cursor: Cursor,
    pub title: String,
    pub lines: Vec<String>,
    pub hash: String,
}

/// Request of `scrollback`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScrollbackRequest {
    pub lines: u32,
}

/// Answer to `scrollback`, oldest line first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scrollback {
    pub lines: Vec<String>,
}

/// Request of `send`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendRequest {
    pub text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
}

/// Answer to `send`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendAnswer {
    pub outcome: Outcome,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// How often Enter was pressed: 0, 1 or 2.
    pub enters: u32,
    /// From the paste to the verdict, in milliseconds.
    pub ms: u64,
}

/// What is known of a message. Nothing but `Confirmed` and `Submitted` counts as delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The agent's own hook said so.
    Confirmed,
    /// The draft was seen in the input line, then gone, and output followed.
    Submitted,
    /// The runtime keeps it until its turn ends.
    Queued,
    /// Nothing was typed, or what was typed was not sent.
    Refused,
    /// Typed, and there is no proof either way. Never sent again by itself. Or an outcome that only a later version
    /// knows.
    #[serde(other)]
    Unknown,
}

/// Request of `signal`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignalRequest {
    /// `INT`, `TERM`, `KILL`, `HUP`, `USR1`, `USR2`, `CONT`, `STOP`, `WINCH`, `QUIT`.
    pub signal: String,
}

/// Request of `attach`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttachRequest {
    pub mode: AttachMode,
    pub columns: u16,
    pub rows: u16,
}

/// May the viewer type?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AttachMode {
    Rw,
    Ro,
}

/// Answer of a verb that only succeeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    pub ok: bool,
}

/// An error line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProtocolError {
    /// `version unsupported too-long bad-request denied busy gone`.
    pub error: String,
    #[serde(default)]
    pub message: String,
}

/// What `subscribe` pushes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Event {
    Activity {
        bytes: u64,
    },
    Settled {
        hash: String,
        lines: Vec<String>,
        /// The window's title. `None`: from a shim that did not say it here.
        #[serde(default)]
        title: Option<String>,
        /// The agent has been seen ready, or its runtime cannot show that.
        #[serde(default)]
        ready: bool,
    },
    /// How things stand when a subscription begins. Shims of earlier versions do not say it.
    Now {
        lines: Vec<String>,
        title: String,
        ready: bool,
        bytes: u64,
        quiet_ms: u64,
        viewers: u32,
        typing: bool,
    },
    Title {
        title: String,
    },
    Bell,
    Viewer {
        viewers: u32,
        typing: bool,
    },
    /// The agent's own word, from a process that is known to be the agent's.
    Report {
        report: Word,
        /// It was said before this subscription began.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        past: bool,
        /// It stood in the agent's folder, with this run's mark: whoever said it had no time to wait and was gone before
        /// it could be known.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        unproven: bool,
    },
    /// A word that claimed to be the agent's own and was not believed.
    Refused {
        why: String,
    },
    Exit {
        code: Option<i32>,
        signal: Option<i32>,
        /// What the shim writes into `exit.json`, where a full disk may not take it. `None`: from a shim that did not say it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        record: Option<ExitRecord>,
    },
}

/// How the agent ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    pub code: Option<i32>,
    pub signal: Option<i32>,
}

/// Words for the viewer's user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    pub text: String,
}

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub kind: u8,
    pub payload: Vec<u8>,
}

impl Frame {
    /// The frame as bytes.
    ///
    /// # Panics
    /// When the payload is over [`MAX_PAYLOAD`]: callers split what may be larger.
    #[must_use]
    pub fn encode(kind: u8, payload: &[u8]) -> Vec<u8> {
        assert!(payload.len() <= MAX_PAYLOAD, "a frame of {} bytes", payload.len());
        let length = u32::try_from(payload.len()).expect("checked above");
        let mut bytes = Vec::with_capacity(5 + payload.len());
        bytes.push(kind);
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(payload);
        bytes
    }

    /// Takes one whole frame off the front of `buffer`, if there is one.
    ///
    /// # Errors
    /// When the peer announces more than [`MAX_PAYLOAD`]: it does not speak this protocol.
    pub fn take(buffer: &mut Vec<u8>) -> io::Result<Option<Self>> {
        let Some(header) = buffer.get(..5) else { return Ok(None) };
        let length = u32::from_le_bytes([header[1], header[2], header[3], header[4]]) as usize;
        if length > MAX_PAYLOAD {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("a frame of {length} bytes")));
        }
        if buffer.len() < 5 + length {
            return Ok(None);
        }
        let rest = buffer.split_off(5 + length);
        let taken = std::mem::replace(buffer, rest);
        Ok(Some(Self { kind: taken[0], payload: taken[5..].to_vec() }))
    }

    /// Reads one frame, waiting for it. `None` at the end of the stream.
    ///
    /// # Errors
    /// When reading fails or the peer does not speak this protocol.
    pub fn read(from: &mut impl Read) -> io::Result<Option<Self>> {
        let mut header = [0; 5];
        match from.read_exact(&mut header) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            other => other?,
        }
        let length = u32::from_le_bytes([header[1], header[2], header[3], header[4]]) as usize;
        if length > MAX_PAYLOAD {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("a frame of {length} bytes")));
        }
        let mut payload = vec![0; length];
        from.read_exact(&mut payload)?;
        Ok(Some(Self { kind: header[0], payload }))
    }

    /// Writes one frame.
    ///
    /// # Errors
    /// When writing fails.
    pub fn write(to: &mut impl Write, kind: u8, payload: &[u8]) -> io::Result<()> {
        to.write_all(&Self::encode(kind, payload))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_survive_any_cut() {
        let mut whole = Frame::encode(to_shim::INPUT, b"hello");
        whole.extend(Frame::encode(to_shim::DETACH, b""));
        for cut in 0..whole.len() {
            let mut buffer = whole[..cut].to_vec();
            let mut frames = Vec::new();
            while let Some(frame) = Frame::take(&mut buffer).unwrap() {
                frames.push(frame);
            }
            buffer.extend_from_slice(&whole[cut..]);
            while let Some(frame) = Frame::take(&mut buffer).unwrap() {
                frames.push(frame);
            }
            assert_eq!(frames.len(), 2, "cut at {cut}");
            assert_eq!(frames[0].payload, b"hello");
            assert!(buffer.is_empty());
        }
    }

    #[test]
    fn a_giant_frame_is_refused_before_it_is_held() {
        let mut buffer = vec![b'I', 0xff, 0xff, 0xff, 0xff];
        assert!(Frame::take(&mut buffer).is_err());
        assert!(Frame::read(&mut &buffer[..]).is_err());
    }
}
