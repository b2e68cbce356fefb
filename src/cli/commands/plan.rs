//! `fleet plan`.

use super::prepare::{self, Prepared, Wanted};
use super::{diff, saved};
use crate::cli::args::{Global, Plan};
use crate::cli::error::{CliError, Exit};
use crate::cli::ui::Ui;
use crate::diagnostic::suggest;
use crate::plan::FileChange;
use crate::plan::show::tilde;
use crate::plan::why::why;

pub fn run(ui: &Ui, global: &Global, args: &Plan) -> Result<Exit, CliError> {
    let (shared, select) = (args.shared.clone(), args.select.clone());
    let wanted = Wanted { shared, select, generation: args.generation, proposal: args.proposal.clone() };
    // Not taken apart when it is shown: the process ends, and a thousand agents are many small pieces.
    let prepared = std::mem::ManuallyDrop::new(prepare::prepare(ui, global, &wanted)?);
    let plan = &prepared.plan;
    if let Some(name) = &args.why {
        return explain(ui, &prepared, name);
    }
    if args.shared.json {
        plan.json_lines().iter().for_each(|line| ui.out(line));
    } else if args.diff {
        ui.out(&plan.text_with(&prepared.home, ui.paint(), Some(&|change| file_diff(change, &prepared))));
    } else {
        ui.out(&plan.text(&prepared.home, ui.paint()));
    }
    if let Some(path) = &args.out {
        saved::write(&saved::take_down(&prepared, &args.select), path)?;
        ui.note(&format!("Saved: `fleet apply {0}` does just this; `fleet show {0}` prints it.", path.display()));
    }
    let is_right = plan.is_empty() && plan.conflicts.is_empty();
    Ok(if args.detailed_exitcode && !is_right { Exit::Changes } else { Exit::Ok })
}

fn explain(ui: &Ui, prepared: &Prepared, name: &str) -> Result<Exit, CliError> {
    let plan = &prepared.plan;
    let Some(agent) = plan.agents.iter().find(|agent| agent.name.as_str() == name) else {
        let known: Vec<&str> = plan.agents.iter().map(|agent| agent.name.as_str()).collect();
        let help = suggest::sentence(name, known.iter().copied());
        return Err(CliError::usage(format!("the plan has no agent `{}`", name.escape_debug()), help));
    };
    let Prepared { artifacts, live, ledger, home, .. } = prepared;
    ui.out(&why(plan, agent, artifacts, live, ledger.as_ref(), home, ui.paint()));
    Ok(Exit::Ok)
}

/// How a file differs from what stands there now.
fn file_diff(change: &FileChange, prepared: &Prepared) -> String {
    let path = change.path();
    let before = match std::fs::read(path) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return format!("{} cannot be read: {error}", path.display()),
    };
    let (after, new) = match change {
        FileChange::Write { artifact, .. } => (artifact.text.as_str(), tilde(path, &prepared.home)),
        FileChange::Remove { .. } => ("", "/dev/null".to_owned()),
    };
    let old = if before.is_empty() { "/dev/null".to_owned() } else { tilde(path, &prepared.home) };
    diff(&before, after, &old, &new)
}
