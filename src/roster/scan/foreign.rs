//! YAML, TOML and JSON where a roster is expected: said once, instead of a complaint about every line.

use crate::diagnostic::{Code, Diagnostic, FileId, Span};
use crate::roster::syntax::lexer::{Kind, Token, tokens};

/// Lines looked at: enough to tell, whatever the size.
const LINES: usize = 200;

/// A line as KDL sees it, so that laying a text out anew changes none: from one node's beginning to the next one's,
/// without comments, over `\` at a line's end. As in most languages, what stands between braces has lines of its own.
#[derive(Debug, Default)]
struct Line<'a> {
    /// What stands between blanks.
    words: Vec<&'a str>,
    /// Where it starts, and where its last word ends.
    start: usize,
    end: usize,
}

/// The lines of `text` that say something, up to [`LINES`].
fn lines(text: &str) -> impl Iterator<Item = Line<'_>> {
    let mut tokens = tokens(text);
    std::iter::from_fn(move || {
        let mut line = Line::default();
        let (mut apart, mut continued) = (true, false);
        loop {
            let Some(Token { kind, span }) = tokens.next() else {
                return (!line.words.is_empty()).then_some(line);
            };
            match kind {
                Kind::Newline if continued => continued = false,
                Kind::Newline | Kind::Semicolon | Kind::OpenBrace | Kind::CloseBrace => {
                    if !line.words.is_empty() {
                        return Some(line);
                    }
                }
                Kind::Continuation => (apart, continued) = (true, true),
                Kind::Bom | Kind::Whitespace | Kind::LineComment | Kind::BlockComment => apart = true,
                _ if apart || line.words.is_empty() => {
                    if line.words.is_empty() {
                        line.start = span.start;
                    }
                    line.words.push(&text[span.start..span.end]);
                    line.end = span.end;
                    (apart, continued) = (false, false);
                }
                // Nothing between it and the token before: one word, as `"key":` is.
                _ => {
                    if let Some(word) = line.words.last_mut() {
                        *word = &text[span.end - word.len() - (span.end - span.start)..span.end];
                    }
                    line.end = span.end;
                }
            }
        }
    })
    .filter(|line| line.words.first().is_none_or(|word| !word.starts_with('#') || word.starts_with("#\"")))
    .take(LINES)
}

/// Whether the whole text is in another language.
pub(super) fn whole(text: &str, file: FileId) -> Option<Diagnostic> {
    let mut lines = lines(text);
    let first = lines.next();
    let rest = |is: fn(&Line) -> bool, lines: &mut dyn Iterator<Item = Line>| {
        let (mut all, mut such) = (1, 1);
        for line in lines {
            all += 1;
            such += usize::from(is(&line));
        }
        all > 1 && such * 2 >= all
    };
    let opening = text.trim_start_matches('\u{feff}').trim_start();
    let language = if opening.starts_with('{') || opening.starts_with("[{") {
        "JSON"
    } else if first.as_ref().is_some_and(is_yaml) && rest(is_yaml, &mut lines) {
        "YAML"
    } else if first.as_ref().is_some_and(is_toml) && rest(is_toml, &mut lines) {
        "TOML"
    } else {
        return None;
    };
    let (start, end) = match &first {
        Some(line) if language != "JSON" => (line.start, line.end),
        _ => {
            let start = text.len() - opening.len();
            (start, start + opening.lines().next().unwrap_or_default().trim_end().len())
        }
    };
    let span = Span { file, start, end };
    let help = "a roster is written in KDL: a node is a name, values after it, and braces around what belongs to it, as in\n    \
                agent \"coder\" {\n        role \"coder\"\n        runtime \"codex\"\n    }\n`fleet init --dry-run` prints one to \
                start from";
    let message = format!("this is {language}, and a roster is written in KDL");
    Some(Diagnostic::error(Code::OtherLanguage, message).at(span, "the first line").help(help))
}

/// `key: value`, `key:` and `- item`.
fn is_yaml(line: &Line) -> bool {
    let first = line.words[0];
    if first == "---" && line.words.len() == 1 || first == "-" && line.words.len() > 1 {
        return true;
    }
    first.strip_suffix(':').is_some_and(|key| {
        !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '"' | '\''))
    })
}

/// `[section]` and `key = value`.
fn is_toml(line: &Line) -> bool {
    let section = line.words[0].starts_with('[') && line.words.last().is_some_and(|word| word.ends_with(']'));
    let (first, behind) = line.words[0].split_once('=').map_or((line.words[0], false), |(key, _)| (key, true));
    let pair = behind || line.words.get(1).is_some_and(|word| word.starts_with('='));
    let key = |key: &str| !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    section || pair && key(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> Option<String> {
        whole(text, FileId(0)).map(|found| found.message)
    }

    #[test]
    fn other_languages_are_known_by_their_lines() {
        for (text, language) in [
            ("---\nfleet:\n  - name: a\n", "YAML"),
            ("# mine\nagents:\n  coder:\n    role: coder\n", "YAML"),
            ("[fleet]\nname = \"a\"\n", "TOML"),
            ("{ \"agents\": [] }", "JSON"),
        ] {
            assert!(message(text).is_some_and(|said| said.contains(language)), "{text}: {:?}", message(text));
        }
    }

    #[test]
    fn a_layout_makes_no_other_language() {
        for text in ["\\\n\n---\ruuu\n", "- a; - b", "-\u{3000}x\n-\u{3000}y\n", "a: /* x */ 1\na: \\\n 2\n"] {
            let formatted = crate::roster::syntax::format::format(text);
            assert_eq!(message(text), message(&formatted), "{text:?} and {formatted:?}");
        }
    }

    #[test]
    fn a_roster_with_a_slip_is_still_a_roster() {
        assert_eq!(message("fleet \"a\" version=1\nagent \"x\" {\n    role: \"coder\"\n}\n"), None);
        assert_eq!(message(""), None);
        assert_eq!(message("fleet \"a\" version=1"), None);
    }
}
