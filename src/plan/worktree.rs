//! Worktrees: made once, kept for ever. Nothing here removes one, and nothing switches the branch of one.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::ledger::LedgerAgent;
use super::live::Live;
use crate::resolve::{Agent, Worktree};

/// A worktree in the ledger. Announced before it is made, so that a half-made one is known as such.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerWorktree {
    pub path: PathBuf,
    pub repository: PathBuf,
    /// `None`: on no branch.
    pub branch: Option<String>,
    /// It is complete.
    pub made: bool,
}

/// What stands where a worktree shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LiveWorktree {
    /// A worktree of this repository.
    Of(PathBuf),
    /// One of this repository that git was still making when it was killed: nobody has worked there.
    HalfMade(PathBuf),
    /// Something else.
    Foreign,
}

/// What happens to an agent's worktree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WorktreeChange {
    pub make: Worktree,
    /// The worktree of the name the agent had, which becomes this one.
    pub moves_from: Option<PathBuf>,
    /// What an interrupted apply left there is removed first.
    pub half_made: bool,
}

/// What the plan says of an agent's worktree.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    pub change: Option<WorktreeChange>,
    /// It was there, and who runs in it runs in nothing.
    pub is_lost: bool,
    pub note: Option<String>,
    /// Something that is not the repository's stands there.
    pub foreign: Option<PathBuf>,
}

pub(super) fn plan(agent: &Agent, known: Option<&LedgerAgent>, live: &Live) -> Verdict {
    let Some(wanted) = &agent.worktree else { return Verdict::default() };
    let recorded = known.and_then(|entry| entry.worktree.as_ref()).filter(|kept| kept.path == wanted.path);
    let make = |half_made| Verdict {
        change: Some(WorktreeChange { make: wanted.clone(), moves_from: None, half_made }),
        ..Verdict::default()
    };
    match live.worktrees.get(&wanted.path) {
        None => Verdict { is_lost: recorded.is_some_and(|kept| kept.made), ..make(false) },
        Some(LiveWorktree::HalfMade(repository)) if recorded.is_some() && *repository == wanted.repository => {
            make(true)
        }
        Some(LiveWorktree::Of(repository)) if *repository == wanted.repository => {
            let other = recorded.filter(|kept| kept.branch != wanted.branch);
            let on = |branch: &Option<String>| branch.clone().unwrap_or_else(|| "no branch".to_owned());
            Verdict {
                note: other.map(|kept| {
                    format!(
                        "its worktree was made on {} and stays there: `branch=` and `readonly=` count when one is made",
                        on(&kept.branch)
                    )
                }),
                ..Verdict::default()
            }
        }
        Some(_) => Verdict { foreign: Some(wanted.path.clone()), ..Verdict::default() },
    }
}

/// The heir of a name takes over its worktree too.
pub(super) fn inherit(change: &mut Option<WorktreeChange>, old: Option<&LedgerAgent>, live: &Live) {
    let Some(change) = change else { return };
    let kept = old.and_then(|entry| entry.worktree.as_ref());
    let Some(kept) = kept.filter(|kept| kept.repository == change.make.repository) else { return };
    match live.worktrees.get(&kept.path) {
        Some(LiveWorktree::Of(_)) => change.moves_from = Some(kept.path.clone()),
        // Somebody deleted the folder. What was committed there is still on its branch.
        None if kept.made && kept.branch.is_some() && change.make.branch.is_some() => {}
        _ => return,
    }
    change.make.branch.clone_from(&kept.branch);
}

/// Where an earlier agent of the heir's name has left a worktree, which keeps it from taking over that of its own past.
pub(super) fn left_behind(agent: &Agent, old: Option<&LedgerAgent>, live: &Live) -> Option<PathBuf> {
    let (wanted, kept) = (agent.worktree.as_ref()?, old?.worktree.as_ref()?);
    let stands = |path: &PathBuf| matches!(live.worktrees.get(path), Some(LiveWorktree::Of(_)));
    (kept.repository == wanted.repository && stands(&kept.path) && stands(&wanted.path)).then(|| wanted.path.clone())
}

impl WorktreeChange {
    /// As the ledger holds it before and after it is made.
    #[must_use]
    pub fn entry(&self, made: bool) -> LedgerWorktree {
        LedgerWorktree {
            path: self.make.path.clone(),
            repository: self.make.repository.clone(),
            branch: self.make.branch.clone(),
            made,
        }
    }

    /// In a line of a plan; `shown` shortens paths.
    #[must_use]
    pub fn text(&self, shown: &dyn Fn(&Path) -> String) -> String {
        let path = shown(&self.make.path);
        if let Some(from) = &self.moves_from {
            return format!("worktree {path}, moved from {}", shown(from));
        }
        if self.half_made {
            return format!("worktree {path} again, in place of what an interrupted apply left there");
        }
        let from = self.make.base.as_deref().unwrap_or("what is checked out");
        match &self.make.branch {
            Some(branch) => {
                format!("worktree {path} of {}, branch {branch} from {from}", shown(&self.make.repository))
            }
            None => format!("worktree {path} of {}, at {from}, on no branch", shown(&self.make.repository)),
        }
    }
}

/// What is kept when an agent goes.
#[must_use]
pub fn kept(entry: &LedgerAgent) -> Option<&Path> {
    entry.worktree.as_ref().map(|worktree| worktree.path.as_path())
}
