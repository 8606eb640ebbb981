use std::{net::IpAddr, sync::Arc};

use axum::{
    Router,
    body::HttpBody,
    extract::{
        FromRequest, Path, Query, Request, State, rejection::PathRejection,
        rejection::QueryRejection,
    },
    http::{
        HeaderMap, HeaderValue, Method, StatusCode,
        header::{AUTHORIZATION, SET_COOKIE},
        request::Parts,
    },
    response::{IntoResponse, Response},
    routing::{delete, get, post},
};
use guard::{Authenticate, Denied, Principal, Proof, Verdict};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Ending, Session, Sessions, Which};
use crate::{
    Auth, Error,
    audit::{Actor, By, Cause},
    http::{
        Client, Json,
        cookie::Presented,
        page::{Page, limit},
    },
    openapi::Document,
    secret::{OpaqueSecret, SecretHash},
    users::{User, UserId},
};

pub(crate) fn routes() -> Router<Auth> {
    Router::new()
        .route("/logout", post(logout))
        .route("/sessions", get(list).delete(end_others))
        .route("/sessions/{id}", delete(end_one))
}

pub(crate) fn openapi(document: &mut Document) {
    document
        .post("/logout", "ends the session of every credential that comes along")
        .signed_in()
        .may_take::<Logout>(json!({ "refresh_token": "AQGiAtnerfR…" }))
        .answers::<Revoked>(200, "the logins that ended", Revoked::example())
        .refuses(401, &["invalid_grant"]);
    document.get("/sessions", "the own logins").signed_in().lists::<Login>(
        "the logins, the newest first",
        200,
        Login::example(),
    );
    document.delete("/sessions", "ends all other logins").signed_in().answers::<Revoked>(
        200,
        "the logins that ended",
        Revoked::example(),
    );
    document
        .delete("/sessions/{id}", "ends one of the own logins")
        .signed_in()
        .answers::<Revoked>(200, "the login that ended", Revoked::example())
        .refuses(404, &["not_found"]);
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
        let Some(resumed) = self.resume(secret).await? else {
            return Err(Denied::refused("session_expired", "the session is over"));
        };
        let (session, user) = (&resumed.session, &resumed.user);
        Ok(Principal::new(user.id.0.to_string(), Proof::Cookie, self.ends_at(session))
            .with_name(user.name.clone())
            .with_roles(user.roles.names().to_vec())
            .with_session(Some(session.id.to_string()))
            .with_claims(self.claims.of(user)))
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

    /// Says whether a request presents a session cookie, a good one or not.
    pub(crate) fn carries_cookie(&self, headers: &HeaderMap) -> bool {
        !matches!(self.cookie.read(headers), Presented::Nothing)
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
    /// The same installation, whose acts are recorded as those of this caller: [`acting`](Self::acting).
    ///
    /// # Errors
    /// 401 `credentials_missing` for a caller whom no guard of this installation has let in.
    pub fn acting_for(&self, caller: &Principal, client: Client) -> Result<Self, Error> {
        let (user, session) = caller_session(caller)?;
        Ok(self.acting(By::user(user, Some(session), client)))
    }

    /// Refuses a request that a page of another site made a browser send, as the routes of an installation refuse it: for
    /// an unsafe route of an application's own that asks for no credential. A program, which says nothing of where it is,
    /// passes, unless it has the session cookie of a browser.
    ///
    /// # Errors
    /// 403 `cross_site`.
    pub fn refuse_cross_site(&self, method: &Method, headers: &HeaderMap) -> Result<(), Error> {
        let sessions = self.sessions();
        Ok(sessions.cross_site.check(method, headers, sessions.carries_cookie(headers))?)
    }

    /// Begins a session and returns the header that hands it to the browser.
    pub(crate) async fn session_start(
        &self,
        user: &User,
        client: &Client,
        replaced: Option<SecretHash>,
    ) -> Result<HeaderValue, Error> {
        let (_, secret) = self.session_create(user, client, replaced).await?;
        self.sessions().cookie.set(&secret)
    }
}

fn session_id(caller: &Principal) -> Option<Uuid> {
    caller.session().and_then(|id| Uuid::try_parse(id).ok())
}

/// The user and the session of a caller; every principal of this installation has both.
pub(crate) fn caller_session(caller: &Principal) -> Result<(UserId, Uuid), Error> {
    let user = Uuid::try_parse(caller.subject()).ok().map(UserId);
    user.zip(session_id(caller)).ok_or_else(|| Denied::credentials_missing().into())
}

/// What ended, and by when.
#[derive(Serialize, ToSchema)]
pub(crate) struct Revoked {
    revoked: Vec<Uuid>,
    effective_by: i64,
    access_expires_at: i64,
}

impl Revoked {
    pub(crate) fn example() -> Value {
        json!({
            "revoked": ["01a202d9-e0d6-76c4-92ba-c954f222c7c6"],
            "effective_by": 1_795_344_163,
            "access_expires_at": 1_795_344_762
        })
    }
}

impl From<Ending> for Revoked {
    fn from(ending: Ending) -> Self {
        Self {
            revoked: ending.sessions,
            effective_by: ending.effective_by.seconds(),
            access_expires_at: ending.access_expires_at.seconds(),
        }
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Logout {
    refresh_token: Option<String>,
}

/// Ends the session of every credential that comes along: an access token, a refresh token, the cookie. One
/// that is good is enough; an access token that has expired is no obstacle beside a refresh token.
async fn logout(
    State(auth): State<Auth>,
    client: Client,
    request: Request,
) -> Result<Response, Error> {
    let (parts, body) = request.into_parts();
    let auth = auth.acting(By { actor: Actor::Owner, client, session: None });
    let sessions = auth.sessions();
    let (by_header, clears_cookie) = if parts.headers.contains_key(AUTHORIZATION) {
        let caller = auth.logout_guard().authenticate(&parts).await;
        let session = caller.map(|caller| caller.and_then(|caller| session_id(&caller)));
        (session.map(|session| session.map(Which::One)), false)
    } else {
        match sessions.read(&parts.method, &parts.headers) {
            Ok(Presented::Secret(secret)) => {
                let session = sessions.store.find(secret.hash()).await?;
                (Ok(session.map(|session| Which::Own(session.user_id, session.id))), true)
            }
            Ok(Presented::Malformed) => (Ok(None), true),
            Ok(Presented::Nothing | Presented::Ambiguous) => {
                (Err(Denied::credentials_missing()), false)
            }
            Err(denied) if denied.status() == StatusCode::FORBIDDEN => return Err(denied.into()),
            Err(denied) => (Err(denied), false),
        }
    };
    let mut ending = Vec::new();
    match (by_header, refresh_token(&auth, &parts, body).await?) {
        (Ok(session), token) => ending.extend(session.into_iter().chain(token)),
        (Err(_), Some(token)) => ending.push(token),
        (Err(denied), None) => return Err(denied.into()),
    }
    let ended = auth.end_all(&ending, Cause::Logout).await?;
    let answer = Json(Revoked::from(ended));
    if clears_cookie {
        return Ok(([(SET_COOKIE, auth.sessions().cookie.clear()?)], answer).into_response());
    }
    Ok(answer.into_response())
}

/// The session of the refresh token in the body, when there is a body.
async fn refresh_token(
    auth: &Auth,
    parts: &Parts,
    body: axum::body::Body,
) -> Result<Option<Which>, Error> {
    // Some clients name a content type also where they send no content.
    if body.is_end_stream() {
        return Ok(None);
    }
    let request = Request::from_parts(parts.clone(), body);
    let Json(Logout { refresh_token }) = Json::from_request(request, &()).await?;
    let Some(text) = refresh_token else { return Ok(None) };
    let token = auth.refresh_tokens().read(&text).ok_or(Error::InvalidGrant)?;
    Ok(Some(Which::One(token.session)))
}

/// A login as its owner sees it, and as an administrator does.
#[derive(Serialize, ToSchema)]
pub(crate) struct Login {
    id: Uuid,
    device: String,
    #[schema(value_type = Option<String>)]
    address: Option<IpAddr>,
    created_at: i64,
    last_used_at: i64,
    current: bool,
}

impl Login {
    pub(crate) fn example() -> Value {
        json!({
            "id": "01a202d9-dfaa-756c-8dc9-af49014a8d09",
            "device": "Firefox on Linux",
            "address": "192.0.2.7",
            "created_at": 1_795_344_162,
            "last_used_at": 1_795_344_162,
            "current": true
        })
    }
}

/// The page that is asked for: what comes after an id, so many at most.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    after: Option<Uuid>,
    limit: Option<usize>,
}

/// Reads the query of a list that takes nothing else.
pub(crate) fn asked(query: Result<Query<Asked>, QueryRejection>) -> Result<Asked, Error> {
    let Query(page) = query
        .map_err(|_| Error::QueryInvalid("the query takes after (an id) and limit (a number)"))?;
    Ok(page)
}

async fn list(
    State(auth): State<Auth>,
    caller: Principal,
    query: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<Page<Login>>, Error> {
    let page = asked(query)?;
    let (user, current) = caller_session(&caller)?;
    logins(&auth, user, Some(current), page).await
}

/// A page of the logins of a user.
pub(crate) async fn logins(
    auth: &Auth,
    user: UserId,
    current: Option<Uuid>,
    page: Asked,
) -> Result<Json<Page<Login>>, Error> {
    let limit = limit(page.limit)?;
    let sessions = auth.sessions_of(user, page.after, limit + 1).await?;
    let login = |session: Session| Login {
        id: session.id,
        device: session.device,
        address: session.address,
        created_at: session.created_at.seconds(),
        last_used_at: session.last_used_at.seconds(),
        current: Some(session.id) == current,
    };
    Ok(Json(Page::of(sessions, limit, |session| session.id, login)))
}

async fn end_one(
    State(auth): State<Auth>,
    caller: Principal,
    client: Client,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<Revoked>, Error> {
    let (user, _) = caller_session(&caller)?;
    let auth = auth.acting_for(&caller, client)?;
    // A text that is no id names no session.
    let Path(id) = id.map_err(|_| Error::NotFound)?;
    let id = Uuid::try_parse(&id).map_err(|_| Error::NotFound)?;
    let ending = auth.session_end(user, id).await?.ok_or(Error::NotFound)?;
    Ok(Json(ending.into()))
}

async fn end_others(
    State(auth): State<Auth>,
    caller: Principal,
    client: Client,
) -> Result<Json<Revoked>, Error> {
    let (user, current) = caller_session(&caller)?;
    let auth = auth.acting_for(&caller, client)?;
    Ok(Json(auth.sessions_end_others(user, current).await?.into()))
}
