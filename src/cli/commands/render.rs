//! `fleet render`.

use std::path::{Path, PathBuf};

use crate::cli::args::{Global, Manager, Render};
use crate::cli::error::{CliError, Exit};
use crate::cli::ui::Ui;
use crate::cli::{facts, load};
use crate::diagnostic::suggest;
use crate::ids::AgentName;
use crate::plan::show::plural;
use crate::render::{self, Artifact, Owner, Target};
use crate::resolve::Fleet;
use crate::system::fs;

pub fn run(ui: &Ui, global: &Global, args: &Render) -> Result<Exit, CliError> {
    let facts = facts::gather()?;
    let loaded = load::load(global, &facts)?;
    ui.diagnostics(&loaded.diagnostics, &loaded.sources);
    let Some(fleet) = &loaded.fleet else {
        return Err(CliError::failed("the roster has mistakes; nothing was rendered", ""));
    };
    let systemd = match args.manager {
        Manager::Systemd => Some(args.systemd),
        Manager::Local => None,
    };
    let artifacts = render::render(fleet, Target { systemd });
    match (&args.stdout, &args.out) {
        (Some(name), _) => print(ui, fleet, &artifacts, name),
        (None, Some(folder)) => write(ui, fleet, &artifacts, folder),
        (None, None) => Err(CliError::usage("where to?", "write --out FOLDER or --stdout AGENT")),
    }
}

/// The files of one agent, each below its path.
fn print(ui: &Ui, fleet: &Fleet, artifacts: &[Artifact], name: &str) -> Result<Exit, CliError> {
    let known = AgentName::new(name).ok().filter(|name| fleet.agent(name).is_some());
    let Some(agent) = known else {
        let names: Vec<_> = fleet.agents.iter().map(|agent| agent.name.as_str()).collect();
        let help = suggest::did_you_mean(name, names).unwrap_or_default();
        return Err(CliError::failed(format!("fleet {} has no agent `{}`", fleet.id, name.escape_debug()), help));
    };
    for artifact in artifacts.iter().filter(|artifact| artifact.owner == Owner::Agent(agent.clone())) {
        ui.out(&format!("==== {}\n{}", artifact.path.display(), artifact.text));
    }
    Ok(Exit::Ok)
}

/// Every file below `folder`: `units/…`, and `state/…` for what lies in the state folder.
fn write(ui: &Ui, fleet: &Fleet, artifacts: &[Artifact], folder: &Path) -> Result<Exit, CliError> {
    if folder.exists() && !folder.is_dir() {
        return Err(CliError::failed(format!("{} is not a folder", folder.display()), "name another"));
    }
    let mut written = 0;
    for artifact in artifacts {
        let path = folder.join(inside(fleet, &artifact.path));
        if std::fs::read(&path).is_ok_and(|bytes| bytes == artifact.text.as_bytes()) {
            continue;
        }
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(|error| {
                CliError::failed(format!("cannot make the folder {}: {error}", parent.display()), "name another")
            })?;
        }
        fs::write_atomic(&path, artifact.text.as_bytes(), artifact.mode())?;
        written += 1;
    }
    let unchanged = artifacts.len() - written;
    ui.out(&format!(
        "{} of fleet {} in {}: {written} written, {unchanged} unchanged.",
        plural(artifacts.len(), "file", "files"),
        fleet.id,
        folder.display()
    ));
    Ok(Exit::Ok)
}

fn inside(fleet: &Fleet, path: &Path) -> PathBuf {
    if let Ok(rest) = path.strip_prefix(&fleet.paths.state) {
        return Path::new("state").join(rest);
    }
    Path::new("units").join(path.file_name().unwrap_or_default())
}
