//! Acceptance of a proposed roster by an agent that may `compose`: whether the proposal stays inside the envelope.
//!
//! The envelope, and who may use it, are those of the roster as it was applied. What an agent has changed in a file since gives it
//! no right.

use std::path::Path;

use crate::apply::generation::Kept;
use crate::cli::error::CliError;
use crate::cli::load::{self, Loaded};
use crate::cli::looking::{proposals, text};
use crate::cli::target::Target;
use crate::cli::{facts, ui::Ui};
use crate::resolve::envelope::{self, Side};

/// Refuses when `caller`, an agent, may not accept the roster `proposed`, of which `now` stands on the disk.
pub(super) fn check(ui: &Ui, target: &Target, caller: &str, now: &str, proposed: &str) -> Result<(), CliError> {
    let kept = target.state.sources(target.ledger.generation)?;
    let facts = facts::gather()?;
    let before = load::load_kept(&kept, &facts);
    let (Some(applied), Some(was)) = (side(&before), kept.texts.get(&kept.roster)) else {
        return Err(CliError::refused(
            "the roster as it was applied can no longer be compiled, so nobody knows its envelope",
            "a person applies the roster first: `fleet apply`",
        ));
    };
    let composes = |agent: &&crate::resolve::Agent| agent.name.as_str() == caller && agent.may.contains("compose");
    if !applied.fleet.agents.iter().any(|agent| composes(&agent)) {
        let message = format!(
            "{caller}, in which this command runs, is an agent whose role may not `compose`, so only a person accepts"
        );
        return Err(CliError::refused(message, "ask a person to do it"));
    }
    let after = proposals::compile(target, proposed.to_owned(), &facts);
    let Some(wanted) = side(&after).filter(|_| !after.diagnostics.has_errors()) else {
        ui.diagnostics(&after.diagnostics, &after.sources);
        return Err(CliError::refused(
            "the proposed roster has mistakes, so it was not written",
            "put them right, and propose it anew",
        ));
    };
    // A run that was cut off has written it already.
    let edited = (now != was.as_str() && now != proposed).then(|| kept.roster.display().to_string());
    if let Some(path) = edited.or_else(|| differs(&kept, &after.read)) {
        let message =
            format!("{path} is not as it was when the roster was applied, so {caller} cannot accept anything");
        return Err(CliError::refused(
            message,
            "a person looks at it and applies it first: `fleet plan`, `fleet apply`",
        ));
    }
    let breaches = envelope::breaches(applied, wanted);
    if breaches.is_empty() {
        return Ok(());
    }
    for breach in &breaches {
        ui.out(&text::line(&format!("{}: {}", breach.place, breach.what)));
    }
    let message =
        format!("this leaves the envelope of `compose`, so {caller} may not accept it; nothing was written");
    Err(CliError::refused(message, "ask a person to accept it, or propose a roster without what is listed above"))
}

fn side(loaded: &Loaded) -> Option<Side<'_>> {
    Some(Side { roster: loaded.roster.as_ref()?, fleet: loaded.fleet.as_ref()?, sources: &loaded.sources })
}

/// A file beside the roster which is no longer what was applied: a role, a runtime, an included part.
fn differs(applied: &Kept, now: &Kept) -> Option<String> {
    let built_in = |path: &Path| path.to_str().is_some_and(|path| path.starts_with("built-in "));
    let mut others = now.texts.iter().filter(|(path, _)| **path != applied.roster && **path != now.roster);
    let other = others.find(|(path, text)| !built_in(path) && applied.texts.get(*path) != Some(*text));
    // Without it a built-in one of its name would count.
    let gone = || applied.texts.keys().find(|path| !built_in(path) && !path.exists());
    other.map(|(path, _)| path).or_else(gone).map(|path| path.display().to_string())
}
