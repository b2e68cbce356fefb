//! `fleet add`, `fleet remove`, `fleet rename`, `fleet migrate`: changes of the roster's text, compiled before they are
//! written.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::apply::state::State;
use crate::cli::args::{Add, Global, Kind, Migrate, Remove, Rename};
use crate::cli::error::{CliError, Exit};
use crate::cli::load::{self, Loaded};
use crate::cli::ui::Ui;
use crate::cli::{facts, target};
use crate::diagnostic::suggest;
use crate::ids::{AgentName, RoleName, RuntimeName};
use crate::resolve::{HostFacts, Paths};
use crate::roster::change;
use crate::roster::model::AgentNode;
use crate::roster::syntax::edit::quote;
use crate::system::fs;

/// One of the roster's files, as it is and as it will be.
struct Edited {
    path: PathBuf,
    shown: String,
    before: String,
    after: String,
}

/// `fleet add`.
pub fn add(ui: &Ui, global: &Global, args: &Add) -> Result<Exit, CliError> {
    let facts = facts::gather()?;
    let loaded = sound(ui, global, &facts)?;
    let name = new_name(&loaded, &args.name)?;
    let into = match &args.into {
        None => loaded.files.first().map(|(_, path)| path.clone()),
        Some(wanted) => {
            let wanted = wanted.canonicalize().unwrap_or_else(|_| wanted.clone());
            loaded.files.iter().map(|(_, path)| path.clone()).find(|path| *path == wanted)
        }
    };
    let Some(into) = into else {
        let known: Vec<_> = loaded.files.iter().map(|(file, _)| loaded.sources.name(*file)).collect();
        let help = format!("name one of {}, or `include` the file first", suggest::list(&known));
        return Err(CliError::failed("the file is not part of this roster", help));
    };
    let node = node(&name, args)?;
    finish(
        ui,
        &facts,
        &loaded,
        args.dry_run,
        |path, text| {
            if path == into { change::add(text, &node) } else { text.to_owned() }
        },
    )
}

/// The lines of a new agent.
fn node(name: &AgentName, args: &Add) -> Result<String, CliError> {
    let (word, role) = match args.kind {
        Kind::Agent if args.role.is_none() => {
            return Err(CliError::usage("an agent needs a role", "add --role ROLE, such as --role coder"));
        }
        Kind::Agent => ("agent", args.role.as_deref()),
        kind if args.role.is_some() => {
            let word = if kind == Kind::Enhancer { "enhancer" } else { "orchestrator" };
            return Err(CliError::usage(format!("an {word} has its role by nature"), "leave --role out"));
        }
        Kind::Orchestrator => ("orchestrator", None),
        Kind::Enhancer => ("enhancer", None),
    };
    let bad = |what: &str, text: &str, error: crate::ids::NameError| {
        CliError::usage(format!("`{}` is not the name of a {what}: {error}", text.escape_debug()), "")
    };
    let mut lines = Vec::new();
    if let Some(role) = role {
        RoleName::new(role).map_err(|error| bad("role", role, error))?;
        lines.push(format!("role {}", quote(role)));
    }
    if let Some(runtime) = &args.runtime {
        RuntimeName::new(runtime).map_err(|error| bad("runtime", runtime, error))?;
        let model = args.model.as_ref().map(|model| format!(" model={}", quote(model))).unwrap_or_default();
        lines.push(format!("runtime {}{model}", quote(runtime)));
    }
    if !args.after.is_empty() {
        let words: Vec<_> = args.after.iter().map(|name| quote(name)).collect();
        lines.push(format!("after {}", words.join(" ")));
    }
    lines.extend(args.dir.as_ref().map(|dir| format!("dir {}", quote(dir))));
    let count = args.count.map(|count| format!(" count={count}")).unwrap_or_default();
    let head = format!("{word} {}{count}", quote(name.as_str()));
    let lines: Vec<_> = lines.iter().map(|line| format!("    {line}\n")).collect();
    Ok(if lines.is_empty() { head } else { format!("{head} {{\n{}}}", lines.concat()) })
}

/// `fleet remove`.
pub fn remove(ui: &Ui, global: &Global, args: &Remove) -> Result<Exit, CliError> {
    let facts = facts::gather()?;
    let loaded = sound(ui, global, &facts)?;
    let mut names = BTreeSet::new();
    for name in &args.names {
        let agent = declared(&loaded, name)?;
        names.insert(agent.name.value.to_string());
        names.extend(instances(agent));
    }
    finish(ui, &facts, &loaded, args.dry_run, |_, text| change::remove(text, &names))
}

