//! With which model of its chain an agent is started: the first, or the one that the supervisor noted.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use super::report;
use crate::manifest::{FORMAT, Manifest, ModelName, ModelNote};
use crate::system::fs;
use crate::system::service::envfile;

/// The note's name in the agent's folder.
pub const RECORD: &str = "model.json";

/// Largest note that is read, in bytes: a longer one is not fleet's.
const NOTE_CAP: u64 = 16 << 10;
/// Largest env file of a person's that is read, in bytes.
const ENV_CAP: u64 = 1 << 20;

/// What the agent is started with.
pub(super) struct Chosen {
    /// As it is for the model in use.
    pub manifest: Manifest,
    /// That model, where it is not the first.
    pub with: Option<ModelName>,
    /// What the shim was given, as it would have been for that model.
    pub environment: Vec<(OsString, OsString)>,
}

/// Reads the note. What cannot be followed leads to the first model, with a word why.
pub(super) fn choose(manifest: Manifest, environment: impl Iterator<Item = (OsString, OsString)>) -> Chosen {
    let mut chosen = chosen(manifest, environment);
    // Nobody asks for them again, and they would stay in memory for as long as the agent runs.
    chosen.manifest.fallbacks = Vec::new();
    chosen
}

fn chosen(manifest: Manifest, environment: impl Iterator<Item = (OsString, OsString)>) -> Chosen {
    let noted = noted(&manifest.folder).unwrap_or_else(|why| {
        report(format_args!("{RECORD}: {why}: it is started with {}", manifest.launch.name()));
        None
    });
    let first = manifest.launch.name();
    let Some(with) = noted.filter(|name| *name != first) else {
        return Chosen { manifest, with: None, environment: environment.collect() };
    };
    let Some(using) = manifest.using(&with).map(Cow::into_owned) else {
        // Quoted: whoever wrote it may have written anything.
        report(format_args!("{:?} was noted and is not in its chain: it is started with {first}", with.to_string()));
        return Chosen { manifest, with: None, environment: environment.collect() };
    };
    let environment = translated(&manifest, &with, environment);
    Chosen { manifest: using, with: Some(with), environment }
}

/// Which model is noted.
///
/// # Errors
/// What is the matter with the note.
fn noted(folder: &Path) -> Result<Option<ModelName>, String> {
    let bytes = fs::read_optional(&folder.join(RECORD), NOTE_CAP).map_err(|error| error.to_string())?;
    let Some(bytes) = bytes else { return Ok(None) };
    let note: ModelNote = serde_json::from_slice(&bytes).map_err(|error| format!("no note of fleet's: {error}"))?;
    if note.format > FORMAT {
        return Err(format!("its format is {}, and this fleet-shim knows {FORMAT}", note.format));
    }
    Ok(Some(note.to))
}

/// The variables that the manager has read from the first model's env file, as they would be for `with`. What a person's
/// own file says goes before, as it does for the first.
fn translated(
    manifest: &Manifest,
    with: &ModelName,
    environment: impl Iterator<Item = (OsString, OsString)>,
) -> Vec<(OsString, OsString)> {
    let Some(one) = manifest.fallback(with) else { return environment.collect() };
    let local = fs::read_optional(&manifest.folder.join("local.env"), ENV_CAP).ok().flatten().unwrap_or_default();
    let by_hand = envfile::parse(&String::from_utf8_lossy(&local)).variables;
    let mut variables: BTreeMap<OsString, OsString> = environment.collect();
    for name in one.without.iter().filter(|name| !by_hand.contains_key(*name)) {
        variables.remove(std::ffi::OsStr::new(name));
    }
    let own = one.env.iter().filter(|(name, _)| !by_hand.contains_key(*name));
    variables.extend(own.map(|(name, value)| (name.into(), value.into())));
    variables.into_iter().collect()
}
