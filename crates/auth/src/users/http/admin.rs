use axum::{
    Router,
    extract::{OriginalUri, Query, rejection::QueryRejection},
    http::{StatusCode, header::LOCATION},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{Account, UserPath, given};
use crate::{
    Auth, Error,
    http::{
        Json,
        page::{Page, limit},
    },
    openapi::Document,
    roles::{self, Administrator},
    sessions::http::{Asked, Login, Revoked, asked, logins},
    users::{NewUser, Order, Search, User, UserId, UserUpdate},
};

pub(crate) fn routes() -> Router<Auth> {
    Router::new()
        .route("/admin/users", get(list).post(create))
        .route("/admin/users/{id}", get(show).patch(change).delete(remove))
        .route("/admin/users/{id}/sessions", get(sessions))
        .route("/admin/users/{id}/sessions/revoke", post(sign_out))
}

pub(crate) fn openapi(document: &mut Document) {
    let mut account = Account::example();
    if let Some(members) = account.as_object_mut() {
        members
            .extend([("disabled".to_owned(), json!(false)), ("pending".to_owned(), json!(false))]);
    }
    let example = || account.clone();
    document
        .get("/admin/users", "looks for accounts")
        .administrator()
        .query(
            "q",
            json!({ "type": "string", "maxLength": 254 }),
            "a part of the address or the name",
        )
        .query("role", json!({ "type": "string" }), "those with this role")
        .query("disabled", json!({ "type": "boolean" }), "those that are disabled, or the others")
        .lists::<Administered>("accounts, the newest first", 200, example());
    document
        .post("/admin/users", "makes an account")
        .administrator()
        .takes::<Creation>(json!({
            "email": "me@example.com", "password": "four unrelated gravel words", "name": "Me", "roles": ["user"]
        }))
        .answers::<Administered>(201, "the account; its path is in `Location`", example())
        .refuses(409, &["email_taken"])
        .refuses(422, &["email_invalid", "name_invalid", "password_refused", "role_unknown"])
        .hashes();
    document
        .get("/admin/users/{id}", "one account")
        .administrator()
        .answers::<Administered>(200, "the account", example())
        .refuses(404, &["not_found"]);
    document
        .patch("/admin/users/{id}", "another name, other roles, disabled or not")
        .administrator()
        .takes::<Changes>(json!({ "name": "Me", "roles": ["admin", "user"], "disabled": false }))
        .answers::<Administered>(200, "the account", example())
        .refuses(404, &["not_found"])
        .refuses(409, &["last_admin"])
        .refuses(422, &["name_invalid", "role_unknown"]);
    document
        .delete("/admin/users/{id}", "removes an account")
        .administrator()
        .done(204, "the account is gone")
        .refuses(404, &["not_found"])
        .refuses(409, &["last_admin"]);
    document
        .get("/admin/users/{id}/sessions", "the logins of an account")
        .administrator()
        .lists::<Login>("the logins, the newest first", 200, Login::example())
        .refuses(404, &["not_found"]);
    document
        .post("/admin/users/{id}/sessions/revoke", "ends all logins of an account")
        .administrator()
        .answers::<Revoked>(200, "the logins that ended", Revoked::example())
        .refuses(404, &["not_found"]);
}

/// An account as an administrator sees it.
#[derive(Serialize, ToSchema)]
pub(crate) struct Administered {
    #[serde(flatten)]
    account: Account,
    disabled: bool,
    pending: bool,
}

impl From<User> for Administered {
    fn from(user: User) -> Self {
        Self { disabled: user.disabled, pending: user.pending, account: user.into() }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Looked {
    q: Option<String>,
    role: Option<String>,
    disabled: Option<bool>,
    after: Option<Uuid>,
    limit: Option<usize>,
}

const QUERY: &str = "the query takes q (a part of an address or a name), role, disabled (true or false), after (an id) \
                     and limit (a number)";

async fn list(
    admin: Administrator,
    query: Result<Query<Looked>, QueryRejection>,
) -> Result<Json<Page<Administered>>, Error> {
    let Query(looked) = query.map_err(|_| Error::QueryInvalid(QUERY))?;
    let limit = limit(looked.limit)?;
    let search = Search {
        text: looked.q.as_deref(),
        role: looked.role.as_deref().filter(|role| !role.is_empty()),
        disabled: looked.disabled,
        after: looked.after.map(UserId),
        limit: u32::try_from(limit).unwrap_or(u32::MAX).saturating_add(1),
        order: Order::NewestFirst,
    };
    let users = admin.auth().users_find(&search).await?;
    Ok(Json(Page::of(users, limit, |user| user.id.0, Administered::from)))
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Creation {
    email: String,
    #[schema(value_type = String, format = Password)]
    password: Zeroizing<String>,
    name: Option<String>,
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    roles: Option<Vec<String>>,
}

async fn create(
    admin: Administrator,
    OriginalUri(uri): OriginalUri,
    Json(body): Json<Creation>,
) -> Result<Response, Error> {
    let Creation { email, password, name, roles } = body;
    let roles = roles.unwrap_or_default();
    let new = NewUser {
        email: &email,
        password: &password,
        name: name.as_deref(),
        roles: &with_user(&roles),
    };
    let user = admin.auth().user_create(new).await?;
    // Under the prefix that an application gives the routes.
    let location = [(LOCATION, format!("{}/{}", uri.path(), user.id.0))];
    Ok((StatusCode::CREATED, location, Json(Administered::from(user))).into_response())
}

async fn show(admin: Administrator, UserPath(id): UserPath) -> Result<Json<Administered>, Error> {
    let user = admin.auth().user(id).await?.ok_or(Error::NotFound)?;
    Ok(Json(user.into()))
}

/// What is left out stays as it is; `null` removes the name.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Changes {
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    name: Option<Option<String>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    roles: Option<Vec<String>>,
    #[serde(default, deserialize_with = "present")]
    #[schema(nullable = false)]
    disabled: Option<bool>,
}

async fn change(
    admin: Administrator,
    UserPath(id): UserPath,
    Json(body): Json<Changes>,
) -> Result<Json<Administered>, Error> {
    let Changes { name, roles, disabled } = body;
    let roles = roles.as_deref().map(with_user);
    let name = name.as_ref().map(Option::as_deref);
    let update = UserUpdate { name, roles: roles.as_deref(), disabled };
    Ok(Json(admin.auth().user_update(id, update).await?.into()))
}

async fn remove(admin: Administrator, UserPath(id): UserPath) -> Result<StatusCode, Error> {
    admin.auth().user_delete(id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn sessions(
    admin: Administrator,
    UserPath(id): UserPath,
    query: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<Page<Login>>, Error> {
    let page = asked(query)?;
    let user = admin.auth().user(id).await?.ok_or(Error::NotFound)?;
    let own = admin.principal().session();
    logins(admin.auth(), user.id, own.and_then(|own| Uuid::try_parse(own).ok()), page).await
}

async fn sign_out(admin: Administrator, UserPath(id): UserPath) -> Result<Json<Revoked>, Error> {
    Ok(Json(admin.auth().user_sign_out(id).await?.into()))
}

/// Roles with the one that every account has.
fn with_user(roles: &[String]) -> Vec<&str> {
    roles.iter().map(String::as_str).chain([roles::USER]).collect()
}

/// A member that may be left out, and is not `null` where it stands.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}