/// `fleet rename`.
pub fn rename(ui: &Ui, global: &Global, args: &Rename) -> Result<Exit, CliError> {
    let facts = facts::gather()?;
    let loaded = sound(ui, global, &facts)?;
    let agent = declared(&loaded, &args.old)?;
    let new = new_name(&loaded, &args.new)?;
    let mut names = vec![(args.old.clone(), new.to_string())];
    names.extend(instances(agent).map(|old| {
        let number = old.rsplit('-').next().unwrap_or_default().to_owned();
        (old, format!("{new}-{number}"))
    }));
    let applied = is_applied(&loaded, &facts, &names)?;
    finish(ui, &facts, &loaded, args.dry_run, |_, text| {
        let renamed = change::rename(text, &names);
        // What was never applied has no worktree and no logs to keep.
        if applied { change::set_former_name(&renamed, new.as_str(), &args.old) } else { renamed }
    })
}

/// Whether the machine knows one of the agents by its old name.
fn is_applied(loaded: &Loaded, facts: &HostFacts, names: &[(String, String)]) -> Result<bool, CliError> {
    let Some(id) = &loaded.id else { return Ok(false) };
    let ledger = State::new(id.clone(), Paths::new(id, facts)).ledger()?;
    let known = |name: &str| ledger.as_ref().is_some_and(|ledger| ledger.agents.contains_key(name));
    Ok(names.iter().any(|(old, _)| known(old)))
}

/// `fleet migrate`.
pub fn migrate(ui: &Ui, global: &Global, args: &Migrate) -> Result<Exit, CliError> {
    let facts = facts::gather()?;
    let path = match (&global.fleet, &global.file) {
        (Some(id), None) => target::applied(id, &facts)?.ledger.roster,
        _ => load::locate(global)?,
    };
    let loaded = load::load_path(&path, &facts)?;
    if loaded.files.is_empty() {
        ui.diagnostics(&loaded.diagnostics, &loaded.sources);
        return Ok(Exit::Failed);
    }
    let edited = edit(&loaded, |_, text| change::migrate(text));
    let after = compile(&loaded, &edited, &facts);
    show(ui, &edited);
    if !args.dry_run {
        write(ui, &edited)?;
    }
    ui.diagnostics(&after.diagnostics, &after.sources);
    if edited.iter().all(|file| file.before == file.after) {
        ui.out("Nothing to migrate.");
    }
    Ok(if after.diagnostics.has_errors() { Exit::Failed } else { Exit::Ok })
}

/// The roster of this run, which has no mistakes: a change of a wrong one cannot be told from its mistakes.
fn sound(ui: &Ui, global: &Global, facts: &HostFacts) -> Result<Loaded, CliError> {
    let loaded = match (&global.fleet, &global.file) {
        (Some(id), None) => load::load_path(&target::applied(id, facts)?.ledger.roster, facts)?,
        _ => load::load(global, facts)?,
    };
    if loaded.fleet.is_none() {
        ui.diagnostics(&loaded.diagnostics, &loaded.sources);
        return Err(CliError::failed("the roster has mistakes, so it was not changed", "put them right first"));
    }
    Ok(loaded)
}

fn agents(loaded: &Loaded) -> &[AgentNode] {
    loaded.roster.as_ref().map_or(&[], |roster| &roster.agents)
}

/// The names that `count=` makes.
fn instances(agent: &AgentNode) -> impl Iterator<Item = String> {
    (1..=agent.count.unwrap_or(0)).map(|number| format!("{}-{number}", agent.name.value))
}

fn declared<'a>(loaded: &'a Loaded, name: &str) -> Result<&'a AgentNode, CliError> {
    let agents = agents(loaded);
    if let Some(agent) = agents.iter().find(|agent| agent.name.value.as_str() == name) {
        return Ok(agent);
    }
    if let Some(group) = agents.iter().find(|agent| instances(agent).any(|instance| instance == name)) {
        let message =
            format!("`{name}` is one of the group `{}`, which the roster declares as a whole", group.name.value);
        return Err(CliError::failed(message, "change its `count=` by hand, or name the group"));
    }
    let help = suggest::did_you_mean(name, agents.iter().map(|agent| agent.name.value.as_str())).unwrap_or_default();
    Err(CliError::failed(format!("the roster declares no agent `{}`", name.escape_debug()), help))
}

