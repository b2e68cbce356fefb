//! Finds the conversations that agent CLIs keep on this machine. Read only: names, times, and Codex's first lines.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::adopt::conversation::{Conversation, claude_folder, claude_id, codex_folder, codex_id};

/// Files of Codex's whose first line is read; the newest ones.
const FILES: usize = 2000;
/// Longest first line; it holds the model's instructions.
const LINE: u64 = 1 << 20;

/// The conversations of `cli` in `folder`, newest first.
pub fn of(cli: &str, folder: &Path, home: &Path) -> Vec<Conversation> {
    let mut found = match cli {
        "claude" => claude(folder, &base("CLAUDE_CONFIG_DIR", home, ".claude")),
        "codex" => codex(folder, &base("CODEX_HOME", home, ".codex")),
        _ => Vec::new(),
    };
    found.sort();
    found
}

fn base(variable: &str, home: &Path, usual: &str) -> PathBuf {
    std::env::var_os(variable)
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .unwrap_or_else(|| home.join(usual))
}

fn claude(folder: &Path, base: &Path) -> Vec<Conversation> {
    let Some(name) = claude_folder(folder) else { return Vec::new() };
    let files = entries(&base.join("projects").join(name));
    files.iter().filter_map(|(path, name)| conversation(path, claude_id(name.to_str()?)?)).collect()
}

fn codex(folder: &Path, base: &Path) -> Vec<Conversation> {
    // sessions/YEAR/MONTH/DAY/rollout-….jsonl
    let mut folders = vec![base.join("sessions")];
    for _ in 0..3 {
        folders = folders.iter().flat_map(|folder| entries(folder)).map(|(path, _)| path).collect();
    }
    let files = folders.iter().flat_map(|folder| entries(folder));
    let mut found: Vec<(Conversation, PathBuf)> =
        files.filter_map(|(path, name)| Some((conversation(&path, codex_id(name.to_str()?)?)?, path))).collect();
    found.sort();
    found.truncate(FILES);
    let here = |path: &Path| first_line(path).and_then(|line| codex_folder(&line)).is_some_and(|at| at == folder);
    found.into_iter().filter(|(_, path)| here(path)).map(|(conversation, _)| conversation).collect()
}

fn entries(folder: &Path) -> Vec<(PathBuf, OsString)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| (entry.path(), entry.file_name())).collect()
}

fn conversation(path: &Path, id: &str) -> Option<Conversation> {
    let about = path.symlink_metadata().ok().filter(std::fs::Metadata::is_file)?;
    let age = SystemTime::now().duration_since(about.modified().ok()?).unwrap_or_default().as_secs();
    Some(Conversation { age, id: id.to_owned() })
}

fn first_line(path: &Path) -> Option<String> {
    let mut line = String::new();
    BufReader::new(std::fs::File::open(path).ok()?.take(LINE)).read_line(&mut line).ok()?;
    Some(line)
}
