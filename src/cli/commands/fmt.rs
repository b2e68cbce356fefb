//! `fleet fmt`.

use std::fs::Permissions;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::cli::args::{Fmt, Global};
use crate::cli::error::{CliError, Exit};
use crate::cli::ui::Ui;
use crate::cli::{facts, load, target};
use crate::diagnostic::{Diagnostics, Sources};
use crate::roster::syntax::format::{format, same_meaning};
use crate::roster::{document, scan, secrets};
use crate::system::fs;

/// What standard input is called.
const STDIN: &str = "<stdin>";

/// A text to format.
struct Source {
    /// As people are told.
    shown: String,
    text: String,
    /// Where it came from, without links. `None` for standard input.
    file: Option<(PathBuf, Permissions)>,
}

/// What came of one text.
#[derive(Clone, Copy, PartialEq)]
enum Outcome {
    Same,
    Differs,
    /// It was left alone, and was said why.
    Failed,
}

pub fn run(ui: &Ui, global: &Global, args: &Fmt) -> Result<Exit, CliError> {
    let mut outcomes = Vec::new();
    for path in paths(global, args)? {
        let outcome = read(&path).and_then(|source| one(ui, args, &source));
        outcomes.push(outcome.unwrap_or_else(|error| {
            ui.error(&error);
            Outcome::Failed
        }));
    }
    let differs = outcomes.contains(&Outcome::Differs);
    if differs && args.check {
        ui.note("Not formatted; `fleet fmt` puts it right.");
    }
    let silent = args.check || args.diff || args.files.iter().any(|path| is_stdin(path));
    if !silent && outcomes.iter().all(|outcome| *outcome == Outcome::Same) {
        ui.out("Nothing to change.");
    }
    let failed = outcomes.contains(&Outcome::Failed) || (differs && args.check);
    Ok(if failed { Exit::Failed } else { Exit::Ok })
}

/// The files named, else the roster.
fn paths(global: &Global, args: &Fmt) -> Result<Vec<PathBuf>, CliError> {
    if !args.files.is_empty() {
        if global.file.is_some() || global.fleet.is_some() {
            return Err(CliError::usage("files were named twice", "leave out --file and --fleet"));
        }
        return Ok(args.files.clone());
    }
    if let (Some(id), None) = (&global.fleet, &global.file) {
        return Ok(vec![target::applied(id, &facts::gather()?)?.ledger.roster]);
    }
    Ok(vec![load::locate(global)?])
}

fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

fn read(path: &Path) -> Result<Source, CliError> {
    let stdin = is_stdin(path);
    let shown = if stdin { STDIN.to_owned() } else { shown(path) };
    let cannot = |what: String| CliError::failed(format!("cannot format {shown}: {what}"), "");
    let fail = |error: std::io::Error| cannot(error.to_string());
    let cap = scan::MAX_BYTES as u64 + 1;
    let mut bytes = Vec::new();
    let file = if stdin {
        std::io::stdin().lock().take(cap).read_to_end(&mut bytes).map_err(fail)?;
        None
    } else {
        let canonical = path.canonicalize().map_err(fail)?;
        let metadata = canonical.metadata().map_err(fail)?;
        if !metadata.is_file() {
            return Err(cannot("it is not a plain file".to_owned()));
        }
        let file = std::fs::File::open(&canonical).map_err(fail)?;
        file.take(cap).read_to_end(&mut bytes).map_err(fail)?;
        Some((canonical, metadata.permissions()))
    };
    if bytes.len() > scan::MAX_BYTES {
        return Err(cannot(format!("it has more than {} bytes (F0101)", scan::MAX_BYTES)));
    }
    let text = String::from_utf8(bytes)
        .map_err(|error| cannot(format!("it is not UTF-8 text (byte {})", error.utf8_error().valid_up_to() + 1)))?;
    Ok(Source { shown, text, file })
}

/// The path as seen from the current folder.
fn shown(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(here).unwrap_or(path).display().to_string()
}

fn one(ui: &Ui, args: &Fmt, source: &Source) -> Result<Outcome, CliError> {
    let Some(formatted) = formatted(ui, source)? else { return Ok(Outcome::Failed) };
    let differs = formatted != source.text;
    if args.diff && differs {
        let name = &source.shown;
        ui.out(&super::diff(&source.text, &formatted, name, &format!("{name} (formatted)")));
    } else if args.check && differs {
        ui.out(&source.shown);
    }
    match &source.file {
        _ if args.check || args.diff => {}
        None if formatted.is_empty() => {}
        None => ui.out(&formatted),
        Some((path, permissions)) if differs => {
            fs::write_atomic(path, formatted.as_bytes(), permissions.mode() & 0o7777)?;
            ui.out(&format!("Formatted {}.", source.shown));
        }
        Some(_) => {}
    }
    Ok(if differs { Outcome::Differs } else { Outcome::Same })
}

/// The text as it should be. `None` when it is no KDL, which was then said.
fn formatted(ui: &Ui, source: &Source) -> Result<Option<String>, CliError> {
    let mut sources = Sources::default();
    let file = sources.add(&source.shown, &source.text);
    let parse = |text: &str, diagnostics: &mut Diagnostics| document::parse(text, file, diagnostics);
    let mut diagnostics = Diagnostics::default();
    let before = parse(&source.text, &mut diagnostics);
    let Some(before) = before.filter(|_| !diagnostics.has_errors()) else {
        // Once more, now that excerpts will be shown: they must not show what looks like a secret.
        let mut diagnostics = Diagnostics::default();
        secrets::find(&source.text, file, &mut diagnostics);
        parse(&source.text, &mut diagnostics);
        ui.diagnostics(&diagnostics, &sources);
        return Ok(None);
    };
    let formatted = format(&source.text);
    let after = parse(&formatted, &mut diagnostics);
    // The tests hold this for random rosters; a roster that somebody wrote is worth a look of its own.
    if !after.is_some_and(|after| same_meaning(&before.nodes, &after.nodes)) {
        let message = format!("{} was left alone: formatted, it would mean something else", source.shown);
        return Err(CliError::failed(message, "this is a mistake of fleet's: please report it with the file"));
    }
    Ok(Some(formatted))
}
