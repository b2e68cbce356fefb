//! The canary's heartbeat, in the format that `fleet heartbeat` writes for other agents.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

/// `agents/<name>/heartbeat`.
#[derive(Debug, Serialize)]
struct Beat<'a> {
    format: u32,
    /// Milliseconds since the epoch.
    ts: u64,
    pid: u32,
    /// One per start, so that a beat of an earlier start is not taken for one of this.
    nonce: &'a str,
    state: &'static str,
    /// Counts beats: what the canary calls progress.
    progress: u64,
}

/// Where heartbeats go, and how many went.
#[derive(Debug)]
pub struct Heart {
    folder: Option<PathBuf>,
    nonce: String,
    beats: u64,
}

impl Heart {
    /// Reads `FLEET_AGENT_DIR`.
    pub fn new() -> Self {
        let nonce = fs::read_to_string("/proc/sys/kernel/random/uuid").unwrap_or_default();
        let folder = std::env::var_os("FLEET_AGENT_DIR").map(PathBuf::from);
        Self { folder, nonce: nonce.trim_end().to_owned(), beats: 0 }
    }

    /// Writes one heartbeat.
    ///
    /// # Errors
    /// When there is no `FLEET_AGENT_DIR`, or its folder does not take the file.
    pub fn beat(&mut self) -> io::Result<()> {
        let folder = self.folder.as_ref().ok_or_else(|| {
            io::Error::new(io::ErrorKind::NotFound, "FLEET_AGENT_DIR is not set: start it under fleet")
        })?;
        self.beats += 1;
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let beat = Beat {
            format: 1,
            ts: u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
            pid: std::process::id(),
            nonce: &self.nonce,
            state: "working",
            progress: self.beats,
        };
        let fresh = folder.join(format!("heartbeat.{}.tmp", beat.pid));
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
        file.write_all(&serde_json::to_vec(&beat)?)?;
        fs::rename(&fresh, folder.join("heartbeat"))
    }
}
