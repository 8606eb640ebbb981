use std::sync::Arc;

use axum::{
    Router,
    extract::{FromRequest, Request, State},
    http::request::Parts,
    routing::post,
};
use guard::{Authenticate, Denied, Principal, Proof, Verdict, bearer_token};
use jwt::{Verified, Verifier};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use uuid::{Uuid, fmt::Hyphenated};
use zeroize::Zeroizing;

use super::{STANDARD_CLAIMS, Tokens};
use crate::{
    Auth, Error,
    config::WhenStale,
    http::{Client, Json, JsonOrForm, OAuthError, parameters},
    keys::KeyRing,
    openapi::Document,
    revocation::Revocations,
    users::UserId,
};

pub(crate) fn routes() -> Router<Auth> {
    Router::new().route("/refresh", post(refresh))
}

pub(crate) fn openapi(document: &mut Document) {
    let token = json!("AQGiAtnerfR…");
    document
        .post("/refresh", "replaces a refresh token, and makes a fresh access token")
        .takes::<Refresh>(json!({ "refresh_token": token }))
        .or_form(&[("refresh_token", token), ("grant_type", json!("refresh_token"))], 1)
        .answers::<TokenAnswer>(200, "an access and a refresh token", TokenAnswer::example())
        .refuses(401, &["invalid_grant"])
        .refuses(404, &["mode_disabled"])
        .stores();
}

/// What a login or a refresh answers (RFC 6749 §5.1).
#[derive(Serialize, ToSchema)]
pub(crate) struct TokenAnswer {
    access_token: String,
    token_type: &'static str,
    expires_in: u64,
    refresh_token: String,
    refresh_expires_in: u64,
}

impl TokenAnswer {
    pub(crate) fn example() -> Value {
        json!({
            "access_token": "eyJhbGciOiJIUzI1NiIs…",
            "token_type": "Bearer",
            "expires_in": 600,
            "refresh_token": "AQGiAtnerfR…",
            "refresh_expires_in": 2_592_000
        })
    }
}

