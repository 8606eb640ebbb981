use axum::{
    extract::{FromRef, FromRequestParts, OptionalFromRequestParts},
    http::request::Parts,
};
use jwt::Timestamp;
use serde_json::{Map, Value};

use crate::{Denied, Guard};

/// Who makes the request: all that a handler needs to know of its caller.
///
/// As an extractor it turns away everyone who has not proved who they are; `Option<Principal>` lets
/// through those who present nothing, and still turns away those who present something bad.
#[derive(Debug, Clone, PartialEq)]
pub struct Principal {
    subject: String,
    name: Option<String>,
    roles: Vec<String>,
    session: Option<String>,
    proof: Proof,
    expires_at: Timestamp,
    claims: Option<Map<String, Value>>,
}

/// How a [`Principal`] was proved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Proof {
    /// A signed token in the `Authorization` header.
    Bearer,
    /// A session cookie.
    Cookie,
}

impl Principal {
    /// A caller known by a stable id, until a point in time.
    ///
    /// Made by an [`Authenticate`](crate::Authenticate) after it has checked the proof; in tests of
    /// handlers it may be made by hand.
    pub fn new(subject: impl Into<String>, proof: Proof, expires_at: Timestamp) -> Self {
        Self {
            subject: subject.into(),
            name: None,
            roles: Vec::new(),
            session: None,
            proof,
            expires_at,
            claims: None,
        }
    }

    /// Adds the name to show.
    #[must_use]
    pub fn with_name(mut self, name: Option<String>) -> Self {
        self.name = name;
        self
    }

    /// Adds the roles.
    #[must_use]
    pub fn with_roles(mut self, roles: Vec<String>) -> Self {
        self.roles = roles;
        self
    }

    /// Adds the id of the login that this proof belongs to.
    #[must_use]
    pub fn with_session(mut self, session: Option<String>) -> Self {
        self.session = session;
        self
    }

    /// Adds the claims that an application gives its users beside those that every principal has.
    #[must_use]
    pub fn with_claims(mut self, claims: Option<Map<String, Value>>) -> Self {
        self.claims = claims;
        self
    }

    /// The caller's stable id: the claim `sub` (RFC 7519 §4.1.2).
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The name to show, when the account has one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The roles: `["user"]`, `["admin", "user"]`.
    #[must_use]
    pub fn roles(&self) -> &[String] {
        &self.roles
    }

    /// The id of the login this proof belongs to: the claim `sid`.
    #[must_use]
    pub fn session(&self) -> Option<&str> {
        self.session.as_deref()
    }

    /// A claim of the application's own, by its name; the same by token and by cookie.
    #[must_use]
    pub fn claim(&self, name: &str) -> Option<&Value> {
        self.claims.as_ref()?.get(name)
    }

    /// How the caller proved who they are.
    #[must_use]
    pub fn proof(&self) -> Proof {
        self.proof
    }

    /// When this proof ends by itself.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// Says whether the caller has a role.
    #[must_use]
    pub fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|own| own == role)
    }

    /// Turns away a caller without this role.
    ///
    /// # Errors
    /// 403 `insufficient_scope` (RFC 6750 §3.1).
    pub fn require(&self, role: &str) -> Result<(), Denied> {
        if self.has_role(role) { Ok(()) } else { Err(Denied::insufficient_scope()) }
    }
}

impl<S> FromRequestParts<S> for Principal
where
    S: Send + Sync,
    Guard: FromRef<S>,
{
    type Rejection = Denied;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Denied> {
        Guard::from_ref(state).authenticate(parts).await?.ok_or_else(Denied::credentials_missing)
    }
}

impl<S> OptionalFromRequestParts<S> for Principal
where
    S: Send + Sync,
    Guard: FromRef<S>,
{
    type Rejection = Denied;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, Denied> {
        Guard::from_ref(state).authenticate(parts).await
    }
}
