//! How many requests were answered, by route and class of status.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use ::metrics::Counter;
use arc_swap::ArcSwap;
use axum::{
    Router,
    extract::{MatchedPath, Request, State},
    http::StatusCode,
    middleware::{Next, from_fn, from_fn_with_state},
    response::Response,
};

pub(super) const NAME: &str = "countersign_requests_total";

/// The route of requests that came to none: the path is unknown, or the request was refused before.
const NONE: &str = "none";
const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// The counters of a route, one for each class of status that there was.
type OfRoute = Arc<[OnceLock<Counter>; CLASSES.len()]>;

/// The counters of all routes that were met. There are as many as were mounted: a path of a client's is none of them.
#[derive(Debug, Default)]
struct Requests(ArcSwap<HashMap<Box<str>, OfRoute>>);

impl Requests {
    fn count(&self, route: &str, status: StatusCode) {
        let place = usize::from(status.as_u16() / 100).saturating_sub(1);
        let known = self.0.load().get(route).map(Arc::clone);
        let of_route = known.unwrap_or_else(|| self.add(route));
        if let (Some(counter), Some(class)) = (of_route.get(place), CLASSES.get(place)) {
            let route = || route.to_owned();
            counter
                .get_or_init(|| ::metrics::counter!(NAME, "route" => route(), "status" => *class))
                .increment(1);
        }
    }

    fn add(&self, route: &str) -> OfRoute {
        self.0.rcu(|known| {
            let mut more = HashMap::clone(known);
            more.entry(route.into()).or_default();
            more
        });
        self.0.load().get(route).map(Arc::clone).unwrap_or_default()
    }
}

/// Counts what an application answers.
pub(crate) fn counted(app: Router) -> Router {
    app.layer(from_fn_with_state(Arc::<Requests>::default(), count))
}

async fn count(State(requests): State<Arc<Requests>>, request: Request, next: Next) -> Response {
    let own = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    // A router that answers for another one knows which of its routes it was.
    let route = response.extensions().get::<MatchedPath>().or(own.as_ref());
    requests.count(route.map_or(NONE, MatchedPath::as_str), response.status());
    response
}

/// Has answers say which route of this router they are from, where it lies behind another one.
pub(crate) fn marked(routes: Router) -> Router {
    routes.layer(from_fn(mark))
}

async fn mark(request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().cloned();
    let mut response = next.run(request).await;
    if let Some(path) = path {
        response.extensions_mut().insert(path);
    }
    response
}
