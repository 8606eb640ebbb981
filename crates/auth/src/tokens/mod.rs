//! Access tokens: signed statements of who somebody is, for ten minutes.
//!
//! Whoever has the key checks one alone: no storage is read, and an instance that has never seen the user
//! accepts it.

pub(crate) mod http;

use jwt::Claims;
use serde::Serialize;
use uuid::Uuid;

use crate::{Auth, Error, users::User};

/// An access token and its life in seconds.
#[derive(Debug)]
pub struct AccessToken {
    /// The token: a JWS in compact form (RFC 7515 §7.1).
    pub token: String,
    /// Seconds until it expires.
    pub expires_in: u64,
}

/// The claims beside the registered ones.
#[derive(Serialize)]
struct Access<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    sid: Uuid,
    roles: &'a [String],
    r#gen: i64,
}

impl Auth {
    /// Makes an access token for one login of this user.
    ///
    /// # Errors
    /// [`Error::Internal`] when the claims cannot be signed.
    pub fn access_token(&self, user: &User) -> Result<AccessToken, Error> {
        let tokens = &self.config().tokens;
        let access = Access {
            name: user.name.as_deref(),
            sid: self.ids().next(),
            roles: user.roles.names(),
            r#gen: user.generation,
        };
        let claims = Claims::at(access, self.clock().now())
            .issuer(&tokens.issuer)
            .subject(user.id.0.to_string())
            .audience(&tokens.audience)
            .id(self.ids().next().to_string())
            .expires_in(tokens.access_lifetime);
        let token = self.keys().signing().sign(&claims).map_err(Error::internal)?;
        Ok(AccessToken { token, expires_in: tokens.access_lifetime.as_secs() })
    }
}
