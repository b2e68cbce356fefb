//! Finds the roster, reads it and everything it names.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::args::Global;
use super::error::CliError;
use super::files::{Files, why};
use crate::apply::generation::Kept;
use crate::diagnostic::{Code, Diagnostic, Diagnostics, FileId, Sources, Span};
use crate::ids::FleetId;
use crate::resolve::{self, Fleet, HostFacts, Inputs, builtin};
use crate::roster::decode::role_file;
use crate::roster::include::{Found, Trouble, Wanted};
use crate::roster::model::Roster;
use crate::roster::syntax::words::condensed;
use crate::roster::{self, defaults, scan};

/// The name that is looked for.
pub const ROSTER: &str = "fleet.kdl";

/// A roster, resolved as far as its mistakes allow.
#[derive(Debug)]
pub struct Loaded {
    pub sources: Sources,
    pub diagnostics: Diagnostics,
    /// Known even when the rest has mistakes.
    pub id: Option<FleetId>,
    pub roster: Option<Roster>,
    pub inputs: Inputs,
    pub fleet: Option<Fleet>,
    /// The roster's own files: the root, then what it includes, by their canonical paths.
    pub files: Vec<(FileId, PathBuf)>,
    /// Every file that was looked for, found or not: a change of any of them may change the result.
    pub touched: Vec<PathBuf>,
    /// Every text that was read.
    pub read: Kept,
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

/// The same, where there must be one.
pub fn locate(global: &Global) -> Result<PathBuf, CliError> {
    find(global)?.ok_or_else(|| {
        CliError::failed(
            format!("there is no {ROSTER} here or in a folder above"),
            "`fleet init` writes one; or name it with --file PATH",
        )
    })
}

/// Loads the roster of this run.
pub fn load(global: &Global, facts: &HostFacts) -> Result<Loaded, CliError> {
    load_path(&locate(global)?, facts)
}

/// The same. `told` hears the fleet's id as soon as it is known, before everything is resolved.
pub fn load_telling(global: &Global, facts: &HostFacts, told: &mut dyn FnMut(&FleetId)) -> Result<Loaded, CliError> {
    let path = locate(global)?;
    let (text, canonical) = match read(&path)? {
        Read::Text(text, canonical) => (text, canonical),
        Read::TooLarge(size, canonical) => return Ok(too_large(shown(&path), size, canonical)),
    };
    Ok(load_with(text, shown(&path), canonical, &BTreeMap::new(), None, facts, told))
}

fn shown(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}

/// What stands at a roster's path, which is canonical here.
enum Read {
    Text(String, PathBuf),
    /// More bytes than are read.
    TooLarge(u64, PathBuf),
}

/// Loads the roster at `path`, shown under the name of its file.
pub fn load_path(path: &Path, facts: &HostFacts) -> Result<Loaded, CliError> {
    load_as(path, shown(path), facts)
}

/// Loads the roster at `path`, shown as `shown`.
pub fn load_as(path: &Path, shown: String, facts: &HostFacts) -> Result<Loaded, CliError> {
    Ok(match read(path)? {
        Read::Text(text, canonical) => load_text(text, shown, canonical, facts),
        Read::TooLarge(size, canonical) => too_large(shown, size, canonical),
    })
}

fn read(path: &Path) -> Result<Read, CliError> {
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
        return Ok(Read::TooLarge(metadata.len(), canonical));
    }
    let bytes = std::fs::read(&canonical).map_err(|error| cannot(error.to_string()))?;
    let text = String::from_utf8(bytes)
        .map_err(|error| cannot(format!("it is not UTF-8 text (byte {})", error.utf8_error().valid_up_to() + 1)))?;
    Ok(Read::Text(text, canonical))
}

/// Loads the roster on standard input. Its paths start at the current folder.
pub fn load_stdin(facts: &HostFacts) -> Result<Loaded, CliError> {
    let cannot = |what: String| CliError::failed(format!("cannot read standard input: {what}"), "");
    let mut bytes = Vec::new();
    let limit = scan::MAX_BYTES as u64;
    io::stdin().lock().take(limit + 1).read_to_end(&mut bytes).map_err(|error| cannot(error.to_string()))?;
    if bytes.len() as u64 > limit {
        return Ok(too_large("<stdin>".to_owned(), bytes.len() as u64, PathBuf::from("<stdin>")));
    }
    let text = String::from_utf8(bytes)
        .map_err(|error| cannot(format!("it is not UTF-8 text (byte {})", error.utf8_error().valid_up_to() + 1)))?;
    let folder = std::env::current_dir().map_err(|error| {
        CliError::failed(format!("the current folder cannot be used: {error}"), "change into a folder that exists")
    })?;
    Ok(load_text(text, "<stdin>".to_owned(), folder.join("<stdin>"), facts))
}

