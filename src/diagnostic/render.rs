//! Diagnostics for people (miette draws the excerpt) and for tools (JSON).

use std::fmt::{self, Write as _};

use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteError, NamedSource, SourceCode, SourceSpan,
    SpanContents,
};
use serde::Serialize;

use super::{Diagnostic, Severity, Sources, Span};

/// How the text for people is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    pub colour: bool,
    pub unicode: bool,
    /// Columns to wrap at.
    pub width: usize,
}

/// Draws one finding with the lines it is about.
#[must_use]
pub fn text(diagnostic: &Diagnostic, sources: &Sources, style: Style) -> String {
    let mut theme = match (style.colour, style.unicode) {
        (true, true) => GraphicalTheme::unicode(),
        (false, true) => GraphicalTheme::unicode_nocolor(),
        (_, false) => GraphicalTheme::none(),
    };
    if !style.unicode {
        theme.characters.error = "error:".into();
        theme.characters.warning = "warning:".into();
    }
    let handler = GraphicalReportHandler::new_themed(theme).with_width(style.width).with_context_lines(1);
    let mut out = String::new();
    // miette draws one source per report, so places in other files become reports of their own below.
    let home = diagnostic.labels.first().map(|label| label.span.file);
    let report = Report::new(diagnostic, sources, home, true);
    if handler.render_report(&mut out, &report).is_err() {
        out.clone_from(&diagnostic.message);
    }
    if let (Some(main), None) = (diagnostic.labels.first(), &report.source) {
        let (line, column) = sources.position(main.span);
        let _ = writeln!(out, "  at {}:{line}:{column}, on a line too long to show", sources.name(main.span.file));
    }
    let mut others: Vec<_> =
        diagnostic.labels.iter().map(|label| label.span.file).filter(|file| Some(*file) != home).collect();
    others.dedup();
    for file in others {
        let report = Report::new(diagnostic, sources, Some(file), false);
        let mut part = String::new();
        if handler.render_report(&mut part, &report).is_ok() {
            out.push_str(&part);
        }
    }
    out
}

/// Longest line that is drawn, in bytes. An excerpt of a longer one would bury the message.
const LONG_LINE: usize = 1_000;

fn line_length(text: &str, label: &LabeledSpan) -> usize {
    let (before, after) = text.as_bytes().split_at(label.offset().min(text.len()));
    let is_break = |byte: &u8| *byte == b'\n';
    let start = before.iter().rposition(is_break).map_or(0, |at| at + 1);
    before.len() - start + after.iter().position(is_break).unwrap_or(after.len())
}

/// A text whose columns count characters: miette's own count bytes, and editors do not.
struct Excerpt {
    text: NamedSource<String>,
}

struct Contents<'a> {
    inner: Box<dyn SpanContents<'a> + 'a>,
    column: usize,
}

impl SourceCode for Excerpt {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let inner = self.text.read_span(span, before, after)?;
        let start = inner.span().offset();
        let line = self.text.inner().get(start.saturating_sub(inner.column())..start);
        // The mark at a file's very beginning is no character that people see.
        let column = line.map_or(inner.column(), |line| line.trim_start_matches('\u{feff}').chars().count());
        Ok(Box::new(Contents { inner, column }))
    }
}

impl<'a> SpanContents<'a> for Contents<'a> {
    fn data(&self) -> &'a [u8] {
        self.inner.data()
    }

    fn span(&self) -> &SourceSpan {
        self.inner.span()
    }

    fn name(&self) -> Option<&str> {
        self.inner.name()
    }

    fn line(&self) -> usize {
        self.inner.line()
    }

    fn column(&self) -> usize {
        self.column
    }

    fn line_count(&self) -> usize {
        self.inner.line_count()
    }
}

struct Report<'a> {
    diagnostic: &'a Diagnostic,
    source: Option<Excerpt>,
    labels: Vec<LabeledSpan>,
    main: bool,
}

impl<'a> Report<'a> {
    fn new(diagnostic: &'a Diagnostic, sources: &Sources, file: Option<super::FileId>, main: bool) -> Self {
        let labels = diagnostic.labels.iter().enumerate().filter(|(_, label)| Some(label.span.file) == file);
        let labels = labels.map(|(index, label)| {
            let Span { start, end, .. } = label.span;
            let text = (!label.text.is_empty()).then(|| label.text.clone());
            // The head of the excerpt names the main place, wherever the others stand.
            if index == 0 {
                LabeledSpan::new_primary_with_span(text, (start, end - start))
            } else {
                LabeledSpan::new(text, start, end - start)
            }
        });
        let labels: Vec<_> = labels.collect();
        let long =
            file.is_some_and(|file| labels.iter().any(|label| line_length(sources.text(file), label) > LONG_LINE));
        if long {
            return Self { diagnostic, source: None, labels: Vec::new(), main };
        }
        let source =
            file.map(|file| Excerpt { text: NamedSource::new(sources.name(file), sources.text(file).to_owned()) });
        Self { diagnostic, source, labels, main }
    }
}

impl fmt::Debug for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.diagnostic.message)
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.main { &self.diagnostic.message } else { "the other place" })
    }
}

impl std::error::Error for Report<'_> {}

impl miette::Diagnostic for Report<'_> {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        let word = match self.diagnostic.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let title = format!("{word} {}: {}", self.diagnostic.code.number(), self.diagnostic.code.title());
        self.main.then(|| Box::new(title) as Box<dyn fmt::Display>)
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(match (self.main, self.diagnostic.severity) {
            (false, _) => miette::Severity::Advice,
            (true, Severity::Warning) => miette::Severity::Warning,
            (true, Severity::Error) => miette::Severity::Error,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        let help = self.diagnostic.help.as_ref().filter(|_| self.main)?;
        Some(Box::new(help) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        self.source.as_ref().map(|source| source as &dyn SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(self.labels.iter().cloned()))
    }
}

/// One finding as tools read it. Frozen as format 1.
#[derive(Debug, Serialize)]
pub struct Json<'a> {
    pub code: &'static str,
    pub severity: &'static str,
    pub message: &'a str,
    pub file: Option<&'a str>,
    /// From 1.
    pub line: Option<usize>,
    /// From 1, in characters.
    pub column: Option<usize>,
    pub help: Option<&'a str>,
    /// Where the main place ends.
    pub end_line: Option<usize>,
    pub end_column: Option<usize>,
    /// The other places, with their words.
    pub related: Vec<Related<'a>>,
}

/// Another place of a finding.
#[derive(Debug, Serialize)]
pub struct Related<'a> {
    pub file: &'a str,
    pub line: usize,
    pub column: usize,
    pub message: &'a str,
}

/// One finding as data.
#[must_use]
pub fn json<'a>(diagnostic: &'a Diagnostic, sources: &'a Sources) -> Json<'a> {
    let main = diagnostic.labels.first().map(|label| label.span);
    let position = main.map(|span| sources.position(span));
    let end = main.map(|span| sources.position(Span { start: span.end, ..span }));
    Json {
        code: diagnostic.code.number(),
        severity: match diagnostic.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        },
        message: &diagnostic.message,
        file: main.map(|span| sources.name(span.file)),
        line: position.map(|(line, _)| line),
        column: position.map(|(_, column)| column),
        help: diagnostic.help.as_deref(),
        end_line: end.map(|(line, _)| line),
        end_column: end.map(|(_, column)| column),
        related: diagnostic
            .labels
            .iter()
            .skip(1)
            .map(|label| {
                let (line, column) = sources.position(label.span);
                Related { file: sources.name(label.span.file), line, column, message: &label.text }
            })
            .collect(),
    }
}
