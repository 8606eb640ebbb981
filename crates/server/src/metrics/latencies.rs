//! How long the routes take, as this instance has seen it since it started.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    Router,
    extract::{MatchedPath, Request},
    http::{StatusCode, header::AUTHORIZATION, header::COOKIE},
    response::Response,
};

use super::look::{Look, Looking};

/// Four buckets for each doubling of a time in microseconds, up to half a minute.
const BUCKETS: usize = 100;

pub(super) const NAME: &str = "countersign_request_seconds";

/// The powers of two, in microseconds, at which the buckets end that are published: 64 µs to 33.6 s.
const PUBLISHED: std::ops::RangeInclusive<u32> = 6..=25;

/// Times, counted in buckets: what is read of them is at most a quarter too long.
#[derive(Debug)]
pub(crate) struct Histogram {
    counts: [AtomicU64; BUCKETS],
    /// All times together, in microseconds.
    sum: AtomicU64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: std::array::from_fn(|_| AtomicU64::new(0)), sum: AtomicU64::new(0) }
    }
}

impl Histogram {
    pub(crate) fn record(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        if let Some(count) = self.counts.get(bucket(micros)) {
            count.fetch_add(1, Ordering::Relaxed);
            self.sum.fetch_add(micros, Ordering::Relaxed);
        }
    }

    fn counts(&self) -> Vec<u64> {
        self.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect()
    }

    /// How many times were recorded.
    pub(crate) fn count(&self) -> u64 {
        self.counts().iter().sum()
    }

    /// The series of this histogram, as Prometheus reads them.
    fn write_to(&self, text: &mut String, kind: &str) {
        let counts = self.counts();
        let mut line = |series: &str, le: &str, value: String| {
            text.push_str(&format!("{NAME}_{series}{{kind=\"{kind}\"{le}}} {value}\n"));
        };
        for power in PUBLISHED {
            let below = 1_u64 << power;
            let count: u64 = counts.iter().take(bucket(below)).sum();
            line("bucket", &format!(",le=\"{}\"", seconds(below)), count.to_string());
        }
        let total: u64 = counts.iter().sum();
        line("bucket", ",le=\"+Inf\"", total.to_string());
        line("sum", "", seconds(self.sum.load(Ordering::Relaxed)).to_string());
        line("count", "", total.to_string());
    }

    /// The time that this share of the requests, in thousandths, was at most.
    pub(crate) fn quantile(&self, thousandths: u64) -> Option<Duration> {
        let counts = self.counts();
        let total: u64 = counts.iter().sum();
        let wanted = total.saturating_mul(thousandths).div_ceil(1_000).max(1);
        let mut seen = 0;
        let place = counts.iter().position(|count| {
            seen += count;
            seen >= wanted
        })?;
        Some(Duration::from_micros(end(place)))
    }
}

/// A time in seconds, with all its digits.
fn seconds(micros: u64) -> f64 {
    Duration::from_micros(micros).as_secs_f64()
}

/// The bucket of a time.
fn bucket(micros: u64) -> usize {
    let place = match micros.checked_ilog2() {
        Some(doublings @ 2..) => u64::from(doublings - 1) * 4 + (micros >> (doublings - 2) & 3),
        _ => micros,
    };
    usize::try_from(place).map_or(BUCKETS - 1, |place| place.min(BUCKETS - 1))
}

/// Where a bucket ends.
fn end(bucket: usize) -> u64 {
    match u64::try_from(bucket).unwrap_or_default() {
        exact @ 0..4 => exact + 1,
        place => (place % 4 + 5) << (place / 4 - 1),
    }
}

/// What requests are told apart by.
#[derive(Debug, Default)]
pub(crate) struct Latencies {
    /// Logins with a password, of either kind.
    pub(crate) login: Histogram,
    /// Refreshes.
    pub(crate) refresh: Histogram,
    /// Requests that showed a token or a cookie, but for those of administrators, which read much.
    pub(crate) checked: Histogram,
}

impl Latencies {
    fn of(&self, path: &str, shows: bool) -> Option<&Histogram> {
        match path {
            "/login" | "/login/session" => Some(&self.login),
            "/refresh" => Some(&self.refresh),
            _ if path.starts_with("/admin/") => None,
            _ => shows.then_some(&self.checked),
        }
    }
}

impl Latencies {
    /// All of them, as Prometheus reads them.
    pub(super) fn write_to(&self, text: &mut String) {
        let Self { login, refresh, checked } = self;
        for (kind, times) in [("login", login), ("refresh", refresh), ("verify", checked)] {
            times.write_to(text, kind);
        }
    }
}

/// Measures all routes of an application, by the path that they were mounted at.
pub(crate) fn measured(app: Router, latencies: &Arc<Latencies>) -> Router {
    app.layer(Looking(Arc::clone(latencies)))
}

/// A request on its way: its route, whether it shows a credential, and since when.
pub(super) struct Begun(MatchedPath, bool, Instant);

