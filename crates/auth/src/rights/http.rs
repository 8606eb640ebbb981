use axum::{
    Json as JsonBody, Router,
    extract::{Query, State, rejection::QueryRejection},
    routing::get,
};
use guard::Principal;
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use crate::{
    Auth, Error,
    http::Client,
    roles::Administrator,
    users::{UserId, http::UserPath},
};

pub(crate) fn routes() -> Router<Auth> {
    Router::new().route("/me/export", get(own)).route("/admin/users/{id}/export", get(of_another))
}

/// The page of events that is asked for: those before an event.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    after: Option<Uuid>,
}

fn after(query: Result<Query<Asked>, QueryRejection>) -> Result<Option<Uuid>, Error> {
    let query = query.map_err(|_| Error::QueryInvalid("the query takes after (an id)"))?;
    Ok(query.0.after)
}

async fn own(
    State(auth): State<Auth>,
    caller: Principal,
    client: Client,
    query: Result<Query<Asked>, QueryRejection>,
) -> Result<JsonBody<Value>, Error> {
    let (auth, user) = (auth.acting_for(&caller, client)?, auth.caller(&caller).await?);
    export(&auth, user.id, query).await
}

async fn of_another(
    admin: Administrator,
    UserPath(id): UserPath,
    query: Result<Query<Asked>, QueryRejection>,
) -> Result<JsonBody<Value>, Error> {
    export(admin.auth(), id, query).await
}

async fn export(
    auth: &Auth,
    id: UserId,
    query: Result<Query<Asked>, QueryRejection>,
) -> Result<JsonBody<Value>, Error> {
    Ok(JsonBody(auth.user_export(id, after(query)?).await?.to_json()))
}
