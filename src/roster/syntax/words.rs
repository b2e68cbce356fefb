//! What single words look like in KDL, and a text without what is between them.

use super::lexer::{Kind, lex};

/// `text` without comments and indentation. It means the same, and `kdl`, whose time goes by every blank, reads it in a third
/// less. For built-in texts, into which no place ever points.
#[must_use]
pub fn condensed(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for token in lex(text) {
        match token.kind {
            Kind::Newline if out.is_empty() || out.ends_with('\n') => {}
            Kind::Newline => out.push('\n'),
            Kind::Whitespace if out.is_empty() || out.ends_with(['\n', ' ']) => {}
            Kind::Whitespace | Kind::BlockComment => out.push(' '),
            Kind::LineComment => {}
            _ => out.push_str(token.span.of(text)),
        }
    }
    out
}

/// `{…}` of a `\u{…}` escape.
pub(super) fn is_unicode_escape(rest: &str) -> bool {
    let digits = rest.strip_prefix('{').and_then(|rest| rest.split_once('}')).map(|(digits, _)| digits);
    digits.is_some_and(|digits| {
        (1..=6).contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
            && u32::from_str_radix(digits, 16).ok().and_then(char::from_u32).is_some()
    })
}

/// A number as KDL writes it.
pub(crate) fn is_number(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let digits = |part: &str, radix: u32| {
        part.starts_with(|c: char| c.is_digit(radix)) && part.chars().all(|c| c == '_' || c.is_digit(radix))
    };
    for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        if let Some(rest) = unsigned.strip_prefix(prefix) {
            return digits(rest, radix);
        }
    }
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))),
        None => (unsigned, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    digits(whole, 10) && fraction.is_none_or(|part| digits(part, 10)) && exponent.is_none_or(|part| digits(part, 10))
}

/// `.5` and `-.5`, which KDL takes neither for a number nor for a word.
pub(super) fn looks_like_number(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    unsigned.strip_prefix('.').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_words_goes() {
        let text = "// a\n\nb  \"c // d\"   // e\n    f {\n        g /* h */ i\n    }\n";
        assert_eq!(condensed(text), "b \"c // d\" \nf {\ng  i\n}\n");
    }

    #[test]
    fn numbers_are_those_of_kdl() {
        for good in ["0", "-17", "+1_000", "1.5", "1.5e-3", "0x1F", "0b1_0", "0o17"] {
            assert!(is_number(good), "{good}");
        }
        for bad in ["", "1.", ".5", "1.5.2", "0x", "1e", "60s", "0b2", "_1"] {
            assert!(!is_number(bad), "{bad}");
        }
        assert!(looks_like_number("-.5") && !looks_like_number("./x"));
        assert!(is_unicode_escape("{1F600}") && !is_unicode_escape("{d800}") && !is_unicode_escape("41"));
    }
}
