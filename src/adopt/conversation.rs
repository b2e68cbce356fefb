//! Where agent CLIs keep their conversations, and which of them an agent may have open.

use std::path::{Path, PathBuf};

use super::arguments::is_uuid;

/// One conversation of a folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Conversation {
    /// Seconds since it was last written.
    pub age: u64,
    pub id: String,
}

/// What is known of the conversation an agent has open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// Its command line names it; perhaps a newer one was written in that folder since.
    Named { id: String, newer: Option<Conversation> },
    /// The newest one of its folder.
    Newest(Conversation),
    /// Several agents of one CLI work in one folder: these are the newest ones, and nothing says whose is which.
    Among(Vec<Conversation>),
    /// The folder has none yet.
    None,
    /// Only the CLI itself can list them.
    Ask,
}

/// Which conversation it is. `found` are those of its CLI and folder, newest first; `others` is how many more agents of
/// this CLI work there.
#[must_use]
pub fn decide(named: Option<&str>, found: &[Conversation], others: usize) -> Known {
    if let Some(id) = named {
        let newer = found.iter().take_while(|conversation| conversation.id != id).next();
        // What another agent writes there says nothing about this one.
        let newer = newer.filter(|_| others == 0 && found.iter().any(|conversation| conversation.id == id));
        return Known::Named { id: id.to_owned(), newer: newer.cloned() };
    }
    match found {
        [] => Known::None,
        [newest, ..] if others == 0 => Known::Newest(newest.clone()),
        // One to spare: an agent may have begun a new one.
        _ => Known::Among(found.iter().take(others + 2).cloned().collect()),
    }
}

/// The name of the folder in which Claude Code keeps the conversations of `folder`. `None` where it would shorten it.
#[must_use]
pub fn claude_folder(folder: &Path) -> Option<String> {
    const LONGEST: usize = 200;
    let plain = |unit: u16| match u8::try_from(unit) {
        Ok(byte) if byte.is_ascii_alphanumeric() => char::from(byte),
        _ => '-',
    };
    // As JavaScript counts: one dash for each half of a character outside the first plane.
    let name: String = folder.to_str()?.encode_utf16().map(plain).collect();
    (name.len() <= LONGEST).then_some(name)
}

/// The id in a file name of Claude Code's: `<uuid>.jsonl`.
#[must_use]
pub fn claude_id(name: &str) -> Option<&str> {
    name.strip_suffix(".jsonl").filter(|id| is_uuid(id))
}

/// The id in a file name of Codex's: `rollout-<time>-<uuid>.jsonl`.
#[must_use]
pub fn codex_id(name: &str) -> Option<&str> {
    const UUID: usize = 36;
    let name = name.strip_prefix("rollout-")?.strip_suffix(".jsonl")?;
    name.get(name.len().checked_sub(UUID)?..).filter(|id| is_uuid(id))
}

/// The working folder in the first line of such a file, when a person led that conversation.
#[must_use]
pub fn codex_folder(first_line: &str) -> Option<PathBuf> {
    let line: serde_json::Value = serde_json::from_slice(first_line.as_bytes()).ok()?;
    let about = line.get("payload")?;
    // `exec`, and a table for those that an agent started.
    let by_person = about.get("source").is_none_or(|source| source == "cli");
    about.get("cwd")?.as_str().filter(|_| by_person).map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "01a1f7d1-c0b8-7093-ac1e-e6dfe11ddc78";

    #[test]
    fn files_are_found_where_the_clis_put_them() {
        assert_eq!(claude_folder(Path::new("/home/me/my.shop_2")).unwrap(), "-home-me-my-shop-2");
        assert_eq!(claude_folder(Path::new("/é/😀")).unwrap(), "-----");
        assert_eq!(claude_folder(Path::new(&format!("/{}", "x".repeat(200)))), None);
        assert_eq!(claude_id(&format!("{ID}.jsonl")), Some(ID));
        assert_eq!(claude_id("agent-1234.jsonl"), None);
        assert_eq!(codex_id(&format!("rollout-2026-11-20T07-18-01-{ID}.jsonl")), Some(ID));
        assert_eq!(codex_id("rollout-é.jsonl"), None);
        let line = |source: &str| format!("{{\"type\":\"session_meta\",\"payload\":{{\"cwd\":\"/a b\"{source}}}}}");
        assert_eq!(codex_folder(&line("")), Some(PathBuf::from("/a b")));
        assert_eq!(codex_folder(&line(",\"source\":\"cli\"")), Some(PathBuf::from("/a b")));
        assert_eq!(codex_folder(&line(",\"source\":\"exec\"")), None);
        assert_eq!(codex_folder(&line(",\"source\":{\"subagent\":\"review\"}")), None);
        assert_eq!(codex_folder("not json"), None);
    }

    #[test]
    fn nothing_is_claimed_that_is_not_known() {
        let one = |age, id: &str| Conversation { age, id: id.to_owned() };
        let found = [one(5, "new"), one(60, "old"), one(900, "older"), one(9000, "oldest")];
        let named = |newer| Known::Named { id: "old".to_owned(), newer };
        assert_eq!(decide(None, &found, 0), Known::Newest(one(5, "new")));
        assert_eq!(decide(None, &found, 1), Known::Among(found[..3].to_vec()));
        assert_eq!(decide(None, &[], 1), Known::None);
        assert_eq!(decide(Some("old"), &found, 0), named(Some(one(5, "new"))));
        assert_eq!(decide(Some("old"), &found, 1), named(None));
        assert_eq!(decide(Some("old"), &found[1..], 0), named(None));
        assert_eq!(decide(Some("old"), &[one(5, "new")], 0), named(None));
    }
}
