//! What a screen says when everything that moves by itself is taken away: spinners, clocks, counters.

use super::clock::{Millis, Moment};
use crate::ids::Digest;

/// A digest of the picture. Two screens with the same one differ only in what a wedged program goes on drawing.
#[must_use]
pub fn picture(lines: &[String]) -> String {
    let mut text = String::new();
    for line in lines {
        still(line, &mut text);
        text.push('\n');
    }
    text.truncate(text.trim_end().len());
    Digest::of(text.as_bytes()).as_str().to_owned()
}

/// Appends `line` without what moves.
fn still(line: &str, text: &mut String) {
    let mut number = false;
    let mut blank = true;
    for c in line.trim_end().chars() {
        let digit = c.is_ascii_digit();
        // `12:34`, `1.5` and `1,204` are one number.
        if digit || (number && matches!(c, '.' | ':' | ',')) {
            if !number {
                text.push('#');
            }
            (number, blank) = (true, false);
            continue;
        }
        number = false;
        let spins = matches!(c, '\u{2800}'..='\u{28ff}' | '◐'..='◓' | '◴'..='◷' | '✢'..='✽' | '■' | '□' | '⬝' | '·' | '•' | '●' | '○' | '▰' | '▱' | '█' | '▌' | '░'..='▓');
        if spins || c.is_whitespace() {
            if !blank {
                text.push(' ');
            }
            blank = true;
            continue;
        }
        blank = false;
        text.push(c);
    }
    // A bar that turns, `|/-\`, as a word of its own at either end.
    for bar in ["|", "/", "-", "\\"] {
        if text.ends_with(&format!(" {bar}")) {
            text.truncate(text.len() - 2);
        }
    }
}

/// When a limit ends, by its own words: `in 5h 3m`, `in 90 seconds`, `at 3pm`, `15:30`. `None`: they name no time.
///
/// `zone` is the difference of local time from UTC, in milliseconds.
#[must_use]
pub fn limit_ends(text: &str, now: Moment, zone: i64) -> Option<Millis> {
    let lower = text.to_lowercase();
    relative(&lower).map(|span| now.wall + span).or_else(|| clock_time(&lower, now, zone))
}

/// `in 1h 2m 3s`, `in 2 days`, after words like "resets", "try again", "retrying".
fn relative(text: &str) -> Option<Millis> {
    let (_, rest) = text.split_once(" in ")?;
    let mut total: Option<Millis> = None;
    let mut rest = rest.trim_start();
    for _ in 0..4 {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let Ok(count) = rest[..digits].parse::<Millis>() else { break };
        let unit = rest[digits..].trim_start_matches(' ');
        let length = unit.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(unit.len());
        let factor = match &unit[..length] {
            "ms" | "milliseconds" => 1,
            "s" | "sec" | "secs" | "second" | "seconds" => 1_000,
            "m" | "min" | "mins" | "minute" | "minutes" => 60_000,
            "h" | "hr" | "hrs" | "hour" | "hours" => 3_600_000,
            "d" | "day" | "days" => 86_400_000,
            _ => break,
        };
        total = Some(total.unwrap_or(0).saturating_add(count.saturating_mul(factor)));
        rest = unit[length..].trim_start_matches([' ', ',']).trim_start_matches("and ");
    }
    total
}

/// The next time a clock on the wall shows what the text says after `at`, `resets` or `until`.
fn clock_time(text: &str, now: Moment, zone: i64) -> Option<Millis> {
    const DAY: i64 = 86_400_000;
    let rest = ["resets at ", "resets ", "until ", " at "].iter().find_map(|word| Some(text.split_once(word)?.1))?;
    let digits = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let rest = rest.trim_start();
    let end = digits(rest);
    let mut hour: i64 = rest[..end].parse().ok()?;
    let mut rest = &rest[end..];
    let mut minute = 0;
    let mut is_time = false;
    if let Some(more) = rest.strip_prefix(':') {
        let end = digits(more);
        minute = more[..end].parse().ok()?;
        (rest, is_time) = (&more[end..], true);
    }
    let rest = rest.trim_start();
    if rest.starts_with("am") || rest.starts_with("pm") {
        if !(1..=12).contains(&hour) {
            return None;
        }
        hour = hour % 12 + if rest.starts_with("pm") { 12 } else { 0 };
        is_time = true;
    }
    // `at 5 of 10` names no time.
    if !is_time || hour > 23 || minute > 59 {
        return None;
    }
    let zone = if rest.contains("utc") { 0 } else { zone };
    let local = i64::try_from(now.wall).ok()? + zone;
    let midnight = local - local.rem_euclid(DAY);
    let mut at = midnight + (hour * 60 + minute) * 60_000;
    if at <= local {
        at += DAY;
    }
    Millis::try_from(at - zone).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn what_moves_by_itself_is_no_change() {
        for (one, other) in [
            ("⠋ Working (3s · esc to interrupt)", "⠹ Working (1m 12s · esc to interrupt)"),
            ("12:00:01 tokens 1,204", "12:00:59 tokens 9,871"),
            ("✻ Cooking… (2s)", "✽ Cooking… (31s)"),
            ("busy |", "busy /"),
            ("a\n\n", "a"),
            ("■■⬝⬝ run", "⬝⬝■■ run"),
        ] {
            let (one, other) = (one.replace("1m 12s", "72s"), other.replace("1m 12s", "72s"));
            assert_eq!(picture(&lines(&one)), picture(&lines(&other)), "{one:?} and {other:?}");
        }
        for (one, other) in [("reading a.rs", "reading b.rs"), ("> ", "> x"), ("a b", "ab"), ("", "a")] {
            assert_ne!(picture(&lines(one)), picture(&lines(other)), "{one:?} and {other:?}");
        }
    }

    const HOUR: i64 = 3_600_000;

    #[test]
    fn the_end_of_a_limit_is_read_where_it_is_named() {
        // 2026-01-02 10:00 UTC.
        let now = Moment { awake: 0, boot: 0, wall: 1_767_348_000_000 };
        let after = |text: &str, zone: i64| limit_ends(text, now, zone).map(|at| at - now.wall);
        for (text, zone, wanted) in [
            ("limit reached, resets in 2m", 0, Some(120_000)),
            ("429 Too many · retrying in 8s · attempt 5/10", 0, Some(8_000)),
            ("try again in 1 day, 2 hours and 3 minutes.", 0, Some(93_780_000)),
            ("You've hit your limit · resets 3pm (Europe/Berlin)", HOUR, Some(4 * 3_600_000)),
            ("resets at 9:30am", 0, Some(84_600_000)),
            ("wait until 23:15 UTC", HOUR, Some(47_700_000)),
            ("resets 12am", 0, Some(50_400_000)),
            ("Request rejected (429)", 0, None),
            ("rejected in part at 5 of 10", 0, None),
            ("resets 13pm", 0, None),
            ("resets 25:00", 0, None),
        ] {
            assert_eq!(after(text, zone), wanted, "{text}");
        }
    }
}
