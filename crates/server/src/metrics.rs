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
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, header::AUTHORIZATION, header::COOKIE},
    middleware::{Next, from_fn_with_state},
    response::Response,
};

/// Four buckets for each doubling of a time in microseconds, up to half a minute.
const BUCKETS: usize = 100;

/// Times, counted in buckets: what is read of them is at most a quarter too long.
#[derive(Debug)]
pub(crate) struct Histogram([AtomicU64; BUCKETS]);

impl Default for Histogram {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

impl Histogram {
    pub(crate) fn record(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        if let Some(count) = self.0.get(bucket(micros)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many times were recorded.
    pub(crate) fn count(&self) -> u64 {
        self.0.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }

    /// The time that this share of the requests, in thousandths, was at most.
    pub(crate) fn quantile(&self, thousandths: u64) -> Option<Duration> {
        let counts: Vec<u64> = self.0.iter().map(|count| count.load(Ordering::Relaxed)).collect();
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
    fn of(&self, path: &str, headers: &HeaderMap) -> Option<&Histogram> {
        match path {
            "/login" | "/login/session" => Some(&self.login),
            "/refresh" => Some(&self.refresh),
            _ if path.starts_with("/admin/") => None,
            _ => {
                let shows = headers.contains_key(AUTHORIZATION) || headers.contains_key(COOKIE);
                shows.then_some(&self.checked)
            }
        }
    }
}

/// Measures all routes of an application, by the path that they were mounted at.
pub(crate) fn measured(app: Router, latencies: &Arc<Latencies>) -> Router {
    app.layer(from_fn_with_state(Arc::clone(latencies), measure))
}

async fn measure(
    State(latencies): State<Arc<Latencies>>,
    request: Request,
    next: Next,
) -> Response {
    let path = request.extensions().get::<MatchedPath>();
    let Some(histogram) = path.and_then(|path| latencies.of(path.as_str(), request.headers()))
    else {
        return next.run(request).await;
    };
    let begun = Instant::now();
    let response = next.run(request).await;
    histogram.record(begun.elapsed());
    response
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, http::StatusCode, routing::get};
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

    #[tokio::test]
    async fn requests_are_told_apart_by_the_path_they_were_mounted_at() {
        let latencies = Arc::new(Latencies::default());
        let ok = || get(async || StatusCode::OK);
        let routes = Router::new().route("/login", ok()).route("/refresh", ok());
        let routes = routes.route("/posts/{id}", ok()).route("/admin/users", ok());
        let app = measured(routes, &latencies);
        for (path, cookie) in [
            ("/login", false),
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
