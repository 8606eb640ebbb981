use axum::{
    Json, Router,
    extract::{Query, rejection::QueryRejection},
    routing::get,
};
use jwt::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::Filter;
use crate::{Auth, Error, roles::Administrator, users::UserId};

pub(crate) fn routes() -> Router<Auth> {
    Router::new().route("/admin/events", get(list))
}

/// The page that is asked for: what is older than an id, so many at most, of what the others say.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    after: Option<Uuid>,
    limit: Option<u32>,
    r#type: Option<String>,
    user_id: Option<Uuid>,
    actor_id: Option<Uuid>,
    session_id: Option<Uuid>,
    since: Option<i64>,
    until: Option<i64>,
}

/// Items of a page, where nothing is said.
const PAGE: u32 = 50;
/// Items of a page at most.
const MAX_PAGE: u32 = 200;

#[derive(Serialize)]
struct Events {
    items: Vec<Value>,
    next: Option<Uuid>,
}

async fn list(
    admin: Administrator,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<Events>, Error> {
    let Query(asked) = asked.map_err(|_| {
        Error::QueryInvalid(
            "the query takes after, user_id, actor_id and session_id (an id), type (a name), limit, since and \
             until (a number)",
        )
    })?;
    let limit = asked.limit.unwrap_or(PAGE);
    if !(1..=MAX_PAGE).contains(&limit) {
        return Err(Error::QueryInvalid("limit is 1 to 200"));
    }
    let filter = Filter {
        kind: asked.r#type,
        user: asked.user_id.map(UserId),
        actor: asked.actor_id.map(UserId),
        session: asked.session_id,
        since: asked.since.map(Timestamp::new),
        until: asked.until.map(Timestamp::new),
    };
    // One more, to know whether there is a next page.
    let mut events = admin.auth().log().page(&filter, asked.after, limit + 1).await?;
    let more = events.len() > usize::try_from(limit).unwrap_or(usize::MAX);
    events.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let next = events.last().filter(|_| more).map(|event| event.id);
    Ok(Json(Events { items: events.iter().map(super::Event::to_json).collect(), next }))
}
