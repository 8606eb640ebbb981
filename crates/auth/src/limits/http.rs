use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderName, HeaderValue, Method},
    middleware::Next,
    response::Response,
};

use super::{
    Standing,
    rules::{MINUTE, PER_ADDRESS, SECOND},
};
use crate::{Auth, http::Client};

/// The routes that share the budget of an address.
const ROUTES: [&str; 7] = [
    "/login",
    "/login/session",
    "/register",
    "/password/forgot",
    "/password/reset",
    "/email/resend",
    "/admin/claim",
];

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Says on every answer of a limited route what the limit of the client's address is and what is left of it, whatever
/// the answer: the fields `RateLimit-Policy` and `RateLimit` of draft-ietf-httpapi-ratelimit-headers, as lists of RFC
/// 9651. Of accounts they say nothing.
pub(crate) async fn announce(State(auth): State<Auth>, request: Request, next: Next) -> Response {
    let is_limited = request.method() == Method::POST
        && request.extensions().get::<MatchedPath>().is_some_and(|path| {
            // Under the prefix that an application gives them.
            ROUTES.iter().any(|route| path.as_str().ends_with(route))
        });
    if !is_limited {
        return next.run(request).await;
    }
    let proxies = &auth.config().http.trusted_proxies;
    let address = Client::address_of(request.headers(), request.extensions(), proxies);
    let mut response = next.run(request).await;
    if let Some(standing) = auth.limits().standing(address) {
        let headers = response.headers_mut();
        let window = MINUTE / SECOND;
        headers.extend(
            [
                (RATE_LIMIT_POLICY, format!(r#""address";q={PER_ADDRESS};w={window}"#)),
                (RATE_LIMIT, rate_limit(standing)),
            ]
            .into_iter()
            .filter_map(|(name, value)| Some((name, HeaderValue::try_from(value).ok()?))),
        );
    }
    response
}

fn rate_limit(standing: Standing) -> String {
    let more_in = standing.more_in.max(0).saturating_add(SECOND - 1) / SECOND;
    format!(r#""address";r={};t={more_in}"#, standing.left)
}
