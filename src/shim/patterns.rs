//! The runtime's patterns, looked for in the text of the screen.

use regex_lite::{Regex, RegexBuilder};

use super::terminal::ScreenText;
use crate::manifest::{Pattern, PatternKind, Region};

/// Compiled patterns of one runtime.
#[derive(Debug, Default)]
pub(super) struct Patterns {
    list: Vec<(Pattern, Regex)>,
}

/// Where a pattern was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Match {
    /// The line.
    pub(super) text: String,
    pub(super) class: Option<String>,
}

impl Patterns {
    /// Compiles what can be compiled, and says what cannot.
    pub(super) fn compile(patterns: &[Pattern]) -> (Self, Vec<String>) {
        let mut problems = Vec::new();
        let mut list = Vec::new();
        for pattern in patterns {
            match RegexBuilder::new(&pattern.expr).multi_line(true).build() {
                Ok(regex) => list.push((pattern.clone(), regex)),
                Err(error) => problems.push(format!(
                    "the {:?} pattern {:?} is ignored: {error}. Correct it in the runtime file",
                    pattern.kind, pattern.expr
                )),
            }
        }
        (Self { list }, problems)
    }

    pub(super) fn has(&self, kind: PatternKind) -> bool {
        self.list.iter().any(|(pattern, _)| pattern.kind == kind)
    }

    /// The first pattern of this kind that matches.
    pub(super) fn find(&self, kind: PatternKind, screen: &ScreenText) -> Option<Match> {
        self.list.iter().filter(|(pattern, _)| pattern.kind == kind).find_map(|(pattern, regex)| {
            let text = region(pattern.region, screen);
            let found = regex.find(&text)?;
            Some(Match { text: line_at(&text, found.start()), class: pattern.class.clone() })
        })
    }

    /// The draft in the input line, blanks around it removed; `""` when it is a placeholder. `None`: no input line is
    /// on the screen, or this runtime has no pattern for it.
    pub(super) fn draft(&self, screen: &ScreenText) -> Option<String> {
        let draft = self.list.iter().filter(|(pattern, _)| pattern.kind == PatternKind::Input).find_map(
            |(pattern, regex)| {
                let text = region(pattern.region, screen);
                // The input line is below what looks like it in the conversation.
                let last = regex.captures_iter(&text).last()?;
                Some(last.get(1).map_or("", |group| group.as_str()).trim().to_owned())
            },
        )?;
        let placeholder = self
            .list
            .iter()
            .any(|(pattern, regex)| pattern.kind == PatternKind::Placeholder && regex.is_match(&draft));
        Some(if placeholder { String::new() } else { draft })
    }
}

/// The line that holds this offset, for people: patterns often match no more than its first character.
fn line_at(text: &str, at: usize) -> String {
    const SHOWN: usize = 120;
    let start = text[..at].rfind('\n').map_or(0, |end| end + 1);
    text[start..].lines().next().unwrap_or("").trim().chars().take(SHOWN).collect()
}

fn region(region: Region, screen: &ScreenText) -> String {
    match region {
        Region::Title => screen.title.clone(),
        Region::Screen => screen.lines.join("\n"),
        Region::Last(count) => {
            let mut last: Vec<&str> = screen
                .lines
                .iter()
                .rev()
                .map(String::as_str)
                .filter(|line| !line.trim().is_empty())
                .take(usize::from(count))
                .collect();
            last.reverse();
            last.join("\n")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(kind: PatternKind, region: Region, expr: &str) -> Pattern {
        Pattern { kind, region, expr: expr.to_owned(), class: None }
    }

    fn screen(lines: &[&str]) -> ScreenText {
        ScreenText {
            title: "the title".to_owned(),
            lines: lines.iter().map(|&line| line.to_owned()).collect(),
            wrapped: vec![false; lines.len()],
        }
    }

    #[test]
    fn regions_are_what_they_say() {
        let (patterns, problems) = Patterns::compile(&[
            pattern(PatternKind::Busy, Region::Last(2), "^one$"),
            pattern(PatternKind::Idle, Region::Screen, "^one$"),
            pattern(PatternKind::Ready, Region::Title, "^the"),
        ]);
        assert!(problems.is_empty());
        let screen = screen(&["one", "two", "", "three", ""]);
        assert_eq!(patterns.find(PatternKind::Busy, &screen), None);
        assert!(patterns.find(PatternKind::Idle, &screen).is_some());
        assert!(patterns.find(PatternKind::Ready, &screen).is_some());
    }

    #[test]
    fn a_bad_pattern_is_named_and_the_others_work() {
        let (patterns, problems) = Patterns::compile(&[
            pattern(PatternKind::Busy, Region::Screen, "(unclosed"),
            pattern(PatternKind::Busy, Region::Screen, "two"),
        ]);
        assert_eq!(problems.len(), 1);
        assert!(problems[0].contains("(unclosed"), "{problems:?}");
        assert!(patterns.find(PatternKind::Busy, &screen(&["two"])).is_some());
    }

    #[test]
    fn the_draft_is_the_lowest_one_and_a_placeholder_is_none() {
        let (patterns, _) = Patterns::compile(&[
            pattern(PatternKind::Input, Region::Screen, "^> ?(.*)$"),
            pattern(PatternKind::Placeholder, Region::Screen, "^Ask me"),
        ]);
        assert_eq!(
            patterns.draft(&screen(&["> said before", "answer", "> new draft "])).as_deref(),
            Some("new draft")
        );
        assert_eq!(patterns.draft(&screen(&["> said", "> Ask me anything"])).as_deref(), Some(""));
        assert_eq!(patterns.draft(&screen(&["nothing"])), None);
    }
}
