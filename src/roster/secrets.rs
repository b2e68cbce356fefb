//! Secrets that were written into the roster. They are reported wherever they stand, comments included, and never shown.

use std::sync::LazyLock;

use crate::diagnostic::{Code, Diagnostic, Diagnostics, FileId, Span};

/// Shapes of tokens that services hand out. A shape is listed when its prefix makes a false alarm unlikely.
const SHAPES: &str = concat!(
    r"\b(?:sk-[A-Za-z0-9_-]{20,}",
    r"|gh[pousr]_[A-Za-z0-9]{20,}",
    r"|github_pat_[A-Za-z0-9_]{20,}",
    r"|glpat-[A-Za-z0-9_-]{16,}",
    r"|xox[abprs]-[A-Za-z0-9-]{10,}",
    r"|xapp-[A-Za-z0-9-]{10,}",
    r"|AKIA[0-9A-Z]{16}",
    r"|AIza[0-9A-Za-z_-]{30,}",
    r"|npm_[A-Za-z0-9]{30,}",
    r"|hf_[A-Za-z0-9]{25,}",
    r"|syt_[A-Za-z0-9_]{20,}",
    r"|eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
    r")|(?:-----BEGIN [A-Z ]*PRIVATE KEY-----)",
);

/// One of these stands in whatever has one of the shapes.
const BEGINNINGS: &[&str] = &[
    "sk-",
    "ghp_",
    "gho_",
    "ghu_",
    "ghs_",
    "ghr_",
    "github_pat_",
    "glpat-",
    "xox",
    "xapp-",
    "AKIA",
    "AIza",
    "npm_",
    "hf_",
    "syt_",
    "eyJ",
    "-----BEGIN",
];

static PATTERN: LazyLock<regex_lite::Regex> =
    LazyLock::new(|| regex_lite::Regex::new(SHAPES).expect("a constant expression"));

/// Endings of variable names whose value is a secret.
const SECRET_NAMES: &[&str] =
    &["TOKEN", "SECRET", "PASSWORD", "PASSWD", "API_KEY", "APIKEY", "PRIVATE_KEY", "ACCESS_KEY", "CREDENTIALS"];

/// Reports every literal that has the shape of a secret.
///
/// # Panics
/// Never: the expression is a constant and covered by a test.
pub fn find(text: &str, file: FileId, diagnostics: &mut Diagnostics) {
    conceal_assignments(text, file, diagnostics);
    // Most rosters hold none of the beginnings, and the expression takes longer than everything else that reads them.
    if !BEGINNINGS.iter().any(|beginning| text.contains(beginning)) {
        return;
    }
    for found in PATTERN.find_iter(text) {
        report(Span { file, start: found.start(), end: found.end() }, diagnostics);
    }
}

/// Conceals the values of `NAME=value` lines, as in an env file that was named by mistake: an excerpt must not show them.
fn conceal_assignments(text: &str, file: FileId, diagnostics: &mut Diagnostics) {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        if let Some((name, value)) = line.split_once('=') {
            let name = name.trim().trim_start_matches("export ");
            let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            if plain && is_secret_name(name) {
                let from = start + line.len() - value.len();
                diagnostics.conceal(Span { file, start: from, end: from + value.trim_end().len() });
            }
        }
        start += line.len();
    }
}

/// Whether `text` holds something of the shape of a secret. For values as they are meant, escapes undone.
#[must_use]
pub fn is_inside(text: &str) -> bool {
    BEGINNINGS.iter().any(|beginning| text.contains(beginning)) && PATTERN.is_match(text)
}

/// `text` with `*` for whatever has the shape of a secret, for what is shown of a file.
#[must_use]
pub fn masked(text: &str) -> String {
    PATTERN.replace_all(text, |found: &regex_lite::Captures<'_>| "*".repeat(found[0].chars().count())).into_owned()
}

/// Whether a variable of this name holds a secret, so that its value must not stand in the roster.
#[must_use]
pub fn is_secret_name(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    SECRET_NAMES.iter().any(|ending| upper.ends_with(ending))
}

/// Reports the secret at `span` and conceals it from every excerpt.
pub fn report(span: Span, diagnostics: &mut Diagnostics) {
    diagnostics.conceal(span);
    let message = "this looks like a secret, and a roster is read by everyone who reads the repository";
    let help = "write where it comes from, as in `from=\"env:NAME\"` or `from=\"file:PATH\"`, and revoke the value if it was ever committed";
    diagnostics.report_and_spoil(Diagnostic::error(Code::SecretLiteral, message).at(span, "concealed").help(help));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_found_and_ordinary_words_are_not() {
        let count = |text: &str| {
            let mut diagnostics = Diagnostics::default();
            find(text, FileId(0), &mut diagnostics);
            diagnostics.sorted().len()
        };
        // Made up, and split so that no scanner takes this file for a leak.
        assert_eq!(count(&format!("env \"A\" \"{}{}\"", "ghp_", "a1".repeat(18))), 1);
        assert_eq!(count(&format!("// old: {}{}", "sk-", "canary0".repeat(5))), 1);
        assert_eq!(
            count("runtime \"claude\" model=\"opus\"\nprompt \"task-list and risk-management-of-long-words\""),
            0
        );
    }

    #[test]
    fn every_shape_has_its_beginning() {
        let shapes = SHAPES.matches('|').count() + 1;
        // `gh[pousr]_` is one shape and five beginnings.
        assert_eq!(shapes + 4, BEGINNINGS.len(), "{SHAPES}");
        for beginning in BEGINNINGS {
            let text = match *beginning {
                "-----BEGIN" => "-----BEGIN RSA PRIVATE KEY-----".to_owned(),
                "eyJ" => format!("eyJ{0}.{0}.{0}", "a1".repeat(10)),
                "xox" => format!("xoxb-{}", "a1".repeat(10)),
                "AKIA" => format!("AKIA{}", "A1".repeat(8)),
                other => format!("{other}{}", "a1".repeat(20)),
            };
            let mut diagnostics = Diagnostics::default();
            find(&text, FileId(0), &mut diagnostics);
            assert_eq!(diagnostics.sorted().len(), 1, "{beginning}");
        }
    }

    #[test]
    fn names_tell_secrets() {
        assert!(is_secret_name("GH_TOKEN"));
        assert!(is_secret_name("ANTHROPIC_API_KEY"));
        assert!(!is_secret_name("TOKENIZER"));
        assert!(!is_secret_name("RUST_BACKTRACE"));
    }
}
