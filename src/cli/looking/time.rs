//! Moments and ages, for people. Times are milliseconds since the epoch.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::cli::error::CliError;
use crate::quantity;
use crate::supervise::clock::Millis;

/// One look at the clock, with this machine's time zone.
#[derive(Debug, Clone)]
pub struct Clock {
    pub now: Millis,
    pub zone: TimeZone,
}

impl Clock {
    /// Now and here.
    #[must_use]
    pub fn read() -> Self {
        let now = u64::try_from(Timestamp::now().as_millisecond()).unwrap_or(0);
        Self { now, zone: TimeZone::system() }
    }

    /// How long ago `at` was: `0s`, `47s`, `12m`, `3h`, `9d`.
    #[must_use]
    pub fn age(&self, at: Millis) -> String {
        let seconds = self.now.saturating_sub(at) / 1_000;
        match seconds {
            ..60 => format!("{seconds}s"),
            60..3_600 => format!("{}m", seconds / 60),
            3_600..172_800 => format!("{}h", seconds / 3_600),
            _ => format!("{}d", seconds / 86_400),
        }
    }

    /// The local time of `at`: `14:03:22` of today, else with its day, of another year with that.
    #[must_use]
    pub fn time(&self, at: Millis) -> String {
        let zoned = |at: Millis| {
            let at = Timestamp::from_millisecond(i64::try_from(at).unwrap_or(i64::MAX)).unwrap_or(Timestamp::MAX);
            at.to_zoned(self.zone.clone())
        };
        let (there, here) = (zoned(at), zoned(self.now));
        let form = if there.date() == here.date() {
            "%H:%M:%S"
        } else if there.year() == here.year() {
            "%b %d %H:%M:%S"
        } else {
            "%Y-%m-%d %H:%M:%S"
        };
        there.strftime(form).to_string()
    }

    /// The moment that `text` names: so long ago (`2h`, `1h30m`), or a time as in RFC 3339.
    ///
    /// # Errors
    /// When it is neither (exit 64).
    pub fn since(&self, text: &str) -> Result<Millis, CliError> {
        if let Ok(ago) = quantity::duration(text) {
            return Ok(self.now.saturating_sub(ago));
        }
        if let Ok(at) = text.parse::<Timestamp>() {
            return Ok(u64::try_from(at.as_millisecond()).unwrap_or(0));
        }
        let help = "write how long ago, as in 90s, 30m, 2h or 1h30m, or a time, as in 2026-01-31T14:00:00Z";
        Err(CliError::usage(format!("`{}` is no moment in the past", text.escape_debug()), help))
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// 2026-01-31 at 14:00:00 in UTC.
    pub fn noon() -> Clock {
        Clock { now: 1_769_868_000_000, zone: TimeZone::UTC }
    }

    #[test]
    fn times_say_no_more_than_they_must() {
        let clock = noon();
        assert_eq!(clock.time(clock.now - 1_000), "13:59:59");
        assert_eq!(clock.time(clock.now - 86_400_000), "Jan 30 14:00:00");
        assert_eq!(clock.time(clock.now - 40 * 86_400_000), "2025-12-22 14:00:00");
        assert_eq!(clock.age(clock.now - 47_900), "47s");
        assert_eq!(clock.age(clock.now - 3_600_000), "1h");
        assert_eq!(clock.age(clock.now + 5_000), "0s");
        assert_eq!(clock.age(clock.now - 3 * 86_400_000), "3d");
    }

    #[test]
    fn the_past_is_named_by_an_age_or_a_time() {
        let clock = noon();
        assert_eq!(clock.since("1h30m").unwrap(), clock.now - 5_400_000);
        assert_eq!(clock.since("2026-01-31T15:00:00+01:00").unwrap(), clock.now);
        assert_eq!(clock.since("999999d").unwrap(), 0);
        assert!(clock.since("yesterday").unwrap_err().message.contains("`yesterday` is no moment"));
    }
}
