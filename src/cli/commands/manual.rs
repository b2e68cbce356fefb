//! `fleet help`, `fleet completions` and `fleet man`: all made from the arguments' own definitions and the schema table.

use clap::CommandFactory as _;
use clap::builder::PossibleValuesParser;
use clap_mangen::roff::{Inline, Roff, bold, italic, roman};

use crate::cli::args::{self, Args, Completions, Help, Man};
use crate::cli::error::{CliError, Exit, STATUSES};
use crate::cli::ui::Ui;
use crate::roster::reference;
use crate::roster::schema::{NodeSpec, nodes_in};
use crate::system::fs;

/// Commands that are fleet's own business, or other names of commands.
const INTERNAL: &[&str] = &["canary", "down"];

/// Every command that works, those that `fleet --help` leaves out included.
fn all() -> clap::Command {
    let names: Vec<String> = Args::command().get_subcommands().map(|command| command.get_name().to_owned()).collect();
    let mut all = Args::command();
    for name in names.iter().filter(|name| !INTERNAL.contains(&name.as_str())) {
        all = all.mut_subcommand(name, |command| command.hide(false));
    }
    let topics = PossibleValuesParser::new(args::topics());
    let all = all.mut_subcommand("explain", |explain| {
        explain.mut_arg("topic", |topic| topic.value_parser(topics).hide_possible_values(true))
    });
    all.after_help("`fleet help COMMAND` explains one.")
}

/// `fleet help`.
pub fn help(ui: &Ui, args: &Help) -> Result<Exit, CliError> {
    let mut command = if args.all || args.command.is_some() { all() } else { Args::command() };
    command.build();
    let text = match &args.command {
        None => command.render_help(),
        Some(name) => match command.find_subcommand_mut(name) {
            Some(found) => found.render_long_help(),
            None => {
                let known: Vec<String> =
                    command.get_subcommands().filter(|c| !c.is_hide_set()).map(|c| c.get_name().to_owned()).collect();
                let near = crate::diagnostic::suggest::did_you_mean(name, known.iter().map(String::as_str));
                return Err(CliError::usage(format!("there is no command `{name}`"), near.unwrap_or_default()));
            }
        },
    };
    ui.out(&text.to_string());
    Ok(Exit::Ok)
}

/// `fleet completions`.
#[expect(clippy::unnecessary_wraps, reason = "every command has this shape")]
pub fn completions(ui: &Ui, args: &Completions) -> Result<Exit, CliError> {
    let mut out = Vec::new();
    clap_complete::generate(args.shell, &mut all(), "fleet", &mut out);
    ui.out(&String::from_utf8_lossy(&out));
    Ok(Exit::Ok)
}

/// `fleet man`.
pub fn man(ui: &Ui, args: &Man) -> Result<Exit, CliError> {
    let pages = pages();
    let Some(folder) = &args.out else {
        ui.out(&pages[0].1);
        return Ok(Exit::Ok);
    };
    if !folder.is_dir() {
        let message = format!("{} is not a folder", folder.display());
        return Err(CliError::failed(message, "make it first"));
    }
    for (name, text) in &pages {
        fs::write_atomic(&folder.join(name), text.as_bytes(), 0o644)?;
    }
    ui.out(&format!("Wrote {} pages into {}.", pages.len(), folder.display()));
    Ok(Exit::Ok)
}

/// Every page: its file's name and its text. The first one is fleet(1).
fn pages() -> Vec<(String, String)> {
    let mut command = all();
    command.build();
    let mut pages = vec![("fleet.1".to_owned(), page(command.clone()))];
    for found in command.get_subcommands().filter(|command| !command.is_hide_set()) {
        let name = format!("fleet-{}", found.get_name());
        // clap wants names that live as long as the program; there are a few dozen of them.
        let leaked: &'static str = Box::leak(name.clone().into_boxed_str());
        pages.push((format!("{name}.1"), page(found.clone().name(leaked))));
    }
    pages.push(("fleet.kdl.5".to_owned(), language()));
    pages
}

fn page(command: clap::Command) -> String {
    let mut out = Vec::new();
    // Writing into memory cannot fail.
    let _ = clap_mangen::Man::new(command)
        .manual("fleet")
        .source(concat!("fleet ", env!("CARGO_PKG_VERSION")))
        .render(&mut out);
    String::from_utf8_lossy(&out).into_owned() + &exit_status()
}

/// The section that every command has in common.
fn exit_status() -> String {
    let mut roff = Roff::new();
    roff.control("SH", ["EXIT STATUS"]);
    for (number, text) in STATUSES {
        roff.control("TP", []);
        roff.text([bold(*number)]);
        roff.text([roman(text.replace('`', ""))]);
    }
    roff.render()
}

/// fleet.kdl(5): the roster language.
fn language() -> String {
    let mut roff = Roff::new();
    roff.control("TH", ["fleet.kdl", "5", "", concat!("fleet ", env!("CARGO_PKG_VERSION")), "fleet"]);
    roff.control("SH", ["NAME"]);
    roff.text([roman("fleet.kdl \u{2014} the roster of a fleet of coding agents")]);
    roff.control("SH", ["DESCRIPTION"]);
    roff.text([roman(
        "A roster is written in KDL version 2. Texts, durations, sizes and paths stand in quotes; yes and no are #true and #false. \
         Paths are relative to the folder of the file they stand in. Nodes marked \"checked\" or \"preview\" are read and checked, \
         and nothing acts on them yet.",
    )]);
    for (title, scopes, text) in reference::CHAPTERS {
        roff.control("SH", [title.replace('`', "").to_uppercase().as_str()]);
        if !text.is_empty() {
            roff.text([roman(text.replace('`', ""))]);
        }
        for scope in *scopes {
            nodes_in(&[*scope]).for_each(|spec| entry(spec, &mut roff));
        }
    }
    roff.control("SH", ["SEE ALSO"]);
    roff.text([bold("fleet"), roman("(1)")]);
    roff.to_roff()
}

fn entry(spec: &NodeSpec, roff: &mut Roff) {
    roff.control("TP", []);
    roff.text([bold(spec.usage())]);
    let mut lines: Vec<Inline> = vec![roman(spec.doc.replace('`', ""))];
    let words = [spec.effect.word(), reference::status_word(spec.status)];
    for word in words.into_iter().filter(|word| !word.is_empty()) {
        lines.push(roman(" ["));
        lines.push(italic(word));
        lines.push(roman("]"));
    }
    roff.text(lines);
    for property in spec.properties {
        roff.control("br", []);
        let what = format!(" {} ({})", property.doc.replace('`', ""), property.kind.describe().replace('`', ""));
        roff.text([italic(format!("{}=", property.name)), roman(what)]);
    }
    if let Some(default) = reference::default_of(spec) {
        roff.control("br", []);
        roff.text([roman(format!("default: {default}"))]);
    }
}
