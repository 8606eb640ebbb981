use axum::http::{header::AUTHORIZATION, request::Parts};
use jwt::Verifier;
use serde::Deserialize;

use crate::{Authenticate, Denied, Principal, Proof, Verdict};

/// The claims beside the registered ones that a [`Principal`] is made of.
///
/// All are optional: a foreign issuer's token proves its subject without them.
#[derive(Deserialize)]
struct Access {
    name: Option<String>,
    #[serde(default)]
    roles: Vec<String>,
    sid: Option<String>,
}

impl Authenticate for Verifier {
    fn scheme(&self) -> Option<&'static str> {
        Some("Bearer")
    }

    fn authenticate<'a>(&'a self, request: &'a Parts) -> Verdict<'a> {
        Box::pin(async { authenticate_bearer(self, request) })
    }
}

/// Says who makes the request, by the token of its `Authorization: Bearer` header.
///
/// No storage is read and nothing is awaited. `None` when there is no such header.
///
/// # Errors
/// 401 with the code of the check that failed.
pub fn authenticate_bearer(
    verifier: &Verifier,
    request: &Parts,
) -> Result<Option<Principal>, Denied> {
    let Some(token) = bearer_token(request)? else { return Ok(None) };
    let verified = verifier.verify::<Access>(token)?;
    let (Some(subject), Some(expires_at)) = (verified.subject(), verified.expires_at()) else {
        return Err(Denied::refused("claim_missing", "the token lacks sub or exp"));
    };
    let subject = subject.to_owned();
    let Access { name, roles, sid } = verified.into_claims();
    Ok(Some(
        Principal::new(subject, Proof::Bearer, expires_at)
            .with_name(name)
            .with_roles(roles)
            .with_session(sid),
    ))
}

/// The token of the `Authorization: Bearer` header; `None` when there is no such header.
///
/// The scheme is compared without regard to case (RFC 9110 §11.1). The header is the only place a token
/// is taken from: one in a query or a body lands in logs and histories (RFC 9700 §4.3.2).
///
/// # Errors
/// 401 `token_malformed` when the scheme stands there without a token.
pub fn bearer_token(request: &Parts) -> Result<Option<&str>, Denied> {
    let Some(value) = request.headers.get(AUTHORIZATION) else { return Ok(None) };
    let value = value.to_str().map_err(|_| Denied::authorization_malformed())?;
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    if !scheme.eq_ignore_ascii_case("Bearer") {
        return Ok(None);
    }
    let token = token.trim_matches(' ');
    if token.is_empty() {
        return Err(Denied::refused("token_malformed", "the Authorization header has no token"));
    }
    Ok(Some(token))
}
