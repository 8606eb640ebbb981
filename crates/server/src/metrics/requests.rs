//! How many requests were answered, by route and class of status.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use ::metrics::Counter;
use arc_swap::ArcSwap;
use axum::{
    Router,
    extract::{MatchedPath, Request},
    http::StatusCode,
    response::Response,
};

use super::look::{Look, Looking};

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

/// Counts what an application answers, by the route that its answers name: see [`marked`].
pub(crate) fn counted(app: Router) -> Router {
    app.layer(Looking(Arc::<Requests>::default()))
}

impl Look for Arc<Requests> {
    type Seen = ();

    fn before(&self, _: &Request) {}

    fn after(&self, (): (), response: &mut Response) {
        let route = response.extensions().get::<MatchedPath>();
        self.count(route.map_or(NONE, MatchedPath::as_str), response.status());
    }
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
