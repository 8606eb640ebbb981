//! Tokens that are made to be refused: `dev` alone mounts this.
//!
//! A secret may be shared with other services, and one of them may look at less than this server does. So no server that
//! others rely on signs a token that is wrong in any respect.

use auth::{Auth, Error, Json, openapi::Document, tokens::Flaw};
use axum::{
    Json as JsonAnswer, Router,
    extract::State,
    http::{HeaderValue, StatusCode, header::CACHE_CONTROL},
    response::{IntoResponse, Response},
    routing::post,
};
use guard::Principal;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

/// `/dev/tokens`: a token of the caller's own, with one flaw.
pub fn routes(auth: &Auth) -> Router {
    Router::new().route("/dev/tokens", post(make)).with_state(auth.clone())
}

pub(crate) fn openapi(document: &mut Document) {
    document
        .post("/dev/tokens", "a token that is refused")
        .signed_in()
        .takes::<Wanted>(json!({ "kind": "expired" }))
        .answers::<Made>(201, "a token", json!({ "access_token": "eyJhbGciOiJIUzI1NiIs…" }));
}

/// What is to be wrong with the token.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Wanted {
    kind: Kind,
}

#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = TokenFlaw)]
enum Kind {
    Expired,
    WrongAudience,
}

#[derive(Serialize, ToSchema)]
#[schema(as = FlawedToken)]
struct Made {
    access_token: String,
}

async fn make(
    State(auth): State<Auth>,
    caller: Principal,
    Json(wanted): Json<Wanted>,
) -> Result<Response, Error> {
    let flaw = match wanted.kind {
        Kind::Expired => Flaw::Expired,
        Kind::WrongAudience => Flaw::WrongAudience,
    };
    let user = auth.caller(&caller).await?;
    let session = caller.session().and_then(|id| Uuid::try_parse(id).ok());
    let session = session.unwrap_or_else(|| auth.ids().next());
    let access_token = auth.flawed_token(&user, session, flaw)?;
    let no_store = [(CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    let made = JsonAnswer(Made { access_token });
    Ok((StatusCode::CREATED, no_store, made).into_response())
}