/// A roster that is not even read.
fn too_large(shown: String, size: u64, identity: PathBuf) -> Loaded {
    let mut sources = Sources::default();
    let file = sources.add(shown, "");
    let mut diagnostics = Diagnostics::default();
    let message = format!("the roster is at least {size} bytes long; the limit is {}", scan::MAX_BYTES);
    let help = "use `count=` for agents that are alike, and `defaults` and `role` for shared settings";
    let diagnostic = Diagnostic::error(Code::TooLarge, message).at(Span { file, start: 0, end: 0 }, "");
    diagnostics.report(diagnostic.help(help));
    let (inputs, touched, read) = (Inputs::default(), vec![identity], Kept::default());
    Loaded { sources, diagnostics, id: None, roster: None, inputs, fleet: None, files: Vec::new(), touched, read }
}

/// Loads `text`, which stands at `identity`.
fn load_text(text: String, shown: String, identity: PathBuf, facts: &HostFacts) -> Loaded {
    load_edited(text, shown, identity, &BTreeMap::new(), facts)
}

/// Loads a roster from what a generation kept of it.
pub fn load_kept(kept: &Kept, facts: &HostFacts) -> Loaded {
    let text = kept.texts.get(&kept.roster).cloned().unwrap_or_default();
    let shown = kept.roster.file_name().unwrap_or_default().to_string_lossy().into_owned();
    load_with(text, shown, kept.roster.clone(), &BTreeMap::new(), Some(kept), facts, &mut |_| {})
}

/// The same, with the texts of included files as they would be.
pub fn load_edited(
    text: String,
    shown: String,
    identity: PathBuf,
    edited: &BTreeMap<PathBuf, String>,
    facts: &HostFacts,
) -> Loaded {
    load_with(text, shown, identity, edited, None, facts, &mut |_| {})
}

fn load_with(
    text: String,
    shown: String,
    identity: PathBuf,
    edited: &BTreeMap<PathBuf, String>,
    kept: Option<&Kept>,
    facts: &HostFacts,
    told: &mut dyn FnMut(&FleetId),
) -> Loaded {
    let folder = identity.parent().unwrap_or(Path::new("/")).to_path_buf();
    let mut sources = Sources::default();
    let mut diagnostics = Diagnostics::default();
    let read = RefCell::new(Files::new(&identity, &text, kept));
    let mut inputs = Inputs { roster: identity.clone(), folder, ..Inputs::default() };
    let root = sources.add(shown, text);
    let mut folders = vec![(root, inputs.folder.clone())];
    let mut files = vec![(root, identity.clone())];
    let base = inputs.folder.clone();
    let mut reader = |wanted: &Wanted<'_>, file: FileId| {
        let from = folders.iter().find(|(known, _)| *known == wanted.from).map_or(&base, |(_, folder)| folder);
        let mut found = include(wanted, from, &base, facts, &mut read.borrow_mut())?;
        if let Some(text) = edited.get(&found.identity) {
            found.text.clone_from(text);
        }
        files.push((file, found.identity.clone()));
        folders.push((file, found.identity.parent().unwrap_or(Path::new("/")).to_path_buf()));
        Ok(found)
    };
    let roster = roster::read(root, identity, &mut sources, &mut reader, &mut diagnostics);
    inputs.folders.extend(folders);
    let mut disk = read.into_inner();
    let Some(roster) = roster else {
        let Files { touched, read, .. } = disk;
        return Loaded { sources, diagnostics, id: None, roster: None, inputs, fleet: None, files, touched, read };
    };
    let id = roster.id.as_ref().map(|id| id.value.clone());
    if let Some(id) = &id {
        told(id);
    }
    fill(&mut inputs, &roster, facts, &mut sources, &mut diagnostics, &mut disk);
    let fleet = resolve::resolve(&roster, &inputs, facts, &sources, &mut diagnostics);
    let Files { touched, read, .. } = disk;
    Loaded { sources, diagnostics, id, roster: Some(roster), inputs, fleet, files, touched, read }
}

