//! The clock of a developer's server, at the foot of every page: what time it is there, and how to make it another.

use axum::{Form, http::Method, response::Response};
use serde::{Deserialize, Deserializer};
use serde_json::json;

use super::{routes::Routes, time::Moment, visit::Visit};
use crate::clock::{parse_offset, text};

/// How far ahead of the machine one may set it with one choice, in seconds: as far as something changes there (a token
/// expires after ten minutes, a link after thirty, an idle session after twelve hours, a login by tokens after a month).
const STOPS: [i64; 12] =
    [-86_400, -3_600, 0, 600, 1_800, 3_600, 21_600, 46_800, 86_400, 259_200, 691_200, 2_678_400];

/// What the clock says.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct ClockPart {
    pub(super) now: Moment,
    #[serde(deserialize_with = "seconds")]
    pub(super) offset: Offset,
}

/// How far a clock is from that of the machine, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Offset(i64);

fn seconds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Offset, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_offset(&text).map(Offset).map_err(serde::de::Error::custom)
}

impl Offset {
    pub(super) fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// As the route reads it.
    pub(super) fn value(self) -> String {
        text(self.0)
    }

    /// As people read it, in every language: `+2 h`.
    pub(super) fn shown(self) -> String {
        let text = text(self.0.saturating_abs());
        let (digits, unit) = text.split_at(text.len().saturating_sub(1));
        let unit = if unit == "m" { "min" } else { unit };
        format!("{}{digits}\u{a0}{unit}", if self.0 < 0 { '−' } else { '+' })
    }
}

impl ClockPart {
    /// What one may choose, and the one it is set to.
    pub(super) fn stops(&self) -> Vec<Offset> {
        let mut stops: Vec<Offset> = STOPS.into_iter().map(Offset).collect();
        if !stops.contains(&self.offset) {
            stops.push(self.offset);
            stops.sort_unstable();
        }
        stops
    }
}

pub(super) fn add(routes: &mut Routes) {
    routes.form("/account/clock", "/", set);
}

#[derive(Deserialize)]
struct Change {
    offset: Option<String>,
    by: Option<String>,
}

/// Sets the clock, and leads back to the page. What the page offers is never refused.
async fn set(visit: Visit, Form(Change { offset, by }): Form<Change>) -> Response {
    let change = match (offset, by) {
        (Some(offset), _) => json!({ "offset": offset }),
        (None, by) => json!({ "by": by }),
    };
    visit.ask(Method::POST, "/dev/clock", Some(change)).await;
    visit.go_back()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_offers_where_it_is_beside_its_stops() {
        let read = |offset: &str| -> ClockPart {
            serde_json::from_value(json!({ "now": 1, "offset": offset })).expect("a clock")
        };
        let shown = |part: &ClockPart| -> Vec<String> {
            part.stops().into_iter().map(Offset::shown).collect()
        };
        let moved = read("20m");
        assert_eq!(moved.offset.value(), "20m");
        let moved = shown(&moved);
        assert_eq!(moved.len(), STOPS.len() + 1);
        assert!(moved.windows(2).any(|two| two == ["+10\u{a0}min", "+20\u{a0}min"]), "{moved:?}");
        assert!(moved.contains(&"−1\u{a0}d".to_owned()));
        assert_eq!(shown(&read("0s")).len(), STOPS.len());
        assert!(read("0s").offset.is_zero() && !read("-1h").offset.is_zero());
    }
}
