//! Values as written → values of the type that the schema asks for.

use super::Value;
use crate::diagnostic::suggest::{list, nearest};
use crate::diagnostic::{Code, Diagnostic, Diagnostics, Span};
use crate::ids::{
    AgentName, ChainName, ConnectorName, FLEET_ID_MAX, FleetId, GateName, NAME_MAX, NameError, RESERVED_AGENT_NAMES,
    RoleName, RuntimeName,
};
use crate::manifest::SecretSource;
use crate::quantity::{self, show_duration};
use crate::roster::document::RawValue;
use crate::roster::schema::{Kind, TARGET_WORDS};
use crate::roster::secrets;

/// `raw` as a value of `kind`. What does not fit is reported under the name of its argument or property.
pub(super) fn convert(raw: &RawValue, span: Span, kind: Kind, what: &str, diagnostics: &mut Diagnostics) -> Value {
    // Escapes hide a secret from the look at the text, and a message about the value would show it.
    if let RawValue::Text(text) = raw
        && secrets::is_inside(text)
    {
        secrets::report(span, diagnostics);
    }
    match typed(raw, kind) {
        Ok(value) => value,
        Err(problem) => {
            let (code, message, help) = match problem {
                Problem::Type => {
                    let message = format!("`{what}` takes {}, found {}", kind.describe(), raw.kind());
                    (Code::WrongType, message, instead(raw, kind))
                }
                Problem::Value(message, help) => (Code::BadValue, message, help),
                Problem::Name(message, help) => (Code::BadName, message, Some(help)),
            };
            diagnostics.report_and_spoil(Diagnostic::error(code, message).at(span, "here").maybe_help(help));
            Value::Invalid
        }
    }
}

/// The value that was most likely meant, of the type that was asked for.
fn instead(raw: &RawValue, kind: Kind) -> Option<String> {
    match (kind, raw) {
        (Kind::Flag, RawValue::Text(text)) => match text.to_lowercase().trim_start_matches('#') {
            "true" | "yes" | "on" | "1" => Some("write `#true`".to_owned()),
            "false" | "no" | "off" | "0" => Some("write `#false`".to_owned()),
            _ => None,
        },
        (Kind::Flag, RawValue::Integer(number)) => Some(format!("write `#{}`", *number != 0)),
        (Kind::Integer(..), RawValue::Text(text)) => {
            text.trim().parse::<i64>().ok().map(|number| format!("write `{number}`, without quotes"))
        }
        (Kind::Duration(..), RawValue::Integer(number)) => {
            Some(format!("write a unit: \"{number}s\" or \"{number}m\""))
        }
        (Kind::Size, RawValue::Integer(number)) => Some(format!("write a unit: \"{number}M\" or \"{number}G\"")),
        (Kind::Percent, RawValue::Integer(number)) => Some(format!("write \"{number}%\"")),
        (Kind::Text, RawValue::Integer(number)) => Some(format!("write \"{number}\"")),
        (Kind::Text, RawValue::Flag(flag)) => Some(format!("write \"{flag}\"")),
        _ => None,
    }
}

enum Problem {
    Type,
    Value(String, Option<String>),
    Name(String, String),
}

fn typed(raw: &RawValue, kind: Kind) -> Result<Value, Problem> {
    match (kind, raw) {
        (Kind::Integer(low, high), RawValue::Integer(number)) => i64::try_from(*number)
            .ok()
            .filter(|number| (low..=high).contains(number))
            .map(Value::Integer)
            .ok_or_else(|| Problem::Value(format!("{number} is not {}", kind.describe()), None)),
        (Kind::DurationOrCount, RawValue::Integer(number)) => i64::try_from(*number)
            .ok()
            .filter(|number| *number >= 1)
            .map(Value::Integer)
            .ok_or_else(|| Problem::Value(format!("{number} is not {}", kind.describe()), None)),
        (Kind::Flag, RawValue::Flag(flag)) => Ok(Value::Flag(*flag)),
        (_, RawValue::Text(text)) => of_text(text, kind),
        _ => Err(Problem::Type),
    }
}

