//! What was kept of an agent's deaths: `agents/<name>/deaths/<milliseconds>/`.

use std::path::{Path, PathBuf};

use super::text;
use crate::supervise::clock::Millis;
use crate::system::fs;

/// Largest reason that is read, in bytes.
const WHY: u64 = 16 << 10;

/// One death.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Death {
    /// Milliseconds since the epoch.
    pub at: Millis,
    /// On one line.
    pub why: String,
    pub folder: PathBuf,
}

impl Death {
    /// As programs read it.
    pub fn json(&self) -> serde_json::Value {
        serde_json::json!({ "at": self.at, "why": self.why, "folder": self.folder })
    }
}

/// Those that are kept in the agent's folder, oldest first.
pub fn of(agent: &Path) -> Vec<Death> {
    let mut found: Vec<Death> = std::fs::read_dir(agent.join("deaths"))
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let at = entry.file_name().to_str()?.parse().ok()?;
            let folder = entry.path();
            let why = fs::read_optional(&folder.join("why"), WHY).ok().flatten().unwrap_or_default();
            Some(Death { at, why: text::line(&String::from_utf8_lossy(&why)), folder })
        })
        .collect();
    found.sort_by_key(|death| death.at);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deaths_are_found_by_their_time() {
        let folder = tempfile::tempdir().unwrap();
        for (name, why) in [("000000000000200", "later\n"), ("000000000000100", "sooner \u{1b}\n"), ("strange", "x")]
        {
            let death = folder.path().join("deaths").join(name);
            std::fs::create_dir_all(&death).unwrap();
            std::fs::write(death.join("why"), why).unwrap();
        }
        let found = of(folder.path());
        let found: Vec<(u64, &str)> = found.iter().map(|death| (death.at, death.why.as_str())).collect();
        assert_eq!(found, [(100, "sooner \\u{1b}"), (200, "later")]);
        assert_eq!(of(&folder.path().join("none")), []);
    }
}
