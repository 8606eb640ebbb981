use axum::{
    Router,
    extract::State,
    http::{
        HeaderMap, StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH},
    },
    response::{IntoResponse, Response},
    routing::get,
};

use super::STALE_IF_ERROR;
use crate::Auth;

pub(crate) fn routes() -> Router<Auth> {
    Router::new().route("/.well-known/jwks.json", get(jwks))
}

/// The public keys (RFC 7517 §5). Verifiers may keep them for a while, shorter than a key waits before it signs, and for
/// a day while this server cannot be reached (RFC 5861 §4).
async fn jwks(State(auth): State<Auth>, headers: HeaderMap) -> Response {
    let ring = auth.keys().now();
    let (body, etag) = (ring.published.clone(), ring.etag.clone());
    let known = headers.get_all(IF_NONE_MATCH).iter().any(|value| {
        let text = value.to_str().unwrap_or_default();
        text.split(',')
            .map(|tag| tag.trim().trim_start_matches("W/"))
            .any(|tag| tag == etag || tag == "*")
    });
    let (max_age, stale) = (auth.keys().keys().max_age().as_secs(), STALE_IF_ERROR.as_secs());
    let caching = format!("public, max-age={max_age}, stale-if-error={stale}");
    let caching = [(CACHE_CONTROL, caching), (ETAG, etag)];
    if known {
        return (StatusCode::NOT_MODIFIED, caching).into_response();
    }
    (caching, [(CONTENT_TYPE, "application/json")], body).into_response()
}
