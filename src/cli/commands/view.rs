//! `fleet view`.

use std::io::IsTerminal as _;
use std::os::unix::process::CommandExt as _;

use crate::apply::view::{Place, Shown, View};
use crate::cli::args::{self, Global};
use crate::cli::error::{CliError, Exit};
use crate::cli::target::{self, Target};
use crate::cli::ui::Ui;
use crate::plan::show::plural;
use crate::system::tmux::Server;

pub fn run(ui: &Ui, global: &Global, args: &args::View) -> Result<Exit, CliError> {
    let target = target::find(global)?;
    // In the view itself there is nothing to nest: its windows are brought up to date under the person's eyes.
    let (around, is_inside) = (around(), is_inside(&target));
    let place = place(args, around.filter(|_| !is_inside), is_inside)?;
    if args.kill {
        return kill(ui, &target, place, args.json);
    }
    let attach = place == Place::Own && !is_inside && !args.no_attach && !args.json;
    let view = View::open(&target.state, place)?;
    let shown = view.show(target.ledger.manager)?;
    drop(view);
    if args.json {
        ui.out(&json(&target, &shown).to_string());
        return Ok(Exit::Ok);
    }
    if attach && std::io::stdin().is_terminal() && std::io::stdout().is_terminal() {
        let error = shown.server.attach(&shown.session).exec();
        return Err(CliError::failed(format!("tmux could not be run: {error}"), ""));
    }
    ui.out(&text(&shown));
    if attach {
        ui.note("There is no terminal here to show them on: `fleet view` in one does.");
    }
    Ok(Exit::Ok)
}

/// The tmux server that this command was started in.
fn around() -> Option<Server> {
    std::env::var("TMUX").ok().and_then(|value| Server::of_variable(&value))
}

/// Whether this command was started in the fleet's own view, and ends with it.
pub(super) fn is_inside(target: &Target) -> bool {
    around().is_some_and(|server| server.socket == target.state.paths.view_socket())
}

/// Where the windows shall be.
fn place(args: &args::View, around: Option<Server>, is_inside: bool) -> Result<Place, CliError> {
    match around {
        Some(server) if args.here => {
            let pane = std::env::var("TMUX_PANE").unwrap_or_default();
            let session = server.session_of(&pane).map_err(|error| {
                CliError::failed(
                    format!("the tmux around this command does not answer: {error}"),
                    "leave it, then run `fleet view`",
                )
            })?;
            Ok(Place::Here { socket: server.socket, session })
        }
        None if args.here && !is_inside => Err(CliError::refused(
            "--here is for a command inside tmux, and this one is in none; nothing was changed",
            "`fleet view` opens a tmux of fleet's own",
        )),
        Some(_) if !args.no_attach && !args.json && !args.kill => Err(CliError::refused(
            "this is inside tmux already, and a tmux within a tmux helps nobody; nothing was changed",
            "`fleet view --here` makes the windows in this tmux; `fleet view --no-attach` makes them on fleet's own server",
        )),
        _ => Ok(Place::Own),
    }
}

fn kill(ui: &Ui, target: &Target, place: Place, json: bool) -> Result<Exit, CliError> {
    let closed = View::open(&target.state, place)?.close(&target.manager()?)?;
    if json {
        ui.out(&serde_json::json!({ "format": 1, "fleet": target.ledger.fleet, "closed": closed }).to_string());
    } else if closed == 0 {
        ui.out("There was no view.");
    } else {
        ui.out(&format!("Closed {}; the agents go on.", plural(closed, "window", "windows")));
    }
    Ok(Exit::Ok)
}

fn json(target: &Target, shown: &Shown) -> serde_json::Value {
    let windows: Vec<_> = shown
        .windows
        .iter()
        .map(|window| {
            let panes: Vec<_> =
                window.panes.iter().map(|pane| serde_json::json!({ "id": pane.id, "agent": pane.agent })).collect();
            serde_json::json!({ "id": window.id, "title": window.title, "panes": panes })
        })
        .collect();
    serde_json::json!({
        "format": 1,
        "fleet": target.ledger.fleet,
        "socket": shown.server.socket,
        "session": shown.session,
        "started": shown.started,
        "windows": windows,
        "changes": shown.steps,
    })
}

fn text(shown: &Shown) -> String {
    let mut lines = Vec::new();
    for window in &shown.windows {
        let agents: Vec<&str> = window.panes.iter().filter_map(|pane| pane.agent.as_deref()).collect();
        let title: String = window.title.chars().filter(|c| !crate::diagnostic::acts(*c)).collect();
        lines.push(format!("{title}: {}", agents.join(", ")));
    }
    lines.push(match (shown.started, shown.steps.len()) {
        (true, _) => format!("Opened {}.", plural(shown.windows.len(), "window", "windows")),
        (false, 0) => "The windows are as the layout says.".to_owned(),
        (false, count) => format!("Made {}.", plural(count, "change", "changes")),
    });
    lines.join("\n")
}