/// Reads an included file: inside the roster's folder `base`, unless it is named by its absolute path.
fn include(
    wanted: &Wanted<'_>,
    from: &Path,
    base: &Path,
    facts: &HostFacts,
    files: &mut Files<'_>,
) -> Result<Found, Trouble> {
    let place = resolve::place(wanted.path, from, &facts.home);
    let shown = |path: &Path| {
        let inside = path.strip_prefix(base).ok().filter(|rest| !rest.as_os_str().is_empty());
        inside.unwrap_or(path).display().to_string()
    };
    let identity = match files.canonical(&place) {
        Ok(identity) => identity,
        Err(error) => {
            let what = format!("{}: {}", shown(&place), why(&error));
            let absent = error.kind() == io::ErrorKind::NotFound;
            return Err(if absent { Trouble::Absent(what) } else { Trouble::Unreadable(what) });
        }
    };
    let by_name = Path::new(wanted.path).is_absolute() || wanted.path.starts_with("~/");
    let home = base.canonicalize().unwrap_or_else(|_| base.to_path_buf());
    if !by_name && !identity.starts_with(&home) {
        return Err(Trouble::Outside(identity.display().to_string()));
    }
    let text = files.text(&identity).map_err(Trouble::Unreadable)?;
    Ok(Found { name: shown(&identity), identity, text })
}

/// Reads what the roster names: a file beside the roster wins over the built-in one.
fn fill(
    inputs: &mut Inputs,
    roster: &Roster,
    facts: &HostFacts,
    sources: &mut Sources,
    diagnostics: &mut Diagnostics,
    files: &mut Files<'_>,
) {
    inputs.defaults = defaults::nodes(sources);
    for name in resolve::role_names(roster) {
        let found = text_of("roles", name.as_str(), "md", builtin::ROLES, inputs, files);
        let (shown, text) = match found {
            Ok(Some(found)) => found,
            Ok(None) => continue,
            Err(why) => {
                let help = "put a text file there, or remove it: then the built-in role of that name counts";
                diagnostics.report(Diagnostic::error(Code::BadRoleFile, why).help(help));
                inputs.roles.insert(name, None);
                continue;
            }
        };
        let file = sources.add(shown, text.clone());
        inputs.folders.insert(file, inputs.folder.join("roles"));
        inputs.roles.insert(name, role_file::read(&text, file, diagnostics));
    }
    let needs = resolve::needs(roster, inputs, facts);
    for name in needs.runtimes {
        match text_of("runtimes", name.as_str(), "kdl", builtin::RUNTIMES, inputs, files) {
            Ok(Some((shown, text))) => drop(inputs.runtimes.insert(name, sources.add(shown, text))),
            Ok(None) => {}
            Err(why) => {
                let help = "put a text file there, or remove it: then the built-in runtime of that name counts";
                diagnostics.report(Diagnostic::error(Code::BadRuntimeFile, why).help(help));
                inputs.unreadable.insert(name);
            }
        }
    }
    for path in needs.prompts {
        files.touched.push(path.clone());
        let text = files.text(&path).map(|text| text.trim().to_owned());
        inputs.prompts.insert(path, text);
    }
}

/// A role or runtime file with the name people are shown.
fn text_of(
    kind: &str,
    name: &str,
    extension: &str,
    table: &'static [(&str, &str)],
    inputs: &Inputs,
    files: &mut Files<'_>,
) -> Result<Option<(String, String)>, String> {
    let relative = format!("{kind}/{name}.{extension}");
    let own = inputs.folder.join(&relative);
    // Whatever stands there was meant to win: it is used, or it is a mistake.
    if files.is_there(&own) {
        return match files.text(&own) {
            Ok(text) => Ok(Some((relative, text))),
            Err(_) if !files.is_plain(&own) => Err(format!("{relative} is not a plain file")),
            Err(why) => Err(format!("{relative} cannot be used: {}", why.rsplit(": ").next().unwrap_or(&why))),
        };
    }
    let text = builtin::find(table, name);
    let text = text.map(|text| if extension == "kdl" { condensed(text) } else { text.to_owned() });
    let Some(text) = files.built_in(&relative, text.as_deref()) else { return Ok(None) };
    Ok(Some((format!("built-in {relative}"), text)))
}
