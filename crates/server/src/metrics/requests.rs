//! How many requests were answered, by route and class of status.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use ::metrics::Counter;
use arc_swap::ArcSwap;
use auth::{RequestId, config::Http};
use axum::{
    Router,
    extract::{MatchedPath, Request},
    http::StatusCode,
    response::Response,
};
use futures_util::TryFutureExt;
use ipnet::IpNet;
use tower::service_fn;
use tracing::{Instrument, Span, debug_span, field::Empty};

use super::look::{Look, Looking};
use crate::{
    app::Whole,
    telemetry::{self, REQUESTS},
};

pub(super) const NAME: &str = "countersign_requests_total";

/// The route of requests that came to none: the path is unknown, or the request was refused before.
const NONE: &str = "none";
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// The counters of a route, one for each class of status that there was.
type OfRoute = Arc<[OnceLock<Counter>; CLASSES.len()]>;

/// The counters of all routes that were met. There are as many as were mounted: a path of a client's is none of them.
#[derive(Debug, Default)]
struct Requests {
    counters: ArcSwap<HashMap<Box<str>, OfRoute>>,
    /// Who may say to which trace a request belongs.
    proxies: Vec<IpNet>,
}

impl Requests {
    fn count(&self, route: &str, status: StatusCode) {
        let place = usize::from(status.as_u16() / 100).saturating_sub(1);
        let known = self.counters.load().get(route).map(Arc::clone);
        let of_route = known.unwrap_or_else(|| self.add(route));
        if let (Some(counter), Some(class)) = (of_route.get(place), CLASSES.get(place)) {
            let route = || route.to_owned();
            counter
                .get_or_init(|| ::metrics::counter!(NAME, "route" => route(), "status" => *class))
                .increment(1);
        }
    }

    fn add(&self, route: &str) -> OfRoute {
        self.counters.rcu(|known| {
            let mut more = HashMap::clone(known);
            more.entry(route.into()).or_default();
            more
        });
        self.counters.load().get(route).map(Arc::clone).unwrap_or_default()
    }
}

/// Counts what an application answers, by the route that its answers name (see [`marked`]), and has traces and the log know
/// of it.
pub(crate) fn counted(app: impl Whole, http: &Http) -> impl Whole {
    let requests = Requests { proxies: http.trusted_proxies.clone(), ..Requests::default() };
    let requests = Arc::new(requests);
    service_fn(move |request| {
        let (mut app, requests) = (app.clone(), Arc::clone(&requests));
        let span = span(&request);
        let method = (!span.is_disabled()).then(|| {
            telemetry::continue_trace(&span, &request, &requests.proxies);
            method(&request)
        });
        let answered = app.call(request).instrument(span.clone());
        answered.map_ok(move |response| {
            let route = response.extensions().get::<MatchedPath>();
            let (route, status) = (route.map_or(NONE, MatchedPath::as_str), response.status());
            requests.count(route, status);
            if let Some(method) = method {
                finish(&span, method, route, status);
            }
            response
        })
    })
}

/// What a trace has of a request, by the names of OpenTelemetry's conventions for HTTP: none of the path, the address or
/// the headers.
fn span(request: &Request) -> Span {
    debug_span!(
        target: REQUESTS,
        "request",
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = method(request),
        http.response.status_code = Empty,
        http.route = Empty,
        request_id = RequestId::current().as_ref().map(RequestId::as_str),
    )
}

/// Notes in its span how a request ended, and writes the line of those who want one for each.
fn finish(span: &Span, method: &str, route: &str, status: StatusCode) {
    telemetry::rename(span, || format!("{method} {route}"));
    span.record("http.route", route).record("http.response.status_code", status.as_u16());
    if status.is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
    let status = status.as_u16();
    span.in_scope(|| tracing::debug!(target: REQUESTS, method, route, status, "answered"));
}

/// The method, unless it is one that a client made up.
fn method(request: &Request) -> &'static str {
    const KNOWN: [&str; 9] =
        ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];
    KNOWN.into_iter().find(|known| *known == request.method()).unwrap_or("_OTHER")
}

/// Has answers say which route of this router they are from.
pub(crate) fn marked(routes: Router) -> Router {
    routes.layer(Looking(Mark))
}

#[derive(Debug, Clone)]
struct Mark;

impl Look for Mark {
    type Seen = Option<MatchedPath>;

    fn before(&self, request: &Request) -> Self::Seen {
        request.extensions().get().cloned()
    }

    fn after(&self, path: Self::Seen, response: &mut Response) {
        if let Some(path) = path {
            response.extensions_mut().insert(path);
        }
    }
}
