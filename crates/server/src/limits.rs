//! What every request of the server must meet, and every answer have, whatever the route.
//!
//! A request's body is read here, to its end and before the handler is called: it is small, so a slow or
//! oversized one is refused in one place, no handler waits for a client, and none is left half done by one.

mod hosts;

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use auth::openapi::Document;
use axum::{
    body::{Body, HttpBody},
    extract::Request,
    http::{
        HeaderMap, HeaderName, HeaderValue, StatusCode,
        header::{
            CONNECTION, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, EXPECT,
            REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, TRANSFER_ENCODING, X_CONTENT_TYPE_OPTIONS,
            X_FRAME_OPTIONS,
        },
        request::Parts,
    },
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;
use guard::Problem;
use http_body_util::BodyExt;
use tokio::time::{Instant, timeout_at};
use tower::service_fn;

use crate::app::Whole;

/// The rules that [`wrap`] puts around an application.
///
/// `Rules::default()` has the values that operators are promised.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Which hosts a request may name: any.
    pub hosts: Hosts,
    /// Whether clients reach the server by `https`, so that answers carry HSTS: no.
    pub https: bool,
    /// Size of a request's body: 64 KiB. Larger ones are answered 413.
    pub body_bytes: usize,
    /// Time for a request, counted from the end of its head: 15 s. A body that takes longer is answered
    /// 408, a handler that does 503.
    pub request: Duration,
}

/// Which hosts a request may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hosts {
    /// Every valid one.
    Any,
    /// `localhost`, names under it, and loopback addresses, with any port. Others are answered 421, so
    /// that a page of another site cannot reach a developer's server by a name that it made resolve to
    /// this machine.
    Loopback,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            hosts: Hosts::Any,
            https: false,
            body_bytes: 64 * 1024,
            request: Duration::from_secs(15),
        }
    }
}

/// As much of a refused body as is read and forgotten, so that a client which sends all of it before it
/// looks for an answer finds one: 16 MiB.
const DISCARD: u64 = 16 * 1024 * 1024;

/// Puts `rules` around `app`: its routes, its fallback, and its panics.
///
/// Errors without a body of their own, as axum gives them, get one: `application/problem+json` with a
/// `code` that follows from the status.
pub fn wrap(app: impl Whole, rules: Rules) -> impl Whole {
    let rules = Arc::new(rules);
    service_fn(move |request| {
        let (app, rules) = (app.clone(), Arc::clone(&rules));
        async move {
            let answered = AssertUnwindSafe(answer(&rules, request, app)).catch_unwind().await;
            let mut response = answered.map_or_else(
                |_| {
                    // The panic's text may hold what the client sent; the panic hook has said where it happened.
                    tracing::error!("a handler panicked");
                    plain_problem(StatusCode::INTERNAL_SERVER_ERROR).into_response()
                },
                explain,
            );
            harden(response.headers_mut(), &rules);
            Ok(response)
        }
    })
}

/// What the rules refuse, whatever the route.
pub(crate) fn openapi(document: &mut Document, is_dev: bool) {
    document.refuse_everywhere(&[
        (400, &["bad_request", "host_invalid", "body_incomplete"]),
        (408, &["request_timeout"]),
        (413, &["body_too_large"]),
        (414, &["head_too_large"]),
        (431, &["head_too_large"]),
        (500, &["internal"]),
        (503, &["unavailable"]),
    ]);
    if is_dev {
        document.refuse_everywhere(&[(421, &["host_not_allowed"])]);
    }
}

async fn answer(rules: &Rules, request: Request, mut app: impl Whole) -> Response {
    let until = Instant::now() + rules.request;
    let (parts, mut body) = request.into_parts();
    let sends = !waits_to_send(&parts.headers);
    if let Err(problem) = check_head(&parts, rules) {
        // Nothing more is believed of what comes on this connection.
        let _ = sends && discard(&mut body, until).await;
        return closing(problem);
    }
    // Decided by Content-Length where there is one; a chunked body has a lower bound of 0.
    if body.size_hint().lower() > length(rules.body_bytes) {
        let read = sends && discard(&mut body, until).await;
        return too_large(rules, read);
    }
    let whole = match timeout_at(until, read(&mut body, rules.body_bytes)).await {
        Ok(Ok(whole)) => whole,
        Ok(Err(Unread::TooLarge)) => {
            let read = discard(&mut body, until).await;
            return too_large(rules, read);
        }
        Ok(Err(Unread::Broken)) => {
            return closing(Problem::new(
                StatusCode::BAD_REQUEST,
                "body_incomplete",
                "the body could not be read to its end",
            ));
        }
        Err(_) => {
            return closing(Problem::new(
                StatusCode::REQUEST_TIMEOUT,
                "request_timeout",
                "the body did not arrive in time",
            ));
        }
    };
    drop(body);
    let body = if whole.is_empty() { Body::empty() } else { Body::from(whole) };
    let request = Request::from_parts(parts, body);
    let Ok(response) = timeout_at(until, app.call(request)).await.unwrap_or_else(|_| {
        tracing::warn!("a handler took too long");
        let detail = "the answer took too long";
        let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail);
        Ok(problem.retry_after(1).into_response())
    });
    response
}

/// Whether a request names this machine by a name that leads to it from nowhere else, or names none.
pub(crate) fn names_this_machine(request: &Parts) -> bool {
    let host = hosts::host(request.version, &request.headers, &request.uri);
    host.is_ok_and(|host| host.is_none_or(hosts::Host::is_loopback))
}

