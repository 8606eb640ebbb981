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
use sha2::{Digest, Sha256};

use crate::{Auth, secret};

pub(crate) fn routes() -> Router<Auth> {
    Router::new().route("/.well-known/jwks.json", get(jwks))
}

/// The public keys (RFC 7517 §5). Verifiers may keep them for ten minutes, and for a day while this
/// server cannot be reached (RFC 5861 §4).
async fn jwks(State(auth): State<Auth>, headers: HeaderMap) -> Response {
    let body = auth.keys().published().to_owned();
    let etag = format!("\"{}\"", secret::hex(&Sha256::digest(&body)));
    let known = headers.get_all(IF_NONE_MATCH).iter().any(|value| {
        let text = value.to_str().unwrap_or_default();
        text.split(',')
            .map(|tag| tag.trim().trim_start_matches("W/"))
            .any(|tag| tag == etag || tag == "*")
    });
    let caching =
        [(CACHE_CONTROL, "public, max-age=600, stale-if-error=86400".to_owned()), (ETAG, etag)];
    if known {
        return (StatusCode::NOT_MODIFIED, caching).into_response();
    }
    (caching, [(CONTENT_TYPE, "application/json")], body).into_response()
}
