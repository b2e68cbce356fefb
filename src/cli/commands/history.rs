//! `fleet history`.

use crate::apply::generation::Record;
use crate::cli::args::{Global, Json};
use crate::cli::error::{CliError, Exit};
use crate::cli::target;
use crate::cli::ui::Ui;

pub fn run(ui: &Ui, global: &Global, args: &Json) -> Result<Exit, CliError> {
    let target = target::find(global)?;
    let records: Vec<(u64, Option<Record>)> =
        target.state.generations().into_iter().map(|number| (number, target.state.generation(number))).collect();
    if args.json {
        for (number, record) in &records {
            let line = record.as_ref().map_or_else(
                || serde_json::json!({ "format": 1, "number": number }),
                |record| serde_json::to_value(record).unwrap_or_default(),
            );
            ui.out(&line.to_string());
        }
        return Ok(Exit::Ok);
    }
    if records.is_empty() {
        ui.out("No generation is kept.");
    }
    let current = target.ledger.generation;
    for (number, record) in records.iter().rev() {
        let mark = if *number == current { "*" } else { " " };
        let text = record.as_ref().map_or_else(|| "made by a fleet that kept no record".to_owned(), describe);
        ui.out(&format!("{mark} {number:>4}  {text}"));
    }
    Ok(Exit::Ok)
}

fn describe(record: &Record) -> String {
    let counts = record.counts;
    let when = record.by.started.get(..19).unwrap_or(&record.by.started).replace('T', " ");
    let what = match record.back_to {
        Some(number) => format!("back to {number}"),
        None => record.by.command.trim_start_matches("fleet ").to_owned(),
    };
    let part =
        if record.withheld.is_empty() { String::new() } else { format!(", {} left out", record.withheld.len()) };
    let end = match &record.ended {
        None => "cut off before its end".to_owned(),
        Some(ended) => match (&ended.stopped, ended.open.as_slice()) {
            (Some(why), _) => format!("stopped: {why}"),
            (None, []) => "done".to_owned(),
            (None, open) => format!("open: {}", open.join(", ")),
        },
    };
    format!(
        "{when}Z  {:<11}  {} added, {} changed, {} removed{part}  {end}  ({})",
        what, counts.add, counts.change, counts.remove, record.by.user
    )
}
