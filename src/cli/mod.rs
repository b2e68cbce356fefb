//! The command line: parse, call one function, print, exit.

mod agents;
pub mod args;
mod commands;
mod conversations;
mod error;
mod facts;
mod files;
mod handover;
mod load;
mod looking;
mod selection;
mod supervised;
mod target;
mod ui;

use std::process::ExitCode;

use clap::Parser as _;

use args::{Args, Command};
use error::{CliError, Exit};
use ui::Ui;

/// Runs the program.
#[must_use]
pub fn run() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) if error.use_stderr() && commands::heartbeat::is_asked_for() => {
            // Whatever is wrong with it, no hook may fail its agent.
            let _ = error.print();
            return Exit::Ok.code();
        }
        Err(error) => {
            // Help and version are no mistakes; everything else is.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage.code() } else { Exit::Ok.code() };
        }
    };
    let ui = Ui::new();
    match dispatch(&args, &ui) {
        Ok(_) if ui.has_lost() => {
            ui.error(&CliError::failed(
                "the result could not be written to standard output",
                "look at where it goes",
            ));
            Exit::Failed.code()
        }
        Ok(exit) => exit.code(),
        Err(error) => {
            ui.error(&error);
            error.exit.code()
        }
    }
}

fn dispatch(args: &Args, ui: &Ui) -> Result<Exit, CliError> {
    let global = &args.global;
    match &args.command {
        Command::Init(_) if global.file.is_some() || global.fleet.is_some() => {
            let help = "write `fleet init FOLDER --id ID`; the file is always FOLDER/fleet.kdl";
            Err(CliError::usage("`init` takes neither --file nor --fleet", help))
        }
        Command::Init(args) => commands::init::run(ui, args),
        Command::Validate(args) => commands::validate::run(ui, global, args),
        Command::Fmt(args) => commands::fmt::run(ui, global, args),
        Command::Plan(args) => commands::plan::run(ui, global, args),
        Command::Apply(args) => commands::apply::run(ui, global, args),
        Command::Rollback(args) => commands::rollback::run(ui, global, args),
        Command::History(args) => commands::history::run(ui, global, args),
        Command::Show(args) => commands::show::run(ui, args),
        Command::Status(args) => commands::status::run(ui, global, args),
        Command::Attach(args) => commands::attach::run(ui, global, args),
        Command::View(args) => commands::view::run(ui, global, args),
        Command::Screen(args) => commands::screen::run(ui, global, args),
        Command::Send(args) => commands::send::run(ui, global, args),
        Command::Heartbeat(args) => Ok(commands::heartbeat::run(ui, args)),
        Command::Report(args) => commands::report::run(ui, args),
        Command::Logs(args) => commands::logs::run(ui, global, args),
        Command::Why(args) => commands::why::run(ui, global, args),
        Command::Events(args) => commands::events::run(ui, global, args),
        Command::Messages(args) => commands::messages::run(ui, global, args),
        Command::Digest(args) => commands::digest::run(ui, global, args),
        Command::Clear(args) => commands::clear::run(ui, global, args),
        Command::Propose(args) => commands::propose::run(ui, global, args),
        Command::Start(args) => commands::power::run(ui, global, args, crate::apply::power::Verb::Start),
        Command::Stop(args) => commands::power::run(ui, global, args, crate::apply::power::Verb::Stop),
        Command::Restart(args) => commands::power::run(ui, global, args, crate::apply::power::Verb::Restart),
        Command::Down(args) => {
            let all = args::Power { all: true, ..args.clone() };
            commands::power::run(ui, global, &all, crate::apply::power::Verb::Stop)
        }
        Command::Top => commands::top::run(ui, global),
        Command::Supervise => commands::supervise::run(global),
        Command::Doctor(args) => commands::doctor::run(ui, global, args),
        Command::Destroy(args) => commands::destroy::run(ui, global, args),
        Command::Add(args) => commands::edit::add(ui, global, args),
        Command::Remove(args) => commands::edit::remove(ui, global, args),
        Command::Rename(args) => commands::edit::rename(ui, global, args),
        Command::Migrate(args) => commands::edit::migrate(ui, global, args),
        Command::Render(args) => commands::render::run(ui, global, args),
        Command::Explain(args) => commands::explain::run(ui, args),
        Command::Schema(args) => commands::schema::run(ui, args),
        Command::Completions(args) => commands::manual::completions(ui, args),
        Command::Man(args) => commands::manual::man(ui, args),
        Command::Help(args) => commands::manual::help(ui, args),
        Command::Canary(args) => Ok(Exit::Other(crate::canary::run(&args.script))),
    }
}
