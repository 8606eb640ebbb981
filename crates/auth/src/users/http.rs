mod admin;

use axum::{
    Json as JsonBody, Router,
    extract::{FromRequestParts, Path, State},
    http::{StatusCode, request::Parts},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use guard::Principal;
use serde::{Deserialize, Deserializer, Serialize};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{User, UserId};
use crate::{
    Auth, Error,
    accounts::{Registered, http::Accepted},
    http::{Client, Json},
};

pub(crate) fn routes() -> Router<Auth> {
    Router::new()
        .route("/register", post(register))
        .route("/me", get(me).patch(rename))
        .route("/me/delete", post(delete_me))
        .merge(admin::routes())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Registration {
    email: String,
    password: Zeroizing<String>,
    name: Option<String>,
}

/// The account that a path names by `{id}`: 404 for a text that is no id, as for one that nobody has.
pub(crate) struct UserPath(pub(crate) UserId);

impl<S: Send + Sync> FromRequestParts<S> for UserPath {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let path = Path::<Uuid>::from_request_parts(parts, state).await;
        path.map(|Path(id)| Self(UserId(id))).map_err(|_| Error::NotFound)
    }
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
) -> Result<Response, Error> {
    let Registration { email, password, name } = body;
    Ok(match auth.register(&email, &password, name.as_deref(), &client).await? {
        Registered::Complete(user) => {
            (StatusCode::CREATED, JsonBody(Account::from(user))).into_response()
        }
        Registered::Pending => Accepted.into_response(),
    })
}

async fn me(State(auth): State<Auth>, caller: Principal) -> Result<JsonBody<Account>, Error> {
    let user = auth.caller(&caller).await?;
    Ok(JsonBody(user.into()))
}

/// What is left out stays as it is; `null` removes the name.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Renaming {
    #[serde(default, deserialize_with = "given")]
    name: Option<Option<String>>,
}

fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

async fn rename(
    State(auth): State<Auth>,
    caller: Principal,
    client: Client,
    Json(body): Json<Renaming>,
) -> Result<JsonBody<Account>, Error> {
    let auth = auth.acting_for(&caller, client)?;
    let user = auth.caller(&caller).await?;
    let user = match body.name {
        Some(name) => auth.user_set_name(user.id, name.as_deref()).await?,
        None => user,
    };
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
    let auth = auth.acting_for(&caller, client.clone())?;
    let user = auth.caller(&caller).await?;
    auth.password_check(&user, &body.password, &client).await?;
    auth.user_delete(user.id).await?;
    Ok(StatusCode::NO_CONTENT)
}
