//! Diagnostics as data: what is wrong, where, and what to do next.
//!
//! Whoever finds a mistake reports it into [`Diagnostics`] and goes on, so one run shows every mistake. Rendering for
//! people and for tools is separate ([`render`]).

pub mod codes;
pub mod render;
pub mod suggest;

pub use codes::Code;

/// Index of a file in [`Sources`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileId(pub usize);

/// A part of a source file, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    pub file: FileId,
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Span {
    /// Whether the two share a byte.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.file == other.file && self.start < other.end && other.start < self.end
    }
}

/// The texts that spans point into.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    files: Vec<(String, String)>,
}

impl Sources {
    /// Adds a file under the name shown to people.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<String>) -> FileId {
        self.files.push((name.into(), text.into()));
        FileId(self.files.len() - 1)
    }

    /// The index that the next file will get.
    #[must_use]
    pub fn next(&self) -> FileId {
        FileId(self.files.len())
    }

    /// The name given to [`Sources::add`].
    #[must_use]
    pub fn name(&self, file: FileId) -> &str {
        &self.files[file.0].0
    }

    /// The whole text.
    #[must_use]
    pub fn text(&self, file: FileId) -> &str {
        &self.files[file.0].1
    }

    /// Overwrites what a span covers with `*`, so that excerpts cannot show it. Positions stay.
    pub fn conceal(&mut self, span: Span) {
        let text = &mut self.files[span.file.0].1;
        let (start, end) = (span.start.min(text.len()), span.end.min(text.len()));
        if text.is_char_boundary(start) && text.is_char_boundary(end) && start < end {
            text.replace_range(start..end, &"*".repeat(end - start));
        }
    }

    /// Overwrites whatever could command a terminal, so that excerpts of somebody else's roster are only text.
    pub fn defuse(&mut self) {
        for (_, text) in &mut self.files {
            *text = defused(&text.replace("\r\n", " \n"));
        }
    }

    /// Line and column of a span's start, both from 1; the column counts characters, not bytes.
    #[must_use]
    pub fn position(&self, span: Span) -> (usize, usize) {
        let text = self.text(span.file);
        let mut start = span.start.min(text.len());
        while !text.is_char_boundary(start) {
            start -= 1;
        }
        let before = &text[..start];
        let line = before.matches('\n').count() + 1;
        let line_start = before.rsplit('\n').next().unwrap_or(before);
        // The mark at a file's very beginning is no character that people see.
        let column = line_start.trim_start_matches('\u{feff}').chars().count() + 1;
        (line, column)
    }

    /// `name:line`, as plans show where something was declared.
    #[must_use]
    pub fn place(&self, span: Span) -> String {
        format!("{}:{}", self.name(span.file), self.position(span).0)
    }
}

/// Whether a character acts on a terminal or on the order of what is shown, rather than being shown.
#[must_use]
pub fn acts(c: char) -> bool {
    let bidi = matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    (c.is_control() && !matches!(c, '\n' | '\t')) || bidi
}

/// `text` with `?` for every byte of a character that [`acts`], so that places stay.
#[must_use]
pub fn defused(text: &str) -> String {
    if !text.contains(acts) {
        return text.to_owned();
    }
    text.chars().map(|c| if acts(c) { "?".repeat(c.len_utf8()) } else { c.to_string() }).collect()
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Warning,
    Error,
}

/// A place in a source, with words. The first label of a diagnostic is its main place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    pub span: Span,
    pub text: String,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    pub code: Code,
    pub severity: Severity,
    pub message: String,
    pub labels: Vec<Label>,
    pub help: Option<String>,
}

impl Diagnostic {
    /// An error of kind `code`.
    #[must_use]
    pub fn error(code: Code, message: impl Into<String>) -> Self {
        Self { code, severity: Severity::Error, message: message.into(), labels: Vec::new(), help: None }
    }

