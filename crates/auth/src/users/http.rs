use axum::{
    Json as JsonBody, Router,
    extract::State,
    http::StatusCode,
    routing::{get, post},
};
use guard::Principal;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::User;
use crate::{
    Auth, Error,
    http::{Client, Json},
};

pub(crate) fn routes() -> Router<Auth> {
    Router::new()
        .route("/register", post(register))
        .route("/me", get(me))
        .route("/me/delete", post(delete_me))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Registration {
    email: String,
    password: Zeroizing<String>,
    name: Option<String>,
}

/// An account as its owner sees it.
#[derive(Serialize)]
pub(crate) struct Account {
    id: String,
    email: String,
    name: Option<String>,
    roles: Vec<String>,
    created_at: i64,
}

impl From<User> for Account {
    fn from(user: User) -> Self {
        Self {
            id: user.id.0.to_string(),
            email: user.email.to_string(),
            name: user.name,
            roles: user.roles.names().to_vec(),
            created_at: user.created_at.seconds(),
        }
    }
}

async fn register(
    State(auth): State<Auth>,
    client: Client,
    Json(body): Json<Registration>,
) -> Result<(StatusCode, JsonBody<Account>), Error> {
    auth.limits().admit(&client).await?;
    let user = auth.register(&body.email, &body.password, body.name.as_deref()).await?;
    Ok((StatusCode::CREATED, JsonBody(user.into())))
}

async fn me(State(auth): State<Auth>, caller: Principal) -> Result<JsonBody<Account>, Error> {
    let user = auth.caller(&caller).await?;
    Ok(JsonBody(user.into()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Deletion {
    password: Zeroizing<String>,
}

async fn delete_me(
    State(auth): State<Auth>,
    caller: Principal,
    client: Client,
    Json(body): Json<Deletion>,
) -> Result<StatusCode, Error> {
    let user = auth.caller(&caller).await?;
    auth.password_check(&user, &body.password, &client).await?;
    auth.user_delete(user.id).await?;
    Ok(StatusCode::NO_CONTENT)
}
