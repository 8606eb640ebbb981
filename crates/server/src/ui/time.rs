//! Times on pages: written in UTC on the server, and where the visitor is by `page.js`.

use std::fmt;

use jiff::Timestamp;
use serde::Deserialize;

/// A time in seconds, as routes tell it. `Display` writes it for people.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(transparent)]
pub(super) struct Moment(i64);

impl Moment {
    pub(super) fn seconds(self) -> i64 {
        self.0
    }

    /// For programs (RFC 3339 §5.6).
    pub(super) fn iso(self) -> String {
        Timestamp::from_second(self.0).map(|time| time.to_string()).unwrap_or_default()
    }
}

impl From<i64> for Moment {
    fn from(seconds: i64) -> Self {
        Self(seconds)
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Timestamp::from_second(self.0) {
            Ok(time) => time.strftime("%Y-%m-%d %H:%M:%S UTC").fmt(f),
            Err(_) => self.0.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_for_programs_and_for_people() {
        let time = Moment(1_795_344_162);
        assert_eq!(time.iso(), "2026-11-22T10:42:42Z");
        assert_eq!(time.to_string(), "2026-11-22 10:42:42 UTC");
        assert_eq!(Moment(i64::MAX).to_string(), i64::MAX.to_string());
    }
}
