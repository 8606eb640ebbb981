//! Access and refresh tokens: a signed statement of who somebody is, for ten minutes, and what gets the
//! next one.
//!
//! Whoever has the key checks an access token alone: no storage is read, and an instance that has never seen
//! the user accepts it. A refresh token is good here only, and once: each use replaces it.

mod flawed;
pub(crate) mod http;
mod refresh;
pub(crate) mod storage;

use std::{fmt, sync::Arc};

use jwt::{Claims, Timestamp};
use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

pub(crate) use self::refresh::RefreshTokens;
use self::storage::{Attempt, Begun, Refreshed};
pub use self::{flawed::Flaw, http::Inspector};
use crate::{
    Auth, Error,
    audit::Actor,
    http::Client,
    sessions::{Dead, seconds},
    users::User,
};

/// What a login by tokens is given, and each refresh after it (RFC 6749 §5.1).
pub struct Tokens {
    /// The session they belong to: the claim `sid`.
    pub session: Uuid,
    /// The access token: a JWS in compact form (RFC 7515 §7.1).
    pub access: String,
    /// Seconds until it expires.
    pub expires_in: u64,
    /// What gets the next ones, once.
    pub refresh: String,
    /// Seconds until it is good no more.
    pub refresh_expires_in: u64,
}

/// The claims that every token of ours may have; an application adds others.
pub(crate) const STANDARD_CLAIMS: [&str; 11] =
    ["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "name", "sid", "roles", "gen"];

type ClaimsOf = dyn Fn(&User) -> Map<String, Value> + Send + Sync;

/// The claims that an application gives its users, by token and by cookie alike.
#[derive(Clone, Default)]
pub(crate) struct CustomClaims(Option<Arc<ClaimsOf>>);

impl CustomClaims {
    pub(crate) fn new(
        claims: impl Fn(&User) -> Map<String, Value> + Send + Sync + 'static,
    ) -> Self {
        Self(Some(Arc::new(claims)))
    }

    pub(crate) fn are_given(&self) -> bool {
        self.0.is_some()
    }

    /// The claims of one user; the standard ones are not the application's to give.
    pub(crate) fn of(&self, user: &User) -> Option<Map<String, Value>> {
        let mut claims = self.0.as_ref()?(user);
        claims.retain(|name, _| !STANDARD_CLAIMS.contains(&name.as_str()));
        Some(claims)
    }
}

impl fmt::Debug for CustomClaims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CustomClaims").field(&self.are_given()).finish()
    }
}

/// The claims beside the registered ones.
#[derive(Serialize)]
struct Access<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    sid: Uuid,
    roles: &'a [String],
    r#gen: i64,
    #[serde(flatten)]
    custom: Option<Map<String, Value>>,
}

impl Auth {
    /// Begins a session of this user, held by tokens.
    ///
    /// # Errors
    /// [`Error::InvalidCredentials`] when the account is gone, disabled or changed by now; storage errors.
    pub async fn tokens_create(&self, user: &User, client: &Client) -> Result<Tokens, Error> {
        let session = self.new_session(user, client);
        let now = session.created_at;
        let begun = Begun {
            session: session.clone(),
            generation: user.generation,
            access_expires_at: self.access_expires_at(now),
            dead: self.tokens_dead(now),
        };
        // The account may have gone, or been disabled, since its password was checked.
        let scribe = self.scribe_of(Actor::Owner, client);
        if !storage::session_begin(self.db(), begun, scribe).await? {
            return Err(Error::InvalidCredentials);
        }
        tracing::info!(user = %user.id.0, session = %session.id, "session began");
        let newest = refresh::RefreshToken { session: session.id, counter: 1 };
        self.tokens(user, newest, now, now, now)
    }

    /// Replaces a refresh token and makes a fresh access token.
    ///
    /// A token that was used within the last ten seconds is answered with the newest one. One that was used
    /// before that is in two hands: its session ends, and only that.
    ///
    /// # Errors
    /// [`Error::InvalidGrant`] for a token that is not good, or no longer; storage errors.
    pub async fn tokens_refresh(&self, text: &str, client: &Client) -> Result<Tokens, Error> {
        let token = self.refresh_tokens().read(text).ok_or(Error::InvalidGrant)?;
        let now = self.clock().now();
        let attempt = Attempt {
            token,
            now,
            access_expires_at: self.access_expires_at(now),
            address: client.address,
            dead: self.tokens_dead(now),
        };
        let scribe = self.scribe_of(Actor::Owner, client);
        match storage::refresh(self.db(), attempt, scribe).await? {
            Refreshed::Answered { user, newest, created_at, used_at } => {
                self.tokens(&user, newest, now, created_at, used_at)
            }
            Refreshed::Replayed(session, revocation) => {
                self.revocations().add([revocation]);
                tracing::warn!(
                    user = %session.user_id.0,
                    session = %session.id,
                    "a refresh token was used again: the session is over"
                );
                Err(Error::InvalidGrant)
            }
            Refreshed::Gone => Err(Error::InvalidGrant),
        }
    }

    /// When an access token expires that is made now.
    pub(crate) fn access_expires_at(&self, now: Timestamp) -> Timestamp {
        now.saturating_add(self.config().tokens.access_lifetime)
    }

    /// Before when a session that is held by tokens is over.
    pub(crate) fn tokens_dead(&self, now: Timestamp) -> Dead {
        Dead::by_tokens(self.config(), now)
    }

    fn tokens(
        &self,
        user: &User,
        newest: refresh::RefreshToken,
        now: Timestamp,
        created_at: Timestamp,
        used_at: Timestamp,
    ) -> Result<Tokens, Error> {
        let tokens = &self.config().tokens;
        let access = self.access_token(user, newest.session, now, &tokens.audience)?;
        let ends_at = seconds(tokens.refresh_lifetime)
            .saturating_add(used_at.seconds())
            .min(seconds(tokens.refresh_absolute).saturating_add(created_at.seconds()));
        Ok(Tokens {
            session: newest.session,
            access,
            expires_in: tokens.access_lifetime.as_secs(),
            refresh: self.refresh_tokens().write(newest),
            refresh_expires_in: Timestamp::new(ends_at).duration_since(now).as_secs(),
        })
    }

    /// Signs an access token of this time.
    fn access_token(
        &self,
        user: &User,
        session: Uuid,
        at: Timestamp,
        audience: &str,
    ) -> Result<String, Error> {
        let tokens = &self.config().tokens;
        let access = Access {
            name: user.name.as_deref(),
            sid: session,
            roles: user.roles.names(),
            r#gen: user.generation,
            custom: self.custom_claims().of(user),
        };
        let claims = Claims::at(access, at)
            .issuer(&tokens.issuer)
            .subject(user.id.0.to_string())
            .audience(audience)
            .id(self.ids().next().to_string())
            .expires_in(tokens.access_lifetime);
        self.keys().now().signing.sign(&claims).map_err(Error::internal)
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("session", &self.session).finish_non_exhaustive()
    }
}
