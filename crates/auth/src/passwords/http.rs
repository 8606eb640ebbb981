use axum::{
    Router,
    extract::{FromRequest, Request, State},
    http::{HeaderMap, Method, StatusCode, header::SET_COOKIE},
    response::{IntoResponse, Response},
    routing::post,
};
use guard::Principal;
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use super::Login;
use crate::{
    Auth, Error,
    accounts::http::Accepted,
    http::{Client, Json, JsonOrForm, OAuthError, parameters},
    openapi::{Document, Operation},
    sessions::http::{Revoked, caller_session},
    tokens::http::TokenAnswer,
    users::{User, http::Account},
};

pub(crate) fn routes() -> Router<Auth> {
    Router::new()
        .route("/login", post(login))
        .route("/login/session", post(login_session))
        .route("/me/password", post(change))
        .route("/password/forgot", post(forgot))
        .route("/password/reset", post(reset))
}

pub(crate) fn openapi(document: &mut Document) {
    takes_credentials(document.post("/login", "checks a password, answers with tokens"))
        .answers::<TokenAnswer>(200, "an access and a refresh token", TokenAnswer::example())
        .refuses(401, &["invalid_credentials"]);
    takes_credentials(document.post("/login/session", "checks a password, begins a session"))
        .answers::<Account>(200, "the account, and the cookie of the session", Account::example())
        .refuses(401, &["invalid_credentials", "session_ambiguous"])
        .refuses(403, &["cross_site"]);
    document
        .post("/me/password", "another password")
        .signed_in()
        .takes::<Change>(json!({
            "current_password": "four unrelated gravel words",
            "new_password": "three further unrelated pebbles"
        }))
        .answers::<Revoked>(200, "the logins that ended", Revoked::example())
        .refuses(401, &["account_unknown"])
        .refuses(403, &["invalid_credentials"])
        .refuses(422, &["password_refused"])
        .limited()
        .hashes();
    document
        .post("/password/forgot", "sends a link for another password")
        .takes::<Forgotten>(json!({ "email": "me@example.com" }))
        .accepts()
        .refuses(422, &["email_invalid"])
        .limited()
        .stores();
    document
        .post("/password/reset", "another password")
        .takes::<Reset>(
            json!({ "token": "4b3f0c9d…", "password": "three further unrelated pebbles" }),
        )
        .done(204, "the account has this password")
        .refuses(400, &["link_invalid"])
        .refuses(422, &["password_refused"])
        .limited()
        .hashes()
        .stores();
}

/// What both logins take, and what both refuse.
fn takes_credentials(operation: Operation<'_>) -> Operation<'_> {
    let (email, password) = ("me@example.com", "four unrelated gravel words");
    let form = [
        ("username", json!(email)),
        ("password", json!(password)),
        ("grant_type", json!("password")),
    ];
    operation
        .takes::<Credentials>(json!({ "email": email, "password": password }))
        .or_form(&form, 2)
        .refuses(403, &["email_unverified"])
        .refuses(404, &["mode_disabled"])
        .limited()
        .hashes()
        .stores()
}

/// An address and a password, as JSON or as the form of RFC 6749 §4.3.2.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Credentials {
    email: String,
    #[schema(value_type = String, format = Password)]
    password: Zeroizing<String>,
}

async fn login(
    State(auth): State<Auth>,
    client: Client,
    request: Request,
) -> Result<Json<TokenAnswer>, OAuthError> {
    if !auth.config().auth.mode.offers_tokens() {
        return Err(Error::ModeDisabled.into());
    }
    let user = authenticate(&auth, &client, request).await?;
    let tokens = auth.tokens_create(&user, &client).await?;
    Ok(Json(tokens.into()))
}

async fn login_session(
    State(auth): State<Auth>,
    client: Client,
    method: Method,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, OAuthError> {
    if !auth.config().auth.mode.offers_sessions() {
        return Err(Error::ModeDisabled.into());
    }
    let replaced = auth.sessions().presented(&method, &headers).map_err(Error::from)?;
    let user = authenticate(&auth, &client, request).await?;
    let cookie = auth.session_start(&user, &client, replaced).await?;
    Ok(([(SET_COOKIE, cookie)], Json(Account::from(user))).into_response())
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Change {
    #[schema(value_type = String, format = Password)]
    current_password: Zeroizing<String>,
    #[schema(value_type = String, format = Password)]
    new_password: Zeroizing<String>,
}

async fn change(
    State(auth): State<Auth>,
    caller: Principal,
    client: Client,
    Json(body): Json<Change>,
) -> Result<Json<Revoked>, Error> {
    let auth = auth.acting_for(&caller, client.clone())?;
    let user = auth.caller(&caller).await?;
    let (_, session) = caller_session(&caller)?;
    let Change { current_password, new_password } = body;
    let (current, new) = (&current_password, &new_password);
    let ending = auth.password_change(&user, session, current, new, &client).await?;
    Ok(Json(ending.into()))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Forgotten {
    email: String,
}

async fn forgot(
    State(auth): State<Auth>,
    client: Client,
    Json(body): Json<Forgotten>,
) -> Result<Accepted, Error> {
    auth.password_forgot(&body.email, &client).await?;
    Ok(Accepted)
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Reset {
    #[schema(value_type = String, format = Password)]
    token: Zeroizing<String>,
    #[schema(value_type = String, format = Password)]
    password: Zeroizing<String>,
}

async fn reset(
    State(auth): State<Auth>,
    client: Client,
    Json(body): Json<Reset>,
) -> Result<StatusCode, Error> {
    auth.password_reset(&body.token, &body.password, &client).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn authenticate(auth: &Auth, client: &Client, request: Request) -> Result<User, Error> {
    let Credentials { email, password } = credentials(request).await?;
    let Login::Complete(user) = auth.login(&email, &password, client).await?;
    Ok(user)
}

async fn credentials(request: Request) -> Result<Credentials, Error> {
    let form = match JsonOrForm::from_request(request, &()).await? {
        JsonOrForm::Json(credentials) => return Ok(credentials),
        JsonOrForm::Form(form) => form,
    };
    let [email, password, grant] = parameters(form, ["username", "password", "grant_type"])?;
    if grant.is_some_and(|grant| *grant != "password") {
        return Err(Error::GrantUnsupported("password"));
    }
    let missing = |name: &str| Error::BodyInvalid(format!("missing parameter {name:?}"));
    let email = email.ok_or_else(|| missing("username"))?;
    let password = password.ok_or_else(|| missing("password"))?;
    Ok(Credentials { email: email.to_string(), password })
}
