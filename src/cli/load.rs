//! Finds the roster, reads it and everything it names.

use std::path::{Path, PathBuf};

use super::args::Global;
use super::error::CliError;
use crate::diagnostic::{Diagnostics, Sources};
use crate::ids::FleetId;
use crate::resolve::{self, Fleet, HostFacts, Inputs, builtin};
use crate::roster::decode::role_file;
use crate::roster::{self, scan};

/// The name that is looked for.
pub const ROSTER: &str = "fleet.kdl";
/// Largest role, runtime or prompt file, in bytes.
const FILE_CAP: u64 = 1 << 20;

/// A roster, resolved as far as its mistakes allow.
#[derive(Debug)]
pub struct Loaded {
    pub sources: Sources,
    pub diagnostics: Diagnostics,
    /// The roster's own bytes.
    pub text: String,
    /// Known even when the rest has mistakes.
    pub id: Option<FleetId>,
    pub fleet: Option<Fleet>,
}

/// Where the roster is: `--file`, `$FLEET_FILE`, or `fleet.kdl` here or above.
pub fn find(global: &Global) -> Result<Option<PathBuf>, CliError> {
    if let Some(path) = &global.file {
        return Ok(Some(path.clone()));
    }
    if let Some(path) = std::env::var_os("FLEET_FILE").filter(|value| !value.is_empty()) {
        return Ok(Some(PathBuf::from(path)));
    }
    let here = std::env::current_dir().map_err(|error| {
        CliError::failed(format!("the current folder cannot be used: {error}"), "change into a folder that exists")
    })?;
    Ok(here.ancestors().map(|folder| folder.join(ROSTER)).find(|path| path.is_file()))
}

/// Loads the roster of this run.
pub fn load(global: &Global, facts: &HostFacts) -> Result<Loaded, CliError> {
    let path = find(global)?.ok_or_else(|| {
        CliError::failed(
            format!("there is no {ROSTER} here or in a folder above"),
            "`fleet init` writes one; or name it with --file PATH",
        )
    })?;
    load_path(&path, facts)
}

fn load_path(path: &Path, facts: &HostFacts) -> Result<Loaded, CliError> {
    let cannot = |what: String| {
        CliError::failed(
            format!("cannot read the roster {}: {what}", path.display()),
            "name another with --file PATH",
        )
    };
    let canonical = path.canonicalize().map_err(|error| cannot(error.to_string()))?;
    if canonical.to_str().is_none() {
        return Err(cannot("its path is not UTF-8 text, which fleet's files are written in".to_owned()));
    }
    let metadata = canonical.metadata().map_err(|error| cannot(error.to_string()))?;
    if !metadata.is_file() {
        return Err(cannot("it is not a plain file".to_owned()));
    }
    if metadata.len() > scan::MAX_BYTES as u64 {
        let size = metadata.len();
        let message =
            format!("the roster {} has {size} bytes; the limit is {} (F0101)", path.display(), scan::MAX_BYTES);
        return Err(CliError::failed(
            message,
            "use `count=` for agents that are alike, and `defaults` and `role` for shared settings",
        ));
    }
    let bytes = std::fs::read(&canonical).map_err(|error| cannot(error.to_string()))?;
    let text = String::from_utf8(bytes)
        .map_err(|error| cannot(format!("it is not UTF-8 text (byte {})", error.utf8_error().valid_up_to() + 1)))?;
    let folder = canonical.parent().unwrap_or(Path::new("/")).to_path_buf();
    let mut sources = Sources::default();
    let shown =
        path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned());
    let file = sources.add(shown, text.clone());
    let mut diagnostics = Diagnostics::default();
    let Some(roster) = roster::read(&text, file, &mut diagnostics) else {
        return Ok(Loaded { sources, diagnostics, text, id: None, fleet: None });
    };
    let inputs = inputs(&roster, canonical, folder, facts, &mut sources, &mut diagnostics);
    let id = roster.id.as_ref().map(|id| id.value.clone());
    let fleet = resolve::resolve(&roster, &inputs, facts, &sources, &mut diagnostics);
    Ok(Loaded { sources, diagnostics, text, id, fleet })
}

/// Reads what the roster names: a file beside the roster wins over the built-in one.
fn inputs(
    roster: &roster::model::Roster,
    path: PathBuf,
    folder: PathBuf,
    facts: &HostFacts,
    sources: &mut Sources,
    diagnostics: &mut Diagnostics,
) -> Inputs {
    let mut inputs = Inputs { roster: path, folder, ..Inputs::default() };
    let text_of = |kind: &str, name: &str, extension: &str, table, folder: &Path| {
        let relative = format!("{kind}/{name}.{extension}");
        let own = folder.join(&relative);
        if own.is_file() {
            return read(&own).ok().map(|text| (relative, text));
        }
        builtin::find(table, name).map(|text| (format!("built-in {relative}"), text.to_owned()))
    };
    for name in resolve::role_names(roster) {
        if let Some((shown, text)) = text_of("roles", name.as_str(), "md", builtin::ROLES, &inputs.folder) {
            let file = sources.add(shown, text.clone());
            inputs.roles.insert(name, role_file::read(&text, file, diagnostics));
        }
    }
    let needs = resolve::needs(roster, &inputs.roles);
    for name in needs.runtimes {
        if let Some((shown, text)) = text_of("runtimes", name.as_str(), "kdl", builtin::RUNTIMES, &inputs.folder) {
            inputs.runtimes.insert(name, sources.add(shown, text));
        }
    }
    for written in needs.prompts {
        let text = read(&resolve::place(&written, &inputs.folder, &facts.home));
        inputs.prompts.insert(written, text.map(|text| text.trim().to_owned()));
    }
    inputs
}

fn read(path: &Path) -> Result<String, String> {
    let metadata = path.metadata().map_err(|error| format!("{}: {error}", path.display()))?;
    if !metadata.is_file() || metadata.len() > FILE_CAP {
        return Err(format!("{} is not a plain file of at most {FILE_CAP} bytes", path.display()));
    }
    std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}
