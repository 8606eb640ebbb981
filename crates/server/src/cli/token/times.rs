//! Times as people read them.

use auth::config::parse_duration;
use jiff::{Timestamp, tz::TimeZone};
use jwt::SystemClock;
use serde::Serialize;

/// A moment of a token: as it stands there, and as people read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Moment {
    /// Seconds since 1970.
    pub(super) unix: i64,
    /// In UTC, as RFC 3339 has it.
    pub(super) utc: String,
    /// Where this machine stands, as RFC 3339 has it.
    pub(super) local: String,
    /// Seconds from the time of the check; negative for what has passed.
    pub(super) from_now: i64,
    #[serde(skip)]
    readable: String,
}

impl Moment {
    /// `None` for a time outside of the calendar.
    pub(super) fn new(unix: i64, now: i64, zone: &TimeZone) -> Option<Self> {
        let timestamp = Timestamp::from_second(unix).ok()?;
        let local = timestamp.to_zoned(zone.clone());
        let mut readable = timestamp.strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
        if local.offset().seconds() != 0 {
            readable.push_str(&local.strftime(" (%Y-%m-%d %H:%M:%S %Z)").to_string());
        }
        Some(Self {
            unix,
            utc: timestamp.to_string(),
            local: local.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string(),
            from_now: unix.saturating_sub(now),
            readable,
        })
    }

    /// `in 4 min 12 s`, or `3 min ago`.
    pub(super) fn distance(&self) -> String {
        match self.from_now {
            0 => "now".to_owned(),
            ahead @ 1.. => format!("in {}", span(ahead.unsigned_abs())),
            past => format!("{} ago", span(past.unsigned_abs())),
        }
    }

    /// The distance, then the time in UTC, and where this machine stands if that differs.
    pub(super) fn readable(&self) -> String {
        format!("{}: {}", self.distance(), self.readable)
    }
}

/// A number of seconds in its two largest units.
pub(crate) fn span(seconds: u64) -> String {
    let units = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];
    let mut rest = seconds;
    let mut parts = Vec::new();
    for (length, unit) in units {
        let number = rest / length;
        rest %= length;
        if number > 0 {
            parts.push(format!("{number} {unit}"));
        } else if !parts.is_empty() {
            break;
        }
    }
    parts.truncate(2);
    if parts.is_empty() { "0 s".to_owned() } else { parts.join(" ") }
}

/// The zone of this machine, or that of the variable `TZ`.
pub(super) fn zone() -> TimeZone {
    TimeZone::system()
}

/// The present time, in seconds since 1970.
pub(super) fn now() -> i64 {
    jwt::Clock::now(&SystemClock).seconds()
}

/// Reads a time: seconds since 1970, RFC 3339, or a distance from now such as `+2h` or `-10m`.
pub(super) fn parse(text: &str) -> Result<i64, String> {
    let distance = |text: &str| parse_duration(text).map(|duration| duration.as_secs());
    match text.split_at_checked(1) {
        Some(("+", rest)) => Ok(now().saturating_add_unsigned(distance(rest)?)),
        Some(("-", rest)) => Ok(now().saturating_sub_unsigned(distance(rest)?)),
        _ => text.parse().or_else(|_| match text.parse::<Timestamp>() {
            Ok(timestamp) => Ok(timestamp.as_second()),
            Err(_) => Err("write it as 1795536000, 2026-11-24T16:00:00Z, +2h or -10m".to_owned()),
        }),
    }
}

#[cfg(test)]
mod tests {
    use jiff::tz::Offset;

    use super::*;

    #[test]
    fn spans_have_their_two_largest_units() {
        for (seconds, text) in [
            (0, "0 s"),
            (59, "59 s"),
            (252, "4 min 12 s"),
            (600, "10 min"),
            (3_601, "1 h"),
            (7_500, "2 h 5 min"),
            (2_592_000, "30 d"),
            (100_000, "1 d 3 h"),
        ] {
            assert_eq!(span(seconds), text);
        }
    }

    #[test]
    fn a_moment_is_read_here_and_in_utc() {
        let zone = TimeZone::fixed(Offset::constant(2));
        let moment = Moment::new(1_800_000_000, 1_799_999_748, &zone).expect("a moment");
        assert_eq!(
            moment.readable(),
            "in 4 min 12 s: 2027-01-15 08:00:00 UTC (2027-01-15 10:00:00 +02)"
        );
        assert_eq!(
            (&*moment.utc, &*moment.local),
            ("2027-01-15T08:00:00Z", "2027-01-15T10:00:00+02:00")
        );
        let past = Moment::new(0, 61, &TimeZone::UTC).expect("a moment");
        assert_eq!(past.readable(), "1 min 1 s ago: 1970-01-01 00:00:00 UTC");
        assert_eq!(Moment::new(i64::MAX, 0, &zone), None);
    }

    #[test]
    fn times_are_read_in_three_forms() {
        assert_eq!(parse("1800000000"), Ok(1_800_000_000));
        assert_eq!(parse("2027-01-15T08:00:00Z"), Ok(1_800_000_000));
        let later = parse("+2h").expect("a time") - now();
        assert!((7_199..=7_201).contains(&later));
        assert!(parse("tomorrow").is_err() && parse("-2").is_err() && parse("").is_err());
    }
}
