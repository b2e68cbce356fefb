//! `fleet screen`.

use std::time::Duration;

use crate::cli::args::{Global, Screen};
use crate::cli::error::{CliError, Exit};
use crate::cli::ui::Ui;
use crate::cli::{agents, target};
use crate::shim::client;

/// Longest wait for the shim.
const ANSWER: Duration = Duration::from_secs(5);

pub fn run(ui: &Ui, global: &Global, args: &Screen) -> Result<Exit, CliError> {
    let target = target::find(global)?;
    let name = agents::one(&target, &args.agent)?;
    let screen = client::screen(&target.state.paths.socket(&name), ANSWER).map_err(|error| {
        let last = target.state.paths.agent(&name).join("last-screen");
        // After a shim that was killed, the file is of an earlier run.
        let help = if last.is_file() && target.state.run(&name).is_none() {
            format!("its last screen is in {}", last.display())
        } else if error.is_not_running() {
            format!("`fleet start {name}` starts it")
        } else {
            String::new()
        };
        CliError::failed(format!("agent `{name}`: {error}"), help)
    })?;
    if args.json {
        let mut value = serde_json::json!({ "format": 1, "agent": name });
        if let (Some(value), Ok(serde_json::Value::Object(fields))) =
            (value.as_object_mut(), serde_json::to_value(&screen))
        {
            value.extend(fields);
        }
        ui.out(&value.to_string());
        return Ok(Exit::Ok);
    }
    let used = screen.lines.iter().rposition(|line| !line.is_empty()).map_or(0, |last| last + 1);
    ui.out(&screen.lines[..used].join("\n"));
    Ok(Exit::Ok)
}