fn of_text(text: &str, kind: Kind) -> Result<Value, Problem> {
    let amount = |result: Result<u64, String>, meant: Option<String>| {
        let help = meant.map(|meant| format!("did you mean \"{meant}\"?"));
        result.map(Value::Amount).map_err(|message| Problem::Value(message, help))
    };
    let keep = || Value::Text(text.to_owned());
    let named = |what: &str, result: Result<Value, NameError>| {
        result.map_err(|error| bad_name(what, text, &error, NAME_MAX, "-"))
    };
    match kind {
        Kind::Integer(..) | Kind::Flag => Err(Problem::Type),
        Kind::Keys => Ok(keep()),
        Kind::Path if text.starts_with('$') => Err(Problem::Value(
            format!("`{}` is no path: a roster expands no variables", text.escape_debug()),
            Some("write \"~/…\" for your home, or the whole path".to_owned()),
        )),
        Kind::Text | Kind::Path => plain(text),
        Kind::Title => title(text),
        Kind::Duration(low, high) => duration(text, low, high),
        Kind::DurationOrCount => duration(text, 1_000, u64::MAX),
        Kind::Size => amount(quantity::size(text), quantity::meant_size(text)),
        Kind::Percent => {
            let meant = text.parse::<u32>().ok().map(|number| format!("{number}%"));
            amount(quantity::percent(text).map(u64::from), meant)
        }
        Kind::TimeOfDay => {
            let meant = Some(format!("0{text}")).filter(|meant| quantity::time_of_day(meant).is_ok());
            amount(quantity::time_of_day(text), meant)
        }
        Kind::Secret => secret(text),
        Kind::FleetId => {
            FleetId::new(text).map(Value::FleetId).map_err(|e| bad_name("fleet id", text, &e, FLEET_ID_MAX, ""))
        }
        Kind::AgentName | Kind::AgentRef => named("name of an agent", AgentName::new(text).map(Value::AgentName)),
        Kind::Target if TARGET_WORDS.contains(&text) => Ok(keep()),
        Kind::Target => named("name of an agent or a connector", AgentName::new(text).map(|_| keep())),
        Kind::RoleName => named("name of a role", RoleName::new(text).map(Value::RoleName)),
        Kind::RuntimeName => named("name of a runtime", RuntimeName::new(text).map(Value::RuntimeName)),
        Kind::ChainName => named("name of a chain of models", ChainName::new(text).map(|_| keep())),
        Kind::ConnectorName => named("name of a connector", ConnectorName::new(text).map(|_| keep())),
        Kind::GateName => named("name of a gate", GateName::new(text).map(|_| keep())),
        Kind::EnvKey => env_key(text),
        Kind::Pattern => match regex_lite::Regex::new(&format!("(?m){text}")) {
            Ok(_) => Ok(keep()),
            Err(error) => Err(Problem::Value(format!("this is not a regular expression: {error}"), None)),
        },
        Kind::Branch | Kind::Repository | Kind::Url | Kind::Listen => {
            let fits = match kind {
                Kind::Branch => is_branch(text),
                Kind::Repository => is_repository(text),
                Kind::Url => is_url(text),
                _ => is_listen(text),
            };
            let message =
                || format!("`{}` is not {}", text.escape_debug(), kind.describe().replace(" in quotes", ""));
            let meant = match kind {
                Kind::Url if !text.contains("://") && is_url(&format!("https://{text}")) => {
                    Some(format!("https://{text}"))
                }
                Kind::Repository => {
                    let path = text.trim_end_matches('/').trim_end_matches(".git");
                    let mut parts = path.rsplit(['/', ':']);
                    let name = parts.next().unwrap_or_default();
                    parts.next().map(|owner| format!("{owner}/{name}")).filter(|meant| is_repository(meant))
                }
                _ => None,
            };
            let help = meant.map(|meant| format!("did you mean \"{meant}\"?"));
            if fits { Ok(keep()) } else { Err(Problem::Value(message(), help)) }
        }
        Kind::Word(words) if words.contains(&text) => Ok(keep()),
        Kind::Word(words) => {
            let near = nearest(text, words.iter().copied()).map(|near| format!("did you mean \"{near}\"?"));
            // A long list is no message; it is what to do next.
            if words.len() > 8 {
                let message =
                    format!("`{}` is none of the {} words that can stand here", text.escape_debug(), words.len());
                return Err(Problem::Value(message, near.or_else(|| Some(format!("there is {}", list(words))))));
            }
            Err(Problem::Value(format!("`{text}` is not {}", kind.describe()), near))
        }
    }
}

