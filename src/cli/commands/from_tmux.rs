//! `fleet init --from-tmux`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::init::{self, Place};
use crate::adopt::conversation::{self, Known};
use crate::adopt::recognise::{self, Process, Running, Table};
use crate::adopt::{self, Adoption, Apart, Pane, Sighting};
use crate::cli::args::Init;
use crate::cli::error::{CliError, Exit};
use crate::cli::ui::Ui;
use crate::cli::{conversations, facts};
use crate::resolve::place;
use crate::system::tmux::{self, TmuxError};
use crate::system::{fs, proc};

/// Panes named in an error.
const NAMED: usize = 12;

pub fn run(ui: &Ui, args: &Init, at: &Place) -> Result<Exit, CliError> {
    let home = facts::gather()?.home;
    // As the kernel writes it in /proc/PID/cwd.
    let home = home.canonicalize().unwrap_or(home);
    ui.step("asking tmux");
    let panes = panes(args)?;
    let table = table(&panes);
    let (running, mut apart) = recognise::look(&panes, &table);
    let mut seen = Vec::new();
    for one in running {
        match sighting(one, &at.folder, &home) {
            Ok(sighting) => seen.push(sighting),
            Err(left) => apart.push(left),
        }
    }
    if seen.is_empty() {
        return Err(nothing(&panes, &table, &apart));
    }
    ui.step("looking for conversations");
    let seen = with_conversations(seen, &home);
    let mut adoption = Adoption::new(at.id.clone(), seen);
    adoption.apart = apart;
    let found = init::installed();
    let names: Vec<&str> = adoption.agents.iter().map(|agent| agent.seen.cli.name).collect();
    adoption.path = init::folders(&names, &found.clis, found.node.as_deref());
    adoption.missing = recognise::CLIS
        .iter()
        .map(|cli| cli.name)
        .filter(|name| names.contains(name) && !found.clis.contains_key(name))
        .collect();
    let text = adopt::text(&adoption);
    let report = adopt::report(&adoption, &home);
    if args.dry_run {
        ui.out(&text);
        ui.note(&report);
        return Ok(Exit::Ok);
    }
    fs::write_atomic(&at.path, text.as_bytes(), 0o644)?;
    let count = crate::plan::show::plural(adoption.agents.len(), "agent", "agents");
    let head =
        format!("Wrote {} (fleet {}): {count} from tmux, an orchestrator and an enhancer.", at.path.display(), at.id);
    ui.out(&format!("{head}\n\n{report}\nNext: read the roster, then `fleet plan`."));
    Ok(Exit::Ok)
}

fn panes(args: &Init) -> Result<Vec<Pane>, CliError> {
    let socket = args.tmux_socket.as_deref();
    let panes = tmux::panes(socket).map_err(|error| {
        let asked = match socket {
            Some(socket) => format!("the tmux server at {}", socket.display()),
            None if std::env::var_os("TMUX").is_some_and(|value| !value.is_empty()) => {
                "the tmux server of this pane ($TMUX)".to_owned()
            }
            None => "the default tmux server".to_owned(),
        };
        let help = match &error {
            TmuxError::Missing => "install tmux, or write a roster without it: `fleet init`",
            TmuxError::Refused(_) => {
                "run it inside your tmux, or name the server's socket with --tmux-socket PATH (`tmux display -p '#{socket_path}'` prints it); `fleet init` writes a roster without tmux"
            }
            TmuxError::Failed(_) | TmuxError::Odd(_) => "try `tmux list-panes -a`; `fleet init` writes a roster without tmux",
        };
        CliError::failed(format!("cannot read the panes of {asked}: {error}"), help)
    })?;
    let pane = |pane: tmux::Pane| {
        let tmux::Pane { id, pid, window_index, pane_index, session, window } = pane;
        Pane { id, pid, window_index, pane_index, session, window }
    };
    Ok(panes.into_iter().map(pane).collect())
}

/// The processes at and below the panes'.
fn table(panes: &[Pane]) -> Table {
    let all = proc::Table::read();
    let mut wanted: Vec<u32> = panes.iter().map(|pane| pane.pid).collect();
    wanted.extend(panes.iter().flat_map(|pane| all.below(pane.pid)).map(|process| process.pid));
    let mut table = Table::new();
    for (pid, stat) in all.all().filter(|(pid, stat)| wanted.contains(pid) && !stat.is_dead()) {
        let words = proc::arguments(pid).unwrap_or_default();
        let arguments = words.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
        table.insert(pid, Process { parent: stat.parent, stopped: stat.state == 'T', arguments });
    }
    table
}

/// Finds out where it works.
fn sighting(one: Running, root: &Path, home: &Path) -> Result<Sighting, Apart> {
    let leave = |why: String| Apart { pane: one.pane.clone(), why: format!("{}: {why}", one.cli.name) };
    let at = proc::working_folder(one.pid)
        .map_err(|error| leave(format!("the working folder of process {} is not known: {error}", one.pid)))?;
    let folder = match &one.told.folder {
        Some(other) => {
            let other = place(other, &at, home);
            other.canonicalize().unwrap_or(other)
        }
        None => at,
    };
    let shown = adopt::shown(&folder.display().to_string());
    let dir = adopt::dir(&folder, root, home).map_err(|why| leave(format!("it works in {shown}, and {why}")))?;
    if !folder.is_dir() {
        return Err(leave(format!("it works in {shown}, which is not there any more")));
    }
    Ok(Sighting { pane: one.pane, cli: one.cli, told: one.told, folder, dir })
}

fn with_conversations(seen: Vec<Sighting>, home: &Path) -> Vec<(Sighting, Known)> {
    let mut places: BTreeMap<(&str, PathBuf), usize> = BTreeMap::new();
    for one in &seen {
        *places.entry((one.cli.name, one.folder.clone())).or_default() += 1;
    }
    let known = |one: &Sighting| {
        let named = one.told.conversation.as_deref();
        if one.cli.name == "opencode" && named.is_none() {
            return Known::Ask;
        }
        let found = conversations::of(one.cli.name, &one.folder, home);
        let others = places.get(&(one.cli.name, one.folder.clone())).map_or(0, |count| count - 1);
        conversation::decide(named, &found, others)
    };
    seen.into_iter()
        .map(|one| {
            let known = known(&one);
            (one, known)
        })
        .collect()
}

/// What was looked at, when nothing came of it.
fn nothing(panes: &[Pane], table: &Table, apart: &[Apart]) -> CliError {
    let mut message =
        "no pane of this tmux server runs claude, codex or opencode as an agent for a person\n".to_owned();
    let others = panes.iter().filter(|pane| apart.iter().all(|left| left.pane.id != pane.id));
    for pane in others.clone().take(NAMED) {
        let program =
            table.get(&pane.pid).and_then(|process| process.arguments.first()).map(|word| adopt::shown(word));
        message.push_str(&format!("    pane {}   {}\n", pane.shown(), program.unwrap_or_default()));
    }
    if others.clone().count() > NAMED {
        message.push_str(&format!("    … and {} more\n", others.count() - NAMED));
    }
    message.push_str(&adopt::apart(apart));
    CliError::failed(
        message.trim_end(),
        "start one in a pane, name another server with --tmux-socket PATH, or write a roster without tmux: `fleet init`",
    )
}
