use std::{borrow::Cow, fmt};

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use crate::Problem;

/// Why a caller was turned away: 400, 401 or 403, or 503 when the proof could not be checked.
///
/// As a response it is `application/problem+json` with the `WWW-Authenticate` challenge of RFC 6750 §3.
#[derive(Debug, Clone, PartialEq)]
pub struct Denied {
    problem: Problem,
    challenge: Challenge,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Challenge {
    /// RFC 6750 §3.1: without a credential the challenge names no error.
    Realm,
    Error(&'static str),
    None,
}

impl Denied {
    /// 401 `credentials_missing`: the request carries no credential and the resource wants one.
    #[must_use]
    pub fn credentials_missing() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "credentials_missing",
            "this resource wants a signed-in caller",
            Challenge::Realm,
        )
    }

    /// 401 with a code of its own: a credential was presented and refused.
    ///
    /// `code` says why (`token_expired`, `session_expired`); `detail` must not repeat the credential.
    #[must_use]
    pub fn refused(code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, code, detail, Challenge::Error("invalid_token"))
    }

    /// 401 `scheme_unsupported`: the `Authorization` header uses a scheme this API does not take.
    #[must_use]
    pub fn scheme_unsupported() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "scheme_unsupported",
            "this resource does not take this authorization scheme",
            Challenge::Realm,
        )
    }

    /// 400 `authorization_repeated`: more than one `Authorization` header.
    #[must_use]
    pub fn authorization_repeated() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "authorization_repeated",
            "the request has more than one Authorization header",
            Challenge::Error("invalid_request"),
        )
    }

    /// 400 `authorization_malformed`: an `Authorization` header that is not visible ASCII.
    #[must_use]
    pub fn authorization_malformed() -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "authorization_malformed",
            "the Authorization header has bytes outside visible ASCII",
            Challenge::Error("invalid_request"),
        )
    }

    /// 403 `insufficient_scope`: the caller is known and lacks the role that the resource wants.
    #[must_use]
    pub fn insufficient_scope() -> Self {
        Self::new(
            StatusCode::FORBIDDEN,
            "insufficient_scope",
            "the caller does not have the role that this resource wants",
            Challenge::Error("insufficient_scope"),
        )
    }

    /// 403 with a code of its own: the request may not be made this way (`cross_site`).
    #[must_use]
    pub fn forbidden(code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, detail, Challenge::None)
    }

    /// 503 `storage_unavailable` with `Retry-After`: a session could not be looked up just now.
    #[must_use]
    pub fn storage_unavailable(retry_after: u64) -> Self {
        let detail = "the session cannot be looked up at the moment";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "storage_unavailable", detail, Challenge::None)
            .retry_after(retry_after)
    }

    /// 503 `revocations_unavailable` with `Retry-After`: which logins have ended is not known just now.
    #[must_use]
    pub fn revocations_unavailable() -> Self {
        let detail = "which logins have ended is not known at the moment";
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "revocations_unavailable",
            detail,
            Challenge::None,
        )
        .retry_after(2)
    }

    /// 503 `keys_unavailable` with `Retry-After`: the issuer's keys could not be had yet.
    #[cfg(feature = "remote")]
    pub(crate) fn keys_unavailable() -> Self {
        let detail = "the issuer's keys cannot be had at the moment";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "keys_unavailable", detail, Challenge::None)
            .retry_after(10)
    }

    fn retry_after(self, seconds: u64) -> Self {
        Self { problem: self.problem.retry_after(seconds), ..self }
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.problem.status()
    }

    /// The stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.problem.code()
    }

    fn new(
        status: StatusCode,
        code: &'static str,
        detail: impl Into<Cow<'static, str>>,
        challenge: Challenge,
    ) -> Self {
        Self { problem: Problem::new(status, code, detail), challenge }
    }
}

impl From<jwt::Error> for Denied {
    fn from(error: jwt::Error) -> Self {
        Self::refused(error.code(), error.to_string())
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.problem.detail())
    }
}

impl std::error::Error for Denied {}

impl IntoResponse for Denied {
    fn into_response(self) -> Response {
        let challenge = match self.challenge {
            Challenge::None => None,
            Challenge::Realm => Some(r#"Bearer realm="countersign""#.to_owned()),
            Challenge::Error(error) => Some(format!(
                r#"Bearer error="{error}", error_description="{}""#,
                // RFC 6750 §3: no quote and no backslash inside error_description.
                self.problem.detail().replace(['"', '\\'], "'")
            )),
        };
        let mut response = self.problem.into_response();
        if let Some(Ok(value)) = challenge.map(HeaderValue::try_from) {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, value);
        }
        response
    }
}
