//! The clock of a developer's server: `dev` alone mounts this.
//!
//! Whoever reaches the server may move it, without a credential: the reason to move it is to see credentials expire, and
//! one that has expired could not move it back. `dev` answers on loopback and to loopback names only; a page of another
//! site cannot send JSON without a preflight that is refused, and is refused by what its browser says of it.

use auth::{Auth, Error, Json, MovableClock, TooFar, config::parse_duration, openapi::Document};
use axum::{
    Json as JsonAnswer, Router,
    extract::{FromRequest, Request, State},
    http::{HeaderValue, header::CACHE_CONTROL},
    response::{IntoResponse, Response},
    routing::get,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

/// `/dev/clock`: what time it is, and how to make it another.
pub fn routes(auth: &Auth, clock: &MovableClock) -> Router {
    Router::new()
        .route("/dev/clock", get(read).post(change))
        .with_state(Moved { auth: auth.clone(), clock: clock.clone() })
}

pub(crate) fn openapi(document: &mut Document) {
    let reading = || json!({ "now": 1_795_351_391, "offset": "2h" });
    document.get("/dev/clock", "the clock").answers::<Reading>(200, "what time it is", reading());
    document
        .post("/dev/clock", "another time")
        .takes::<Change>(json!({ "offset": "2h" }))
        .answers::<Reading>(200, "what time it is now", reading())
        .refuses(403, &["cross_site"]);
}

#[derive(Clone)]
struct Moved {
    auth: Auth,
    clock: MovableClock,
}

#[derive(Serialize, ToSchema)]
struct Reading {
    now: i64,
    offset: String,
}

/// Where to move it, or by how much.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Change {
    offset: Option<String>,
    by: Option<String>,
}

impl Change {
    fn make(&self, clock: &MovableClock) -> Result<(), Error> {
        let seconds = |text: &str| {
            parse_offset(text).map_err(|_| {
                let detail =
                    "offset and by are a whole number and s, m, h or d, such as \"2h\" or \"-10m\"";
                Error::BodyInvalid(detail.to_owned())
            })
        };
        let moved = match (&self.offset, &self.by) {
            (Some(offset), None) => clock.set(seconds(offset)?),
            (None, Some(by)) => clock.move_by(seconds(by)?),
            _ => return Err(Error::BodyInvalid("the body has one of offset and by".to_owned())),
        };
        moved.map_err(|TooFar| Error::BodyInvalid(TooFar.to_string()))
    }
}

async fn read(State(moved): State<Moved>) -> Response {
    moved.reading()
}

async fn change(State(moved): State<Moved>, request: Request) -> Result<Response, Error> {
    moved.auth.refuse_cross_site(request.method(), request.headers())?;
    let Json(change) = Json::<Change>::from_request(request, &()).await?;
    change.make(&moved.clock)?;
    tracing::info!(offset = %text(moved.clock.offset()), "the clock was moved");
    Ok(moved.reading())
}

impl Moved {
    fn reading(&self) -> Response {
        let reading =
            Reading { now: self.auth.clock().now().seconds(), offset: text(self.clock.offset()) };
        let no_store = [(CACHE_CONTROL, HeaderValue::from_static("no-store"))];
        (no_store, JsonAnswer(reading)).into_response()
    }
}

/// Reads how far a clock is moved, in seconds: a duration, with a sign if it likes.
///
/// # Errors
/// A sentence that says how to write it.
pub fn parse_offset(text: &str) -> Result<i64, String> {
    let (sign, digits) = match text.split_at_checked(1) {
        Some(("+", rest)) => (1, rest),
        Some(("-", rest)) => (-1, rest),
        _ => (1, text),
    };
    let duration = parse_duration(digits).map_err(|_| "write it as +2h or -10m".to_owned())?;
    i64::try_from(duration.as_secs())
        .ok()
        .filter(|seconds| seconds.unsigned_abs() <= MovableClock::FARTHEST.as_secs())
        .map(|seconds| sign * seconds)
        .ok_or_else(|| TooFar.to_string())
}

/// How far a clock is moved, as [`parse_offset`] reads it.
pub fn text(offset: i64) -> String {
    let units = [(86_400, 'd'), (3_600, 'h'), (60, 'm')];
    let fits = |(length, _): &(i64, char)| offset != 0 && offset % length == 0;
    let (length, unit) = units.into_iter().find(fits).unwrap_or((1, 's'));
    format!("{}{unit}", offset / length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_is_read_and_written_alike() {
        for (written, seconds, again) in [
            ("+2h", 7_200, "2h"),
            ("2h", 7_200, "2h"),
            ("-10m", -600, "-10m"),
            ("90m", 5_400, "90m"),
            ("0s", 0, "0s"),
            ("-0d", 0, "0s"),
            ("+61s", 61, "61s"),
            ("48h", 172_800, "2d"),
            ("-3650d", -315_360_000, "-3650d"),
        ] {
            assert_eq!(parse_offset(written), Ok(seconds));
            assert_eq!(text(seconds), again);
            assert_eq!(parse_offset(again), Ok(seconds));
        }
        for wrong in [
            "",
            "+",
            "2",
            "h",
            "--2h",
            "+-2h",
            "2 h",
            "1.5h",
            "3651d",
            "99999999999999999999d",
            "é",
        ] {
            assert!(parse_offset(wrong).is_err(), "{wrong}");
        }
    }
}
