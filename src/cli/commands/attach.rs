//! `fleet attach`.

use crate::cli::args::{Attach, Global};
use crate::cli::error::{CliError, Exit};
use crate::cli::looking::notices;
use crate::cli::ui::Ui;
use crate::cli::{agents, target};
use crate::shim::client::{self, AttachEnd, Attachment};

pub fn run(ui: &Ui, global: &Global, args: &Attach) -> Result<Exit, CliError> {
    let detach_key =
        args.detach_key.parse().map_err(|error| CliError::usage(format!("--detach-key: {error}"), ""))?;
    let target = target::find(global)?;
    let name = match &args.agent {
        Some(name) => agents::one(&target, name)?,
        None => agents::orchestrator(&target)?,
    };
    let attachment = Attachment {
        socket: target.state.paths.socket(&name),
        name: name.to_string(),
        watch: args.watch,
        detach_key,
        reconnect: true,
        hint: true,
        log: Some(target.state.paths.agent(&name)),
    };
    let running = target.state.run(&name).is_some_and(|run| crate::system::proc::is_alive(&run.shim));
    if !running && !args.wait {
        let message = format!("agent `{name}` does not run");
        return Err(CliError::failed(
            message,
            format!("`fleet start {name}` starts it; `fleet status` says why it ended"),
        ));
    }
    notices::show(ui, &target);
    match client::attach(&attachment)? {
        // The viewer has said on the terminal how it ended.
        AttachEnd::Detached | AttachEnd::Ended { .. } => Ok(Exit::Ok),
        AttachEnd::NeverRan => {
            Err(CliError::failed(format!("agent `{name}` does not run"), format!("`fleet start {name}` starts it")))
        }
    }
}