/// A name that is one, and is free.
fn new_name(loaded: &Loaded, text: &str) -> Result<AgentName, CliError> {
    let name = AgentName::new(text).map_err(|error| {
        let help = "write lower-case letters, digits and `-`, at most 32 of them, a letter first";
        CliError::usage(format!("`{}` is not the name of an agent: {error}", text.escape_debug()), help)
    })?;
    let taken = agents(loaded)
        .iter()
        .find(|agent| agent.name.value == name || instances(agent).any(|instance| instance == name.as_str()));
    match taken {
        None => Ok(name),
        Some(agent) => {
            let place = loaded.sources.place(agent.name.span);
            Err(CliError::failed(format!("the name `{name}` is taken ({place})"), "choose another"))
        }
    }
}

fn edit(loaded: &Loaded, change: impl Fn(&Path, &str) -> String) -> Vec<Edited> {
    let files = loaded.files.iter().map(|(file, path)| {
        let before = loaded.sources.text(*file).to_owned();
        let (shown, after) = (loaded.sources.name(*file).to_owned(), change(path, &before));
        Edited { path: path.clone(), shown, before, after }
    });
    files.collect()
}

/// What the roster would be.
fn compile(loaded: &Loaded, edited: &[Edited], facts: &HostFacts) -> Loaded {
    let texts: BTreeMap<PathBuf, String> =
        edited.iter().map(|file| (file.path.clone(), file.after.clone())).collect();
    let root = &edited[0];
    load::load_edited(
        root.after.clone(),
        loaded.sources.name(loaded.files[0].0).to_owned(),
        root.path.clone(),
        &texts,
        facts,
    )
}

/// Changes every file, compiles the result, and writes it when it is a roster.
fn finish(
    ui: &Ui,
    facts: &HostFacts,
    loaded: &Loaded,
    dry_run: bool,
    change: impl Fn(&Path, &str) -> String,
) -> Result<Exit, CliError> {
    let edited = edit(loaded, change);
    let after = compile(loaded, &edited, facts);
    show(ui, &edited);
    if after.diagnostics.has_errors() {
        ui.diagnostics(&after.diagnostics, &after.sources);
        return Err(CliError::refused(
            "the roster would have mistakes after this change, so nothing was written",
            "make the change by hand, together with what it needs",
        ));
    }
    if dry_run {
        return Ok(Exit::Ok);
    }
    write(ui, &edited)?;
    ui.out("`fleet plan` shows what this changes on the machine.");
    Ok(Exit::Ok)
}

fn show(ui: &Ui, edited: &[Edited]) {
    for file in edited.iter().filter(|file| file.before != file.after) {
        ui.out(&super::diff(&file.before, &file.after, &file.shown, &file.shown));
    }
}

fn write(ui: &Ui, edited: &[Edited]) -> Result<(), CliError> {
    let changed: Vec<&Edited> = edited.iter().filter(|file| file.before != file.after).collect();
    for (index, file) in changed.iter().enumerate() {
        if let Err(error) = write_one(file) {
            // Half a change is a roster that names what is not there: the files before this one go back to what they were.
            let back = changed[..index].iter().all(|file| restore(file));
            let exit = if back { error.exit } else { Exit::Partial };
            let help = if back { "nothing was changed" } else { "some files were changed: look at them" };
            return Err(CliError::new(exit, error.message, help));
        }
    }
    for file in changed {
        ui.out(&format!("Wrote {}.", file.shown));
    }
    Ok(())
}

fn restore(file: &Edited) -> bool {
    let mode = std::fs::metadata(&file.path).map(|metadata| metadata.permissions().mode() & 0o7777);
    mode.is_ok_and(|mode| fs::write_atomic(&file.path, file.before.as_bytes(), mode).is_ok())
}

fn write_one(file: &Edited) -> Result<(), CliError> {
    {
        let cannot = |what: String| CliError::failed(format!("cannot write {}: {what}", file.shown), "");
        let now = std::fs::read_to_string(&file.path).map_err(|error| cannot(error.to_string()))?;
        if now != file.before {
            return Err(CliError::failed(
                format!("{} has changed in the meantime, so it was not written", file.shown),
                "run the command again",
            ));
        }
        let metadata = std::fs::metadata(&file.path).map_err(|error| cannot(error.to_string()))?;
        fs::write_atomic(&file.path, file.after.as_bytes(), metadata.permissions().mode() & 0o7777)?;
    }
    Ok(())
}
