mod admin;

use axum::{
    Router,
    extract::{FromRequestParts, Path, State},
    http::{StatusCode, request::Parts},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use guard::Principal;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{User, UserId};
use crate::{
    Auth, Error,
    accounts::{Registered, http::Accepted},
    http::{Client, Json},
    openapi::Document,
};

pub(crate) fn routes() -> Router<Auth> {
    Router::new()
        .route("/register", post(register))
        .route("/me", get(me).patch(rename))
        .route("/me/delete", post(delete_me))
        .merge(admin::routes())
}

pub(crate) fn openapi(document: &mut Document) {
    document
        .post("/register", "makes an account")
        .takes::<Registration>(json!({
            "email": "me@example.com", "password": "four unrelated gravel words", "name": "Me"
        }))
        .answers::<Account>(201, "the account", Account::example())
        .accepts()
        .refuses(403, &["registration_closed"])
        .refuses(409, &["email_taken"])
        .refuses(422, &["email_invalid", "name_invalid", "password_refused"])
        .limited()
        .hashes()
        .stores();
    document
        .get("/me", "the own account")
        .signed_in()
        .answers::<Account>(200, "the account", Account::example())
        .refuses(401, &["account_unknown"]);
    document
        .patch("/me", "another name")
        .signed_in()
        .takes::<Renaming>(json!({ "name": "Somebody Else" }))
        .answers::<Account>(200, "the account", Account::example())
        .refuses(401, &["account_unknown"])
        .refuses(422, &["name_invalid"]);
    document
        .post("/me/delete", "removes the own account")
        .signed_in()
        .takes::<Deletion>(json!({ "password": "four unrelated gravel words" }))
        .done(204, "the account is gone")
        .refuses(401, &["account_unknown"])
        .refuses(403, &["invalid_credentials"])
        .refuses(409, &["last_admin"])
        .limited()
        .hashes();
    admin::openapi(document);
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Registration {
    email: String,
    #[schema(value_type = String, format = Password)]
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
#[derive(Serialize, ToSchema)]
pub(crate) struct Account {
    id: String,
    email: String,
    name: Option<String>,
    roles: Vec<String>,
    created_at: i64,
}

impl Account {
    pub(crate) fn example() -> Value {
        json!({
            "id": "01a202d9-deef-747d-b51c-d9e0b5f1c8ef",
            "email": "me@example.com",
            "name": "Me",
            "roles": ["user"],
            "created_at": 1_795_344_162
        })
    }
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
            (StatusCode::CREATED, Json(Account::from(user))).into_response()
        }
        Registered::Pending => Accepted.into_response(),
    })
}

async fn me(State(auth): State<Auth>, caller: Principal) -> Result<Json<Account>, Error> {
    let user = auth.caller(&caller).await?;
    Ok(Json(user.into()))
}

/// What is left out stays as it is; `null` removes the name.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Renaming {
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
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
) -> Result<Json<Account>, Error> {
    let auth = auth.acting_for(&caller, client)?;
    let user = auth.caller(&caller).await?;
    let user = match body.name {
        Some(name) => auth.user_set_name(user.id, name.as_deref()).await?,
        None => user,
    };
    Ok(Json(user.into()))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Deletion {
    #[schema(value_type = String, format = Password)]
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
