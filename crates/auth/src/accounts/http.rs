use axum::{
    Json as JsonBody, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::post,
};
use guard::Principal;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{
    Auth, Error,
    http::{Client, Json},
};

pub(crate) fn routes() -> Router<Auth> {
    Router::new()
        .route("/email/verify", post(verify))
        .route("/email/resend", post(resend))
        .route("/me/email", post(change))
}

/// 202: what was asked for goes on by mail, or there is nobody to write to; the answer does not tell which.
pub(crate) struct Accepted;

impl IntoResponse for Accepted {
    fn into_response(self) -> Response {
        #[derive(Serialize)]
        struct Body {
            status: &'static str,
        }
        (StatusCode::ACCEPTED, JsonBody(Body { status: "accepted" })).into_response()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Verification {
    token: Zeroizing<String>,
}

async fn verify(
    State(auth): State<Auth>,
    client: Client,
    Json(body): Json<Verification>,
) -> Result<StatusCode, Error> {
    auth.email_verify(&body.token, &client).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Resend {
    email: String,
}

async fn resend(
    State(auth): State<Auth>,
    client: Client,
    Json(body): Json<Resend>,
) -> Result<Accepted, Error> {
    auth.email_resend(&body.email, &client).await?;
    Ok(Accepted)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    email: String,
    password: Zeroizing<String>,
}

async fn change(
    State(auth): State<Auth>,
    client: Client,
    caller: Principal,
    Json(body): Json<Change>,
) -> Result<Accepted, Error> {
    let auth = auth.acting_for(&caller, client.clone())?;
    let user = auth.caller(&caller).await?;
    auth.email_change(&user, &body.email, &body.password, &client).await?;
    Ok(Accepted)
}
