use std::{borrow::Cow, fmt};

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value};

/// An error as the client sees it: `application/problem+json` (RFC 9457).
///
/// The body has the members `type`, `title`, `status`, `detail` and `code`; `code` is stable and meant
/// for programs, `detail` for people. `type` is `/docs/errors/` and the code: a name for programs, and where countersign is
/// the server, the path of a page that explains it.
///
/// ```
/// use axum::http::StatusCode;
/// use countersign_guard::Problem;
///
/// let problem = Problem::new(StatusCode::NOT_FOUND, "not_found", "there is no such post");
/// assert_eq!(problem.code(), "not_found");
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: Cow<'static, str>,
    retry_after: Option<u64>,
    extensions: Map<String, Value>,
}

impl Problem {
    /// A problem with a stable code and a sentence for people.
    ///
    /// `detail` must not repeat what the client sent: it may have been a secret.
    pub fn new(
        status: StatusCode,
        code: &'static str,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { status, code, detail: detail.into(), retry_after: None, extensions: Map::new() }
    }

    /// Adds a member of its own to the body (RFC 9457 §3.2).
    #[must_use]
    pub fn with(mut self, member: &str, value: impl Into<Value>) -> Self {
        self.extensions.insert(member.to_owned(), value.into());
        self
    }

    /// Says when to come back, in seconds: the header `Retry-After` (RFC 9110 §10.2.3).
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// The media type of a problem (RFC 9457 §3).
    pub const MEDIA_TYPE: &'static str = "application/problem+json";

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// The sentence for people.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }
}

/// The body, as it is sent.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut body = self.extensions.clone();
        body.insert("type".into(), format!("/docs/errors/{}", self.code).into());
        body.insert("title".into(), self.status.canonical_reason().unwrap_or("Error").into());
        body.insert("status".into(), self.status.as_u16().into());
        body.insert("detail".into(), self.detail.clone().into());
        body.insert("code".into(), self.code.into());
        Value::Object(body).fmt(f)
    }
}

/// The answer has the problem among its extensions too, for a layer that adds to it.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let kind = [(header::CONTENT_TYPE, Self::MEDIA_TYPE)];
        let mut response = (self.status, kind, self.to_string()).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response.extensions_mut().insert(self);
        response
    }
}
