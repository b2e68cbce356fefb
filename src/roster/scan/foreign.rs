//! YAML, TOML and JSON where a roster is expected: said once, instead of a complaint about every line.

use crate::diagnostic::{Code, Diagnostic, FileId, Span};

/// Lines looked at: enough to tell, whatever the size.
const LINES: usize = 200;

/// Whether the whole text is in another language.
pub(super) fn whole(text: &str, file: FileId) -> Option<Diagnostic> {
    let mut lines = Vec::new();
    let mut start = 0;
    for line in text.split_inclusive('\n').take(LINES) {
        let trimmed = line.trim();
        // A `\` alone goes when a text is laid out anew.
        if !(trimmed.is_empty()
            || trimmed == "\\"
            || trimmed.starts_with("//")
            || trimmed.starts_with('#') && !trimmed.starts_with("#\""))
        {
            lines.push((start + line.len() - line.trim_start().len(), trimmed));
        }
        start += line.len();
    }
    let (first, line) = *lines.first()?;
    let most =
        |is: fn(&str) -> bool| is(line) && lines.iter().filter(|(_, line)| is(line)).count() * 2 >= lines.len();
    let language = if line.starts_with('{') || line.starts_with("[{") {
        "JSON"
    } else if most(is_yaml) && lines.len() > 1 {
        "YAML"
    } else if most(is_toml) && lines.len() > 1 {
        "TOML"
    } else {
        return None;
    };
    let span = Span { file, start: first, end: first + line.len() };
    let help = "a roster is written in KDL: a node is a name, values after it, and braces around what belongs to it, as in\n    \
                agent \"coder\" {\n        role \"coder\"\n        runtime \"codex\"\n    }\n`fleet init --dry-run` prints one to \
                start from";
    let message = format!("this is {language}, and a roster is written in KDL");
    Some(Diagnostic::error(Code::OtherLanguage, message).at(span, "the first line").help(help))
}

/// `key: value`, `key:` and `- item`.
fn is_yaml(line: &str) -> bool {
    if line == "---" || line.starts_with("- ") {
        return true;
    }
    let key = line.split([' ', '\t']).next().unwrap_or_default();
    key.strip_suffix(':').is_some_and(|key| {
        !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '"' | '\''))
    })
}

/// `[section]` and `key = value`.
fn is_toml(line: &str) -> bool {
    let section = line.starts_with('[') && line.ends_with(']');
    let pair = line.split_once('=').is_some_and(|(key, _)| {
        let key = key.trim_end();
        key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')) && !key.is_empty()
    });
    section || pair
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
    fn a_roster_with_a_slip_is_still_a_roster() {
        assert_eq!(message("fleet \"a\" version=1\nagent \"x\" {\n    role: \"coder\"\n}\n"), None);
        assert_eq!(message(""), None);
        assert_eq!(message("fleet \"a\" version=1"), None);
    }
}