/// A duration inside its bounds. The commonest slip is a unit: "30ms" for "30m".
fn duration(text: &str, low: u64, high: u64) -> Result<Value, Problem> {
    let ms = quantity::duration(text).map_err(|message| {
        let meant = quantity::meant_duration(text).map(|meant| format!("did you mean \"{meant}\"?"));
        Problem::Value(message, meant)
    })?;
    if (low..=high).contains(&ms) {
        return Ok(Value::Amount(ms));
    }
    let (message, bound) = if ms < low {
        (format!("{} is less than {}, the least there is", show_duration(ms), show_duration(low)), low)
    } else {
        (format!("{} is more than {}, the most there is", show_duration(ms), show_duration(high)), high)
    };
    let digits = text.trim_end_matches(|c: char| c.is_ascii_lowercase());
    let meant = ["s", "m", "h"].iter().map(|unit| format!("{digits}{unit}")).find(|meant| {
        digits.bytes().all(|byte| byte.is_ascii_digit())
            && quantity::duration(meant).is_ok_and(|ms| (low..=high).contains(&ms))
    });
    let meant = if text.ends_with("ms") { Some(format!("{digits}m")) } else { meant };
    let help = match meant {
        Some(meant) if ms < low => format!("did you mean \"{meant}\"?"),
        _ => format!("write \"{}\" or {}", show_duration(bound), if ms < low { "more" } else { "less" }),
    };
    Err(Problem::Value(message, Some(help)))
}

/// A window's title ends up in tmux, which expands `#` in names (`#(…)` runs a command).
fn title(text: &str) -> Result<Value, Problem> {
    let refused = text.chars().find(|c| c.is_control() || *c == '#');
    match refused {
        None if !text.trim().is_empty() && text.chars().count() <= 64 => Ok(Value::Text(text.to_owned())),
        None => Err(Problem::Value("a title has 1 to 64 characters".to_owned(), None)),
        Some(bad) => Err(Problem::Value(
            format!("a title cannot contain {bad:?}"),
            Some("write one line without `#`: tmux would take it for a command".to_owned()),
        )),
    }
}

/// What git takes as the name of a branch (git-check-ref-format(1)), without the rarest forms.
fn is_branch(text: &str) -> bool {
    let bad_char = |c: char| c.is_control() || matches!(c, ' ' | '~' | '^' | ':' | '?' | '*' | '[' | '\\');
    !text.is_empty()
        && text.len() <= 200
        && !text.contains(bad_char)
        && !text.contains("..")
        && !text.contains("@{")
        && !text.ends_with('.')
        && !text.starts_with('-')
        && text != "@"
        && text.split('/').all(|part| {
            let lock = std::path::Path::new(part).extension().is_some_and(|extension| extension == "lock");
            !part.is_empty() && !part.starts_with('.') && !lock
        })
}

fn is_repository(text: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty()
            && part.len() <= 100
            && !part.starts_with('.')
            && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    };
    text.split_once('/').is_some_and(|(owner, name)| part(owner) && part(name))
}

fn is_url(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    rest.is_some_and(|rest| {
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        !host.is_empty() && !host.contains('@') && !rest.chars().any(|c| c.is_control() || c.is_whitespace())
    })
}

