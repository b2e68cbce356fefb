//! git, as far as worktrees need it (git-worktree(1)).
//!
//! The repository is one that agents write to. No hook of it and no monitor runs, nobody is asked for a password, and no
//! variable of the caller's leads git elsewhere. Filters that its configuration names do run: without them a checkout would
//! be wrong.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::process::{self, Invocation, ProcessError};

/// Longest wait for one command; a checkout of a large repository takes its time.
const TIMEOUT: Duration = Duration::from_mins(5);

/// Variables by which a caller (a hook, for one) leads git to another repository.
const LEADING: &[&str] = &["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY"];

/// A new worktree.
#[derive(Debug, Clone)]
pub struct NewWorktree<'a> {
    pub repository: &'a Path,
    pub path: &'a Path,
    /// `None`: on no branch.
    pub branch: Option<&'a str>,
    /// Where it starts; else what the repository has checked out.
    pub base: Option<&'a str>,
}

/// The folder that git keeps for the worktree, or the submodule, at `path`. Read from one line: no process.
fn admin_folder(path: &Path) -> Option<PathBuf> {
    let link = std::fs::read_to_string(path.join(".git")).ok()?;
    Some(path.join(link.strip_prefix("gitdir: ")?.trim_end()))
}

/// The folder that all worktrees of a repository share.
fn common_folder(path: &Path) -> Option<PathBuf> {
    let Some(admin) = admin_folder(path) else { return path.join(".git").canonicalize().ok() };
    // Without that file it is no worktree but a submodule.
    let common = std::fs::read_to_string(admin.join("commondir")).unwrap_or_default();
    admin.join(common.trim_end()).canonicalize().ok()
}

/// Whether the folder at `path` is a worktree of `repository`, which may be a worktree or a submodule itself.
#[must_use]
pub fn is_worktree_of(path: &Path, repository: &Path) -> bool {
    let is_linked = admin_folder(path).is_some_and(|admin| admin.join("commondir").exists());
    is_linked && common_folder(path).is_some_and(|common| Some(common) == common_folder(repository))
}

/// Whether git was killed while it made the worktree at `path`: it locks one until it is whole.
#[must_use]
pub fn is_half_made(path: &Path) -> bool {
    let reason = admin_folder(path).and_then(|admin| std::fs::read_to_string(admin.join("locked")).ok());
    reason.is_some_and(|reason| reason.trim_end() == "initializing")
}

/// The repository whose worktree the folder at `path` is.
#[must_use]
pub fn repository_of(path: &Path) -> Option<PathBuf> {
    let admin = admin_folder(path)?;
    // …/.git/worktrees/NAME
    let git = admin.parent().filter(|folder| folder.ends_with("worktrees"))?.parent()?;
    let top = if git.ends_with(".git") { git.parent()? } else { git };
    Some(top.to_path_buf())
}

/// Whether `path` is the top folder of a repository's main working tree, or of a worktree.
#[must_use]
pub fn is_top(path: &Path) -> bool {
    path.join(".git").exists()
}

/// Makes a worktree. Its branch is made too, or taken up where it is there already.
///
/// # Errors
/// What git says.
pub fn add(new: &NewWorktree<'_>) -> Result<(), String> {
    let mut words: Vec<OsString> = ["worktree", "add", "--quiet", "--no-track"].map(OsString::from).into();
    // A worktree that somebody deleted is still in git's list; its place and its branch are taken again.
    words.push("--force".into());
    let exists = new.branch.is_some_and(|branch| has_branch(new.repository, branch));
    match new.branch {
        Some(branch) if exists => {
            words.retain(|word| word != "--no-track");
            words.extend([new.path.into(), branch.into()]);
        }
        Some(branch) => {
            words.extend(["-b".into(), branch.into(), new.path.into()]);
            // Named, or git would take a repository without a commit for a wish to begin with nothing.
            words.push(new.base.unwrap_or("HEAD").into());
        }
        None => {
            words.retain(|word| word != "--no-track");
            words.extend(["--detach".into(), new.path.into()]);
            words.extend(new.base.map(OsString::from));
        }
    }
    git(new.repository, words).map(drop)
}

/// Whether a worktree that exists has `branch` checked out.
///
/// # Errors
/// What git says.
pub fn holder(repository: &Path, branch: &str) -> Result<Option<PathBuf>, String> {
    let text = git(repository, ["worktree", "list", "--porcelain", "-z"].map(OsString::from).into())?;
    let mut path = None;
    for line in text.split('\0') {
        if let Some(folder) = line.strip_prefix("worktree ") {
            path = Some(PathBuf::from(folder));
        } else if line.strip_prefix("branch refs/heads/") == Some(branch) {
            return Ok(path.filter(|path| path.is_dir()));
        }
    }
    Ok(None)
}

/// Moves a worktree, also to where git remembers one that somebody deleted.
///
/// # Errors
/// What git says.
pub fn relocate(repository: &Path, from: &Path, to: &Path) -> Result<(), String> {
    git(repository, vec!["worktree".into(), "move".into(), "--force".into(), from.into(), to.into()]).map(drop)
}

/// Removes a worktree with everything in it. Only for one that was never finished.
///
/// # Errors
/// What git says.
pub fn remove(repository: &Path, path: &Path) -> Result<(), String> {
    git(repository, vec!["worktree".into(), "remove".into(), "--force".into(), "--force".into(), path.into()])
        .map(drop)
}

fn has_branch(repository: &Path, branch: &str) -> bool {
    let reference = format!("refs/heads/{branch}");
    git(repository, vec!["show-ref".into(), "--verify".into(), "--quiet".into(), reference.into()]).is_ok()
}

fn git(repository: &Path, words: Vec<OsString>) -> Result<String, String> {
    let mut argv: Vec<OsString> = vec!["env".into()];
    argv.extend(LEADING.iter().flat_map(|name| ["-u".into(), OsString::from(name)]));
    argv.extend(["git", "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false", "-C"].map(OsString::from));
    argv.push(repository.into());
    argv.extend(words);
    let mut invocation = Invocation::new(argv, TIMEOUT);
    invocation.env.push(("GIT_TERMINAL_PROMPT".into(), "0".into()));
    invocation.env.push(("LC_ALL".into(), "C".into()));
    let finished = process::run(&invocation).map_err(|error| match error {
        ProcessError::NotFound { .. } => "git is not on the PATH".to_owned(),
        other => other.to_string(),
    })?;
    if finished.status.success() {
        return Ok(String::from_utf8_lossy(&finished.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&finished.stderr);
    // Hints may follow the reason.
    let lines = || said.lines().rev().filter(|line| !line.trim().is_empty());
    let line = lines().find(|line| line.starts_with("fatal: ")).or_else(|| lines().next()).unwrap_or("git failed");
    let line = line.trim_start_matches("fatal: ").trim_end_matches(';');
    Err(line.chars().filter(|c| !c.is_control()).take(300).collect())
}
