//! What the slices' routes share: reading bodies, writing problems, cookies, the cross-site rule, who the
//! client is.

mod body;
mod client;
pub(crate) mod cookie;
pub(crate) mod csrf;
mod device;
pub(crate) mod page;
mod problem;
pub(crate) mod request;

use axum::{
    Router,
    http::{HeaderValue, header::CACHE_CONTROL},
    middleware,
    response::Response,
};

pub use self::{body::Json, client::Client, request::RequestId};
pub(crate) use self::{
    body::{JsonOrForm, parameters},
    problem::OAuthError,
};
use crate::{
    Auth, accounts, audit, checkup, forward, keys, limits, openapi::Document, passwords, rights,
    roles, sessions, tokens, users,
};

/// The routes of all slices, for an application or the server to mount.
pub(crate) fn router(auth: Auth) -> Router {
    let routes = Router::new()
        .merge(users::http::routes())
        .merge(accounts::http::routes())
        .merge(passwords::http::routes())
        .merge(sessions::http::routes())
        .merge(tokens::http::routes())
        .merge(keys::http::routes())
        .merge(audit::http::routes())
        .merge(checkup::http::routes())
        .merge(forward::http::routes())
        .merge(roles::http::routes())
        .merge(rights::http::routes())
        .layer(middleware::from_fn_with_state(auth.clone(), limits::http::announce))
        .layer(middleware::map_response(no_store));
    request::named(routes, &auth.config().http.trusted_proxies)
        .method_not_allowed_fallback(problem::method_not_allowed)
        .with_state(auth)
}

/// What the routes of all slices take and answer.
pub(crate) fn openapi(document: &mut Document) {
    users::http::openapi(document);
    accounts::http::openapi(document);
    passwords::http::openapi(document);
    sessions::http::openapi(document);
    tokens::http::openapi(document);
    keys::http::openapi(document);
    audit::http::openapi(document);
    checkup::http::openapi(document);
    forward::http::openapi(document);
    roles::http::openapi(document);
    rights::http::openapi(document);
}

/// What these routes answer is about one caller and often holds a credential: no cache keeps it, unless
/// the route says otherwise (RFC 9111 §5.2.2.5).
async fn no_store(mut response: Response) -> Response {
    response.headers_mut().entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
