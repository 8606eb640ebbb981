//! What a server tells of itself to Prometheus, and to whom.
//!
//! Counters and gauges are those of the `metrics` crate, which the slices of `auth` write to. The times are `Latencies`,
//! which the console shows too. No label has an address, an id or a name: routes are labelled as they are mounted.

mod latencies;
mod look;
mod requests;

use std::{
    fmt::{self, Write},
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use ::metrics::{describe_counter, describe_gauge};
use anyhow::Context;
use axum::{
    Router,
    extract::{ConnectInfo, State},
    http::{
        HeaderValue, Method, StatusCode,
        header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE},
        request::Parts,
    },
    response::{IntoResponse, Response},
    routing::any,
};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

pub(crate) use self::{
    latencies::{Histogram, Latencies, measured},
    requests::{counted, marked},
};
use crate::{app, limits};

/// What a metric is, as Prometheus calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only goes up, until the process ends.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Times, counted in buckets.
    Histogram,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        })
    }
}

/// One metric that a server publishes.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// What it says.
    pub text: &'static str,
}

const fn counter(
    name: &'static str,
    labels: &'static [&'static str],
    text: &'static str,
) -> Metric {
    Metric { name, kind: Kind::Counter, labels, text }
}

const fn gauge(name: &'static str, labels: &'static [&'static str], text: &'static str) -> Metric {
    Metric { name, kind: Kind::Gauge, labels, text }
}

/// Every metric there is.
pub const METRICS: &[Metric] = &[
    gauge("countersign_build_info", &["version"], "always 1; the version is in the label"),
    gauge("countersign_uptime_seconds", &[], "seconds since the process began to serve"),
    counter(
        requests::NAME,
        &["route", "status"],
        "requests that were answered, by the route as it is mounted and the class of the status",
    ),
    Metric {
        name: latencies::NAME,
        kind: Kind::Histogram,
        labels: &["kind"],
        text: "seconds from the whole request to its answer: logins, refreshes, requests with a credential that is checked",
    },
    counter("countersign_attempts_refused_total", &[], "attempts that the limits refused with 429"),
    counter(
        "countersign_job_failures_total",
        &["job"],
        "turns of periodic work that failed, and are tried again",
    ),
    counter(
        "countersign_key_reload_failures_total",
        &[],
        "reads of changed keys that failed, and are tried again",
    ),
    gauge(
        "countersign_revocations",
        &[],
        "logins that ended and whose tokens could still be shown",
    ),
    gauge(
        "countersign_revocations_stale",
        &[],
        "1 as long as this instance does not learn which logins end elsewhere",
    ),
    gauge("countersign_mail_waiting", &[], "letters that wait to be sent, on all instances"),
    gauge("countersign_mail_oldest_seconds", &[], "for how long the oldest of them waits"),
    counter("countersign_mail_sent_total", &["kind"], "letters that the mail server took"),
    counter("countersign_mail_dropped_total", &["kind"], "letters that were given up"),
    gauge("countersign_webhooks_waiting", &[], "events that wait to be sent, on all instances"),
    gauge("countersign_webhooks_oldest_seconds", &[], "for how long the oldest of them waits"),
    counter("countersign_webhooks_sent_total", &["type"], "events that the receiver took"),
    counter("countersign_webhooks_dropped_total", &["type"], "events that were given up"),
];

/// How often the recorder tidies up.
const UPKEEP: Duration = Duration::from_secs(5);

/// What counts in this process: there is one.
#[derive(Debug, Clone)]
pub(crate) struct Recorder {
    handle: PrometheusHandle,
    started: Instant,
}

impl Recorder {
    /// Takes what is counted in this process from here on.
    ///
    /// # Errors
    /// When another one does already.
    pub(crate) fn install() -> anyhow::Result<Self> {
        let builder = PrometheusBuilder::new();
        let handle = builder.install_recorder().context("metrics are recorded already")?;
        for Metric { name, kind, labels, text } in METRICS {
            match kind {
                Kind::Counter => describe_counter!(*name, *text),
                Kind::Gauge => describe_gauge!(*name, *text),
                Kind::Histogram => {}
            }
            // Nothing has happened yet, and that is said: who watches a counter sees it move from zero.
            if *kind == Kind::Counter && labels.is_empty() {
                ::metrics::counter!(*name).increment(0);
            }
        }
        let version = env!("CARGO_PKG_VERSION");
        ::metrics::gauge!("countersign_build_info", "version" => version).set(1.0);
        Ok(Self { handle, started: Instant::now() })
    }

    /// Tidies up for as long as it is polled.
    pub(crate) async fn keep_up(&self) {
        loop {
            tokio::time::sleep(UPKEEP).await;
            self.handle.run_upkeep();
        }
    }

    /// All metrics, as Prometheus reads them.
    fn text(&self, latencies: &Latencies) -> String {
        ::metrics::gauge!("countersign_uptime_seconds").set(self.started.elapsed().as_secs_f64());
        let mut text = self.handle.render();
        if let Some(metric) = METRICS.iter().find(|metric| metric.name == latencies::NAME) {
            let _ = writeln!(text, "# HELP {} {}", metric.name, metric.text);
            let _ = writeln!(text, "# TYPE {} {}", metric.name, metric.kind);
        }
        latencies.write_to(&mut text);
        text
    }
}

/// Who is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum To {
    /// Programs on this machine that come without a proxy; others find nothing at the path.
    ThisMachine,
    /// Whoever reaches the address.
    Anyone,
}

struct Published {
    recorder: Recorder,
    latencies: Arc<Latencies>,
    to: To,
    http: auth::config::Http,
}

/// `/metrics`, and nothing else.
pub(crate) fn routes(
    recorder: &Recorder,
    latencies: &Arc<Latencies>,
    http: &auth::config::Http,
    to: To,
) -> Router {
    let published = Published {
        recorder: recorder.clone(),
        latencies: Arc::clone(latencies),
        to,
        http: http.clone(),
    };
    Router::new().route("/metrics", any(answer)).with_state(Arc::new(published))
}

async fn answer(State(published): State<Arc<Published>>, request: Parts) -> Response {
    if published.to == To::ThisMachine && !is_local(&request, &published.http) {
        return app::nowhere().await.into_response();
    }
    if !matches!(request.method, Method::GET | Method::HEAD) {
        let allow = [(ALLOW, HeaderValue::from_static("GET,HEAD"))];
        return (StatusCode::METHOD_NOT_ALLOWED, allow).into_response();
    }
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8")),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (headers, published.recorder.text(&published.latencies)).into_response()
}

/// Whether a request comes from a program on this machine, with nobody in between.
///
/// A proxy on this machine connects from loopback too. It is known by its network, by what it adds, or by the name of this
/// server that it passes on; that name also gives away a page whose own name was made to lead here.
fn is_local(request: &Parts, http: &auth::config::Http) -> bool {
    const ADDED: [&str; 3] = ["forwarded", "via", "x-real-ip"];
    let Some(ConnectInfo(peer)) = request.extensions.get::<ConnectInfo<SocketAddr>>() else {
        return false;
    };
    let peer = peer.ip().to_canonical();
    let is_added = |name: &str| ADDED.contains(&name) || name.starts_with("x-forwarded-");
    peer.is_loopback()
        && !http.trusted_proxies.iter().any(|network| network.contains(&peer))
        && !request.headers.keys().any(|name| is_added(name.as_str()))
        && limits::names_this_machine(request)
}