impl From<Tokens> for TokenAnswer {
    fn from(tokens: Tokens) -> Self {
        Self {
            access_token: tokens.access,
            token_type: "Bearer",
            expires_in: tokens.expires_in,
            refresh_token: tokens.refresh,
            refresh_expires_in: tokens.refresh_expires_in,
        }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Refresh {
    #[schema(value_type = String, format = Password)]
    refresh_token: Zeroizing<String>,
}

async fn refresh(
    State(auth): State<Auth>,
    client: Client,
    request: Request,
) -> Result<Json<TokenAnswer>, OAuthError> {
    if !auth.config().auth.mode.offers_tokens() {
        return Err(Error::ModeDisabled.into());
    }
    let Refresh { refresh_token } = match JsonOrForm::from_request(request, &()).await? {
        JsonOrForm::Json(body) => body,
        JsonOrForm::Form(form) => from_form(form)?,
    };
    let tokens = auth.tokens_refresh(&refresh_token, &client).await?;
    Ok(Json(tokens.into()))
}

/// The form of RFC 6749 §6.
fn from_form(form: Vec<(String, String)>) -> Result<Refresh, Error> {
    let [token, grant] = parameters(form, ["refresh_token", "grant_type"])?;
    if grant.is_some_and(|grant| *grant != "refresh_token") {
        return Err(Error::GrantUnsupported("refresh_token"));
    }
    let missing = || Error::BodyInvalid("missing parameter \"refresh_token\"".to_owned());
    Ok(Refresh { refresh_token: token.ok_or_else(missing)? })
}

/// Accepts this installation's own access tokens.
///
/// Beside what any verifier checks, `sub` and `sid` must be UUIDs in their canonical form (the server
/// writes them so, and a second spelling of one id would be a second name for one account), and the login
/// must not have been ended.
#[derive(Debug, Clone)]
pub(crate) struct AccessTokens {
    pub(crate) keys: Arc<KeyRing>,
    /// What has ended; for a logout, which may come twice, nothing has.
    pub(crate) revocations: Option<Arc<Revocations>>,
    pub(crate) when_stale: WhenStale,
    /// Whether tokens have claims that the application added.
    pub(crate) has_custom: bool,
}

/// The claims that a token of ours has beside the registered ones.
#[derive(Deserialize)]
struct Access {
    name: Option<String>,
    #[serde(default)]
    roles: Vec<String>,
    sid: Option<String>,
    r#gen: Option<i64>,
}

impl AccessTokens {
    fn verify(&self, parts: &Parts) -> Result<Option<(Verified<Access>, UserId, Uuid)>, Denied> {
        let Some(token) = bearer_token(parts)? else { return Ok(None) };
        own(&self.keys.now().verifier, token).map(Some)
    }

    fn principal(&self, parts: &Parts) -> Result<Option<Principal>, Denied> {
        let Some((verified, user, session)) = self.verify(parts)? else { return Ok(None) };
        if let Some(revocations) = &self.revocations {
            alive(&verified, user, session, revocations)?;
            if self.when_stale == WhenStale::Closed && revocations.is_stale() {
                return Err(Denied::revocations_unavailable());
            }
        }
        let custom = if self.has_custom { custom(&verified) } else { None };
        let expires_at = verified.expires_at().unwrap_or_default();
        let subject = verified.subject().unwrap_or_default().to_owned();
        let Access { name, roles, sid, .. } = verified.into_claims();
        let principal = Principal::new(subject, Proof::Bearer, expires_at);
        Ok(Some(principal.with_name(name).with_roles(roles).with_session(sid).with_claims(custom)))
    }
}

/// Verifies a token of this installation.
fn own(verifier: &Verifier, token: &str) -> Result<(Verified<Access>, UserId, Uuid), Denied> {
    let verified = verifier.verify::<Access>(token)?;
    let user = verified.subject().and_then(canonical_v7);
    let session = verified.sid.as_deref().and_then(canonical_v7);
    match user.zip(session) {
        Some((user, session)) => Ok((verified, UserId(user), session)),
        None => Err(Denied::refused("token_malformed", "sub or sid is not a UUID of version 7")),
    }
}

/// Refuses a token whose login has ended.
fn alive(
    verified: &Verified<Access>,
    user: UserId,
    session: Uuid,
    revocations: &Revocations,
) -> Result<(), Denied> {
    // A token that does not say its generation is older than any.
    let generation = verified.r#gen.unwrap_or(i64::MIN);
    if revocations.concern(session, user, generation) {
        return Err(Denied::refused("token_revoked", "the login of this token was ended"));
    }
    Ok(())
}

/// Judges access tokens as an instance of the installation would, from what its database held at one moment: for a
/// program that looks at a token beside the instances that run. Made by [`AuthBuilder::inspect`].
///
/// [`AuthBuilder::inspect`]: crate::AuthBuilder::inspect
#[derive(Debug)]
pub struct Inspector {
    pub(crate) verifier: Verifier,
    pub(crate) revocations: Revocations,
}

impl Inspector {
    /// Says whether a token is accepted.
    ///
    /// # Errors
    /// The refusal that a request with this token would get.
    pub fn judge(&self, token: &str) -> Result<(), Denied> {
        let (verified, user, session) = own(&self.verifier, token)?;
        alive(&verified, user, session, &self.revocations)
    }
}

impl Authenticate for AccessTokens {
    fn scheme(&self) -> Option<&'static str> {
        Some("Bearer")
    }

    fn authenticate<'a>(&'a self, request: &'a Parts) -> Verdict<'a> {
        Box::pin(async { self.principal(request) })
    }
}

/// The claims that are neither registered nor the server's own.
fn custom(verified: &Verified<Access>) -> Option<Map<String, Value>> {
    let mut claims: Map<String, Value> = serde_json::from_str(verified.payload()).ok()?;
    claims.retain(|name, _| !STANDARD_CLAIMS.contains(&name.as_str()));
    Some(claims)
}

fn canonical_v7(text: &str) -> Option<Uuid> {
    // Of this length there is only the form with hyphens, and it is canonical unless a digit is a capital.
    if text.len() != Hyphenated::LENGTH || text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    Uuid::try_parse(text).ok().filter(|id| id.get_version_num() == 7)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_spelling_of_a_version_7_uuid_passes() {
        assert!(canonical_v7("01980b1e-7a4c-7def-8123-456789abcdef").is_some());
        for text in [
            "",
            "1",
            "01980B1E-7A4C-7DEF-8123-456789ABCDEF",
            "01980b1e7a4c7def8123456789abcdef",
            "{01980b1e-7a4c-7def-8123-456789abcdef}",
            "urn:uuid:01980b1e-7a4c-7def-8123-456789abcdef",
            "01980b1e-7a4c-4def-8123-456789abcdef",
            "01980b1e-7a4c-7def-8123-456789abcdef ",
        ] {
            assert!(canonical_v7(text).is_none(), "{text:?}");
        }
    }
}
