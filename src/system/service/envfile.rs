//! Environment files as systemd reads them (systemd.exec(5), `EnvironmentFile=`), for starts without systemd.
//!
//! Quotes, escapes and continuation lines as below; comments start a line with `#` or `;`. Where the manual is silent,
//! a running systemd decides: `tests/e2e` compares this reader with it.

use std::collections::BTreeMap;

/// What an environment file holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    /// The last assignment of a name wins.
    pub variables: BTreeMap<String, String>,
    /// Names of assignments that are not valid and are left out.
    pub ignored: Vec<String>,
}

/// Where in the grammar the reader stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    LineStart,
    Name,
    /// After `=`, or after a closing quote: blanks are skipped.
    ValueStart,
    Value,
    ValueEscape,
    Single,
    Double,
    DoubleEscape,
    Comment,
    CommentEscape,
}

const BLANKS: &str = " \t";
const LINE_ENDS: &str = "\n\r";

/// Reads the text of an environment file. Never fails: what is no assignment is skipped, as systemd does.
#[must_use]
pub fn parse(text: &str) -> Environment {
    let mut found = Environment::default();
    let mut at = At::LineStart;
    let mut name = String::new();
    let mut value = String::new();
    // Bytes of `value` that stand when blanks at its end are cut: everything up to the last quoted, escaped or
    // visible character.
    let mut solid = 0;
    let finish = |name: &mut String, value: &mut String, found: &mut Environment| {
        let (name, value) = (std::mem::take(name), std::mem::take(value));
        let name = name.trim_end_matches([' ', '\t']);
        if valid(name, &value) {
            found.variables.insert(name.to_owned(), value);
        } else {
            found.ignored.push(name.to_owned());
        }
    };
    for c in text.chars() {
        let (blank, line_end) = (BLANKS.contains(c), LINE_ENDS.contains(c));
        at = match at {
            At::LineStart if "#;".contains(c) => At::Comment,
            At::LineStart if blank || line_end => At::LineStart,
            At::Name if line_end => {
                name.clear();
                At::LineStart
            }
            At::Name if c == '=' => {
                solid = 0;
                At::ValueStart
            }
            At::LineStart | At::Name => {
                name.push(c);
                At::Name
            }
            At::ValueStart | At::Value if line_end => {
                if at == At::Value {
                    value.truncate(solid);
                }
                finish(&mut name, &mut value, &mut found);
                At::LineStart
            }
            At::ValueStart if c == '\'' => At::Single,
            At::ValueStart if c == '"' => At::Double,
            At::ValueStart if blank => At::ValueStart,
            At::ValueStart | At::Value if c == '\\' => {
                solid = value.len();
                At::ValueEscape
            }
            At::ValueStart | At::Value => {
                value.push(c);
                if !blank {
                    solid = value.len();
                }
                At::Value
            }
            At::ValueEscape => {
                if !line_end {
                    value.push(c);
                }
                solid = value.len();
                At::Value
            }
            At::Single if c == '\'' => At::ValueStart,
            At::Double if c == '"' => At::ValueStart,
            At::Double if c == '\\' => At::DoubleEscape,
            At::Single | At::Double => {
                value.push(c);
                at
            }
            At::DoubleEscape => {
                if !"\"\\`$\n".contains(c) {
                    value.push('\\');
                }
                if c != '\n' {
                    value.push(c);
                }
                At::Double
            }
            At::Comment if c == '\\' => At::CommentEscape,
            At::Comment if line_end => At::LineStart,
            // A comment that ends in a backslash goes on in the next line, as in systemd before 254: the older rule
            // never assigns what the newer one takes for a comment.
            At::Comment | At::CommentEscape => At::Comment,
        };
    }
    match at {
        At::LineStart | At::Name | At::Comment | At::CommentEscape => {}
        _ => {
            if at == At::Value {
                value.truncate(solid);
            }
            finish(&mut name, &mut value, &mut found);
        }
    }
    found
}

/// Whether systemd takes the assignment. Others would also be refused by execve(2) or be unreachable from a shell.
fn valid(name: &str, value: &str) -> bool {
    let letters = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let starts = name.chars().next().is_some_and(|c| !c.is_ascii_digit());
    letters && starts && !value.contains('\0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn reads(text: &str, wanted: &[(&str, &str)]) {
        let wanted = wanted.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        assert_eq!(parse(text).variables, wanted, "{text:?}");
    }

    /// What systemd 252 makes of each was seen in the end-to-end test, which has many more.
    #[test]
    fn quotes_escapes_and_comments_mean_what_they_mean_to_systemd() {
        reads("A=two words \nB= x", &[("A", "two words"), ("B", "x")]);
        reads("A='a # b' \nB=\"c \\\" \\\\ \\n\"", &[("A", "a # b"), ("B", "c \" \\ \\n")]);
        reads("# A=1\n ; B=2\nC=3 # no comment", &[("C", "3 # no comment")]);
        reads("A=con\\\ntinued\nB=\"con\\\ntinued\"", &[("A", "continued"), ("B", "continued")]);
        reads("A='x' y\nB=x'y'\nC=\"many\nlines\"", &[("A", "xy"), ("B", "x'y'"), ("C", "many\nlines")]);
        reads("A=1\nA=2\nB=", &[("A", "2"), ("B", "")]);
        reads("A=trail\\ \nB='open\nC=3", &[("A", "trail "), ("B", "open\nC=3")]);
    }

    #[test]
    fn what_is_no_name_is_left_out_and_said() {
        let found = parse("export A=1\n9B=2\nC-D=3\nE=4");
        assert_eq!(found.variables.into_keys().collect::<Vec<_>>(), ["E"]);
        assert_eq!(found.ignored, ["export A", "9B", "C-D"]);
    }
}
