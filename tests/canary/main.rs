//! The canary in a real pseudo-terminal, seen through a terminal model.
#![allow(clippy::disallowed_methods, reason = "tests act on the machine")]

mod ends;
mod pty;
mod talk;

use std::path::PathBuf;
use std::process::Command;

use fleet::script::{Script, Step};
use pty::Pty;

/// A canary that plays `steps`, and the folder that is its `FLEET_AGENT_DIR`.
struct Canary {
    pty: Pty,
    folder: tempfile::TempDir,
}

impl Canary {
    fn start(steps: Vec<Step>) -> Self {
        Self::start_sized(steps, 100, 20)
    }

    fn start_sized(steps: Vec<Step>, columns: u16, rows: u16) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("script.json");
        std::fs::write(&script, serde_json::to_string(&Script::new(steps)).unwrap()).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_fleet"));
        command.arg("canary").arg(&script).env("FLEET_AGENT_DIR", folder.path());
        Self { pty: Pty::spawn(command, columns, rows), folder }
    }

    fn heartbeat(&self) -> PathBuf {
        self.folder.path().join("heartbeat")
    }

    /// Waits until the last lines of the screen are `expected`.
    fn shows(&mut self, expected: &[&str]) {
        self.pty.wait(&format!("{expected:?} at the end of the screen"), |screen| {
            screen.lines.iter().map(String::as_str).collect::<Vec<_>>().ends_with(expected)
        });
    }
}

fn print(text: &str) -> Step {
    Step::Print { text: text.to_owned() }
}