impl Look for Arc<Latencies> {
    type Seen = Option<Begun>;

    fn before(&self, request: &Request) -> Self::Seen {
        let path = request.extensions().get::<MatchedPath>()?.clone();
        let headers = request.headers();
        let shows = headers.contains_key(AUTHORIZATION) || headers.contains_key(COOKIE);
        Some(Begun(path, shows, Instant::now()))
    }

    fn after(&self, begun: Self::Seen, response: &mut Response) {
        let Some(Begun(path, shows, since)) = begun else { return };
        // What was turned away before a password or a token was looked at says nothing of how long that takes.
        let was_judged =
            response.status().is_success() || response.status() == StatusCode::UNAUTHORIZED;
        if let Some(histogram) = self.of(path.as_str(), shows).filter(|_| was_judged) {
            histogram.record(since.elapsed());
        }
        // Pages lie in front: whoever counts there learns from the answer which route it is from.
        response.extensions_mut().insert(path);
    }
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, routing::get};
    use tower::ServiceExt;

    use super::*;

    #[test]
    fn every_time_lies_in_its_bucket_and_a_quarter_around_it() {
        let mut last = 0;
        for micros in (0..5_000).chain((13..25).map(|doublings| (1_u64 << doublings) + 77)) {
            let place = bucket(micros);
            assert!(place >= last, "{micros}");
            last = place;
            assert!(micros < end(place), "{micros} is not below {}", end(place));
            assert!(end(place) <= micros + micros / 4 + 1, "{micros} is far from {}", end(place));
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
        assert!(end(BUCKETS - 1) > 30_000_000);
    }

    #[test]
    fn a_share_of_the_times_is_found() {
        let histogram = Histogram::default();
        assert_eq!(histogram.quantile(500), None);
        for millis in 1..=100 {
            histogram.record(Duration::from_millis(millis));
        }
        assert_eq!(histogram.count(), 100);
        for (thousandths, millis) in [(500, 50.0), (950, 95.0), (990, 99.0), (1_000, 100.0)] {
            let found = histogram.quantile(thousandths).expect("a time").as_secs_f64() * 1_000.0;
            assert!((millis..millis * 1.25).contains(&found), "{thousandths}: {found}");
        }
    }

    #[test]
    fn what_is_published_is_what_was_recorded() {
        let latencies = Latencies::default();
        for micros in [63, 64, 1_000, 1_500, 90_000_000] {
            latencies.login.record(Duration::from_micros(micros));
        }
        let mut text = String::new();
        latencies.write_to(&mut text);
        let value = |series: &str| {
            let line = text.lines().find(|line| line.starts_with(&format!("{NAME}_{series} ")));
            line.unwrap_or_else(|| panic!("{series} is not in {text}")).rsplit(' ').next()
        };
        for (le, count) in [
            ("0.000064", "1"),
            ("0.000128", "2"),
            ("0.000512", "2"),
            ("0.001024", "3"),
            ("0.002048", "4"),
            ("33.554432", "4"),
            ("+Inf", "5"),
        ] {
            assert_eq!(value(&format!(r#"bucket{{kind="login",le="{le}"}}"#)), Some(count), "{le}");
        }
        assert_eq!(value(r#"sum{kind="login"}"#), Some("90.002627"));
        assert_eq!(value(r#"count{kind="login"}"#), Some("5"));
        assert_eq!(value(r#"count{kind="verify"}"#), Some("0"));
        assert_eq!(text.lines().count(), 3 * (PUBLISHED.count() + 3));
        // Each of them is the end of a bucket: nothing is guessed.
        for power in PUBLISHED {
            assert_eq!(end(bucket(1 << power) - 1), 1 << power);
        }
    }

    #[tokio::test]
    async fn requests_are_told_apart_by_the_path_they_were_mounted_at() {
        let latencies = Arc::new(Latencies::default());
        let ok = || get(async || StatusCode::OK);
        let routes = Router::new().route("/login", ok()).route("/refresh", ok());
        let routes = routes.route("/posts/{id}", ok()).route("/admin/users", ok());
        let too_often = get(async || StatusCode::TOO_MANY_REQUESTS);
        let routes = routes.route("/login/session", too_often);
        let app = measured(routes, &latencies);
        for (path, cookie) in [
            ("/login", false),
            ("/login/session", false),
            ("/refresh", false),
            ("/refresh", true),
            ("/posts/1", false),
            ("/posts/2", true),
            ("/admin/users", true),
            ("/nowhere", true),
        ] {
            let mut request = Request::new(Body::empty());
            *request.uri_mut() = path.parse().expect("a path");
            if cookie {
                request.headers_mut().insert(COOKIE, "session=x".parse().expect("a value"));
            }
            app.clone().oneshot(request).await.expect("an answer");
        }
        let Latencies { login, refresh, checked } = &*latencies;
        assert_eq!((login.count(), refresh.count(), checked.count()), (1, 2, 1));
    }
}
