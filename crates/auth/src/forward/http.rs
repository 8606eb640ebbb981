use axum::{
    Router,
    extract::{Query, State, rejection::QueryRejection},
    http::{
        HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header::AUTHORIZATION,
        request::Parts,
    },
    response::{IntoResponse, Response},
    routing::any,
};
use guard::{Denied, Principal};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::json;

use crate::{Auth, Client, Error, openapi::Document, roles::is_role};

const SUBJECT: HeaderName = HeaderName::from_static("x-auth-subject");
const NAME: HeaderName = HeaderName::from_static("x-auth-name");
const ROLES: HeaderName = HeaderName::from_static("x-auth-roles");

/// How proxies name the method of the request that they ask about: Traefik and Caddy the first way, nginx by hand.
const METHODS: [&str; 2] = ["x-forwarded-method", "x-original-method"];

/// All of a name is encoded but the letters that stand for themselves (RFC 3986 §2.3).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

pub(crate) fn routes() -> Router<Auth> {
    Router::new().route("/forward-auth", any(forward)).route("/forward-auth/{*path}", any(below))
}

pub(crate) fn openapi(document: &mut Document) {
    document
        .get("/forward-auth", "says to a proxy who sends a request, in headers of the answer")
        .query("role", json!({ "type": "string" }), "a role that the caller has to have")
        .signed_in()
        .done(200, "`X-Auth-Subject`, `X-Auth-Name` and `X-Auth-Roles` say who it is")
        .refuses(400, &["query_invalid"])
        .refuses(403, &["cross_site", "insufficient_scope", "method_unknown"]);
}

/// What a proxy asks for beyond "who".
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    role: Option<String>,
}

/// For a proxy that asks at this path and names the method in a header.
async fn forward(
    State(auth): State<Auth>,
    query: Result<Query<Wanted>, QueryRejection>,
    request: Parts,
) -> Result<Response, Error> {
    const ASKED: &str = "the query takes role, the name of one role";
    let Query(Wanted { role }) = query.map_err(|_| Error::QueryInvalid(ASKED))?;
    if role.as_deref().is_some_and(|role| !is_role(role)) {
        return Err(Error::QueryInvalid(ASKED));
    }
    let method = named_method(&request.headers);
    let caller = caller(&auth, request, method).await?;
    role.map_or(Ok(()), |role| caller.require(&role))?;
    identity(&caller)
}

/// For a proxy that sends the request's own method and puts its path behind this one, as Envoy does. The query is the
/// client's, and nothing is read of it.
async fn below(State(auth): State<Auth>, request: Parts) -> Result<Response, Error> {
    let named = METHODS.iter().any(|name| request.headers.contains_key(*name));
    let own = &request.method;
    let method = match named {
        // Here the client may have written the header: it makes no safe request of one that is not.
        true => named_method(&request.headers).filter(|named| own.is_safe() || named == own),
        false => Some(own.clone()),
    };
    let caller = caller(&auth, request, method).await?;
    identity(&caller)
}

/// The method that the proxy names; `None` where it names none, several that differ, or one that is none.
fn named_method(headers: &HeaderMap) -> Option<Method> {
    let mut found = METHODS.iter().flat_map(|name| headers.get_all(*name));
    let first = found.next()?;
    if found.any(|other| other != first) {
        return None;
    }
    Method::from_bytes(first.as_bytes()).ok()
}

/// Who sends the request that is asked about, whose method this is if the proxy may be believed.
async fn caller(
    auth: &Auth,
    mut request: Parts,
    method: Option<Method>,
) -> Result<Principal, Denied> {
    let peer = Client::address_of(&request.headers, &request.extensions, &[]);
    let trusted = &auth.config().http.trusted_proxies;
    let is_proxy = peer.is_some_and(|peer| trusted.iter().any(|network| network.contains(&peer)));
    match method.filter(|_| is_proxy) {
        Some(method) => request.method = method,
        None => {
            let has_token = request.headers.contains_key(AUTHORIZATION);
            if !has_token && auth.sessions().carries_cookie(&request.headers) {
                return Err(Denied::forbidden(
                    "method_unknown",
                    "a session cookie counts when a trusted proxy names the method of the request",
                ));
            }
        }
    }
    let caller = auth.guard().authenticate(&request).await?;
    caller.ok_or_else(Denied::credentials_missing)
}

/// All three headers, always: a proxy that copies them overwrites what the client had put there.
fn identity(caller: &Principal) -> Result<Response, Error> {
    let text = |text: String| HeaderValue::try_from(text).map_err(Error::internal);
    let name = utf8_percent_encode(caller.name().unwrap_or_default(), ENCODED).to_string();
    let headers = [
        (SUBJECT, text(caller.subject().to_owned())?),
        (NAME, text(name)?),
        (ROLES, text(caller.roles().join(","))?),
    ];
    Ok((StatusCode::OK, headers).into_response())
}
