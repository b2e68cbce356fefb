//! `fleet explain`.

use crate::cli::args::{self, Explain};
use crate::cli::error::{CliError, Exit};
use crate::cli::ui::Ui;
use crate::diagnostic::{Code, suggest};
use crate::plan::show::Paint;
use crate::roster::reference;

pub fn run(ui: &Ui, args: &Explain) -> Result<Exit, CliError> {
    let Some(topic) = &args.topic else {
        ui.out(&listing(ui.paint()));
        return Ok(Exit::Ok);
    };
    let code = Code::ALL.iter().find(|code| code.number().eq_ignore_ascii_case(topic));
    let text = match code {
        Some(code) => page(code.page(), ui.paint()),
        None => reference::explain(&topic.to_lowercase()),
    };
    if text.is_empty() {
        let near = suggest::nearest(topic, args::topics());
        let help = near.map_or_else(
            || "write a code, as in F0105, or a node of the language, as in restart".to_owned(),
            |near| format!("did you mean `{near}`?"),
        );
        return Err(CliError::usage(format!("there is no code and no node `{}`", topic.escape_debug()), help));
    }
    ui.out(&text);
    Ok(Exit::Ok)
}

/// Everything there is to explain.
fn listing(paint: Paint) -> String {
    let mut out = format!("{}\n", paint.bold("Codes"));
    for code in Code::ALL {
        out.push_str(&format!("  {}  {}\n", code.number(), code.title()));
    }
    out.push_str(&format!("\n{}\n", paint.bold("Nodes of the roster language")));
    let nodes: Vec<_> = args::topics().into_iter().filter(|topic| !topic.starts_with('F')).collect();
    for row in nodes.chunks(6) {
        let cells: Vec<_> = row.iter().map(|name| format!("{name:<14}")).collect();
        out.push_str(&format!("  {}\n", cells.concat().trim_end()));
    }
    out
}

/// A page as a terminal shows it: headings stand out, examples are indented instead of fenced.
fn page(text: &str, paint: Paint) -> String {
    let mut out = String::new();
    let mut fenced = false;
    for line in text.lines() {
        if let Some(info) = line.strip_prefix("```") {
            fenced = !fenced;
            let file = info.split(' ').find_map(|word| word.strip_prefix("file="));
            if let Some(file) = file.filter(|_| fenced) {
                out.push_str(&format!("  {file}:\n"));
            }
        } else if fenced {
            out.push_str(&format!("    {line}\n"));
        } else if let Some(heading) = line.strip_prefix("## ").or_else(|| line.strip_prefix("# ")) {
            out.push_str(&format!("{}\n", paint.bold(heading)));
        } else {
            out.push_str(&format!("{line}\n"));
        }
    }
    out
}
