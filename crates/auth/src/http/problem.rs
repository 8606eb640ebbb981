use std::error::Error as _;

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use guard::Problem;

use crate::{Error, error::STORAGE_RETRY_SECONDS};

impl Error {
    /// The error as the client sees it: status, stable code and a sentence.
    #[must_use]
    pub fn problem(&self) -> Problem {
        let (status, code) = match self {
            Self::BodyMalformed(_) => (StatusCode::BAD_REQUEST, "body_malformed"),
            Self::BodyIncomplete => (StatusCode::BAD_REQUEST, "body_incomplete"),
            Self::ContentTypeUnsupported(_) => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, "content_type_unsupported")
            }
            Self::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"),
            Self::BodyInvalid(_) => (StatusCode::UNPROCESSABLE_ENTITY, "body_invalid"),
            Self::QueryInvalid(_) => (StatusCode::BAD_REQUEST, "query_invalid"),
            Self::GrantUnsupported(_) => (StatusCode::BAD_REQUEST, "grant_unsupported"),
            Self::EmailInvalid(_) => (StatusCode::UNPROCESSABLE_ENTITY, "email_invalid"),
            Self::EmailTaken => (StatusCode::CONFLICT, "email_taken"),
            Self::NameInvalid(_) => (StatusCode::UNPROCESSABLE_ENTITY, "name_invalid"),
            Self::PasswordRefused(_) => (StatusCode::UNPROCESSABLE_ENTITY, "password_refused"),
            Self::RoleUnknown => (StatusCode::UNPROCESSABLE_ENTITY, "role_unknown"),
            Self::RegistrationClosed => (StatusCode::FORBIDDEN, "registration_closed"),
            Self::InvalidCredentials => (StatusCode::UNAUTHORIZED, "invalid_credentials"),
            Self::PasswordWrong => (StatusCode::FORBIDDEN, "invalid_credentials"),
            Self::LastAdmin => (StatusCode::CONFLICT, "last_admin"),
            Self::ModeDisabled => (StatusCode::NOT_FOUND, "mode_disabled"),
            Self::InvalidGrant => (StatusCode::UNAUTHORIZED, "invalid_grant"),
            Self::NotFound => (StatusCode::NOT_FOUND, "not_found"),
            Self::KeyRefused(_) => (StatusCode::UNPROCESSABLE_ENTITY, "key_refused"),
            Self::KeyExists => (StatusCode::CONFLICT, "key_exists"),
            Self::KeyInFile => (StatusCode::CONFLICT, "key_in_file"),
            Self::HashingBusy { .. } => (StatusCode::SERVICE_UNAVAILABLE, "hashing_busy"),
            Self::StorageUnavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "storage_unavailable"),
            Self::Denied(denied) => (denied.status(), denied.code()),
            Self::Configuration(_) | Self::Internal(_) => {
                (StatusCode::INTERNAL_SERVER_ERROR, "internal")
            }
        };
        let detail = match self {
            Self::Configuration(_) => "internal error".to_owned(),
            other => other.to_string(),
        };
        let problem = Problem::new(status, code, detail);
        match self {
            Self::HashingBusy { retry_after } => problem.retry_after(*retry_after),
            Self::StorageUnavailable(_) => problem.retry_after(STORAGE_RETRY_SECONDS),
            _ => problem,
        }
    }
}

impl Error {
    /// Logs what is ours, and answers with the problem after `adapt` has had its say.
    fn respond(self, adapt: impl FnOnce(&Self, Problem) -> Problem) -> Response {
        if let Self::Denied(denied) = self {
            return denied.into_response();
        }
        if let Self::Internal(_) | Self::Configuration(_) | Self::StorageUnavailable(_) = self {
            tracing::error!(error = %chain(&self), "request failed");
        }
        let problem = adapt(&self, self.problem());
        let status = problem.status();
        let mut response = problem.into_response();
        // RFC 9110 §15.5.2: a 401 always names a challenge.
        if status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static(r#"Bearer realm="countersign""#);
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        self.respond(|_, problem| problem)
    }
}

/// An error of a login, with the members that OAuth 2 clients read beside ours (RFC 6749 §5.2).
pub(crate) struct OAuthError(Error);

impl<E: Into<Error>> From<E> for OAuthError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for OAuthError {
    fn into_response(self) -> Response {
        self.0.respond(|error, problem| {
            let code = match error {
                Error::InvalidCredentials | Error::InvalidGrant => "invalid_grant",
                Error::GrantUnsupported(_) => "unsupported_grant_type",
                _ if problem.status().is_server_error() => "temporarily_unavailable",
                _ => "invalid_request",
            };
            let description = problem.detail().to_owned();
            problem.with("error", code).with("error_description", description)
        })
    }
}

/// The answer of a known path to a method it does not have; `Allow` is added by the router.
pub(crate) async fn method_not_allowed() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "this path does not have this method",
    )
}

/// An error and its causes in one line.
fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
