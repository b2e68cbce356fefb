//! All printing. Results go to standard output, words about the work to standard error.

use std::cell::Cell;
use std::io::{self, IsTerminal as _, Write as _};

use super::error::CliError;
use crate::diagnostic::render::{self, Style};
use crate::diagnostic::{Diagnostic, Diagnostics, Severity, Sources};
use crate::plan::show::{Paint, plural};

/// Columns assumed where nobody tells.
const WIDTH: usize = 100;

/// Findings drawn for people in one run: whoever has more mends these first.
const MOST: usize = 100;

/// Where words go.
#[derive(Debug)]
pub struct Ui {
    colour_out: bool,
    colour_err: bool,
    progress: bool,
    silent: bool,
    unicode: bool,
    width: usize,
    /// A result could not be written.
    lost: Cell<bool>,
    /// Whoever read the results has left.
    unheard: Cell<bool>,
    /// A step stands on the last line of the terminal.
    stepping: Cell<bool>,
}

#[expect(clippy::unused_self, reason = "all printing goes through the object, whatever it needs of it")]
impl Ui {
    /// Looks at the terminal and at `NO_COLOR`.
    #[must_use]
    pub fn new() -> Self {
        let allowed = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        let locale =
            ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(|name| std::env::var(name).ok().filter(|v| !v.is_empty()));
        let utf8 = locale.is_none_or(|locale| {
            let locale = locale.to_uppercase();
            locale.contains("UTF-8") || locale.contains("UTF8")
        });
        let width = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).or_else(terminal_width);
        Self {
            colour_out: allowed && io::stdout().is_terminal(),
            colour_err: allowed && io::stderr().is_terminal(),
            progress: io::stderr().is_terminal(),
            silent: false,
            unicode: utf8,
            width: width.unwrap_or(WIDTH).clamp(40, 160),
            lost: Cell::new(false),
            unheard: Cell::new(false),
            stepping: Cell::new(false),
        }
    }

    /// Prints no findings: they were shown before.
    #[must_use]
    pub fn silent() -> Self {
        Self { silent: true, progress: false, ..Self::new() }
    }

    /// Paint for standard output.
    #[must_use]
    pub fn paint(&self) -> Paint {
        Paint { colour: self.colour_out }
    }

    /// Whether standard output takes more than ASCII.
    #[must_use]
    pub fn is_unicode(&self) -> bool {
        self.unicode
    }

    /// Columns of a line.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// Whether a person sits at both ends.
    #[must_use]
    pub fn is_interactive(&self) -> bool {
        io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    /// A result.
    pub fn out(&self, text: &str) {
        self.clear_step();
        let mut stdout = io::stdout().lock();
        let written = writeln!(stdout, "{}", text.strip_suffix('\n').unwrap_or(text)).and_then(|()| stdout.flush());
        // A reader that left (`fleet plan | head`) is no failure of the command; a full disk is.
        match written {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => self.unheard.set(true),
            Err(_) => self.lost.set(true),
            Ok(()) => {}
        }
    }

    /// A result as it came, byte for byte.
    pub fn bytes(&self, bytes: &[u8]) {
        self.clear_step();
        let mut stdout = io::stdout().lock();
        match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => self.unheard.set(true),
            Err(_) => self.lost.set(true),
            Ok(()) => {}
        }
    }

    /// Whether nobody reads the results any more: a command that goes on may end.
    #[must_use]
    pub fn is_unheard(&self) -> bool {
        self.unheard.get() || self.lost.get()
    }

    /// Whether a result could not be written.
    #[must_use]
    pub fn has_lost(&self) -> bool {
        self.lost.get()
    }

    /// Words about the work.
    pub fn note(&self, text: &str) {
        self.clear_step();
        let _ = writeln!(io::stderr().lock(), "{text}");
    }

    /// A step of longer work, shown only to a person who waits, and gone when it is over.
    pub fn step(&self, text: &str) {
        if self.progress {
            self.clear_step();
            let (dim, plain) = if self.colour_err { ("\u{1b}[2m", "\u{1b}[0m") } else { ("", "") };
            let text: String = text.chars().take(self.width.saturating_sub(3)).collect();
            let mut stderr = io::stderr().lock();
            let _ = write!(stderr, "{dim}… {text}{plain}");
            let _ = stderr.flush();
            self.stepping.set(true);
        }
    }

    fn clear_step(&self) {
        if self.stepping.replace(false) {
            let _ = write!(io::stderr().lock(), "\r\u{1b}[K");
        }
    }

    /// A failed command.
    pub fn error(&self, error: &CliError) {
        self.clear_step();
        let (red, bold, plain) =
            if self.colour_err { ("\u{1b}[1;31m", "\u{1b}[1m", "\u{1b}[0m") } else { ("", "", "") };
        let mut stderr = io::stderr().lock();
        let _ = writeln!(stderr, "{red}error:{plain} {}", error.message);
        if let Some(help) = &error.help {
            let _ = writeln!(stderr, " {bold}help:{plain} {}", help.replace('\n', "\n       "));
        }
    }

    /// Every finding, in source order, and how many there are.
    pub fn diagnostics(&self, diagnostics: &Diagnostics, sources: &Sources) {
        if self.silent {
            return;
        }
        let sources = concealed(diagnostics, sources);
        let style = Style { colour: self.colour_err, unicode: self.unicode, width: self.width };
        let found = diagnostics.sorted();
        let mut stderr = io::stderr().lock();
        for diagnostic in found.iter().take(MOST) {
            let _ = writeln!(stderr, "{}", render::text(diagnostic, &sources, style));
        }
        if found.len() > MOST {
            let _ = writeln!(stderr, "… and {} more (`fleet validate --json` prints all)", found.len() - MOST);
        }
        if let Some(line) = tally(&found) {
            let codes: std::collections::BTreeSet<_> =
                found.iter().map(|diagnostic| diagnostic.code.number()).collect();
            let example = codes.first().copied().unwrap_or_default();
            let _ = writeln!(stderr, "{line}. More on one of them: `fleet explain {example}`.");
        }
    }

    /// Every finding as JSON lines on standard output.
    pub fn diagnostics_json(&self, diagnostics: &Diagnostics, sources: &Sources) {
        if self.silent {
            return;
        }
        let sources = concealed(diagnostics, sources);
        for diagnostic in diagnostics.sorted() {
            self.out(&self.json_line(&render::json(diagnostic, &sources)));
        }
    }

    /// One object with its `format` number, as tools read it.
    pub fn json_line<T: serde::Serialize>(&self, value: &T) -> String {
        let mut line = serde_json::json!({ "format": 1 });
        if let (Some(line), Ok(serde_json::Value::Object(fields))) =
            (line.as_object_mut(), serde_json::to_value(value))
        {
            line.extend(fields);
        }
        line.to_string()
    }

    /// Asks a person for a word. `None` when standard input ends.
    pub fn ask(&self, question: &str) -> Option<String> {
        self.clear_step();
        let mut stderr = io::stderr().lock();
        let _ = write!(stderr, "{question} ");
        let _ = stderr.flush();
        let mut line = String::new();
        match io::stdin().read_line(&mut line) {
            Ok(0) | Err(_) => None,
            Ok(_) => Some(line.trim().to_owned()),
        }
    }
}

fn terminal_width() -> Option<usize> {
    terminal_size::terminal_size()
        .map(|(terminal_size::Width(columns), _)| usize::from(columns))
        .filter(|columns| *columns > 0)
}

fn concealed(diagnostics: &Diagnostics, sources: &Sources) -> Sources {
    let mut sources = sources.clone();
    for span in diagnostics.concealed() {
        sources.conceal(*span);
    }
    sources.defuse();
    sources
}

fn tally(found: &[&Diagnostic]) -> Option<String> {
    let count = |severity| found.iter().filter(|diagnostic| diagnostic.severity == severity).count();
    match (count(Severity::Error), count(Severity::Warning)) {
        (0, 0) => None,
        (0, warnings) => Some(plural(warnings, "warning", "warnings")),
        (errors, 0) => Some(plural(errors, "error", "errors")),
        (errors, warnings) => {
            Some(format!("{}, {}", plural(errors, "error", "errors"), plural(warnings, "warning", "warnings")))
        }
    }
}
