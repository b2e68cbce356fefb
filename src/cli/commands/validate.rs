//! `fleet validate`.

use std::path::Path;

use crate::cli::args::{Global, Validate};
use crate::cli::error::{CliError, Exit};
use crate::cli::load::Loaded;
use crate::cli::ui::Ui;
use crate::cli::{facts, load};
use crate::plan::show::plural;
use crate::resolve::{HostFacts, expand};

pub fn run(ui: &Ui, global: &Global, args: &Validate) -> Result<Exit, CliError> {
    let facts = facts::gather()?;
    if args.files.is_empty() {
        let loaded = load::load(global, &facts)?;
        return Ok(show(ui, args, &loaded, &facts));
    }
    let mut exit = Exit::Ok;
    for path in &args.files {
        // One that cannot be read does not hide what is wrong with the others.
        let loaded = if path == Path::new("-") {
            load::load_stdin(&facts)
        } else {
            load::load_as(path, path.display().to_string(), &facts)
        };
        let one = match loaded {
            Ok(loaded) => show(ui, args, &loaded, &facts),
            Err(error) => {
                ui.error(&error);
                error.exit
            }
        };
        if one != Exit::Ok {
            exit = Exit::Failed;
        }
    }
    Ok(exit)
}

/// What is to be said of one roster, and how it ends.
fn show(ui: &Ui, args: &Validate, loaded: &Loaded, facts: &HostFacts) -> Exit {
    if args.json {
        ui.diagnostics_json(&loaded.diagnostics, &loaded.sources);
    } else {
        ui.diagnostics(&loaded.diagnostics, &loaded.sources);
    }
    if args.list_files {
        loaded.touched.iter().for_each(|path| ui.out(&path.display().to_string()));
    }
    let (Some(fleet), Some(roster)) = (&loaded.fleet, &loaded.roster) else { return Exit::Failed };
    if args.expand && args.json {
        for agent in expand::data(roster, &loaded.inputs, facts, &loaded.sources) {
            ui.out(&ui.json_line(&agent));
        }
    } else if args.expand {
        ui.out(&expand::kdl(roster, &loaded.inputs, facts, &loaded.sources));
    } else if !args.json && !args.list_files {
        let which =
            if args.files.len() > 1 { format!(" ({})", loaded.sources.name(roster.file)) } else { String::new() };
        ui.out(&format!("Fleet {}{which} is valid: {}.", fleet.id, plural(fleet.agents.len(), "agent", "agents")));
    }
    if args.deny_warnings && !loaded.diagnostics.is_empty() {
        ui.note("There are warnings, and --deny-warnings takes them for errors.");
        return Exit::Failed;
    }
    Exit::Ok
}