fn is_listen(text: &str) -> bool {
    text.parse::<core::net::SocketAddr>().is_ok()
}

/// Texts end up in files and on terminals: control characters other than line breaks and tabs have no business there.
fn plain(text: &str) -> Result<Value, Problem> {
    match text.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\t')) {
        Some(bad) => Err(Problem::Value(
            format!("the text contains the control character {bad:?}"),
            Some("remove it".to_owned()),
        )),
        None => Ok(Value::Text(text.to_owned())),
    }
}

fn secret(text: &str) -> Result<Value, Problem> {
    let shapes = "write \"env:NAME\", \"file:PATH\", \"cmd:PROGRAM …\", \"op://VAULT/ITEM/FIELD\" or \"systemd:NAME\"; \
                  the value itself never stands in a roster";
    let bad = |message: String| Err(Problem::Value(message, Some(shapes.to_owned())));
    let Some((kind, rest)) = text.split_once(':') else {
        return bad("this is not a reference to a secret".to_owned());
    };
    if rest.is_empty() || rest.chars().any(char::is_control) {
        return bad("this is not a reference to a secret".to_owned());
    }
    Ok(Value::Secret(match kind {
        "env" if env_key(rest).is_ok() => SecretSource::Env(rest.to_owned()),
        "env" => return bad(format!("`{rest}` is not the name of a variable")),
        "file" => SecretSource::File(rest.into()),
        "cmd" => match shell_words::split(rest) {
            Ok(words) if !words.is_empty() => SecretSource::Cmd(words),
            _ => return bad("the quotes of this command do not match".to_owned()),
        },
        "op" if rest.starts_with("//") && rest.len() > 2 => SecretSource::Op(text.to_owned()),
        "systemd" if is_credential(rest) => SecretSource::Systemd(rest.to_owned()),
        "systemd" => return bad(format!("`{rest}` is not the name of a credential")),
        _ => return bad("this is not a reference to a secret".to_owned()),
    }))
}

/// A credential's name is the name of a file (systemd.exec(5)).
fn is_credential(text: &str) -> bool {
    text.len() <= 255 && !text.starts_with('.') && !text.contains('/')
}

fn env_key(text: &str) -> Result<Value, Problem> {
    let good = !text.is_empty()
        && text.len() <= 256
        && !text.starts_with(|c: char| c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if good {
        Ok(Value::Text(text.to_owned()))
    } else {
        let help = "names of variables are letters, digits and `_`, and do not start with a digit".to_owned();
        Err(Problem::Name(format!("`{}` is not the name of a variable", text.escape_debug()), help))
    }
}

fn bad_name(what: &str, text: &str, error: &NameError, limit: usize, dash: &str) -> Problem {
    let message = format!("`{}` is not a {what}: {error}", text.escape_debug());
    let help = match error {
        NameError::Reserved => format!("these words mean something else to fleet: {}", list(RESERVED_AGENT_NAMES)),
        _ => {
            let letters =
                if dash.is_empty() { "lower-case letters and digits" } else { "lower-case letters, digits and `-`" };
            let rule = format!("write {letters}, at most {limit} of them, a letter first");
            match slug(text, dash, limit) {
                Some(near) => format!("did you mean \"{near}\"? Or {rule}"),
                None => rule,
            }
        }
    };
    Problem::Name(message, help)
}

/// The name that was most likely meant.
fn slug(text: &str, dash: &str, limit: usize) -> Option<String> {
    let mut out = String::new();
    for c in text.chars() {
        if c.is_ascii_alphanumeric() {
            out.push(c.to_ascii_lowercase());
        } else if !out.is_empty() && !out.ends_with('-') {
            out.push_str(dash);
        }
    }
    let name = out.trim_start_matches(|c: char| !c.is_ascii_lowercase()).trim_end_matches('-');
    let reserved = RESERVED_AGENT_NAMES.contains(&name);
    (name.len() >= 2 && name.len() <= limit && !reserved).then(|| name.to_owned())
}
