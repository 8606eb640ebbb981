use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    http::{
        HeaderMap, HeaderValue, Method,
        header::{AUTHORIZATION, SET_COOKIE},
        request::Parts,
    },
    response::{IntoResponse, Response},
    routing::post,
};
use guard::{Authenticate, Denied, Principal, Proof, Verdict};
use serde::Serialize;

use super::Sessions;
use crate::{
    Auth, Error,
    http::cookie::Presented,
    secret::{OpaqueSecret, SecretHash},
    users::User,
};

pub(crate) fn routes() -> Router<Auth> {
    Router::new().route("/logout", post(logout))
}

/// Accepts this installation's session cookies.
pub(crate) struct SessionCookies(pub(crate) Arc<Sessions>);

impl Authenticate for SessionCookies {
    fn scheme(&self) -> Option<&'static str> {
        None
    }

    fn authenticate<'a>(&'a self, request: &'a Parts) -> Verdict<'a> {
        Box::pin(async {
            match self.0.read(&request.method, &request.headers)? {
                Presented::Secret(secret) => self.0.principal(&secret).await.map(Some),
                Presented::Malformed => Err(Denied::refused(
                    "session_malformed",
                    "the session cookie does not have the form of one",
                )),
                Presented::Nothing | Presented::Ambiguous => Ok(None),
            }
        })
    }
}

impl Sessions {
    async fn principal(&self, secret: &OpaqueSecret) -> Result<Principal, Denied> {
        let Some((session, user)) = self.resume(secret).await? else {
            return Err(Denied::refused("session_expired", "the session is over"));
        };
        let ends_at = self.ends_at(&session);
        Ok(Principal::new(user.id.0.to_string(), Proof::Cookie, ends_at)
            .with_name(user.name)
            .with_roles(user.roles.names().to_vec())
            .with_session(Some(session.id.to_string())))
    }

    /// Reads the session cookie under the cross-site rule; two that differ are refused.
    fn read(&self, method: &Method, headers: &HeaderMap) -> Result<Presented, Denied> {
        match self.cookie.read(headers) {
            Presented::Ambiguous => Err(Denied::refused(
                "session_ambiguous",
                "the request has two different session cookies",
            )),
            Presented::Nothing => Ok(Presented::Nothing),
            presented => {
                self.cross_site.check(method, headers, true)?;
                Ok(presented)
            }
        }
    }

    /// The session that came with a request for a new one, which the new one is to replace.
    pub(crate) fn presented(
        &self,
        method: &Method,
        headers: &HeaderMap,
    ) -> Result<Option<SecretHash>, Denied> {
        match self.read(method, headers)? {
            Presented::Secret(secret) => Ok(Some(secret.hash())),
            _ => {
                self.cross_site.check(method, headers, false)?;
                Ok(None)
            }
        }
    }
}

impl Auth {
    /// Begins a session and returns the header that hands it to the browser.
    pub(crate) async fn session_start(
        &self,
        user: &User,
        replaced: Option<SecretHash>,
    ) -> Result<HeaderValue, Error> {
        let (_, secret) = self.session_create(user, replaced).await?;
        self.sessions().cookie.set(&secret)
    }
}

#[derive(Serialize)]
struct Revoked {
    revoked: Vec<String>,
    effective_by: i64,
}

async fn logout(
    State(auth): State<Auth>,
    method: Method,
    headers: HeaderMap,
    request: axum::extract::Request,
) -> Result<Response, Error> {
    if headers.contains_key(AUTHORIZATION) {
        let (parts, _) = request.into_parts();
        auth.guard().authenticate(&parts).await?;
        return Err(Error::RevocationUnavailable);
    }
    let ended = match auth.sessions().read(&method, &headers)? {
        Presented::Nothing => return Err(Denied::credentials_missing().into()),
        Presented::Secret(secret) => auth.session_end(&secret).await?,
        Presented::Malformed | Presented::Ambiguous => None,
    };
    let body = Revoked {
        revoked: ended.iter().map(|session| session.id.to_string()).collect(),
        effective_by: auth.clock().now().seconds(),
    };
    Ok(([(SET_COOKIE, auth.sessions().cookie.clear()?)], Json(body)).into_response())
}
