use axum::{
    Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::post,
};
use guard::Principal;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use zeroize::Zeroizing;

use crate::{
    Auth, Error,
    http::{Client, Json},
    openapi::{Document, Operation},
};

pub(crate) fn routes() -> Router<Auth> {
    Router::new()
        .route("/email/verify", post(verify))
        .route("/email/resend", post(resend))
        .route("/me/email", post(change))
}

pub(crate) fn openapi(document: &mut Document) {
    document
        .post("/email/verify", "confirms an address")
        .takes::<Verification>(json!({ "token": "4b3f0c9d…" }))
        .done(204, "the address is confirmed")
        .refuses(400, &["link_invalid"])
        .stores();
    document
        .post("/email/resend", "sends another link to confirm an address")
        .takes::<Resend>(json!({ "email": "me@example.com" }))
        .accepts()
        .refuses(422, &["email_invalid"])
        .limited()
        .stores();
    document
        .post("/me/email", "another address, once it is confirmed")
        .signed_in()
        .takes::<Change>(
            json!({ "email": "new@example.com", "password": "four unrelated gravel words" }),
        )
        .accepts()
        .refuses(401, &["account_unknown"])
        .refuses(403, &["invalid_credentials"])
        .refuses(422, &["email_invalid"])
        .limited()
        .hashes();
}

/// 202: what was asked for goes on by mail, or there is nobody to write to; the answer does not tell which.
pub(crate) struct Accepted;

#[derive(Serialize, ToSchema)]
#[schema(as = Accepted)]
struct Body {
    status: &'static str,
}

impl Operation<'_> {
    /// Answers 202, whatever comes of it.
    pub(crate) fn accepts(self) -> Self {
        let text = "a letter does the rest, if there is somebody to write to";
        self.answers::<Body>(202, text, json!({ "status": "accepted" }))
    }
}

impl IntoResponse for Accepted {
    fn into_response(self) -> Response {
        (StatusCode::ACCEPTED, Json(Body { status: "accepted" })).into_response()
    }
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Verification {
    #[schema(value_type = String, format = Password)]
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

#[derive(Deserialize, ToSchema)]
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

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Change {
    email: String,
    #[schema(value_type = String, format = Password)]
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
