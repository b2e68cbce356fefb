//! Values with units: durations, sizes, percentages, secret references.

use std::fmt::Write as _;

/// Reads `([0-9]+(ms|s|m|h|d))+` as milliseconds.
///
/// # Errors
/// Says what a duration looks like.
pub fn duration(text: &str) -> Result<u64, String> {
    let shape =
        || format!("`{text}` is not a duration; write numbers with units, as in \"90s\", \"10m\" or \"1h30m\"");
    let mut total: u64 = 0;
    let mut rest = text;
    if rest.is_empty() {
        return Err(shape());
    }
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, tail) = rest.split_at(digits);
        let number: u64 = number.parse().map_err(|_| shape())?;
        let unit_len = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_len);
        let factor = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(shape()),
        };
        let part = number.checked_mul(factor).ok_or_else(shape)?;
        total = total.checked_add(part).ok_or_else(shape)?;
        rest = tail;
    }
    Ok(total)
}

/// The duration that a text like `10min` or `1 h` was most likely meant to be.
#[must_use]
pub fn meant_duration(text: &str) -> Option<String> {
    let (number, unit) = split_unit(text)?;
    let unit = match unit.as_str() {
        "ms" | "msec" | "millis" | "milliseconds" => "ms",
        "s" | "sec" | "secs" | "second" | "seconds" => "s",
        "m" | "min" | "mins" | "minute" | "minutes" => "m",
        "h" | "hr" | "hrs" | "hour" | "hours" => "h",
        "d" | "day" | "days" => "d",
        _ => return None,
    };
    Some(format!("{number}{unit}"))
}

/// The size that a text like `4GB` or `512 mib` was most likely meant to be.
#[must_use]
pub fn meant_size(text: &str) -> Option<String> {
    let (number, unit) = split_unit(text)?;
    let unit = unit.trim_end_matches('b').trim_end_matches('i');
    matches!(unit, "k" | "m" | "g" | "t").then(|| format!("{number}{}", unit.to_uppercase()))
}

fn split_unit(text: &str) -> Option<(u64, String)> {
    let compact: String = text.split_whitespace().collect::<String>().to_lowercase();
    let digits = compact.len() - compact.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    Some((compact[..digits].parse().ok()?, compact[digits..].to_owned()))
}

/// Writes milliseconds as [`duration`] reads them, largest unit first.
#[must_use]
pub fn show_duration(ms: u64) -> String {
    let mut out = String::new();
    let mut rest = ms;
    for (factor, unit) in [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s"), (1, "ms")] {
        if rest >= factor {
            let _ = write!(out, "{}{unit}", rest / factor);
            rest %= factor;
        }
    }
    if out.is_empty() { "0s".to_owned() } else { out }
}

/// Reads `[0-9]+[KMGT]?` as bytes, 1024-based.
///
/// # Errors
/// Says what a size looks like.
pub fn size(text: &str) -> Result<u64, String> {
    let shape = || format!("`{text}` is not a size; write a number with K, M, G or T, as in \"512M\" or \"6G\"");
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| shape())?;
    let shift = match unit {
        "" => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        "T" => 40,
        _ => return Err(shape()),
    };
    number.checked_mul(1 << shift).ok_or_else(shape)
}

/// Writes bytes as [`size`] reads them.
#[must_use]
pub fn show_size(bytes: u64) -> String {
    for (shift, unit) in [(40, "T"), (30, "G"), (20, "M"), (10, "K")] {
        if bytes >= 1 << shift && bytes.is_multiple_of(1 << shift) {
            return format!("{}{unit}", bytes >> shift);
        }
    }
    bytes.to_string()
}

/// Most per cent of one processor that systemd can count in a quota; 214,748 processors.
const MOST_PERCENT: u32 = i32::MAX as u32 / 100;

/// Reads `150%`. None at all would be no limit to systemd.
///
/// # Errors
/// Says what a percentage looks like.
pub fn percent(text: &str) -> Result<u32, String> {
    let shape = || format!("`{text}` is not a percentage; write \"150%\" for one and a half processors");
    let number = text.strip_suffix('%').and_then(|number| number.parse().ok());
    number.filter(|number| (1..=MOST_PERCENT).contains(number)).ok_or_else(shape)
}

/// Reads a time of day, `07:30`, as minutes after midnight.
///
/// # Errors
/// Says what a time of day looks like.
pub fn time_of_day(text: &str) -> Result<u64, String> {
    let shape = || format!("`{text}` is not a time of day; write hours and minutes, as in \"07:30\"");
    let (hours, minutes) = text.split_once(':').ok_or_else(shape)?;
    let two = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
    if !(two(hours) && two(minutes)) {
        return Err(shape());
    }
    let (hours, minutes): (u64, u64) = (hours.parse().map_err(|_| shape())?, minutes.parse().map_err(|_| shape())?);
    if hours < 24 && minutes < 60 { Ok(hours * 60 + minutes) } else { Err(shape()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_and_show() {
        assert_eq!(duration("1h30m"), Ok(5_400_000));
        assert_eq!(duration("250ms"), Ok(250));
        for bad in ["", "10", "s", "10x", "10 s", "-1s", "1.5h", "99999999999999999999d", "20000000000000d"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
        assert_eq!(show_duration(5_400_000), "1h30m");
        assert_eq!(show_duration(0), "0s");
    }

    #[test]
    fn sizes_are_1024_based() {
        assert_eq!(size("6G"), Ok(6 << 30));
        assert_eq!(size("17"), Ok(17));
        assert!(size("6GB").is_err());
        assert!(size("99999999999T").is_err());
        assert_eq!(show_size(6 << 30), "6G");
        assert_eq!(show_size(1500), "1500");
    }

    #[test]
    fn other_spellings_are_understood() {
        assert_eq!(meant_duration("10min").as_deref(), Some("10m"));
        assert_eq!(meant_duration("1 h").as_deref(), Some("1h"));
        assert_eq!(meant_duration("soon"), None);
        assert_eq!(meant_size("4GB").as_deref(), Some("4G"));
        assert_eq!(meant_size("512 MiB").as_deref(), Some("512M"));
        assert_eq!(meant_size("a lot"), None);
    }

    #[test]
    fn times_of_day_read() {
        assert_eq!(time_of_day("07:30"), Ok(450));
        for bad in ["7:30", "24:00", "12:60", "12", "ab:cd", "+1:00"] {
            assert!(time_of_day(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn percentages_read() {
        assert_eq!(percent("150%"), Ok(150));
        for bad in ["150", "0%", "21474837%"] {
            assert!(percent(bad).is_err(), "{bad}");
        }
    }
}
