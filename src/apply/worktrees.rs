//! Makes the worktrees that a plan asks for.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::ApplyError;
use super::execute::Apply;
use super::outcome::{Outcome, Report};
use crate::plan::worktree::{LiveWorktree, WorktreeChange};
use crate::plan::{Ledger, Plan};
use crate::resolve::Fleet;
use crate::system::{fs, git};

/// What stands where the fleet's worktrees are or were.
#[must_use]
pub fn observe(fleet: &Fleet, ledger: Option<&Ledger>) -> BTreeMap<PathBuf, LiveWorktree> {
    let wanted = fleet.agents.iter().filter_map(|agent| agent.worktree.as_ref());
    let wanted = wanted.map(|worktree| (&worktree.path, &worktree.repository));
    let recorded = ledger
        .into_iter()
        .flat_map(|ledger| ledger.agents.values())
        .filter_map(|entry| entry.worktree.as_ref().map(|worktree| (&worktree.path, &worktree.repository)));
    let found = |path: &PathBuf, expected: &PathBuf| {
        let metadata = path.symlink_metadata().ok()?;
        let of = if git::is_worktree_of(path, expected) { Some(expected.clone()) } else { git::repository_of(path) };
        let of = of.filter(|_| metadata.is_dir());
        // An empty folder is nobody's.
        let empty = || metadata.is_dir() && std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none());
        match of {
            Some(repository) if git::is_half_made(path) => Some(LiveWorktree::HalfMade(repository)),
            Some(repository) => Some(LiveWorktree::Of(repository)),
            None if empty() => None,
            None => Some(LiveWorktree::Foreign),
        }
    };
    // What the roster says of a folder comes last, and counts.
    recorded.chain(wanted).filter_map(|(path, expected)| Some((path.clone(), found(path, expected)?))).collect()
}

impl Apply<'_> {
    /// One agent's worktree that cannot be made stops that agent only.
    pub(super) fn worktrees(&self, plan: &Plan, ledger: &mut Ledger, report: &mut Report) -> Result<(), ApplyError> {
        for agent in &plan.agents {
            let Some(change) = agent.worktree.as_ref().filter(|_| !report.has_failed(&agent.name)) else { continue };
            (self.progress)(&format!("making the worktree of {}", agent.name));
            match make(change) {
                Ok(()) => {
                    if let Some(entry) = ledger.agents.get_mut(&agent.name) {
                        entry.worktree = Some(change.entry(true));
                    }
                    self.state.save(ledger)?;
                }
                Err(why) => {
                    let what = format!("its worktree cannot be made: {why}");
                    let help =
                        format!("look at {}, then run the same command again", change.make.repository.display());
                    report.put(&agent.name, Outcome::Failed { what, help: Some(help) });
                }
            }
        }
        Ok(())
    }
}

fn make(change: &WorktreeChange) -> Result<(), String> {
    let wanted = &change.make;
    if let Some(parent) = wanted.path.parent().filter(|parent| !parent.is_dir()) {
        fs::ensure_private_dir(parent).map_err(|error| error.to_string())?;
    }
    if change.half_made {
        git::remove(&wanted.repository, &wanted.path)?;
    }
    if let Some(from) = &change.moves_from {
        return git::relocate(&wanted.repository, from, &wanted.path);
    }
    // `--force` takes a branch that another worktree has, so that is looked at first.
    if let Some(branch) = &wanted.branch
        && let Some(holder) = git::holder(&wanted.repository, branch)?
        && holder != wanted.path
    {
        return Err(format!("the branch {branch} is checked out at {}", holder.display()));
    }
    git::add(&git::NewWorktree {
        repository: &wanted.repository,
        path: &wanted.path,
        branch: wanted.branch.as_deref(),
        base: wanted.base.as_deref(),
    })
    .map_err(|why| match why.strip_prefix("invalid reference: ") {
        Some("HEAD") => "the repository has no commit to start from".to_owned(),
        Some(base) => format!("the repository has no branch {base} with a commit to start from"),
        None => why,
    })
}
