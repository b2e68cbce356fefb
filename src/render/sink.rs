//! Values rendered for the place they end up in. Escaping rules differ within one unit file, so each sink has its own
//! function, and its result is a [`Marked`] text, the only kind a template accepts.

use std::path::Path;

use serde::Serialize;

/// First character of every marked text. Rosters cannot contain it, so a template can tell a value that went through
/// a sink from one that did not.
pub(super) const MARK: char = '\u{1}';

/// The longest duration that systemd reads, in milliseconds: 292,000 years.
const LONGEST_MS: u64 = i64::MAX as u64 / 1000;

/// A text that a sink has rendered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Marked(String);

impl Marked {
    fn new(text: impl AsRef<str>) -> Self {
        let text = text.as_ref();
        let mut marked = String::with_capacity(MARK.len_utf8() + text.len());
        marked.push(MARK);
        marked.push_str(text);
        Self(marked)
    }

    /// The text without its mark.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.strip_prefix(MARK).unwrap_or(&self.0)
    }

    /// The same, taken out.
    pub(super) fn into_text(mut self) -> String {
        if self.0.starts_with(MARK) {
            self.0.remove(0);
        }
        self.0
    }
}

/// One line without control characters and with a visible end.
fn one_line(text: &str) -> String {
    // Most texts are plain words and paths, of which there are many.
    if text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return visible_end(text.trim()).to_owned();
    }
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    visible_end(line.trim()).to_owned()
}

/// Code points that Unicode keeps for programs. To systemd they are invalid UTF-8, for which it refuses a whole file.
fn is_noncharacter(c: char) -> bool {
    matches!(c, '\u{fdd0}'..='\u{fdef}') || u32::from(c) & 0xfffe == 0xfffe
}

/// A trailing backslash would swallow the next line of a unit file, and trailing blanks are not read back.
fn visible_end(line: &str) -> &str {
    line.trim_end_matches(|c: char| c.is_whitespace() || c == '\\')
}

/// A value that fleet made itself: a number, a unit name, a word of systemd's.
#[must_use]
pub fn word(text: impl std::fmt::Display) -> Marked {
    Marked::new(one_line(&text.to_string()))
}

/// `Description=`: specifiers are expanded in it, so `%` is doubled (systemd.unit(5)).
#[must_use]
pub fn description(text: &str) -> Marked {
    // systemd keeps no more than 2048 bytes of a line it did not ask for; people read far less.
    let shown = |c| if is_noncharacter(c) { char::REPLACEMENT_CHARACTER } else { c };
    let short: String = one_line(text).chars().take(200).map(shown).collect();
    Marked::new(visible_end(&short).replace('%', "%%"))
}

/// The program of `ExecStart=`. Unlike the words after it, systemd expands no variable in it; it refuses quotes and
/// backslashes there ("Executable name contains special characters"), and `resolve` refuses them before.
#[must_use]
pub fn exec_program(path: &Path) -> Marked {
    Marked::new(format!("\"{}\"", one_line(&path.to_string_lossy()).replace('%', "%%")))
}

/// One word of `ExecStart=`: quoted, with `%` and `$` doubled (systemd.service(5), "Command lines").
#[must_use]
pub fn exec_arg(text: &str) -> Marked {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '%' => out.push_str("%%"),
            '$' => out.push_str("$$"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out.push('"');
    Marked::new(out)
}

/// A path in a directive that takes exactly one: not quoted (a quote would be part of the name), `%` doubled.
#[must_use]
pub fn path(path: &Path) -> Marked {
    Marked::new(one_line(&path.to_string_lossy()).replace('%', "%%"))
}

/// `StandardOutput=append:PATH`.
#[must_use]
pub fn append_to(path: &Path) -> Marked {
    Marked::new(format!("append:{}", self::path(path).as_str()))
}

/// `Environment=`: one assignment, quoted, with `%` doubled; `$` means nothing in it (systemd.exec(5)).
#[must_use]
pub fn env_assign(name: &str, value: &str) -> Marked {
    let value = one_line(value).replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%");
    Marked::new(format!("\"{name}={value}\""))
}

/// One line of an environment file: `NAME="value"`, where `"`, `\`, `` ` `` and `$` are escaped (systemd.exec(5)).
#[must_use]
pub fn env_line(name: &str, value: &str) -> Marked {
    let mut out = format!("{name}=\"");
    for c in value.chars().filter(|c| !c.is_control()) {
        if matches!(c, '"' | '\\' | '`' | '$') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
    Marked::new(out)
}

/// A command of a file that tmux reads: every word in single quotes, between which nothing has a meaning. Control
/// characters have no business in any of them. No word of a roster may stand where tmux expands a format.
#[must_use]
pub fn tmux_line(words: &[&str]) -> Marked {
    let mut line = String::with_capacity(words.iter().map(|word| word.len() + 3).sum());
    for word in words {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push('\'');
        for c in word.chars().filter(|c| !c.is_control()) {
            match c {
                '\'' => line.push_str("'\\''"),
                c => line.push(c),
            }
        }
        line.push('\'');
    }
    Marked::new(line)
}

/// The words of a line that [`tmux_line`] made; none for any other line.
#[must_use]
pub fn tmux_words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = line;
    while let Some(inside) = rest.trim_start_matches(' ').strip_prefix('\'') {
        let mut word = String::new();
        rest = inside;
        while let Some((text, after)) = rest.split_once('\'') {
            word.push_str(text);
            rest = after;
            match after.strip_prefix("\\''") {
                Some(after) => rest = after,
                None => break,
            }
            word.push('\'');
        }
        words.push(word);
    }
    words
}

/// A duration: milliseconds as systemd writes them. It counts microseconds, and takes longer ones for mistakes.
#[must_use]
pub fn duration(ms: u64) -> Marked {
    if ms > LONGEST_MS {
        return word("infinity");
    }
    if ms.is_multiple_of(1000) { word(format!("{}s", ms / 1000)) } else { word(format!("{ms}ms")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sink_has_its_own_rules() {
        assert_eq!(exec_arg("a b\"c\\ %n $x").as_str(), r#""a b\"c\\ %%n $$x""#);
        assert_eq!(exec_program(Path::new("/a b/$x%h")).as_str(), "\"/a b/$x%%h\"");
        assert_eq!(description("50 % done\nExecStart=/bin/evil\\").as_str(), "50 %% done ExecStart=/bin/evil");
        assert_eq!(env_line("A", "x\"`$\\y").as_str(), r#"A="x\"\`\$\\y""#);
        assert_eq!(path(Path::new("/a b/%h")).as_str(), "/a b/%%h");
        assert_eq!(duration(1500).as_str(), "1500ms");
        assert_eq!(tmux_line(&["it's #1", "#(x)"]).as_str(), r"'it'\''s #1' '#(x)'");
    }

    #[test]
    fn words_for_tmux_are_read_back() {
        for words in [&["a"][..], &["", " ", "'", "' '", "''"], &["'\\''", "\\", "' '\\'' '"], &["a b", "größe ;"]]
        {
            assert_eq!(tmux_words(tmux_line(words).as_str()), words);
        }
        assert_eq!(tmux_words("# a comment"), [] as [&str; 0]);
    }

    #[test]
    fn no_trailing_backslash_survives() {
        assert_eq!(description("evil\\\\ \\").as_str(), "evil");
    }
}
