//! The server's routes: those of `auth`, whether it is alive, and what a command adds.

use std::{
    convert::Infallible,
    sync::Arc,
    time::{Duration, Instant},
};

use auth::{Auth, openapi::Document};
use axum::{
    Extension, Json, Router,
    extract::{Request, State},
    http::{
        HeaderName, HeaderValue, Method, StatusCode,
        header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
    },
    response::{IntoResponse, Response},
    routing::get,
};
use guard::Problem;
use serde::Serialize;
use serde_json::json;
use tokio::sync::Mutex;
use tower::Service;
use tower_http::cors::CorsLayer;
use utoipa::ToSchema;

use crate::ui::docs;

/// An application as a whole, to put something around. What a layer holds is copied for each request with all its routes; this is
/// copied like a pointer.
pub trait Whole:
    Service<Request, Response = Response, Error = Infallible, Future: Send + 'static>
    + Clone
    + Send
    + Sync
    + 'static
{
}

impl<S> Whole for S where
    S: Service<Request, Response = Response, Error = Infallible, Future: Send + 'static>
        + Clone
        + Send
        + Sync
        + 'static
{
}

/// How long an answer of `/readyz` stands: a load balancer that asks often does not load the database.
const READY_FOR: Duration = Duration::from_secs(1);

/// All routes of a server, without its limits.
pub fn router(auth: &Auth, more: Router) -> Router {
    let health = Health { auth: auth.clone(), last: Arc::default() };
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .with_state(health)
        .merge(auth.router())
        .merge(docs::errors())
        .merge(more)
        .fallback(nowhere)
}

/// What is answered at a path where there is nothing.
pub(crate) async fn nowhere() -> impl IntoResponse {
    let detail = "there is nothing at this path";
    (Extension(Nowhere), Problem::new(StatusCode::NOT_FOUND, "not_found", detail))
}

/// Marks the answer at a path where there is nothing, which people are told by a page.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Nowhere;

pub(crate) fn openapi(document: &mut Document) {
    let ok = || json!({ "status": "ok" });
    document.get("/healthz", "the process answers").answers::<Status>(200, "it does", ok());
    document
        .get("/readyz", "the storage answers too")
        .answers::<Status>(200, "it does", ok())
        .stores();
}

/// Lets scripts of these origins call the application (Fetch §3.2); changes nothing when there are none.
pub fn cors(app: Router, origins: &[String]) -> Router {
    let origins: Vec<HeaderValue> =
        origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok()).collect();
    if origins.is_empty() {
        return app;
    }
    let methods = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
    let headers = [AUTHORIZATION, CONTENT_TYPE, HeaderName::from_static("x-requested-with")];
    // What a script has to read to know when to try again, and why it was refused.
    let readable = [
        RETRY_AFTER,
        WWW_AUTHENTICATE,
        HeaderName::from_static("ratelimit"),
        HeaderName::from_static("ratelimit-policy"),
    ];
    app.layer(
        CorsLayer::new()
            .allow_origin(origins)
            .allow_methods(methods)
            .allow_headers(headers)
            .expose_headers(readable)
            .allow_credentials(true)
            .max_age(Duration::from_secs(600)),
    )
}

#[derive(Clone)]
struct Health {
    auth: Auth,
    last: Arc<Mutex<Option<(Instant, bool)>>>,
}

#[derive(Serialize, ToSchema)]
struct Status {
    status: &'static str,
}

/// Alive: the process answers.
async fn healthz() -> impl IntoResponse {
    Json(Status { status: "ok" })
}

/// Ready: the storage answers; keys were loaded before the first request.
async fn readyz(State(health): State<Health>) -> impl IntoResponse {
    let mut last = health.last.lock().await;
    let ready = match *last {
        Some((asked, ready)) if asked.elapsed() < READY_FOR => ready,
        _ => {
            let ready = health.auth.db().ping().await.is_ok();
            *last = Some((Instant::now(), ready));
            ready
        }
    };
    if ready {
        return Json(Status { status: "ok" }).into_response();
    }
    let detail = "the storage is not available at the moment";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "storage_unavailable", detail)
        .retry_after(1)
        .into_response()
}