/// The rules on a request's head beyond those that the HTTP parser knows.
fn check_head(parts: &Parts, rules: &Rules) -> Result<(), Problem> {
    let host = hosts::host(parts.version, &parts.headers, &parts.uri)
        .map_err(|detail| Problem::new(StatusCode::BAD_REQUEST, "host_invalid", detail))?;
    if rules.hosts == Hosts::Loopback && host.is_some_and(|host| !host.is_loopback()) {
        return Err(Problem::new(
            StatusCode::MISDIRECTED_REQUEST,
            "host_not_allowed",
            "this server answers only to loopback names such as localhost",
        ));
    }
    // The parser takes any list that ends in `chunked`; a coding applied twice, or one that nobody here
    // undoes, is read differently by different programs (RFC 9112 §6.1, §11.2).
    let mut codings = parts.headers.get_all(TRANSFER_ENCODING).iter();
    let sound = match (codings.next(), codings.next()) {
        (None, _) => true,
        (Some(coding), None) => coding.as_bytes().eq_ignore_ascii_case(b"chunked"),
        (Some(_), Some(_)) => false,
    };
    sound.then_some(()).ok_or_else(|| {
        Problem::new(
            StatusCode::BAD_REQUEST,
            "bad_request",
            "the only transfer encoding known here is chunked, once",
        )
    })
}

/// Why a body was not read.
enum Unread {
    TooLarge,
    Broken,
}

/// Reads a body of at most `limit` bytes.
///
/// Copies it: a frame is a slice of the connection's buffer, and many small ones would keep many buffers.
async fn read(body: &mut Body, limit: usize) -> Result<Vec<u8>, Unread> {
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        // Trailers are dropped: no route knows any (RFC 9110 §6.5.1).
        if let Ok(data) = frame.map_err(|_| Unread::Broken)?.into_data() {
            if data.len() > limit - whole.len() {
                return Err(Unread::TooLarge);
            }
            whole.extend_from_slice(&data);
        }
    }
    Ok(whole)
}

/// Whether the client sends its body only when it is asked to (RFC 9110 §10.1.1).
fn waits_to_send(headers: &HeaderMap) -> bool {
    headers
        .get(EXPECT)
        .is_some_and(|expect| expect.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

/// Reads a body to its end without keeping it; `false` if it breaks off, takes until `until`, or has more
/// than is worth reading.
async fn discard(body: &mut Body, until: Instant) -> bool {
    let mut left = DISCARD;
    if body.size_hint().lower() > left {
        return false;
    }
    let end = async {
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else { return false };
            let bytes = frame.data_ref().map_or(0, |data| length(data.len()));
            match left.checked_sub(bytes) {
                Some(rest) => left = rest,
                None => return false,
            }
        }
        true
    };
    timeout_at(until, end).await.unwrap_or(false)
}

/// An answer after which the connection is closed: what follows on it cannot be told from a request.
fn closing(problem: Problem) -> Response {
    let mut response = problem.into_response();
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// The answer to a body over the limit; the connection goes on if the body was `read` to its end.
fn too_large(rules: &Rules, read: bool) -> Response {
    let detail = format!("the body may have at most {} bytes", rules.body_bytes);
    let problem = Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail);
    if read { problem.into_response() } else { closing(problem) }
}

/// Gives an error that says nothing, or says it in plain text, the body that all errors have.
fn explain(response: Response) -> Response {
    let status = response.status();
    let silent = match response.headers().get(CONTENT_TYPE) {
        None => true,
        Some(kind) => kind.as_bytes().starts_with(b"text/plain"),
    };
    if !silent || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let (parts, _) = response.into_parts();
    let mut explained = plain_problem(status).into_response();
    for (name, value) in &parts.headers {
        if ![CONTENT_TYPE, CONTENT_LENGTH].contains(name) {
            explained.headers_mut().append(name, value.clone());
        }
    }
    explained.extensions_mut().extend(parts.extensions);
    explained
}

/// The problem of which only the status is known.
fn plain_problem(status: StatusCode) -> Problem {
    let (code, detail) = match status {
        StatusCode::UNAUTHORIZED => ("unauthorized", "the request needs a valid credential"),
        StatusCode::FORBIDDEN => ("forbidden", "the request is not allowed"),
        StatusCode::NOT_FOUND => ("not_found", "there is nothing at this path"),
        StatusCode::METHOD_NOT_ALLOWED => {
            ("method_not_allowed", "the path does not know this method")
        }
        StatusCode::REQUEST_TIMEOUT => ("request_timeout", "the request did not arrive in time"),
        StatusCode::PAYLOAD_TOO_LARGE => ("body_too_large", "the body is too large"),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => {
            ("content_type_unsupported", "the content type is not one that the path takes")
        }
        StatusCode::UNPROCESSABLE_ENTITY => ("body_invalid", "the body is not what the path takes"),
        StatusCode::SERVICE_UNAVAILABLE => ("unavailable", "try again later"),
        status if status.is_client_error() => ("bad_request", "the request cannot be answered"),
        _ => ("internal", "internal error"),
    };
    Problem::new(status, code, detail)
}

/// As many headers as [`harden`] sets at most: room for all of them is made at once.
const HARDENED: usize = 7;

/// Sets the headers that every answer has; those a handler has set with reason stay.
fn harden(headers: &mut HeaderMap, rules: &Rules) {
    const POLICY: &str = "default-src 'none'; frame-ancestors 'none'";
    headers.reserve(HARDENED);
    let mut set = |name: HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    set(X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(REFERRER_POLICY, "no-referrer");
    set(HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    set(HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    set(X_FRAME_OPTIONS, "DENY");
    set(CONTENT_SECURITY_POLICY, POLICY);
    if rules.https {
        // A year, as ASVS 5.0 §3.4.1 asks.
        set(STRICT_TRANSPORT_SECURITY, "max-age=31536000; includeSubDomains");
    }
}

fn length(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