    /// A warning of kind `code`.
    #[must_use]
    pub fn warning(code: Code, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, message) }
    }

    fn defused(mut self) -> Self {
        self.message = shorten(&defused(&self.message));
        self.help = self.help.map(|help| defused(&help));
        for label in &mut self.labels {
            label.text = defused(&label.text);
        }
        self
    }

    /// Whether the two say the same of the same place.
    fn says(&self, other: &Self) -> bool {
        (self.code, &self.message, self.labels.first()) == (other.code, &other.message, other.labels.first())
    }

    /// Adds a place.
    #[must_use]
    pub fn at(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label { span, text: text.into() });
        self
    }

    /// Says what to do next.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Says what to do next, when there is something to say.
    #[must_use]
    pub fn maybe_help(mut self, help: Option<String>) -> Self {
        self.help = help.or(self.help);
        self
    }
}

/// A message quotes what was written, which may be of any length.
fn shorten(message: &str) -> String {
    const LONGEST: usize = 400;
    match message.char_indices().nth(LONGEST) {
        None => message.to_owned(),
        Some((end, _)) => format!("{}…", &message[..end]),
    }
}

/// Findings kept of one run. A text with more is not a roster, and comparing each with all takes its time.
const MOST_FINDINGS: usize = 500;

/// Collects findings. Reporting never stops the reporter.
#[derive(Debug, Clone, Default)]
pub struct Diagnostics {
    found: Vec<Diagnostic>,
    spoiled: Vec<Span>,
    concealed: Vec<Span>,
    muted: Vec<Code>,
}

impl Diagnostics {
    /// Adds a finding, its texts defused, unless its main place was already reported as spoiled: that would be a follow-on error.
    pub fn report(&mut self, diagnostic: Diagnostic) {
        if self.found.len() >= MOST_FINDINGS {
            return;
        }
        let diagnostic = diagnostic.defused();
        let follow_on =
            diagnostic.labels.first().is_some_and(|main| self.spoiled.iter().any(|span| span.overlaps(&main.span)));
        // A near name is a slip, whatever else could not be read.
        let slip = diagnostic.help.as_ref().is_some_and(|help| help.starts_with("did you mean"));
        let muted = self.muted.contains(&diagnostic.code) && !slip;
        if !follow_on && !muted && !self.found.iter().any(|known| known.says(&diagnostic)) {
            self.found.push(diagnostic);
        }
    }

    /// Adds a finding and mutes later ones about the same bytes.
    pub fn report_and_spoil(&mut self, diagnostic: Diagnostic) {
        let main = diagnostic.labels.first().map(|label| label.span);
        self.report(diagnostic);
        if self.spoiled.len() < MOST_FINDINGS {
            self.spoiled.extend(main);
        }
    }

    /// Drops later findings of these kinds: something could not be read, and they would follow from that.
    pub fn mute(&mut self, codes: &[Code]) {
        self.muted.extend_from_slice(codes);
    }

    /// Marks bytes that no excerpt may show.
    pub fn conceal(&mut self, span: Span) {
        self.concealed.push(span);
    }

    /// The bytes that no excerpt may show.
    #[must_use]
    pub fn concealed(&self) -> &[Span] {
        &self.concealed
    }

    /// Whether any finding is an error.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.found.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }

    /// Whether nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// The findings in source order; those without a place last.
    #[must_use]
    pub fn sorted(&self) -> Vec<&Diagnostic> {
        let mut sorted: Vec<_> = self.found.iter().collect();
        sorted.sort_by_key(|diagnostic| {
            let main = diagnostic.labels.first().map(|label| label.span);
            (main.is_none(), main)
        });
        sorted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters() {
        let mut sources = Sources::default();
        let file = sources.add("fleet.kdl", "a\nü日x y");
        let span = Span { file, start: 2 + 2 + 3, end: 8 };
        assert_eq!(sources.position(span), (2, 3));
    }

    #[test]
    fn a_spoiled_place_mutes_what_follows_from_it() {
        let span = Span { file: FileId(0), start: 4, end: 9 };
        let mut diagnostics = Diagnostics::default();
        diagnostics.report_and_spoil(Diagnostic::error(Code::BareWord, "first").at(span, ""));
        diagnostics.report(Diagnostic::error(Code::WrongType, "follows").at(span, ""));
        diagnostics
            .report(Diagnostic::error(Code::WrongType, "elsewhere").at(Span { start: 20, end: 21, ..span }, ""));
        let messages: Vec<_> = diagnostics.sorted().iter().map(|found| found.message.as_str()).collect();
        assert_eq!(messages, ["first", "elsewhere"]);
    }
}
